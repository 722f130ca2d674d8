//! The `wasi:http` handler: every route under a stock runtime, and every route
//! but posting under the native host.

use super::Component;
use super::headers::Headers;
use super::instance::{Instance, instance};
use super::sent::Sent;
use crate::clock::Clock as _;
use crate::http::routes::{Pattern, Route};
use crate::http::{
    Answer, Body as Content, access, cors, key, openapi, page, plots, query, request_id, stats,
};
use crate::intake::{Envelope, Submission};
use crate::limits::{MAX_BYTES_IN_FLIGHT, MAX_LOGIN_BYTES};
use crate::metrics::{Outcome, QueryKind, collect, exposition};
use crate::problem::{Problem, Refusal};
use crate::store::AcceptError;
use futures::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue};
use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Trailers};
use wasip3::wit_bindgen::rt::async_support::{FutureWriter, StreamReader, StreamResult};
use wasip3::{wit_future, wit_stream};

/// What is said after a body.
type NoTrailers = Result<Option<Trailers>, ErrorCode>;

/// Bytes asked of a body at once.
const READ_BYTES: usize = 64 << 10;

impl Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let head = Head::of(&request);
        let mut answer = match instance().await {
            Ok(instance) => {
                let http = &instance.store.metrics().http;
                let began = instance.store.clock().monotonic();
                let in_flight = http.begin();
                let mut answer = route(&instance, &head, request).await;
                drop(in_flight);
                let took = instance.store.clock().monotonic().saturating_sub(began);
                let (pattern, status) = (Pattern::of(&head.path), answer.status.as_u16());
                http.answered(pattern, &head.method, status, took);
                cors::allow(
                    &mut answer.headers,
                    head.headers.text("origin"),
                    &instance.settings,
                    cors::Audience::of(&head.method, &head.path),
                );
                answer
            }
            Err(problem) => Answer::problem(&problem),
        };
        if let Ok(id) = HeaderValue::from_str(&head.request_id) {
            answer
                .headers
                .insert(HeaderName::from_static("x-request-id"), id);
        }
        log::debug!(
            "{} {:?} {} {}",
            head.method,
            head.path,
            answer.status.as_u16(),
            head.request_id
        );
        respond(answer, head.method == "HEAD")
    }
}

/// What a request says before its body.
pub(super) struct Head {
    method: String,
    path: String,
    pub(super) query: Option<String>,
    pub(super) headers: Headers,
    request_id: String,
}

impl Head {
    fn of(request: &Request) -> Head {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
            None => (target, None),
        };
        let headers = Headers::of(request);
        let id = headers.text("x-request-id").map(str::to_owned);
        Head {
            method: method_name(request.get_method()),
            path,
            query,
            headers,
            request_id: request_id::sane_or_new(id),
        }
    }
}

fn method_name(method: Method) -> String {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => return name,
    }
    .to_owned()
}

async fn route(instance: &Instance, head: &Head, request: Request) -> Answer {
    match Route::of(&head.method, &head.path) {
        Route::PostReports => match post(instance, head, request).await {
            Ok(reports) => Answer::accepted(reports),
            Err(problem) => Answer::problem(&problem),
        },
        Route::QueryReports => {
            read(instance, head, async |asked| {
                query::answer(&instance.store, &instance.questions, asked).await
            })
            .await
        }
        Route::Stats => {
            read(instance, head, async |asked| {
                let stats = stats::respond(&instance.store, &instance.questions, asked);
                counted(instance, QueryKind::Stats, stats).await
            })
            .await
        }
        Route::Plot(picture) => {
            read(instance, head, async |asked| {
                let plot = plots::respond(&instance.store, &instance.questions, picture, asked);
                counted(instance, QueryKind::Plot, plot).await
            })
            .await
        }
        Route::Page => {
            let sent = Sent::of(head, &request);
            let page = page::respond(&instance.store, &instance.questions, sent.visitor());
            let page = counted(instance, QueryKind::Plot, async { Ok(page.await) });
            page.await
                .unwrap_or_else(|problem| Answer::problem(&problem))
        }
        Route::Asset(asset) => page::asset(asset, head.headers.text("accept-encoding")),
        Route::LogIn => {
            let sent = Sent::of(head, &request);
            match login_form(instance, head, request).await {
                Ok(form) => page::log_in(&instance.store, sent.visitor(), &form).await,
                Err(problem) => Answer::problem(&problem),
            }
        }
        Route::LogOut => page::log_out(&instance.store, Sent::of(head, &request).visitor()),
        Route::ToPage => page::to_page(),
        Route::Preflight => cors::preflight(),
        Route::Health => Answer::health(),
        Route::Ready => match instance.store.probe().await {
            Ok(()) => Answer::ready(),
            Err(error) => Answer::problem(&Refusal::Store(error).into()),
        },
        Route::OpenApi => Answer::json(http::StatusCode::OK, openapi::DOCUMENT),
        Route::Metrics => metrics(instance).await,
        Route::NotFound => Answer::not_found(),
        Route::MethodNotAllowed(allow) => Answer::method_not_allowed(&head.method, allow),
    }
}

