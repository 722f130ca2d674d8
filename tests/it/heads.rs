//! Heads and framings that mean nothing, or two things: a catalogue. Each is sent
//! as it stands, with a report behind it that must never be stored.

use super::*;
use netwatch_tests::client::{post, raw};
use std::fmt::Write;

/// A second request that a confused server would carry out.
const SMUGGLED: &str = "POST /api/v1/reports HTTP/1.1\r\nHost: x\r\n\
                        Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"n\":666}";

/// A head up to its last field.
const POST: &str = "POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";

/// What a client may see: one of these statuses, or, with 0, a connection that is
/// closed without a word.
type Allowed = &'static [u16];

const MALFORMED: Allowed = &[400];
const CLOSED: Allowed = &[400, 0];

/// One connection's bytes, to be refused.
struct Case {
    name: String,
    bytes: Vec<u8>,
    allowed: Allowed,
}

#[derive(Default)]
struct Catalogue(Vec<Case>);

impl Catalogue {
    fn add(&mut self, name: &str, bytes: impl Into<Vec<u8>>, allowed: Allowed) {
        let mut bytes = bytes.into();
        bytes.extend_from_slice(SMUGGLED.as_bytes());
        let name = name.to_owned();
        self.0.push(Case {
            name,
            bytes,
            allowed,
        });
    }

    /// A report whose head has these fields as well, and this body.
    fn fields(&mut self, fields: &str, body: &str, allowed: Allowed) {
        let bytes = format!("{POST}{fields}\r\n\r\n{body}");
        self.add(&format!("{fields:?} {body:?}"), bytes, allowed);
    }

    /// A request line and what follows it.
    fn line(&mut self, head: &str, allowed: Allowed) {
        self.add(&format!("{head:?}"), format!("{head}\r\n\r\n"), allowed);
    }
}

fn lengths(catalogue: &mut Catalogue) {
    let chunked = "2\r\n{}\r\n0\r\n\r\n";
    for fields in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 2",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "content-length: 2\r\nTRANSFER-ENCODING: CHUNKED",
        "Content-Length: 2\r\nX: y\r\nTransfer-Encoding:chunked",
        "Content-Length: 2\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding:",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding: chunked\u{0}",
        "X: y\r\n Transfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        "X: y\nTransfer-Encoding: chunked",
    ] {
        catalogue.fields(fields, chunked, MALFORMED);
    }
    for fields in [
        "Content-Length: 2\r\nContent-Length: 2",
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: 2\r\ncontent-length: 2",
        "Content-Length: 2, 2",
        "Content-Length: 2,",
        "Content-Length: +2",
        "Content-Length: -2",
        "Content-Length: 2.0",
        "Content-Length: 0x2",
        "Content-Length: 2e0",
        "Content-Length: 2 2",
        "Content-Length: \"2\"",
        "Content-Length:",
        "Content-Length: two",
        "Content-Length: 18446744073709551616",
        "Content-Length: 99999999999999999999999999999999",
        "Content-Length : 2",
        "Content-Length\t: 2",
        "Content-Length: 2\u{0}",
        "X: y\nContent-Length: 2",
        "X: y\rContent-Length: 2",
    ] {
        catalogue.fields(fields, "{}", MALFORMED);
    }
    catalogue.fields("Content-Length: 18446744073709551615", "{}", &[431]);
}

