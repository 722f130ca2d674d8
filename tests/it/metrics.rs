//! `GET /metrics`, as Prometheus sees it, and what the operator is given with it.

use super::*;
use netwatch_tests::client::{get, post, send};
use netwatch_tests::server::{native, trapping_component};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

fn scrape(address: SocketAddr) -> String {
    let reply = get(address, "/metrics");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some(TYPE));
    reply.text()
}

/// The number of one series, exactly as named.
fn value(text: &str, series: &str) -> f64 {
    let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    let found = lines.find(|(name, _)| *name == series);
    let (_, value) = found.unwrap_or_else(|| panic!("{series} not in\n{text}"));
    value.parse().unwrap()
}

fn report(address: SocketAddr, n: u64) {
    let body = format!("{{\"n\":{n}}}");
    let posted = post(address, "application/json", body.as_bytes());
    assert_eq!(posted.status, 202, "{}", posted.text());
}

/// What a tool says of a text on its standard input.
fn tool(command: &mut Command, input: &str) -> (bool, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool; run scripts/install-test-tools");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.success(), said)
}

fn ops(file: &str) -> String {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(workspace.join("ops").join(file)).unwrap()
}

#[test]
fn what_was_posted_is_counted_and_two_workers_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Kind::Native, dir.path(), &[("WORKERS", "2")]);
    let address = server.address;
    for n in 0..7 {
        report(address, n);
    }
    // Fills the first worker with connections, so that the second gets the rest.
    let held: Vec<_> = (0..9)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    std::thread::sleep(Duration::from_millis(200));
    let three = b"{\"n\":10}\n{\"n\":11}\n{\"n\":12}\n";
    for _ in 0..4 {
        assert_eq!(post(address, "application/x-ndjson", three).status, 202);
    }
    assert_eq!(post(address, "application/json", b"{\"n\":").status, 400);
    assert_eq!(post(address, "application/json", b"7").status, 422);
    assert_eq!(post(address, "text/html", b"7").status, 415);
    let large = vec![b' '; 2 << 20];
    assert_eq!(post(address, "application/json", &large).status, 413);
    assert_eq!(get(address, "/no/such/path").status, 404);
    let text = scrape(address);
    let bytes = 7 * b"{\"n\":0}".len() + 4 * three.len() + b"{\"n\":".len() + 1 + 1;
    for (series, expected) in [
        ("netwatch_reports_accepted_total", 7.0 + 12.0),
        ("netwatch_received_bytes_total", bytes as f64),
        (
            "netwatch_submissions_rejected_total{reason=\"malformed\"}",
            1.0,
        ),
        (
            "netwatch_submissions_rejected_total{reason=\"not-a-report\"}",
            1.0,
        ),
        (
            "netwatch_submissions_rejected_total{reason=\"content-type\"}",
            1.0,
        ),
        (
            "netwatch_submissions_rejected_total{reason=\"too-large\"}",
            1.0,
        ),
        ("netwatch_submissions_rejected_total{reason=\"disk\"}", 0.0),
        ("netwatch_buffer_reports", 19.0),
        ("netwatch_http_requests_in_flight", 1.0),
        (
            "netwatch_http_requests_total{route=\"/api/v1/reports\",method=\"POST\",status=\"202\"}",
            11.0,
        ),
        (
            "netwatch_http_requests_total{route=\"other\",method=\"GET\",status=\"404\"}",
            1.0,
        ),
        (
            "netwatch_http_request_duration_seconds_count{route=\"/api/v1/reports\"}",
            15.0,
        ),
        ("netwatch_worker_restarts_total{worker=\"1\"}", 0.0),
        ("netwatch_disk_refusing", 0.0),
    ] {
        assert_eq!(value(&text, series), expected, "{series}\n{text}");
    }
    assert!(value(&text, "netwatch_connections") >= 9.0);
    assert!(value(&text, "netwatch_journal_bytes") > value(&text, "netwatch_buffer_bytes"));
    for worker in ["0", "1"] {
        let memory = format!("netwatch_worker_memory_bytes{{worker=\"{worker}\"}}");
        assert!((1e6..64e6).contains(&value(&text, &memory)), "{text}");
    }
    drop(held);
}

#[test]
fn flushes_and_what_is_stored_are_counted_under_both_ways_of_running() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let server = quick(kind, dir.path());
        for n in 0..30 {
            report(server.address, n);
        }
        published(dir.path(), 30);
        let files = files::segments(dir.path());
        let bytes: u64 = files
            .iter()
            .map(|path| path.metadata().unwrap().len())
            .sum();
        let mut text = String::new();
        // What is stored is looked at every few seconds.
        until("the segments are counted", Duration::from_secs(30), || {
            text = scrape(server.address);
            text.contains("netwatch_stored_bytes")
                && value(&text, "netwatch_stored_bytes") == bytes as f64
        });
        assert_eq!(value(&text, "netwatch_segments"), files.len() as f64);
        if kind == Kind::Native {
            let flushed = value(&text, "netwatch_flushes_total{reason=\"interval\"}");
            assert_eq!(flushed, files.len() as f64, "{text}");
            assert_eq!(value(&text, "netwatch_segment_bytes_total"), bytes as f64);
            assert!(value(&text, "netwatch_compression_ratio") > 1.0);
            assert_eq!(value(&text, "netwatch_buffer_reports"), 0.0);
        }
        let (passed, said) = tool(Command::new("promtool").args(["check", "metrics"]), &text);
        assert!(passed && said.is_empty(), "{kind:?}: {said}\n{text}");
        assert_eq!(
            send(server.address, "POST", "/metrics", &[], b"")
                .unwrap()
                .status,
            405
        );
    }
}

