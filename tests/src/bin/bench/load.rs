//! The load: one thread that keeps connections busy, each with one request at a
//! time, and notes how long each answer took.

use crate::process::own_cpu_seconds;
use netwatch_tests::reports::{Random, report};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

/// Whole requests, all different, to be sent as they are.
pub(crate) struct Requests {
    requests: Vec<Vec<u8>>,
    /// Bytes of a body, on average.
    pub(crate) body_bytes: usize,
    /// Reports in each.
    pub(crate) reports: usize,
}

/// What all different requests together have at least, bytes: none comes back
/// within the window of any encoder here (8 MiB), which would flatter it.
const DIFFERENT_BYTES: usize = 32 << 20;

impl Requests {
    /// One report each, of one client on `hosts` hosts with `samples` samples.
    pub(crate) fn single(hosts: u64, samples: u64) -> Requests {
        Requests::new("application/json", 1, hosts, samples)
    }

    /// NDJSON, `reports` in each.
    pub(crate) fn batches(reports: usize, hosts: u64, samples: u64) -> Requests {
        Requests::new("application/x-ndjson", reports, hosts, samples)
    }

    fn new(kind: &str, reports: usize, hosts: u64, samples: u64) -> Requests {
        let (mut random, mut number) = (Random(7), 0);
        let (mut requests, mut bytes) = (Vec::new(), 0);
        while bytes < DIFFERENT_BYTES {
            let mut body = String::new();
            for _ in 0..reports {
                body.push_str(&report(&mut random, number, hosts, samples));
                if reports > 1 {
                    body.push('\n');
                }
                number += 1;
            }
            bytes += body.len();
            let head = format!(
                "POST /api/v1/reports HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            requests.push((head + &body).into_bytes());
        }
        Requests {
            body_bytes: bytes / requests.len(),
            requests,
            reports,
        }
    }
}

/// How much, for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Before measuring.
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
}

/// What came of a load.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Of every request that was accepted while it was measured, nanoseconds,
    /// ascending.
    pub(crate) latencies: Vec<u32>,
    /// Requests accepted, those of the warm-up included.
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    /// CPU time that the load itself took, seconds.
    pub(crate) own_cpu: f64,
}

impl Outcome {
    /// The latency that a share of the requests did not exceed, milliseconds.
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.latencies.get(at).copied().map_or(0.0, f64::from) / 1e6
    }
}

/// Puts a server under load.
pub(crate) fn run(address: SocketAddr, requests: &Arc<Requests>, load: Load) -> Outcome {
    let requests = Arc::clone(requests);
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let cpu_before = own_cpu_seconds();
        let mut outcome = LocalSet::new().block_on(&runtime, keep_busy(address, requests, load));
        outcome.own_cpu = own_cpu_seconds() - cpu_before;
        outcome.latencies.sort_unstable();
        outcome
    });
    thread.join().expect("a load that ends")
}

async fn keep_busy(address: SocketAddr, requests: Arc<Requests>, load: Load) -> Outcome {
    let mut streams = Vec::new();
    for _ in 0..load.connections {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        streams.push(stream);
    }
    let begin = Instant::now() + load.warm_up;
    let shared = Rc::new(Shared {
        requests,
        next: Cell::new(0),
        begin,
        end: begin + load.time,
        outcome: RefCell::default(),
    });
    let clients = streams
        .into_iter()
        .map(|stream| tokio::task::spawn_local(client(stream, Rc::clone(&shared))));
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("a client that ends");
    }
    shared.outcome.take()
}

struct Shared {
    requests: Arc<Requests>,
    next: Cell<usize>,
    begin: Instant,
    end: Instant,
    outcome: RefCell<Outcome>,
}

impl Shared {
    /// Counts a refused request; how many there were before it.
    fn refused(&self) -> u64 {
        let mut outcome = self.outcome.borrow_mut();
        outcome.refused += 1;
        outcome.refused - 1
    }
}

async fn client(mut stream: TcpStream, shared: Rc<Shared>) {
    let requests = &shared.requests.requests;
    let mut answer = [0; 4096];
    let mut ending = None;
    loop {
        let sent = Instant::now();
        if sent >= shared.end {
            return;
        }
        let number = shared.next.replace(shared.next.get() + 1);
        let request = &requests[number % requests.len()];
        stream.write_all(request).await.expect("a request sent");
        let mut read = 0;
        while read == 0 || !answer[..read].ends_with(ending.unwrap_or(b"\0")) {
            let some = stream.read(&mut answer[read..]).await.expect("an answer");
            assert!(some > 0, "the server closed the connection");
            read += some;
            if ending.is_none() {
                ending = ending_of(&answer[..read]);
            }
        }
        let took = sent.elapsed();
        if !answer.starts_with(b"HTTP/1.1 202") {
            let before = shared.refused();
            if before == 0 {
                eprintln!("refused: {}", String::from_utf8_lossy(&answer[..read]));
            }
            // It is no request served, and must not look like a fast one.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        let mut outcome = shared.outcome.borrow_mut();
        outcome.accepted += 1;
        if sent >= shared.begin {
            let nanoseconds = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX);
            outcome.latencies.push(nanoseconds);
        }
    }
}

/// How this server's answers end, told from the head of its first: the body is
/// one JSON object, and is sent with its length or in chunks.
fn ending_of(answer: &[u8]) -> Option<&'static [u8]> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    Some(if head.contains("transfer-encoding: chunked") {
        b"\r\n0\r\n\r\n"
    } else {
        b"}"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_with_its_object_or_with_the_last_chunk() {
        let plain = b"HTTP/1.1 202 Accepted\r\nContent-Length: 14\r\n\r\n";
        assert_eq!(ending_of(plain), Some(&b"}"[..]));
        let chunked = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n{";
        assert_eq!(ending_of(chunked), Some(&b"\r\n0\r\n\r\n"[..]));
        assert_eq!(ending_of(b"HTTP/1.1 202 Acc"), None);
    }

    #[test]
    fn quantiles_are_those_of_all_requests() {
        let outcome = Outcome {
            latencies: (1..=101).map(|n| n * 1_000_000).collect(),
            ..Outcome::default()
        };
        assert_eq!(outcome.quantile_ms(0.5), 51.0);
        assert_eq!(outcome.quantile_ms(0.99), 100.0);
        assert_eq!(outcome.quantile_ms(1.0), 101.0);
        assert_eq!(Outcome::default().quantile_ms(1.0), 0.0);
    }

    #[test]
    fn no_two_requests_are_alike_and_lengths_are_as_announced() {
        let requests = Requests::batches(3, 3, 1);
        let mut seen = std::collections::HashSet::new();
        for request in &requests.requests {
            let text = std::str::from_utf8(request).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
            assert_eq!(body.lines().count(), 3);
            assert!(seen.insert(body));
        }
    }
}
