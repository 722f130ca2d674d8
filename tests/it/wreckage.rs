//! What may lie in `DATA_DIR` when a server starts.

use super::*;
use netwatch_guest::journal::frame::{FRAME_HEADER_BYTES, FrameHead, finish_frame, header};
use netwatch_guest::journal::name::{Id, JournalFile, JournalName};
use netwatch_tests::client::{get, post};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A journal that a dead instance left, one report a frame, and where each frame
/// begins.
fn journal(data_dir: &Path, number: u8, reports: &[u64], at_ms: u64) -> (PathBuf, Vec<usize>) {
    let name = JournalName {
        instance: Id([number; 16]),
        id: Id([number + 100; 16]),
    };
    let mut bytes = header(name.id, at_ms).to_vec();
    let mut starts = Vec::new();
    for (number, n) in reports.iter().enumerate() {
        starts.push(bytes.len());
        let line = format!(
            "{{\"_received\":{{\"at\":\"2026-11-23T08:00:00.123Z\",\"id\":\"{:08x}-0000-7000-8000-000000000000\"}},\"n\":{n}}}\n",
            n
        );
        let mut frame = vec![0; FRAME_HEADER_BYTES];
        frame.extend_from_slice(line.as_bytes());
        let head = FrameHead {
            payload_bytes: u32::try_from(line.len()).unwrap(),
            reports: 1,
            number: u32::try_from(number).unwrap(),
            first_ms: at_ms,
            last_ms: at_ms,
        };
        finish_frame(&mut frame, name.id, head);
        bytes.extend_from_slice(&frame);
    }
    std::fs::create_dir_all(data_dir.join("journal")).unwrap();
    let path = data_dir
        .join("journal")
        .join(JournalFile::Journal(name).to_string());
    std::fs::write(&path, bytes).unwrap();
    (path, starts)
}

const NOW_MS: u64 = 1_795_000_000_000;

/// Lets a server find it all, and publish.
fn recovered(kind: Kind, data_dir: &Path, lines: usize) -> Vec<String> {
    let server = quick(kind, data_dir);
    // Without a host the next request brings the recovery about.
    let posted = post(server.address, "application/json", b"{\"n\":0}");
    assert_eq!(posted.status, 202, "{}", posted.text());
    published(data_dir, lines + 1);
    until("ready", Duration::from_secs(10), || {
        get(server.address, "/readyz").status == 200
    });
    server.log()
}

#[test]
fn a_corrupt_frame_costs_its_own_reports_and_the_journal_is_kept_aside() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let (path, starts) = journal(dir.path(), 1, &[1, 2, 3, 4, 5], NOW_MS);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[starts[2] + FRAME_HEADER_BYTES + 20] ^= 0x40;
        std::fs::write(&path, bytes).unwrap();
        let log = recovered(kind, dir.path(), 4).join("\n");
        assert_eq!(files::numbers(dir.path()), [0, 1, 2, 4, 5], "{kind:?}");
        let kept = dir
            .path()
            .join("quarantine")
            .join(path.file_name().unwrap());
        assert!(kept.exists(), "{kind:?}: not in quarantine");
        assert!(log.contains("corrupt"), "{kind:?}: {log}");
    }
}

#[test]
fn a_torn_tail_was_never_acknowledged_and_is_dropped() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let (path, starts) = journal(dir.path(), 1, &[1, 2, 3], NOW_MS);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..starts[2] + 50]).unwrap();
        recovered(kind, dir.path(), 2);
        assert_eq!(files::numbers(dir.path()), [0, 1, 2], "{kind:?}");
        assert_eq!(
            std::fs::read_dir(dir.path().join("quarantine"))
                .unwrap()
                .count(),
            0,
            "{kind:?}"
        );
    }
}

#[test]
fn journals_from_the_future_and_from_1970_are_published_as_any() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        journal(dir.path(), 1, &[1, 2], 4_000_000_000_000);
        journal(dir.path(), 2, &[3], 0);
        recovered(kind, dir.path(), 3);
        assert_eq!(files::numbers(dir.path()), [0, 1, 2, 3], "{kind:?}");
    }
}

