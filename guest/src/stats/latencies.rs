//! The distribution of latencies, small and mergeable.
//!
//! A library's histogram with buckets that grow with the value ([`histogram`]):
//! each power of two is cut into 64 buckets, and a quantile is given as the middle
//! of its bucket. So it is wrong by at most 1/128 of the value
//! ([`RELATIVE_ERROR`]), however often sketches were merged. Count, sum, smallest
//! and largest latency are exact.
//!
//! Latencies are counted in millionths of the unit they are reported in
//! (milliseconds, as a rule), so that other units fare as well: from 0.00005 to
//! 1.1 thousand million the error holds. What is smaller is wrong by at most
//! 0.0000005; what is larger is counted in the last bucket, and a quantile is
//! never above the largest latency.

use histogram::{Config, Quantile, SparseHistogram};

/// How far a quantile may be from the true one, as a part of it.
pub const RELATIVE_ERROR: f64 = 1.0 / 128.0;

/// Each power of two is cut into two to this power of buckets.
const GROUPING_POWER: u8 = 6;

/// Powers of two that are told apart.
const MAX_VALUE_POWER: u8 = 50;

const CONFIG: Config = match Config::new(GROUPING_POWER, MAX_VALUE_POWER) {
    Ok(config) => config,
    Err(_) => unreachable!(),
};

/// Number of buckets.
pub const BINS: usize = CONFIG.total_buckets();

/// Units counted in, in one unit of the report.
const SCALE: f64 = 1_000_000.0;

/// Samples that wait to be sorted into buckets together.
const PENDING: usize = 512;

/// Latencies of any number of samples.
#[derive(Clone, Debug)]
pub struct Latencies {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    bins: SparseHistogram,
    /// Buckets of samples that are not yet in `bins`.
    pending: Vec<u16>,
}

impl Default for Latencies {
    fn default() -> Self {
        Latencies {
            count: 0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            bins: SparseHistogram::with_config(&CONFIG),
            pending: Vec::new(),
        }
    }
}

/// What is known exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exact {
    /// Samples that succeeded.
    pub count: u64,
    /// Their latencies' sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Latencies {
    /// Counts a latency: finite and not negative.
    pub fn add(&mut self, latency: f64) {
        self.count += 1;
        self.sum += latency;
        self.min = self.min.min(latency);
        self.max = self.max.max(latency);
        self.pending.push(bin_of(latency));
        if self.pending.len() >= PENDING {
            self.settle();
        }
    }

    /// Counts all that another has counted.
    pub fn merge(&mut self, other: &Latencies) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.pending.extend_from_slice(&other.pending);
        if self.pending.len() >= PENDING {
            self.settle();
        }
        if !other.bins.is_empty() {
            self.add_bins(&other.bins);
        }
    }

    /// Samples counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// What is known exactly; `None` without samples.
    pub fn exact(&self) -> Option<Exact> {
        (self.count > 0).then_some(Exact {
            count: self.count,
            sum: self.sum,
            min: self.min,
            max: self.max,
        })
    }

    /// The latencies that these parts of all samples are not above: for a part
    /// `q` of `n` samples, the one of rank ⌈q·n⌉, from 1. Zeros without samples.
    pub fn quantiles<const N: usize>(&mut self, parts: [f64; N]) -> [f64; N] {
        self.settle();
        let found = self.bins.quantiles(&parts).ok().flatten();
        parts.map(|part| {
            let part = Quantile::new(part).ok();
            let bucket = part.and_then(|part| found.as_ref()?.get(&part));
            bucket.map_or(0.0, |bucket| {
                let middle = (bucket.start() as f64 + bucket.end() as f64) / 2.0 / SCALE;
                middle.clamp(self.min, self.max)
            })
        })
    }

    /// The buckets that hold something, rising, with their counts.
    pub fn bins(&mut self) -> impl Iterator<Item = (u32, u64)> {
        self.settle();
        let bins = self.bins.index().iter().zip(self.bins.count());
        bins.map(|(bin, count)| (*bin, *count))
    }

    /// Puts together what [`Latencies::exact`] and [`Latencies::bins`] gave.
    /// `None` if they do not belong together.
    pub fn from_parts(exact: Exact, bins: Vec<u32>, counts: Vec<u64>) -> Option<Latencies> {
        let counted = counts.iter().try_fold(0_u64, |all, n| all.checked_add(*n));
        let sound = exact.min >= 0.0 && exact.min <= exact.max && exact.max.is_finite();
        if counted != Some(exact.count) || exact.count == 0 || !sound || exact.sum.is_nan() {
            return None;
        }
        Some(Latencies {
            count: exact.count,
            sum: exact.sum,
            min: exact.min,
            max: exact.max,
            bins: SparseHistogram::from_parts(CONFIG, bins, counts).ok()?,
            pending: Vec::new(),
        })
    }

    /// Sorts what is pending into buckets.
    fn settle(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        self.pending.sort_unstable();
        let (mut bins, mut counts) = (Vec::new(), Vec::<u64>::new());
        for bin in self.pending.drain(..) {
            match (bins.last(), counts.last_mut()) {
                (Some(last), Some(count)) if *last == u32::from(bin) => *count += 1,
                _ => {
                    bins.push(u32::from(bin));
                    counts.push(1);
                }
            }
        }
        if let Ok(fresh) = SparseHistogram::from_parts(CONFIG, bins, counts) {
            self.add_bins(&fresh);
        }
    }

    fn add_bins(&mut self, bins: &SparseHistogram) {
        // Of one configuration, and no count comes near 2^64.
        if let Ok(sum) = self.bins.checked_add(bins) {
            self.bins = sum;
        }
    }
}

