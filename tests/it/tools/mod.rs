//! The other commands of the binary, run as an operator runs them.

mod pages;
mod posting;
mod reading;
mod verifying;

use super::*;
use netwatch_tests::server::binaries;
use std::process::{Command, Output};

/// The binary with these arguments, and with nothing configured.
fn tool(arguments: &[&str]) -> Command {
    let mut command = Command::new(binaries().join("netwatch-server"));
    command.args(arguments);
    for (name, _) in std::env::vars() {
        if name.starts_with("STATS_") {
            command.env_remove(name);
        }
    }
    for name in ["PORT", "DATA_DIR", "INGEST_KEY", "WORKERS", "DURABILITY"] {
        command.env_remove(name);
    }
    command
}

/// What it said and how it ended.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(command: &mut Command) -> Said {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the binary runs");
    Said {
        code: status.code(),
        out: String::from_utf8(stdout).expect("text"),
        err: String::from_utf8(stderr).expect("text"),
    }
}

/// Lines with a number each, as they are posted.
fn numbered(numbers: std::ops::Range<u64>) -> String {
    numbers
        .map(|n| format!("{{\"n\":{n},\"client\":\"c{}\",\"f\":1.50}}\n", n % 3))
        .collect()
}

/// Stored lines as they were sent.
fn as_sent(stored: &str) -> String {
    stored
        .lines()
        .map(|line| format!("{{{}\n", &line[91..]))
        .collect()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

fn url(server: &Server) -> String {
    format!("http://{}", server.address)
}

/// A directory with one published segment of some reports.
fn published_directory(reports: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(Kind::Native, dir.path(), &[("WORKERS", "1")]);
    let reply =
        netwatch_tests::client::post(server.address, "application/x-ndjson", reports.as_bytes());
    assert_eq!(reply.status, 202, "{}", reply.text());
    assert!(server.stop().success());
    dir
}
