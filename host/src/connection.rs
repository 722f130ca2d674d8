//! HTTP on one connection: which request goes which way, in bounded time.

use crate::answer::{self, AnswerBody, HttpAnswer};
use crate::conversation;
use crate::dispatch;
use crate::edge::{self, Arrived, Edge, Exceeded, InFlight, KeptTimer, Limit, Paced, Passing};
use crate::edge::{Place, Presence, Sender};
use crate::metrics;
use crate::tenant::{Crew, Directory, Found, Visitor};
use crate::worker::Call;
use crate::{ingest, limits};
use arc_swap::ArcSwap;
use http::header::{CONNECTION, HeaderName, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use netwatch_guest::http::cors::Audience;
use netwatch_guest::http::request_id;
use netwatch_guest::http::routes::{Pattern, Route};
use netwatch_guest::problem::Problem;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use wasmtime_wasi_http::{Error, WasiBody};

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) tenants: Arc<ArcSwap<Directory>>,
    pub(crate) edge: Arc<Edge>,
}

/// What one connection's requests are answered with.
pub(crate) struct Context {
    pub(crate) shared: Arc<Shared>,
    /// Whose it is.
    pub(crate) peer: IpAddr,
    /// It is encrypted.
    pub(crate) https: bool,
    /// The worker on whose thread the connection is served, where it is a worker's.
    pub(crate) home: usize,
    pub(crate) presence: Arc<Presence>,
    /// Bounds how long an answer may take.
    pub(crate) patience: KeptTimer,
    /// Becomes true when no further request is to be read.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Context {
    pub(crate) fn edge(&self) -> &Arc<Edge> {
        &self.shared.edge
    }

    /// Whether no further request is to be read.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    pub(crate) fn log_end(&self, error: &dyn std::error::Error) {
        tracing::debug!(client = %self.peer, "connection ended: {error}");
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A connection on its way to the thread that serves it.
pub(crate) struct Visit {
    pub(crate) shared: Arc<Shared>,
    pub(crate) stream: std::net::TcpStream,
    pub(crate) from: IpAddr,
    /// The worker on whose thread it is served.
    pub(crate) home: usize,
    /// Becomes true when no further request is to be read.
    pub(crate) stop: watch::Receiver<bool>,
    /// Held as long as the connection lives.
    pub(crate) place: Place,
}

impl Visit {
    /// Serves the connection until it is closed, or its requests are answered
    /// after `stop` became true.
    pub(crate) async fn serve(self) {
        let Visit {
            shared,
            stream,
            from,
            home,
            mut stop,
            place,
        } = self;
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!("cannot serve a connection: {error}");
                return;
            }
        };
        let arrived = tokio::select! {
            arrived = edge::arrive(&shared.edge, stream, from) => arrived,
            () = place.presence.dismissed() => None,
            _ = stop.wait_for(|stop| *stop) => None,
        };
        let Some(Arrived {
            stream,
            peer,
            client: _client,
        }) = arrived
        else {
            return;
        };
        let context = Context {
            shared,
            peer,
            https: stream.is_encrypted(),
            home,
            presence: Arc::clone(&place.presence),
            patience: KeptTimer::default(),
            stop,
        };
        conversation::hold(Rc::new(context), stream).await;
    }
}

/// Answers one request, with its log line, its metrics and whatever every answer
/// has.
pub(crate) async fn answer_logged(
    context: &Context,
    request: Request<Incoming>,
) -> Response<Passing> {
    let start = Instant::now();
    let mut flight = context.presence.begin(start);
    let id = request_id(request.headers());
    let line =
        tracing::enabled!(tracing::Level::DEBUG).then(|| crate::log::escape(request.uri().path()));
    let method = request.method().clone();
    let edge = context.edge();
    let sender = edge.sender(request.headers(), context.peer, context.https);
    let request = request.map(|body| edge.paced(body, &flight));
    let found = match sane(context, &request, &flight) {
        Ok(()) => find(context, request, &sender),
        Err(malformed) => Err(malformed),
    };
    let mut audience = Audience::Anybody;
    let (mut answer, tenant) = match found {
        Ok((found, request)) => {
            let path = request.uri().path();
            let pattern = Pattern::of(path);
            audience = Audience::of(method.as_str(), path);
            let http = &found.tenant.meters.http;
            let in_flight = http.begin();
            let answer = admitted(context, &found, request, &id, &sender).await;
            drop(in_flight);
            let status = answer.status().as_u16();
            http.answered(pattern, method.as_str(), status, start.elapsed());
            (answer, Some(found.tenant))
        }
        Err(answer) => (answer, None),
    };
    let took = start.elapsed();
    flight.answered(start + took);
    if let Some(path) = line {
        tracing::debug!(
            tenant = tenant.as_ref().map(|tenant| &*tenant.name),
            %method,
            path,
            status = answer.status().as_u16(),
            milliseconds = took.as_secs_f64() * 1e3,
            request_id = id.to_str().unwrap_or_default(),
            client = %sender.address,
            "request"
        );
    }
    let headers = answer.headers_mut();
    headers.insert(REQUEST_ID, id);
    edge.protect(headers, audience, &sender);
    if headers.contains_key(CONNECTION) {
        context.presence.set_refused();
    }
    answer.map(|body| Passing::new(body, flight))
}

