//! The short way of reports that come whole, and where it ends.

use super::*;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Long enough for the server to have read what was sent.
const PAUSE: Duration = Duration::from_millis(5);

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";

fn report(number: usize, fields: &str) -> String {
    request(
        &format!("Content-Type: application/json\r\n{fields}"),
        &format!("{{\"n\":{number}}}"),
    )
}

fn request(fields: &str, body: &str) -> String {
    format!(
        "POST /api/v1/reports HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

/// The next answer, up to the end of its body.
fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        answer.push(byte[0]);
    }
    let head = String::from_utf8(answer).unwrap();
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .parse()
                .ok()
        })
        .expect("a length");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    head + std::str::from_utf8(&body).unwrap()
}

/// An answer but for what is its own: its lines, sorted.
fn essence(answer: &str) -> Vec<&str> {
    let own = |line: &&str| !line.starts_with("date: ") && !line.starts_with("x-request-id: ");
    let mut lines: Vec<_> = answer.split("\r\n").filter(own).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn both_ways_give_the_same_answers() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("INGEST_KEY", "k3y"),
        ("ALLOWED_ORIGINS", "https://a.example"),
        ("MAX_BODY_BYTES", "4096"),
    ];
    let server = Server::start(Kind::Native, dir.path(), &settings);
    let (json, key) = ("Content-Type: application/json\r\n", "X-API-Key: k3y\r\n");
    let origin = "Origin: https://a.example\r\n";
    for (status, fields, body) in [
        (202, format!("{json}{key}{origin}"), "{\"n\":1}"),
        (202, format!("{json}{key}"), "{\"n\":1}"),
        (202, format!("{json}{key}{origin}"), "[{\"n\":1},{\"n\":2}]"),
        (202, format!("{json}{key}"), "[]"),
        (
            202,
            format!("{json}{key}Connection: close\r\n"),
            "{\"n\":1}",
        ),
        (400, format!("{json}{key}{origin}"), "{,}"),
        (400, format!("{json}{key}"), ""),
        (400, format!("{json}{key}Content-Encoding: gzip\r\n"), "{}"),
        (401, format!("{json}{origin}"), "{}"),
        (403, format!("{json}X-API-Key: x\r\n"), "{}"),
        (
            403,
            format!("{json}{key}Origin: https://b.example\r\n"),
            "{}",
        ),
        (413, format!("{json}{key}{origin}"), &"1".repeat(5000)),
        (415, key.to_owned(), "{}"),
        (422, format!("{json}{key}"), "1"),
    ] {
        let whole = request(&fields, body);
        // Twice, for the second may be written as the first was.
        let mut short = connect(server.address);
        let mut answers = Vec::new();
        for _ in 0..2 {
            short.write_all(whole.as_bytes()).unwrap();
            answers.push(answer(&mut short));
            if answers[0].contains("connection: close") {
                break;
            }
        }
        // What comes in pieces takes the long way.
        let mut long = connect(server.address);
        let (first, rest) = whole.split_at(20);
        long.write_all(first.as_bytes()).unwrap();
        std::thread::sleep(20 * PAUSE);
        long.write_all(rest.as_bytes()).unwrap();
        let expected = answer(&mut long);
        assert!(
            expected.starts_with(&format!("HTTP/1.1 {status} ")),
            "{expected}"
        );
        for answer in answers {
            assert_eq!(essence(&answer), essence(&expected), "{whole}");
            let dates = answer.lines().filter(|line| line.starts_with("date: "));
            let date = dates.map(|line| line.split_at(6).1).next().unwrap();
            assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
            assert!(answer.contains("x-request-id: "), "{answer}");
        }
        let closed = expected.contains("connection: close");
        for mut stream in [short, long] {
            stream.set_read_timeout(Some(20 * PAUSE)).unwrap();
            let ended = matches!(stream.read(&mut [0]), Ok(0));
            assert_eq!(ended, closed, "{expected}");
        }
    }
}

#[test]
fn answers_on_one_connection_are_for_whoever_asked() {
    let dir = tempfile::tempdir().unwrap();
    let allowed = "https://a.example,https://b.example";
    let settings = [("ALLOWED_ORIGINS", allowed)];
    let server = Server::start(Kind::Native, dir.path(), &settings);
    let mut stream = connect(server.address);
    let (a, b) = ("https://a.example", "https://b.example");
    for (origin, body, reports) in [
        (Some(a), "{}", 1),
        (Some(a), "{}", 1),
        (Some(b), "{}", 1),
        (Some(b), "[{},{}]", 2),
        (None, "[{},{}]", 2),
        (Some(a), "[{},{}]", 2),
        (None, "{}", 1),
    ] {
        let fields = origin.map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
        let fields = format!("Content-Type: application/json\r\n{fields}");
        stream.write_all(request(&fields, body).as_bytes()).unwrap();
        let answer = answer(&mut stream);
        let echoed = answer
            .lines()
            .find_map(|line| line.strip_prefix("access-control-allow-origin: "));
        assert_eq!(echoed, origin, "{answer}");
        let accepted = format!("\r\n\r\n{{\"accepted\":{reports}}}");
        assert!(answer.ends_with(&accepted), "{answer}");
    }
}

