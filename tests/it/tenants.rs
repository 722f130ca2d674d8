//! Many tenants in one server: how requests find them, how they rest and wake,
//! and what their operator sees and changes.

use super::*;
use netwatch_tests::client::{Reply, get, send};
use netwatch_tests::server::{binaries, native};
use std::net::SocketAddr;
use std::process::Command;

const TOKEN: &str = "operator";

/// A server of many, with its operator's endpoint.
struct Platform {
    server: Server,
    root: tempfile::TempDir,
    admin: SocketAddr,
}

/// A free port, so that the commands can be told it. Somebody may take it before
/// the server does, which then says so.
fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

impl Platform {
    /// `tenants` are lines of the config file.
    fn start(tenants: &str) -> Platform {
        let root = tempfile::tempdir().unwrap();
        let admin = free_address();
        write_config(root.path(), admin, tenants);
        let server = Platform::serve(root.path());
        Platform {
            server,
            root,
            admin,
        }
    }

    fn serve(root: &Path) -> Server {
        let data_dir = root.join("tenants");
        let mut command = native(&data_dir, &[]);
        command.arg("--config").arg(root.join("netwatch.toml"));
        Server::spawn(command, &data_dir)
    }

    fn data_dir(&self, tenant: &str) -> std::path::PathBuf {
        self.root.path().join("tenants").join(tenant)
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], n: u64) -> Reply {
        let mut all = vec![("Content-Type", "application/json")];
        all.extend_from_slice(headers);
        let body = format!("{{\"n\":{n}}}");
        send(self.server.address, "POST", path, &all, body.as_bytes()).unwrap()
    }

    fn operator(&self, method: &str, path: &str) -> Reply {
        let token = format!("Bearer {TOKEN}");
        let headers = [("Authorization", token.as_str())];
        send(self.admin, method, path, &headers, b"").unwrap()
    }

    /// What the operator sees of a tenant.
    fn row(&self, tenant: &str) -> serde_json::Value {
        let reply = self.operator("GET", &format!("/tenants/{tenant}"));
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    fn command(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(binaries().join("netwatch-server"))
            .args(arguments)
            .arg("--config")
            .arg(self.root.path().join("netwatch.toml"))
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }
}

fn write_config(root: &Path, admin: SocketAddr, tenants: &str) {
    let config = format!(
        "[server]\nadmin_bind = \"{admin}\"\nadmin_token = \"{TOKEN}\"\n\n\
         [defaults]\nflush_interval = \"1s\"\n\n{tenants}"
    );
    std::fs::write(root.join("netwatch.toml"), config).unwrap();
}

