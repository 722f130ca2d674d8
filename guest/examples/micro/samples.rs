//! Repeats work and says how fast it was.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

/// What measuring needs at least, whatever time it is given.
const FEWEST: usize = 5;

/// Megabytes a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Samples {
    /// Whatever disturbs only slows, so the fastest says most about the code.
    pub(crate) best: f64,
    median: f64,
    worst: f64,
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Samples {
            best,
            median,
            worst,
        } = self;
        write!(
            f,
            "{best:>6.0} MB/s (median {median:.0}, slowest {worst:.0})"
        )
    }
}

/// Repeats work over `bytes` for some time, a fifth of which warms up.
pub(crate) fn take(
    time: Duration,
    bytes: usize,
    work: &mut dyn FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<Samples, Box<dyn Error>> {
    let began = Instant::now();
    while began.elapsed() < time / 5 {
        work()?;
    }
    let mut rates = Vec::new();
    while began.elapsed() < time || rates.len() < FEWEST {
        let sample = Instant::now();
        work()?;
        rates.push(bytes as f64 / sample.elapsed().as_secs_f64() / 1e6);
    }
    rates.sort_by(f64::total_cmp);
    let at = |index: usize| rates.get(index).copied().unwrap_or(0.0);
    Ok(Samples {
        best: at(rates.len() - 1),
        median: at(rates.len() / 2),
        worst: at(0),
    })
}
