//! One round: a server from its start to its end.

use crate::load::{self, Load, Outcome, Requests};
use crate::process;
use crate::results::{BatchRound, Round, Stored};
use crate::stored;
use crate::targets::{Running, Target};
use std::sync::Arc;
use std::time::Duration;

const WARM_UP: Duration = Duration::from_millis(300);

/// How long system calls are counted: tracing slows what it counts.
const COUNTING: Duration = Duration::from_secs(1);

/// What a server is made to do.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) target: Target,
    pub(crate) workers: usize,
    pub(crate) requests: Arc<Requests>,
    pub(crate) connections: usize,
    pub(crate) time: Duration,
}

/// A server that took a load and stopped.
struct Done {
    outcome: Outcome,
    /// From the first request to the end of the process, seconds.
    cpu: f64,
    peak_mib: f64,
    dir: tempfile::TempDir,
}

impl Task {
    fn carry_out(&self) -> Done {
        let server = Running::start(self.target, self.workers);
        process::forget_peak(&server.child);
        let cpu_before = process::cpu_seconds(&server.child);
        let outcome = load::run(server.address, &self.requests, self.load(self.time));
        let peak_mib = process::peak_mib(&server.child);
        let (cpu, dir) = server.stop();
        Done {
            outcome,
            cpu: cpu - cpu_before,
            peak_mib,
            dir,
        }
    }

    fn load(&self, time: Duration) -> Load {
        Load {
            connections: self.connections,
            warm_up: WARM_UP,
            time,
        }
    }

    /// Measures a round. With `look`, also what it left on disk.
    pub(crate) fn measure(&self, look: bool) -> (Round, Option<Stored>) {
        let done = self.carry_out();
        let outcome = &done.outcome;
        let reports = self.reports(outcome);
        let per_million = |cpu: f64| cpu / reports as f64 * 1e6;
        let round = Round {
            per_second: outcome.latencies.len() as f64 / self.time.as_secs_f64(),
            p50_ms: outcome.quantile_ms(0.5),
            p99_ms: outcome.quantile_ms(0.99),
            max_ms: outcome.quantile_ms(1.0),
            cpu_per_million: per_million(done.cpu),
            load_cpu_per_million: per_million(outcome.own_cpu),
            peak_mib: done.peak_mib,
        };
        if outcome.refused > 0 {
            eprintln!("{}: {} refused", self.target.label(), outcome.refused);
        }
        let look = look && self.target.stores();
        (
            round,
            look.then(|| stored::look(done.dir.path(), reports))
                .flatten(),
        )
    }

    /// Measures a round of NDJSON.
    pub(crate) fn measure_batches(&self) -> BatchRound {
        let done = self.carry_out();
        let outcome = &done.outcome;
        let megabytes = |requests: f64| requests * self.requests.body_bytes as f64 / 1e6;
        let measured = megabytes(outcome.latencies.len() as f64);
        BatchRound {
            mb_per_second: measured / self.time.as_secs_f64(),
            mb_per_cpu_second: megabytes(outcome.accepted as f64) / done.cpu,
        }
    }

    /// System calls per report, in a short round of its own.
    pub(crate) fn count_syscalls(&self) -> Option<f64> {
        let server = Running::start(self.target, self.workers);
        let (outcome, calls) = process::count_syscalls(&server.child, || {
            load::run(server.address, &self.requests, self.load(COUNTING))
        });
        let _ = server.stop();
        Some(calls? as f64 / self.reports(&outcome) as f64)
    }

    fn reports(&self, outcome: &Outcome) -> u64 {
        outcome.accepted * self.requests.reports as u64
    }
}
