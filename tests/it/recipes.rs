//! The README's recipes, taken from its text and run as they stand there. Only the
//! port is another, and paths lead to what was just built.

use super::browser::Browser;
use super::*;
use netwatch_tests::server::{binaries, native};
use std::os::unix::fs::symlink;
use std::process::{Command, Output};
use std::time::Instant;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The code blocks in some language, in order.
fn blocks(language: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let fence = format!("```{language}\n");
    readme
        .split(fence.as_str())
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// The one block of shell lines that holds some text.
fn block(holding: &str) -> String {
    let mut found = blocks("sh");
    found.retain(|block| block.contains(holding));
    assert_eq!(found.len(), 1, "blocks with {holding:?}: {found:#?}");
    found.remove(0)
}

/// Runs shell lines in a directory, with the tools of `install-test-tools`.
fn shell(dir: &Path, lines: &str) -> Output {
    let tools = binaries().parent().unwrap().join("test-tools/bin");
    let path = std::env::var("PATH").unwrap();
    // Both the name of the server that a recipe calls, and where it may write.
    let path = format!("{}:{path}", binaries().display());
    Command::new("bash")
        .args(["-euo", "pipefail", "-c", lines])
        .current_dir(dir)
        .env("HOME", dir)
        .env("READ_TOKEN", "secret")
        .env("PATH", format!("{}:{path}", tools.display()))
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:#?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn no_recipe_of_the_readme_is_left_out_here() {
    let tested = [
        "make run",
        "curl -i",
        "jq -c",
        "wasmtime serve",
        "where=/clientId",
        "openssl rand",
        "-o latency.svg",
        "group=/geo/country",
        "promtool",
        "netwatch-server verify",
        "netwatch-server tenants",
    ];
    for block in blocks("sh") {
        let times = tested.iter().filter(|text| block.contains(**text)).count();
        assert_eq!(times, 1, "not tested, or twice: {block}");
    }
    for target in ["help", "run", "check"] {
        let dry = shell(repository(), &format!("make -n {target}"));
        assert!(dry.status.success(), "make {target}: {dry:#?}");
    }
}

/// The first report, with the default interval, in real time.
#[test]
fn the_first_report_is_in_a_file_after_the_minute_that_the_readme_says() {
    let work = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for kind in BOTH {
            let dir = work.path().join(format!("{kind:?}"));
            std::fs::create_dir(&dir).unwrap();
            scope.spawn(move || first_report(kind, &dir));
        }
    });
}

fn first_report(kind: Kind, dir: &Path) {
    let server = match kind {
        Kind::Native => Server::spawn(native(&dir.join("data/reports"), &[]), dir),
        Kind::Stock => stock_as_described(dir),
    };
    let port = format!("localhost:{}", server.address.port());
    let lines = block("curl -i").replace("localhost:8080", &port);
    let began = Instant::now();
    let shown = said(&shell(dir, &lines));
    assert!(began.elapsed() >= Duration::from_secs(60));
    assert!(shown.contains("202 Accepted"), "{kind:?}: {shown}");
    assert!(shown.contains("{\"accepted\":1}"), "{kind:?}: {shown}");
    assert!(
        shown.ends_with(",\"clientId\":\"me\",\"rtt\":12.5}\n"),
        "{kind:?}: {shown}"
    );
}

/// A stock runtime, started by the README's own lines.
fn stock_as_described(dir: &Path) -> Server {
    let bin = dir.join("bin");
    std::fs::create_dir(&bin).unwrap();
    symlink(binaries().join("stock-wasmtime"), bin.join("wasmtime")).unwrap();
    symlink(binaries().parent().unwrap(), dir.join("target")).unwrap();
    let lines = block("wasmtime serve")
        .replace("127.0.0.1:8080", &format!("127.0.0.1:{}", free_port()))
        // Else the shell would stay between the runtime and whoever kills it.
        .replace("\nwasmtime", "\nexec wasmtime");
    let path = std::env::var("PATH").unwrap();
    let mut command = Command::new("bash");
    command
        .args(["-euc", &lines])
        .current_dir(dir)
        .env("PATH", format!("{}:{path}", bin.display()));
    Server::spawn(command, dir)
}

/// The page goes away as soon as its first report is taken.
#[test]
fn the_lines_for_a_page_post_once_at_once_and_once_when_the_page_goes() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let server = quick(kind, dir.path());
        let scripts = blocks("js");
        assert_eq!(scripts.len(), 1);
        let address = format!("localhost:{}", server.address.port());
        let script = scripts[0].replace("localhost:8080", &address);
        let _browser = Browser::show(format!(
            "<!doctype html><meta charset=utf-8><script type=module>\n{script}\n\
             location.href = 'about:blank';\n</script>"
        ));
        let lines = published(dir.path(), 2);
        assert_eq!(lines.len(), 2, "{kind:?}: {lines:#?}");
        for line in lines {
            assert!(line.contains("\"clientId\":\"me\""), "{kind:?}: {line}");
            assert!(line.ends_with(",\"rtt\":12.5}"), "{kind:?}: {line}");
        }
    }
}

