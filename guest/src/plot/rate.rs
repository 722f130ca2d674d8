//! How many reports came in.

use super::axis::Axis;
use super::chart::{self, Layout};
use super::ink::Ink;
use super::latency::period;
use super::text;
use super::{Plot, Width};
use crate::stats::table::Table;

/// Reports over time.
pub fn rate(table: &Table, width: Width) -> Plot {
    let layout = Layout {
        size: (width.pixels(), 150),
        top: 26,
        left: 58,
        bottom: 24,
    };
    let (bar_ms, bars) = bars(table, width.columns() / 2);
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let x = Axis::time(table.since_ms, table.until_ms, width.time_labels());
    // Reports are whole; half of one gets no label.
    let y = Axis::linear(most.max(1) as f64, most.clamp(1, 3) as u32, |reports| {
        text::count(reports.round() as u64)
    });
    let every = text::span(bar_ms);
    let body = chart::draw(layout, x, y, &mut |chart| {
        chart.text(Ink::Label, &format!("Reports per {every}"), (2, 14))?;
        for (start, count) in &bars {
            // A gap between bars, where there is room for one.
            let end = start + bar_ms - bar_ms / 8;
            chart.rectangle(Ink::Bar, (*start as f64, 0.0), (end as f64, *count as f64))?;
        }
        if bars.is_empty() {
            chart.nothing("reports")?;
        }
        Ok(())
    });
    let description = format!(
        "{} reports; at most {} in {every}.",
        text::count(table.reports),
        text::count(most)
    );
    let what = format!("Reports over time, {}", period(table));
    Plot::new(what, description, layout.size, body)
}

/// The counts, added up where there are more than can be shown.
fn bars(table: &Table, most: usize) -> (u64, Vec<(u64, u64)>) {
    let bucket = table.bucket_ms.max(1);
    let period = table.until_ms.saturating_sub(table.since_ms).max(1);
    let buckets = period.div_ceil(bucket);
    let bar_ms = bucket.saturating_mul(buckets.div_ceil(most.max(1) as u64).max(1));
    let mut bars: Vec<(u64, u64)> = Vec::new();
    for (start, count) in &table.report_rate {
        let start = start / bar_ms * bar_ms;
        match bars.last_mut() {
            Some((last, sum)) if *last == start => *sum += count,
            _ => bars.push((start, *count)),
        }
    }
    bars.retain(|(_, count)| *count > 0);
    (bar_ms, bars)
}