#[test]
fn no_counter_goes_back_when_an_instance_traps() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = native(dir.path(), &[("FLUSH_INTERVAL", "300ms"), ("WORKERS", "2")]);
    command.arg("--component").arg(trapping_component());
    let server = Server::spawn(command, dir.path());
    let address = server.address;
    let mut before = std::collections::BTreeMap::new();
    for round in 0..4 {
        for n in 0..5 {
            report(address, 10 * round + n);
        }
        let mut check = |what: &str| {
            let text = scrape(address);
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                let (series, number) = line.rsplit_once(' ').unwrap();
                let name = series.split('{').next().unwrap();
                let counts = ["_total", "_bucket", "_count", "_sum"];
                if !counts.iter().any(|end| name.ends_with(end)) {
                    continue;
                }
                let now: f64 = number.parse().unwrap();
                let last = before.insert(series.to_owned(), now).unwrap_or(0.0);
                assert!(
                    now >= last,
                    "{what} {round}: {series} went from {last} to {now}"
                );
            }
            let accepted = value(&text, "netwatch_reports_accepted_total");
            assert!(
                accepted >= (5 * (round + 1)) as f64,
                "{what} {round}: {accepted}"
            );
            text
        };
        check("before the trap");
        let trap = b"{\"n\":1000,\"trap\":\"before\"}";
        assert_eq!(post(address, "application/json", trap).status, 503);
        let text = check("after the trap");
        let traps = "netwatch_worker_failures_total{worker=\"0\",cause=\"trap\"}";
        until("the trap is counted", Duration::from_secs(5), || {
            value(&scrape(address), traps) == (round + 1) as f64
        });
        drop(text);
    }
    let restarts = value(
        &scrape(address),
        "netwatch_worker_restarts_total{worker=\"0\"}",
    );
    assert_eq!(restarts, 4.0);
}

#[test]
fn every_name_in_the_dashboard_and_the_alerts_is_a_metric_that_exists() {
    let dir = tempfile::tempdir().unwrap();
    let server = quick(Kind::Native, dir.path());
    report(server.address, 1);
    published(dir.path(), 1);
    let mut text = String::new();
    until("the ratio is known", Duration::from_secs(30), || {
        text = scrape(server.address);
        text.contains("netwatch_compression_ratio") && text.contains("netwatch_segments ")
    });
    let exists = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
        lines.any(|rest| rest.starts_with(['{', ' ']))
    };
    assert!(!exists("netwatch_reports"), "half a name is none");
    let dashboard = ops("grafana-dashboard.json");
    let _: serde_json::Value = serde_json::from_str(&dashboard).expect("JSON");
    let mut seen = 0;
    for expressions in [dashboard, ops("alerts.yml")] {
        let words = expressions.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for name in words.filter(|word| word.starts_with("netwatch_")) {
            assert!(exists(name), "{name} is no metric");
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen} names");
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops/alerts.yml");
    let mut check = Command::new("promtool");
    let (passed, said) = tool(check.args(["check", "rules"]).arg(rules), "");
    assert!(passed, "{said}");
}

/// A Prometheus; killed when dropped.
struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_real_prometheus_scrapes_the_server_and_answers_a_query() {
    let dir = tempfile::tempdir().unwrap();
    let server = quick(Kind::Native, &dir.path().join("data"));
    for n in 0..5 {
        report(server.address, n);
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let config = dir.path().join("prometheus.yml");
    let target = server.address;
    std::fs::write(
        &config,
        format!(
            "global: {{scrape_interval: 1s}}\n\
             scrape_configs:\n\
             - {{job_name: netwatch, static_configs: [{{targets: ['{target}']}}]}}\n"
        ),
    )
    .unwrap();
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            dir.path().join("tsdb").display()
        ))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let spawned = command.spawn();
    let _prometheus = Prometheus(spawned.expect("prometheus; run scripts/install-test-tools"));
    let query = |query: &str| {
        let path = format!("/api/v1/query?query={query}");
        let reply = send(address, "GET", &path, &[], b"").ok()?;
        // While it starts it says something else.
        let answer: serde_json::Value = serde_json::from_slice(&reply.body).ok()?;
        let value = answer["data"]["result"][0]["value"][1].clone();
        value.as_str()?.parse::<f64>().ok()
    };
    until("it has scraped", Duration::from_secs(60), || {
        query("netwatch_reports_accepted_total") == Some(5.0)
    });
    assert_eq!(query("up{job=%22netwatch%22}"), Some(1.0));
    assert_eq!(
        query("sum(netwatch_http_requests_total{status=%22202%22})"),
        Some(5.0)
    );
}
