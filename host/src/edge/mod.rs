//! The edge to the open internet: what a connection and a request go through
//! before anybody looks at what they want.
//!
//! A connection's way: [`lobby`] has a place for it, if need be that of one which
//! only waits; [`proxy_protocol`] learns whose it is, where a trusted proxy passes
//! it on; [`client`] says what it counts as; [`tls`] shakes hands; [`arrival`]
//! puts these together. Below hyper [`wire`] watches [`framing`] and stalls;
//! beside it [`http2`] has bounds of its own. [`presence`] is what others know of
//! a connection.
//!
//! A request's way: [`heads`] judges its head, [`forwarded`] says who sent it,
//! [`rates`] whether it is one too many, [`pseudonym`] what is kept of its sender;
//! its body is [`pace`]d, its answer [`hardening`]ed and [`passing`] out.
//! [`limited`] counts what was turned away, [`refusal`] writes answers where hyper
//! does not.
//!
//! The edge knows no tenant and no route but their limits.

mod arrival;
mod client;
mod fault;
mod forwarded;
mod framing;
mod hardening;
mod heads;
mod http2;
mod limited;
mod lobby;
mod options;
mod pace;
mod passing;
mod presence;
mod proxy_protocol;
mod pseudonym;
mod rates;
mod refusal;
mod timer;
mod tls;
mod wire;

pub(crate) use arrival::{Arrived, Stream, arrive};
pub(crate) use forwarded::Sender;
pub(crate) use heads::{is_host, judge};
pub(crate) use http2::{Outlook, Watch};
pub(crate) use limited::Limit;
pub(crate) use lobby::Place;
pub(crate) use options::{EdgeOptions, RateOptions};
pub(crate) use pace::{BodyError, Paced};
pub(crate) use passing::Passing;
pub(crate) use presence::{InFlight, Presence};
pub(crate) use pseudonym::{DailySalt, StoreClient};
pub(crate) use rates::{Exceeded, TenantRates};
pub(crate) use timer::KeptTimer;
pub(crate) use wire::Wire;

use crate::limits;
use http::{HeaderMap, HeaderValue};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2 as hyper_http2};
use limited::Limited;
use lobby::Lobby;
use netwatch_guest::http::cors::Audience;
use netwatch_guest::problem::Problem;
use pace::Pace;
use rates::ClientRates;
use std::net::IpAddr;
use std::sync::Arc;
use tls::{Tls, TlsError};

/// What all connections of a server share at its edge.
pub(crate) struct Edge {
    pub(crate) lobby: Arc<Lobby>,
    pub(crate) limited: Arc<Limited>,
    pace: Pace,
    http1: http1::Builder,
    pub(crate) http2: hyper_http2::Builder<http2::SameThread>,
    pub(crate) daily_salt: DailySalt,
    options: EdgeOptions,
    clients: Option<ClientRates>,
    tls: Option<Arc<Tls>>,
    hsts: Option<HeaderValue>,
}

impl Edge {
    /// # Errors
    ///
    /// Where certificate and key cannot be used.
    pub(crate) fn new(options: EdgeOptions) -> Result<Edge, TlsError> {
        let limited = Arc::new(Limited::default());
        let tls = options.tls.clone().map(Tls::load).transpose()?;
        Ok(Edge {
            lobby: Lobby::new(
                options.max_connections,
                options.client_connections,
                Arc::clone(&limited),
            ),
            limited,
            pace: Pace::new(options.body_bytes_per_second),
            http1: http1(),
            http2: http2::http2(),
            daily_salt: DailySalt::default(),
            clients: options.client_rate.map(ClientRates::new),
            tls: tls.map(Arc::new),
            hsts: options.hsts.and_then(hardening::hsts),
            options,
        })
    }

    /// hyper for a connection with this timer.
    pub(crate) fn http1(&self, timer: KeptTimer) -> http1::Builder {
        let mut http = self.http1.clone();
        http.timer(timer);
        http
    }

    /// The certificate, where there is one.
    pub(crate) fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }

    /// Who sent a request that came from `peer`.
    pub(crate) fn sender(&self, headers: &HeaderMap, peer: IpAddr, https: bool) -> Sender {
        let EdgeOptions {
            trusted, forwarded, ..
        } = &self.options;
        Sender::of(headers, peer, https, trusted, *forwarded)
    }

    /// Whether what comes from `peer` may say that it comes from somebody else.
    pub(crate) fn may_be_forwarded(&self, peer: IpAddr) -> bool {
        self.options.trusted.trusts(peer)
    }

    /// A request's body, which has to come at some speed.
    pub(crate) fn paced(&self, body: Incoming, request: &InFlight) -> Paced {
        Paced::new(body, self.pace, request)
    }

    /// Counts a request of a client.
    ///
    /// # Errors
    ///
    /// Where it has had as many as it may.
    pub(crate) fn check_client(&self, sender: &Sender) -> Result<(), Exceeded> {
        match &self.clients {
            Some(clients) => clients
                .check(sender.address.into())
                .inspect_err(|_| self.limited.count(Limit::ClientRequests)),
            None => Ok(()),
        }
    }

    /// Adds the headers that every answer has.
    pub(crate) fn protect(&self, headers: &mut HeaderMap, audience: Audience, sender: &Sender) {
        let hsts = self.hsts.as_ref().filter(|_| sender.is_https());
        hardening::protect(headers, audience, hsts);
    }

    /// What to write to a connection for which there is no place; nothing to one
    /// that speaks TLS.
    pub(crate) fn no_place(&self) -> Option<Vec<u8>> {
        let all = self.options.max_connections;
        let detail = format!("there are {all} connections already, and all are in use");
        let problem = Problem::new(503, "connections", detail);
        self.tls.is_none().then(|| refusal::bytes(&problem))
    }
}

/// hyper with this server's limits, and no timer yet.
fn http1() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.header_read_timeout(limits::HEAD_TIME)
        .max_buf_size(limits::HEAD_BYTES)
        .max_headers(limits::HEADERS)
        .keep_alive(true)
        .half_close(false);
    http
}
