//! Both entrances, batches and `wasi:http`, give the same answers.

use super::*;
use netwatch_tests::client::{Reply, send};

struct Case {
    method: &'static str,
    path: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: Vec<u8>,
    status: u16,
}

const REPORTS: &str = "/api/v1/reports";
const JSON: (&str, &str) = ("Content-Type", "application/json");
const KEY: (&str, &str) = ("Authorization", "Bearer k3y");
const ORIGIN: (&str, &str) = ("Origin", "https://a.example");

fn case(status: u16, headers: &[(&'static str, &'static str)], body: &[u8]) -> Case {
    Case {
        method: "POST",
        path: REPORTS,
        headers: headers.to_vec(),
        body: body.to_vec(),
        status,
    }
}

fn table() -> Vec<Case> {
    let deep = format!("{{\"v\":{}1{}}}", "[".repeat(64), "]".repeat(64)).into_bytes();
    let other = |method, path, status| Case {
        method,
        path,
        headers: vec![ORIGIN],
        body: vec![],
        status,
    };
    let many = format!("[{}{{}}]", "{},".repeat(10_000)).into_bytes();
    vec![
        case(202, &[JSON, KEY, ORIGIN], b"{\"a\":1}"),
        case(202, &[JSON, ("X-API-Key", "k3y")], b"{\"a\":1}"),
        Case {
            path: "/api/v1/reports?key=k3y",
            ..case(202, &[JSON], b"{}")
        },
        case(202, &[JSON, KEY], b"[]"),
        case(400, &[JSON, KEY, ORIGIN], b"{\"a\":1,\n \"b\":}"),
        case(400, &[JSON, KEY], b""),
        case(400, &[JSON, KEY], b"{\"a\":\"\xff\"}"),
        case(400, &[JSON, KEY, ("Content-Encoding", "gzip")], b"{}"),
        case(400, &[JSON, KEY, ("Content-Encoding", "zstd")], b"{}"),
        case(401, &[JSON, ORIGIN], b"{}"),
        case(403, &[JSON, ("X-API-Key", "wrong")], b"{}"),
        case(403, &[JSON, KEY, ("Origin", "https://evil.example")], b"{}"),
        case(413, &[JSON, KEY, ORIGIN], &vec![b' '; 70_000]),
        case(413, &[JSON, KEY], &many),
        case(415, &[("Content-Type", "text/html"), KEY], b"{}"),
        case(415, &[KEY], b"{}"),
        case(
            415,
            &[("Content-Type", "text/plain; charset=latin1"), KEY],
            b"{}",
        ),
        case(415, &[JSON, KEY, ("Content-Encoding", "br")], b"{}"),
        case(422, &[JSON, KEY], b"[1]"),
        case(422, &[JSON, KEY], b"\"text\""),
        case(422, &[JSON, KEY], &deep),
        case(422, &[JSON, KEY], b"{\"_r\\u0065ceived\":1}"),
        case(422, &[JSON, KEY], b"{\"s\":\"\\ud800\"}"),
        other("GET", "/nothing", 404),
        other("PUT", REPORTS, 405),
        other("POST", "/healthz", 405),
        other("OPTIONS", REPORTS, 204),
    ]
}

/// Two servers over the same rules.
fn pair(settings: &[(&str, &str)]) -> Vec<(tempfile::TempDir, Server)> {
    BOTH.iter()
        .map(|kind| {
            let dir = tempfile::tempdir().unwrap();
            let server = Server::start(*kind, dir.path(), settings);
            (dir, server)
        })
        .collect()
}

fn ask(server: &Server, case: &Case) -> Reply {
    send(
        server.address,
        case.method,
        case.path,
        &case.headers,
        &case.body,
    )
    .expect("an answer")
}

/// What must be the same: everything but identity, time and the framing.
fn essence(reply: &Reply) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let own = [
        "x-request-id",
        "date",
        "content-length",
        "transfer-encoding",
        "connection",
        // The native host's, on every answer.
        "x-content-type-options",
        "referrer-policy",
        "content-security-policy",
        "cross-origin-resource-policy",
    ];
    let headers = reply.headers.clone().into_iter();
    let headers = headers
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .collect();
    (reply.status, headers, reply.body.clone())
}