/// The bucket of a latency. The library has this formula in its documentation
/// and keeps its function to itself.
fn bin_of(latency: f64) -> u16 {
    // A float too large becomes the largest integer.
    let value = ((latency * SCALE).round() as u64).min((1 << MAX_VALUE_POWER) - 1);
    let grouping = u32::from(GROUPING_POWER);
    let shift = (63 - (value | 1).leading_zeros()).saturating_sub(grouping);
    let bin = (u64::from(shift) << grouping) + (value >> shift);
    u16::try_from(bin).unwrap_or(u16::MAX)
}

/// The upper bound of a bucket, exclusive, in the unit of the report.
pub fn upper_bound(bin: u32) -> f64 {
    let next = u64::from(bin) + 1;
    let shift = (next >> GROUPING_POWER).saturating_sub(1);
    ((next - (shift << GROUPING_POWER)) << shift) as f64 / SCALE
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use histogram::Histogram;
    use proptest::prelude::*;

    fn sketch(latencies: &[f64]) -> Latencies {
        let mut sketch = Latencies::default();
        latencies.iter().for_each(|latency| sketch.add(*latency));
        sketch
    }

    /// What is equal when two sketches are.
    fn parts(sketch: &mut Latencies) -> (u64, f64, f64, Vec<(u32, u64)>) {
        let (count, min, max) = (sketch.count, sketch.min, sketch.max);
        (count, min, max, sketch.bins().collect())
    }

    fn latency() -> impl Strategy<Value = f64> {
        prop_oneof![
            0.0..3.0_f64,
            0.0..2_000.0_f64,
            Just(0.0),
            0.0..1e9_f64,
            (-4.0..9.0_f64).prop_map(|exponent| 10_f64.powf(exponent)),
        ]
    }

    #[test]
    fn no_quantile_is_wrong_by_more_than_one_percent() {
        const { assert!(RELATIVE_ERROR <= 0.01) };
    }

    proptest! {
        #[test]
        fn buckets_are_the_librarys(
            value in prop_oneof![0..1_u64 << 50, 0..1_000_u64, 0..1_u64 << 20],
        ) {
            let mut theirs = Histogram::with_config(&CONFIG);
            theirs.increment(value).unwrap();
            let at = theirs.as_slice().iter().position(|count| *count == 1).unwrap();
            prop_assert_eq!(at, usize::from(bin_of(value as f64 / SCALE)));
            let end = theirs.iter().nth(at).unwrap().end();
            prop_assert_eq!(upper_bound(at as u32), (end + 1) as f64 / SCALE);
        }

        #[test]
        fn quantiles_are_within_the_stated_error_and_the_rest_is_exact(
            latencies in prop::collection::vec(latency(), 1..2_000),
        ) {
            let mut sketch = sketch(&latencies);
            let mut sorted = latencies.clone();
            sorted.sort_by(f64::total_cmp);
            let exact = sketch.exact().unwrap();
            prop_assert_eq!((exact.min, exact.max), (sorted[0], sorted[sorted.len() - 1]));
            prop_assert_eq!(exact.count, latencies.len() as u64);
            let parts = [0.5, 0.9, 0.95, 0.99];
            for (part, found) in parts.into_iter().zip(sketch.quantiles(parts)) {
                let rank = (part * sorted.len() as f64).ceil() as usize;
                let truth = sorted[rank - 1];
                prop_assert!(
                    (found - truth).abs() <= truth * RELATIVE_ERROR + 0.5 / SCALE,
                    "{part}: {found} instead of {truth}"
                );
            }
        }

        #[test]
        fn merged_sketches_are_the_sketch_of_all(
            latencies in prop::collection::vec(latency(), 0..3_000), cut in 0..3_000_usize,
        ) {
            let (left, right) = latencies.split_at(cut.min(latencies.len()));
            let mut merged = sketch(left);
            merged.merge(&sketch(right));
            prop_assert_eq!(parts(&mut merged), parts(&mut sketch(&latencies)));
        }
    }

    #[test]
    fn latencies_beyond_any_bucket_are_in_the_last() {
        let mut sketch = sketch(&[1e300, 2.0]);
        assert_eq!(sketch.bins().last().unwrap().0 as usize, BINS - 1);
        assert!(sketch.quantiles([0.99])[0] <= 1e300);
    }

    #[test]
    fn without_samples_there_is_nothing() {
        let mut none = Latencies::default();
        assert_eq!((none.exact(), none.quantiles([0.5])), (None, [0.0]));
        assert_eq!(none.bins().count(), 0);
    }
}
