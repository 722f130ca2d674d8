//! Requests and answers of HTTP, without the wire: routes, keys, CORS, documents.

pub mod accept;
pub mod access;
pub mod coding;
pub mod cors;
pub mod key;
pub mod openapi;
pub mod page;
pub mod plots;
pub mod query;
pub mod request_id;
pub mod routes;
pub mod stats;

use crate::problem::{PROBLEM_JSON, Problem};
use futures::Stream;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::fmt;
use std::pin::Pin;

/// What is sent after the head.
pub enum Body {
    /// All of it, with a `Content-Length`.
    Whole(Vec<u8>),
    /// Piece by piece, as it is made. Dropping it ends the making.
    Stream(Pin<Box<dyn Stream<Item = Vec<u8>>>>),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Whole(bytes) => write!(f, "{} bytes", bytes.len()),
            Body::Stream(_) => f.write_str("a stream"),
        }
    }
}

/// Headers that an answer to a page has, or some more.
const HEADERS: usize = 12;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Headers, without CORS and `Content-Length`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

impl Answer {
    /// A JSON document.
    pub fn json(status: StatusCode, body: impl Into<Vec<u8>>) -> Answer {
        // With room for all that answers get besides.
        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Answer {
            status,
            headers,
            body: Body::Whole(body.into()),
        }
    }

    /// A text of some type.
    pub fn text(content_type: &'static str, body: impl Into<Vec<u8>>) -> Answer {
        let mut answer = Answer::json(StatusCode::OK, body);
        let content_type = HeaderValue::from_static(content_type);
        answer.headers.insert(CONTENT_TYPE, content_type);
        answer
    }

    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Answer {
        Answer {
            status,
            headers: HeaderMap::new(),
            body: Body::Whole(Vec::new()),
        }
    }

    /// `202 {"accepted":N}`
    pub fn accepted(reports: u32) -> Answer {
        Answer::json(StatusCode::ACCEPTED, format!("{{\"accepted\":{reports}}}"))
    }

    /// A problem document with the headers its status asks for.
    pub fn problem(problem: &Problem) -> Answer {
        let status = StatusCode::from_u16(problem.status);
        let mut answer = Answer::json(
            status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            problem.json(),
        );
        let headers = &mut answer.headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = problem.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if problem.status == 401 {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        answer
    }

    /// 405 with the methods that are allowed.
    pub fn method_not_allowed(method: &str, allow: &'static str) -> Answer {
        let detail = format!("{method} is not possible here; use {allow}");
        let mut answer = Answer::problem(&Problem::new(405, "method", detail));
        answer
            .headers
            .insert(ALLOW, HeaderValue::from_static(allow));
        answer
    }

    /// 404.
    pub fn not_found() -> Answer {
        let detail = "there is nothing here; see /openapi.json for what there is";
        Answer::problem(&Problem::new(404, "not-found", detail))
    }

    /// Liveness: this instance answers.
    pub fn health() -> Answer {
        // Not which version: strangers need not know what to look up.
        Answer::json(StatusCode::OK, "{\"status\":\"ok\"}")
    }

    /// Readiness: a report would be stored now.
    pub fn ready() -> Answer {
        Answer::json(StatusCode::OK, "{\"status\":\"ready\"}")
    }
}