async fn login_form(
    instance: &Instance,
    head: &Head,
    request: Request,
) -> Result<Vec<u8>, Problem> {
    let announced = head.headers.content_length();
    let bytes = announced.unwrap_or(MAX_LOGIN_BYTES);
    if bytes > MAX_LOGIN_BYTES {
        return Err(page::too_large());
    }
    Body::reserve(instance, bytes)?
        .read(request, announced)
        .await
}

/// Counts a question whose answer is whole, and how long it took.
async fn counted(
    instance: &Instance,
    kind: QueryKind,
    answer: impl Future<Output = Result<Answer, Problem>>,
) -> Result<Answer, Problem> {
    let clock = instance.store.clock();
    let began = clock.monotonic();
    let answer = answer.await;
    let outcome = match &answer {
        Ok(_) => Outcome::Answered,
        Err(problem) if problem.status < 500 => Outcome::Refused,
        Err(_) => Outcome::Failed,
    };
    let took = clock.monotonic().saturating_sub(began);
    instance.store.metrics().query(kind, took, outcome);
    answer
}

/// Answers a question of somebody who may ask.
async fn read(
    instance: &Instance,
    head: &Head,
    answer: impl AsyncFnOnce(query::Asked<'_>) -> Result<Answer, Problem>,
) -> Answer {
    let asked = query::Asked {
        query: head.query.as_deref(),
        accept: head.headers.text("accept"),
        accept_encoding: head.headers.text("accept-encoding"),
    };
    let answered = match may_read(instance, &head.headers) {
        Ok(()) => answer(asked).await,
        Err(problem) => Err(problem),
    };
    answered.unwrap_or_else(|problem| Answer::problem(&problem))
}

/// What this instance has counted. Under a native host the host answers.
async fn metrics(instance: &Instance) -> Answer {
    let store = &instance.store;
    let mut families = collect::families(store.metrics(), &store.holdings().await);
    families.extend(store.metrics().http.families());
    families.extend(collect::derived(&families));
    families.push(collect::build_info());
    Answer::text(exposition::CONTENT_TYPE, exposition::encode(&families))
}

/// Whether a request may read.
fn may_read(instance: &Instance, headers: &Headers) -> Result<(), Problem> {
    access::check(
        &instance.settings,
        headers.text("authorization"),
        headers.text("cookie"),
        instance.store.clock().wall_ms(),
    )
}

async fn post(instance: &Instance, head: &Head, request: Request) -> Result<u32, Problem> {
    let headers = &head.headers;
    let text = |name| headers.text(name).map(str::to_owned);
    let envelope = Envelope {
        content_type: text("content-type"),
        content_encoding: text("content-encoding"),
        origin: text("origin"),
        key: key::find(
            headers.text("authorization"),
            headers.text("x-api-key"),
            head.query.as_deref(),
        ),
        // Nobody here knows it; whoever sent the request may claim anything.
        client: None,
    };
    let declared = headers.content_length();
    let body = match Body::reserve(instance, declared.unwrap_or(READ_BYTES as u64)) {
        Ok(body) => body.read(request, declared).await,
        Err(problem) => Err(problem),
    };
    let body = body.inspect_err(|problem| instance.store.metrics().rejected(problem.reason))?;
    let submission = Submission {
        body: &body,
        envelope: &envelope,
    };
    let verdicts = instance.submit(&[submission]).await;
    verdicts.into_iter().next().unwrap_or_else(|| {
        Err(Problem::new(
            500,
            "internal",
            "no verdict was reached; please report this",
        ))
    })
}

/// A body being read, and its share of the memory for bodies.
struct Body<'a> {
    instance: &'a Instance,
    reserved: u64,
}

