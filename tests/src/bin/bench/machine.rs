//! The machine it was measured on.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// What a reader must know to compare numbers with those of another machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    cpu: String,
    cpus: usize,
    memory_gib: f64,
    kernel: String,
    /// Of 4 KiB appended and synced, milliseconds.
    pub(crate) sync_ms: f64,
    /// How many processes wanted to run before the first round.
    pub(crate) load_average: f64,
}

/// Above it something else runs as well.
const QUIET: f64 = 0.5;

impl Machine {
    /// This machine, with the disk of `dir`.
    pub(crate) fn this(dir: &Path) -> Machine {
        Machine {
            cpu: after("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown CPU".to_owned()),
            cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_gib: number("/proc/meminfo", "MemTotal") / f64::from(1 << 20),
            kernel: word(&read("/proc/sys/kernel/osrelease"), 0),
            sync_ms: sync_ms(dir),
            load_average: word(&read("/proc/loadavg"), 0).parse().unwrap_or(0.0),
        }
    }

    /// Why its numbers are not to be trusted, if they are not.
    pub(crate) fn doubt(&self) -> Option<String> {
        (self.load_average > QUIET).then(|| {
            format!(
                "the machine was not quiet before the first round (load average {:.2}): trust ratios only",
                self.load_average
            )
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} × {}, {:.0} GiB, Linux {}, {:.2} ms to sync 4 KiB",
            self.cpus, self.cpu, self.memory_gib, self.kernel, self.sync_ms
        )
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn word(text: &str, at: usize) -> String {
    text.split_whitespace()
        .nth(at)
        .unwrap_or_default()
        .to_owned()
}

fn after(path: &str, name: &str) -> Option<String> {
    let text = read(path);
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn number(path: &str, name: &str) -> f64 {
    let value = after(path, name).unwrap_or_default();
    word(&value, 0).parse().unwrap_or(0.0)
}

/// The median of some appends with their syncs.
fn sync_ms(dir: &Path) -> f64 {
    const SYNCS: usize = 51;
    let mut file = tempfile::tempfile_in(dir).expect("a file");
    let mut times: Vec<f64> = (0..SYNCS)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[7; 4096]).expect("a write");
            file.sync_data().expect("a sync");
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[SYNCS / 2]
}
