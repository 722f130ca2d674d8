//! What counts: counters and histograms that cost an addition.
//!
//! Atomics, since the native host uses these from all its threads; in the
//! component, which has one, they compile to plain loads and stores.

use super::exposition::{Family, Sample};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts `more`.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// What has been counted.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

impl Level {
    /// One more, until the guard is dropped.
    pub fn raise(&self) -> Raised<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Raised(self)
    }

    /// How many there are.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Holds a [`Level`] up by one.
#[derive(Debug)]
pub struct Raised<'a>(&'a Level);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Upper bounds of the buckets, seconds as Prometheus is told them and
/// nanoseconds as they are compared. From a report in memory to a disk that
/// hangs; what takes longer has run into a timeout.
const BOUNDS: [(f64, u64); 16] = [
    (0.0001, 100_000),
    (0.00025, 250_000),
    (0.0005, 500_000),
    (0.001, 1_000_000),
    (0.0025, 2_500_000),
    (0.005, 5_000_000),
    (0.01, 10_000_000),
    (0.025, 25_000_000),
    (0.05, 50_000_000),
    (0.1, 100_000_000),
    (0.25, 250_000_000),
    (0.5, 500_000_000),
    (1.0, 1_000_000_000),
    (2.5, 2_500_000_000),
    (5.0, 5_000_000_000),
    (10.0, 10_000_000_000),
];

/// How long something took, by fixed buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    /// Not yet summed up: each holds what is in it alone. The last is for what
    /// is longer than all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Histogram {
    /// Counts one that took `duration`.
    pub fn observe(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|(_, bound)| *bound < nanoseconds);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        let buckets = self.buckets.iter();
        buckets.map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    /// Adds its series to a family. `labels` are encoded already, and may be
    /// empty.
    pub fn put(&self, family: &mut Family, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = 0;
        for (bucket, number) in self.buckets.iter().enumerate() {
            below += number.load(Ordering::Relaxed);
            let bound = match BOUNDS.get(bucket) {
                Some((seconds, _)) => seconds.to_string(),
                None => "+Inf".to_owned(),
            };
            let labels = format!("{labels}{comma}le=\"{bound}\"");
            family
                .samples
                .push(Sample::new("_bucket", labels, below as f64));
        }
        let seconds = self.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9;
        let of = |suffix, value| Sample::new(suffix, labels.to_owned(), value);
        family.samples.push(of("_sum", seconds));
        family.samples.push(of("_count", below as f64));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::metrics::exposition::Kind;

    #[test]
    fn a_bucket_holds_what_is_as_long_as_its_bound_and_all_that_is_shorter() {
        let histogram = Histogram::default();
        for micros in [100, 101, 999, 1_000, 20_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let mut family = Family::new("x_seconds", "X.", Kind::Histogram);
        histogram.put(&mut family, "a=\"b\"");
        let value = |suffix: &str, labels: &str| {
            let found = family.samples.iter();
            let mut found = found.filter(|s| s.suffix == suffix && s.labels == labels);
            let value = found.next().unwrap().value;
            assert!(found.next().is_none());
            value
        };
        assert_eq!(value("_bucket", "a=\"b\",le=\"0.0001\""), 1.0);
        assert_eq!(value("_bucket", "a=\"b\",le=\"0.00025\""), 2.0);
        assert_eq!(value("_bucket", "a=\"b\",le=\"0.001\""), 4.0);
        assert_eq!(value("_bucket", "a=\"b\",le=\"10\""), 4.0);
        assert_eq!(value("_bucket", "a=\"b\",le=\"+Inf\""), 5.0);
        assert_eq!(value("_count", "a=\"b\""), 5.0);
        assert!((value("_sum", "a=\"b\"") - 20.0022).abs() < 1e-9);
        assert_eq!(histogram.count(), 5);
    }

    #[test]
    fn the_bounds_are_one_number_in_two_units_and_grow() {
        for (seconds, nanoseconds) in BOUNDS {
            assert_eq!((seconds * 1e9).round() as u64, nanoseconds);
        }
        assert!(BOUNDS.is_sorted());
    }

    #[test]
    fn a_level_falls_when_its_guard_goes() {
        let level = Level::default();
        let (one, two) = (level.raise(), level.raise());
        assert_eq!(level.get(), 2);
        drop((one, two));
        assert_eq!(level.get(), 0);
    }
}
