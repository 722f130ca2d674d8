//! Statistics in the making: what was measured, by span of time and group.

use super::clients::Clients;
use super::latencies::Latencies;
use super::mapping::Sample;
use crate::limits::{MAX_CANDIDATES, MAX_CELLS, MAX_GROUPS, MIN_GROUPS};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

/// The group that takes what is beyond the bounds.
pub const OTHER: &str = "(other)";

/// What one group measured in one span of time.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// Measurements, failed ones included.
    pub samples: u64,
    /// Those that failed.
    pub errors: u64,
    /// Those that did not.
    pub latencies: Latencies,
    /// Who measured.
    pub clients: Clients,
}

impl Cell {
    /// Counts a measurement.
    pub fn add(&mut self, sample: Sample) {
        self.samples += 1;
        match sample {
            Sample::Took(latency) => self.latencies.add(latency),
            Sample::Failed => self.errors += 1,
        }
    }

    /// Counts all that another has counted.
    pub fn merge(&mut self, other: &Cell) {
        self.samples += other.samples;
        self.errors += other.errors;
        self.latencies.merge(&other.latencies);
        self.clients.merge(&other.clients);
    }
}

/// One span of time.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Reports received in it.
    pub reports: u64,
    /// Those that hold no measurement where the settings say.
    pub unknown: u64,
    /// What was measured, by the number of the group's name.
    pub cells: BTreeMap<u32, Cell>,
}

/// Names, numbered in the order they came.
#[derive(Clone, Debug, Default)]
pub struct Names {
    names: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32>,
}

impl Names {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// In the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// The name of a number.
    pub fn name(&self, number: u32) -> Option<&str> {
        self.names.get(number as usize).map(|name| &**name)
    }

    /// The number of a name that is there.
    pub fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The number of a name, there or new.
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.find(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.into());
        self.numbers.insert(name.into(), number);
        number
    }

    /// The same, where there may be `most`; those beyond are [`OTHER`].
    pub fn number_among(&mut self, name: &str, most: usize) -> u32 {
        match self.find(name) {
            Some(number) => number,
            None if self.names.len() < most => self.number(name),
            None => self.number(OTHER),
        }
    }
}

/// Spans of time, each with its groups.
///
/// However many names come, memory is bounded: when there are too many, those
/// with the fewest samples so far are put together as [`OTHER`]. A name that
/// comes again afterwards begins anew.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    names: Names,
    /// Samples of each name.
    weights: Vec<u64>,
    rows: BTreeMap<u64, Row>,
    cells: usize,
}

impl Rows {
    /// The names of the groups.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The spans of time by their start, milliseconds since 1970, rising.
    pub fn rows(&mut self) -> impl Iterator<Item = (u64, &mut Row)> {
        self.rows.iter_mut().map(|(start, row)| (*start, row))
    }

    /// The starts of the first and the last span of time.
    pub fn span(&self) -> Option<(u64, u64)> {
        let (first, _) = self.rows.first_key_value()?;
        let (last, _) = self.rows.last_key_value()?;
        Some((*first, *last))
    }

    /// How many spans of time there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Names and rows by themselves.
    pub fn into_parts(self) -> (Names, BTreeMap<u64, Row>) {
        (self.names, self.rows)
    }

    /// Rows as a file holds them.
    #[cfg(test)]
    pub(super) fn from_parts(names: Names, rows: Vec<(u64, Row)>) -> Rows {
        Rows {
            names,
            rows: rows.into_iter().collect(),
            ..Rows::default()
        }
    }

    /// Counts a report received in the span that begins at `start`. `samples`
    /// calls what it is given for each measurement and returns their number.
    pub fn report(
        &mut self,
        start: u64,
        client: Option<u64>,
        samples: impl FnOnce(&mut dyn FnMut(&str, Sample)) -> u64,
    ) {
        let row = self.rows.entry(start).or_default();
        row.reports += 1;
        let (names, weights, cells) = (&mut self.names, &mut self.weights, &mut self.cells);
        // Samples of one host follow each other.
        let mut last: Option<u32> = None;
        let mut add = |name: &str, sample: Sample| {
            let same = last.filter(|last| names.name(*last) == Some(name));
            let number = same.unwrap_or_else(|| names.number(name));
            weigh(weights, number, 1);
            let cell = row.cells.entry(number).or_insert_with(|| {
                *cells += 1;
                Cell::default()
            });
            cell.add(sample);
            if let Some(client) = client.filter(|_| last != Some(number)) {
                cell.clients.add(client);
            }
            last = Some(number);
        };
        if samples(&mut add) == 0 {
            row.unknown += 1;
        }
        self.bound(MAX_CANDIDATES);
    }

    /// Adds a span of time of others, whose groups have these names.
    pub fn absorb(&mut self, start: u64, row: &Row, names: &Names) {
        let mine = self.rows.entry(start).or_default();
        mine.reports += row.reports;
        mine.unknown += row.unknown;
        for (number, cell) in &row.cells {
            let number = self.names.number(names.name(*number).unwrap_or(OTHER));
            weigh(&mut self.weights, number, cell.samples);
            let cells = &mut self.cells;
            let mine = mine.cells.entry(number).or_insert_with(|| {
                *cells += 1;
                Cell::default()
            });
            mine.merge(cell);
        }
        self.bound(MAX_CANDIDATES);
    }

