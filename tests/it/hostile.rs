//! Clients that do not play by the rules.

use super::*;
use netwatch_tests::client::{get, post, raw};
use std::io::Write;
use std::net::TcpStream;

fn status(server: &Server, request: &str) -> String {
    let answer = raw(server.address, request.as_bytes()).unwrap_or_default();
    String::from_utf8_lossy(&answer)
        .lines()
        .next()
        .unwrap_or("closed")
        .to_owned()
}

#[test]
fn ambiguous_and_broken_heads_are_refused_and_the_connection_closed() {
    let dir = tempfile::tempdir().unwrap();
    let server = quick(Kind::Native, dir.path());
    let head = "POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let both = format!(
        "{head}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
    );
    assert!(
        status(&server, &both).contains("400"),
        "{}",
        status(&server, &both)
    );
    let twice = format!("{head}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}");
    assert!(status(&server, &twice).contains("400"));
    for broken in [
        "nonsense\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET\0 / HTTP/1.1\r\n\r\n",
    ] {
        let answer = status(&server, broken);
        assert!(
            answer.contains("400") || answer == "closed",
            "{broken:?}: {answer}"
        );
    }
    let huge = format!("{head}X: {}\r\n\r\n", "a".repeat(1 << 20));
    let answer = status(&server, &huge);
    assert!(answer.contains("431") || answer == "closed", "{answer}");
    assert_eq!(
        post(server.address, "application/json", b"{\"n\":1}").status,
        202
    );
}

#[test]
fn slow_clients_stop_nobody() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let server = quick(kind, dir.path());
        let slow: Vec<_> = (0..50)
            .map(|n| {
                let mut stream = TcpStream::connect(server.address).unwrap();
                let part = if n % 2 == 0 {
                    "POST /api/v1/rep"
                } else {
                    "POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
                };
                stream.write_all(part.as_bytes()).unwrap();
                stream
            })
            .collect();
        for n in 0..20 {
            let body = format!("{{\"n\":{n}}}");
            assert_eq!(
                post(server.address, "application/json", body.as_bytes()).status,
                202
            );
        }
        drop(slow);
        assert_eq!(get(server.address, "/healthz").status, 200);
        published(dir.path(), 20);
        assert_eq!(
            files::numbers(dir.path()),
            (0..20).collect::<Vec<_>>(),
            "{kind:?}"
        );
    }
}

#[test]
fn a_body_that_breaks_off_is_not_stored() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let server = quick(kind, dir.path());
        for _ in 0..5 {
            let mut stream = TcpStream::connect(server.address).unwrap();
            let head = "POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"n\":7}";
            stream.write_all(head.as_bytes()).unwrap();
        }
        assert_eq!(
            post(server.address, "application/json", b"{\"n\":1}").status,
            202
        );
        published(dir.path(), 1);
        assert_eq!(files::numbers(dir.path()), [1], "{kind:?}");
    }
}
