//! post.

use super::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Instant;

fn posting(url: &str, options: &[&str]) -> Command {
    tool(&[&["post", "--url", url], options].concat())
}

fn cat(dir: &Path) -> String {
    let said = run(&mut tool(&["cat", path(dir)]));
    assert_eq!(said.code, Some(0), "{said:?}");
    said.out
}

#[test]
fn what_is_posted_is_stored_line_for_line_and_can_be_posted_again() {
    let work = tempfile::tempdir().unwrap();
    let sent = numbered(0..2_000);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(sent.as_bytes()).unwrap();
    let mut zstd = netwatch_guest::segment::encoder::Encoder::new(1).unwrap();
    zstd.write(sent.as_bytes()).unwrap();
    let (plain, gz, zst) = (
        work.path().join("a.jsonl"),
        work.path().join("a.jsonl.gz"),
        work.path().join("a.jsonl.zst"),
    );
    std::fs::write(&plain, &sent).unwrap();
    std::fs::write(&gz, gzip.finish().unwrap()).unwrap();
    std::fs::write(&zst, zstd.finish().unwrap().bytes).unwrap();
    for file in [&plain, &gz, &zst] {
        let first = tempfile::tempdir().unwrap();
        let mut server = Server::start(Kind::Native, first.path(), &[("WORKERS", "1")]);
        let said = run(&mut posting(&url(&server), &[path(file)]));
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.err.contains("2,000 reports posted"), "{said:?}");
        assert_eq!(as_sent(&cat(first.path())), sent);
        let said = run(&mut posting(&url(&server), &[path(file)]));
        assert!(said.err.contains("posted already"), "{said:?}");
        assert!(server.stop().success());
        assert_eq!(files::numbers(first.path()).len(), 2_000);
        let segment = files::segments(first.path()).remove(0);
        let second = tempfile::tempdir().unwrap();
        let server = Server::start(Kind::Native, second.path(), &[("WORKERS", "1")]);
        let options = ["--state-dir", path(work.path()), path(&segment)];
        let said = run(&mut posting(&url(&server), &options));
        assert_eq!(said.code, Some(0), "{said:?}");
        assert_eq!(as_sent(&cat(second.path())), sent);
        assert_eq!(files::segments(first.path()).len(), 1);
        let left = run(&mut tool(&["verify", path(first.path())]));
        assert_eq!(left.code, Some(0), "posting left something: {left:?}");
    }
}

#[test]
fn standard_input_is_posted_with_a_key_in_bodies_that_the_server_takes() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("INGEST_KEY", "k-1"),
        ("MAX_BODY_BYTES", "1KiB"),
        ("WORKERS", "1"),
    ];
    let server = Server::start(Kind::Native, dir.path(), &settings);
    let sent = numbered(0..300);
    let pipe = |key: &str| {
        let mut post = posting(&url(&server), &["-"])
            .env("INGEST_KEY", key)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = post.stdin.take().unwrap();
        // One that is refused reads no further.
        let _ = stdin.write_all(sent.as_bytes());
        drop(stdin);
        let ended = post.wait_with_output().unwrap();
        let err = String::from_utf8(ended.stderr).unwrap();
        (ended.status.code(), err)
    };
    let (code, err) = pipe("k-2");
    assert_eq!(code, Some(1));
    assert!(err.contains("403") && err.contains("key"), "{err}");
    let (code, err) = pipe("k-1");
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(as_sent(&cat(dir.path())), sent);
}

#[test]
fn a_line_that_is_refused_is_named_and_mended_the_file_goes_on_there() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Kind::Native, dir.path(), &[("WORKERS", "1")]);
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("a.jsonl");
    let lines = numbered(0..40);
    let bad = lines.replacen("\"n\":17,", "\"n\":17;", 1);
    std::fs::write(&file, format!("\n\n{bad}")).unwrap();
    for _ in 0..2 {
        let said = run(&mut posting(&url(&server), &[path(&file)]));
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(
            said.err.contains("line 20: the server says 400"),
            "{said:?}"
        );
        assert_eq!(cat(dir.path()).lines().count(), 17);
    }
    std::fs::write(&file, format!("\n\n{lines}")).unwrap();
    let said = run(&mut posting(&url(&server), &[path(&file)]));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.err.contains("23 reports posted, from line 20 on"),
        "{said:?}"
    );
    assert_eq!(as_sent(&cat(dir.path())), lines);
    std::fs::write(&file, numbered(100..140)).unwrap();
    let said = run(&mut posting(&url(&server), &[path(&file)]));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("has changed"), "{said:?}");
    let said = run(&mut posting(&url(&server), &["--restart", path(&file)]));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(cat(dir.path()).lines().count(), 80);
}

