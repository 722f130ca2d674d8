//! `make bench`, the pauses: how long a report waits at most while the server seals,
//! publishes, answers questions and prunes, beside the same with nothing else to do.
//!
//! Eight connections post in turn, one report at a time, some thousand a second; every
//! wait is counted. A word after `bench-pauses` is the time for each line, in seconds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netwatch_tests::client::{exchange, posting, send};
use netwatch_tests::files::segments;
use netwatch_tests::reports::{Random, report};
use netwatch_tests::server::{Kind, Server};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 8;
/// What there is to ask about and to prune.
const STORED_BYTES: usize = 300_000_000;
/// Small, so that many are sealed and published meanwhile.
const FLUSH_BYTES: &str = "4MiB";
const TOKEN: [(&str, &str); 1] = [("Authorization", "Bearer bench")];

/// What is asked over and over.
const QUESTIONS: [(&str, &str); 5] = [
    ("statistics by host", "/api/v1/stats?since=-1h"),
    (
        "statistics of what is not indexed",
        "/api/v1/stats?since=-1h&group=/geo/country",
    ),
    (
        "a full scan that finds nothing",
        "/api/v1/reports?since=-1h&where=/clientId:eq:nobody",
    ),
    ("a plot", "/api/v1/plots/latency.svg?since=-1h"),
    ("metrics", "/metrics"),
];

/// Requests as they go over the wire, no two alike.
fn requests(hosts: u64, samples: u64) -> Vec<Vec<u8>> {
    let mut random = Random(11);
    (0..20_000)
        .map(|n| posting("application/json", &report(&mut random, n, hosts, samples)))
        .collect()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("an option");
    stream
}

/// Sends a request, which must be accepted; how long that took.
fn post(stream: &mut TcpStream, request: &[u8]) -> Duration {
    let began = Instant::now();
    let reply = exchange(stream, request).expect("an answer");
    let took = began.elapsed();
    assert_eq!(reply.status, 202, "{}", reply.text());
    took
}

/// Posts for `time`, and says how long the answers took.
fn measure(what: &str, address: SocketAddr, requests: &[Vec<u8>], time: Duration) {
    let mut streams: Vec<_> = (0..CONNECTIONS).map(|_| connect(address)).collect();
    let end = Instant::now() + time;
    let mut took = Vec::new();
    for (turn, request) in requests.iter().cycle().enumerate() {
        if Instant::now() > end {
            break;
        }
        took.push(post(&mut streams[turn % CONNECTIONS], request));
        std::thread::sleep(Duration::from_micros(500));
    }
    took.sort();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{what:<36} {:>6} reports, ms: median {:.2}, p99 {:.2}, p99.9 {:.2}, longest {:.1}",
        took.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}

/// Posts for `time` while somebody asks `path` without a break.
fn measure_beside(
    what: &str,
    path: &str,
    address: SocketAddr,
    requests: &[Vec<u8>],
    time: Duration,
) {
    let done = AtomicBool::new(false);
    let [answers, refusals] = [const { AtomicUsize::new(0) }; 2];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let reply = send(address, "GET", path, &TOKEN, b"").expect("an answer");
                let counted = match reply.status {
                    200 => &answers,
                    _ => &refusals,
                };
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        measure(what, address, requests, time);
        done.store(true, Ordering::Relaxed);
    });
    let [answers, refusals] = [answers, refusals].map(AtomicUsize::into_inner);
    println!(
        "{:<36} {answers} answers and {refusals} refusals meanwhile",
        ""
    );
}

/// Stores reports, in batches, until there are [`STORED_BYTES`].
fn fill(address: SocketAddr, hosts: u64, samples: u64) {
    let mut stream = connect(address);
    let (mut random, mut sent, mut n) = (Random(12), 0, 0);
    while sent < STORED_BYTES {
        let mut body = String::new();
        while body.len() < 900_000 {
            body += &report(&mut random, n, hosts, samples);
            body.push('\n');
            n += 1;
        }
        post(&mut stream, &posting("application/x-ndjson", &body));
        sent += body.len();
    }
}

fn settings<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let all = [("READ_TOKEN", "bench"), ("FLUSH_BYTES", FLUSH_BYTES)];
    [&all, more].concat()
}

fn run(dir: &Path, size: &str, (hosts, samples): (u64, u64), time: Duration) {
    let requests = requests(hosts, samples);
    let mut server = Server::start(Kind::Native, dir, &settings(&[]));
    fill(server.address, hosts, samples);
    println!("{size}, {} files", segments(dir).len());
    // Statistics of the last ones are kept up.
    std::thread::sleep(Duration::from_secs(3));
    measure(
        "sealing and publishing only",
        server.address,
        &requests,
        time,
    );
    for (what, path) in QUESTIONS {
        measure_beside(what, path, server.address, &requests, time);
    }
    assert!(server.stop().success());
    let before = segments(dir).len();
    // It looks every ten seconds, and removes up to 64 files at once.
    let server = Server::start(Kind::Native, dir, &settings(&[("RETENTION_BYTES", "2MB")]));
    let time = time.max(Duration::from_secs(22));
    measure("pruning", server.address, &requests, time);
    let left = segments(dir).len();
    assert!(left < before, "nothing was pruned");
    println!("{:<36} {before} files, then {left}", "");
}

fn main() {
    let seconds = std::env::args().nth(1);
    let seconds = seconds.map_or(6.0, |text| text.parse().expect("a number of seconds"));
    let time = Duration::from_secs_f64(seconds);
    for (size, shape) in [("700 bytes", (3, 1)), ("3.4 kB", (10, 6))] {
        let dir = tempfile::tempdir().expect("a directory");
        run(dir.path(), size, shape, time);
    }
}
