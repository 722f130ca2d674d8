//! `GET /metrics`: what the instances count, added up, and what the host counts.
//!
//! Every instance tells its numbers after each tick and whenever somebody asks.
//! What one counted that is gone is kept, so that no counter ever goes back; what
//! it counted after it told last, a second ago at most, is lost with it.

use crate::answer::{self, HttpAnswer};
use crate::edge::Edge;
use crate::limits;
use crate::tenant::{Tenant, Visitor};
use crate::worker::Metric;
use netwatch_guest::http::Answer;
use netwatch_guest::metrics::Metrics;
use netwatch_guest::metrics::collect;
use netwatch_guest::metrics::exposition::{self, Family, Kind, Sample};
use netwatch_guest::metrics::http::HttpMetrics;
use netwatch_guest::metrics::instruments::Counter;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::{Notify, watch};
use tokio::time::timeout_at;

/// What the host itself counts for one tenant, and where its workers' numbers are.
pub(crate) struct Meters {
    pub(crate) http: HttpMetrics,
    /// Reports that the host refused before any instance saw them.
    refused: Metrics,
    /// By worker; they stay when a worker ends.
    workers: Mutex<Vec<Arc<Meter>>>,
    started: Instant,
}

impl Default for Meters {
    fn default() -> Self {
        Meters {
            http: HttpMetrics::default(),
            refused: Metrics::default(),
            workers: Mutex::default(),
            started: Instant::now(),
        }
    }
}

/// The numbers of one worker's instances.
#[derive(Default)]
pub(crate) struct Meter {
    account: Mutex<Account>,
    /// Of the instance that serves.
    memory_bytes: AtomicU64,
    memory_refused: Counter,
    restarts: Counter,
    traps: Counter,
    failures: Counter,
    /// Of both, those that had too many handles.
    handles: Counter,
    asked: Notify,
    /// Counts the answers to that.
    answers: watch::Sender<u64>,
}

#[derive(Default)]
struct Account {
    /// What instances counted that are gone.
    past: Vec<Family>,
    /// What each living instance told last.
    living: BTreeMap<String, Vec<Family>>,
}

impl Meter {
    /// Waits until somebody wants fresh numbers.
    pub(crate) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Takes down what an instance says.
    pub(crate) fn tell(&self, instance: &str, metrics: Vec<Metric>) {
        let families = metrics.into_iter().map(family).collect();
        self.account().living.insert(instance.to_owned(), families);
    }

    /// Takes down how much memory the instance that serves has, and how often it
    /// was refused more.
    pub(crate) fn watched(&self, memory_bytes: u64, refused: u64) {
        self.memory_bytes.store(memory_bytes, Ordering::Relaxed);
        self.memory_refused.add(refused);
    }

    /// What was told is told to who asked.
    pub(crate) fn answered(&self) {
        self.answers.send_modify(|answers| *answers += 1);
    }

    /// An instance is gone: what it counted stays, what it held does not.
    pub(crate) fn gone(&self, instance: &str) {
        let mut account = self.account();
        if account.living.len() <= 1 {
            self.memory_bytes.store(0, Ordering::Relaxed);
        }
        if let Some(mut last) = account.living.remove(instance) {
            exposition::keep_counts(&mut last);
            exposition::merge(&mut account.past, &last);
        }
    }

    /// Another instance takes the place of one that was there.
    pub(crate) fn restarted(&self) {
        self.restarts.add(1);
    }

    /// An instance ended with an error.
    pub(crate) fn failed(&self, error: &wasmtime::Error) {
        if error.downcast_ref::<wasmtime::Trap>().is_some() {
            self.traps.add(1);
        } else {
            self.failures.add(1);
        }
        if crate::state::is_about_handles(error) {
            self.handles.add(1);
        }
    }

    fn account(&self) -> std::sync::MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add_to(&self, families: &mut Vec<Family>) {
        let account = self.account();
        exposition::merge(families, &account.past);
        for living in account.living.values() {
            exposition::merge(families, living);
        }
    }
}

fn family(metric: Metric) -> Family {
    use crate::worker::MetricKind;
    Family {
        name: metric.name,
        help: metric.help,
        kind: match metric.kind {
            MetricKind::Counter => Kind::Counter,
            MetricKind::Gauge => Kind::Gauge,
            MetricKind::Shared => Kind::Shared,
            MetricKind::Histogram => Kind::Histogram,
        },
        samples: metric
            .samples
            .into_iter()
            .map(|sample| Sample::new(&sample.suffix, sample.labels, sample.value))
            .collect(),
    }
}

