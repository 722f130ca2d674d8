//! The page, with a browser and without.

use super::*;
use netwatch_tests::client::{get, post, send};
use std::process::Stdio;

const TOKEN: &str = "a-token-of-the-tests";

const REPORT: &str = r#"{"clientId":"me","geo":{"country":"DE"},"hosts":[
    {"name":"</svg><script>alert(1)</script>","history":[{"latency":5},{"latency":7}]},
    {"name":"Example","history":[{"latency":12.5},{"error":"timeout"}]}]}"#;

fn open(kind: Kind, data_dir: &Path) -> Server {
    let server = Server::start(kind, data_dir, &[("READ_TOKEN", TOKEN)]);
    assert_eq!(
        post(server.address, "application/json", REPORT.as_bytes()).status,
        202
    );
    server
}

/// What Chromium makes of a page: its document after the scripts have run, what
/// it said on the console, and all addresses that the page asked for.
struct Seen {
    document: String,
    console: Vec<String>,
    asked: Vec<String>,
}

fn look(url: &str) -> Seen {
    let profile = tempfile::tempdir().unwrap();
    let net_log = profile.path().join("net.json");
    let output = super::browser::chromium(profile.path())
        .args(["--enable-logging=stderr", "--v=0"])
        .args(["--virtual-time-budget=5000", "--dump-dom"])
        .arg(format!("--log-net-log={}", net_log.display()))
        .arg(url)
        .stdin(Stdio::null())
        .output()
        .expect("chromium; run scripts/install-test-tools");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let console = said.lines().filter(|line| line.contains("CONSOLE"));
    let log = std::fs::read_to_string(&net_log).unwrap_or_default();
    // One event a line. What the browser asks for itself has another initiator.
    let origin = url.split("/?").next().unwrap_or(url);
    let initiator = format!("\"initiator\":\"{origin}\"");
    let by_the_page = log.lines().filter(|line| line.contains(&initiator));
    let asked = by_the_page.filter_map(|line| line.split("\"url\":\"").nth(1)?.split('"').next());
    Seen {
        document: String::from_utf8_lossy(&output.stdout).into_owned(),
        console: console.map(str::to_owned).collect(),
        asked: asked.map(str::to_owned).collect(),
    }
}

#[test]
fn a_browser_logs_in_and_sees_the_plots_without_an_error_or_a_request_elsewhere() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let server = open(kind, dir.path());
        let home = format!("http://{}", server.address);
        let seen = look(&format!("{home}/?period=1h&by=country&token={TOKEN}"));
        for part in [
            "<svg class=\"plot panel\"",
            "<svg class=\"plot spark\"",
            "&lt;/svg&gt;&lt;script&gt;alert(1)&lt;/script&gt;",
            "<bdi>Example</bdi>",
            "12.5 ms",
            "<bdi>DE</bdi>",
            // The script has run.
            "Pause updates",
        ] {
            assert!(
                seen.document.contains(part),
                "{kind:?}: {part}: {}",
                seen.document
            );
        }
        assert_eq!(seen.document.matches("<script").count(), 1, "{kind:?}");
        assert!(seen.console.is_empty(), "{kind:?}: {:?}", seen.console);
        assert!(
            seen.asked.iter().any(|url| url.contains("/style.css")),
            "{:?}",
            seen.asked
        );
        let elsewhere: Vec<_> = seen
            .asked
            .iter()
            .filter(|url| !url.starts_with(&home))
            .collect();
        assert!(elsewhere.is_empty(), "{kind:?}: {elsewhere:?}");
    }
}

