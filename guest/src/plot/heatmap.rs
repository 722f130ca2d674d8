//! The distribution of latencies over time: how often which latency occurred.

use super::axis::Axis;
use super::chart::{self, Chart, Drawn, Layout};
use super::ink::{Ink, SHADES};
use super::latency::period;
use super::text;
use super::{Plot, Width};
use crate::stats::table::Table;

/// Ranges of latency that are told apart at most: three pixels each.
const MOST_ROWS: usize = 60;

/// How much wider than its neighbour an outermost range is taken for, which has
/// one bound only.
const OUTER: f64 = 1.3;

/// Counts in columns of time and rows of latency.
struct Cells {
    columns: usize,
    /// Where the first one begins, milliseconds since 1970 UTC; not after the period.
    begin_ms: u64,
    /// Width of a column, ms.
    column_ms: f64,
    /// Bounds of the rows, one more than there are rows.
    bounds: Vec<f64>,
    counts: Vec<u64>,
    most: u64,
}

/// The heat map.
pub fn heatmap(table: &Table, width: Width) -> Plot {
    let layout = Layout {
        size: (width.pixels(), 270),
        top: 34,
        left: 58,
        bottom: 24,
    };
    let cells = Cells::of(table, width.columns());
    let (low, high) = match (cells.bounds.first(), cells.bounds.last()) {
        (Some(low), Some(high)) if low < high => (*low, *high),
        _ => (1.0, 1000.0),
    };
    let x = Axis::time(table.since_ms, table.until_ms, width.time_labels());
    let y = Axis::logarithmic(low, high, 7);
    let body = chart::draw(layout, x, y, &mut |chart| {
        legend(chart, cells.most)?;
        if cells.most == 0 {
            return chart.nothing("measurements");
        }
        (0..SHADES).try_for_each(|shade| cells.draw(chart, shade))
    });
    let samples: u64 = cells.counts.iter().sum();
    let description = format!(
        "{} measurements, at most {} in a cell of {}; the colours are on a logarithmic scale.",
        text::count(samples),
        text::count(cells.most),
        text::span(cells.column_ms as u64),
    );
    let what = format!("Distribution of latency over time, {}", period(table));
    Plot::new(what, description, layout.size, body)
}

fn legend(chart: &mut Chart<'_>, most: u64) -> Drawn {
    use super::canvas::FINE;
    chart.text(Ink::Label, "1", (4, 16))?;
    for shade in 0..SHADES {
        let left = 16 + 14 * i32::try_from(shade).unwrap_or(0);
        let corners = [(left * FINE, 6 * FINE), ((left + 14) * FINE, 18 * FINE)];
        chart.rectangle_at(Ink::Shade(shade), corners)?;
    }
    let label = format!("{} measurements", text::count(most));
    chart.text(Ink::Label, &label, (16 + 14 * SHADES as i32 + 6, 16))
}

impl Cells {
    fn of(table: &Table, most_columns: usize) -> Cells {
        let (used, rows_bounds) = rows(table);
        let bucket = table.bucket_ms.max(1);
        let begin_ms = table.since_ms / bucket * bucket;
        let period = table.until_ms.saturating_sub(begin_ms).max(1);
        let buckets = usize::try_from(period.div_ceil(bucket)).unwrap_or(usize::MAX);
        let together = buckets.div_ceil(most_columns).max(1);
        let columns = buckets.div_ceil(together);
        let column_ms = bucket.saturating_mul(together as u64);
        let merged = used.len().div_ceil(MOST_ROWS).max(1);
        let rows = used.len().div_ceil(merged);
        let mut bounds: Vec<f64> = rows_bounds.iter().copied().step_by(merged).collect();
        if !(rows_bounds.len().saturating_sub(1)).is_multiple_of(merged) {
            bounds.extend(rows_bounds.last());
        }
        let mut cells = Cells {
            columns,
            begin_ms,
            column_ms: column_ms as f64,
            bounds,
            counts: vec![0; columns * rows],
            most: 0,
        };
        for density in &table.densities {
            let column = density.start_ms.saturating_sub(begin_ms) / column_ms;
            let column = usize::try_from(column)
                .unwrap_or(usize::MAX)
                .min(columns - 1);
            for (at, range) in used.clone().enumerate() {
                let count = density.counts.get(range).copied().unwrap_or(0);
                if let Some(cell) = cells.counts.get_mut(at / merged * columns + column) {
                    *cell += count;
                    cells.most = cells.most.max(*cell);
                }
            }
        }
        cells
    }

    /// Draws the cells of one shade, those side by side as one.
    fn draw(&self, chart: &mut Chart<'_>, shade: usize) -> Drawn {
        let x = |column: usize| self.begin_ms as f64 + column as f64 * self.column_ms;
        for (row, bounds) in self.counts.chunks(self.columns).zip(self.bounds.windows(2)) {
            let &[low, high] = bounds else { continue };
            let mut begin = None;
            for column in 0..=row.len() {
                let count = row.get(column).copied().unwrap_or(0);
                let is_it = count > 0 && self.shade(count) == shade;
                match begin {
                    None if is_it => begin = Some(column),
                    Some(first) if !is_it => {
                        chart.rectangle(Ink::Shade(shade), (x(first), low), (x(column), high))?;
                        begin = None;
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// From few to many, logarithmic: a single measurement is to be seen beside
    /// thousands.
    fn shade(&self, count: u64) -> usize {
        if self.most <= 1 {
            return SHADES - 1;
        }
        let part = (count as f64).ln() / (self.most as f64).ln();
        ((part * SHADES as f64) as usize).min(SHADES - 1)
    }
}

/// The ranges of latency from the first to the last that occurs, and their
/// bounds.
fn rows(table: &Table) -> (std::ops::Range<usize>, Vec<f64>) {
    let known = &table.latency_bounds;
    let counts = table
        .densities
        .iter()
        .flat_map(|d| d.counts.iter().enumerate());
    let occurring = counts
        .filter(|(_, count)| **count > 0)
        .map(|(range, _)| range);
    let occurring = occurring.filter(|range| *range <= known.len());
    let (Some(first), Some(last)) = (occurring.clone().min(), occurring.max()) else {
        return (0..0, Vec::new());
    };
    let bound = |at: usize| match (known.get(at), at.checked_sub(1)) {
        (Some(bound), _) => *bound,
        (None, Some(before)) => known.get(before).copied().unwrap_or(1.0) * OUTER,
        (None, None) => 1.0,
    };
    let lowest = match first.checked_sub(1) {
        Some(before) => bound(before),
        None => bound(0) / OUTER,
    };
    let bounds = std::iter::once(lowest).chain((first..=last).map(bound));
    (first..last + 1, bounds.collect())
}