fn chunks(catalogue: &mut Catalogue) {
    let chunked = "Transfer-Encoding: chunked";
    for body in [
        "x\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "+2\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        " 2\r\n{}\r\n0\r\n\r\n",
        "\r\n{}\r\n0\r\n\r\n",
        ";a\r\n{}\r\n0\r\n\r\n",
        "2\n{}\r\n0\r\n\r\n",
        "2\r{}\r\n0\r\n\r\n",
        "2 2\r\n{}\r\n0\r\n\r\n",
        "2;a\n{}\r\n0\r\n\r\n",
        "2\r\n{}0\r\n\r\n",
        "2\r\n{}\n0\r\n\r\n",
        "2\r\n{}  \r\n0\r\n\r\n",
        "1\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "10000000000000002\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}\r\n0\r\nA: b\n\r\n",
        "2\r\n{}\r\n0\r\n: b\r\n\r\n",
        "2\r\n{}\r\n0\r\nA b\r\n\r\n",
    ] {
        catalogue.fields(chunked, body, CLOSED);
    }
    let extensions = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "a".repeat(20 << 10));
    let bytes = format!("{POST}{chunked}\r\n\r\n{extensions}");
    catalogue.add("an endless chunk extension", bytes, CLOSED);
    let trailers = format!("2\r\n{{}}\r\n0\r\n{}\r\n", "A: b\r\n".repeat(5000));
    let bytes = format!("{POST}{chunked}\r\n\r\n{trailers}");
    catalogue.add("endless trailers", bytes, CLOSED);
    let huge = format!(
        "{POST}{chunked}\r\n\r\n7fffffffffffffff\r\n{}",
        "a".repeat(2 << 20)
    );
    catalogue.add("an endless chunk", huge, &[413]);
}

fn hosts(catalogue: &mut Catalogue) {
    let get = "GET /healthz HTTP/1.1";
    for fields in [
        "",
        "\r\nX-Host: x",
        "\r\nHost:",
        "\r\nHost: a\r\nHost: a",
        "\r\nHost: a\r\nHost: b",
        "\r\nHost: u@a",
        "\r\nHost: a/b",
        "\r\nHost: a b",
        "\r\nHost: a, b",
        "\r\nHost: http://a",
        "\r\nHost: a:b",
        "\r\nHost: a:99999999",
        "\r\nHost: [::1",
        "\r\nHost: ::1",
        "\r\nHost: a\\b",
        "\r\nHost: a?b",
        "\r\nHost: \u{e4}",
        "\r\nHost: a\u{0}b",
        "\r\nHost : a",
    ] {
        catalogue.line(&format!("{get}{fields}"), MALFORMED);
    }
    for target in [
        "http://a/healthz",
        "http://x:1/healthz",
        "http://u:p@x/healthz",
        "ftp://x/",
    ] {
        catalogue.line(&format!("GET {target} HTTP/1.1\r\nHost: x"), MALFORMED);
    }
}

fn request_lines(catalogue: &mut Catalogue) {
    for line in [
        "nonsense",
        "GET",
        "GET /healthz",
        "GET  /healthz HTTP/1.1",
        "GET /healthz  HTTP/1.1",
        "GET\t/healthz HTTP/1.1",
        "GET /healthz\tHTTP/1.1",
        "GET /health z HTTP/1.1",
        " GET /healthz HTTP/1.1",
        "GET /healthz HTTP/1.1 ",
        "GET /healthz HTTP/1.1 x",
        "GET /healthz HTTP/1.2",
        "GET /healthz HTTP/2.0",
        "GET /healthz HTTP/9.9",
        "GET /healthz HTTP/0.9",
        "GET /healthz HTTP/1",
        "GET /healthz http/1.1",
        "GET /healthz HTTPS/1.1",
        "GET /healthz ICY/1.1",
        "GET healthz HTTP/1.1",
        "GET \\healthz HTTP/1.1",
        "GET * HTTP/1.1",
        "POST * HTTP/1.1",
        "GET ? HTTP/1.1",
        "GET /\u{e4} HTTP/1.1",
        "GET /?\u{e4} HTTP/1.1",
        "GET /\u{0} HTTP/1.1",
        "GET /\u{7f} HTTP/1.1",
        "GET\u{0} / HTTP/1.1",
        "G(T / HTTP/1.1",
        "GET /healthz HTTP/1.1\r",
    ] {
        catalogue.line(&format!("{line}\r\nHost: x"), CLOSED);
    }
    for line in [
        "CONNECT x:80 HTTP/1.1",
        "TRACE / HTTP/1.1",
        "TRACE /healthz HTTP/1.1",
    ] {
        catalogue.line(&format!("{line}\r\nHost: x"), &[405]);
    }
    catalogue.line("PRI * HTTP/2.0\r\n\r\nSM", CLOSED);
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    catalogue.add("HTTP/2 in the clear", preface, CLOSED);
    catalogue.add(
        "TLS",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
        CLOSED,
    );
    let zero = "POST /api/v1/reports HTTP/1.0\r\nConnection: keep-alive\r\n";
    let body = "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    catalogue.add("chunks in HTTP/1.0", format!("{zero}{body}"), MALFORMED);
}

