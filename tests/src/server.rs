//! Servers under test: the native host, and the component in a stock runtime.

use rustix::process::{Pid, Signal, kill_process};
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How the component is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `netwatch-server`
    Native,
    /// `wasmtime serve`
    Stock,
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    pub data_dir: PathBuf,
    /// What it said before it listened.
    before: RefCell<Vec<String>>,
    log: mpsc::Receiver<String>,
}

/// The directory of the binaries built with the tests, for a test (in `deps/`)
/// or for a program beside them.
pub fn binaries() -> PathBuf {
    let own = std::env::current_exe().expect("the program's own path");
    let folder = own.parent().expect("a directory");
    if folder.ends_with("deps") {
        folder.parent().expect("the profile's directory").to_owned()
    } else {
        folder.to_owned()
    }
}

/// Where a server that was just started, with both outputs piped, listens. Its
/// later output is read and thrown away.
pub fn address_of(child: &mut Child) -> SocketAddr {
    let (sender, log) = mpsc::channel();
    read_lines(child.stdout.take().expect("stdout"), sender.clone());
    read_lines(child.stderr.take().expect("stderr"), sender);
    loop {
        let line = log
            .recv_timeout(Duration::from_secs(60))
            .expect("a server that listens");
        if let Some(address) = address_in(&line) {
            return address;
        }
    }
}

/// A component that panics where a report asks for it (`"trap":"before"` it is
/// stored, or `"after"`; where it is compressed, `"compress"`, or verified,
/// `"verify"`), built at the first call.
pub fn trapping_component() -> &'static Path {
    static BUILT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    BUILT.get_or_init(|| component("netwatch-guest", "trapping", Some("traps")))
}

/// A component that means harm (`tests/hostile/`), built at the first call.
pub fn hostile_component() -> &'static Path {
    static BUILT: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    BUILT.get_or_init(|| component("netwatch-hostile", "hostile", None))
}

/// The same, importing what no component gets: `outgoing` (HTTP requests) or
/// `sockets`.
pub fn grasping_component(feature: &str) -> PathBuf {
    component(
        "netwatch-hostile",
        &format!("hostile-{feature}"),
        Some(feature),
    )
}

/// Builds a package as a component, in a target directory of its own.
fn component(package: &str, folder: &str, feature: Option<&str>) -> PathBuf {
    let target = binaries()
        .parent()
        .expect("the target directory")
        .join(folder);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let status = Command::new(cargo)
        .current_dir(workspace.expect("the workspace"))
        .args(["build", "--release", "--locked", "--quiet"])
        .args(["-p", package, "--lib"])
        .args(feature.map(|feature| format!("--features={feature}")))
        .args(["--target", "wasm32-wasip2", "--target-dir"])
        .arg(&target)
        // Built for one test each, and not to be fast.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status();
    assert!(
        status.expect("cargo").success(),
        "the component does not build"
    );
    let name = package.replace('-', "_");
    target.join(format!("wasm32-wasip2/release/{name}.wasm"))
}

/// A server with some settings, not started.
pub fn command(kind: Kind, data_dir: &Path, settings: &[(&str, &str)]) -> Command {
    match kind {
        Kind::Native => native(data_dir, settings),
        Kind::Stock => stock(data_dir, settings),
    }
}

/// The native host with some settings, not started.
pub fn native(data_dir: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binaries().join("netwatch-server"));
    command
        .env("DATA_DIR", data_dir)
        .env("PORT", "0")
        .env("BIND", "127.0.0.1");
    command
        .env("LOG_FORMAT", "json")
        .envs(settings.iter().copied());
    command
}

fn stock(data_dir: &Path, settings: &[(&str, &str)]) -> Command {
    let component = binaries()
        .parent()
        .expect("the target directory")
        .join("wasm32-wasip2/release/netwatch_guest.wasm");
    stock_with(&component, data_dir, settings)
}

