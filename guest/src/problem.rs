//! What a refused request is told: problem details (RFC 9457).

use crate::decode::DecodeError;
use crate::limits::RETRY_AFTER_SECONDS;
use crate::report::locate::Place;
use crate::report::{Kind, ReportError};
use crate::store::AcceptError;
use serde::Serialize;

/// The media type of [`Problem::json`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A problem document and the headers that go with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// HTTP status, 400 to 599.
    pub status: u16,
    /// The status in words.
    pub title: &'static str,
    /// A word for programs; does not change.
    pub reason: &'static str,
    /// What was wrong, with which value, and what to do.
    pub detail: String,
    /// Line of the fault in the body, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// JSON Pointer (RFC 6901) to the value at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Seconds for `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<u32>,
    /// Whether a page of the request's origin may read the answer.
    #[serde(skip)]
    pub readable_by_origin: bool,
}

impl Problem {
    /// A problem without a place in the body.
    pub fn new(status: u16, reason: &'static str, detail: impl Into<String>) -> Problem {
        Problem {
            status,
            title: title(status),
            reason,
            detail: detail.into(),
            line: None,
            column: None,
            pointer: None,
            retry_after: matches!(status, 429 | 503).then_some(RETRY_AFTER_SECONDS),
            readable_by_origin: true,
        }
    }

    /// The document.
    pub fn json(&self) -> String {
        // Strings and numbers always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn at(mut self, place: Place) -> Problem {
        self.line = Some(place.line);
        self.column = Some(place.column);
        self.pointer = Some(place.pointer);
        self
    }
}

fn title(status: u16) -> &'static str {
    http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Error")
}

/// Why a submission is refused, by the step that refused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `ALLOWED_ORIGINS` does not hold the page's origin.
    Origin(String),
    /// `INGEST_KEY` is set and the request brings none.
    KeyMissing,
    /// … or another.
    KeyWrong,
    /// No content type.
    TypeMissing,
    /// One that holds no reports.
    Type(String),
    /// More bytes than allowed: the limit.
    TooLarge(u64),
    /// The content coding.
    Decode(DecodeError, u64),
    /// The reports themselves.
    Report(ReportError),
    /// The store; the client may come again.
    Store(AcceptError),
}

/// The content types that hold reports, for messages.
const TYPES: &str =
    "application/json, application/x-ndjson, application/reports+json or text/plain";

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let too_large = |limit| {
            let detail = format!(
                "a request may have {limit} bytes (MAX_BODY_BYTES), counted after decompression; \
                 send less at once"
            );
            Problem::new(413, "too-large", detail)
        };
        match refusal {
            Refusal::Origin(origin) => Problem {
                readable_by_origin: false,
                ..Problem::new(
                    403,
                    "origin",
                    format!("pages of {origin:?} may not post here (ALLOWED_ORIGINS)"),
                )
            },
            Refusal::KeyMissing => Problem::new(
                401,
                "key-missing",
                "an ingest key is needed: Authorization: Bearer, X-API-Key or ?key=",
            ),
            Refusal::KeyWrong => {
                Problem::new(403, "key-wrong", "the ingest key is not the right one")
            }
            Refusal::TypeMissing => Problem::new(
                415,
                "content-type",
                format!("Content-Type is missing; send {TYPES}"),
            ),
            Refusal::Type(sent) => Problem::new(
                415,
                "content-type",
                format!("Content-Type {sent:?} holds no reports; send {TYPES}, in UTF-8"),
            ),
            Refusal::TooLarge(limit) | Refusal::Decode(DecodeError::TooLarge, limit) => {
                too_large(limit)
            }
            Refusal::Decode(DecodeError::UnknownCoding(coding), _) => Problem::new(
                415,
                "content-encoding",
                format!("Content-Encoding {coding:?} is not known; send gzip, zstd or none"),
            ),
            Refusal::Decode(DecodeError::Corrupt(why), _) => Problem::new(
                400,
                "corrupt-encoding",
                format!("the body does not decode: {why}"),
            ),
            Refusal::Report(error) => report(error),
            Refusal::Store(error) => store(&error),
        }
    }
}

fn report(error: ReportError) -> Problem {
    let (status, reason) = match error.kind {
        Kind::Malformed => (400, "malformed"),
        Kind::NotAReport => (422, "not-a-report"),
        Kind::TooMany => (413, "too-many-reports"),
    };
    Problem::new(status, reason, error.detail).at(error.place)
}

fn store(error: &AcceptError) -> Problem {
    let reason = match error {
        AcceptError::Draining => "stopping",
        AcceptError::Busy => "busy",
        AcceptError::Backlog => "backlog",
        AcceptError::Disk(_) => "disk",
    };
    // What the disk said in detail is for the log, not for strangers.
    let detail = match error {
        AcceptError::Disk(crate::disk::DiskError::Full) => "the disk is full",
        AcceptError::Disk(_) => "the disk refuses writes",
        AcceptError::Draining => "the server is stopping",
        AcceptError::Busy => "too much is waiting to be stored",
        AcceptError::Backlog => "too much is waiting to be published",
    };
    Problem::new(
        503,
        reason,
        format!("{detail}; send the report again later"),
    )
}
