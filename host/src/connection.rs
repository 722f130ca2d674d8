//! HTTP/1.1 on one connection: which request goes which way, in bounded time.

use crate::answer::{self, AnswerBody, HttpAnswer};
use crate::dispatch;
use crate::framing::{DoubleLength, Watched};
use crate::metrics;
use crate::tenant::{Crew, Directory, Found, Visitor};
use crate::worker::Call;
use crate::{ingest, limits};
use arc_swap::ArcSwap;
use http::header::{CONNECTION, HeaderName, ORIGIN};
use http::request::Parts;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use netwatch_guest::http::cors::Audience;
use netwatch_guest::http::request_id;
use netwatch_guest::http::routes::{Pattern, Route};
use netwatch_guest::problem::Problem;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tokio::time::timeout;
use wasmtime_wasi_http::{Error, WasiBody};

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) tenants: Arc<ArcSwap<Directory>>,
    pub(crate) http: http1::Builder,
}

/// What one connection's requests are answered with.
pub(crate) struct Context {
    shared: Arc<Shared>,
    pub(crate) client: String,
    /// The worker on whose thread the connection is served, where it is a worker's.
    pub(crate) home: usize,
    double_length: DoubleLength,
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// hyper with this server's limits.
pub(crate) fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_TIME)
        .max_buf_size(limits::HEAD_BYTES)
        .max_headers(limits::HEADERS)
        .keep_alive(true)
        .half_close(false);
    http
}

/// A connection on its way to the thread that serves it.
pub(crate) struct Visit {
    pub(crate) shared: Arc<Shared>,
    pub(crate) stream: std::net::TcpStream,
    pub(crate) client: String,
    /// The worker on whose thread it is served.
    pub(crate) home: usize,
    /// Becomes true when no further request is to be read.
    pub(crate) stop: watch::Receiver<bool>,
    /// Held as long as the connection lives.
    pub(crate) permit: OwnedSemaphorePermit,
}

impl Visit {
    /// Serves the connection until it is closed, or its requests are answered
    /// after `stop` became true.
    pub(crate) async fn serve(self) {
        let Visit {
            shared,
            stream,
            client,
            home,
            stop,
            permit,
        } = self;
        match TcpStream::from_std(stream) {
            Ok(stream) => {
                let (stream, double_length) = Watched::new(stream);
                let context = Context {
                    shared,
                    client,
                    home,
                    double_length,
                };
                serve(&context, stream, stop).await;
            }
            Err(error) => tracing::warn!("cannot serve a connection: {error}"),
        }
        drop(permit);
    }
}

async fn serve(context: &Context, stream: Watched<TcpStream>, mut stop: watch::Receiver<bool>) {
    let service = service_fn(move |request| async move {
        Ok::<_, Infallible>(answer_logged(context, request).await)
    });
    let http = &context.shared.http;
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let stopped = async move {
        // An error means that the server is gone, which is a stop as well.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(client = context.client, "connection ended: {error}");
    }
}