/// The id a client gave its request, or else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |id: &&HeaderValue| id.to_str().is_ok_and(request_id::is_sane);
    match headers.get(REQUEST_ID).filter(sane) {
        Some(sent) => sent.clone(),
        // Of hexadecimal digits.
        None => HeaderValue::try_from(request_id::fresh())
            .unwrap_or_else(|_| HeaderValue::from_static("none")),
    }
}

/// Refuses what is malformed, whoever it is for.
fn sane(context: &Context, request: &Request<Paced>, flight: &InFlight) -> Result<(), HttpAnswer> {
    edge::judge(request, flight.fault()).map_err(|malformed| {
        context.edge().limited.count(Limit::Head);
        let mut refused = answer::nobody(&malformed);
        let close = HeaderValue::from_static("close");
        refused.headers_mut().insert(CONNECTION, close);
        refused
    })
}

/// The tenant a request is for, and the request as that tenant sees it.
fn find(
    context: &Context,
    request: Request<Paced>,
    sender: &Sender,
) -> Result<(Found, Request<Paced>), HttpAnswer> {
    let (mut head, body) = request.into_parts();
    let Some(found) = context.shared.tenants.load().find(&head) else {
        return Err(nobody_there(context, sender));
    };
    if found.prefix > 0 {
        if head.uri.path().len() == found.prefix && head.method == http::Method::GET {
            return Err(answer::moved_below(&head.uri));
        }
        without_prefix(&mut head, found.prefix);
    }
    Ok((found, Request::from_parts(head, body)))
}

/// Says that there is no such tenant, as often as a client may ask: or names and
/// keys could be tried without end.
fn nobody_there(context: &Context, sender: &Sender) -> HttpAnswer {
    if let Err(exceeded) = context.edge().check_client(sender) {
        let mut refused = answer::nobody(&exceeded.problem());
        exceeded.add_to(refused.headers_mut());
        return refused;
    }
    let detail = "nobody is served here: neither the host, nor the path, nor a key leads to a \
                  tenant of this server";
    answer::nobody(&Problem::new(404, "no-tenant", detail))
}

/// Takes what led to the tenant off the path. All links of a tenant are relative.
fn without_prefix(head: &mut Parts, length: usize) {
    let whole = head.uri.path_and_query();
    let whole = whole.map_or("/", http::uri::PathAndQuery::as_str);
    let rest = whole.get(length..).unwrap_or_default();
    let rest = match rest.starts_with('/') {
        true => rest.to_owned(),
        false => format!("/{rest}"),
    };
    let mut uri = std::mem::take(&mut head.uri).into_parts();
    // Of a path that was one, cut before a slash.
    uri.path_and_query = rest.parse().ok();
    head.uri = http::Uri::from_parts(uri).unwrap_or_default();
}

/// Answers a request of a tenant that has room for it.
async fn admitted(
    context: &Context,
    found: &Found,
    mut request: Request<Paced>,
    id: &HeaderValue,
    sender: &Sender,
) -> HttpAnswer {
    match found.tenant.admit() {
        Ok(visitor) => match count(context, &visitor, &mut request, sender) {
            Ok(()) => answer(context, &visitor, request, id, sender).await,
            Err(exceeded) => {
                let mut refused = problem(&visitor, &request, &exceeded.problem());
                exceeded.add_to(refused.headers_mut());
                refused
            }
        },
        Err((visitor, refused)) => problem(&visitor, &request, &refused),
    }
}

