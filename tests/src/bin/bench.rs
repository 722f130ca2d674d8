//! `make bench`: the whole server beside a bare hyper server that reads and drops
//! bodies, in alternating rounds of one run. Ratios are what to quote: machines
//! differ, and one machine differs from minute to minute.
//!
//! Words after `bench` choose among sizes (`700B`, `3.4kB`) and targets (`bare`,
//! `crash`, `power`); without any, all are measured.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netwatch_tests::reports::{Random, report};
use netwatch_tests::server::binaries;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(4);
/// What is compared, the yardstick first.
const TARGETS: [&str; 3] = ["bare", "crash", "power"];
/// Enough different reports that none comes back within an encoder's window.
const REPORTS: usize = 20_000;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if std::env::args().nth(1).as_deref() == Some("--bare") {
        return runtime.block_on(bare::serve());
    }
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |name: &str, among: &[&str]| {
        wanted.iter().any(|word| word == name)
            || !among
                .iter()
                .any(|other| wanted.iter().any(|word| word == other))
    };
    println!(
        "{CONNECTIONS} connections, {ROUNDS} alternating rounds of {ROUND:?}, load generator on the same machine"
    );
    const SIZES: [(&str, u64, u64); 2] = [("700B", 3, 1), ("3.4kB", 10, 6)];
    let targets: Vec<&str> = TARGETS
        .into_iter()
        .filter(|target| wanted(target, &TARGETS))
        .collect();
    for (label, hosts, samples) in SIZES {
        if !wanted(label, &SIZES.map(|(label, ..)| label)) {
            continue;
        }
        let bodies = Arc::new(requests(hosts, samples));
        let size = bodies.iter().map(Vec::len).sum::<usize>() / bodies.len();
        println!("\n{label} reports ({size} bytes a request with its head)");
        compare(&runtime, &bodies, &targets);
    }
}

/// What is measured in a round.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    cpu_per_million: f64,
    peak_mib: f64,
}

fn compare(
    runtime: &tokio::runtime::Runtime,
    bodies: &Arc<Vec<Vec<u8>>>,
    targets: &[&'static str],
) {
    let mut rounds: BTreeMap<&str, Vec<Round>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for &target in targets {
            rounds
                .entry(target)
                .or_default()
                .push(measure(runtime, target, bodies));
        }
    }
    println!(
        "{:<12} {:>10} {:>16} {:>8} {:>8} {:>8} {:>12} {:>9}",
        "",
        "requests/s",
        "ratio (spread)",
        "p50 ms",
        "p99 ms",
        "max ms",
        "CPU s/million",
        "peak MiB"
    );
    for (target, own) in &rounds {
        let bare = rounds.get("bare").unwrap_or(own);
        let mut ratios: Vec<_> = own
            .iter()
            .zip(bare)
            .map(|(a, b)| a.per_second / b.per_second)
            .collect();
        ratios.sort_by(f64::total_cmp);
        let of = |value: fn(&Round) -> f64| median(own.iter().map(value));
        println!(
            "{target:<12} {:>10.0} {:>5.2} ({:.2}-{:.2}) {:>8.2} {:>8.2} {:>8.2} {:>12.1} {:>9.0}",
            of(|r| r.per_second),
            ratios[ratios.len() / 2],
            ratios[0],
            ratios[ratios.len() - 1],
            of(|r| r.p50_ms),
            of(|r| r.p99_ms),
            of(|r| r.max_ms),
            of(|r| r.cpu_per_million),
            of(|r| r.peak_mib),
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn measure(runtime: &tokio::runtime::Runtime, target: &str, bodies: &Arc<Vec<Vec<u8>>>) -> Round {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut child, address) = start(target, dir.path());
    let cpu_before = cpu_seconds(&child);
    let mut latencies = runtime.block_on(load(address, bodies));
    let cpu = cpu_seconds(&child) - cpu_before;
    let peak_mib = status_field(&child, "VmHWM:") / 1024.0;
    let _ = child.kill();
    let _ = child.wait();
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = ((latencies.len() - 1) as f64 * share) as usize;
        latencies[index].as_secs_f64() * 1e3
    };
    Round {
        per_second: latencies.len() as f64 / ROUND.as_secs_f64(),
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        max_ms: at(1.0),
        cpu_per_million: cpu / latencies.len() as f64 * 1e6,
        peak_mib,
    }
}

fn start(target: &str, data_dir: &std::path::Path) -> (Child, SocketAddr) {
    let binaries = binaries();
    let mut command = if target == "bare" {
        let mut command = Command::new(binaries.join("bench"));
        command.arg("--bare");
        command
    } else {
        let mut command = Command::new(binaries.join("netwatch-server"));
        command.env("DURABILITY", target).env("DATA_DIR", data_dir);
        command
            .env("PORT", "0")
            .env("BIND", "127.0.0.1")
            .env("LOG_FORMAT", "json");
        command
    };
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a server");
    let address = netwatch_tests::server::address_of(&mut child);
    (child, address)
}

/// Keeps every connection busy for a round; the latency of each request.
async fn load(address: SocketAddr, bodies: &Arc<Vec<Vec<u8>>>) -> Vec<Duration> {
    let next = Arc::new(AtomicUsize::new(0));
    let end = Instant::now() + ROUND;
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| tokio::spawn(client(address, Arc::clone(bodies), Arc::clone(&next), end)))
        .collect();
    let mut latencies = Vec::new();
    for one in clients {
        latencies.extend(one.await.expect("a client that ends"));
    }
    latencies
}

