//! Puts spans of time together to an answer, within bounded memory.
//!
//! Spans come in the order of time, or nearly: a bucket that no later one can
//! reach is summarised and its sketches are dropped. What is kept is the sketches
//! of the buckets that are open and of each group's total, and a few numbers a
//! bucket.

use super::latencies::{BINS, upper_bound};
use super::question::Scale;
use super::rows::{Cell, Names, OTHER, Row};
use super::table::{Bucket, Density, Group, Summary, Table};
use crate::limits::{MAX_GROUPS, MAX_SUMMARIES};
use std::collections::{BTreeMap, HashMap};

/// Two to this power of a sketch's buckets are one range of latencies: four
/// ranges in each power of two.
const RANGE_POWER: u32 = 4;

/// Ranges of latencies.
const RANGES: usize = BINS.div_ceil(1 << RANGE_POWER);

/// The number of the group [`OTHER`].
const OTHER_NUMBER: u32 = u32::MAX;

/// A group in the making.
#[derive(Debug, Default)]
struct Making {
    name: Box<str>,
    /// Samples so far, those in open buckets included.
    weight: u64,
    /// Of closed buckets.
    total: Cell,
    buckets: Vec<Bucket>,
}

impl Making {
    fn new(name: &str) -> Making {
        Making {
            name: name.into(),
            ..Making::default()
        }
    }
}

/// An answer in the making.
pub(super) struct Fold {
    scale: Scale,
    /// Groups told apart.
    most: usize,
    groups: Vec<Making>,
    numbers: HashMap<Box<str>, u32>,
    other: Making,
    open: BTreeMap<u64, Row>,
    /// No span may begin before.
    closed_to: u64,
    reports: u64,
    unknown: u64,
    report_rate: Vec<(u64, u64)>,
    densities: Vec<(u64, Vec<u64>)>,
}

impl Fold {
    /// Nothing yet.
    pub(super) fn new(scale: Scale) -> Fold {
        let Scale { period, bucket_ms } = scale;
        let first = period.since_ms / bucket_ms;
        let buckets = period.until_ms.div_ceil(bucket_ms).saturating_sub(first);
        let fit = MAX_SUMMARIES / usize::try_from(buckets.max(1)).unwrap_or(usize::MAX);
        Fold {
            scale,
            most: MAX_GROUPS.min(fit),
            groups: Vec::new(),
            numbers: HashMap::new(),
            other: Making::new(OTHER),
            open: BTreeMap::new(),
            closed_to: 0,
            reports: 0,
            unknown: 0,
            report_rate: Vec::new(),
            densities: Vec::new(),
        }
    }

    /// From now on no span begins before `ms`.
    pub(super) fn pass(&mut self, ms: u64) {
        self.closed_to = self.closed_to.max(ms);
        while let Some(bucket) = self.open.first_entry() {
            if bucket.key() + self.scale.bucket_ms > self.closed_to {
                return;
            }
            let (start, row) = bucket.remove_entry();
            self.close(start, row);
        }
    }

    /// Adds a span of time that begins at `start`, if it is in the period.
    pub(super) fn absorb(&mut self, start: u64, row: &Row, names: &Names) {
        let start = start.max(self.closed_to);
        if !self.scale.period.contains(start) {
            return;
        }
        self.reports += row.reports;
        self.unknown += row.unknown;
        let bucket = start / self.scale.bucket_ms * self.scale.bucket_ms;
        let mine = self.open.entry(bucket).or_default();
        mine.reports += row.reports;
        for (number, cell) in &row.cells {
            let name = names.name(*number).unwrap_or(OTHER);
            let number = self.number(name, cell.samples);
            let group = match self.groups.get_mut(number as usize) {
                Some(group) => group,
                None => &mut self.other,
            };
            group.weight += cell.samples;
            if let Some(mine) = self.open.get_mut(&bucket) {
                mine.cells.entry(number).or_default().merge(cell);
            }
        }
    }

    /// The number of a group. Where there are too many, one that has fewer
    /// samples than the new one brings gives its place up.
    fn number(&mut self, name: &str, samples: u64) -> u32 {
        if name == OTHER {
            return OTHER_NUMBER;
        }
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = if self.groups.len() < self.most {
            self.groups.push(Making::new(name));
            self.groups.len() - 1
        } else {
            let weights = self.groups.iter().map(|group| group.weight).enumerate();
            match weights.min_by_key(|(_, weight)| *weight) {
                Some((least, weight)) if weight < samples => {
                    self.give_up(least, name);
                    least
                }
                _ => return OTHER_NUMBER,
            }
        };
        let number = u32::try_from(number).unwrap_or(OTHER_NUMBER);
        self.numbers.insert(name.into(), number);
        number
    }