#[test]
fn files_that_are_not_ours_stop_nothing_and_are_left_alone() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        journal(dir.path(), 1, &[1, 2], NOW_MS);
        let mut foreign = Vec::new();
        for folder in [dir.path().to_owned(), dir.path().join("journal")] {
            let fifo = folder.join("reports-fifo.jsonl.zst");
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0)
                .unwrap();
            let fifo_journal = folder.join(format!("{0}-{0}.jnl", "ab".repeat(16)));
            rustix::fs::mknodat(
                rustix::fs::CWD,
                &fifo_journal,
                rustix::fs::FileType::Fifo,
                mode,
                0,
            )
            .unwrap();
            let directory = folder.join(format!("{0}-{0}.tmp", "cd".repeat(16)));
            std::fs::create_dir(&directory).unwrap();
            let text = folder.join("notes.txt");
            std::fs::write(&text, "not ours").unwrap();
            let link = folder.join(format!("{0}-{0}.jnl", "ef".repeat(16)));
            std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
            foreign.extend([fifo, fifo_journal, directory, text, link]);
        }
        let segment = "reports-20260101T000000.000Z_20260101T000001.000Z_";
        let directory = dir
            .path()
            .join(format!("{segment}{}.jsonl.zst", "ab".repeat(16)));
        std::fs::create_dir(&directory).unwrap();
        foreign.push(directory.clone());
        let server = quick(kind, dir.path());
        let posted = post(server.address, "application/json", b"{\"n\":0}");
        assert_eq!(posted.status, 202, "{kind:?}: {}", posted.text());
        std::fs::remove_dir(&directory).unwrap();
        foreign.pop();
        until("all is published", Duration::from_secs(20), || {
            let segments = files::segments(dir.path());
            segments.iter().filter(|path| path.is_file()).count() >= 2
                || files_of(dir.path()) == [0, 1, 2]
        });
        drop(server);
        for path in foreign {
            assert!(
                path.symlink_metadata().is_ok(),
                "{kind:?}: {path:?} is gone"
            );
        }
        assert_eq!(files_of(dir.path()), [0, 1, 2], "{kind:?}");
    }
}

/// As [`files::numbers`], of a directory that holds a FIFO with such a name.
fn files_of(data_dir: &Path) -> Vec<u64> {
    let fifo = data_dir.join("reports-fifo.jsonl.zst");
    let aside = data_dir.join("aside");
    std::fs::rename(&fifo, &aside).unwrap();
    let numbers = files::numbers(data_dir);
    std::fs::rename(&aside, &fifo).unwrap();
    numbers
}

#[test]
fn a_name_that_is_not_utf_8_stops_the_native_host_in_nothing() {
    let dir = tempfile::tempdir().unwrap();
    journal(dir.path(), 1, &[1], NOW_MS);
    let bad = OsStr::from_bytes(b"\xff\xfe.jnl");
    for folder in [dir.path().to_owned(), dir.path().join("journal")] {
        std::fs::write(folder.join(bad), "x").unwrap();
    }
    recovered(Kind::Native, dir.path(), 1);
    assert_eq!(files::numbers(dir.path()), [0, 1]);
    assert!(dir.path().join("journal").join(bad).exists());
}

/// A stock runtime's listings end at such a name, and half a listing must not be
/// acted upon: reports stay in the journal until the file is gone.
#[test]
fn a_name_that_is_not_utf_8_delays_a_stock_runtime_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    journal(dir.path(), 1, &[1], NOW_MS);
    let bad = dir
        .path()
        .join("journal")
        .join(OsStr::from_bytes(b"\xff\xfe.jnl"));
    std::fs::write(&bad, "x").unwrap();
    let server = quick(Kind::Stock, dir.path());
    for n in 2..5 {
        let body = format!("{{\"n\":{n}}}");
        let posted = post(server.address, "application/json", body.as_bytes());
        assert_eq!(posted.status, 202, "{}", posted.text());
    }
    let mut log = Vec::new();
    until("the log says why", Duration::from_secs(20), || {
        log.extend(server.log());
        log.iter().any(|line| line.contains("not UTF-8"))
    });
    std::fs::remove_file(&bad).unwrap();
    published(dir.path(), 4);
    assert_eq!(files::numbers(dir.path()), [1, 2, 3, 4]);
}
