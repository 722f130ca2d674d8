//! Answers the host makes itself, in the words of the component.

use crate::worker::Verdict;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use netwatch_guest::config::Settings;
use netwatch_guest::http::cors::{self, Audience};
use netwatch_guest::http::{Answer, Body as Content};
use netwatch_guest::problem::{PROBLEM_JSON, Problem};
use std::pin::Pin;
use std::task::{Context, Poll};
use wasmtime_wasi_http::WasiBody;

/// A body in one piece or one that the component still makes.
pub(crate) enum AnswerBody {
    Whole(Option<Bytes>),
    Streamed(WasiBody),
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = wasmtime_wasi_http::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            AnswerBody::Whole(bytes) => {
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))))
            }
            AnswerBody::Streamed(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            AnswerBody::Whole(bytes) => bytes.is_none(),
            AnswerBody::Streamed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            AnswerBody::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
            AnswerBody::Streamed(body) => body.size_hint(),
        }
    }
}

/// What a client is told.
pub(crate) type HttpAnswer = Response<AnswerBody>;

/// The answer to a report.
pub(crate) fn verdict(verdict: Verdict, origin: Option<&str>, settings: &Settings) -> HttpAnswer {
    match verdict {
        Verdict::Accepted(reports) => whole(
            Answer::accepted(reports),
            origin,
            settings,
            Audience::Posting,
        ),
        Verdict::Refused(refusal) => {
            let status = StatusCode::from_u16(refusal.status);
            let mut answer = Answer::json(
                status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                refusal.problem,
            );
            let headers = &mut answer.headers;
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
            if let Some(seconds) = refusal.retry_after {
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            if refusal.status == 401 {
                headers.insert(
                    http::header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer"),
                );
            }
            whole(answer, origin, settings, Audience::Posting)
        }
    }
}

/// A problem of the host's own.
pub(crate) fn problem(
    problem: &Problem,
    origin: Option<&str>,
    settings: &Settings,
    audience: Audience,
) -> HttpAnswer {
    whole(Answer::problem(problem), origin, settings, audience)
}

/// A problem of a request that is no tenant's, so that no origin is allowed
/// anything.
pub(crate) fn nobody(problem: &Problem) -> HttpAnswer {
    let Answer {
        status,
        headers,
        body,
    } = Answer::problem(problem);
    finished(status, headers, body)
}

/// The same address with a slash at its end, below which relative links are the
/// tenant's.
pub(crate) fn moved_below(uri: &http::Uri) -> HttpAnswer {
    let name = uri.path().rsplit('/').next().unwrap_or_default();
    let query = uri.query().map(|query| format!("?{query}"));
    let location = format!("{name}/{}", query.unwrap_or_default());
    let mut answer = finished(
        StatusCode::PERMANENT_REDIRECT,
        HeaderMap::new(),
        Content::Whole(Vec::new()),
    );
    if let Ok(location) = HeaderValue::from_str(&location) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}

/// An answer for anybody.
pub(crate) fn open(answer: Answer, origin: Option<&str>, settings: &Settings) -> HttpAnswer {
    whole(answer, origin, settings, Audience::Anybody)
}

fn whole(
    answer: Answer,
    origin: Option<&str>,
    settings: &Settings,
    audience: Audience,
) -> HttpAnswer {
    let Answer {
        status,
        mut headers,
        body,
    } = answer;
    cors::allow(&mut headers, origin, settings, audience);
    finished(status, headers, body)
}

fn finished(status: StatusCode, mut headers: HeaderMap, body: Content) -> HttpAnswer {
    // Verdicts and problems are whole; only the component makes streams.
    let body = match body {
        Content::Whole(body) => body,
        Content::Stream(_) => Vec::new(),
    };
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let body = Some(Bytes::from(body)).filter(|body| !body.is_empty());
    let mut response = Response::new(AnswerBody::Whole(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Nobody answered: the instance ended, or is being replaced.
pub(crate) fn unavailable() -> Problem {
    Problem::new(
        503,
        "unavailable",
        "the worker that had this request ended before it answered; whether the request was \
         carried out is not known",
    )
}

/// More waits than the server takes.
pub(crate) fn overloaded() -> Problem {
    Problem::new(
        503,
        "overloaded",
        "more requests are waiting than the server takes; come again",
    )
}
