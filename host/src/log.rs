//! The host's log, and the component's lines in it.

use crate::config::LogFormat;
use crate::limits;
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::AsyncWrite;
use tracing_subscriber::filter::LevelFilter;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Starts writing log lines to standard error. Only the first call of a process
/// has an effect.
pub fn start(format: LogFormat, debug: bool) {
    let level = if debug {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_target(false);
    // An error means that somebody else has started one, which is as good.
    let _ = match format {
        LogFormat::Json => tracing::subscriber::set_global_default(
            lines
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .finish(),
        ),
        LogFormat::Text => {
            let ansi = io::IsTerminal::is_terminal(&io::stderr());
            tracing::subscriber::set_global_default(lines.with_ansi(ansi).finish())
        }
    };
}

/// A component's standard output or error: each line becomes a line of the log.
/// Lines are escaped and bounded; a first word that is a level gives the level.
#[derive(Clone)]
pub(crate) struct GuestLog {
    tenant: Arc<str>,
    worker: usize,
    line: Arc<Mutex<Vec<u8>>>,
    allowance: Arc<LogAllowance>,
}

/// How much a tenant may write to the log: so many lines a second, and some more
/// at once.
#[derive(Default)]
pub(crate) struct LogAllowance {
    state: Mutex<Allowance>,
    left_out: AtomicU64,
}

struct Allowance {
    lines: f64,
    at: Instant,
    /// Lines left out that nobody was told of.
    untold: u64,
}

impl Default for Allowance {
    fn default() -> Self {
        Allowance {
            lines: f64::from(limits::LOG_LINES_BURST),
            at: Instant::now(),
            untold: 0,
        }
    }
}

impl LogAllowance {
    /// Lines left out since the start.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Whether a line may be written, and how many were left out before it.
    fn take(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = now.saturating_duration_since(state.at).as_secs_f64();
        state.at = now;
        let refilled = state.lines + elapsed * f64::from(limits::LOG_LINES_PER_SECOND);
        state.lines = refilled.min(f64::from(limits::LOG_LINES_BURST));
        if state.lines < 1.0 {
            state.untold += 1;
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        state.lines -= 1.0;
        Some(std::mem::take(&mut state.untold))
    }
}

impl GuestLog {
    pub(crate) fn new(tenant: Arc<str>, worker: usize, allowance: Arc<LogAllowance>) -> GuestLog {
        GuestLog {
            tenant,
            worker,
            line: Arc::default(),
            allowance,
        }
    }

    fn take(&self, bytes: &[u8]) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = limits::LOG_LINE_BYTES.saturating_sub(line.len());
            line.extend_from_slice(text.get(..room).unwrap_or(text));
            if ended {
                self.write(&line);
                line.clear();
            }
        }
    }

    /// A line of the host about what the component did. It is the component's as
    /// far as their number goes.
    pub(crate) fn complain(&self, about: &str) {
        self.write(format!("WARN {about}").as_bytes());
    }

    fn write(&self, line: &[u8]) {
        match self.allowance.take(Instant::now()) {
            None => return,
            Some(0) => {}
            Some(lines) => tracing::warn!(
                tenant = &*self.tenant,
                lines,
                "lines of the component were left out: it writes too many"
            ),
        }
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        let (level, message) = text.split_once(' ').unwrap_or(("", text));
        let (tenant, worker) = (&*self.tenant, self.worker);
        match level {
            "ERROR" => tracing::error!(tenant, worker, "{}", escape(message)),
            "WARN" => tracing::warn!(tenant, worker, "{}", escape(message)),
            "INFO" => tracing::info!(tenant, worker, "{}", escape(message)),
            "DEBUG" | "TRACE" => tracing::debug!(tenant, worker, "{}", escape(message)),
            _ => tracing::info!(tenant, worker, "{}", escape(text)),
        }
    }
}

/// Control characters spelled out, so that no line can forge another or drive a
/// terminal.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for GuestLog {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for GuestLog {
    async fn ready(&mut self) {}
}

impl OutputStream for GuestLog {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[cfg(test)]
mod tests {
    use super::{Instant, LogAllowance, escape, limits};
    use std::time::Duration;

    #[test]
    fn a_flood_of_lines_is_cut_to_the_allowance_and_what_was_left_out_is_told() {
        let allowance = LogAllowance::default();
        let now = Instant::now();
        let written = (0..100_000).filter(|_| allowance.take(now).is_some());
        let written = u64::try_from(written.count()).unwrap_or(0);
        let burst = u64::from(limits::LOG_LINES_BURST);
        assert!((burst..burst + 50).contains(&written), "{written}");
        assert_eq!(allowance.left_out(), 100_000 - written);
        let later = now + Duration::from_secs(1);
        assert_eq!(allowance.take(later), Some(100_000 - written));
        assert_eq!(allowance.take(later), Some(0));
    }

    #[test]
    fn control_characters_are_spelled_out_and_text_stays() {
        assert_eq!(escape("grün \u{1b}[31m\r\n"), "grün \\u{1b}[31m\\r\\n");
    }
}
