//! The table: Markdown, as the README has it.

use crate::results::{BatchCell, Cell, Results, Spread};
use crate::targets::Target;
use std::fmt::Write as _;

const HEAD: &str = "\
| report | connections | server | an answered report survives | requests/s | × Go | × bare hyper | p50 ms | p99 ms | longest ms | CPU s per million | × Go | system calls a report | peak MiB | bytes on disk, of `zstd -3` |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
";

/// Everything, with what must be known to read it.
pub(crate) fn render(results: &Results) -> String {
    let mut out = format!("{}. ", results.machine);
    let rounds = results.cells.iter().map(|cell| cell.rounds.len()).max();
    let _ = writeln!(
        out,
        "{} alternating rounds of {} s, the load (one thread) on the same machine; median (min–max), ratios round by round.\n",
        rounds.unwrap_or(0),
        results.seconds
    );
    out.push_str(HEAD);
    for cell in &results.cells {
        row(&mut out, results, cell);
    }
    if !results.batches.is_empty() {
        out.push('\n');
        batches(&mut out, &results.batches);
    }
    out.push('\n');
    for note in NOTES.iter().copied().chain(notes_of(results)) {
        let _ = writeln!(out, "- {note}");
    }
    out
}

/// What differs between the rows besides their speed.
const NOTES: [&str; 4] = [
    "All but bare hyper check the same rules (UTF-8, JSON grammar, an object, no `_received` of its own) and give the same answer; netwatch-server also refuses what is nested deeper than 64 and lone surrogates, says where an error is, and gives each answer an `X-Request-Id`.",
    "Go is the original's description: net/http, chi, reports decoded into `map[string]json.RawMessage` and encoded again, which reorders their members, kept in memory, written with klauspost's zstd at its default level. \"Spliced\" is the least work Go's standard library allows: `json.Compact` into the buffer, order kept.",
    "netwatch-server decodes every file with a second zstd implementation before it is published; Go does not.",
    "CPU is that of the server from the first request until everything is in published files. System calls are counted in a round of their own.",
];

fn notes_of(results: &Results) -> impl Iterator<Item = &str> {
    results.notes.iter().map(String::as_str)
}

fn row(out: &mut String, results: &Results, cell: &Cell) {
    let compared = |other, value| {
        let other = results.beside(cell, other)?;
        Some(cell.ratio(other, value))
    };
    let _ = writeln!(
        out,
        "| {} | {} | {} | {} | {} | {} | {} | {:.2} | {:.2} | {:.1} | {} | {} | {} | {:.0} | {} |",
        cell.size,
        cell.connections,
        cell.target.label(),
        cell.target.survives(),
        thousands(cell.spread(|round| round.per_second)),
        ratio(compared(Target::Go, |round| round.per_second)),
        ratio(compared(Target::Bare, |round| round.per_second)),
        cell.spread(|round| round.p50_ms).median,
        cell.spread(|round| round.p99_ms).median,
        cell.spread(|round| round.max_ms).median,
        seconds(cell.spread(|round| round.cpu_per_million)),
        ratio(compared(Target::Go, |round| round.cpu_per_million)),
        cell.syscalls_per_report
            .map_or("–".to_owned(), |calls| format!("{calls:.2}")),
        cell.spread(|round| round.peak_mib).median,
        cell.stored.map_or("–".to_owned(), |stored| {
            let share = stored.file_bytes as f64 / stored.zstd3_bytes as f64;
            format!("{share:.3}")
        }),
    );
}

fn batches(out: &mut String, cells: &[BatchCell]) {
    out.push_str("| NDJSON | server | workers | MB/s of raw JSON | MB per CPU second, from socket to published file | × one worker |\n|---|---|---|---|---|---|\n");
    for cell in cells {
        let rate = Spread::of(cell.rounds.iter().map(|round| round.mb_per_second));
        let per_cpu = Spread::of(cell.rounds.iter().map(|round| round.mb_per_cpu_second));
        let (Some(rate), Some(per_cpu)) = (rate, per_cpu) else {
            continue;
        };
        let _ = writeln!(
            out,
            "| {} reports, {:.1} MB, {} connections | {} | {} | {:.0} ({:.0}–{:.0}) | {:.0} ({:.0}–{:.0}) | {} |",
            cell.reports,
            cell.body_bytes as f64 / 1e6,
            cell.connections,
            cell.target.label(),
            cell.workers,
            rate.median,
            rate.min,
            rate.max,
            per_cpu.median,
            per_cpu.min,
            per_cpu.max,
            ratio(scaling(cell, cells)),
        );
    }
}

/// How much faster than with one worker.
pub(crate) fn scaling(cell: &BatchCell, cells: &[BatchCell]) -> Option<Spread> {
    let one = cells
        .iter()
        .find(|other| other.target == cell.target && other.workers == 1)?;
    if cell.workers == 1 {
        return None;
    }
    let rate = |cell: &BatchCell| {
        cell.rounds
            .iter()
            .map(|round| round.mb_per_second)
            .collect::<Vec<_>>()
    };
    Spread::of_ratios(rate(cell), rate(one))
}

fn thousands(spread: Spread) -> String {
    let hundreds = |value: f64| {
        let value = (value / 100.0).round() as u64 * 100;
        match value {
            0..1_000 => value.to_string(),
            _ => format!("{},{:03}", value / 1_000, value % 1_000),
        }
    };
    format!(
        "{} ({}–{})",
        hundreds(spread.median),
        hundreds(spread.min),
        hundreds(spread.max)
    )
}

fn seconds(spread: Spread) -> String {
    format!("{:.1} ({:.1}–{:.1})", spread.median, spread.min, spread.max)
}

pub(crate) fn ratio(spread: Option<Spread>) -> String {
    spread.map_or("–".to_owned(), |spread| {
        format!("{:.2} ({:.2}–{:.2})", spread.median, spread.min, spread.max)
    })
}
