//! cat and stats.

use super::*;
use netwatch_tests::client::post;
use std::io::Read;
use std::process::Stdio;

#[test]
fn cat_gives_back_what_was_posted_from_journals_and_from_segments() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(Kind::Native, dir.path(), &[("FLUSH_INTERVAL", "1h")]);
    let sent = numbered(0..50);
    for line in sent.lines() {
        assert_eq!(
            post(server.address, "application/json", line.as_bytes()).status,
            202
        );
    }
    let beside = run(&mut tool(&["cat", path(dir.path())]));
    assert_eq!(beside.code, Some(0), "{beside:?}");
    assert!(files::segments(dir.path()).is_empty());
    assert_eq!(as_sent(&beside.out), sent);
    assert!(server.stop().success());
    assert!(!files::segments(dir.path()).is_empty());
    let configured = run(tool(&["cat"]).env("DATA_DIR", dir.path()));
    assert_eq!(configured.code, Some(0), "{configured:?}");
    assert_eq!(configured.out, beside.out);
}

#[test]
fn a_report_in_a_journal_and_in_its_segment_is_written_once() {
    let (dir, journal) = super::verifying::killed(30);
    let kept = std::fs::read(&journal).unwrap();
    let mut server = Server::start(Kind::Native, dir.path(), &[]);
    assert!(server.stop().success());
    assert!(!journal.exists() && !files::segments(dir.path()).is_empty());
    std::fs::write(&journal, kept).unwrap();
    let said = run(&mut tool(&["cat", path(dir.path())]));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(as_sent(&said.out), numbered(0..30));
}

#[test]
fn cat_is_in_order_over_segments_whose_times_overlap() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("WORKERS", "2"),
        ("FLUSH_BYTES", "4KiB"),
        ("FLUSH_INTERVAL", "1h"),
    ];
    let mut server = Server::start(Kind::Native, dir.path(), &settings);
    let address = server.address;
    let posting: Vec<_> = (0..4)
        .map(|poster| {
            std::thread::spawn(move || {
                for line in numbered(poster * 100..poster * 100 + 100).lines() {
                    assert_eq!(
                        post(address, "application/json", line.as_bytes()).status,
                        202
                    );
                }
            })
        })
        .collect();
    posting
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    assert!(server.stop().success());
    assert!(files::segments(dir.path()).len() > 3);
    let said = run(&mut tool(&["cat", path(dir.path())]));
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines: Vec<_> = said.out.lines().collect();
    let places: Vec<_> = lines.iter().map(|line| &line[..89]).collect();
    assert!(places.is_sorted(), "not in order");
    let mut stored = files::lines(dir.path());
    stored.sort();
    assert_eq!(lines, stored);
    assert_eq!(lines.len(), 400);
}

#[test]
fn cat_writes_only_what_is_asked_for() {
    let dir = published_directory(&numbered(0..9));
    let cat = |options: &[&str]| {
        let arguments = [&["cat", path(dir.path())], options].concat();
        let said = run(&mut tool(&arguments));
        assert_eq!(said.code, Some(0), "{said:?}");
        as_sent(&said.out)
    };
    let ones: String = [1, 4, 7].map(|n| numbered(n..n + 1)).concat();
    assert_eq!(cat(&["--where", "/client:eq:c1"]), ones);
    let two = ["--where", "/client:eq:c1", "--where", "/n:gt:3"];
    assert_eq!(cat(&two).lines().count(), 2);
    assert_eq!(
        cat(&["--since", "-1h", "--until", "+1h"]).lines().count(),
        9
    );
    assert_eq!(cat(&["--until", "-1h"]), "");
    assert_eq!(cat(&["--since", "2100-01-01T00:00:00Z"]), "");
    for (options, told) in [
        (["--since", "noon"], "--since"),
        (["--where", "n=1"], "--where"),
    ] {
        let arguments = [&["cat", path(dir.path())], &options[..]].concat();
        let said = run(&mut tool(&arguments));
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains(told), "{said:?}");
    }
    let said = run(&mut tool(&["cat", "/nonexistent/reports"]));
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("/nonexistent/reports"), "{said:?}");
}

#[test]
fn cat_leaves_out_a_corrupt_file_whole_and_says_so() {
    let dir = published_directory(&numbered(0..100));
    let good = run(&mut tool(&["cat", path(dir.path())])).out;
    let segment = &files::segments(dir.path())[0];
    let mut bytes = std::fs::read(segment).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let other = segment.to_str().unwrap().replace("Z_2", "Z_3");
    std::fs::write(&other, &bytes).unwrap();
    std::fs::write(dir.path().join("reports-notes.zst"), "x").unwrap();
    let said = run(&mut tool(&["cat", path(dir.path())]));
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(said.out, good);
    for told in ["checksum", "reports-notes.zst: is not ours"] {
        assert!(said.err.contains(told), "{said:?}");
    }
}

#[test]
fn cat_ends_quietly_when_its_reader_does() {
    let dir = published_directory(&numbered(0..9_000));
    let mut cat = tool(&["cat", path(dir.path())])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 100];
    let mut stdout = cat.stdout.take().unwrap();
    stdout.read_exact(&mut some).unwrap();
    drop(stdout);
    let ended = cat.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.is_empty(), "{ended:?}");
}

#[test]
fn stats_shows_what_the_reports_measured() {
    let report = |latency: u32| {
        format!(
            "{{\"clientId\":\"c{}\",\"hosts\":[{{\"name\":\"example\",\"history\":[\
             {{\"t\":1,\"latency\":{latency}}},{{\"t\":2,\"latency\":null,\"error\":\"x\"}}]}}]}}\n",
            latency % 2
        )
    };
    let reports: String = (1..=100).map(report).collect();
    let dir = published_directory(&(reports + "{\"another\":\"shape\"}\n"));
    let said = run(&mut tool(&["stats", path(dir.path())]));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.starts_with("101 reports"), "{said:?}");
    assert!(
        said.out.contains("1 of them without measurements"),
        "{said:?}"
    );
    let row = said.out.lines().find(|line| line.starts_with("example"));
    let cells: Vec<_> = row.expect("a row").split_whitespace().collect();
    assert_eq!(cells[1..4], ["200", "50.00", "1.0"], "{said:?}");
    assert_eq!((cells[4], cells[9], cells[10]), ("50.5", "100.0", "2"));
    let clients = ["stats", path(dir.path()), "--group", "client", "--json"];
    let said = run(&mut tool(&clients));
    let document: serde_json::Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(document["groups"][1]["name"], "c1");
    assert_eq!(document["groups"][1]["total"]["samples"], 100);
    let csv = [
        "stats",
        path(dir.path()),
        "--csv",
        "--where",
        "/clientId:eq:c0",
    ];
    let said = run(&mut tool(&csv));
    assert!(said.out.starts_with("group,start,samples,"), "{said:?}");
    assert!(said.out.contains("\r\nexample,"), "{said:?}");
    let mapped = run(tool(&["stats", path(dir.path())]).env("STATS_HOSTS", "/nowhere"));
    assert!(mapped.out.contains("101 of them without"), "{mapped:?}");
    let names: Vec<_> = std::fs::read_dir(dir.path().join("index"))
        .into_iter()
        .collect();
    let before: usize = names.into_iter().map(Iterator::count).sum();
    run(&mut tool(&["stats", path(dir.path()), "--bucket", "1m"]));
    let after = std::fs::read_dir(dir.path().join("index"));
    let after: usize = after.into_iter().map(Iterator::count).sum();
    assert_eq!(before, after, "stats wrote something");
}
