//! Who a client is, and how much of it is taken.

use super::*;
use netwatch_tests::client::{Reply, get, raw, send};
use std::net::SocketAddr;

fn start(dir: &Path, settings: &[(&str, &str)]) -> Server {
    Server::start(Kind::Native, dir, settings)
}

/// The addresses that the log names as clients of requests.
fn clients(server: &Server) -> Vec<String> {
    let lines = server.log();
    let events = lines
        .iter()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    events
        .filter(|event| event["message"] == "request")
        .filter_map(|event| Some(event["client"].as_str()?.to_owned()))
        .collect()
}

fn ask(address: SocketAddr, headers: &[(&str, &str)]) -> Reply {
    send(address, "GET", "/healthz", headers, b"").unwrap()
}

const CLAIMS: [(&str, &str); 3] = [
    ("X-Forwarded-For", "203.0.113.7, 192.0.2.9"),
    ("Forwarded", "for=192.0.2.8"),
    ("X-Real-IP", "192.0.2.7"),
];

#[test]
fn a_strangers_word_about_its_address_counts_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for (proxies, expected) in [("", "127.0.0.1"), ("10.0.0.0/8", "127.0.0.1")] {
        let server = start(
            dir.path(),
            &[("DEBUG", "true"), ("TRUSTED_PROXIES", proxies)],
        );
        ask(server.address, &CLAIMS);
        let line = b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\nGET / HTTP/1.1\r\n\r\n";
        let answer = raw(server.address, line).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400"));
        until("the request is in the log", Duration::from_secs(5), || {
            clients(&server).iter().any(|client| client == expected)
        });
    }
}

#[test]
fn a_trusted_proxys_word_counts_by_the_header_it_writes() {
    let dir = tempfile::tempdir().unwrap();
    for (header, expected) in [("x-forwarded-for", "192.0.2.9"), ("forwarded", "192.0.2.8")] {
        let settings = [
            ("DEBUG", "true"),
            ("TRUSTED_PROXIES", "127.0.0.0/8"),
            ("FORWARDED_HEADER", header),
        ];
        let server = start(dir.path(), &settings);
        ask(server.address, &CLAIMS);
        until("the request is in the log", Duration::from_secs(5), || {
            clients(&server).iter().any(|client| client == expected)
        });
    }
}

#[test]
fn a_proxy_header_says_whose_connection_it_is_and_must_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("DEBUG", "true"),
        ("TRUSTED_PROXIES", "127.0.0.0/8"),
        ("PROXY_PROTOCOL", "true"),
    ];
    let server = start(dir.path(), &settings);
    let get = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let first = format!("PROXY TCP4 192.0.2.9 10.0.0.1 4711 80\r\n{get}");
    let signature = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
    let addresses = [192, 0, 2, 10, 10, 0, 0, 1, 1, 2, 0, 80];
    let second = [&signature[..], &addresses, get.as_bytes()].concat();
    for header in [first.into_bytes(), second] {
        let answer = raw(server.address, &header).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
    let mut seen = Vec::new();
    until("both are in the log", Duration::from_secs(5), || {
        seen.extend(clients(&server));
        seen == ["192.0.2.9", "192.0.2.10"]
    });
    let without = raw(server.address, get.as_bytes()).unwrap_or_default();
    assert!(without.is_empty(), "{without:?}");
}

/// A limit's refusal, as a client sees it.
fn assert_refused(reply: &Reply, policy: &str) {
    assert_eq!(reply.status, 429, "{policy}: {}", reply.text());
    assert!(reply.header("retry-after").is_some(), "{policy}");
    let told = reply.header("ratelimit-policy").unwrap();
    assert!(told.starts_with(&format!("\"{policy}\";q=")), "{told}");
    let left = reply.header("ratelimit").unwrap();
    assert!(left.starts_with(&format!("\"{policy}\";r=0;t=")), "{left}");
    assert_eq!(reply.json()["reason"], "rate", "{policy}");
    let exposed = reply.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("RateLimit"), "{exposed}");
}

const JSON: [(&str, &str); 2] = [
    ("Content-Type", "application/json"),
    ("Origin", "https://a.example"),
];