/// Counts a request among its client's, and with its body among its tenant's, but
/// for those by which an operator sees how things are.
fn count(
    context: &Context,
    visitor: &Visitor,
    request: &mut Request<Paced>,
    sender: &Sender,
) -> Result<(), Exceeded> {
    context.edge().check_client(sender)?;
    if matches!(
        Pattern::of(request.uri().path()),
        Pattern::Health | Pattern::Ready | Pattern::Metrics
    ) {
        return Ok(());
    }
    let rates = &visitor.tenant.rates;
    rates.check_request()?;
    request.body_mut().count(rates)
}

async fn answer(
    context: &Context,
    visitor: &Visitor,
    request: Request<Paced>,
    id: &HeaderValue,
    sender: &Sender,
) -> HttpAnswer {
    let route = Route::of(request.method().as_str(), request.uri().path());
    let collects = visitor.terms.component.is_collector;
    if collects && route == Route::Metrics {
        let origin = request.headers().get(ORIGIN).cloned();
        let origin = origin.as_ref().and_then(|origin| origin.to_str().ok());
        let alone = context.shared.tenants.load().only().is_some();
        let edge = alone.then(|| &**context.edge());
        return metrics::answer(visitor, origin, edge).await;
    }
    // Held to the end: a crew is dismissed when nobody is served by it.
    let crew = match visitor.tenant.crew().await {
        Ok(crew) => crew,
        Err(refused) => return problem(visitor, &request, &refused),
    };
    match route {
        Route::PostReports if crew.terms.component.is_collector => {
            ingest::post(context, visitor, &crew, request, sender).await
        }
        Route::Ready if !visitor.tenant.premises.roster.is_recovered() => {
            let detail = "reports from before the start are still being recovered";
            problem(visitor, &request, &Problem::new(503, "recovering", detail))
        }
        route => {
            let request = for_component(visitor, request, id, sender);
            call(context, visitor, &crew, request, route == Route::Ready).await
        }
    }
}

fn problem<B>(visitor: &Visitor, request: &Request<B>, problem: &Problem) -> HttpAnswer {
    let origin = request.headers().get(ORIGIN);
    let origin = origin.and_then(|origin| origin.to_str().ok());
    let audience = Audience::of(request.method().as_str(), request.uri().path());
    answer::problem(problem, origin, &visitor.terms.options.settings, audience)
}

/// Lets the component answer.
async fn call(
    context: &Context,
    visitor: &Visitor,
    crew: &Crew,
    request: Request<WasiBody>,
    readiness: bool,
) -> HttpAnswer {
    let unavailable = problem(visitor, &request, &answer::unavailable());
    let place = if readiness {
        crew.workers.place_for_readiness()
    } else {
        crew.workers.place()
    };
    let Some((worker, place)) = place else {
        return problem(visitor, &request, &answer::overloaded());
    };
    let (reply, answered) = oneshot::channel();
    let call = Call {
        request,
        reply,
        place,
    };
    if !dispatch::start(worker, call) {
        return unavailable;
    }
    match context.patience.limit(limits::ANSWER_TIME, answered).await {
        Some(Ok(response)) => response.map(AnswerBody::Streamed),
        Some(Err(_)) => unavailable,
        None => {
            worker.load.gave_up();
            unavailable
        }
    }
}

/// The request as the component sees it: absolute, with its id, its body bounded,
/// and nothing about its sender but what is known.
fn for_component(
    visitor: &Visitor,
    request: Request<Paced>,
    id: &HeaderValue,
    sender: &Sender,
) -> Request<WasiBody> {
    let (mut head, body) = request.into_parts();
    let mut uri = head.uri.into_parts();
    uri.scheme = Some(sender.scheme());
    if uri.authority.is_none() {
        let host = head.headers.get(http::header::HOST);
        let host = host.and_then(|host| host.to_str().ok()?.parse().ok());
        uri.authority = Some(host.unwrap_or(http::uri::Authority::from_static("localhost")));
    }
    // `*` and the like have no path; the component then sees the root.
    head.uri = http::Uri::from_parts(uri).unwrap_or_default();
    sender.replace_claims(&mut head.headers);
    head.headers.insert(REQUEST_ID, id.clone());
    let limit = visitor.terms.options.settings.max_body_bytes;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let body = Limited::new(body, limit).map_err(|_| Error::HttpRequestBodySize(None));
    Request::from_parts(head, body.boxed_unsync())
}