#[test]
fn a_file_whose_posting_was_killed_is_gone_on_with_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Kind::Native, dir.path(), &[("WORKERS", "1")]);
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("a.jsonl");
    let state = work.path().join("a.jsonl.posted");
    std::fs::write(&file, numbered(0..20_000)).unwrap();
    let options = ["--batch-bytes", "1KiB", path(&file)];
    let mut kills = 0;
    let last = loop {
        let mut post = posting(&url(&server), &options)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let before = std::fs::read(&state).ok();
        while std::fs::read(&state).ok() == before {
            if post.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if kills == 4 {
            break post.wait_with_output().unwrap();
        }
        kills += 1;
        post.kill().unwrap();
        post.wait().unwrap();
    };
    assert!(last.status.success(), "{last:?}");
    let said = String::from_utf8(last.stderr).unwrap();
    assert!(said.contains("those before were posted already"), "{said}");
    let stored = cat(dir.path());
    let mut numbers: Vec<u64> = as_sent(&stored)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["n"].as_u64())
        .map(Option::unwrap)
        .collect();
    numbers.sort_unstable();
    let in_all = numbers.len();
    numbers.dedup();
    assert_eq!(numbers, (0..20_000).collect::<Vec<_>>());
    // The one batch on its way at each kill may be stored twice.
    let batch = 1024 / numbered(0..1).len();
    assert!(in_all - 20_000 <= kills * batch, "{in_all} stored");
}

/// Reads one request and returns its head and body.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")
            .map(str::to_owned)
    });
    let mut body = vec![0; length?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// A server that gives these answers one after another (`None`: it hangs up),
/// then accepts, and tells of every request when it came.
fn fake(answers: Vec<Option<&'static str>>) -> (SocketAddr, mpsc::Receiver<(Instant, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, requests) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answers = answers.into_iter();
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            while let Some((head, body)) = request(&mut reader) {
                assert!(
                    head.starts_with("POST /api/v1/reports HTTP/1.1\r\n"),
                    "{head}"
                );
                let lines = body.split(|byte| *byte == b'\n').count() - 1;
                if sender.send((Instant::now(), body)).is_err() {
                    return;
                }
                let accepted = format!("{{\"accepted\":{lines}}}");
                let answer = match answers.next() {
                    None | Some(Some(ACCEPT)) => format!(
                        "HTTP/1.1 202 Accepted\r\nContent-Length: {}\r\n\r\n{accepted}",
                        accepted.len()
                    ),
                    Some(Some(answer)) => answer.to_owned(),
                    Some(None) => break,
                };
                if reader.get_mut().write_all(answer.as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    (address, requests)
}

/// Stands for the acceptance of a request's reports.
const ACCEPT: &str = "";

const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Type: \
                    application/problem+json\r\nContent-Length: 29\r\n\r\n{\"detail\":\"the disk \
                    is full\"}";

#[test]
fn retry_after_is_waited_for_and_the_same_batch_sent_again() {
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("a.jsonl");
    std::fs::write(&file, numbered(0..10)).unwrap();
    let (address, requests) = fake(vec![Some(BUSY)]);
    let said = run(&mut posting(&format!("http://{address}"), &[path(&file)]));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("the disk is full"), "{said:?}");
    assert!(!said.err.contains("stored twice"), "{said:?}");
    let ((first, one), (second, two)) = (requests.recv().unwrap(), requests.recv().unwrap());
    assert!(second - first >= Duration::from_secs(2));
    assert!(one == two && one == numbered(0..10).into_bytes());
    assert!(requests.try_recv().is_err());
}

#[test]
fn a_lost_answer_is_made_up_for_and_said_to_be_in_doubt() {
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("a.jsonl");
    std::fs::write(&file, numbered(0..10)).unwrap();
    let (address, requests) = fake(vec![None]);
    let said = run(&mut posting(&format!("http://{address}"), &[path(&file)]));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("lines 1 to 10"), "{said:?}");
    assert!(said.err.contains("may be stored twice"), "{said:?}");
    assert_eq!(requests.iter().take(2).count(), 2);
}

#[test]
fn a_server_that_takes_nothing_is_given_up_in_the_end() {
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("a.jsonl");
    std::fs::write(&file, numbered(0..10)).unwrap();
    let (address, requests) = fake(vec![Some(BUSY); 9]);
    let patient = |url: &str| {
        let said = run(&mut posting(url, &["--patience", "3s", path(&file)]));
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains("--patience"), "{said:?}");
        said.err
    };
    assert!(patient(&format!("http://{address}")).contains("the disk is full"));
    assert_eq!(requests.try_iter().count(), 2);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = closed.local_addr().unwrap();
    drop(closed);
    assert!(patient(&format!("http://{nobody}")).contains("no connection to"));
    assert!(!work.path().join("a.jsonl.posted").exists());
    let said = run(&mut posting("https://127.0.0.1:1", &[path(&file)]));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("reverse proxy"), "{said:?}");
}

#[test]
fn ctrl_c_ends_the_waiting_and_says_how_far_it_is() {
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("a.jsonl");
    std::fs::write(&file, numbered(0..100)).unwrap();
    let (address, requests) = fake(vec![Some(ACCEPT), Some(BUSY), Some(BUSY)]);
    let options = ["--batch-bytes", "1KiB", path(&file)];
    let post = posting(&format!("http://{address}"), &options)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(requests.iter().take(2).count(), 2);
    let id = rustix::process::Pid::from_raw(i32::try_from(post.id()).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let ended = post.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(
        said.contains("interrupted; it is posted up to line"),
        "{said}"
    );
    assert!(work.path().join("a.jsonl.posted").exists());
}