#[test]
fn the_form_gives_a_cookie_that_opens_the_page_and_the_api() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let server = open(kind, dir.path());
        let address = server.address;
        let html = [("Accept", "text/html")];
        let form = send(address, "GET", "/", &html, b"").unwrap();
        assert_eq!(form.status, 200, "{kind:?}");
        assert!(form.text().contains("action=\"login\""), "{kind:?}");
        assert!(
            form.header("content-security-policy")
                .unwrap()
                .contains("default-src 'none'")
        );
        assert_eq!(get(address, "/").status, 401, "{kind:?}");
        let log_in = |origin: &str, body: &str| {
            let headers = [
                ("Origin", origin),
                (
                    "Sec-Fetch-Site",
                    if origin == "http://test" {
                        "same-origin"
                    } else {
                        "cross-site"
                    },
                ),
                ("Content-Type", "application/x-www-form-urlencoded"),
            ];
            send(address, "POST", "/login", &headers, body.as_bytes()).unwrap()
        };
        let right = format!("token={TOKEN}");
        assert_eq!(
            log_in("http://evil.example", &right).status,
            403,
            "{kind:?}"
        );
        assert_eq!(log_in("http://test", "token=wrong").status, 401, "{kind:?}");
        assert_eq!(
            log_in("http://test", &"x".repeat(5000)).status,
            413,
            "{kind:?}"
        );
        let login = log_in("http://test", &right);
        assert_eq!(
            (login.status, login.header("location")),
            (303, Some("./")),
            "{kind:?}"
        );
        let cookie = login
            .header("set-cookie")
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let headers = [("Cookie", cookie.as_str()), ("Accept", "text/html")];
        for (path, part) in [
            ("/", "id=\"live\""),
            ("/api/v1/stats", "\"Example\""),
            ("/api/v1/reports", "\"clientId\""),
            ("/api/v1/plots/latency.svg", "<svg"),
            ("/api/v1/plots/heatmap.svg?width=narrow", "<svg"),
            ("/api/v1/plots/rate.svg?since=-1h", "<svg"),
        ] {
            let reply = send(address, "GET", path, &headers, b"").unwrap();
            assert_eq!(reply.status, 200, "{kind:?} {path}");
            assert!(reply.text().contains(part), "{kind:?} {path}");
            let refused = get(address, path);
            assert_eq!(refused.status, 401, "{kind:?} {path}");
        }
        for path in ["/style.css", "/page.js", "/icon.svg"] {
            assert_eq!(get(address, path).status, 200, "{kind:?} {path}");
        }
        let out = send(address, "POST", "/logout", &headers, b"").unwrap();
        assert!(
            out.header("set-cookie").unwrap().contains("Max-Age=0"),
            "{kind:?}"
        );
    }
}

#[test]
fn without_a_token_the_stock_runtime_keeps_reading_closed_and_says_how_to_open_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Kind::Stock, dir.path(), &[]);
    let page = send(server.address, "GET", "/", &[("Accept", "text/html")], b"").unwrap();
    assert_eq!(page.status, 403);
    assert!(page.text().contains("--env READ_TOKEN="));
    assert_eq!(get(server.address, "/api/v1/stats").status, 403);
}

#[test]
fn without_a_token_the_host_on_loopback_makes_one_up_and_prints_it_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Kind::Native, dir.path(), &[]);
    let mut said = Vec::new();
    let mut url = None;
    until("the address is printed", Duration::from_secs(10), || {
        said.extend(server.log());
        url = said.iter().find_map(|line| {
            let at = line.find("http://")?;
            line.contains("?token=")
                .then(|| line[at..].trim().to_owned())
        });
        url.is_some()
    });
    let url = url.unwrap();
    let (home, token) = url.split_once("/?token=").unwrap();
    assert_eq!(home, format!("http://{}", server.address));
    assert_eq!(token.len(), 32, "{url}");
    let reply = get(server.address, &format!("/?token={token}"));
    assert_eq!((reply.status, reply.header("location")), (303, Some("./")));
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    assert_eq!(
        send(server.address, "GET", "/api/v1/stats", &headers, b"")
            .unwrap()
            .status,
        200
    );
    assert_eq!(get(server.address, "/api/v1/stats").status, 401);
    said.extend(server.log());
    let named = said.iter().filter(|line| line.contains(token));
    assert_eq!(named.count(), 1, "{said:?}");
}
