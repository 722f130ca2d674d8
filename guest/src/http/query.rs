//! `GET /api/v1/reports`: reports as a stream.

use super::accept::{Coding, media_type};
use super::coding::Coder;
use super::routes::REPORTS;
use super::{Answer, Body};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::metrics::{Outcome, QueryKind};
use crate::problem::Problem;
use crate::query::gate::Gate;
use crate::query::{Fault, Page, Question};
use crate::store::Store;
use futures::stream;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, LINK, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;
use std::rc::Rc;
use std::time::Duration;

/// Content that is sent at once, bytes.
const PIECE_BYTES: usize = 64 << 10;

const NDJSON: &str = "application/x-ndjson";
const JSON: &str = "application/json";

/// What of a request this route looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// The query of its path.
    pub query: Option<&'a str>,
    /// `Accept`
    pub accept: Option<&'a str>,
    /// `Accept-Encoding`
    pub accept_encoding: Option<&'a str>,
}

/// Answers a question; the caller has checked that it may be asked.
///
/// # Errors
/// What is wrong with the question, or that nothing can be read now.
pub async fn answer<D: Disk, C: Clock>(
    store: &Rc<Store<D, C>>,
    gate: &Gate,
    asked: Asked<'_>,
) -> Result<Answer, Problem> {
    let began = store.clock().monotonic();
    let found = find(store, gate, asked).await;
    found.inspect_err(|problem| {
        let outcome = match problem.status {
            500.. => Outcome::Failed,
            _ => Outcome::Refused,
        };
        let took = store.clock().monotonic().saturating_sub(began);
        store.metrics().query(QueryKind::Reports, took, outcome);
    })
}

async fn find<D: Disk, C: Clock>(
    store: &Rc<Store<D, C>>,
    gate: &Gate,
    asked: Asked<'_>,
) -> Result<Answer, Problem> {
    let began = store.clock().monotonic();
    let now_ms = store.clock().wall_ms();
    let question = Question::parse(asked.query.unwrap_or_default(), now_ms)
        .map_err(|why| Problem::new(400, "parameter", why))?;
    let busy = || Problem::new(503, "busy", "too many questions at once; ask again later");
    let place = gate.enter(store.clock()).await.ok_or_else(busy)?;
    let page = Page::find(Rc::clone(store), question, place)
        .await
        .map_err(|error| {
            log::error!("the data directory cannot be read: {error}");
            Problem::new(503, "disk", "the data directory cannot be read now")
        })?;
    let coding = Coding::of(asked.accept_encoding);
    let coder = Coder::new(coding)
        .map_err(|error| Problem::new(500, "internal", format!("the answer's encoder: {error}")))?;
    let array = media_type(asked.accept, &[NDJSON, JSON]) == JSON;
    let headers = headers(array, coding, page.next_query());
    let writer = Writer {
        page,
        array,
        coder: Some(coder),
        begun: false,
        wanted: false,
        done: false,
        store: Rc::clone(store),
        began,
    };
    let pieces = stream::unfold(writer, |mut writer| async move {
        let piece = writer.piece().await?;
        Some((piece, writer))
    });
    Ok(Answer {
        status: StatusCode::OK,
        headers,
        body: Body::Stream(Box::pin(pieces)),
    })
}

fn headers(array: bool, coding: Coding, next: Option<String>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let media_type = if array { JSON } else { NDJSON };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.append(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if let Some(name) = coding.name() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    let link = next.map(|query| format!("<{REPORTS}?{query}>; rel=\"next\""));
    if let Some(Ok(link)) = link.map(|link| HeaderValue::from_str(&link)) {
        headers.insert(LINK, link);
    }
    headers
}

/// Writes a page as NDJSON or as an array.
struct Writer<D: Disk, C: Clock> {
    page: Page<D, C>,
    array: bool,
    /// `None` when the answer is complete.
    coder: Option<Coder>,
    begun: bool,
    /// Whether anybody has asked for the first piece: nobody does after `HEAD`.
    wanted: bool,
    /// Whether the last piece has been made.
    done: bool,
    store: Rc<Store<D, C>>,
    /// When the question came.
    began: Duration,
}

impl<D: Disk, C: Clock> Drop for Writer<D, C> {
    fn drop(&mut self) {
        let outcome = if self.wanted && !self.done {
            Outcome::Abandoned
        } else {
            Outcome::Answered
        };
        let now = self.store.clock().monotonic();
        let took = now.saturating_sub(self.began);
        self.store
            .metrics()
            .query(QueryKind::Reports, took, outcome);
    }
}

impl<D: Disk, C: Clock> Writer<D, C> {
    /// The next bytes to send; `None` at the end.
    async fn piece(&mut self) -> Option<Vec<u8>> {
        self.wanted = true;
        loop {
            let mut coder = self.coder.take()?;
            let mut content = Vec::new();
            let mut ended = false;
            while content.len() < PIECE_BYTES {
                let Some(line) = self.page.next_line().await else {
                    ended = true;
                    break;
                };
                self.put(&mut content, &line);
            }
            if ended {
                for fault in self.page.faults().to_vec() {
                    self.store.metrics().unreadable_file();
                    self.put(&mut content, error_line(&fault).as_bytes());
                }
                self.close(&mut content);
            }
            let mut piece = coder.encode(content).ok()?;
            if ended {
                piece.extend(coder.finish().ok()?);
                self.done = true;
            } else {
                self.coder = Some(coder);
            }
            if ended && piece.is_empty() {
                return None;
            }
            if !piece.is_empty() {
                return Some(piece);
            }
        }
    }

    fn put(&mut self, content: &mut Vec<u8>, line: &[u8]) {
        if self.array {
            content.extend_from_slice(if self.begun { b",\n" } else { b"[\n" });
        }
        self.begun = true;
        content.extend_from_slice(line);
        if !self.array {
            content.push(b'\n');
        }
    }

    fn close(&mut self, content: &mut Vec<u8>) {
        if self.array {
            content.extend_from_slice(if self.begun { b"\n]\n" } else { b"[]\n" });
        }
    }
}

fn error_line((file, what): &Fault) -> String {
    log::warn!("{file} cannot be read: {what}");
    json!({ "_error": { "file": file, "detail": what } }).to_string()
}