impl Meters {
    /// The numbers of the worker with this number, which go on where those of the
    /// last one ended.
    pub(crate) fn worker(&self, number: usize) -> Arc<Meter> {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        while workers.len() <= number {
            workers.push(Arc::default());
        }
        workers.get(number).map(Arc::clone).unwrap_or_default()
    }

    fn workers(&self) -> Vec<Arc<Meter>> {
        let workers = self.workers.lock();
        workers.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes of linear memory of all instances that live.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let workers = self.workers();
        let bytes = workers
            .iter()
            .map(|worker| worker.memory_bytes.load(Ordering::Relaxed));
        bytes.sum()
    }

    /// Instances that ended with a trap or another error.
    pub(crate) fn failures(&self) -> u64 {
        let workers = self.workers();
        let failures = workers
            .iter()
            .map(|worker| worker.traps.get() + worker.failures.get());
        failures.sum()
    }

    /// Reports were refused before any instance saw them.
    pub(crate) fn refused(&self, reason: &str) {
        self.refused.rejected(reason);
    }

    /// Lets every worker tell its numbers; those that do not within some time are
    /// known by what they told last.
    pub(crate) async fn refresh(&self) {
        let workers = self.workers();
        let asked: Vec<_> = workers
            .iter()
            .map(|worker| worker.answers.subscribe())
            .collect();
        for worker in &workers {
            worker.asked.notify_one();
        }
        let deadline = tokio::time::Instant::now() + limits::METRICS_TIME;
        for mut answer in asked {
            // Late, or gone: either way there is what was told last.
            let _ = timeout_at(deadline, answer.changed()).await;
        }
    }

    fn families(&self) -> Vec<Family> {
        let mut families = Vec::new();
        for worker in self.workers() {
            worker.add_to(&mut families);
        }
        exposition::merge(&mut families, &[collect::rejected(&self.refused)]);
        exposition::merge(&mut families, &self.http.families());
        families.extend(collect::derived(&families));
        families.push(collect::build_info());
        families.extend(self.of_workers());
        families.push(gauge(
            "netwatch_uptime_seconds",
            "Time since the server started.",
            self.started.elapsed().as_secs_f64(),
        ));
        families
    }

    fn of_workers(&self) -> [Family; 3] {
        let mut restarts = Family::new(
            "netwatch_worker_restarts_total",
            "Instances that took the place of another, by worker.",
            Kind::Counter,
        );
        let mut failures = Family::new(
            "netwatch_worker_failures_total",
            "Instances that ended with a trap or another error, by worker.",
            Kind::Counter,
        );
        let mut memory = Family::new(
            "netwatch_worker_memory_bytes",
            "Linear memory of each worker's instance.",
            Kind::Gauge,
        );
        for (number, worker) in self.workers().iter().enumerate() {
            let number = number.to_string();
            let of = [("worker", number.as_str())];
            restarts = restarts.with_labelled(&of, worker.restarts.get() as f64);
            for (cause, counter) in [("trap", &worker.traps), ("other", &worker.failures)] {
                let of = [("worker", number.as_str()), ("cause", cause)];
                failures = failures.with_labelled(&of, counter.get() as f64);
            }
            let bytes = worker.memory_bytes.load(Ordering::Relaxed);
            memory = memory.with_labelled(&of, bytes as f64);
        }
        [restarts, failures, memory]
    }
}

fn gauge(name: &str, help: &str, value: f64) -> Family {
    Family::new(name, help, Kind::Gauge).with(value)
}

/// Everything that is known of a tenant.
pub(crate) async fn of_tenant(tenant: &Tenant) -> Vec<Family> {
    let crew = tenant.present_crew();
    if crew.is_some() {
        tenant.meters.refresh().await;
    }
    let mut families = tenant.meters.families();
    let connections = crew.map_or(0, |crew| {
        let workers = crew.workers.0.iter();
        workers.map(|worker| worker.load.connections()).sum()
    });
    families.push(gauge(
        "netwatch_connections",
        "Connections of clients.",
        connections as f64,
    ));
    if let Some(free) = free_bytes(&tenant.premises.data_dir) {
        families.push(gauge(
            "netwatch_disk_free_bytes",
            "Free space of the disk that DATA_DIR is on.",
            free as f64,
        ));
    }
    families.extend(limited(tenant));
    families
}

