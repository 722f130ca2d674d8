//! A tenant that means harm beside one that is measured: no error, no lost
//! report, and nearly the pace it has when it is alone.

mod disk;
mod escape;
mod harm;
mod limits;
mod many;
mod reload;

use super::*;
use netwatch_tests::client::{Reply, get, send};
use netwatch_tests::server::{hostile_component, native};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Reports a second of the tenant that is measured.
const PACE: u64 = 100;

/// How long it is measured alone, and beside each harm.
const QUIET: Duration = Duration::from_secs(3);
const HARM: Duration = Duration::from_millis(2500);

/// A 99th percentile below this is good enough, however fast it is alone: the
/// machines that run tests have two cores and other work.
const FLOOR: Duration = Duration::from_millis(50);

/// Phases that may be too slow before it counts: something else may have had the
/// machine. What one tenant does to another, it does each time.
const ATTEMPTS: usize = 3;

/// A server with the tenants `good` and `bad`.
struct Stage {
    server: Server,
    root: tempfile::TempDir,
    acknowledged: Vec<u64>,
    quiet: Duration,
}

impl Stage {
    /// `limits` are lines of the bad tenant's table.
    fn start(limits: &str) -> Stage {
        let root = tempfile::tempdir().unwrap();
        let other = root.path().join("tenants/good");
        let bad = format!(
            "{limits}\nenv = {{ OTHER = {:?} }}\ncomponent = {:?}\n",
            other.display().to_string(),
            hostile_component().display().to_string()
        );
        let config = configuration(&[("good", ""), ("bad", &bad)]);
        let server = serve(root.path(), &config);
        let mut stage = Stage {
            server,
            root,
            acknowledged: Vec::new(),
            quiet: Duration::ZERO,
        };
        // The first request of each has an instance made.
        assert_eq!(stage.bad("good").map(|reply| reply.status), Some(200));
        stage.measure(Duration::from_millis(500), |_| {});
        stage.quiet = stage.measure(QUIET, |_| {});
        stage
    }

    fn address(&self) -> SocketAddr {
        self.server.address
    }

    fn data_dir(&self, tenant: &str) -> PathBuf {
        self.root.path().join("tenants").join(tenant)
    }

    /// What the bad tenant answers, if it does.
    fn bad(&self, harm: &str) -> Option<Reply> {
        send(self.address(), "GET", &format!("/t/bad/{harm}"), &[], b"").ok()
    }

    /// Posts at the pace while something else happens; the 99th percentile.
    fn measure(&mut self, time: Duration, beside: impl Fn(&AtomicBool) + Sync) -> Duration {
        let end = AtomicBool::new(false);
        let first = self.acknowledged.len() as u64;
        let address = self.address();
        let mut latencies = std::thread::scope(|scope| {
            let posting = scope.spawn(|| {
                let latencies = post_steadily(address, first, time);
                end.store(true, Ordering::Relaxed);
                latencies
            });
            beside(&end);
            posting.join().unwrap()
        });
        let posted = latencies.len() as u64;
        self.acknowledged.extend(first..first + posted);
        latencies.sort_unstable();
        latencies[latencies.len() * 99 / 100]
    }

    /// Has the bad tenant do some harm over and over, from several connections,
    /// and the good one measured meanwhile.
    fn bear(&mut self, harm: &str) {
        let address = self.address();
        let path = format!("/t/bad/{harm}");
        let bound = FLOOR.max(2 * self.quiet);
        let mut measured = Vec::new();
        for _ in 0..ATTEMPTS {
            let p99 = self.measure(HARM, |end| {
                std::thread::scope(|scope| {
                    for _ in 0..4 {
                        scope.spawn(|| {
                            while !end.load(Ordering::Relaxed) {
                                provoke(address, &path, HARM / 2);
                            }
                        });
                    }
                });
            });
            measured.push(p99);
            // Emptied, or it would grow with the log.
            drop(self.server.log());
            if p99 <= bound {
                return self.recovers(harm);
            }
        }
        panic!("beside {harm}: p99 {measured:?}, alone {:?}", self.quiet);
    }

    /// The bad tenant itself is there again, once it does no harm.
    fn recovers(&self, harm: &str) {
        let what = format!("the tenant answers after {harm}");
        until(&what, Duration::from_secs(30), || {
            self.bad("good").is_some_and(|reply| reply.status == 200)
        });
    }

    /// Stops it: what the good tenant was promised is there, and nothing else.
    fn end(mut self) {
        assert!(self.server.stop().success(), "{:#?}", self.server.log());
        let stored = files::numbers(&self.data_dir("good"));
        assert_eq!(stored, self.acknowledged, "lost, doubled or foreign");
        let strange: Vec<_> = self
            .data_dir("good")
            .read_dir()
            .unwrap()
            .flatten()
            .collect();
        for entry in strange {
            let name = entry.file_name().into_string().unwrap();
            let known = ["journal", "quarantine", "index", ".lock"].contains(&name.as_str());
            assert!(known || name.starts_with("reports-"), "a foreign {name}");
        }
    }
}

/// A config file with these tenants, each with lines of its own.
fn configuration(tenants: &[(&str, &str)]) -> String {
    let mut config = "[server]\n[defaults]\nflush_interval = \"1s\"\n".to_owned();
    for (name, own) in tenants {
        config += &format!("\n[[tenant]]\nname = {name:?}\n{own}");
    }
    config
}

/// A server with this config file, whose tenants are below `tenants/`.
fn serve(root: &Path, config: &str) -> Server {
    let file = root.join("netwatch.toml");
    std::fs::write(&file, config).unwrap();
    let data_dir = root.join("tenants");
    let mut command = native(&data_dir, &[]);
    command.arg("--config").arg(&file);
    Server::spawn(command, &data_dir)
}

/// The same with its operator's endpoint.
fn serve_with_admin(root: &Path, config: &str) -> (Server, SocketAddr) {
    // A free port; somebody may take it before the server does, which then says so.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = listener.local_addr().unwrap();
    drop(listener);
    let endpoint = format!("[server]\nadmin_bind = \"{admin}\"\nadmin_token = \"operator\"\n");
    let server = serve(root, &config.replacen("[server]\n", &endpoint, 1));
    (server, admin)
}

/// Posts numbered reports to the good tenant; how long each took. All of them
/// must be acknowledged.
fn post_steadily(address: SocketAddr, first: u64, time: Duration) -> Vec<Duration> {
    let began = Instant::now();
    let mut latencies = Vec::new();
    for n in 0.. {
        let due = Duration::from_micros(n * 1_000_000 / PACE);
        if due >= time {
            break;
        }
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        let sent = Instant::now();
        let body = format!("{{\"n\":{}}}", first + n);
        let reply = post_to(address, "good", &body);
        assert_eq!(reply.status, 202, "report {n}: {}", reply.text());
        latencies.push(sent.elapsed());
    }
    latencies
}

/// Posts to a tenant; an answer must come.
fn post_to(address: SocketAddr, tenant: &str, body: &str) -> Reply {
    let headers = [("Content-Type", "application/json")];
    let path = format!("/t/{tenant}/api/v1/reports");
    send(address, "POST", &path, &headers, body.as_bytes()).expect("an answer")
}

/// Asks for something and takes what comes of it, for a while; nothing may.
fn provoke(address: SocketAddr, path: &str, patience: Duration) {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return;
    };
    let end = Instant::now() + patience;
    let _ = stream.set_read_timeout(Some(patience));
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(request.as_bytes());
    let mut piece = vec![0; 64 << 10];
    while Instant::now() < end {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