#[test]
fn a_request_id_is_the_clients_or_new_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let server = quick(Kind::Native, dir.path());
    let mut stream = connect(server.address);
    let mut id = |fields: &str| {
        stream.write_all(report(0, fields).as_bytes()).unwrap();
        let answer = answer(&mut stream);
        let mut lines = answer.lines();
        lines
            .find_map(|line| line.strip_prefix("x-request-id: ").map(str::to_owned))
            .expect("an id")
    };
    assert_eq!(id("X-Request-Id: mine-1\r\n"), "mine-1");
    assert_eq!(id("X-Request-Id: no/name\r\n").len(), 36);
    assert_ne!(id(""), id(""));
}

/// Wherever one write ends and the next begins, requests are the same.
#[test]
fn a_connection_changes_over_wherever_a_request_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let server = quick(Kind::Native, dir.path());
    let mut numbers = 0;
    let mut next = || {
        numbers += 1;
        report(numbers - 1, "")
    };
    let length = next().len();
    connect(server.address)
        .write_all(report(0, "Connection: close\r\n").as_bytes())
        .unwrap();
    for cut in 1..length {
        let (first, second) = (next(), next());
        let mut stream = connect(server.address);
        let (now, later) = second.split_at(cut.min(second.len()));
        stream
            .write_all(format!("{first}{now}").as_bytes())
            .unwrap();
        assert!(answer(&mut stream).starts_with("HTTP/1.1 202 "), "{cut}");
        std::thread::sleep(PAUSE);
        stream.write_all(later.as_bytes()).unwrap();
        assert!(answer(&mut stream).starts_with("HTTP/1.1 202 "), "{cut}");
        let third = next();
        stream
            .write_all(format!("{HEALTH}{third}").as_bytes())
            .unwrap();
        assert!(answer(&mut stream).starts_with("HTTP/1.1 200 "), "{cut}");
        assert!(answer(&mut stream).starts_with("HTTP/1.1 202 "), "{cut}");
    }
    assert_eq!(published(dir.path(), numbers).len(), numbers);
    let all: Vec<u64> = (0..).take(numbers).collect();
    assert_eq!(files::numbers(dir.path()), all);
}

#[test]
fn many_in_one_write_are_answered_in_their_order_and_large_ones_too() {
    let dir = tempfile::tempdir().unwrap();
    let server = quick(Kind::Native, dir.path());
    let mut stream = connect(server.address);
    let mut sent = String::new();
    for number in 0..200 {
        let padding = "x".repeat(number * 400);
        let body = format!("{{\"n\":{number},\"padding\":\"{padding}\"}}");
        let id = format!("X-Request-Id: {number}\r\nContent-Type: application/json\r\n");
        sent += &request(&id, &body);
    }
    let mut writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(sent.as_bytes()));
    for number in 0..200 {
        let answer = answer(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
        let id = format!("x-request-id: {number}\r\n");
        assert!(answer.contains(&id), "{number}: {answer}");
    }
    writing.join().unwrap().unwrap();
    published(dir.path(), 200);
    let all: Vec<u64> = (0..200).collect();
    assert_eq!(files::numbers(dir.path()), all);
}

#[test]
fn each_tenant_is_found_by_what_leads_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("netwatch.toml");
    let data = dir.path().join("data");
    let text = format!(
        "[defaults]\ndata_dir = \"{}\"\nflush_interval = \"200ms\"\n\
         [[tenant]]\nname = \"byhost\"\nhosts = [\"h.example\"]\n\
         [[tenant]]\nname = \"bykey\"\ningest_key = \"k3y\"\n",
        data.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut command =
        std::process::Command::new(netwatch_tests::server::binaries().join("netwatch-server"));
    command
        .args([
            "--config",
            config.to_str().unwrap(),
            "--port",
            "0",
            "--bind",
            "127.0.0.1",
        ])
        .env("LOG_FORMAT", "json");
    let server = Server::spawn(command, &data);
    for (status, host, key) in [
        (202_u16, "H.example:80", ""),
        (202, "other", "X-API-Key: k3y\r\n"),
        (404, "other", ""),
        (202, "h.example", "X-API-Key: k3y\r\n"),
    ]
    .into_iter()
    .cycle()
    .take(12)
    {
        // The first of each tenant wakes it, which takes the long way.
        let mut stream = connect(server.address);
        let sent = report(usize::from(status), key).replace("Host: a", &format!("Host: {host}"));
        stream.write_all(sent.as_bytes()).unwrap();
        let answer = answer(&mut stream);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    assert_eq!(published(&data.join("byhost"), 6).len(), 6);
    assert_eq!(published(&data.join("bykey"), 3).len(), 3);
}
