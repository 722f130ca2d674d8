//! An instance that traps takes its own requests with it, and nothing else.

use super::*;
use netwatch_tests::client::{Reply, get, post};
use netwatch_tests::server::{native, trapping_component};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

fn start(data_dir: &Path) -> Server {
    let mut command = native(data_dir, &[("FLUSH_INTERVAL", "300ms"), ("WORKERS", "2")]);
    command.arg("--component").arg(trapping_component());
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