fn fields(catalogue: &mut Catalogue) {
    let get = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
    for line in [
        "no colon",
        ": no name",
        "A : space before the colon",
        "A\t: tab before the colon",
        "A B: space in the name",
        "A\u{0}: b",
        "A: b\u{0}c",
        "A: b\u{1}c",
        "A: b\u{7f}c",
        "A: b\rc: d",
        "A: b\nC: d",
        "A: b\r\n folded",
        "A: b\r\n\tfolded",
        "\u{e4}: b",
        "A(: b",
        "A/: b",
        "[A]: b",
        " A: first line folded",
    ] {
        catalogue.line(&format!("{get}{line}"), MALFORMED);
    }
    catalogue.line(&format!("{get}Expect: 200-ok"), &[417]);
    catalogue.line(
        &format!("{get}Expect: 100-continue\r\nExpect: magic"),
        &[417],
    );
    let head = "GET /healthz HTTP/1.1\nHost: x\n\n";
    catalogue.add("line feeds alone", head, MALFORMED);
}

fn sizes(catalogue: &mut Catalogue) {
    let many = |count: usize| {
        let mut fields = String::new();
        for number in 0..count {
            let _ = write!(fields, "\r\nA{number}: b");
        }
        fields
    };
    let get = "GET /healthz HTTP/1.1\r\nHost: x";
    catalogue.line(&format!("{get}{}", many(100)), &[431]);
    catalogue.line(&format!("{get}{}", many(5000)), &[431]);
    catalogue.line(&format!("{get}\r\nA: {}", "b".repeat(20 << 10)), &[431]);
    catalogue.line(&format!("{get}\r\nA: {}", "b".repeat(1 << 20)), &[431]);
    catalogue.line(
        &format!("{get}\r\n{}: b", "A".repeat(20 << 10)),
        &[431, 400],
    );
    let long = |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: x", "a".repeat(bytes));
    catalogue.line(&long(9 << 10), &[414]);
    catalogue.line(&long(100 << 10), &[414, 431]);
    let query = format!("GET /?{} HTTP/1.1\r\nHost: x", "a=b&".repeat(3 << 10));
    catalogue.line(&query, &[414]);
    catalogue.add("a long method", "A".repeat(100 << 10), &[400, 431]);
    catalogue.fields(
        "Content-Length: 1000000000000",
        &"a".repeat(1 << 20),
        &[413],
    );
}

/// The ambiguity comes second, in the same packet.
fn pipelined(catalogue: &mut Catalogue) {
    let firsts = [
        "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        format!("{POST}Content-Length: 3\r\n\r\n{{,}}"),
        format!("{POST}Transfer-Encoding: chunked\r\n\r\n3;x=y\r\n{{,}}\r\n0\r\nA: b\r\n\r\n"),
    ];
    for (number, first) in firsts.iter().enumerate() {
        for fields in [
            "Content-Length: 2\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 2",
            "Content-Length: 2\r\nContent-Length: 2",
            "Transfer-Encoding: gzip, chunked",
        ] {
            let bytes = format!("{first}{POST}{fields}\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n");
            catalogue.add(&format!("{fields:?} after {number}"), bytes, MALFORMED);
        }
    }
}

fn catalogue() -> Vec<Case> {
    let mut catalogue = Catalogue::default();
    for add in [
        lengths,
        chunks,
        hosts,
        request_lines,
        fields,
        sizes,
        pipelined,
    ] {
        add(&mut catalogue);
    }
    catalogue.0
}

/// The statuses of all answers on a connection, the last one's after which it was
/// closed.
fn statuses(answer: &str) -> Vec<u16> {
    answer
        .split("HTTP/1.")
        .skip(1)
        .filter_map(|rest| rest.get(2..5)?.parse().ok())
        .collect()
}

