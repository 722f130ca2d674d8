//! A page on another origin, in a real browser.

use super::*;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><script>
const url = "http://SERVER/api/v1/reports";
const json = { "Content-Type": "application/json" };
(async () => {
  const one = await fetch(url, { method: "POST", headers: json, body: '{"n":1}' });
  document.title = (await one.json()).accepted;
  await fetch(url, { method: "POST", headers: json, body: '{"n":2}', keepalive: true });
  navigator.sendBeacon(url, '{"n":3}');
  navigator.sendBeacon(url, new Blob(['{"n":4}'], { type: "application/json" }));
})();
</script>"#;

/// Serves a page to whoever asks, for as long as the test runs.
fn serve_page(page: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut line = String::new();
            let mut lines = BufReader::new(&stream);
            while lines.read_line(&mut line).is_ok_and(|bytes| bytes > 2) {
                line.clear();
            }
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
        }
    });
    port
}

/// A headless browser that asks nobody for anything by itself, as far as it can be
/// told.
pub(crate) fn chromium(profile: &Path) -> Command {
    let mut command = Command::new("chromium");
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
        ])
        .args([
            "--no-first-run",
            "--disable-background-networking",
            "--disable-sync",
            "--disable-component-update",
        ])
        .arg(format!("--user-data-dir={}", profile.display()));
    command
}

/// A browser that shows a page of an origin of its own; ends when dropped.
pub(crate) struct Browser {
    process: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub(crate) fn show(page: String) -> Browser {
        let port = serve_page(page);
        let profile = tempfile::tempdir().unwrap();
        let process = chromium(profile.path())
            .arg("--remote-debugging-port=0")
            .arg(format!("http://127.0.0.1:{port}/"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium; run scripts/install-test-tools");
        Browser {
            process,
            _profile: profile,
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_page_of_another_origin_posts_by_fetch_and_by_beacon() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let server = quick(kind, dir.path());
        let _browser = Browser::show(PAGE.replace("SERVER", &server.address.to_string()));
        until(
            "all four reports are published",
            Duration::from_secs(60),
            || files::numbers(dir.path()).len() >= 4,
        );
        assert_eq!(files::numbers(dir.path()), [1, 2, 3, 4], "{kind:?}");
    }
}
