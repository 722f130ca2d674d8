//! `POST /api/v1/reports`: reads the body within its bounds, queues it, waits
//! for the verdict.

use crate::answer::{self, HttpAnswer};
use crate::budget::Share;
use crate::connection::Context;
use crate::edge::{BodyError, Exceeded, Paced, Sender};
use crate::limits;
use crate::tenant::{Crew, Visitor};
use crate::worker::{Envelope, Pending, Verdict};
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, ORIGIN,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::BodyExt;
use hyper::body::Body;
use netwatch_guest::http::cors::Audience;
use netwatch_guest::http::key;
use netwatch_guest::problem::{Problem, Refusal};
use tokio::sync::oneshot;

/// Answers one report request.
pub(crate) async fn post(
    context: &Context,
    visitor: &Visitor,
    crew: &Crew,
    request: Request<Paced>,
    sender: &Sender,
) -> HttpAnswer {
    let (head, body) = request.into_parts();
    let origin = text(&head.headers, &ORIGIN);
    let settings = &visitor.terms.options.settings;
    let mut share = visitor.tenant.budget.share();
    let limit = settings.max_body_bytes;
    let verdict = match read(&head, body, &mut share, limit).await {
        Ok(body) => {
            let edge = context.edge();
            let store = &visitor.terms.options.store_client;
            let client = store.of(sender.address, &visitor.tenant.name, &edge.daily_salt);
            let envelope = envelope(client, &head, origin.clone());
            let judged = judge(context, crew, body, envelope, share).await;
            judged.map_err(NotTaken::from)
        }
        Err(not_taken) => Err(not_taken),
    };
    answer(visitor, origin.as_deref(), verdict)
}

/// The answer to a report that was judged, or why it was not.
pub(crate) fn answer(
    visitor: &Visitor,
    origin: Option<&str>,
    verdict: Result<Verdict, NotTaken>,
) -> HttpAnswer {
    let settings = &visitor.terms.options.settings;
    match verdict {
        Ok(verdict) => answer::verdict(verdict, origin, settings),
        Err(NotTaken { problem, exceeded }) => {
            visitor.tenant.meters.refused(problem.reason);
            let unread = matches!(problem.status, 400 | 408 | 413 | 429);
            let mut answer = answer::problem(&problem, origin, settings, Audience::Posting);
            if let Some(exceeded) = exceeded {
                exceeded.add_to(answer.headers_mut());
            }
            if unread {
                // What is left of the body is not worth reading.
                answer
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        }
    }
}

/// Why a report was not even judged.
pub(crate) struct NotTaken {
    problem: Problem,
    exceeded: Option<Exceeded>,
}

impl From<Problem> for NotTaken {
    fn from(problem: Problem) -> Self {
        let exceeded = None;
        NotTaken { problem, exceeded }
    }
}

impl From<BodyError> for NotTaken {
    /// The client sees this only where it still listens.
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooSlow => Problem::new(408, "timeout", error.to_string()).into(),
            BodyError::Ambiguous(fault) => Problem::new(400, "framing", fault.detail()).into(),
            BodyError::Broken(_) => {
                let detail = format!("the body cannot be read: {error}");
                Problem::new(400, "body", detail).into()
            }
            BodyError::TooMuch(exceeded) => NotTaken {
                problem: exceeded.problem(),
                exceeded: Some(exceeded),
            },
        }
    }
}

/// Hands a report over, and waits for its verdict.
///
/// # Errors
///
/// There is none.
pub(crate) async fn judge(
    context: &Context,
    crew: &Crew,
    body: Bytes,
    envelope: Envelope,
    share: Share,
) -> Result<Verdict, Problem> {
    let (reply, verdict) = oneshot::channel();
    let pending = Pending {
        body,
        envelope,
        reply,
        share,
    };
    let Some(worker) = crew.workers.submit(context.home, pending) else {
        return Err(answer::overloaded());
    };
    match context.patience.limit(limits::ANSWER_TIME, verdict).await {
        Some(Ok(verdict)) => Ok(verdict),
        Some(Err(_)) => Err(answer::unavailable()),
        None => {
            worker.load.gave_up();
            Err(answer::unavailable())
        }
    }
}

fn envelope(client: Option<String>, head: &Parts, origin: Option<String>) -> Envelope {
    let headers = &head.headers;
    let key = || {
        key::find(
            str_of(headers, &AUTHORIZATION),
            str_of(headers, &HeaderName::from_static("x-api-key")),
            head.uri.query(),
        )
    };
    Envelope {
        content_type: text(headers, &CONTENT_TYPE),
        content_encoding: text(headers, &CONTENT_ENCODING),
        origin,
        key: key(),
        client,
    }
}

/// The whole body: as it came, where it came in one piece. Its bytes count against
/// the budget as they arrive, not as they are announced.
async fn read(
    head: &Parts,
    mut body: Paced,
    share: &mut Share,
    limit: u64,
) -> Result<Bytes, NotTaken> {
    let announced = head
        .headers
        .get(CONTENT_LENGTH)
        .map_or(0, |_| body.size_hint().lower());
    if announced > limit {
        return Err(Problem::from(Refusal::TooLarge(limit)).into());
    }
    let mut whole = Bytes::new();
    let mut pieces = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        let before = whole.len() + pieces.len();
        if before as u64 + data.len() as u64 > limit {
            return Err(Problem::from(Refusal::TooLarge(limit)).into());
        }
        if !share.grow(data.len()) {
            return Err(answer::overloaded().into());
        }
        if before == 0 {
            whole = data;
            continue;
        }
        if pieces.is_empty() {
            pieces.reserve_exact(limits::BODY_ROOM.min(announced as usize));
            pieces.extend_from_slice(&std::mem::take(&mut whole));
        }
        pieces.extend_from_slice(&data);
    }
    Ok(if pieces.is_empty() {
        whole
    } else {
        Bytes::from(pieces)
    })
}

fn str_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers
        .get(name)
        .and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    str_of(headers, name).map(str::to_owned)
}
