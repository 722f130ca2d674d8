//! `kill -9` at random moments under load.

use super::*;
use netwatch_tests::client::post;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Posts numbered reports from several threads until told to stop, and notes
/// which were acknowledged.
fn load(
    address: SocketAddr,
    next: &AtomicU64,
    acknowledged: &Mutex<BTreeSet<u64>>,
    length: Duration,
    end: impl FnOnce(),
) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let body = format!("{{\"n\":{n},\"pad\":\"{:0200}\"}}", n * 7919);
                    let headers = [("Content-Type", "application/json")];
                    let reply = netwatch_tests::client::send(
                        address,
                        "POST",
                        "/api/v1/reports",
                        &headers,
                        body.as_bytes(),
                    );
                    if reply.is_ok_and(|reply| reply.status == 202) {
                        acknowledged.lock().unwrap().insert(n);
                    }
                }
            });
        }
        std::thread::sleep(length);
        end();
        stop.store(true, Ordering::Relaxed);
    });
}

fn check(data_dir: &Path, acknowledged: &BTreeSet<u64>) {
    let stored = files::numbers(data_dir);
    let unique: BTreeSet<_> = stored.iter().copied().collect();
    assert_eq!(stored.len(), unique.len(), "stored twice");
    let lost: Vec<_> = acknowledged.difference(&unique).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert!(
        acknowledged.len() > 100,
        "only {} acknowledged",
        acknowledged.len()
    );
}

#[test]
fn acknowledged_reports_survive_kill_9_under_load_at_the_native_host() {
    for durability in ["crash", "power"] {
        let dir = tempfile::tempdir().unwrap();
        let settings = [
            ("FLUSH_INTERVAL", "300ms"),
            ("FLUSH_BYTES", "64KiB"),
            ("DURABILITY", durability),
        ];
        let (next, acknowledged) = (AtomicU64::new(1), Mutex::default());
        for round in 0..6 {
            let mut server = Server::start(Kind::Native, dir.path(), &settings);
            let length = Duration::from_millis(150 + round * 137);
            load(server.address, &next, &acknowledged, length, || {
                server.kill()
            });
        }
        let mut server = Server::start(Kind::Native, dir.path(), &settings);
        // At once: a stop waits for the recovery that the start began.
        assert!(server.stop().success());
        check(dir.path(), &acknowledged.into_inner().unwrap());
        assert_eq!(files::journal(dir.path()), Vec::<String>::new());
    }
}

#[test]
fn acknowledged_reports_survive_kill_9_under_load_in_a_stock_runtime() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("FLUSH_INTERVAL", "300ms"), ("FLUSH_BYTES", "64KiB")];
    let (next, acknowledged) = (AtomicU64::new(1), Mutex::default());
    for round in 0..4 {
        let mut server = Server::start(Kind::Stock, dir.path(), &settings);
        let length = Duration::from_millis(300 + round * 210);
        load(server.address, &next, &acknowledged, length, || {
            server.kill()
        });
    }
    let server = Server::start(Kind::Stock, dir.path(), &settings);
    assert_eq!(
        post(server.address, "application/json", b"{\"last\":1}").status,
        202
    );
    until("the journal is empty", Duration::from_secs(30), || {
        files::journal(dir.path())
            .iter()
            .all(|name| name == "lease")
    });
    check(dir.path(), &acknowledged.into_inner().unwrap());
}

#[test]
fn instances_recycled_by_a_stock_runtime_lose_and_double_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("FLUSH_INTERVAL", "1s")];
    let server = Server::start(Kind::Stock, dir.path(), &settings);
    let (next, acknowledged) = (AtomicU64::new(1), Mutex::default());
    load(
        server.address,
        &next,
        &acknowledged,
        Duration::from_secs(4),
        || {},
    );
    until("the journal is empty", Duration::from_secs(30), || {
        files::journal(dir.path())
            .iter()
            .all(|name| name == "lease")
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    assert_eq!(
        acknowledged.len() as u64 + 1,
        next.load(Ordering::Relaxed),
        "refused under load"
    );
    check(dir.path(), &acknowledged);
    let segments = files::segments(dir.path()).len();
    assert!(segments <= 12, "{segments} files in four seconds");
}