#[test]
fn a_request_finds_its_tenant_by_path_host_or_key_and_nobody_elses() {
    let platform = Platform::start(
        "[[tenant]]\nname = \"by-path\"\n\n\
         [[tenant]]\nname = \"by-host\"\nhosts = [\"metrics.example\"]\n\n\
         [[tenant]]\nname = \"by-key\"\ningest_key = \"k\"\n",
    );
    let path = "/api/v1/reports";
    let key = [("Authorization", "Bearer k")];
    for (path, headers, n) in [
        ("/t/by-path/api/v1/reports", &[][..], 1),
        (path, &[("Host", "Metrics.Example:8080")], 2),
        (path, &key, 3),
        // The path counts before anything else.
        ("/t/by-path/api/v1/reports", &key, 4),
    ] {
        let headers: Vec<(&str, &str)> = headers.to_vec();
        // `send` has a Host of its own, which is no tenant's.
        let reply = match headers.first() {
            Some(("Host", host)) => {
                let body = format!("{{\"n\":{n}}}");
                let request = format!(
                    "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
                     Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let raw = netwatch_tests::client::raw(platform.server.address, request.as_bytes());
                String::from_utf8_lossy(&raw.unwrap()).into_owned()
            }
            _ => format!("{}", platform.post(path, &headers, n).status),
        };
        assert!(reply.contains("202"), "{path} {headers:?}: {reply}");
    }
    for (path, status) in [
        ("/api/v1/reports", 404),
        ("/t/nobody/api/v1/reports", 404),
        ("/t//api/v1/reports", 404),
        ("/t/by-key/api/v1/reports", 401),
        ("/t/by-path/../by-host/api/v1/reports", 404),
    ] {
        assert_eq!(platform.post(path, &[], 9).status, status, "{path}");
    }
    let wrong = [("Authorization", "Bearer l")];
    assert_eq!(platform.post(path, &wrong, 9).status, 404);
    for (tenant, numbers) in [
        ("by-path", &[1, 4][..]),
        ("by-host", &[2]),
        ("by-key", &[3]),
    ] {
        published(&platform.data_dir(tenant), numbers.len());
        assert_eq!(
            files::numbers(&platform.data_dir(tenant)),
            numbers,
            "{tenant}"
        );
    }
}

#[test]
fn a_tenants_page_works_below_its_path_and_its_cookie_stays_there() {
    let platform = Platform::start("[[tenant]]\nname = \"a\"\nread_token = \"secret\"\n");
    let address = platform.server.address;
    let moved = get(address, "/t/a?x=1");
    assert_eq!(moved.status, 308);
    assert_eq!(moved.header("location"), Some("a/?x=1"));
    let login = get(address, "/t/a/?token=secret");
    assert_eq!(login.header("location"), Some("./"));
    let cookie = login.header("set-cookie").unwrap();
    // Without a path it is for what is below the page's own folder: RFC 6265, 5.1.4.
    assert!(!cookie.to_lowercase().contains("path="), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let page = send(address, "GET", "/t/a/", &[("Cookie", pair)], b"").unwrap();
    assert_eq!(page.status, 200);
    let html = page.text();
    for attribute in ["href=\"/", "src=\"/", "action=\"/"] {
        assert!(!html.contains(attribute), "{attribute} leads elsewhere");
    }
    let style = html.split("rel=\"stylesheet\" href=\"").nth(1).unwrap();
    let style = style.split('"').next().unwrap();
    assert_eq!(get(address, &format!("/t/a/{style}")).status, 200);
}

#[test]
fn who_is_idle_publishes_and_rests_and_the_next_request_wakes_it() {
    let platform =
        Platform::start("[[tenant]]\nname = \"a\"\nflush_interval = \"1h\"\nidle_time = \"1s\"\n");
    let path = "/t/a/api/v1/reports";
    assert_eq!(platform.row("a")["state"], "asleep");
    assert_eq!(platform.post(path, &[], 0).status, 202);
    assert_eq!(platform.row("a")["state"], "awake");
    until("it rests", Duration::from_secs(10), || {
        platform.row("a")["state"] == "asleep" && platform.row("a")["memory_bytes"] == 0
    });
    published(&platform.data_dir("a"), 1);
    assert_eq!(platform.post(path, &[], 1).status, 202);
    // What was counted before it rested still is.
    let metrics = platform.operator("GET", "/metrics").text();
    let accepted = "netwatch_reports_accepted_total{tenant=\"a\"";
    let line = metrics.lines().find(|line| line.starts_with(accepted));
    assert!(line.is_some_and(|line| line.ends_with(" 2")), "{line:?}");
}

#[test]
fn reports_that_a_killed_server_left_are_published_without_a_request() {
    let tenants = "[[tenant]]\nname = \"a\"\nflush_interval = \"1h\"\n\n[[tenant]]\nname = \"b\"\n";
    let mut platform = Platform::start(tenants);
    for n in 0..3 {
        assert_eq!(platform.post("/t/a/api/v1/reports", &[], n).status, 202);
    }
    platform.server.kill();
    assert!(files::numbers(&platform.data_dir("a")).is_empty());
    platform.server = Platform::serve(platform.root.path());
    published(&platform.data_dir("a"), 3);
    assert_eq!(files::numbers(&platform.data_dir("a")), [0, 1, 2]);
    assert_eq!(platform.row("b")["state"], "asleep");
}

#[test]
fn the_operator_sees_who_is_there_and_only_with_the_token() {
    let platform = Platform::start(
        "[[tenant]]\nname = \"a\"\ndisk_bytes = \"100MiB\"\n\n[[tenant]]\nname = \"b\"\n",
    );
    for token in [
        None,
        Some("Bearer wrong"),
        Some("Bearer operato"),
        Some(TOKEN),
    ] {
        let headers: Vec<_> = token
            .map(|token| ("Authorization", token))
            .into_iter()
            .collect();
        let reply = send(platform.admin, "GET", "/tenants", &headers, b"").unwrap();
        assert_eq!(reply.status, 401, "{token:?}");
    }
    assert_eq!(get(platform.admin, "/healthz").status, 200);
    assert_eq!(platform.operator("POST", "/tenants").status, 405);
    assert_eq!(platform.operator("GET", "/tenants/c").status, 404);
    assert_eq!(platform.post("/t/a/api/v1/reports", &[], 0).status, 202);
    let (code, table) = platform.command(&["tenants"]);
    assert_eq!(code, Some(0), "{table}");
    let line = |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(
        line("a ").contains("awake") && line("a ").contains("of 100.00 MiB"),
        "{table}"
    );
    assert!(line("b ").contains("asleep"), "{table}");
    let (code, json) = platform.command(&["tenants", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (code, json["tenants"].as_array().unwrap().len()),
        (Some(0), 2)
    );
    let (code, said) = platform.command(&["drain", "a"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(platform.row("a")["state"], "asleep");
    assert_eq!(files::numbers(&platform.data_dir("a")), [0]);
    let (code, said) = platform.command(&["drain", "c"]);
    assert!(code == Some(1) && said.contains("no tenant"), "{said}");
}

#[test]
fn a_reload_says_what_is_wrong_and_in_which_line_and_changes_nothing() {
    let platform = Platform::start("[[tenant]]\nname = \"a\"\n");
    let tenants = "[[tenant]]\nname = \"a\"\nflush_byte = \"1MiB\"\n\n[[tenant]]\nname = \"b\"\n";
    write_config(platform.root.path(), platform.admin, tenants);
    // The command cannot read the file either, so the operator asks with a token.
    let reply = platform.operator("POST", "/reload");
    assert_eq!(reply.status, 422);
    let detail = reply.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("line 10") && detail.contains("did you mean \"flush_bytes\""),
        "{detail}"
    );
    assert_eq!(platform.operator("GET", "/tenants/b").status, 404);
    let missing =
        "[[tenant]]\nname = \"a\"\n\n[[tenant]]\nname = \"b\"\ncomponent = \"gone.wasm\"\n";
    write_config(platform.root.path(), platform.admin, missing);
    let (code, said) = platform.command(&["reload"]);
    assert!(code == Some(1) && said.contains("gone.wasm"), "{said}");
    assert_eq!(platform.operator("GET", "/tenants/b").status, 404);
    let better = "[[tenant]]\nname = \"a\"\nworkers = 2\n\n[[tenant]]\nname = \"b\"\n";
    write_config(platform.root.path(), platform.admin, better);
    let (code, said) = platform.command(&["reload"]);
    assert_eq!(code, Some(0), "{said}");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["added"], serde_json::json!(["b"]));
    assert_eq!(said["changed"], serde_json::json!(["a"]));
    assert_eq!(platform.post("/t/b/api/v1/reports", &[], 0).status, 202);
}

#[test]
fn a_full_quota_stops_one_tenant_and_more_of_it_lets_it_go_on() {
    let tenants = |quota: &str| {
        format!(
            "[[tenant]]\nname = \"full\"\ndisk_bytes = \"{quota}\"\n\n[[tenant]]\nname = \"other\"\n"
        )
    };
    let platform = Platform::start(&tenants("1MiB"));
    let headers = [("Content-Type", "application/json")];
    // Journals take what they hold; a segment would be smaller.
    let noise = "x".repeat(200 << 10);
    let fill = |n: usize| {
        let body = format!("{{\"n\":{n},\"noise\":\"{noise}\"}}");
        let path = "/t/full/api/v1/reports";
        send(
            platform.server.address,
            "POST",
            path,
            &headers,
            body.as_bytes(),
        )
        .unwrap()
    };
    let mut stored = Vec::new();
    let refused = (0..50).find_map(|n| {
        let reply = fill(n);
        if reply.status == 202 {
            stored.push(n as u64);
        }
        (reply.status != 202).then_some(reply)
    });
    let refused = refused.expect("the quota is never full");
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    assert_eq!(platform.post("/t/other/api/v1/reports", &[], 0).status, 202);
    let metrics = platform.operator("GET", "/metrics").text();
    let limited = "netwatch_limited_total{tenant=\"full\",limit=\"disk-bytes\"} ";
    let bytes = metrics.lines().find_map(|line| line.strip_prefix(limited));
    assert!(bytes.unwrap().parse::<f64>().unwrap() > 0.0, "{bytes:?}");
    write_config(platform.root.path(), platform.admin, &tenants("50MiB"));
    assert_eq!(platform.command(&["reload"]).0, Some(0));
    until("it goes on", Duration::from_secs(20), || {
        fill(100).status == 202
    });
    published(&platform.data_dir("full"), stored.len() + 1);
    let found = files::numbers(&platform.data_dir("full"));
    for n in &stored {
        assert_eq!(found.iter().filter(|found| *found == n).count(), 1, "{n}");
    }
}
