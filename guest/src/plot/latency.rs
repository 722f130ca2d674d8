//! Latency over time: all hosts in one plot, each host in a panel of its own,
//! and the sparkline of a row in a table.

use super::axis::Axis;
use super::canvas::FINE;
use super::chart::{self, Chart, Drawn, Layout};
use super::ink::{Ink, SERIES};
use super::text::{self, Moment, cut};
use super::{Plot, Width};
use crate::limits::MAX_PANELS;
use crate::stats::table::{Bucket, Group, Summary, Table};
use std::fmt::Write;

/// Characters of a name in a legend or a heading.
const NAME_CHARS: usize = 26;

/// Pixels of a panel.
const PANEL: (u32, u32) = (360, 176);

/// Pixels of a sparkline.
const SPARKLINE: (u32, u32) = (132, 32);

/// A group and the number of its colour and dashes; [`SERIES`] for none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series<'a> {
    /// What is drawn.
    pub(crate) group: &'a Group,
    /// Its colour.
    pub(crate) number: usize,
}

/// All groups; the most measured ones have colours, in the order of their names,
/// so that a host keeps its colour from one look to the next.
pub(crate) fn series(table: &Table) -> Vec<Series<'_>> {
    let mut by_samples: Vec<u64> = table.groups.iter().map(|g| g.total.samples).collect();
    by_samples.sort_unstable_by(|one, other| other.cmp(one));
    let least = by_samples.get(SERIES - 1).copied().unwrap_or(0);
    let mut colours = 0..SERIES;
    let number = |group: &Group| {
        let has_colour = group.total.samples >= least;
        has_colour
            .then(|| colours.next())
            .flatten()
            .unwrap_or(SERIES)
    };
    let numbers: Vec<usize> = table.groups.iter().map(number).collect();
    let pairs = table.groups.iter().zip(numbers);
    pairs
        .map(|(group, number)| Series { group, number })
        .collect()
}

/// One bucket with a latency.
#[derive(Clone, Copy, Debug)]
struct Point {
    middle: f64,
    p50: f64,
    p95: f64,
}

/// The points of a group, cut where there is none in between.
fn runs(table: &Table, group: &Group) -> Vec<Vec<Point>> {
    let mut runs: Vec<Vec<Point>> = Vec::new();
    let mut next = 0;
    for bucket in &group.buckets {
        let Some(point) = point(table, bucket) else {
            continue;
        };
        match runs.last_mut() {
            Some(run) if bucket.start_ms <= next => run.push(point),
            _ => runs.push(vec![point]),
        }
        next = bucket.start_ms + table.bucket_ms;
    }
    runs
}

fn point(table: &Table, bucket: &Bucket) -> Option<Point> {
    let p50 = bucket.summary.p50.filter(|p50| p50.is_finite())?;
    let p95 = bucket.summary.p95.filter(|p95| p95.is_finite());
    let middle = bucket.start_ms + table.bucket_ms / 2;
    Some(Point {
        middle: middle.clamp(table.since_ms, table.until_ms.max(table.since_ms)) as f64,
        p50,
        p95: p95.unwrap_or(p50).max(p50),
    })
}

/// The medians of the hosts with colours in one plot.
pub(crate) fn overview(table: &Table, width: Width) -> Plot {
    let drawn = series(table);
    let drawn: Vec<_> = drawn.into_iter().filter(|s| s.number < SERIES).collect();
    let columns = width.pixels() / 190;
    let rows = u32::try_from(drawn.len()).unwrap_or(0).div_ceil(columns);
    let layout = Layout {
        size: (width.pixels(), 250 + 20 * rows),
        top: 14 + 20 * rows,
        left: 58,
        bottom: 24,
    };
    let lines: Vec<_> = drawn.iter().map(|s| (s, runs(table, s.group))).collect();
    let medians = lines.iter().flat_map(|(_, runs)| runs.iter().flatten());
    let y = spread(medians.map(|point| point.p50));
    let x = Axis::time(table.since_ms, table.until_ms, width.time_labels());
    let body = chart::draw(layout, x, y, &mut |chart| {
        for (at, series) in (0..).zip(&drawn) {
            legend(chart, series, at, columns)?;
        }
        for (series, runs) in &lines {
            for run in runs {
                median(chart, series.number, run)?;
            }
        }
        if lines.iter().all(|(_, runs)| runs.is_empty()) {
            chart.nothing("measurements")?;
        }
        Ok(())
    });
    let what = format!("Median latency over time, {}", period(table));
    let mut description = String::from("Medians over the whole period:");
    for series in &drawn {
        let median = series
            .group
            .total
            .p50
            .map_or("none".to_owned(), text::latency);
        let _ = write!(description, " {} {median};", cut(&series.group.name, 40));
    }
    Plot::new(what, description, layout.size, body)
}

