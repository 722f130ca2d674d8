//! What is aimed at, and whether this run got there.

use crate::results::{Cell, Results, Round, Spread};
use crate::table::{ratio, scaling};
use crate::targets::Target;
use std::fmt::Write as _;

/// A comparison of two servers under one load, and what it should come to.
struct Goal {
    what: &'static str,
    size: &'static str,
    connections: usize,
    own: Target,
    other: Target,
    value: fn(&Round) -> f64,
    at_least: bool,
    bound: f64,
}

const PER_SECOND: fn(&Round) -> f64 = |round| round.per_second;
const CPU: fn(&Round) -> f64 = |round| round.cpu_per_million;
const P99: fn(&Round) -> f64 = |round| round.p99_ms;

const fn goal(
    what: &'static str,
    size: &'static str,
    other: Target,
    value: fn(&Round) -> f64,
    at_least: bool,
    bound: f64,
) -> Goal {
    Goal {
        what,
        size,
        connections: 32,
        own: Target::Crash,
        other,
        value,
        at_least,
        bound,
    }
}

const GOALS: [Goal; 9] = [
    goal(
        "requests/s of Go's",
        "700B",
        Target::Go,
        PER_SECOND,
        true,
        2.0,
    ),
    goal(
        "requests/s of Go's",
        "3.4kB",
        Target::Go,
        PER_SECOND,
        true,
        2.0,
    ),
    goal(
        "requests/s of bare hyper's",
        "700B",
        Target::Bare,
        PER_SECOND,
        true,
        0.7,
    ),
    goal(
        "requests/s of bare hyper's",
        "3.4kB",
        Target::Bare,
        PER_SECOND,
        true,
        0.5,
    ),
    goal("CPU of Go's", "700B", Target::Go, CPU, false, 0.5),
    goal("CPU of Go's", "3.4kB", Target::Go, CPU, false, 0.5),
    goal("p99 of Go's", "700B", Target::Go, P99, false, 0.5),
    goal("p99 of Go's", "3.4kB", Target::Go, P99, false, 0.5),
    Goal {
        what: "requests/s in `power`, of `crash`",
        size: "700B",
        connections: 256,
        own: Target::Power,
        other: Target::Crash,
        value: PER_SECOND,
        at_least: true,
        bound: 0.5,
    },
];

/// Raw JSON per CPU second from socket to published file, MB.
const BATCH_MB_PER_CPU_SECOND: f64 = 150.0;

/// Two workers' rate of one's.
const SCALING: f64 = 1.8;

/// A line for each goal that this run says something about.
pub(crate) fn render(results: &Results) -> String {
    let mut out = String::new();
    for goal in &GOALS {
        let cell = |target| results.find(goal.size, goal.connections, target);
        if let (Some(own), Some(other)) = (cell(goal.own), cell(goal.other)) {
            let spread = own.ratio(other, goal.value);
            let what = format!("{}, {}", goal.what, goal.size);
            line(&mut out, &what, spread, goal.at_least, goal.bound);
        }
    }
    let stores = |cell: &&Cell| matches!(cell.target, Target::Crash | Target::Power);
    let shares = results.cells.iter().filter(stores).filter_map(|cell| {
        let stored = cell.stored?;
        Some(stored.file_bytes as f64 / stored.zstd3_bytes as f64)
    });
    if let Some(spread) = Spread::of(shares) {
        line(&mut out, "bytes on disk, of zstd -3's", spread, false, 1.0);
    }
    for cell in &results.batches {
        let what = format!("NDJSON, {}, {} workers", cell.target.label(), cell.workers);
        let rate = Spread::of(cell.rounds.iter().map(|round| round.mb_per_cpu_second));
        if let (Target::Crash, Some(rate)) = (cell.target, rate) {
            let what = format!("{what}, MB per CPU second");
            line(&mut out, &what, rate, true, BATCH_MB_PER_CPU_SECOND);
        }
        if let (Target::Crash, Some(rate)) = (cell.target, scaling(cell, &results.batches)) {
            line(&mut out, &format!("{what}, of one"), rate, true, SCALING);
        }
    }
    out
}

fn line(out: &mut String, what: &str, spread: Spread, at_least: bool, bound: f64) {
    let (reached, sign) = match at_least {
        true => (spread.median >= bound, '≥'),
        false => (spread.median <= bound, '≤'),
    };
    let _ = writeln!(
        out,
        "{} {what}: {} (aimed at {sign} {bound})",
        if reached { "reached" } else { "MISSED " },
        ratio(Some(spread))
    );
}
