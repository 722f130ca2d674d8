//! `make soak`: a steady load on the component under stock `wasmtime serve`, with
//! its default flags, for minutes; with `--kill`, killed and started again at
//! random moments. Ends with a failure where a request got 5xx from a server that
//! was up, where anything acknowledged is missing or stored twice, or where files
//! or instances pile up.
//!
//! ```text
//! soak [SECONDS] [REQUESTS PER SECOND] [--kill]
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netwatch_tests::client::post;
use netwatch_tests::files;
use netwatch_tests::server::{Kind, Server};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS: u64 = 32;

/// What all clients share.
struct Load {
    address: Mutex<SocketAddr>,
    next: AtomicU64,
    stop: AtomicBool,
    acknowledged: Mutex<Vec<u64>>,
    statuses: Mutex<BTreeMap<u16, u64>>,
    slowest: Mutex<Duration>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let kill = words.iter().any(|word| word == "--kill");
    let mut numbers = words.iter().filter_map(|word| word.parse::<u64>().ok());
    let length = Duration::from_secs(numbers.next().unwrap_or(180));
    let rate = numbers.next().unwrap_or(5_000);
    let dir = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(Kind::Stock, dir.path(), &[]);
    let load = Arc::new(Load {
        address: Mutex::new(server.address),
        next: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        acknowledged: Mutex::default(),
        statuses: Mutex::default(),
        slowest: Mutex::default(),
    });
    println!("{rate} requests/s for {length:?}, {CONNECTIONS} connections, kills: {kill}");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|n| runtime.spawn(client(Arc::clone(&load), n, rate)))
        .collect();
    let (mut journals, mut memory_mib, mut kills) = (0, 0, 0_u64);
    let began = Instant::now();
    let mut next_kill = Duration::from_secs(7);
    while began.elapsed() < length {
        std::thread::sleep(Duration::from_secs(1));
        journals = journals.max(instances(dir.path()));
        memory_mib = memory_mib.max(server.resident_mib());
        if kill && began.elapsed() > next_kill {
            server.kill();
            server = Server::start(Kind::Stock, dir.path(), &[]);
            *load.address.lock().unwrap() = server.address;
            kills += 1;
            // No pattern that the flush interval could fall in with.
            next_kill += Duration::from_millis(5_000 + kills * 7_919 % 11_000);
        }
    }
    load.stop.store(true, Ordering::Relaxed);
    for one in clients {
        runtime.block_on(one).expect("a client that ends");
    }
    // What a killed runtime left is published when the next request has come.
    let last = post(server.address, "application/json", b"{}");
    assert_eq!(last.status, 202, "{}", last.text());
    let patience = Instant::now();
    while !drained(dir.path()) && patience.elapsed() < Duration::from_secs(90) {
        std::thread::sleep(Duration::from_millis(200));
    }
    println!(
        "at most: journals of {journals} instances waiting, {memory_mib} MiB resident; kills: {kills}"
    );
    judge(&load, dir.path(), length, kills)
}

fn judge(load: &Load, data_dir: &Path, length: Duration, kills: u64) -> ExitCode {
    let stored = files::numbers(data_dir);
    let unique: BTreeSet<u64> = stored.iter().copied().collect();
    let acknowledged = load.acknowledged.lock().unwrap();
    let lost = acknowledged.iter().filter(|n| !unique.contains(n)).count();
    let doubled = stored.len() - unique.len();
    let statuses = load.statuses.lock().unwrap();
    let failed: u64 = statuses.range(500..).map(|(_, count)| count).sum();
    let segments = files::segments(data_dir).len();
    let minutes = length.as_secs_f64() / 60.0;
    println!(
        "statuses {statuses:?}, slowest {:?}, {:.0} acknowledged a second",
        load.slowest.lock().unwrap(),
        acknowledged.len() as f64 / length.as_secs_f64()
    );
    println!(
        "acknowledged {}, lost {lost}, doubled {doubled}, files {segments} ({:.1} a minute)",
        acknowledged.len(),
        segments as f64 / minutes
    );
    // At 10 MiB a file, and one a minute, and one or two more after each kill.
    let bytes: u64 = acknowledged.len() as u64 * LINE_BYTES;
    let expected = bytes / (10 << 20) + minutes.ceil() as u64 + 2 * kills + 2;
    let good = lost == 0 && doubled == 0 && failed == 0 && segments as u64 <= expected;
    println!("{}", if good { "passed" } else { "FAILED" });
    ExitCode::from(u8::from(!good))
}

/// Of a stored line, about.
const LINE_BYTES: u64 = 300;

async fn client(load: Arc<Load>, number: u64, rate: u64) {
    let pause = Duration::from_secs_f64(CONNECTIONS as f64 / rate as f64);
    let mut due = Instant::now() + pause.mul_f64(number as f64 / CONNECTIONS as f64);
    let mut connection: Option<TcpStream> = None;
    while !load.stop.load(Ordering::Relaxed) {
        tokio::time::sleep_until(due.into()).await;
        due += pause;
        let n = load.next.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        match exchange(&load, &mut connection, n).await {
            Ok(status) => {
                *load.statuses.lock().unwrap().entry(status).or_default() += 1;
                if status == 202 {
                    load.acknowledged.lock().unwrap().push(n);
                }
                let mut slowest = load.slowest.lock().unwrap();
                *slowest = (*slowest).max(began.elapsed());
            }
            // The server was killed: again, at its new address.
            Err(_) => {
                connection = None;
                tokio::time::sleep(Duration::from_millis(20)).await;
                due = Instant::now();
            }
        }
    }
}

async fn exchange(load: &Load, connection: &mut Option<TcpStream>, n: u64) -> std::io::Result<u16> {
    let stream = match connection {
        Some(stream) => stream,
        None => {
            let address = *load.address.lock().unwrap();
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            connection.insert(stream)
        }
    };
    let body = format!(
        "{{\"n\":{n},\"pad\":\"{:0180}\"}}",
        n.wrapping_mul(0x9E37_79B9)
    );
    let request = format!(
        "POST /api/v1/reports HTTP/1.1\r\nHost: soak\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(1024);
    // Every answer is one JSON document, and none holds another's end.
    while !answer.ends_with(b"}") && !answer.ends_with(b"0\r\n\r\n") {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let status = answer
        .get(9..12)
        .and_then(|digits| std::str::from_utf8(digits).ok());
    status
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

/// Of how many instances, gone or not, a journal waits to be published now.
fn instances(data_dir: &Path) -> usize {
    let names = files::journal(data_dir);
    names
        .iter()
        .filter(|name| name.ends_with(".jnl"))
        .filter_map(|name| name.split('-').next())
        .collect::<BTreeSet<_>>()
        .len()
}

fn drained(data_dir: &Path) -> bool {
    files::journal(data_dir)
        .iter()
        .all(|name| !name.ends_with(".jnl"))
}