/// Hosts between 2 and 200 ms are the ordinary case, so that this axis is
/// logarithmic sooner than that of a single one.
fn spread(medians: impl Iterator<Item = f64> + Clone) -> Axis {
    let largest = medians.clone().fold(0.0, f64::max);
    let smallest = medians.clone().fold(f64::INFINITY, f64::min);
    if smallest.is_finite() && largest > 4.0 * smallest {
        Axis::logarithmic(smallest * 0.85, largest * 1.2, 6)
    } else {
        Axis::latency(medians)
    }
}

fn legend(chart: &mut Chart<'_>, series: &Series<'_>, at: i32, columns: u32) -> Drawn {
    let columns = i32::try_from(columns).unwrap_or(1).max(1);
    let (x, y) = (10 + at % columns * 190, 16 + at / columns * 20);
    chart.stroke(Ink::Line(series.number), (x, y - 4), (x + 28, y - 4))?;
    let name = cut(&series.group.name, NAME_CHARS - 6);
    chart.text(Ink::Label, &name, (x + 34, y))
}

fn median(chart: &mut Chart<'_>, number: usize, run: &[Point]) -> Drawn {
    match run {
        [point] => chart.dot(Ink::Dot(number), (point.middle, point.p50), 2 * FINE),
        _ => {
            let points = run.iter().map(|point| (point.middle, point.p50));
            chart.line(Ink::Line(number), points.collect())
        }
    }
}

fn band(chart: &mut Chart<'_>, number: usize, run: &[Point], half_bucket: f64) -> Drawn {
    match run {
        [point] => {
            let (left, right) = (point.middle - half_bucket, point.middle + half_bucket);
            chart.rectangle(Ink::Band(number), (left, point.p50), (right, point.p95))
        }
        _ => {
            let upper = run.iter().map(|point| (point.middle, point.p95));
            let lower = run.iter().rev().map(|point| (point.middle, point.p50));
            chart.shape(Ink::Band(number), upper.chain(lower).collect())
        }
    }
}

/// One host: its median, what 95 % of its samples stay below, and on top what
/// was lost.
pub(crate) fn panel(table: &Table, series: &Series<'_>) -> Plot {
    let group = series.group;
    let layout = Layout {
        size: PANEL,
        top: 44,
        left: 58,
        bottom: 24,
    };
    let runs = runs(table, group);
    let y = Axis::latency(runs.iter().flatten().map(|point| point.p95));
    let x = Axis::time(table.since_ms, table.until_ms, 4);
    let logarithmic = y.is_logarithmic();
    let body = chart::draw(layout, x, y, &mut |chart| {
        chart.text(Ink::Heading, &cut(&group.name, NAME_CHARS), (2, 16))?;
        chart.text_before(Ink::Label, &headline(&group.total), (342, 16))?;
        if logarithmic {
            chart.text(Ink::Label, "log", (2, 38))?;
        }
        losses(chart, table, group)?;
        for run in &runs {
            band(chart, series.number, run, table.bucket_ms as f64 / 2.0)?;
        }
        for run in &runs {
            median(chart, series.number, run)?;
        }
        if group.buckets.is_empty() {
            chart.nothing("measurements")?;
        }
        Ok(())
    });
    let name = cut(&group.name, 80);
    let what = format!("Latency of {name}, {}", period(table));
    Plot::new(what, summary(&group.total), PANEL, body)
}