/// A directory with `data/reports` in it, and in that a few published reports.
fn with_reports(reports: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data/reports");
    // Two files, so that patterns have something to match.
    for half in reports.chunks(reports.len().div_ceil(2)) {
        let mut server = Server::start(Kind::Native, &data_dir, &[]);
        for report in half {
            let body = report.as_bytes();
            let reply = netwatch_tests::client::post(server.address, "application/json", body);
            assert_eq!(reply.status, 202, "{}", reply.text());
        }
        assert!(server.stop().success());
    }
    dir
}

#[test]
fn the_files_are_read_by_jq_duckdb_and_clickhouse_as_the_readme_says() {
    let reports = [
        r#"{"clientId":"a","rtt":1}"#,
        r#"{"clientId":"b","rtt":2.5,"hosts":[{"name":"x"}]}"#,
        r#"{"clientId":"c","big":123456789012345678901234567890}"#,
    ];
    let dir = with_reports(&reports);
    let lines = block("jq -c");
    let recipes: Vec<&str> = lines.lines().filter(|line| !line.is_empty()).collect();
    assert!(recipes.len() >= 3, "{recipes:#?}");
    for recipe in recipes {
        let shown = said(&shell(dir.path(), recipe));
        if recipe.contains("jq") {
            let ids: Vec<_> = shown
                .lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
                .map(|line| line["clientId"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(ids, ["a", "b", "c"], "{recipe}");
        } else {
            assert!(shown.contains('3'), "{recipe}: {shown}");
        }
    }
}

#[test]
fn a_member_named_twice_needs_the_option_that_the_readme_names() {
    let dir = with_reports(&[r#"{"n":1,"a":1,"a":2}"#, r#"{"n":2}"#]);
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    assert!(readme.contains("`ignore_errors=true`"));
    let select = |options: &str| {
        let sql = format!(
            "SELECT * FROM read_json('data/reports/reports-*.jsonl.zst', \
             format='newline_delimited'{options})"
        );
        let python = format!("import duckdb; print(len(duckdb.sql(\"\"\"{sql}\"\"\").fetchall()))");
        let quoted = python.replace('\'', "'\\''");
        shell(dir.path(), &format!("python3 -c '{quoted}'"))
    };
    assert!(!select("").status.success(), "no option is needed any more");
    let shown = said(&select(", ignore_errors=true"));
    assert!(["1\n", "2\n"].contains(&shown.as_str()), "{shown}");
}

/// A server with three reports of two clients, not all in files yet.
fn with_read_token(dir: &Path) -> Server {
    let settings = [("READ_TOKEN", "secret"), ("FLUSH_INTERVAL", "1s")];
    let server = Server::start(Kind::Native, &dir.join("data/reports"), &settings);
    for (client, latency) in [("me", 10), ("you", 20), ("me", 30)] {
        let body = format!(
            "{{\"clientId\":\"{client}\",\"rtt\":{latency},\"geo\":{{\"country\":\"DE\"}},\
             \"hosts\":[{{\"name\":\"x\",\"status\":\"down\",\
             \"history\":[{{\"latency\":{latency}}}]}}]}}"
        );
        let reply =
            netwatch_tests::client::post(server.address, "application/json", body.as_bytes());
        assert_eq!(reply.status, 202, "{}", reply.text());
    }
    server
}

/// A block with the port of a server in it.
fn for_server(server: &Server, holding: &str) -> String {
    let address = format!("localhost:{}", server.address.port());
    block(holding)
        .replace("localhost:8080", &address)
        .replace("127.0.0.1:8080", &address)
}

#[test]
fn what_is_stored_is_asked_for_counted_and_plotted_as_the_readme_says() {
    let dir = tempfile::tempdir().unwrap();
    symlink(repository().join("ops"), dir.path().join("ops")).unwrap();
    let server = with_read_token(dir.path());
    let run = |holding| said(&shell(dir.path(), &for_server(&server, holding)));
    let reports = run("where=/clientId");
    let rtts: Vec<_> = reports
        .lines()
        .map(|line| &line[line.len() - 10..])
        .collect();
    assert_eq!(rtts, [",\"rtt\":10}", ",\"rtt\":30}"], "{reports}");

    let statistics = run("group=/geo/country");
    assert!(statistics.starts_with('{'), "{statistics}");
    assert!(statistics.contains("\"name\":\"x\""), "{statistics}");
    let csv = statistics.split_once('}').map(|(_, rest)| rest).unwrap();
    assert!(csv.contains("p99") && csv.contains("DE,"), "{statistics}");

    run("-o latency.svg");
    let plot = std::fs::read_to_string(dir.path().join("latency.svg")).unwrap();
    assert!(plot.starts_with("<svg"), "{plot}");

    let metrics = run("promtool");
    assert!(
        metrics.contains("netwatch_reports_accepted_total 3"),
        "{metrics}"
    );
    assert!(metrics.contains("SUCCESS"), "{metrics}");
}

#[test]
fn the_line_that_starts_a_server_with_a_token_of_its_own_starts_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = std::env::var("PATH").unwrap();
    let line = block("openssl rand").replace(" netwatch-server", " exec netwatch-server");
    let mut command = Command::new("bash");
    command
        .args(["-euc", &line])
        .current_dir(dir.path())
        .env("PORT", "0")
        .env("BIND", "127.0.0.1")
        .env("PATH", format!("{}:{path}", binaries().display()));
    let mut server = Server::spawn(command, dir.path());
    let reply = netwatch_tests::client::get(server.address, "/api/v1/stats");
    assert_eq!(reply.status, 401, "{}", reply.text());
    assert!(server.stop().success());
}

#[test]
fn the_other_commands_do_what_the_readme_says() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = with_read_token(dir.path());
    assert!(server.stop().success());
    let other = tempfile::tempdir().unwrap();
    let other = Server::start(Kind::Native, other.path(), &[("FLUSH_INTERVAL", "1s")]);
    std::fs::create_dir_all(dir.path().join(".local/share/bash-completion/completions")).unwrap();
    let address = other.address.to_string();
    let lines = block("netwatch-server verify")
        .replace("127.0.0.1:8081", &address)
        .replace("--state-dir /tmp", "--state-dir .");
    let shown = said(&shell(dir.path(), &lines));
    assert!(shown.contains("\"me\"\n\"you\"\n\"me\"\n"), "{shown}");
    assert!(
        shown.contains("NETWATCH-SERVER") || shown.contains("netwatch-server(1)"),
        "{shown}"
    );
    let completions = dir
        .path()
        .join(".local/share/bash-completion/completions/netwatch-server");
    assert!(
        std::fs::read_to_string(completions)
            .unwrap()
            .contains("check-config")
    );
    assert_eq!(published(&other.data_dir, 3).len(), 3);
}

#[test]
fn the_systemd_unit_is_one_that_systemd_takes() {
    let dir = tempfile::tempdir().unwrap();
    let units = blocks("ini");
    assert_eq!(units.len(), 1);
    let server = binaries().join("netwatch-server").display().to_string();
    let unit = units[0].replace("/usr/local/bin/netwatch-server", &server);
    let path = dir.path().join("netwatch-server.service");
    std::fs::write(&path, unit).unwrap();
    let verified = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&path)
        .output()
        .expect("systemd-analyze; run scripts/install-test-tools");
    let complaints = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success(), "{complaints}");
    assert!(
        !complaints.contains("netwatch-server.service"),
        "{complaints}"
    );
}