/// What a tenant uses, and how often a limit has stopped it.
fn limited(tenant: &Tenant) -> Vec<Family> {
    let (quota, cpu) = (&tenant.premises.quota, &tenant.cpu);
    let (used, refused) = (quota.known(), quota.refused());
    let workers = tenant.meters.workers();
    let sum = |count: fn(&Meter) -> u64| workers.iter().map(|one| count(one)).sum::<u64>();
    let (requests, bytes) = tenant.rates.refused();
    let limited = [
        ("requests", requests),
        ("bytes", bytes),
        ("memory", sum(|one| one.memory_refused.get())),
        ("handles", sum(|one| one.handles.get())),
        ("cpu-per-call", cpu.ran_away()),
        ("cpu-per-second", cpu.throttled()),
        ("requests-in-flight", tenant.turned_away()),
        ("disk-bytes", refused.bytes),
        ("disk-files", refused.files),
        ("open-files", quota.refused_opens()),
        ("awake-tenants", tenant.waited()),
        ("log-lines", tenant.log.left_out()),
    ];
    let family = Family::new(
        "netwatch_limited_total",
        "What a limit has stopped: attempts, or bytes, files and lines that were refused.",
        Kind::Counter,
    );
    let limited = limited.iter().fold(family, |family, (limit, count)| {
        family.with_labelled(&[("limit", limit)], *count as f64)
    });
    let mut families = vec![
        limited,
        Family::new(
            "netwatch_cpu_seconds_total",
            "CPU time of the threads that run instances.",
            Kind::Counter,
        )
        .with(cpu.used().as_secs_f64()),
    ];
    if quota.is_limited() {
        families.push(gauge(
            "netwatch_disk_used_bytes",
            "What DATA_DIR takes, as far as it was counted for the quota.",
            used.bytes as f64,
        ));
    }
    families
}

/// Bytes that may still be written to the disk of a directory.
pub(crate) fn free_bytes(directory: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(directory).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Answers `GET /metrics`, with what the edge has stopped, where there is one tenant
/// whose concern that is.
pub(crate) async fn answer(
    visitor: &Visitor,
    origin: Option<&str>,
    edge: Option<&Edge>,
) -> HttpAnswer {
    let mut families = of_tenant(&visitor.tenant).await;
    if let Some(edge) = edge {
        exposition::merge(&mut families, &[edge.limited.family()]);
    }
    let text = exposition::encode(&families);
    let answer = Answer::text(exposition::CONTENT_TYPE, text);
    answer::open(answer, origin, &visitor.terms.options.settings)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::worker::{MetricKind, MetricSample};

    fn told(accepted: f64, held: f64) -> Vec<Metric> {
        let metric = |name: &str, kind, value| Metric {
            name: name.to_owned(),
            help: "Help.".to_owned(),
            kind,
            samples: vec![MetricSample {
                suffix: String::new(),
                labels: String::new(),
                value,
            }],
        };
        vec![
            metric("netwatch_accepted_total", MetricKind::Counter, accepted),
            metric("netwatch_held", MetricKind::Gauge, held),
        ]
    }

    #[test]
    fn counters_keep_what_instances_counted_that_are_gone() {
        let meters = Meters::default();
        let workers = [meters.worker(0), meters.worker(1)];
        let sums = || {
            let families = meters.families();
            let total = |name| exposition::total(&families, name);
            (total("netwatch_accepted_total"), total("netwatch_held"))
        };
        workers[0].tell("a", told(5.0, 2.0));
        workers[1].tell("b", told(7.0, 3.0));
        assert_eq!(sums(), (12.0, 5.0));
        workers[0].gone("a");
        assert_eq!(sums(), (12.0, 3.0));
        workers[0].tell("c", told(1.0, 1.0));
        workers[0].tell("c", told(2.0, 0.0));
        assert_eq!(sums(), (14.0, 3.0));
        workers[0].gone("c");
        workers[0].gone("c");
        assert_eq!(sums(), (14.0, 3.0));
    }
}
