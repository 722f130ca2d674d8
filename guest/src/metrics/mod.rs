//! What an instance counts, and how it is told: `GET /metrics`.
//!
//! Counting costs an addition: no names, no allocation. Names come when somebody
//! asks ([`collect`]). Under a native host the host asks every instance and adds
//! up; under a stock runtime the answer is about one instance.

pub mod collect;
pub mod exposition;
pub mod http;
pub mod instruments;

use http::HttpMetrics;
use instruments::{Counter, Histogram};
use std::time::Duration;

/// Why reports were refused: the `reason` of the problem document. The last is
/// for any other.
pub const REASONS: [&str; 20] = [
    "origin",
    "key-missing",
    "key-wrong",
    "content-type",
    "content-encoding",
    "too-large",
    "too-many-reports",
    "corrupt-encoding",
    "malformed",
    "not-a-report",
    "stopping",
    "busy",
    "backlog",
    "disk",
    "incomplete",
    "timeout",
    "body",
    "overloaded",
    "unavailable",
    "other",
];

/// Why a journal became a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlushReason {
    /// `FLUSH_BYTES` were reached.
    Size,
    /// `FLUSH_INTERVAL` was over.
    #[default]
    Interval,
    /// The instance ends.
    Drain,
    /// Its instance is gone.
    Recovery,
    /// It could not be written on.
    Failure,
}

impl FlushReason {
    const ALL: [(FlushReason, &str); 5] = [
        (FlushReason::Size, "size"),
        (FlushReason::Interval, "interval"),
        (FlushReason::Drain, "drain"),
        (FlushReason::Recovery, "recovery"),
        (FlushReason::Failure, "failure"),
    ];
}

/// Why a segment was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PruneCause {
    /// Older than `RETENTION_AGE`.
    Age,
    /// Among more than `RETENTION_BYTES`.
    Bytes,
    /// The disk has less free space than `MIN_FREE_BYTES`.
    Space,
}

impl PruneCause {
    /// All, with what they are called.
    pub const ALL: [(PruneCause, &str); 3] = [
        (PruneCause::Age, "age"),
        (PruneCause::Bytes, "bytes"),
        (PruneCause::Space, "space"),
    ];
}

/// What was asked of the reading side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryKind {
    /// Reports.
    Reports,
    /// Statistics.
    Stats,
    /// A plot, or the page with its plots.
    Plot,
}

impl QueryKind {
    const ALL: [(QueryKind, &str); 3] = [
        (QueryKind::Reports, "reports"),
        (QueryKind::Stats, "stats"),
        (QueryKind::Plot, "plot"),
    ];
}

/// How that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered.
    Answered,
    /// Asked for what cannot be.
    Refused,
    /// The client went away.
    Abandoned,
    /// The disk failed, or this server did.
    Failed,
}

impl Outcome {
    const ALL: [(Outcome, &str); 4] = [
        (Outcome::Answered, "answered"),
        (Outcome::Refused, "refused"),
        (Outcome::Abandoned, "abandoned"),
        (Outcome::Failed, "failed"),
    ];
}

/// What was synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Synced {
    Segment,
    Directory,
}

impl Synced {
    const ALL: [(Synced, &str); 2] = [
        (Synced::Segment, "segment"),
        (Synced::Directory, "directory"),
    ];
}

/// All that one instance counts, from its start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// HTTP requests that this instance answered.
    pub http: HttpMetrics,
    received_bytes: Counter,
    rejected: [Counter; REASONS.len()],
    append: Histogram,
    flushes: [Counter; FlushReason::ALL.len()],
    flush: Histogram,
    content_bytes: Counter,
    segment_bytes: Counter,
    sync: [Histogram; Synced::ALL.len()],
    pruned: [Counter; PruneCause::ALL.len()],
    pruned_bytes: Counter,
    prune_failures: Counter,
    unreadable_files: Counter,
    queries: [[Counter; Outcome::ALL.len()]; QueryKind::ALL.len()],
    query: [Histogram; QueryKind::ALL.len()],
}

impl Metrics {
    /// A body of reports was received, with its content coding.
    pub fn received(&self, bytes: usize) {
        self.received_bytes.add(bytes as u64);
    }

    /// Reports were refused, all of a request.
    pub fn rejected(&self, reason: &str) {
        let known = REASONS.iter().position(|known| *known == reason);
        self.rejected[known.unwrap_or(REASONS.len() - 1)].add(1);
    }

    /// A batch is in the journal, synced if `DURABILITY` says so.
    pub(crate) fn appended(&self, duration: Duration) {
        self.append.observe(duration);
    }

    /// A segment has its name; `duration` since it was its turn to be made or
    /// put in place.
    pub(crate) fn flushed(&self, flush: Flush, duration: Duration) {
        self.flushes[flush.reason as usize].add(1);
        self.content_bytes.add(flush.content_bytes);
        self.segment_bytes.add(flush.segment_bytes);
        self.flush.observe(duration);
    }

    pub(crate) fn synced(&self, what: Synced, duration: Duration) {
        self.sync[what as usize].observe(duration);
    }

    /// A segment was removed.
    pub(crate) fn pruned(&self, cause: PruneCause, bytes: u64) {
        self.pruned[cause as usize].add(1);
        self.pruned_bytes.add(bytes);
    }

    pub(crate) fn prune_failed(&self) {
        self.prune_failures.add(1);
    }

    /// A stored file could not be read, or is none that this server writes.
    pub fn unreadable_file(&self) {
        self.unreadable_files.add(1);
    }

    /// A question to the reading side has ended.
    pub fn query(&self, kind: QueryKind, duration: Duration, outcome: Outcome) {
        self.queries[kind as usize][outcome as usize].add(1);
        self.query[kind as usize].observe(duration);
    }
}

/// A segment that was published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flush {
    pub(crate) reason: FlushReason,
    /// Of the lines.
    pub(crate) content_bytes: u64,
    /// Of the file.
    pub(crate) segment_bytes: u64,
}

/// Bytes of linear memory; 0 where there is none.
pub fn memory_bytes() -> u64 {
    #[cfg(target_family = "wasm")]
    return core::arch::wasm32::memory_size::<0>() as u64 * 65_536;
    #[cfg(not(target_family = "wasm"))]
    return 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_causes_are_their_places() {
        fn placed<T: Copy + PartialEq>(all: &[(T, &str)], number: impl Fn(T) -> usize) {
            for (place, (one, _)) in all.iter().enumerate() {
                assert_eq!(number(*one), place);
            }
        }
        placed(&FlushReason::ALL, |one| one as usize);
        placed(&PruneCause::ALL, |one| one as usize);
        placed(&QueryKind::ALL, |one| one as usize);
        placed(&Outcome::ALL, |one| one as usize);
        placed(&Synced::ALL, |one| one as usize);
    }
}
