//! Signals that end the server.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, from the moment this exists.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// Starts to catch the signals.
///
/// # Errors
///
/// Where the handlers cannot be set.
pub fn signals() -> io::Result<Signals> {
    Ok(Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    })
}

impl Signals {
    /// The next signal's name and the exit code of a process that it kills.
    pub async fn next(&mut self) -> (&'static str, u8) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", 143),
            _ = self.interrupt.recv() => ("SIGINT", 130),
        }
    }
}
