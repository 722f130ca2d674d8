//! `make bench`: netwatch-server beside bare hyper, a Go server of the original's
//! design and `wasmtime serve`, in alternating rounds of one run. Ratios are what
//! to quote: machines differ, and one machine differs from minute to minute.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bare;
mod goals;
mod load;
mod machine;
mod plot;
mod process;
mod results;
mod round;
mod stored;
mod table;
mod targets;

use clap::Parser;
use load::Requests;
use machine::Machine;
use results::{BatchCell, Cell, Results};
use round::Task;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use targets::Target;

/// Sizes of reports: name, hosts, samples.
const SIZES: [(&str, u64, u64); 3] = [("700B", 3, 1), ("3.4kB", 10, 6), ("20kB", 32, 16)];

/// Reports in a request of NDJSON, of the smallest size, and connections that
/// send such: enough for two workers.
const BATCH_REPORTS: usize = 1_000;
const BATCH_CONNECTIONS: usize = 24;

/// Compares netwatch-server with others under load.
#[derive(Parser)]
struct Options {
    /// A few minutes: 32 connections, two sizes, short rounds
    #[arg(long)]
    quick: bool,
    /// Alternating rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of a round
    #[arg(long)]
    seconds: Option<f64>,
    /// Sizes of reports (700B, 3.4kB, 20kB)
    #[arg(long, value_delimiter = ',')]
    sizes: Vec<String>,
    /// Numbers of connections
    #[arg(long, value_delimiter = ',')]
    connections: Vec<usize>,
    /// Servers
    #[arg(long, value_delimiter = ',', value_enum)]
    targets: Vec<Target>,
    /// Threads that do the work; all CPUs by itself
    #[arg(long)]
    workers: Option<usize>,
    /// Leave out what takes further rounds: system calls, files, NDJSON
    #[arg(long)]
    bare_numbers: bool,
    /// Write everything measured to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Draw throughput and latency to this SVG file
    #[arg(long)]
    plot: Option<PathBuf>,
    /// Measure nothing; show what is in a file that `--json` wrote
    #[arg(long)]
    from: Option<PathBuf>,
    /// Be the yardstick, with that many threads
    #[arg(long, hide = true)]
    bare: Option<usize>,
}

fn main() {
    let options = Options::parse();
    if let Some(threads) = options.bare {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build();
        return runtime.expect("a runtime").block_on(bare::serve());
    }
    let results = match &options.from {
        Some(path) => {
            let text = std::fs::read_to_string(path).expect("a readable file");
            serde_json::from_str(&text).expect("what --json wrote")
        }
        None => measure(&options),
    };
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&results).expect("JSON");
        std::fs::write(path, text + "\n").expect("a file written");
    }
    if let Some(path) = &options.plot {
        std::fs::write(path, plot::render(&results)).expect("a file written");
    }
    println!("{}\n{}", table::render(&results), goals::render(&results));
}

fn measure(options: &Options) -> Results {
    let machine = Machine::this(&std::env::temp_dir());
    let mut results = Results {
        notes: machine.doubt().into_iter().collect(),
        machine,
        seconds: options.time().as_secs_f64(),
        cells: Vec::new(),
        batches: Vec::new(),
    };
    let (targets, absent): (Vec<_>, Vec<_>) = options
        .targets()
        .into_iter()
        .partition(|target| target.obstacle().is_none());
    for target in absent {
        let why = target.obstacle().unwrap_or_default();
        let name = target.label();
        results.notes.push(format!("{name} was left out: {why}"));
    }
    for (size, hosts, samples) in options.sizes() {
        let requests = Arc::new(Requests::single(hosts, samples));
        for connections in options.connections() {
            eprintln!("{size}, {connections} connections");
            let cells = compare(options, &targets, size, &requests, connections);
            results.cells.extend(cells);
        }
    }
    if !options.bare_numbers {
        results.batches = batches(options, &targets);
    }
    results
}

/// The same load on each server, in turns.
fn compare(
    options: &Options,
    targets: &[Target],
    size: &str,
    requests: &Arc<Requests>,
    connections: usize,
) -> Vec<Cell> {
    let task = |target| Task {
        target,
        workers: options.workers(),
        requests: Arc::clone(requests),
        connections,
        time: options.time(),
    };
    let mut cells: Vec<Cell> = targets
        .iter()
        .map(|target| Cell {
            size: size.to_owned(),
            body_bytes: requests.body_bytes,
            connections,
            target: *target,
            rounds: Vec::new(),
            syscalls_per_report: None,
            stored: None,
        })
        .collect();
    for number in 0..options.rounds.max(1) {
        let last = number + 1 == options.rounds && !options.bare_numbers;
        for cell in in_turn(&mut cells, number) {
            let (round, stored) = task(cell.target).measure(last);
            cell.rounds.push(round);
            cell.stored = stored;
        }
    }
    if !options.bare_numbers {
        for cell in &mut cells {
            cell.syscalls_per_report = task(cell.target).count_syscalls();
        }
    }
    cells
}

/// Backwards in every second round, so that what drifts favours nobody.
fn in_turn<T>(cells: &mut [T], number: usize) -> Vec<&mut T> {
    let mut cells: Vec<_> = cells.iter_mut().collect();
    if number % 2 == 1 {
        cells.reverse();
    }
    cells
}

/// NDJSON, by one worker and by two.
fn batches(options: &Options, targets: &[Target]) -> Vec<BatchCell> {
    let (_, hosts, samples) = SIZES[0];
    let requests = Arc::new(Requests::batches(BATCH_REPORTS, hosts, samples));
    let takes_batches = |target: &&Target| !matches!(target, Target::Bare | Target::Stock);
    let mut cells = Vec::new();
    for target in targets.iter().filter(takes_batches) {
        for workers in [1, 2] {
            cells.push(BatchCell {
                target: *target,
                workers,
                reports: BATCH_REPORTS,
                body_bytes: requests.body_bytes,
                connections: BATCH_CONNECTIONS,
                rounds: Vec::new(),
            });
        }
    }
    eprintln!("NDJSON");
    for number in 0..options.rounds.max(1) {
        for cell in in_turn(&mut cells, number) {
            let task = Task {
                target: cell.target,
                workers: cell.workers,
                requests: Arc::clone(&requests),
                connections: BATCH_CONNECTIONS,
                time: options.time(),
            };
            cell.rounds.push(task.measure_batches());
        }
    }
    cells
}

impl Options {
    fn time(&self) -> Duration {
        let usual = if self.quick { 1.0 } else { 2.0 };
        Duration::from_secs_f64(self.seconds.unwrap_or(usual))
    }

    fn workers(&self) -> usize {
        let cpus = std::thread::available_parallelism();
        self.workers
            .unwrap_or(cpus.map_or(1, std::num::NonZero::get))
    }

    fn targets(&self) -> Vec<Target> {
        let wanted = |target: &Target| self.targets.is_empty() || self.targets.contains(target);
        Target::ALL.into_iter().filter(wanted).collect()
    }

    fn sizes(&self) -> Vec<(&'static str, u64, u64)> {
        let wanted = |size: &str| match self.sizes.is_empty() {
            true => !self.quick || size != "20kB",
            false => self.sizes.iter().any(|wanted| wanted == size),
        };
        SIZES.into_iter().filter(|size| wanted(size.0)).collect()
    }

    fn connections(&self) -> Vec<usize> {
        match (self.connections.is_empty(), self.quick) {
            (false, _) => self.connections.clone(),
            (true, true) => vec![32],
            (true, false) => vec![1, 32, 256],
        }
    }
}