    /// Counts a group among the others and gives its number to another.
    fn give_up(&mut self, number: usize, to: &str) {
        let Some(group) = self.groups.get_mut(number) else {
            return;
        };
        let gone = std::mem::replace(group, Making::new(to));
        self.numbers.remove(&gone.name);
        self.other.weight += gone.weight;
        self.other.total.merge(&gone.total);
        let number = u32::try_from(number).unwrap_or(OTHER_NUMBER);
        for row in self.open.values_mut() {
            if let Some(cell) = row.cells.remove(&number) {
                row.cells.entry(OTHER_NUMBER).or_default().merge(&cell);
            }
        }
        for bucket in gone.buckets {
            let others = &mut self.other.buckets;
            match others.binary_search_by_key(&bucket.start_ms, |other| other.start_ms) {
                Err(at) => others.insert(at, bucket),
                Ok(at) => join(&mut others[at].summary, &bucket.summary),
            }
        }
    }

    fn close(&mut self, start: u64, mut row: Row) {
        if row.reports > 0 {
            self.report_rate.push((start, row.reports));
        }
        let mut counts = vec![0; RANGES];
        for (number, cell) in &mut row.cells {
            for (bin, count) in cell.latencies.bins() {
                if let Some(range) = counts.get_mut((bin >> RANGE_POWER) as usize) {
                    *range += count;
                }
            }
            let group = match self.groups.get_mut(*number as usize) {
                Some(group) => group,
                None => &mut self.other,
            };
            group.total.merge(cell);
            let bucket = Bucket {
                start_ms: start,
                summary: summary(cell),
            };
            let sorted = &mut group.buckets;
            let at = sorted.partition_point(|earlier| earlier.start_ms < start);
            match sorted.get_mut(at).filter(|there| there.start_ms == start) {
                Some(there) => join(&mut there.summary, &bucket.summary),
                None => sorted.insert(at, bucket),
            }
        }
        if counts.iter().any(|count| *count > 0) {
            self.densities.push((start, counts));
        }
    }

    /// The answer.
    pub(super) fn finish(mut self, group_by: String, problems: Vec<String>) -> Table {
        self.pass(u64::MAX);
        let mut making = self.groups;
        if self.other.weight > 0 {
            making.push(self.other);
        }
        let mut groups: Vec<Group> = making
            .into_iter()
            .map(|mut group| Group {
                name: group.name.into(),
                total: summary(&mut group.total),
                buckets: group.buckets,
            })
            .collect();
        groups.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let (latency_bounds, densities) = trim(self.densities);
        Table {
            since_ms: self.scale.period.since_ms,
            until_ms: self.scale.period.until_ms,
            bucket_ms: self.scale.bucket_ms,
            group_by,
            groups,
            reports: self.reports,
            unknown_reports: self.unknown,
            report_rate: self.report_rate,
            latency_bounds,
            densities,
            problems,
        }
    }
}

/// The numbers of a cell.
fn summary(cell: &mut Cell) -> Summary {
    let mut summary = Summary {
        samples: cell.samples,
        errors: cell.errors,
        clients: cell.clients.count(),
        ..Summary::default()
    };
    if let Some(exact) = cell.latencies.exact() {
        let [p50, p90, p95, p99] = cell.latencies.quantiles([0.5, 0.9, 0.95, 0.99]);
        summary.min = Some(exact.min);
        summary.mean = Some(exact.sum / exact.count as f64);
        (summary.p50, summary.p90) = (Some(p50), Some(p90));
        (summary.p95, summary.p99) = (Some(p95), Some(p99));
        summary.max = Some(exact.max);
    }
    summary
}

/// Adds one summary to another, as far as that goes: quantiles of both together
/// are not known any more, and of their clients only that there are not fewer.
fn join(mine: &mut Summary, other: &Summary) {
    let successes = |of: &Summary| (of.samples - of.errors.min(of.samples)) as f64;
    let (n, m) = (successes(mine), successes(other));
    mine.mean = match (mine.mean, other.mean) {
        (Some(a), Some(b)) => Some((a * n + b * m) / (n + m)),
        (a, b) => a.or(b),
    };
    let least = [mine.min, other.min].into_iter().flatten();
    let greatest = [mine.max, other.max].into_iter().flatten();
    (mine.min, mine.max) = (least.reduce(f64::min), greatest.reduce(f64::max));
    if n > 0.0 && m > 0.0 {
        (mine.p50, mine.p90, mine.p95, mine.p99) = (None, None, None, None);
    } else if n == 0.0 {
        (mine.p50, mine.p90) = (other.p50, other.p90);
        (mine.p95, mine.p99) = (other.p95, other.p99);
    }
    mine.samples += other.samples;
    mine.errors += other.errors;
    mine.clients = mine.clients.max(other.clients);
}

