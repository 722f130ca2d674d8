//! `make bench`, the reading side: a gigabyte of reports in some 300 segments, read
//! by the server, by `zstdcat | jq` and by DuckDB, on the same files in one run.
//!
//! Words after `bench-reading`: the size in MB, if another, and an empty directory
//! to keep the segments in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netwatch_guest::report::Stamper;
use netwatch_guest::report::stamp::rfc3339;
use netwatch_guest::segment::encoder::Encoder;
use netwatch_guest::segment::name::SegmentName;
use netwatch_tests::client::{get, send};
use netwatch_tests::reports::{Random, report};
use netwatch_tests::server::{Kind, Server};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Bytes of lines in a segment.
const SEGMENT_BYTES: usize = 3_400_000;
const ROUNDS: usize = 5;
const DAY_MS: u64 = 86_400_000;
/// The reports are of these days before now.
const DAYS: u64 = 30;
/// A client that there is.
const CLIENT: &str = "9e3779b9-7a10-4c1e-9d2f-0123456789ab";

/// What was written.
struct Stored {
    bytes: usize,
    files_bytes: usize,
    segments: usize,
    since_ms: u64,
}

fn main() {
    let megabytes: usize = std::env::args()
        .nth(1)
        .map_or(1_000, |text| text.parse().expect("a number of MB"));
    let temporary = tempfile::tempdir().expect("a directory");
    let kept = std::env::args().nth(2).map(std::path::PathBuf::from);
    let dir = kept.unwrap_or_else(|| temporary.path().to_owned());
    let stored = write_segments(&dir, megabytes * 1_000_000);
    println!(
        "{:.0} MB of reports of 3.4 kB in {} segments ({:.0} MB), over {DAYS} days",
        stored.bytes as f64 / 1e6,
        stored.segments,
        stored.files_bytes as f64 / 1e6
    );
    let settings = [("READ_TOKEN", "bench"), ("WORKERS", "1")];
    let server = Server::start(Kind::Native, &dir, &settings);
    statistics(&server, &stored);
    queries(&server, &stored);
    println!("the server is {} MiB resident", server.resident_mib());
    others(&dir, &stored);
}

fn write_segments(dir: &Path, bytes: usize) -> Stored {
    let now_ms = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a time");
    let until_ms = u64::try_from(now_ms.as_millis()).expect("a time") / 3_600_000 * 3_600_000;
    let since_ms = until_ms - DAYS * DAY_MS;
    let count = (bytes / SEGMENT_BYTES).max(1);
    let span_ms = DAYS * DAY_MS / count as u64;
    let mut random = Random(7);
    let mut stamper = Stamper::new([7; 32]);
    let mut stored = Stored {
        bytes: 0,
        files_bytes: 0,
        segments: count,
        since_ms,
    };
    for segment in 0..count as u64 {
        let first_ms = since_ms + segment * span_ms;
        let mut lines = Vec::new();
        let mut last_ms = first_ms;
        while lines.len() < SEGMENT_BYTES {
            last_ms = first_ms + (lines.len() as u64 * span_ms) / (SEGMENT_BYTES as u64 + 4_000);
            stamper.set_time(last_ms);
            lines.extend_from_slice(stamper.next_prefix());
            lines.push(b',');
            let body = report(&mut random, segment * 1_000, 10, 6);
            lines.extend_from_slice(&body.as_bytes()[1..]);
            lines.push(b'\n');
        }
        let mut encoder = Encoder::new(segment).expect("an encoder");
        encoder.write(&lines).expect("a frame");
        let frame = encoder.finish().expect("a frame").bytes;
        stored.bytes += lines.len();
        stored.files_bytes += frame.len();
        let id = (u128::from(segment) + 1).to_be_bytes();
        let name = SegmentName {
            first_ms,
            last_ms,
            id,
        };
        std::fs::write(dir.join(name.to_string()), frame).expect("a file");
    }
    stored
}

/// Time to the first byte of the body and to the last, and the body's length.
fn timed(address: SocketAddr, path: &str) -> (Duration, Duration, usize) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream
        .write_all(
            format!(
                "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer bench\r\n\
                 Connection: close\r\n\r\n"
            )
            .as_bytes(),
        )
        .expect("a request sent");
    let mut answer = vec![0; 64 << 10];
    let mut read = stream.read(&mut answer).expect("an answer");
    let first = began.elapsed();
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{path}: {}",
        String::from_utf8_lossy(&answer[..read])
    );
    let mut rest = Vec::new();
    read += stream.read_to_end(&mut rest).expect("an answer");
    (first, began.elapsed(), read)
}