/// systemd's own judgement, from 0 (nothing is exposed) to 10.
#[test]
fn the_systemd_unit_leaves_little_exposed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("netwatch-server.service");
    std::fs::write(&path, &blocks("ini")[0]).unwrap();
    let judged = Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--no-pager", "--threshold=20"])
        .arg(&path)
        .output()
        .expect("systemd-analyze; run scripts/install-test-tools");
    let judged_as = String::from_utf8_lossy(&judged.stdout).into_owned();
    // The threshold is ten times the number that is shown.
    assert!(judged.status.success(), "{judged_as}");
}

#[test]
fn many_tenants_are_served_from_the_config_file_of_the_readme() {
    let dir = tempfile::tempdir().unwrap();
    let ports = [free_port(), free_port()].map(|port| port.to_string());
    let on_free_ports = |text: &str| text.replace("8080", &ports[0]).replace("8081", &ports[1]);
    let mut configs = blocks("toml");
    configs.retain(|config| config.contains("[[tenant]]"));
    assert_eq!(configs.len(), 1);
    let config = on_free_ports(&configs[0]);
    std::fs::write(dir.path().join("netwatch.toml"), config).unwrap();
    // Of many tenants each has its own.
    let lines = format!(
        "unset READ_TOKEN\n{}",
        on_free_ports(&block("netwatch-server tenants"))
    );
    let shown = said(&shell(dir.path(), &lines));
    assert_eq!(shown.matches("{\"accepted\":1}").count(), 2, "{shown}");
    assert!(!shown.contains("secret-of-acme"), "{shown}");
    for expected in ["tenant acme, hosts acme.example", "globex", "[\"initech\"]"] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    for tenant in ["acme", "globex"] {
        let folder = dir.path().join("data/tenants").join(tenant);
        assert_eq!(files::lines(&folder).len(), 1, "{tenant}");
    }
}
