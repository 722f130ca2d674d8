//! Several processes on one directory, as stock runtimes may be started, which
//! recover at the same time, and are killed at it.

use super::*;
use netwatch_tests::client::send;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const PROCESSES: usize = 3;
const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

#[test]
fn processes_that_recover_at_once_and_are_killed_at_it_publish_each_report_once() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("FLUSH_INTERVAL", "500ms"), ("FLUSH_BYTES", "64KiB")];
    let start = || Server::start(Kind::Stock, dir.path(), &settings);
    let servers: Vec<_> = (0..PROCESSES).map(|_| Mutex::new(start())).collect();
    let (next, stop) = (AtomicU64::new(1), AtomicBool::new(false));
    let acknowledged = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for server in &servers {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let address = server.lock().unwrap().address;
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let body = format!("{{\"n\":{n},\"pad\":\"{:0400}\"}}", n * 7919);
                    let body = body.as_bytes();
                    let reply = send(address, "POST", "/api/v1/reports", &JSON, body);
                    if reply.is_ok_and(|reply| reply.status == 202) {
                        acknowledged.lock().unwrap().insert(n);
                    }
                }
            });
        }
        for round in 0..12 {
            std::thread::sleep(Duration::from_millis(250 + round * 211 % 600));
            // The others find the lease of a dead holder, and its half-done plan.
            let mut killed = servers[round as usize % PROCESSES].lock().unwrap();
            killed.kill();
            *killed = start();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let address = servers[0].lock().unwrap().address;
    let last = send(address, "POST", "/api/v1/reports", &JSON, b"{}").unwrap();
    assert_eq!(last.status, 202);
    until("the journal is empty", Duration::from_secs(60), || {
        let left = files::journal(dir.path());
        left.iter().all(|name| !name.ends_with(".jnl"))
    });
    let stored = files::numbers(dir.path());
    let unique: BTreeSet<_> = stored.iter().copied().collect();
    assert_eq!(stored.len(), unique.len(), "stored twice");
    let acknowledged = acknowledged.into_inner().unwrap();
    let lost: Vec<_> = acknowledged.difference(&unique).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert!(acknowledged.len() > 200, "only {}", acknowledged.len());
}