    /// Leaves no more groups than a file or an answer may have.
    pub fn finish(&mut self) {
        self.bound(MAX_GROUPS);
    }

    /// Where there are more than `most` names besides [`OTHER`], or too many
    /// cells, keeps the names that weigh most and puts the others together.
    fn bound(&mut self, most: usize) {
        // What is left at the least, twice, so that this is not done at every report.
        let least = 2 * (MIN_GROUPS + 1) * self.rows.len();
        if self.names.len() <= most + 1 && self.cells <= MAX_CELLS.max(least) {
            return;
        }
        let fit = MAX_CELLS / 2 / self.rows.len().max(1);
        let keep = MAX_GROUPS.min(fit).max(MIN_GROUPS);
        let numbers = (0..).zip(self.names.iter().zip(&self.weights));
        let mut order: Vec<(u32, u64)> = numbers
            .filter(|(_, (name, _))| *name != OTHER)
            .map(|(number, (_, weight))| (number, *weight))
            .collect();
        order.sort_unstable_by_key(|(number, weight)| (Reverse(*weight), *number));
        order.truncate(keep);
        let (mut kept, mut weights) = (Names::default(), Vec::new());
        let mut moved = HashMap::new();
        for (number, weight) in order {
            if let Some(name) = self.names.name(number) {
                let to = kept.number(name);
                weigh(&mut weights, to, weight);
                moved.insert(number, to);
            }
        }
        let other = kept.number(OTHER);
        weigh(&mut weights, other, 0);
        self.cells = 0;
        for row in self.rows.values_mut() {
            let mut cells = BTreeMap::new();
            for (number, cell) in std::mem::take(&mut row.cells) {
                let to = moved.get(&number).copied().unwrap_or(other);
                match cells.remove(&to) {
                    None => cells.insert(to, cell),
                    Some(mut sum) => {
                        Cell::merge(&mut sum, &cell);
                        cells.insert(to, sum)
                    }
                };
            }
            self.cells += cells.len();
            row.cells = cells;
        }
        (self.names, self.weights) = (kept, weights);
    }
}

/// Adds to the weight of a name.
fn weigh(weights: &mut Vec<u64>, number: u32, samples: u64) {
    let number = number as usize;
    if weights.len() <= number {
        weights.resize(number + 1, 0);
    }
    weights[number] += samples;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn report(rows: &mut Rows, start: u64, samples: &[(&str, f64)]) {
        rows.report(start, Some(7), |add| {
            for (name, latency) in samples {
                add(name, Sample::Took(*latency));
            }
            samples.len() as u64
        });
    }

    fn samples(rows: &mut Rows) -> u64 {
        let cells = rows.rows().flat_map(|(_, row)| row.cells.values());
        cells.map(|cell| cell.samples).sum()
    }

    #[test]
    fn invented_names_displace_no_host_that_measures_and_nothing_is_lost() {
        let mut rows = Rows::default();
        for n in 0..20_000 {
            let invented = format!("invented {n}");
            let samples = [(&*invented, 1.0), ("real", 2.0), ("also real", 3.0)];
            report(&mut rows, n / 2_000, &samples);
            assert!(rows.names().len() <= MAX_CANDIDATES + 1);
        }
        rows.finish();
        assert!(rows.names().len() <= MAX_GROUPS + 1);
        assert_eq!(samples(&mut rows), 60_000);
        for name in ["real", "also real"] {
            let number = rows.names().find(name).unwrap();
            for (_, row) in rows.rows() {
                assert_eq!(row.cells.get(&number).unwrap().samples, 2_000, "{name}");
            }
        }
        assert!(rows.names().find(OTHER).is_some());
    }

    #[test]
    fn many_spans_of_time_leave_fewer_groups() {
        let mut rows = Rows::default();
        for minute in 0..2_000 {
            for host in 0..50 {
                report(&mut rows, minute, &[(&format!("host {host}"), 1.0)]);
            }
            let least = 2 * (MIN_GROUPS + 1) * rows.len();
            assert!(rows.cells <= MAX_CELLS.max(least));
        }
        assert_eq!(samples(&mut rows), 100_000);
        let counted: usize = rows.rows().map(|(_, row)| row.cells.len()).sum();
        assert!(counted < 2_000 * 50, "{counted}");
        assert_eq!(counted, rows.cells);
    }

    #[test]
    fn clients_count_once_and_reports_without_samples_are_unknown() {
        let mut rows = Rows::default();
        report(
            &mut rows,
            0,
            &[("a", 1.0), ("a", 2.0), ("b", 1.0), ("a", 3.0)],
        );
        report(&mut rows, 0, &[]);
        rows.report(0, None, |add| {
            add("a", Sample::Failed);
            1
        });
        let (_, row) = rows.rows().next().unwrap();
        assert_eq!((row.reports, row.unknown), (3, 1));
        let a = row.cells.get(&0).unwrap();
        assert_eq!((a.samples, a.errors, a.clients.count()), (4, 1, 1));
    }
}