fn median(mut values: Vec<Duration>) -> f64 {
    values.sort();
    values[values.len() / 2].as_secs_f64() * 1e3
}

fn show(what: &str, address: SocketAddr, path: &str, raw_bytes: usize) {
    let rounds: Vec<_> = (0..ROUNDS).map(|_| timed(address, path)).collect();
    let first = median(rounds.iter().map(|(first, ..)| *first).collect());
    let whole = median(rounds.iter().map(|(_, whole, _)| *whole).collect());
    let rate = raw_bytes as f64 / whole / 1e3;
    let rate = match raw_bytes {
        0 => String::new(),
        _ if whole >= 10_000.0 => ", not through when its ten seconds were over".to_owned(),
        _ => format!(", {rate:.0} MB/s of raw JSON"),
    };
    println!(
        "{what:<44} first byte {first:>8.1} ms, whole {whole:>8.1} ms{rate} ({} bytes)",
        rounds[0].2
    );
}

fn statistics(server: &Server, stored: &Stored) {
    let since = rfc3339(stored.since_ms);
    let path = format!("/api/v1/stats?since={since}&bucket=1h");
    let token = [("Authorization", "Bearer bench")];
    let began = Instant::now();
    // While it is not ready the server says so, and gets on when asked again.
    while send(server.address, "GET", &path, &token, b"")
        .expect("an answer")
        .status
        == 503
    {}
    let cold = began.elapsed();
    println!(
        "{:<44} {:.0} ms, {:.0} MB/s of raw JSON",
        "statistics by hour, nothing kept yet",
        cold.as_secs_f64() * 1e3,
        stored.bytes as f64 / cold.as_secs_f64() / 1e6
    );
    show(
        "statistics by hour, the whole period",
        server.address,
        &path,
        0,
    );
    let path = format!("/api/v1/stats?since={since}&bucket=1d");
    show(
        "statistics by day, the whole period",
        server.address,
        &path,
        0,
    );
}

fn queries(server: &Server, stored: &Stored) {
    assert_eq!(get(server.address, "/healthz").status, 200);
    let middle = stored.since_ms + DAYS * DAY_MS / 2;
    let (since, until) = (rfc3339(middle), rfc3339(middle + 60_000));
    let path = format!("/api/v1/reports?since={since}&until={until}");
    show("a minute in the middle", server.address, &path, 0);
    let scan = "/api/v1/reports?where=/clientId:eq:nobody";
    show(
        "a full scan that finds nothing",
        server.address,
        scan,
        stored.bytes,
    );
    let scan = "/api/v1/reports?where=/hosts/0/history/0/latency:gt:100000";
    show("… by a number within", server.address, scan, stored.bytes);
    let path = format!("/api/v1/reports?where=/clientId:eq:{CLIENT}&fields=/timestamp&limit=10000");
    let token = [("Authorization", "Bearer bench")];
    let reply = send(server.address, "GET", &path, &token, b"").expect("an answer");
    println!("one client has {} reports", reply.text().lines().count());
    show(
        "one client's reports, one field",
        server.address,
        &path,
        stored.bytes,
    );
}

/// The same question to others; those that are not installed are left out.
fn others(dir: &Path, stored: &Stored) {
    let jq = format!(
        "zstdcat reports-*.jsonl.zst | jq -c 'select(.clientId == \"{CLIENT}\") | .timestamp' | wc -l"
    );
    let duckdb = format!(
        "python3 -c \"import duckdb; print(duckdb.sql('''SELECT count(*) FROM read_json(\
         'reports-*.jsonl.zst', format='newline_delimited') WHERE clientId = \
         '{CLIENT}' ''').fetchall())\""
    );
    for (what, line) in [
        ("zstdcat | jq, one client", jq),
        ("DuckDB, one client", duckdb),
    ] {
        let began = Instant::now();
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &line])
            .current_dir(dir)
            .output()
            .expect("bash");
        let took = began.elapsed().as_secs_f64();
        if output.status.success() {
            println!(
                "{what:<44} {:.0} ms, {:.0} MB/s of raw JSON; says {}",
                took * 1e3,
                stored.bytes as f64 / took / 1e6,
                String::from_utf8_lossy(&output.stdout).trim()
            );
        } else {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            println!(
                "{what:<44} not measured: {}",
                why.lines().last().unwrap_or_default()
            );
        }
    }
}