async fn client(
    address: SocketAddr,
    bodies: Arc<Vec<Vec<u8>>>,
    next: Arc<AtomicUsize>,
    end: Instant,
) -> Vec<Duration> {
    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .expect("a connection");
    stream.set_nodelay(true).expect("an option");
    let mut latencies = Vec::new();
    let mut answer = vec![0; 4096];
    while Instant::now() < end {
        let request = &bodies[next.fetch_add(1, Ordering::Relaxed) % bodies.len()];
        let began = Instant::now();
        stream.write_all(request).await.expect("a request sent");
        let mut read = 0;
        // Both servers answer with one small body that ends in a brace.
        while read == 0 || answer[read - 1] != b'}' {
            let some = stream.read(&mut answer[read..]).await.expect("an answer");
            assert!(some > 0, "the server closed the connection");
            read += some;
        }
        // A refusal is no request served; it shows in requests/s and in the log.
        if !answer.starts_with(b"HTTP/1.1 202") {
            eprintln!("refused: {}", String::from_utf8_lossy(&answer[..read]));
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        latencies.push(began.elapsed());
    }
    latencies
}

/// Whole requests with invented NetWatch reports, all different.
fn requests(hosts: u64, samples: u64) -> Vec<Vec<u8>> {
    let mut random = Random(7);
    (0..REPORTS as u64)
        .map(|n| request(&mut random, n, hosts, samples))
        .collect()
}

fn request(random: &mut Random, n: u64, hosts: u64, samples: u64) -> Vec<u8> {
    let body = report(random, n, hosts, samples);
    format!(
        "POST /api/v1/reports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// User and system time of a process so far, in seconds.
fn cpu_seconds(child: &Child) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    // Linux reports in hundredths of a second (USER_HZ).
    (ticks(11) + ticks(12)) / 100.0
}

fn status_field(child: &Child, name: &str) -> f64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with(name))
        .unwrap_or("");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0.0)
}

/// The yardstick: hyper, reading and dropping bodies.
mod bare {
    use http_body_util::{BodyExt, Full};
    use hyper::body::{Bytes, Incoming};
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper::{Request, Response};
    use hyper_util::rt::TokioIo;

    pub(super) async fn serve() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a listener");
        let address = listener.local_addr().expect("an address");
        println!("Serving HTTP on http://{address}/");
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let service = service_fn(drop_body);
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }

    async fn drop_body(request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
        let mut body = request.into_body();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        let mut response = Response::new(Full::new(Bytes::from_static(b"{\"accepted\":1}")));
        *response.status_mut() = hyper::StatusCode::ACCEPTED;
        Ok(response)
    }
}
