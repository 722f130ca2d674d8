//! Answers as bytes.

use crate::answer::{AnswerBody, HttpAnswer};
use crate::tenant::Terms;
use http::header::CONNECTION;
use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

/// The answer to an accepted report as it was written last: every page sends its
/// reports alike.
#[derive(Default)]
pub(super) struct Last {
    terms: Weak<Terms>,
    origin: Option<String>,
    reports: u32,
    close: bool,
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Last {
    /// What was written when `reports` of `origin` were accepted under `terms`, but
    /// for what differs each time; where they were not, `make` says what it is.
    pub(super) fn accepted(
        &mut self,
        terms: &Arc<Terms>,
        origin: Option<&str>,
        reports: u32,
        close: bool,
        make: impl FnOnce() -> HttpAnswer,
    ) -> (&[u8], &[u8]) {
        let same = std::ptr::eq(self.terms.as_ptr(), Arc::as_ptr(terms))
            && (self.origin.as_deref(), self.reports, self.close) == (origin, reports, close);
        if !same {
            let (head, body) = parts(make(), close);
            *self = Last {
                terms: Arc::downgrade(terms),
                origin: origin.map(str::to_owned),
                reports,
                close,
                head,
                body,
            };
        }
        (&self.head, &self.body)
    }
}

/// A head without its last lines, and the body.
pub(super) fn parts(answer: HttpAnswer, close: bool) -> (Vec<u8>, Vec<u8>) {
    let (answer, body) = answer.into_parts();
    let status = answer.status;
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in &answer.headers {
        let line = [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"];
        head.extend(line.into_iter().flatten());
    }
    if close && !answer.headers.contains_key(CONNECTION) {
        head.extend_from_slice(b"connection: close\r\n");
    }
    let body = match body {
        AnswerBody::Whole(Some(body)) => body.to_vec(),
        // Only the component makes streams, and not for reports.
        AnswerBody::Whole(None) | AnswerBody::Streamed(_) => Vec::new(),
    };
    (head, body)
}

/// All of an answer.
pub(super) fn whole(out: &mut Vec<u8>, head: &[u8], id: &str, body: &[u8]) {
    out.clear();
    for piece in [head, b"x-request-id: ", id.as_bytes(), b"\r\ndate: "] {
        out.extend_from_slice(piece);
    }
    add_date(out);
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(body);
}

thread_local! {
    /// The second of the last answer, and how it is written.
    static DATE: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// Adds the date as RFC 9110 §5.6.7 wants it.
fn add_date(out: &mut Vec<u8>) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    DATE.with_borrow_mut(|(second, text)| {
        if *second != now || text.is_empty() {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
            *text = httpdate::fmt_http_date(time);
            *second = now;
        }
        out.extend_from_slice(text.as_bytes());
    });
}
