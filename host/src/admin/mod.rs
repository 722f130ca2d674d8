//! The operator's own address: who is there, what they use, and to change it.
//!
//! Served by the host's main threads, never by a worker's, so that it answers
//! whatever the tenants do. Everything but `GET /healthz` requires the token.

mod report;

pub(crate) use report::{Row, Rows};

use crate::config::{AdminOptions, ConfigError, Configuration};
use crate::edge::{Edge, KeptTimer};
use crate::metrics;
use crate::server::StartError;
use crate::tenant::{Landlord, Tenant};
use crate::{limits, listener};
use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use netwatch_guest::metrics::exposition::{self, Family, Kind};
use netwatch_guest::problem::{PROBLEM_JSON, Problem};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// What the operator's requests work on.
pub(crate) struct Operator {
    pub(crate) landlord: Arc<Landlord>,
    pub(crate) configuration: Configuration,
    /// Where the tenants' requests are answered.
    pub(crate) address: SocketAddr,
    pub(crate) edge: Arc<Edge>,
}

type Answer = Response<Full<Bytes>>;

/// Starts to answer; returns where.
///
/// # Errors
///
/// The address is not to be had.
pub(crate) fn start(
    options: &AdminOptions,
    operator: Operator,
    close: watch::Receiver<bool>,
) -> Result<SocketAddr, StartError> {
    let AdminOptions { bind, token } = options.clone();
    let failed = |error| StartError::Listen(format!("{bind} (ADMIN_BIND)"), error);
    let listener = listener::bind(Some(bind.ip()), bind.port()).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    if !bind.ip().is_loopback() {
        tracing::warn!(%address, "the admin endpoint can be reached from other machines");
    }
    let office = Arc::new(Office { operator, token });
    tokio::spawn(accept(listener, office, close));
    Ok(address)
}

struct Office {
    operator: Operator,
    token: String,
}

async fn accept(listener: TcpListener, office: Arc<Office>, mut close: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(limits::ADMIN_CONNECTIONS));
    let edge = Arc::clone(&office.operator.edge);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = close.wait_for(|close| *close) => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(limits::TICK).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let office = Arc::clone(&office);
        let http = edge.http1(KeptTimer::default());
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let office = Arc::clone(&office);
                async move { Ok::<_, Infallible>(office.answer(request).await) }
            });
            // A connection that breaks is its client's concern.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}

impl Office {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (method, path) = (request.method(), request.uri().path());
        if path == "/healthz" {
            return json(StatusCode::OK, "{\"status\":\"ok\"}".to_owned());
        }
        if !self.is_allowed(&request) {
            let detail = "give the ADMIN_TOKEN, as Authorization: Bearer TOKEN";
            let mut answer = problem(&Problem::new(401, "token", detail));
            let headers = answer.headers_mut();
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return answer;
        }
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        match (method, parts.as_slice()) {
            (&Method::GET, ["tenants"]) => self.tenants().await,
            (&Method::GET, ["tenants", name]) => match self.tenant(name) {
                Ok(tenant) => json(StatusCode::OK, Row::of(&tenant).await.json()),
                Err(answer) => answer,
            },
            (&Method::POST, ["tenants", name, "drain"]) => match self.tenant(name) {
                Ok(tenant) => {
                    tenant.rest().await;
                    json(StatusCode::OK, "{\"drained\":true}".to_owned())
                }
                Err(answer) => answer,
            },
            (&Method::POST, ["tenants", name, "reload"]) => match self.tenant(name) {
                Ok(tenant) => self.reload(Some(&tenant.name)).await,
                Err(answer) => answer,
            },
            (&Method::POST, ["reload"]) => self.reload(None).await,
            (&Method::GET, ["metrics"]) => self.metrics().await,
            (_, ["tenants"] | ["tenants", _] | ["metrics"]) => not_allowed("GET"),
            (_, ["reload"] | ["tenants", _, "drain" | "reload"]) => not_allowed("POST"),
            _ => problem(&Problem::new(
                404,
                "no-such-path",
                "there are GET /tenants, /tenants/NAME, /metrics and /healthz, POST /reload, \
                 /tenants/NAME/drain and /tenants/NAME/reload",
            )),
        }
    }

    fn is_allowed(&self, request: &Request<Incoming>) -> bool {
        let sent = request.headers().get(AUTHORIZATION);
        let sent = sent.and_then(|sent| sent.as_bytes().strip_prefix(b"Bearer "));
        sent.is_some_and(|sent| bool::from(sent.ct_eq(self.token.as_bytes())))
    }

    fn tenant(&self, name: &str) -> Result<Arc<Tenant>, Answer> {
        let tenants = self.operator.landlord.directory().load();
        tenants.get(name).map(Arc::clone).ok_or_else(|| {
            let name = crate::log::escape(name);
            problem(&Problem::new(
                404,
                "no-such-tenant",
                format!("there is no tenant {name:?}; GET /tenants names them all"),
            ))
        })
    }

    async fn tenants(&self) -> Answer {
        let tenants = self.operator.landlord.directory().load_full();
        let rows = of_each(
            tenants.all(),
            |tenant| async move { Row::of(&tenant).await },
        );
        let rows = rows.await;
        json(StatusCode::OK, Rows { tenants: rows }.json())
    }

    async fn reload(&self, only: Option<&str>) -> Answer {
        let Operator {
            landlord,
            configuration,
            address,
            ..
        } = &self.operator;
        let reloaded = match only {
            None => reload(landlord, configuration, *address).await,
            Some(name) => reload_one(landlord, configuration, *address, name).await,
        };
        match reloaded {
            Ok(changes) => json(StatusCode::OK, changes),
            Err(error) => problem(&Problem::new(422, "configuration", error.to_string())),
        }
    }

    /// Of all tenants, with their names as a label.
    async fn metrics(&self) -> Answer {
        let tenants = self.operator.landlord.directory().load_full();
        let edge = &self.operator.edge;
        let mut all: Vec<Family> = vec![self.connections(), edge.limited.family()];
        let awake = tenants
            .all()
            .filter(|tenant| tenant.present_crew().is_some());
        let awake = awake.count() as u64;
        let used = tenants.all().filter(|tenant| tenant.was_used());
        let told = of_each(used, |tenant| async move {
            let mut families = metrics::of_tenant(&tenant).await;
            for family in &mut families {
                label(family, &tenant.name);
            }
            families
        });
        for families in told.await {
            exposition::merge(&mut all, &families);
        }
        let count = Family::new("netwatch_tenants", "Tenants, by state.", Kind::Gauge);
        let asleep = (tenants.all().count() as u64).saturating_sub(awake);
        all.push(
            count
                .with_labelled(&[("state", "awake")], awake as f64)
                .with_labelled(&[("state", "asleep")], asleep as f64),
        );
        let text = Full::new(Bytes::from(exposition::encode(&all)));
        let mut answer = Response::new(text);
        let kind = HeaderValue::from_static(exposition::CONTENT_TYPE);
        answer.headers_mut().insert(CONTENT_TYPE, kind);
        answer
    }

    fn connections(&self) -> Family {
        let taken = self.operator.edge.lobby.connections();
        Family::new(
            "netwatch_server_connections",
            "Connections of clients, of all tenants.",
            Kind::Gauge,
        )
        .with(taken as f64)
    }
}

