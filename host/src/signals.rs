//! Signals to the server: to end, and to reload its configuration.

use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// SIGTERM, SIGINT and SIGHUP, from the moment this exists.
pub struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    /// Only where there is something to reload.
    hang_up: Option<tokio::signal::unix::Signal>,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: read the configuration again.
    Reload,
    /// Publish everything and end.
    Stop {
        /// The signal's name.
        name: &'static str,
        /// The exit code of a process that it kills.
        code: u8,
    },
}

/// Starts to catch the signals.
///
/// # Errors
///
/// Where the handlers cannot be set.
pub fn signals() -> io::Result<Signals> {
    Ok(Signals {
        hang_up: Some(signal(SignalKind::hangup())?),
        ..ends()?
    })
}

/// Starts to catch those that ask for an end.
///
/// # Errors
///
/// Where the handlers cannot be set.
pub(crate) fn ends() -> io::Result<Signals> {
    Ok(Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        hang_up: None,
    })
}

impl Signals {
    /// The next signal.
    pub async fn next(&mut self) -> Signal {
        let stop = |name, code| Signal::Stop { name, code };
        let reload = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => stop("SIGTERM", 143),
            _ = self.interrupt.recv() => stop("SIGINT", 130),
            _ = reload => Signal::Reload,
        }
    }
}
