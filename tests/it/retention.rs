//! Old files go, and nothing else.

use super::disk::SmallDisk;
use super::*;
use netwatch_tests::client::{get, post};
use std::net::SocketAddr;

/// A report of about 40 KB that hardly compresses.
fn bulky(n: u64) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let noise: String = (0..40_000)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(LETTERS[(state >> 58) as usize])
        })
        .collect();
    format!("{{\"n\":{n},\"noise\":\"{noise}\"}}")
}

fn send_bulky(address: SocketAddr, numbers: std::ops::RangeInclusive<u64>) {
    for n in numbers {
        let posted = post(address, "application/json", bulky(n).as_bytes());
        assert_eq!(posted.status, 202, "{}", posted.text());
    }
}

fn stored_bytes(data_dir: &Path) -> u64 {
    let paths = files::segments(data_dir);
    // One may go while they are counted.
    let sizes = paths
        .iter()
        .filter_map(|path| Some(path.metadata().ok()?.len()));
    sizes.sum()
}

/// Files that no rule may touch.
fn foreign(data_dir: &Path) -> Vec<std::path::PathBuf> {
    std::fs::create_dir_all(data_dir.join("quarantine")).unwrap();
    let names = [
        "notes.txt",
        "reports-20200101T000000.000Z.jsonl",
        "quarantine/reports-20200101T000000.000Z_20200101T000000.000Z_\
         00000000000000000000000000000001.jsonl.zst",
    ];
    let paths: Vec<_> = names.iter().map(|name| data_dir.join(name)).collect();
    for path in &paths {
        std::fs::write(path, "not ours").unwrap();
    }
    paths
}

/// What is left is the newest, without a gap.
fn check_newest_left(kind: Kind, data_dir: &Path, last: u64) -> u64 {
    let left = files::numbers(data_dir);
    let first = *left.first().expect("something is left");
    let expected: Vec<u64> = (first..=last).collect();
    assert_eq!(left, expected, "{kind:?}");
    first
}

#[test]
fn the_oldest_files_go_while_all_are_larger_than_allowed() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let others = foreign(dir.path());
        let settings = [
            ("FLUSH_INTERVAL", "1s"),
            ("FLUSH_BYTES", "200KiB"),
            ("RETENTION_BYTES", "1MiB"),
        ];
        let server = Server::start(kind, dir.path(), &settings);
        for from in [1, 31, 61] {
            send_bulky(server.address, from..=from + 29);
            std::thread::sleep(Duration::from_millis(1_500));
        }
        let posted = post(server.address, "application/json", bulky(91).as_bytes());
        assert_eq!(posted.status, 202);
        until("the rest fits", Duration::from_secs(40), || {
            files::journal(dir.path())
                .iter()
                .all(|name| !name.ends_with(".jnl"))
                && stored_bytes(dir.path()) <= 1 << 20
        });
        let first = check_newest_left(kind, dir.path(), 91);
        assert!(first > 1, "{kind:?}: nothing went");
        assert!(
            stored_bytes(dir.path()) > 512 << 10,
            "{kind:?}: too much went"
        );
        for path in others {
            assert!(path.exists(), "{kind:?}: {path:?} is gone");
        }
        if kind == Kind::Native {
            let text = get(server.address, "/metrics").text();
            let pruned = text.lines().find_map(|line| {
                let number = line.strip_prefix("netwatch_pruned_files_total{cause=\"bytes\"} ")?;
                number.parse::<u64>().ok()
            });
            assert!(pruned >= Some(3), "{pruned:?}\n{text}");
            let log = server.log().join("\n");
            assert!(log.contains("pruned by bytes"), "{log}");
        }
    }
}

#[test]
fn files_past_their_age_go_and_young_ones_stay() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let others = foreign(dir.path());
        let old = dir.path().join(
            "reports-20200101T000000.000Z_20200102T000000.000Z_\
             0123456789abcdef0123456789abcdef.jsonl.zst",
        );
        std::fs::write(&old, "whatever it holds").unwrap();
        let settings = [("FLUSH_INTERVAL", "1s"), ("RETENTION_AGE", "1h")];
        let server = Server::start(kind, dir.path(), &settings);
        let posted = post(server.address, "application/json", b"{\"n\":1}");
        assert_eq!(posted.status, 202);
        until("the old one is gone", Duration::from_secs(30), || {
            !old.exists()
        });
        published(dir.path(), 1);
        assert_eq!(files::numbers(dir.path()), [1], "{kind:?}");
        for path in others {
            assert!(path.exists(), "{kind:?}: {path:?} is gone");
        }
    }
}

#[test]
fn the_oldest_files_go_while_the_disk_is_short_of_space() {
    const FLOOR: u64 = 4 << 20;
    let disk = SmallDisk::new(8 << 20);
    let data_dir = disk.path().join("data");
    std::fs::create_dir(&data_dir).unwrap();
    let others = foreign(&data_dir);
    let settings = [
        ("FLUSH_INTERVAL", "1s"),
        ("FLUSH_BYTES", "200KiB"),
        ("MIN_FREE_BYTES", "4MiB"),
    ];
    let server = Server::start(Kind::Native, &data_dir, &settings);
    let free = || {
        let disk = rustix::fs::statvfs(disk.path()).unwrap();
        disk.f_bavail * disk.f_frsize
    };
    // About 9 MB in all, onto a disk of 8.
    for from in (1..=271).step_by(30) {
        send_bulky(server.address, from..=from + 29);
        std::thread::sleep(Duration::from_secs(3));
    }
    until("there is space", Duration::from_secs(40), || {
        files::journal(&data_dir)
            .iter()
            .all(|name| !name.ends_with(".jnl"))
            && free() >= FLOOR
    });
    let first = check_newest_left(Kind::Native, &data_dir, 300);
    assert!(first > 1, "nothing went");
    assert!(stored_bytes(&data_dir) > 2 << 20, "too much went");
    for path in others {
        assert!(path.exists(), "{path:?} is gone");
    }
}
