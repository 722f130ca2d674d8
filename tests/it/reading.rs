//! Reports read back over HTTP.

use super::*;
use netwatch_tests::client::{Reply, post, send};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const TOKEN: (&str, &str) = ("READ_TOKEN", "secret");

fn read_with(address: SocketAddr, query: &str, headers: &[(&str, &str)]) -> Reply {
    let path = format!("/api/v1/reports{query}");
    let mut all = vec![("Authorization", "Bearer secret")];
    all.extend_from_slice(headers);
    let reply = send(address, "GET", &path, &all, b"").expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

/// The member `n` of every report, in the order of the answer.
fn numbers(lines: &str) -> Vec<u64> {
    let number = |line: &str| {
        let report: serde_json::Value = serde_json::from_str(line).expect("JSON");
        report["n"].as_u64().unwrap_or_else(|| panic!("{line}"))
    };
    lines.lines().map(number).collect()
}

fn post_numbers(address: SocketAddr, numbers: std::ops::Range<u64>) {
    for n in numbers {
        let client = n % 3;
        let body = format!("{{\"n\":{n},\"clientId\":\"c{client}\",\"deep\":{{\"x\":[{n},1]}}}}");
        let reply = post(address, "application/json", body.as_bytes());
        assert_eq!(reply.status, 202, "{}", reply.text());
    }
}

#[test]
fn a_report_is_read_back_as_soon_as_it_is_acknowledged_and_once() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let settings = [TOKEN, ("FLUSH_INTERVAL", "1s"), ("FLUSH_BYTES", "4KiB")];
        let server = Server::start(kind, dir.path(), &settings);
        let address = server.address;
        let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
        let over = Arc::new(AtomicBool::new(false));
        let posting: Vec<_> = (0..3)
            .map(|poster| {
                let (acknowledged, over) = (Arc::clone(&acknowledged), Arc::clone(&over));
                std::thread::spawn(move || {
                    for n in poster * 1_000.. {
                        if over.load(Ordering::Relaxed) || n == poster * 1_000 + 999 {
                            return;
                        }
                        post_numbers(address, n..n + 1);
                        acknowledged.lock().unwrap().insert(n);
                        std::thread::sleep(Duration::from_millis(5));
                    }
                })
            })
            .collect();
        for _ in 0..20 {
            let before = acknowledged.lock().unwrap().clone();
            let reply = read_with(address, "?limit=10000", &[]);
            let read = numbers(&reply.text());
            let once: BTreeSet<_> = read.iter().copied().collect();
            assert_eq!(once.len(), read.len(), "{kind:?}: some came twice");
            let missing: Vec<_> = before.difference(&once).collect();
            assert_eq!(missing, Vec::<&u64>::new(), "{kind:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
        over.store(true, Ordering::Relaxed);
        posting.into_iter().for_each(|task| task.join().unwrap());
        let all = acknowledged.lock().unwrap().len();
        published(dir.path(), all);
        assert_eq!(
            numbers(&read_with(address, "?limit=10000", &[]).text()).len(),
            all
        );
    }
}

#[test]
fn what_is_asked_for_is_what_comes() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(kind, dir.path(), &[TOKEN, ("FLUSH_INTERVAL", "1s")]);
        let address = server.address;
        post_numbers(address, 0..30);
        published(dir.path(), 30);
        post_numbers(address, 30..40);

        let read = |query: &str| read_with(address, query, &[]).text();
        assert_eq!(numbers(&read("")), Vec::from_iter(0..40));
        assert_eq!(numbers(&read("?order=desc&limit=3")), [39, 38, 37]);
        assert_eq!(
            numbers(&read("?where=/clientId:eq:c1&where=/n:ge:30")),
            [31, 34, 37]
        );
        assert_eq!(read("?since=-1m&until=-30s"), "");
        let line = read("?where=/n:eq:7&fields=/n,/deep/x/0");
        let (received, rest) = line.split_at(90);
        assert!(
            received.starts_with("{\"_received\":{\"at\":\"20"),
            "{line}"
        );
        assert_eq!(rest, ",\"n\":7,\"deep\":{\"x\":[7]}}\n");

        // Page by page.
        let (mut query, mut pages) = ("?limit=7".to_owned(), Vec::new());
        loop {
            let reply = read_with(address, &query, &[]);
            pages.extend(numbers(&reply.text()));
            let Some(link) = reply.header("link") else {
                break;
            };
            let (url, relation) = link.split_once("; ").expect("a relation");
            assert_eq!(relation, "rel=\"next\"");
            query = url.trim_matches(['<', '>']).replace("/api/v1/reports", "");
        }
        assert_eq!(pages, Vec::from_iter(0..40));

        // As an array, and encoded.
        let array = read_with(address, "?limit=2", &[("Accept", "application/json")]);
        assert_eq!(array.header("content-type"), Some("application/json"));
        assert_eq!(array.json()[1]["n"], 1);
        let none = read_with(
            address,
            "?until=2000-01-01T00:00:00Z",
            &[("Accept", "application/json")],
        );
        assert_eq!(none.json(), serde_json::json!([]));
        for coding in ["gzip", "zstd"] {
            let reply = read_with(address, "", &[("Accept-Encoding", coding)]);
            assert_eq!(reply.header("content-encoding"), Some(coding));
            let mut text = String::new();
            if coding == "gzip" {
                let mut gzip = flate2::read::GzDecoder::new(&reply.body[..]);
                gzip.read_to_string(&mut text).unwrap();
            } else {
                let answer = dir.path().join("answer");
                std::fs::write(&answer, &reply.body).unwrap();
                text = String::from_utf8(files::zstd(&["-dcq"], &answer)).unwrap();
            }
            assert_eq!(numbers(&text), Vec::from_iter(0..40));
        }
    }
}

