//! What was measured, as it is written to and read from JSON.

use crate::machine::Machine;
use crate::targets::Target;
use serde::{Deserialize, Serialize};

/// Everything of one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) seconds: f64,
    pub(crate) cells: Vec<Cell>,
    pub(crate) batches: Vec<BatchCell>,
    /// What was left out, and why.
    pub(crate) notes: Vec<String>,
}

/// One server under one load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) size: String,
    pub(crate) body_bytes: usize,
    pub(crate) connections: usize,
    pub(crate) target: Target,
    pub(crate) rounds: Vec<Round>,
    pub(crate) syscalls_per_report: Option<f64>,
    pub(crate) stored: Option<Stored>,
}

/// One of several alternating rounds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// From the first request until everything is in published files.
    pub(crate) cpu_per_million: f64,
    /// Of the load generator.
    pub(crate) load_cpu_per_million: f64,
    pub(crate) peak_mib: f64,
}

/// What a round left on disk.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) accepted: u64,
    pub(crate) lines: u64,
    pub(crate) lines_bytes: u64,
    pub(crate) file_bytes: u64,
    /// The same lines, file by file, as `zstd -3` has them.
    pub(crate) zstd3_bytes: u64,
}

/// One server taking NDJSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BatchCell {
    pub(crate) target: Target,
    pub(crate) workers: usize,
    pub(crate) reports: usize,
    pub(crate) body_bytes: usize,
    pub(crate) connections: usize,
    pub(crate) rounds: Vec<BatchRound>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct BatchRound {
    /// Raw JSON taken, by the clock.
    pub(crate) mb_per_second: f64,
    /// Raw JSON by CPU time, from the first byte until the files are published.
    pub(crate) mb_per_cpu_second: f64,
}

/// A value with how it varied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            1 => *values.get(middle)?,
            _ => (values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0,
        };
        Some(Spread {
            min: *values.first()?,
            median,
            max: *values.last()?,
        })
    }

    /// How some values compare with others, round by round: what slows a whole
    /// round slows both.
    pub(crate) fn of_ratios(
        own: impl IntoIterator<Item = f64>,
        other: impl IntoIterator<Item = f64>,
    ) -> Option<Spread> {
        Spread::of(own.into_iter().zip(other).map(|(own, other)| own / other))
    }
}

impl Cell {
    pub(crate) fn spread(&self, value: fn(&Round) -> f64) -> Spread {
        Spread::of(self.rounds.iter().map(value)).expect("a cell with rounds")
    }

    /// How a value compares with another server's under the same load.
    pub(crate) fn ratio(&self, other: &Cell, value: fn(&Round) -> f64) -> Spread {
        let (own, other) = (self.rounds.iter(), other.rounds.iter());
        Spread::of_ratios(own.map(value), other.map(value)).expect("cells with rounds")
    }
}

impl Results {
    /// The same load on another server.
    pub(crate) fn beside(&self, cell: &Cell, target: Target) -> Option<&Cell> {
        self.find(&cell.size, cell.connections, target)
    }

    pub(crate) fn find(&self, size: &str, connections: usize, target: Target) -> Option<&Cell> {
        self.cells.iter().find(|cell| {
            cell.size == size && cell.connections == connections && cell.target == target
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        let spread = Spread::of([4.0, 1.0, 3.0, 10.0]).unwrap();
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 3.5, 10.0));
        assert_eq!(Spread::of([2.0]).unwrap().median, 2.0);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // Both are half as fast in the second round.
        let ratio = Spread::of_ratios([100.0, 50.0], [50.0, 25.0]).unwrap();
        assert_eq!((ratio.min, ratio.median, ratio.max), (2.0, 2.0, 2.0));
    }
}