/// Nothing that helps an attacker.
fn leaks(answer: &str) -> Option<&'static str> {
    let answer = answer.to_lowercase();
    [
        "hyper",
        "rust",
        "wasm",
        "panick",
        "src/",
        "/root",
        "/home",
        "server:",
        "0.1.0",
        "backtrace",
    ]
    .into_iter()
    .find(|leak| answer.contains(leak))
}

#[test]
fn every_ambiguous_or_malformed_head_is_refused_and_nothing_behind_it_is_carried_out() {
    let dir = tempfile::tempdir().unwrap();
    let server = quick(Kind::Native, dir.path());
    let cases = catalogue();
    assert!(cases.len() >= 100, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        // Read to its end: the server has closed.
        let answer = raw(server.address, &case.bytes).unwrap_or_default();
        let answer = String::from_utf8_lossy(&answer);
        let last = statuses(&answer).last().copied().unwrap_or(0);
        // What was asked before, in the same packet, may have been answered.
        if !case.allowed.contains(&last) {
            wrong.push(format!("{}: {last}, not {:?}", case.name, case.allowed));
        }
        if statuses(&answer).contains(&202) {
            wrong.push(format!("{}: something was accepted", case.name));
        }
        if let Some(leak) = leaks(&answer) {
            wrong.push(format!("{}: says {leak}: {answer}", case.name));
        }
        if last != 0 && !answer.contains("application/problem+json") {
            wrong.push(format!("{}: no document: {answer}", case.name));
        }
        if last != 0
            && !answer
                .to_lowercase()
                .contains("x-content-type-options: nosniff")
        {
            wrong.push(format!("{}: no security headers: {answer}", case.name));
        }
        let good = post(
            server.address,
            "application/json",
            format!("{{\"n\":{number}}}").as_bytes(),
        );
        assert_eq!(good.status, 202, "after {}", case.name);
    }
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
    let lines = published(dir.path(), cases.len());
    assert_eq!(lines.len(), cases.len());
    let all: Vec<u64> = (0..).take(cases.len()).collect();
    assert_eq!(files::numbers(dir.path()), all);
}

#[test]
fn unusual_heads_that_mean_one_thing_are_understood() {
    let dir = tempfile::tempdir().unwrap();
    let server = quick(Kind::Native, dir.path());
    let close = "Connection: close";
    for (name, request, expected) in [
        (
            "a blank line first",
            format!("\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n{close}\r\n\r\n"),
            200,
        ),
        (
            "the whole address",
            format!("GET http://X/healthz HTTP/1.1\r\nHost: x\r\n{close}\r\n\r\n"),
            200,
        ),
        (
            "a port",
            format!("GET /healthz HTTP/1.1\r\nHost: [::1]:80\r\n{close}\r\n\r\n"),
            200,
        ),
        ("HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n".to_owned(), 200),
        (
            "the server itself",
            format!("OPTIONS * HTTP/1.1\r\nHost: x\r\n{close}\r\n\r\n"),
            404,
        ),
        (
            "a field that is not text",
            format!("GET /healthz HTTP/1.1\r\nHost: x\r\nA: \u{e4}\r\n{close}\r\n\r\n"),
            200,
        ),
        (
            "chunks with extensions and trailers",
            format!(
                "{POST}{close}\r\nTransfer-Encoding: Chunked\r\n\r\n03;a=\"b\"\r\n{{\"n\r\n4 \r\n\":1}}\r\n0\r\nContent-Length: 9\r\n\r\n"
            ),
            202,
        ),
        (
            "a length with white space",
            format!("{POST}{close}\r\nContent-Length: \t 7 \t\r\n\r\n{{\"n\":2}}"),
            202,
        ),
    ] {
        let answer = raw(server.address, request.as_bytes()).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert_eq!(statuses(&answer), [expected], "{name}: {answer}");
    }
    published(dir.path(), 2);
    assert_eq!(files::numbers(dir.path()), [1, 2]);
}
