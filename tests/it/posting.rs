//! What is posted is found in a file.

use super::*;
use netwatch_tests::client::{get, post, send};
use std::io::Write;

#[test]
fn every_kind_of_body_is_stored_as_sent() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let server = quick(kind, dir.path());
        let json = "{ \"n\" : 123456789012345678901234567890 ,\n \"e\":1E400,\"s\":\"\u{2028}\" }";
        for (content_type, body, accepted) in [
            ("application/json", json, 1),
            ("application/json", "[{\"a\":1},{\"a\":2}]", 2),
            ("application/x-ndjson", "{\"l\":1}\n\n{\"l\":2}\r\n", 2),
            (
                "application/reports+json",
                "[{\"type\":\"network-error\"}]",
                1,
            ),
            ("text/plain;charset=UTF-8", "{\"beacon\":true}", 1),
        ] {
            let reply = post(server.address, content_type, body.as_bytes());
            assert_eq!(reply.status, 202, "{kind:?}: {}", reply.text());
            assert_eq!(reply.text(), format!("{{\"accepted\":{accepted}}}"));
        }
        let lines = published(dir.path(), 7);
        let sent: Vec<_> = lines.iter().map(|line| &line[91..]).collect();
        for expected in [
            "\"n\":123456789012345678901234567890,\"e\":1E400,\"s\":\"\u{2028}\"}",
            "\"a\":1}",
            "\"a\":2}",
            "\"l\":1}",
            "\"l\":2}",
            "\"type\":\"network-error\"}",
            "\"beacon\":true}",
        ] {
            let times = sent.iter().filter(|line| **line == expected).count();
            assert_eq!(times, 1, "{kind:?}: {expected} in {sent:#?}");
        }
    }
}

#[test]
fn compressed_bodies_are_stored_plain() {
    let plain = b"{\"n\":1}";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut encoder = netwatch_guest::segment::encoder::Encoder::new(1).unwrap();
    encoder.write(plain).unwrap();
    let zstd = encoder.finish().unwrap().bytes;
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let server = quick(kind, dir.path());
        for (coding, body) in [("gzip", &gzip), ("zstd", &zstd)] {
            let headers = [
                ("Content-Type", "application/json"),
                ("Content-Encoding", coding),
            ];
            let reply = send(server.address, "POST", "/api/v1/reports", &headers, body).unwrap();
            assert_eq!(reply.status, 202, "{kind:?} {coding}: {}", reply.text());
        }
        published(dir.path(), 2);
        assert_eq!(files::numbers(dir.path()), [1, 1]);
    }
}

#[test]
fn sixty_seconds_or_whatever_is_set_after_the_first_report_a_file_appears_by_itself() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(kind, dir.path(), &[("FLUSH_INTERVAL", "3s")]);
        assert_eq!(
            post(server.address, "application/json", b"{\"n\":1}").status,
            202
        );
        std::thread::sleep(Duration::from_millis(1500));
        assert!(
            files::segments(dir.path()).is_empty(),
            "{kind:?}: too early"
        );
        published(dir.path(), 1);
        assert_eq!(files::segments(dir.path()).len(), 1);
        until("the journal is empty", Duration::from_secs(5), || {
            files::journal(dir.path())
                .iter()
                .all(|name| name == "lease")
        });
    }
}

#[test]
fn health_readiness_and_description_answer() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let server = quick(kind, dir.path());
        for path in ["/healthz", "/.well-known/healthcheck"] {
            assert_eq!(get(server.address, path).json()["status"], "ok");
        }
        until("it is ready", Duration::from_secs(5), || {
            get(server.address, "/readyz").status == 200
        });
        let document = get(server.address, "/openapi.json").json();
        assert_eq!(document["openapi"], "3.1.0");
        let head = send(server.address, "HEAD", "/healthz", &[], b"").unwrap();
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
}

/// A stock runtime takes both, and then the length means nothing (RFC 9112 §6.3).
#[test]
fn a_body_in_chunks_is_read_to_its_end_whatever_length_is_announced() {
    let dir = tempfile::tempdir().unwrap();
    let server = quick(Kind::Stock, dir.path());
    let head = "POST /api/v1/reports HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                Content-Type: application/json\r\n";
    let (length, chunked) = ("Content-Length: 2\r\n", "Transfer-Encoding: chunked\r\n");
    for fields in [[length, chunked].concat(), [chunked, length].concat()] {
        let request = format!("{head}{fields}\r\n2\r\n{{}}\r\n2\r\n{{}}\r\n0\r\n\r\n");
        let answer = netwatch_tests::client::raw(server.address, request.as_bytes()).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
}