impl Drop for Body<'_> {
    fn drop(&mut self) {
        let reading = &self.instance.reading_bytes;
        reading.set(reading.get().saturating_sub(self.reserved));
    }
}

impl<'a> Body<'a> {
    fn reserve(instance: &'a Instance, bytes: u64) -> Result<Self, Problem> {
        let limit = instance.settings.max_body_bytes;
        if bytes > limit {
            return Err(Refusal::TooLarge(limit).into());
        }
        let mut body = Body {
            instance,
            reserved: 0,
        };
        body.grow(bytes)?;
        Ok(body)
    }

    fn grow(&mut self, bytes: u64) -> Result<(), Problem> {
        let reading = self.instance.reading_bytes.get() + bytes;
        if reading > MAX_BYTES_IN_FLIGHT {
            return Err(Refusal::Store(AcceptError::Busy).into());
        }
        self.instance.reading_bytes.set(reading);
        self.reserved += bytes;
        Ok(())
    }

    /// Reads a body of which so many bytes are announced, if any.
    async fn read(mut self, request: Request, announced: Option<u64>) -> Result<Vec<u8>, Problem> {
        let limit = self.instance.settings.max_body_bytes;
        let (result_tx, result_rx) = wit_future::new(|| Ok(()));
        let (mut stream, trailers) = Request::consume_body(request, result_rx);
        // Somebody waits for it only now: before, it would be one more thing to
        // wait for.
        drop(result_tx);
        let room = announced.and_then(|bytes| usize::try_from(bytes).ok());
        let mut body = Vec::with_capacity(READ_BYTES.min(room.unwrap_or(READ_BYTES)));
        loop {
            if body.len() == body.capacity() {
                body.reserve(READ_BYTES);
            }
            let (status, more) = stream.read(body).await;
            body = more;
            let bytes = body.len() as u64;
            if bytes > limit {
                return Err(Refusal::TooLarge(limit).into());
            }
            if bytes > self.reserved {
                self.grow(bytes - self.reserved)?;
            }
            if announced == Some(bytes) {
                // The runtime holds bodies to their lengths: to ask it whether that
                // was all costs as much again as reading it.
                return Ok(body);
            }
            if status == StreamResult::Dropped {
                break;
            }
        }
        drop(stream);
        match trailers.await {
            Ok(_) => Ok(body),
            Err(_) => Err(Problem::new(
                400,
                "incomplete",
                "the body did not arrive whole",
            )),
        }
    }
}

fn respond(answer: Answer, head_only: bool) -> Result<Response, ErrorCode> {
    let mut fields: Vec<(String, Vec<u8>)> = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    if let Content::Whole(bytes) = &answer.body
        && !bytes.is_empty()
    {
        let length = bytes.len().to_string();
        fields.push(("content-length".to_owned(), length.into_bytes()));
    }
    let internal = |why: &str| ErrorCode::InternalError(Some(why.to_owned()));
    let fields = Fields::from_list(&fields).map_err(|_| internal("a header was refused"))?;
    let (trailers_tx, trailers_rx) = wit_future::new(|| Ok(None));
    let body = match answer.body {
        Content::Whole(bytes) if bytes.is_empty() => None,
        _ if head_only => None,
        content => Some(send(content, trailers_tx)),
    };
    let (response, _transmitted) = Response::new(fields, body, trailers_rx);
    response
        .set_status_code(answer.status.as_u16())
        .map_err(|()| internal("a status was refused"))?;
    Ok(response)
}

/// Sends a body beside the caller, for as long as somebody takes it. That there are no
/// trailers is said after it, when somebody waits for them.
fn send(content: Content, trailers: FutureWriter<NoTrailers>) -> StreamReader<u8> {
    let (mut sender, receiver) = wit_stream::new();
    wasip3::spawn_local(async move {
        let mut pieces = match content {
            Content::Whole(bytes) => stream::once(async { bytes }).boxed_local(),
            Content::Stream(pieces) => pieces,
        };
        while let Some(piece) = pieces.next().await {
            // A client that is gone leaves bytes over; nobody misses the rest.
            if !sender.write_all(piece).await.is_empty() {
                break;
            }
        }
        drop(sender);
        drop(trailers);
    });
    receiver
}
