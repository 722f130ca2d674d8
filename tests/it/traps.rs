//! An instance that traps takes its own requests with it, and nothing else.

use super::*;
use netwatch_tests::client::{Reply, get, post, send};
use netwatch_tests::server::{native, stock_with, trapping_component};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const SETTINGS: [(&str, &str); 2] = [("FLUSH_INTERVAL", "300ms"), ("WORKERS", "2")];

fn start(data_dir: &Path) -> Server {
    start_kind(Kind::Native, data_dir)
}

fn start_kind(kind: Kind, data_dir: &Path) -> Server {
    let command = match kind {
        Kind::Native => {
            let mut command = native(data_dir, &SETTINGS);
            command.arg("--component").arg(trapping_component());
            command
        }
        Kind::Stock => stock_with(trapping_component(), data_dir, &SETTINGS[..1]),
    };
    Server::spawn(command, data_dir)
}

fn report(address: SocketAddr, n: u64, more: &str) -> Reply {
    let body = format!("{{\"n\":{n}{more}}}");
    post(address, "application/json", body.as_bytes())
}

#[test]
fn a_trap_is_answered_with_503_and_the_worker_is_back_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = start(dir.path());
    let address = server.address;
    for round in 0..5 {
        assert_eq!(report(address, round, "").status, 202);
        let killed = report(address, 100, ",\"trap\":\"before\"");
        assert_eq!(killed.status, 503, "{}", killed.text());
        assert!(killed.header("retry-after").is_some());
        let began = Instant::now();
        assert_eq!(report(address, 10 + round, "").status, 202);
        // A tenth of that is what it takes; machines under test are slow.
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
    }
    assert_eq!(get(address, "/readyz").status, 200);
    let log = server.log().join("\n");
    assert!(log.contains("an instance ended"), "{log}");
    assert!(log.contains("backtrace"), "no backtrace: {log}");
    assert!(server.stop().success());
    let expected: Vec<u64> = (0..5).chain(10..15).collect();
    assert_eq!(files::numbers(dir.path()), expected);
}

/// More than a slice of compression.
const SLICE_BYTES: usize = 150_000;

#[test]
fn a_report_that_fills_a_slice_is_answered_before_the_slice_is_compressed() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let address = server.address;
    let padding = "x".repeat(SLICE_BYTES);
    // Compressing it ends the instance: it is answered before, or not at all.
    let more = format!(",\"padding\":\"{padding}\",\"trap\":\"compress\"");
    let reply = report(address, 1, &more);
    assert_eq!(reply.status, 202, "{}", reply.text());
    until("it is published raw", Duration::from_secs(60), || {
        acknowledges(address, PROBES, "");
        std::thread::sleep(Duration::from_millis(200));
        files::numbers(dir.path()).contains(&1)
    });
}

#[test]
fn acknowledged_reports_survive_traps_under_load() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = start(dir.path());
    let address = server.address;
    let (next, acknowledged) = (AtomicU64::new(0), Mutex::new(BTreeSet::new()));
    let end = Instant::now() + Duration::from_secs(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while Instant::now() < end {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let reply = report(address, n, "");
                    match reply.status {
                        202 => assert!(acknowledged.lock().unwrap().insert(n)),
                        503 => assert!(reply.header("retry-after").is_some()),
                        other => panic!("{other}: {}", reply.text()),
                    }
                }
            });
        }
        scope.spawn(|| {
            for when in ["before", "after"].into_iter().cycle() {
                if Instant::now() >= end {
                    break;
                }
                std::thread::sleep(Duration::from_millis(150));
                let more = format!(",\"trap\":\"{when}\"");
                assert_eq!(report(address, u64::MAX, &more).status, 503);
            }
        });
    });
    assert!(server.stop().success());
    let stored: Vec<u64> = files::numbers(dir.path())
        .into_iter()
        .filter(|n| *n != u64::MAX)
        .collect();
    let unique: BTreeSet<u64> = stored.iter().copied().collect();
    assert_eq!(stored.len(), unique.len(), "stored twice");
    let acknowledged = acknowledged.into_inner().unwrap();
    let lost: Vec<_> = acknowledged.difference(&unique).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert!(acknowledged.len() > 100, "only {}", acknowledged.len());
    assert_eq!(files::journal(dir.path()), Vec::<String>::new());
}

/// Numbers of reports that only bring the next instance about.
const PROBES: u64 = 1_000_000;

/// Whether a report was acknowledged; an instance may end before it can say so.
fn acknowledges(address: SocketAddr, n: u64, more: &str) -> bool {
    let headers = [("Content-Type", "application/json")];
    let body = format!("{{\"n\":{n}{more}}}");
    let sent = send(
        address,
        "POST",
        "/api/v1/reports",
        &headers,
        body.as_bytes(),
    );
    sent.is_ok_and(|reply| reply.status == 202)
}

/// Posts reports, some of which end whatever instance handles them at some stage
/// of publishing. All that is acknowledged must be published in the end, those
/// included, without a start of the server in between.
fn publishing_goes_on(kind: Kind, stage: &str, times: u64) {
    let dir = tempfile::tempdir().unwrap();
    let server = start_kind(kind, dir.path());
    let address = server.address;
    let trap = format!(",\"trap\":\"{stage}\"");
    let mut acknowledged = BTreeSet::new();
    let mut log = Vec::new();
    for n in 0..times {
        for (n, more) in [(3 * n, ""), (3 * n + 1, trap.as_str()), (3 * n + 2, "")] {
            if acknowledges(address, n, more) {
                acknowledged.insert(n);
            }
        }
        std::thread::sleep(Duration::from_millis(400));
    }
    assert!(acknowledged.len() as u64 >= times, "{acknowledged:?}");
    let mut probe = PROBES;
    until("all is published", Duration::from_secs(90), || {
        log.extend(server.log());
        if acknowledges(address, probe, "") {
            acknowledged.insert(probe);
        }
        probe += 1;
        std::thread::sleep(Duration::from_millis(200));
        let stored: BTreeSet<u64> = files::numbers(dir.path()).into_iter().collect();
        let mut wanted = acknowledged.range(..PROBES);
        wanted.all(|n| stored.contains(n))
    });
    until("the journal is empty", Duration::from_secs(30), || {
        let left = files::journal(dir.path());
        left.iter().all(|name| !name.ends_with(".jnl"))
    });
    log.extend(server.log());
    let log = log.join("\n");
    assert!(log.contains("its blocks stay raw"), "{kind:?}: {log}");
    let stored = files::numbers(dir.path());
    let unique: BTreeSet<u64> = stored.iter().copied().collect();
    assert_eq!(stored.len(), unique.len(), "{kind:?}: stored twice");
    assert!(acknowledged.is_subset(&unique), "{kind:?}: lost");
    assert_eq!(get(address, "/readyz").status, 200);
}

#[test]
fn a_report_that_ends_every_instance_that_compresses_it_is_published_raw() {
    for kind in BOTH {
        publishing_goes_on(kind, "compress", 1);
    }
}

#[test]
fn a_report_that_ends_every_instance_that_verifies_it_is_published_unverified() {
    for kind in BOTH {
        publishing_goes_on(kind, "verify", 1);
    }
}

/// Each of them is good for several failed recoveries.
#[test]
fn many_such_reports_delay_publishing_and_do_not_stop_it() {
    publishing_goes_on(Kind::Native, "compress", 6);
}
