//! CPU, memory, handles, logs and answers.

use super::*;
use netwatch_tests::client::raw;

const LIMITS: &str = "cpu_per_call = \"300ms\"\ncpu_per_second = 0.5\nmemory_bytes = \"64MiB\"\n\
                      disk_bytes = \"64MiB\"\ndisk_files = 2000\nrequests_in_flight = 32\n";

#[test]
fn burning_cpu_and_ending_instances_costs_only_who_does_it() {
    let mut stage = Stage::start(LIMITS);
    for harm in [
        "loop",
        "loop-yield",
        "recursion",
        "memory-bomb",
        "trap",
        "never",
    ] {
        stage.bear(harm);
    }
    stage.end();
}

#[test]
fn taking_what_the_host_keeps_for_it_costs_only_who_does_it() {
    let mut stage = Stage::start(LIMITS);
    let before = stage.server.resident_mib();
    for harm in ["handles", "timers", "streams", "random"] {
        stage.bear(harm);
    }
    let after = stage.server.resident_mib();
    assert!(after < before + 256, "from {before} to {after} MiB");
    stage.end();
}

#[test]
fn writing_to_the_log_without_end_costs_only_who_does_it() {
    let mut stage = Stage::start(LIMITS);
    for harm in ["log-flood", "log-line"] {
        stage.bear(harm);
    }
    stage.end();
}

#[test]
fn a_line_of_a_component_can_neither_forge_another_nor_drive_a_terminal() {
    let stage = Stage::start(LIMITS);
    drop(stage.server.log());
    assert_eq!(stage.bad("log-forged").unwrap().status, 200);
    let mut log = Vec::new();
    until("it is in the log", Duration::from_secs(5), || {
        log.extend(stage.server.log());
        log.iter().any(|line| line.contains("forged"))
    });
    for line in &log {
        let event: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        assert_ne!(event["message"], "forged", "{line}");
        let message = event["message"].as_str().unwrap();
        assert!(!message.contains(|c: char| c.is_control()), "{line}");
        if message.contains("forged") {
            assert_eq!(event["tenant"], "bad", "{line}");
        }
    }
    stage.end();
}

#[test]
fn answers_that_are_none_cost_only_who_gives_them() {
    let mut stage = Stage::start(LIMITS);
    for harm in [
        "huge-headers",
        "huge-header",
        "split-header",
        "hop-header",
        "body-forever",
        "body-never",
        "body-short",
        "body-long",
        "refuse",
        "status-100",
        "status-101",
        "status-204",
        "status-999",
    ] {
        stage.bear(harm);
    }
    stage.end();
}

/// Proxies use a connection for the requests of several tenants: no answer may be
/// taken for the next one's.
#[test]
fn no_answer_of_a_tenant_is_taken_for_the_answer_to_another() {
    let stage = Stage::start(LIMITS);
    for harm in [
        "body-long",
        "body-short",
        "split-header",
        "hop-header",
        "status-100",
        "status-101",
        "status-204",
        "status-304",
        "refuse",
    ] {
        let requests = format!(
            "GET /t/bad/{harm} HTTP/1.1\r\nHost: x\r\n\r\n\
             GET /t/good/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        );
        let answer = raw(stage.address(), requests.as_bytes()).unwrap_or_default();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(!answer.contains("forged"), "{harm}: {answer}");
        assert!(!answer.contains("/secret"), "{harm}: {answer}");
        assert!(!answer.starts_with("HTTP/1.1 1"), "{harm}: {answer}");
        let heads: Vec<_> = answer.match_indices("HTTP/1.1 ").collect();
        assert!(heads.len() <= 2, "{harm}: {answer}");
        match heads.get(1) {
            // The second answer begins where the first one says that it ends.
            Some((start, _)) => {
                let (first, second) = answer.split_at(*start);
                let (head, body) = first.split_once("\r\n\r\n").unwrap();
                assert!(is_whole(head, body), "{harm}: {answer}");
                assert!(second.contains("\"status\":\"ok\""), "{harm}: {answer}");
            }
            // Or the connection is closed.
            None => assert!(!answer.contains("\"status\":\"ok\""), "{harm}: {answer}"),
        }
    }
    stage.end();
}

/// Whether a body is as long as its head says.
fn is_whole(head: &str, body: &str) -> bool {
    let head = head.to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with("0\r\n\r\n");
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |length| length.trim().parse().unwrap());
    body.len() == length || head.starts_with("http/1.1 304")
}