/// The ranges in use, with an empty one on either side as an edge.
fn trim(densities: Vec<(u64, Vec<u64>)>) -> (Vec<f64>, Vec<Density>) {
    let used = |range: &usize| {
        let count = |counts: &Vec<u64>| counts.get(*range).copied().unwrap_or(0);
        densities.iter().any(|(_, counts)| count(counts) > 0)
    };
    let (Some(first), Some(last)) = ((0..RANGES).find(used), (0..RANGES).rev().find(used)) else {
        return (Vec::new(), Vec::new());
    };
    let shown = first.saturating_sub(1)..last + 1;
    let bound = |range: usize| {
        let bin = ((range as u32 + 1) << RANGE_POWER) - 1;
        upper_bound(bin)
    };
    let bounds = shown.clone().map(bound).collect();
    let densities = densities.into_iter().map(|(start_ms, counts)| {
        let mut counts: Vec<u64> = counts.get(shown.clone()).unwrap_or_default().to_vec();
        counts.push(0);
        Density { start_ms, counts }
    });
    (bounds, densities.collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::query::period::Period;
    use crate::stats::mapping::Sample;
    use crate::stats::rows::Rows;

    const SCALE: Scale = Scale {
        period: Period {
            since_ms: 0,
            until_ms: 1_000 * 60_000,
        },
        bucket_ms: 60_000,
    };

    /// Rows of one report a minute from each of these hosts: name, latencies.
    fn rows(minute: u64, hosts: &[(String, Vec<f64>)]) -> Rows {
        let mut rows = Rows::default();
        for (name, latencies) in hosts {
            rows.report(minute * 60_000, Some(1), |add| {
                let took = latencies.iter().map(|latency| Sample::Took(*latency));
                took.for_each(|sample| add(name, sample));
                latencies.len() as u64
            });
        }
        rows
    }

    fn absorb(fold: &mut Fold, rows: Rows) {
        let (names, rows) = rows.into_parts();
        for (start, row) in &rows {
            fold.pass(*start);
            fold.absorb(*start, row, &names);
        }
    }

    #[test]
    fn invented_names_displace_no_host_that_measures_and_nothing_is_lost() {
        let mut fold = Fold::new(SCALE);
        for minute in 0..200 {
            let invented = |n| (format!("invented {minute} {n}"), vec![1.0]);
            let mut hosts: Vec<_> = (0..100).map(invented).collect();
            if minute >= 10 {
                hosts.push(("real".to_owned(), vec![5.0, 7.0]));
            }
            absorb(&mut fold, rows(minute, &hosts));
            assert!(fold.groups.len() <= MAX_SUMMARIES / 1_000);
        }
        let table = fold.finish("host".to_owned(), Vec::new());
        let real = table.groups.iter().find(|group| group.name == "real");
        let real = real.unwrap();
        assert_eq!((real.total.samples, real.buckets.len()), (380, 190));
        let samples = |of: &Group| of.total.samples;
        assert_eq!(table.groups.iter().map(samples).sum::<u64>(), 20_380);
        let in_buckets = table.groups.iter().flat_map(|group| &group.buckets);
        assert_eq!(
            in_buckets.map(|one| one.summary.samples).sum::<u64>(),
            20_380
        );
        for group in &table.groups {
            assert!(
                group
                    .buckets
                    .is_sorted_by(|one, next| one.start_ms < next.start_ms)
            );
        }
    }

    #[test]
    fn a_group_that_gave_its_place_up_counts_among_the_others() {
        let mut fold = Fold::new(SCALE);
        fold.most = 1;
        absorb(&mut fold, rows(1, &[("a".to_owned(), vec![1.0, 3.0])]));
        absorb(&mut fold, rows(2, &[("b".to_owned(), vec![8.0; 3])]));
        absorb(&mut fold, rows(3, &[("c".to_owned(), vec![2.0; 9])]));
        let table = fold.finish("host".to_owned(), Vec::new());
        assert_eq!(table.groups.len(), 2);
        let (other, c) = (&table.groups[0], &table.groups[1]);
        assert_eq!((&*other.name, &*c.name), (OTHER, "c"));
        assert_eq!(other.total.samples, 5);
        assert_eq!((other.total.min, other.total.max), (Some(1.0), Some(8.0)));
        let means: Vec<_> = other.buckets.iter().map(|one| one.summary.mean).collect();
        assert_eq!(means, [Some(2.0), Some(8.0)]);
    }

    #[test]
    fn ranges_of_latency_hold_every_sample_and_have_edges() {
        let mut fold = Fold::new(SCALE);
        let latencies = vec![0.0, 0.3, 10.0, 10.1, 250.0];
        absorb(&mut fold, rows(1, &[("a".to_owned(), latencies.clone())]));
        let table = fold.finish("host".to_owned(), Vec::new());
        let bounds = &table.latency_bounds;
        let counts = &table.densities[0].counts;
        assert_eq!(counts.len(), bounds.len() + 1);
        assert!(bounds.is_sorted());
        for (n, count) in counts.iter().enumerate() {
            let low = n.checked_sub(1).map_or(-1.0, |below| bounds[below]);
            let high = bounds.get(n).copied().unwrap_or(f64::MAX);
            let within = |latency: &&f64| (low..high).contains(*latency);
            assert_eq!(*count, latencies.iter().filter(within).count() as u64);
        }
        assert_eq!(counts.last(), Some(&0));
    }
}
