//! The real server, the real component, real files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;
mod browser;
mod clients;
mod clock;
mod confinement;
mod crashes;
mod disk;
mod entrances;
mod express;
mod heads;
mod hostile;
mod image;
mod isolation;
mod licences;
mod lifecycle;
mod memory;
mod metrics;
mod page;
mod posting;
mod reading;
mod recipes;
mod recoverers;
mod retention;
mod security;
mod slow;
mod soak;
mod tenants;
mod tls;
mod tools;
mod traps;
mod wreckage;

use netwatch_tests::files;
use netwatch_tests::server::{Kind, Server, until};
use std::path::Path;
use std::time::Duration;

const BOTH: [Kind; 2] = [Kind::Native, Kind::Stock];

/// A server that flushes every second.
fn quick(kind: Kind, data_dir: &Path) -> Server {
    Server::start(kind, data_dir, &[("FLUSH_INTERVAL", "1s")])
}

/// Waits until that many lines are published.
fn published(data_dir: &Path, lines: usize) -> Vec<String> {
    let mut found = Vec::new();
    until("the reports are published", Duration::from_secs(20), || {
        found = files::lines(data_dir);
        found.len() >= lines
    });
    found
}
