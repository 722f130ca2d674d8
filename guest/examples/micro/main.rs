//! How fast the stages of a report's way are, each alone: natively, or in Wasm
//! where it counts (`make micro`).
//!
//! ```text
//! micro [SECONDS PER STAGE] [write]
//! ```
//!
//! Megabytes are of bodies for `validate`, of stored lines for all others. Each
//! stage is also held against a yardstick that only depends on the machine, and the
//! quotient against the one in `baseline.txt`: a stage that has become much slower
//! since makes the exit code 1. `write` prints a new `baseline.txt`.

mod samples;
mod stages;

// The same reports as in `make bench`.
#[allow(
    unreachable_pub,
    dead_code,
    missing_docs,
    reason = "public where it belongs"
)]
#[path = "../../../tests/src/reports.rs"]
mod reports;

use samples::Samples;
use stages::Stages;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

/// Stage, and how many times as fast as the yardstick it was.
const BASELINE: &str = include_str!("baseline.txt");

/// What a machine may make of the quotients: below it, it was the code.
const TOLERATED: f64 = 0.7;

/// Hosts and samples of a report, and how the stages of it are called.
const SIZES: [(&str, u64, u64); 2] = [("700B", 3, 1), ("3.4kB", 10, 6)];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let seconds = words.iter().find_map(|word| word.parse().ok());
    let time = Duration::from_secs_f64(seconds.unwrap_or(1.0));
    let write = words.iter().any(|word| word == "write");

    let mut slower = false;
    let yardstick = samples::take(time, stages::YARDSTICK_BYTES, &mut stages::yardstick)?;
    println!("{:<28} {}", "yardstick", yardstick);
    for (size, hosts, count) in SIZES {
        let mut stages = Stages::new(hosts, count)?;
        for (name, work) in stages::ALL {
            let name = format!("{name} {size}");
            // What slows the machine for a while slows both.
            let before = samples::take(time / 4, stages::YARDSTICK_BYTES, &mut stages::yardstick)?;
            let bytes = stages.bytes_of(work);
            let taken = samples::take(time, bytes, &mut || work.run(&mut stages))?;
            let after = samples::take(time / 4, stages::YARDSTICK_BYTES, &mut stages::yardstick)?;
            let quotient = taken.best / before.best.max(after.best);
            if write {
                println!("{name}: {quotient:.3}");
                continue;
            }
            slower |= compare(&name, &taken, quotient, stages.reports_per_byte(work));
        }
        println!("{:<28} {:.2}", format!("ratio {size}"), stages.ratio()?);
    }
    Ok(ExitCode::from(u8::from(slower)))
}

/// Prints a stage; whether it is much slower than it was.
fn compare(name: &str, taken: &Samples, quotient: f64, reports_per_byte: f64) -> bool {
    let before = BASELINE.lines().find_map(|line| {
        let (stage, quotient) = line.split_once(": ")?;
        (stage == name).then(|| quotient.parse::<f64>().ok())?
    });
    let nanoseconds = 1e3 / (taken.best * reports_per_byte);
    print!("{name:<28} {taken} {nanoseconds:>7.0} ns a report");
    let Some(before) = before else {
        println!();
        return false;
    };
    let share = quotient / before;
    let slower = share < TOLERATED;
    let verdict = if slower { "  TOO SLOW" } else { "" };
    println!("  {share:.2} of the baseline{verdict}");
    slower
}
