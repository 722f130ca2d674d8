//! Standard output and error of a tool.

use super::ToolError;
use std::io::{self, BufWriter, StdoutLock, Write};

/// Bytes gathered before they are written: a few lines of reports.
const BUFFER_BYTES: usize = 64 << 10;

/// Standard output, for much.
pub(super) fn standard() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock())
}

/// Writes a whole text to standard output.
pub(super) fn print(text: &str) -> Result<(), ToolError> {
    let mut output = io::stdout().lock();
    let written = output.write_all(text.as_bytes());
    written
        .and_then(|()| output.flush())
        .map_err(|error| failed(&error))
}

/// A line on standard error, where nobody may listen.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writing to standard output failed. Where the reader of a pipe has gone
/// (`… | head`) that is how it is meant.
pub(super) fn failed(error: &io::Error) -> ToolError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => ToolError::Unread,
        _ => ToolError::Failed(format!("standard output: {error}")),
    }
}
