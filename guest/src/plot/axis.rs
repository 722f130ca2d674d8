//! Axes: where values lie, which of them get a label, and what it says.

use super::text::{self, Moment};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use std::ops::Range;

/// An axis of a plot.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    range: Range<f64>,
    logarithmic: bool,
    ticks: Vec<f64>,
    label: fn(f64) -> String,
}

/// Steps of a time axis, seconds.
const TIME_STEPS: [u64; 20] = [
    1, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
    172_800, 604_800, 1_209_600, 2_419_200,
];

/// Smallest latency that a logarithmic axis shows, ms; a measured zero lies there.
const SMALLEST_MS: f64 = 0.01;

impl Axis {
    /// Time, UTC, with at most that many labels.
    pub(super) fn time(since_ms: u64, until_ms: u64, labels: u64) -> Axis {
        let until_ms = until_ms.max(since_ms + 1);
        let wanted = (until_ms - since_ms) / labels.max(1);
        let step = TIME_STEPS.iter().map(|seconds| seconds * 1000);
        let step = step
            .clone()
            .find(|step| *step >= wanted)
            .unwrap_or_else(|| {
                // Years of reports: as many of the largest steps as it takes.
                let largest = step.clone().next_back().unwrap_or(1);
                wanted.div_ceil(largest) * largest
            });
        let first = since_ms.div_ceil(step);
        let ticks = (first..).map(|number| number * step);
        let ticks = ticks.take_while(|tick| *tick <= until_ms);
        Axis {
            range: since_ms as f64..until_ms as f64,
            logarithmic: false,
            ticks: ticks.map(|tick| tick as f64).collect(),
            label: time_label,
        }
    }

    /// Latencies, ms; logarithmic where they differ so much that the small ones
    /// would lie on the bottom. `values` must not be empty of meaning: without a
    /// positive one the axis goes to 1 ms.
    pub(super) fn latency(values: impl Iterator<Item = f64> + Clone) -> Axis {
        let largest = values.clone().fold(0.0, f64::max);
        let largest = if largest > 0.0 { largest } else { 1.0 };
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(largest);
        if largest > 12.0 * median {
            let smallest = sorted.first().copied().unwrap_or(largest);
            Axis::logarithmic(smallest, largest, 4)
        } else {
            Axis::linear(largest, 4, text::latency)
        }
    }

    /// Latencies on a logarithmic axis, ms.
    pub(super) fn logarithmic(smallest: f64, largest: f64, labels: usize) -> Axis {
        let smallest = smallest.max(SMALLEST_MS);
        let largest = largest.max(smallest * 1.5);
        let decades = smallest.log10().floor() as i32..=largest.log10().ceil() as i32;
        let ticks = |factors: &[f64]| -> Vec<f64> {
            let of_decade = |decade| {
                factors
                    .iter()
                    .map(move |factor| factor * 10_f64.powi(decade))
            };
            let all = decades.clone().flat_map(of_decade);
            all.filter(|tick| (smallest..=largest).contains(tick))
                .collect()
        };
        let fine = [&[1.0, 2.0, 5.0][..], &[1.0, 3.0], &[1.0]];
        let fitting = fine.iter().map(|factors| ticks(factors));
        let fitting = fitting.clone().find(|ticks| ticks.len() <= labels);
        Axis {
            range: smallest..largest,
            logarithmic: true,
            ticks: fitting.unwrap_or_else(|| ticks(&[1.0])),
            label: text::latency,
        }
    }

    /// From zero.
    pub(super) fn linear(largest: f64, labels: u32, label: fn(f64) -> String) -> Axis {
        let wanted = largest / f64::from(labels);
        let decade = 10_f64.powf(wanted.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * decade);
        let step = steps.into_iter().find(|step| *step >= wanted);
        let step = step.unwrap_or(largest);
        let ticks = (0..=labels).map(|number| f64::from(number) * step);
        Axis {
            range: 0.0..largest * 1.05,
            logarithmic: false,
            ticks: ticks.filter(|tick| *tick <= largest * 1.05).collect(),
            label,
        }
    }

    /// Whether it is logarithmic.
    pub(super) fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }

    fn part(&self, value: f64) -> f64 {
        let scale = |value: f64| {
            if self.logarithmic {
                value.max(self.range.start).ln()
            } else {
                value
            }
        };
        let (start, end) = (scale(self.range.start), scale(self.range.end));
        ((scale(value) - start) / (end - start)).clamp(0.0, 1.0)
    }
}

fn time_label(ms: f64) -> String {
    let moment = Moment::of(ms as u64);
    if moment.begins_a_day() {
        moment.date()
    } else {
        moment.time()
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        from + (self.part(*value) * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            Vec::new()
        } else {
            self.ticks.clone()
        }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        (self.label)(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;
    const START: u64 = 1_767_225_600_000;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks
            .iter()
            .map(|tick| axis.format_ext(tick))
            .collect()
    }

    #[test]
    fn time_is_labelled_at_round_times() {
        let day = Axis::time(START + 1, START + DAY, 6);
        assert_eq!(labels(&day), ["06:00", "12:00", "18:00", "2 Jan"]);
        let minute = Axis::time(START, START + 60_000, 3);
        assert_eq!(labels(&minute), ["1 Jan", "00:00:30", "00:01"]);
        for days in [1, 7, 30, 365, 3650, 36_500] {
            let count = labels(&Axis::time(START, START + days * DAY, 6)).len();
            assert!((2..=7).contains(&count), "{days} days: {count}");
        }
        assert!(labels(&Axis::time(5, 5, 6)).len() <= 1);
    }

    #[test]
    fn latencies_get_few_round_labels_on_either_axis() {
        let linear = Axis::latency([30.0, 41.0, 25.0].into_iter());
        assert!(!linear.is_logarithmic());
        assert_eq!(labels(&linear), ["0 ms", "20 ms", "40 ms"]);
        let wide = Axis::latency([2.0, 3.0, 4000.0].into_iter());
        assert!(wide.is_logarithmic());
        assert_eq!(labels(&wide), ["10 ms", "100 ms", "1 s"]);
        for largest in [0.0, 1e-9, 0.3, 7.0, 1e9, 1e300] {
            let count = labels(&Axis::latency([largest].into_iter())).len();
            assert!((2..=6).contains(&count), "{largest}: {count}");
        }
        assert_eq!(labels(&Axis::latency(std::iter::empty())).len(), 3);
    }

    #[test]
    fn values_outside_lie_on_the_edge() {
        let axis = Axis::logarithmic(1.0, 100.0, 4);
        let at = |value| axis.map(&value, (0, 100));
        assert_eq!([0.0, 1.0, 10.0, 100.0, 1e9].map(at), [0, 0, 50, 100, 100]);
        let linear = Axis::linear(100.0, 4, text::latency);
        assert_eq!(linear.map(&0.0, (50, 0)), 50);
        assert_eq!(linear.map(&-5.0, (50, 0)), 50);
    }
}