/// Asks all at once, so that those who do not answer in time are waited for once.
async fn of_each<'a, T, F>(
    tenants: impl Iterator<Item = &'a Arc<Tenant>>,
    ask: impl Fn(Arc<Tenant>) -> F,
) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let asked: Vec<_> = tenants
        .map(|tenant| tokio::spawn(ask(Arc::clone(tenant))))
        .collect();
    let mut told = Vec::with_capacity(asked.len());
    for one in asked {
        // A panic was reported by the panic hook.
        told.extend(one.await.ok());
    }
    told
}

/// Puts the tenant's name first among the labels.
fn label(family: &mut Family, tenant: &str) {
    let name = exposition::labels(&[("tenant", tenant)]);
    for sample in &mut family.samples {
        sample.labels = match sample.labels.is_empty() {
            true => name.clone(),
            false => format!("{name},{}", sample.labels),
        };
    }
}

/// Reads the configuration again and takes it on, whole or not at all.
///
/// # Errors
///
/// Everything that is wrong with it; the one before stays.
pub(crate) async fn reload(
    landlord: &Landlord,
    configuration: &Configuration,
    address: SocketAddr,
) -> Result<String, ConfigError> {
    let read = configuration.options();
    let reloaded = match read {
        Ok(options) => {
            landlord
                .reload(options.tenants, options.hosting, address)
                .await
        }
        Err(error) => Err(error),
    };
    told(reloaded)
}

/// As [`reload`], of what one tenant has.
async fn reload_one(
    landlord: &Landlord,
    configuration: &Configuration,
    address: SocketAddr,
    name: &str,
) -> Result<String, ConfigError> {
    let options = configuration.options()?;
    let mut wanted = landlord.current();
    let new = options
        .tenants
        .into_iter()
        .find(|tenant| tenant.name == name);
    let Some(new) = new else {
        let gone = format!("tenant {name:?} is not in the configuration any more; reload all");
        return Err(gone.into());
    };
    for old in wanted.iter_mut().filter(|old| old.name == name) {
        *old = new.clone();
    }
    told(landlord.reload(wanted, options.hosting, address).await)
}

fn told(reloaded: Result<crate::tenant::Changes, ConfigError>) -> Result<String, ConfigError> {
    match reloaded {
        Ok(changes) => {
            let (added, changed) = (changes.added.len(), changes.changed.len());
            tracing::info!(added, changed, removed = changes.removed.len(), "reloaded");
            Ok(changes.json())
        }
        Err(error) => {
            let wrong = crate::log::escape(&error.to_string());
            tracing::error!("the new configuration is refused, the old one stays: {wrong}");
            Err(error)
        }
    }
}

fn json(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

fn problem(problem: &Problem) -> Answer {
    let status = StatusCode::from_u16(problem.status);
    let mut answer = json(
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        problem.json(),
    );
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if let Some(seconds) = problem.retry_after {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    answer
}

fn not_allowed(allow: &'static str) -> Answer {
    let detail = format!("only {allow} is allowed here");
    let mut answer = problem(&Problem::new(405, "method", detail));
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allow));
    answer
}
