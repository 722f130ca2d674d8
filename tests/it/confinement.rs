//! A server that has confined itself serves as any other, and what it cannot
//! reach it cannot reach.

use super::*;
use netwatch_tests::client::{get, post};
use netwatch_tests::server::native;
use std::process::{Command, Stdio};

/// A line of every thread's status: whether it is held is a matter of threads.
fn of_threads(server: &Server, name: &str) -> Vec<String> {
    let tasks = format!("/proc/{}/task", server.id());
    let tasks = std::fs::read_dir(tasks).unwrap();
    tasks
        .filter_map(|task| {
            let path = task.unwrap().path().join("status");
            // A thread may have ended meanwhile.
            let status = std::fs::read_to_string(path).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            Some(line.unwrap().trim().to_owned())
        })
        .collect()
}

#[test]
fn a_confined_server_stores_publishes_and_answers() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("CONFINE", "require"),
        ("FLUSH_INTERVAL", "1s"),
        ("READ_TOKEN", "secret"),
    ];
    // Twice: the second one recovers what the first one left.
    for round in 0..2 {
        let mut server = Server::start(Kind::Native, dir.path(), &settings);
        for n in 0..10 {
            let body = format!("{{\"n\":{}}}", 10 * round + n);
            let reply = post(server.address, "application/json", body.as_bytes());
            assert_eq!(reply.status, 202, "{}", reply.text());
        }
        until("it is ready", Duration::from_secs(10), || {
            get(server.address, "/readyz").status == 200
        });
        for (line, value) in [("Seccomp:", "2"), ("NoNewPrivs:", "1")] {
            let found = of_threads(&server, line);
            assert!(found.len() > 2, "{found:?}");
            assert!(found.iter().all(|found| found == value), "{line} {found:?}");
        }
        let log = server.log().join("\n");
        // Kernels differ in how much of it they know.
        assert!(log.contains("\"files\":\"held"), "{log}");
        let held = "\"calls\":\"held\",\"sockets\":\"held\"";
        assert!(log.contains(held), "{log}");
        if round == 0 {
            server.kill();
        } else {
            published(dir.path(), 20);
            assert!(server.stop().success());
        }
    }
    assert_eq!(files::numbers(dir.path()), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_server_told_not_to_confine_itself_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Kind::Native, dir.path(), &[("CONFINE", "off")]);
    let found = of_threads(&server, "Seccomp:");
    assert!(found.iter().all(|found| found == "0"), "{found:?}");
}

/// Sixteen restrictions are as many as Landlock lets be added up; none of these
/// takes anything away that a server needs.
const NO_MORE_LANDLOCK: &str = "
import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
NO_NEW_PRIVS, CREATE_RULESET, RESTRICT_SELF, MAKE_CHAR = 38, 444, 446, 1 << 6
assert libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) == 0
for _ in range(16):
    ruleset = libc.syscall(CREATE_RULESET, struct.pack('Q', MAKE_CHAR), 8, 0)
    assert libc.syscall(RESTRICT_SELF, ruleset, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
";

#[test]
fn what_cannot_be_held_is_said_and_keeps_a_server_that_requires_it_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let command = |confine| {
        let server = native(dir.path(), &[]);
        let mut command = Command::new("python3");
        command
            .args(["-c", NO_MORE_LANDLOCK])
            .arg(server.get_program());
        for (name, value) in server.get_envs() {
            command.env(name, value.unwrap());
        }
        command.env("CONFINE", confine);
        command
    };
    let server = Server::spawn(command("auto"), dir.path());
    until("it is said", Duration::from_secs(5), || {
        let log = server.log().join("\n");
        log.contains("\"files\":\"open\"") && log.contains("cannot confine its files: Landlock")
    });
    assert_eq!(
        post(server.address, "application/json", b"{\"n\":1}").status,
        202
    );
    drop(server);
    let refused = command("require").stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(
        said.contains("CONFINE=require cannot be kept: Landlock"),
        "{said}"
    );
}