#[test]
fn nobody_reads_without_the_token() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(kind, dir.path(), &[TOKEN]);
        let status = |headers: &[(&str, &str)]| {
            let reply = send(server.address, "GET", "/api/v1/reports", headers, b"").unwrap();
            assert!(!reply.text().contains("secret"));
            reply.status
        };
        assert_eq!(status(&[]), 401);
        assert_eq!(status(&[("Authorization", "Bearer other")]), 403);
        assert_eq!(status(&[("Authorization", "Bearer secret")]), 200);
        assert_eq!(status(&[("Cookie", "netwatch_read=1.00")]), 401);
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Kind::Stock, dir.path(), &[]);
    let reply = send(server.address, "GET", "/api/v1/reports", &[], b"").unwrap();
    assert_eq!(reply.status, 403);
    assert!(
        reply.text().contains("--env READ_TOKEN="),
        "{}",
        reply.text()
    );
}

#[test]
fn a_question_that_cannot_be_answered_says_why() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(kind, dir.path(), &[TOKEN]);
        for (query, part) in [
            ("?since=monday", "since: \\\"monday\\\""),
            ("?where=x", "/clientId:eq:abc"),
            ("?cursor=1", "cursor"),
            ("?limits=1", "limits"),
        ] {
            let path = format!("/api/v1/reports{query}");
            let token = [("Authorization", "Bearer secret")];
            let reply = send(server.address, "GET", &path, &token, b"").unwrap();
            assert_eq!(reply.status, 400, "{query}");
            assert!(reply.text().contains(part), "{}", reply.text());
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_behind_the_reports() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(kind, dir.path(), &[TOKEN, ("FLUSH_INTERVAL", "1s")]);
        post_numbers(server.address, 0..3);
        published(dir.path(), 3);
        let name = files::segments(dir.path()).remove(0);
        let mut bytes = std::fs::read(&name).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        let copy = "reports-20200101T000000.000Z_20991231T235959.000Z_00000000000000000000000000000001.jsonl.zst";
        std::fs::write(dir.path().join(copy), bytes).unwrap();
        let text = read_with(server.address, "", &[]).text();
        let (last, reports) = {
            let lines: Vec<_> = text.lines().collect();
            let (last, reports) = lines.split_last().unwrap();
            (
                serde_json::from_str::<serde_json::Value>(last).unwrap(),
                reports.join("\n"),
            )
        };
        assert_eq!(last["_error"]["file"], copy, "{text}");
        assert_eq!(numbers(&reports), [0, 1, 2]);
    }
}

#[test]
fn clients_that_leave_in_the_middle_hold_nobody_up() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(kind, dir.path(), &[TOKEN]);
        let long = "x".repeat(10_000);
        for part in 0..20 {
            let body: String = (0..50)
                .map(|n| format!("{{\"n\":{},\"long\":\"{long}\"}}\n", part * 50 + n))
                .collect();
            let reply = post(server.address, "application/x-ndjson", body.as_bytes());
            assert_eq!(reply.status, 202);
        }
        for _ in 0..12 {
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream
                .write_all(
                    b"GET /api/v1/reports?limit=10000 HTTP/1.1\r\nHost: x\r\n\
                      Authorization: Bearer secret\r\n\r\n",
                )
                .unwrap();
            let mut some = [0; 1_000];
            stream.read_exact(&mut some).unwrap();
        }
        let began = std::time::Instant::now();
        let reply = read_with(server.address, "?limit=10000&fields=/n", &[]);
        assert_eq!(numbers(&reply.text()), Vec::from_iter(0..1_000));
        assert!(began.elapsed() < Duration::from_secs(8), "{kind:?}");
    }
}