#[test]
fn each_rate_bites_and_says_when_to_come_again() {
    for (settings, limit, policy, body) in [
        (
            [("CLIENT_REQUESTS_PER_SECOND", "1"), ("CLIENT_BURST", "3")],
            "client-requests",
            "client",
            "{}".to_owned(),
        ),
        (
            [("REQUESTS_PER_SECOND", "1"), ("REQUESTS_BURST", "3")],
            "requests",
            "requests",
            "{}".to_owned(),
        ),
        (
            [("BYTES_PER_SECOND", "1KiB"), ("BYTES_BURST", "30KiB")],
            "bytes",
            "bytes",
            format!("{{\"a\":\"{}\"}}", "b".repeat(9 << 10)),
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let server = start(dir.path(), &settings);
        let post = || {
            let path = "/api/v1/reports";
            send(server.address, "POST", path, &JSON, body.as_bytes()).unwrap()
        };
        let replies: Vec<Reply> = (0..5).map(|_| post()).collect();
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses[..3], [202; 3], "{limit}: {statuses:?}");
        assert_refused(&replies[4], policy);
        std::thread::sleep(Duration::from_secs(match limit {
            "bytes" => 10,
            _ => 2,
        }));
        let metrics = get(server.address, "/metrics").text();
        let line = format!("netwatch_limited_total{{limit=\"{limit}\"}} 2\n");
        assert!(metrics.contains(&line), "{limit}: {metrics}");
    }
}

#[test]
fn a_body_of_unknown_length_counts_as_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("BYTES_PER_SECOND", "1KiB"), ("BYTES_BURST", "30KiB")];
    let server = start(dir.path(), &settings);
    let chunk = format!("2000\r\n{}\r\n", " ".repeat(0x2000));
    let request = format!(
        "POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n{}2\r\n{{}}\r\n0\r\n\r\n",
        chunk.repeat(8)
    );
    let answer = raw(server.address, request.as_bytes()).unwrap();
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    assert!(answer.starts_with("http/1.1 429"), "{answer}");
    assert!(answer.contains("\r\nratelimit: \"bytes\";r=0;"), "{answer}");
}

#[test]
fn every_answer_tells_browsers_what_not_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), &[]);
    for (method, path) in [
        ("GET", "/healthz"),
        ("GET", "/"),
        ("GET", "/metrics"),
        ("GET", "/style.css"),
        ("GET", "/nothing"),
        ("POST", "/api/v1/reports"),
        ("OPTIONS", "/api/v1/reports"),
        ("PUT", "/api/v1/reports"),
    ] {
        let reply = send(server.address, method, path, &[], b"").unwrap();
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'"),
            ("referrer-policy", ""),
            ("cross-origin-resource-policy", "-origin"),
        ] {
            let told = reply.header(name).unwrap_or("nothing");
            assert!(told.contains(value), "{method} {path}: {name} is {told}");
        }
        assert_eq!(reply.header("server"), None);
        assert_eq!(reply.header("strict-transport-security"), None);
    }
}

/// What is stored of the client of each report.
fn stored(dir: &Path, settings: &[(&str, &str)], source: &str) -> Vec<Option<String>> {
    let mut settings = settings.to_vec();
    settings.extend([("TRUSTED_PROXIES", "127.0.0.1"), ("FLUSH_INTERVAL", "1s")]);
    let server = start(dir, &settings);
    let headers = [JSON[0], ("X-Forwarded-For", source)];
    for body in [&b"[{},{}]"[..], b"{}"] {
        let reply = send(server.address, "POST", "/api/v1/reports", &headers, body).unwrap();
        assert_eq!(reply.status, 202);
    }
    let lines = published(dir, 3);
    let client = |line: &String| {
        let report: serde_json::Value = serde_json::from_str(line).unwrap();
        Some(report["_received"]["client"].as_str()?.to_owned())
    };
    lines.iter().map(client).collect()
}

#[test]
fn an_address_is_stored_by_choice_only_and_never_whole() {
    let new = tempfile::tempdir;
    let (none, network, hashed, salted) = (
        new().unwrap(),
        new().unwrap(),
        new().unwrap(),
        new().unwrap(),
    );
    let source = "192.0.2.77";
    assert_eq!(stored(none.path(), &[], source), [None, None, None]);
    let truncated = stored(network.path(), &[("STORE_CLIENT", "truncated")], source);
    assert_eq!(truncated, [(); 3].map(|()| Some("192.0.2.0/24".to_owned())));
    let daily = stored(hashed.path(), &[("STORE_CLIENT", "hashed")], source);
    let salt = [("STORE_CLIENT", "hashed"), ("STORE_CLIENT_SALT", "pepper")];
    let salted_first = stored(salted.path(), &salt, source);
    assert_eq!(daily[0], daily[2]);
    assert_ne!(daily[0], salted_first[0]);
    assert_eq!(salted_first[0].as_deref().map(str::len), Some(24));
    // The files can be read, checked and counted as any others.
    for dir in [&network, &hashed] {
        let program = netwatch_tests::server::binaries().join("netwatch-server");
        let verify = std::process::Command::new(program)
            .args(["verify", dir.path().to_str().unwrap()])
            .output()
            .unwrap();
        let said = [verify.stdout, verify.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(verify.status.success(), "{said}");
    }
}