/// A stock runtime with a component, not started.
pub fn stock_with(component: &Path, data_dir: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binaries().join("stock-wasmtime"));
    command.args(["serve", "-Scli", "--allow-precompiled"]);
    command.args(["--addr", "127.0.0.1:0", "--dir"]);
    command.arg(format!("{}::/data", data_dir.display()));
    command.args(["--env", "DATA_DIR=/data"]);
    for (name, value) in settings {
        command.arg("--env").arg(format!("{name}={value}"));
    }
    command.arg(precompiled(component));
    command
}

/// What a stock runtime makes of a component when it starts, made once: that takes
/// seconds, and some tests start dozens.
fn precompiled(component: &Path) -> PathBuf {
    let runtime = binaries().join("stock-wasmtime");
    let compiled = component.with_extension("stock.cwasm");
    let modified = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
    let made = modified(&compiled);
    if made > modified(component) && made > modified(&runtime) {
        return compiled;
    }
    // Others may be at the same; whoever is last replaces what is alike.
    let own = component.with_extension(format!("{}.cwasm", std::process::id()));
    let status = Command::new(runtime)
        .args(["compile", "-Wcomponent-model-async=y", "-o"])
        .args([&own, component])
        .status();
    let done = status.expect("a stock runtime").success();
    assert!(done, "the component does not compile");
    std::fs::rename(own, &compiled).expect("a file renamed");
    compiled
}

impl Server {
    /// Starts a server and waits until it listens.
    pub fn start(kind: Kind, data_dir: &Path, settings: &[(&str, &str)]) -> Server {
        Server::spawn(command(kind, data_dir, settings), data_dir)
    }

    /// Starts a server from its command and waits until it listens.
    pub fn spawn(mut command: Command, data_dir: &Path) -> Server {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("a server that starts");
        let (sender, log) = mpsc::channel();
        read_lines(child.stdout.take().expect("stdout"), sender.clone());
        read_lines(child.stderr.take().expect("stderr"), sender);
        let mut said = Vec::new();
        let address = loop {
            let line = log
                .recv_timeout(Duration::from_secs(60))
                .unwrap_or_else(|_| panic!("the server does not listen: {said:#?}"));
            if let Some(address) = address_in(&line) {
                break address;
            }
            said.push(line);
        };
        let data_dir = data_dir.to_owned();
        Server {
            child,
            address,
            data_dir,
            before: RefCell::new(said),
            log,
        }
    }

    /// What it has written to its log since the last call.
    pub fn log(&self) -> Vec<String> {
        let before = self.before.take();
        before.into_iter().chain(self.log.try_iter()).collect()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory, MiB.
    pub fn resident_mib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.unwrap_or(0) / 1024
    }

    /// `kill -9`
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGHUP: read the configuration again.
    pub fn reload(&self) {
        self.signal(Signal::HUP);
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        let pid = Pid::from_raw(id).expect("a process id");
        kill_process(pid, signal).expect("a signal sent");
    }

    /// SIGTERM, and what it exits with.
    pub fn stop(&mut self) -> ExitStatus {
        self.terminate();
        self.wait(Duration::from_secs(30))
    }

    /// What it exits with, within some time.
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return status;
            }
            assert!(
                began.elapsed() < patience,
                "the server does not stop: {:#?}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read_lines(stream: impl Read + Send + 'static, sender: mpsc::Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // Nobody may be listening any more; the pipe is emptied all the same.
            let _ = sender.send(line);
        }
    });
}

/// The address in the line that says where a server listens.
fn address_in(line: &str) -> Option<SocketAddr> {
    if let Some((_, rest)) = line.split_once("Serving HTTP on http://") {
        return rest.trim_end_matches('/').parse().ok();
    }
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    (event["message"] == "listening").then(|| event["address"].as_str()?.parse().ok())?
}

/// Waits until something holds.
pub fn until(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(
            began.elapsed() < patience,
            "still not after {patience:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