fn headline(total: &Summary) -> String {
    let loss = total
        .loss_percent()
        .map_or("no samples".to_owned(), |loss| {
            format!("loss {}", text::percent(loss))
        });
    match total.p50 {
        Some(p50) => format!("p50 {} · {loss}", text::latency(p50)),
        None => loss,
    }
}

fn summary(total: &Summary) -> String {
    let latency = |value: Option<f64>| value.map_or("none".to_owned(), text::latency);
    format!(
        "{} measurements, {} lost. Median {}, 95th percentile {}, largest {}.",
        text::count(total.samples),
        text::percent(total.loss_percent().unwrap_or(0.0)),
        latency(total.p50),
        latency(total.p95),
        latency(total.max),
    )
}

/// Bars that hang from above the field: the more is lost, the longer.
fn losses(chart: &mut Chart<'_>, table: &Table, group: &Group) -> Drawn {
    const TOP: i32 = 26 * FINE;
    for bucket in group
        .buckets
        .iter()
        .filter(|bucket| bucket.summary.errors > 0)
    {
        let part = bucket.summary.loss_percent().unwrap_or(0.0) / 100.0;
        let end = bucket.start_ms + table.bucket_ms;
        let (left, _) = chart.place(bucket.start_ms as f64, 0.0);
        let (right, _) = chart.place(end as f64, 0.0);
        let right = right.max(left + 2 * FINE);
        let height = 3 * FINE + (part * f64::from(12 * FINE)).round() as i32;
        chart.rectangle_at(Ink::Loss, [(left, TOP), (right, TOP + height)])?;
    }
    Ok(())
}

/// The median alone, as small as a word.
pub(crate) fn sparkline(table: &Table, series: &Series<'_>) -> Plot {
    let runs = runs(table, series.group);
    let medians = || runs.iter().flatten().map(|point| point.p50);
    let largest = medians().fold(0.0, f64::max);
    let y = Axis::linear(
        if largest > 0.0 { largest * 1.4 } else { 1.0 },
        1,
        text::latency,
    );
    let x = Axis::time(table.since_ms, table.until_ms, 1);
    let body = chart::draw_bare(SPARKLINE, x, y, &mut |chart| {
        for run in &runs {
            median(chart, series.number, run)?;
        }
        Ok(())
    });
    let name = cut(&series.group.name, 80);
    let what = format!("Median latency of {name} over the period");
    Plot::new(what, String::new(), SPARKLINE, body)
}

/// Everything about latency in one picture: all hosts, then a panel for each.
pub fn picture(table: &Table, width: Width) -> Plot {
    let overview = overview(table, width);
    let (width, mut height) = overview.size;
    let columns = (width / (PANEL.0 - 40)).max(1);
    let step = width / columns;
    let scale = f64::from(step - 12) / f64::from(PANEL.0);
    let row = (f64::from(PANEL.1) * scale).round() as u32 + 8;
    let mut body = overview.body;
    let all = series(table);
    for (at, series) in (0..).zip(all.iter().take(MAX_PANELS)) {
        let (x, y) = (at % columns * step, height + at / columns * row);
        let transform = format!("translate({x} {y}) scale({scale:.3})");
        let _ = write!(body, "<g class=\"panel\" transform=\"{transform}\">");
        body.push_str(&panel(table, series).body);
        body.push_str("</g>");
    }
    let panels = u32::try_from(all.len().min(MAX_PANELS)).unwrap_or(0);
    height += panels.div_ceil(columns) * row;
    Plot::new(overview.title, overview.description, (width, height), body)
}

/// `24 Nov 2026, 14:00 to 25 Nov 2026, 14:00 UTC`
pub(crate) fn period(table: &Table) -> String {
    let (since, until) = (Moment::of(table.since_ms), Moment::of(table.until_ms));
    format!("{} to {} UTC", since.date_and_time(), until.date_and_time())
}
