//! What is compared, and how each is started and stopped.

use crate::process;
use netwatch_tests::server::{self, Kind, binaries};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// A server of the comparison.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Target {
    /// hyper that reads bodies and drops them.
    Bare,
    /// The original's design: chi, a map of members, memory only.
    Go,
    /// The same with the least work its standard library allows.
    GoSplice,
    /// The component under `wasmtime serve`.
    Stock,
    /// The native host.
    Memory,
    Crash,
    Power,
}

impl Target {
    pub(crate) const ALL: [Target; 7] = [
        Target::Bare,
        Target::Go,
        Target::GoSplice,
        Target::Stock,
        Target::Memory,
        Target::Crash,
        Target::Power,
    ];

    /// As the table names it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Target::Bare => "bare hyper",
            Target::Go => "Go",
            Target::GoSplice => "Go, spliced",
            Target::Stock => "`wasmtime serve`",
            Target::Memory => "`memory`",
            Target::Crash => "`crash`",
            Target::Power => "`power`",
        }
    }

    /// What an acknowledgement survives.
    pub(crate) fn survives(self) -> &'static str {
        match self {
            Target::Bare => "stores nothing",
            Target::Go | Target::GoSplice | Target::Memory => "nothing",
            Target::Stock | Target::Crash => "`kill -9`",
            Target::Power => "loss of power",
        }
    }

    pub(crate) fn stores(self) -> bool {
        self != Target::Bare
    }

    fn durability(self) -> &'static str {
        match self {
            Target::Memory => "memory",
            Target::Power => "power",
            _ => "crash",
        }
    }

    /// Why this target cannot be measured here, if it cannot.
    pub(crate) fn obstacle(self) -> Option<&'static str> {
        match self {
            Target::Go | Target::GoSplice => go_collector().as_ref().err().map(String::as_str),
            _ => None,
        }
    }
}

/// A server that runs, with a directory of its own.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) dir: tempfile::TempDir,
    target: Target,
}

/// Time a server has to publish what it holds.
const PATIENCE: Duration = Duration::from_secs(60);

impl Running {
    /// Starts a server with `workers` threads that do its work.
    pub(crate) fn start(target: Target, workers: usize) -> Running {
        let dir = tempfile::tempdir().expect("a directory");
        let mut child = command(target, workers, dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a server");
        let address = server::address_of(&mut child);
        Running {
            child,
            address,
            dir,
            target,
        }
    }

    /// Lets the server store what it holds and stop; the CPU time of its whole
    /// life and the directory it leaves.
    pub(crate) fn stop(mut self) -> (f64, tempfile::TempDir) {
        let signal = match self.target {
            // It has nothing to finish.
            Target::Bare => Signal::KILL,
            Target::Stock => Signal::INT,
            _ => Signal::TERM,
        };
        let cpu = process::end(&mut self.child, signal, PATIENCE);
        (cpu, self.dir)
    }
}

fn command(target: Target, workers: usize, dir: &Path) -> Command {
    let mut command = command_as_asked(target, workers, dir);
    // Whoever asks for backtraces lets a runtime walk its stack for each error, also
    // those that mean nothing.
    command.env_remove("RUST_BACKTRACE");
    command.env_remove("RUST_LIB_BACKTRACE");
    command
}

fn command_as_asked(target: Target, workers: usize, dir: &Path) -> Command {
    let workers = workers.to_string();
    let settings = [
        ("DURABILITY", target.durability()),
        ("WORKERS", &workers),
        ("MAX_BODY_BYTES", "8MiB"),
    ];
    match target {
        Target::Bare => {
            let mut command = Command::new(binaries().join("bench"));
            command.args(["--bare", &workers]);
            command
        }
        Target::Go | Target::GoSplice => {
            let collector = go_collector().as_ref().expect("a collector that was built");
            let mut command = Command::new(collector);
            let read = match target {
                Target::Go => "decode",
                _ => "splice",
            };
            command
                .env("READ", read)
                .env("GOMAXPROCS", workers)
                .env("DATA_DIR", dir);
            command
        }
        Target::Stock => {
            // Its end waits for a flush that is due; a minute would be too long.
            let settings = [("MAX_BODY_BYTES", "8MiB"), ("FLUSH_INTERVAL", "2s")];
            server::command(Kind::Stock, dir, &settings)
        }
        Target::Memory | Target::Crash | Target::Power => {
            server::command(Kind::Native, dir, &settings)
        }
    }
}

/// The Go server, built at the first call; or why there is none.
fn go_collector() -> &'static Result<PathBuf, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(build_go_collector)
}

/// Where Debian puts the sources of Go packages.
const GO_PACKAGES: &str = "/usr/share/gocode";

fn build_go_collector() -> Result<PathBuf, String> {
    let target = binaries()
        .parent()
        .expect("the target directory")
        .join("bench");
    let collector = target.join("go-collector");
    let output = Command::new("go")
        .args(["build", "-o"])
        .arg(&collector)
        .arg(".")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/go"))
        // Debian's packages, and nothing from the network.
        .env("GO111MODULE", "off")
        .env("GOPATH", GO_PACKAGES)
        .env("GOCACHE", target.join("go-cache"))
        .env("GOFLAGS", "")
        .output()
        .map_err(|error| format!("`go` cannot be run ({error})"))?;
    if output.status.success() {
        return Ok(collector);
    }
    Err(format!(
        "it does not build: {}",
        String::from_utf8_lossy(&output.stderr)
            .trim()
            .replace('\n', "; ")
    ))
}
