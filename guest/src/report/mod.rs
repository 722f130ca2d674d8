//! From a request's bytes to stored lines: strict UTF-8 (RFC 3629) and JSON (RFC
//! 8259), one pass, no tree.
//!
//! A report is stored exactly as sent, with the insignificant whitespace removed
//! and one member put first:
//!
//! ```text
//! {"_received":{"at":"2026-11-23T08:00:00.123Z","id":"<UUIDv7>"}, … as sent … }
//! ```
//!
//! Between the places where whitespace was, the line is copied in one piece;
//! where there was none, the report is one copy. What looks as pages write it is
//! passed by `skim`, everything else by `scan`, which also says what is wrong.

#[cfg(any(test, feature = "testing"))]
pub mod cases;
pub mod locate;
pub mod scan;
mod skim;
pub mod stamp;
mod token;
pub mod walk;

#[cfg(test)]
mod tests;

pub use stamp::Stamper;

use crate::limits::{MAX_DEPTH, MAX_REPORTS_PER_REQUEST};
use locate::Place;
use scan::{Fault, Scanner, What};

/// How reports are laid out in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One object, or an array of objects.
    Json,
    /// One object a line; blank lines count for nothing.
    NdJson,
}

/// What is wrong with a body, by what a client can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Not JSON, or not UTF-8.
    Malformed,
    /// JSON, but not a report.
    NotAReport,
    /// More reports than one request may hold.
    TooMany,
}

/// A body that is refused, and where it went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportError {
    /// Whose fault.
    pub kind: Kind,
    /// What was expected and what is there.
    pub detail: String,
    /// Where.
    pub place: Place,
}

/// Appends a stored line, with its line feed, to `out` for every report of a
/// body. The result is their number; on an error `out` is as it was.
///
/// # Errors
/// See [`Kind`].
pub fn stamp_reports(
    body: &[u8],
    shape: Shape,
    stamper: &mut Stamper,
    out: &mut Vec<u8>,
) -> Result<u32, ReportError> {
    let before = out.len();
    let stamped = match std::str::from_utf8(body) {
        Ok(text) => match shape {
            Shape::Json => json(text, stamper, out),
            Shape::NdJson => lines(text, stamper, out),
        },
        Err(error) => Err(Fault::new(error.valid_up_to(), What::NotUtf8)),
    };
    stamped.map_err(|fault| {
        out.truncate(before);
        explain(body, shape, fault)
    })
}

fn json(text: &str, stamper: &mut Stamper, out: &mut Vec<u8>) -> Result<u32, Fault> {
    let mut scanner = Scanner::new(text, true);
    scanner.skip_space();
    let mut reports = 0;
    if scanner.peek() == Some(b'[') {
        scanner.step();
        scanner.skip_space();
        if scanner.peek() == Some(b']') {
            scanner.step();
        } else {
            loop {
                count(&mut reports, scanner.at())?;
                scanner.report(stamper, out)?;
                scanner.skip_space();
                match scanner.peek() {
                    Some(b',') => scanner.step(),
                    Some(b']') => break scanner.step(),
                    _ => return Err(scanner.fault(What::Expected("',' or ']'"))),
                }
                scanner.skip_space();
            }
        }
    } else {
        count(&mut reports, 0)?;
        scanner.report(stamper, out)?;
    }
    scanner.skip_space();
    match scanner.peek() {
        None => Ok(reports),
        Some(_) => Err(scanner.fault(What::Expected("the end of the body"))),
    }
}

fn lines(text: &str, stamper: &mut Stamper, out: &mut Vec<u8>) -> Result<u32, Fault> {
    let mut scanner = Scanner::new(text, false);
    let mut reports = 0;
    loop {
        scanner.skip_space();
        match scanner.peek() {
            None if reports == 0 => return Err(scanner.fault(What::Empty)),
            None => return Ok(reports),
            Some(b'\n') => {
                scanner.step();
                continue;
            }
            Some(_) => {}
        }
        count(&mut reports, scanner.at())?;
        scanner.report(stamper, out)?;
        scanner.skip_space();
        if !matches!(scanner.peek(), None | Some(b'\n')) {
            return Err(scanner.fault(What::Expected("the end of the line")));
        }
    }
}

fn count(reports: &mut u32, at: usize) -> Result<(), Fault> {
    *reports += 1;
    if *reports > MAX_REPORTS_PER_REQUEST {
        return Err(Fault::new(at, What::TooMany));
    }
    Ok(())
}

fn explain(body: &[u8], shape: Shape, fault: Fault) -> ReportError {
    let found = || locate::quote(body, fault.at);
    let (kind, detail) = match fault.what {
        What::Empty => (Kind::Malformed, "the body holds no report".to_owned()),
        What::NotUtf8 => (Kind::Malformed, format!("not UTF-8: {}", found())),
        What::Expected(what) => (
            Kind::Malformed,
            format!("expected {what}, found {}", found()),
        ),
        What::Control => (
            Kind::Malformed,
            format!(
                "a control character in a string must be escaped: {}",
                found()
            ),
        ),
        What::Escape => (Kind::Malformed, format!("no such escape: {}", found())),
        What::Number => (Kind::Malformed, format!("not a JSON number: {}", found())),
        What::LoneSurrogate => (
            Kind::NotAReport,
            format!("half a surrogate pair is no character: {}", found()),
        ),
        What::NotAnObject => (
            Kind::NotAReport,
            format!("a report is a JSON object, found {}", found()),
        ),
        What::Reserved => (
            Kind::NotAReport,
            "the member \"_received\" is the server's to write; leave it out".to_owned(),
        ),
        What::TooDeep => (
            Kind::NotAReport,
            format!("nested deeper than {MAX_DEPTH} levels"),
        ),
        What::TooMany => (
            Kind::TooMany,
            format!("more than {MAX_REPORTS_PER_REQUEST} reports; send them in several requests"),
        ),
    };
    ReportError {
        kind,
        detail,
        place: locate::place(body, shape, fault.at),
    }
}
