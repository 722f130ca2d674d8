//! The whole server with the embedded component, started in this process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netwatch_server::{Configuration, Options, RunningServer, Server, StartError};
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn options(directory: &Path) -> Options {
    Options::from_pairs([
        ("PORT", "0"),
        ("BIND", "127.0.0.1"),
        ("DATA_DIR", directory.to_str().unwrap()),
        ("WORKERS", "2"),
    ])
    .unwrap()
}

async fn start() -> (TempDir, RunningServer) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(options(directory.path()), Configuration::default())
        .await
        .unwrap();
    (directory, server)
}

/// Sends bytes and reads until the server closes the connection.
async fn exchange(server: &RunningServer, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn post(body: &str) -> String {
    format!(
        "POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: mine-1\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn a_report_is_accepted_and_published_by_a_clean_stop() {
    let (directory, server) = start().await;
    let answer = exchange(&server, &post("{\"a\":1}")).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert!(answer.contains("x-request-id: mine-1"), "{answer}");
    assert!(answer.ends_with("{\"accepted\":1}"), "{answer}");
    server.shutdown().await;
    let segments = names(directory.path());
    let segments = segments.iter().filter(|name| name.ends_with(".jsonl.zst"));
    assert_eq!(segments.count(), 1);
    assert!(names(&directory.path().join("journal")).is_empty());
}

#[tokio::test]
async fn other_routes_are_answered_by_the_component() {
    let (_directory, server) = start().await;
    let get = |path| format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for (path, status) in [("/healthz", 200), ("/openapi.json", 200), ("/nothing", 404)] {
        let answer = exchange(&server, &get(path)).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {answer}"
        );
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_length_given_twice_is_refused_in_either_order() {
    let (_directory, server) = start().await;
    let fields = ["Content-Length: 5", "Transfer-Encoding: chunked"];
    for [first, second] in [fields, [fields[1], fields[0]]] {
        let request = format!(
            "POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             {first}\r\n{second}\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
        );
        let answer = exchange(&server, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_before_it_is_sent() {
    let (_directory, server) = start().await;
    let request = "POST /api/v1/reports HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\
                   Content-Type: application/json\r\nContent-Length: 1048577\r\n\r\n";
    let answer = exchange(&server, request).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
    assert!(
        answer.contains("access-control-allow-origin: https://a.example"),
        "{answer}"
    );
    server.shutdown().await;
}

#[tokio::test]
async fn a_second_server_on_the_directory_learns_who_has_it() {
    let (directory, server) = start().await;
    match Server::start(options(directory.path()), Configuration::default()).await {
        Err(StartError::Locked { holder, .. }) => {
            assert_eq!(holder.pid, Some(std::process::id()));
            assert_eq!(holder.address, Some(server.address().to_string()));
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("two servers on one directory"),
    }
    server.shutdown().await;
}