#[test]
fn every_answer_of_the_table_is_as_documented_and_the_same_at_both() {
    let servers = pair(&[
        ("INGEST_KEY", "k3y"),
        ("ALLOWED_ORIGINS", "https://a.example"),
        ("MAX_BODY_BYTES", "65536"),
    ]);
    for case in table() {
        let replies: Vec<_> = servers
            .iter()
            .map(|(_, server)| ask(server, &case))
            .collect();
        let shown = String::from_utf8_lossy(&case.body[..case.body.len().min(80)]).into_owned();
        let what = format!("{} {} {:?} {shown}", case.method, case.path, case.headers);
        for reply in &replies {
            assert_eq!(reply.status, case.status, "{what}: {}", reply.text());
            assert!(
                reply.header("vary").is_some_and(|v| v.contains("Origin")),
                "{what}"
            );
            check_errors(reply, &what);
            check_origin(reply, &case, &what);
        }
        assert_eq!(essence(&replies[0]), essence(&replies[1]), "{what}");
    }
}

fn check_errors(reply: &Reply, what: &str) {
    if reply.status < 400 {
        return;
    }
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json"),
        "{what}"
    );
    let problem = reply.json();
    assert_eq!(problem["status"], reply.status, "{what}");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| detail.len() > 10),
        "{what}"
    );
    if reply.status == 405 {
        assert!(reply.header("allow").is_some(), "{what}");
    }
    if reply.status == 422 {
        assert!(
            problem["line"].is_u64() && problem["pointer"].is_string(),
            "{what}: {problem}"
        );
    }
}

fn check_origin(reply: &Reply, case: &Case, what: &str) {
    let echoed = reply.header("access-control-allow-origin");
    let expected = case.headers.contains(&ORIGIN).then_some(ORIGIN.1);
    assert_eq!(echoed, expected, "{what}");
    if expected.is_some() && case.method == "OPTIONS" {
        assert_eq!(reply.header("access-control-max-age"), Some("3600"));
        let allowed = reply
            .header("access-control-allow-headers")
            .unwrap_or_default();
        assert!(
            allowed.contains("Content-Type") && allowed.contains("X-API-Key"),
            "{allowed}"
        );
    } else if expected.is_some() {
        let exposed = reply
            .header("access-control-expose-headers")
            .unwrap_or_default();
        assert!(exposed.contains("Retry-After"), "{what}: {exposed}");
    }
}

#[test]
fn a_fault_is_located_by_line_column_and_pointer() {
    for (_dir, server) in pair(&[]) {
        let body = b"[{\"ok\":1},\n {\"hosts\":[{\"name\":nope}]}]";
        let problem = ask(&server, &case(400, &[JSON], body)).json();
        assert_eq!(
            (&problem["line"], &problem["column"]),
            (&2.into(), &20.into()),
            "{problem}"
        );
        assert_eq!(problem["pointer"], "/1/hosts/0/name");
    }
}

#[test]
fn the_catalogue_of_json_is_judged_alike_at_both() {
    let servers = pair(&[]);
    let cases = netwatch_guest::report::cases::cases();
    assert!(cases.len() >= 300);
    for json in cases {
        let request = case(0, &[JSON], &json.body);
        let replies: Vec<_> = servers
            .iter()
            .map(|(_, server)| ask(server, &request))
            .collect();
        let shown = String::from_utf8_lossy(&json.body[..json.body.len().min(80)]).into_owned();
        assert_eq!(
            replies[0].status == 202,
            json.good,
            "{shown}: {}",
            replies[0].text()
        );
        if !json.good {
            assert!([400, 422].contains(&replies[0].status), "{shown}");
        }
        assert_eq!(essence(&replies[0]), essence(&replies[1]), "{shown}");
    }
}

#[test]
fn a_sane_request_id_comes_back_and_another_is_replaced() {
    for (_dir, server) in pair(&[]) {
        for path in [REPORTS, "/healthz"] {
            let method = if path == REPORTS { "POST" } else { "GET" };
            let id = |sent| {
                let headers = [JSON, ("X-Request-Id", sent)];
                let reply = send(server.address, method, path, &headers, b"{}").unwrap();
                reply.header("x-request-id").expect("an id").to_owned()
            };
            assert_eq!(id("abc-1.2_3"), "abc-1.2_3");
            assert_ne!(id("a b\"c"), "a b\"c");
        }
    }
}