async fn answer_logged(context: &Context, request: Request<Incoming>) -> HttpAnswer {
    let sent = request.headers().get(REQUEST_ID);
    let id = request_id::sane_or_new(sent.and_then(|id| Some(id.to_str().ok()?.to_owned())));
    let line =
        tracing::enabled!(tracing::Level::DEBUG).then(|| crate::log::escape(request.uri().path()));
    let (start, method) = (Instant::now(), request.method().clone());
    let (mut answer, tenant) = match find(context, request) {
        Ok((found, request)) => {
            let pattern = Pattern::of(request.uri().path());
            let http = &found.tenant.meters.http;
            let in_flight = http.begin();
            let answer = admitted(context, &found, request, &id).await;
            drop(in_flight);
            let status = answer.status().as_u16();
            http.answered(pattern, method.as_str(), status, start.elapsed());
            (answer, Some(found.tenant))
        }
        Err(answer) => (answer, None),
    };
    if let Some(path) = line {
        tracing::debug!(
            tenant = tenant.as_ref().map(|tenant| &*tenant.name),
            %method,
            path,
            status = answer.status().as_u16(),
            milliseconds = start.elapsed().as_secs_f64() * 1e3,
            request_id = id,
            client = context.client,
            "request"
        );
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    answer
}

/// The tenant a request is for, and the request as that tenant sees it.
fn find(
    context: &Context,
    request: Request<Incoming>,
) -> Result<(Found, Request<Incoming>), HttpAnswer> {
    if context.double_length.found() {
        let detail = "a request has Content-Length or Transfer-Encoding, not both";
        let mut refused = answer::nobody(&Problem::new(400, "framing", detail));
        refused
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
        return Err(refused);
    }
    let (mut head, body) = request.into_parts();
    let Some(found) = context.shared.tenants.load().find(&head) else {
        let detail = "nobody is served here: neither the host, nor the path, nor a key leads to a \
                      tenant of this server";
        return Err(answer::nobody(&Problem::new(404, "no-tenant", detail)));
    };
    if found.prefix > 0 {
        if head.uri.path().len() == found.prefix && head.method == http::Method::GET {
            return Err(answer::moved_below(&head.uri));
        }
        without_prefix(&mut head, found.prefix);
    }
    Ok((found, Request::from_parts(head, body)))
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
    request: Request<Incoming>,
    id: &str,
) -> HttpAnswer {
    match found.tenant.admit() {
        Ok(visitor) => answer(context, &visitor, request, id).await,
        Err((visitor, refused)) => problem(&visitor, &request, &refused),
    }
}

async fn answer(
    context: &Context,
    visitor: &Visitor,
    request: Request<Incoming>,
    id: &str,
) -> HttpAnswer {
    let route = Route::of(request.method().as_str(), request.uri().path());
    let collects = visitor.terms.component.is_collector;
    if collects && route == Route::Metrics {
        let origin = request.headers().get(ORIGIN).cloned();
        let origin = origin.as_ref().and_then(|origin| origin.to_str().ok());
        return metrics::answer(visitor, origin).await;
    }
    // Held to the end: a crew is dismissed when nobody is served by it.
    let crew = match visitor.tenant.crew().await {
        Ok(crew) => crew,
        Err(refused) => return problem(visitor, &request, &refused),
    };
    match route {
        Route::PostReports if crew.terms.component.is_collector => {
            ingest::post(context, visitor, &crew, request, id).await
        }
        Route::Ready if !visitor.tenant.premises.roster.is_recovered() => {
            let detail = "reports from before the start are still being recovered";
            problem(visitor, &request, &Problem::new(503, "recovering", detail))
        }
        route => call(visitor, &crew, request, route == Route::Ready, id).await,
    }
}

fn problem(visitor: &Visitor, request: &Request<Incoming>, problem: &Problem) -> HttpAnswer {
    let origin = request.headers().get(ORIGIN);
    let origin = origin.and_then(|origin| origin.to_str().ok());
    let audience = Audience::of(request.method().as_str(), request.uri().path());
    answer::problem(problem, origin, &visitor.terms.options.settings, audience)
}

/// Lets the component answer.
async fn call(
    visitor: &Visitor,
    crew: &Crew,
    request: Request<Incoming>,
    readiness: bool,
    id: &str,
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
        request: for_component(visitor, request, id),
        reply,
        place,
    };
    if !dispatch::start(worker, call) {
        return unavailable;
    }
    match timeout(limits::ANSWER_TIME, answered).await {
        Ok(Ok(response)) => response.map(AnswerBody::Streamed),
        Ok(Err(_)) => unavailable,
        Err(_) => {
            worker.load.gave_up();
            unavailable
        }
    }
}

/// The request as the component sees it: absolute, with its id, its body bounded.
fn for_component(visitor: &Visitor, request: Request<Incoming>, id: &str) -> Request<WasiBody> {
    let (mut head, body) = request.into_parts();
    let mut uri = head.uri.into_parts();
    uri.scheme.get_or_insert(http::uri::Scheme::HTTP);
    if uri.authority.is_none() {
        let host = head.headers.get(http::header::HOST);
        let host = host.and_then(|host| host.to_str().ok()?.parse().ok());
        uri.authority = Some(host.unwrap_or(http::uri::Authority::from_static("localhost")));
    }
    // `*` and the like have no path; the component then sees the root.
    head.uri = http::Uri::from_parts(uri).unwrap_or_default();
    if let Ok(id) = HeaderValue::from_str(id) {
        head.headers.insert(REQUEST_ID, id);
    }
    let limit = visitor.terms.options.settings.max_body_bytes;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let body = Limited::new(body, limit).map_err(|_| Error::HttpRequestBodySize(None));
    Request::from_parts(head, body.boxed_unsync())
}
