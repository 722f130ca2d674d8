//! Log lines, to standard error: level, target, message.

use log::{LevelFilter, Log, Metadata, Record};

struct StandardError;

impl Log for StandardError {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // One line a record, whatever is in it.
        let message = record.args().to_string();
        eprintln!("{} {}", record.level(), message.escape_debug());
    }

    fn flush(&self) {}
}

static STANDARD_ERROR: StandardError = StandardError;

/// From now on log records are written.
pub(super) fn start(debug: bool) {
    log::set_max_level(if debug {
        LevelFilter::Debug
    } else {
        LevelFilter::Info
    });
    // Fails only where it was done before.
    let _ = log::set_logger(&STANDARD_ERROR);
}
