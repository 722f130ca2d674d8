//! The short way of what nearly all requests are: reports that come whole.
//!
//! A `POST /api/v1/reports` whose bytes are all there is read, judged and answered
//! here, without a parsed request, a body in pieces and an answer in parts for each:
//! that is most of what a host costs beside its system calls. Everything else,
//! which is everything that needs thought, is hyper's: another route, a body that is
//! on its way, any field that changes how a message ends ([`head`]). hyper then gets
//! the connection with what has come of the request, from its first byte on, and
//! keeps it.
//!
//! Both ways have the same rules: bytes of both are watched by [`Wire`], heads go
//! through the same checks, reports through [`ingest`], and answers are made by the
//! same functions and only then written down ([`render`]).

mod head;
mod render;

use crate::answer::{self, HttpAnswer};
use crate::budget::Share;
use crate::connection::Context;
use crate::edge::{Exceeded, InFlight, Sender, Wire};
use crate::ingest;
use crate::limits;
use crate::tenant::{Crew, Visitor};
use crate::worker::{Envelope, Verdict};
use bytes::BytesMut;
use futures::FutureExt;
use head::{Came, Plain};
use http::HeaderMap;
use http::header::CONNECTION;
use netwatch_guest::http::cors::Audience;
use netwatch_guest::http::routes::Pattern;
use netwatch_guest::http::{key, request_id};
use render::Last;
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How a connection left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// It is over.
    Ended,
    /// hyper is to go on; [`Wire`] has what came.
    ForHyper,
}

/// Answers one connection's reports as long as they come whole. `idle` is asked
/// whenever nothing is there; it says that the connection is to leave.
pub(crate) async fn ride<S>(
    context: &Context,
    wire: &mut Wire<S>,
    mut idle: impl AsyncFnMut() -> Left,
) -> Left
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if tracing::enabled!(tracing::Level::DEBUG) {
        // There is a line about each request.
        return Left::ForHyper;
    }
    let mut ride = Ride {
        context,
        wire,
        came: BytesMut::new(),
        last: Last::default(),
        out: Vec::new(),
    };
    let left = ride.on(&mut idle).await;
    let Ride { wire, came, .. } = ride;
    if left == Left::ForHyper {
        wire.unread(came.freeze());
    }
    left
}

struct Ride<'a, S> {
    context: &'a Context,
    wire: &'a mut Wire<S>,
    /// What has come and is not answered.
    came: BytesMut,
    last: Last,
    /// What goes out, kept for its room.
    out: Vec<u8>,
}

/// A report that was let in.
struct Taken {
    visitor: Visitor,
    crew: Arc<Crew>,
    sender: Sender,
    share: Share,
    envelope: Envelope,
    id: String,
    close: bool,
    head_bytes: usize,
    bytes: usize,
    counted: Result<(), Exceeded>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Ride<'_, S> {
    async fn on(&mut self, idle: &mut impl AsyncFnMut() -> Left) -> Left {
        loop {
            let missing = match head::look(&self.came) {
                Came::Whole(plain) => match self.take(&plain) {
                    Some(taken) => match self.answer(taken).await {
                        Ok(true) => continue,
                        Ok(false) => return Left::Ended,
                        Err(error) => {
                            self.context.log_end(&error);
                            return Left::Ended;
                        }
                    },
                    None => return Left::ForHyper,
                },
                Came::Some { of } => of.saturating_sub(self.came.len()),
                Came::Other => return Left::ForHyper,
            };
            self.came.reserve(missing.max(limits::EXPRESS_ROOM));
            let read = if self.came.is_empty() {
                tokio::select! {
                    biased;
                    read = self.wire.read_buf(&mut self.came) => read,
                    left = idle() => return left,
                }
            } else {
                match self.wire.read_buf(&mut self.came).now_or_never() {
                    Some(read) => read,
                    // Whoever keeps us waiting is watched by those who can.
                    None => return Left::ForHyper,
                }
            };
            match read {
                Ok(0) if self.came.is_empty() => {
                    // The peer has closed and need not take note.
                    let _ = self.wire.shutdown().await;
                    return Left::Ended;
                }
                // hyper meets the end as well, and knows what it is the end of.
                Ok(0) => return Left::ForHyper,
                Ok(_) => {}
                Err(error) => {
                    self.context.log_end(&error);
                    return Left::Ended;
                }
            }
        }
    }

    /// Lets a request in, and counts it, once it is sure that it can be answered
    /// here.
    fn take(&self, plain: &Plain<'_>) -> Option<Taken> {
        let context = self.context;
        if context.presence.fault_of_next().is_some() {
            return None;
        }
        let tenants = context.shared.tenants.load();
        let edge = context.edge();
        let only = tenants.only();
        // Those who look at all fields get them all.
        let parts = match only.is_none() || edge.may_be_forwarded(context.peer) {
            true => Some(head::parts(&self.came)?),
            false => None,
        };
        let tenant = match (only, &parts) {
            (Some(tenant), _) => Arc::clone(tenant),
            (None, parts) => tenants.find(parts.as_ref()?)?.tenant,
        };
        let none = HeaderMap::new();
        let headers = parts.as_ref().map_or(&none, |parts| &parts.headers);
        let sender = edge.sender(headers, context.peer, context.https);
        let visitor = tenant.try_admit().ok()?;
        let crew = tenant.present_crew()?;
        let settings = &visitor.terms.options.settings;
        let mut share = tenant.budget.share();
        let fits = plain.body_bytes as u64 <= settings.max_body_bytes;
        let collects = crew.terms.component.is_collector;
        if !fits || !collects || !share.grow(plain.body_bytes) {
            return None;
        }
        let store = &visitor.terms.options.store_client;
        let text = |text: Option<&str>| text.map(str::to_owned);
        Some(Taken {
            envelope: Envelope {
                content_type: text(plain.content_type),
                content_encoding: text(plain.content_encoding),
                origin: text(plain.origin),
                key: key::find(plain.authorization, plain.x_api_key, None),
                client: store.of(sender.address, &tenant.name, &edge.daily_salt),
            },
            id: request_id::sane_or_new(text(plain.request_id)),
            close: plain.close,
            head_bytes: plain.head_bytes,
            bytes: plain.head_bytes + plain.body_bytes,
            counted: count(context, &visitor, &sender, plain.body_bytes as u64),
            visitor,
            crew,
            sender,
            share,
        })
    }

    /// Answers a request; whether another may follow.
    async fn answer(&mut self, taken: Taken) -> io::Result<bool> {
        let Taken {
            visitor,
            crew,
            sender,
            share,
            envelope,
            id,
            close,
            head_bytes,
            bytes,
            counted,
        } = taken;
        let start = Instant::now();
        let mut flight = self.context.presence.begin(start);
        self.context.presence.received();
        let http = &visitor.tenant.meters.http;
        let in_flight = http.begin();
        let body = self.came.split_to(bytes).freeze().slice(head_bytes..);
        if bytes > limits::EXPRESS_ROOM && self.came.is_empty() {
            // A connection that waits keeps no more than it needs.
            self.came = BytesMut::new();
        }
        let origin = envelope.origin.clone();
        let judged = match counted {
            Ok(()) => Ok(ingest::judge(self.context, &crew, body, envelope, share).await),
            Err(exceeded) => Err(exceeded),
        };
        drop(in_flight);
        let (origin, settings) = (origin.as_deref(), &visitor.terms.options.settings);
        let edge = self.context.edge();
        let protected = |mut answer: HttpAnswer| {
            edge.protect(answer.headers_mut(), Audience::Posting, &sender);
            answer
        };
        let close = close || self.context.is_stopping();
        let (status, last) = match judged {
            Ok(Ok(Verdict::Accepted(reports))) => {
                let accepted = || {
                    protected(answer::verdict(
                        Verdict::Accepted(reports),
                        origin,
                        settings,
                    ))
                };
                let (head, body) =
                    self.last
                        .accepted(&visitor.terms, origin, reports, close, accepted);
                render::whole(&mut self.out, head, &id, body);
                (202, close)
            }
            refused => {
                let refused = match refused {
                    Ok(judged) => ingest::answer(&visitor, origin, judged.map_err(Into::into)),
                    Err(exceeded) => {
                        let problem = exceeded.problem();
                        let mut refused =
                            answer::problem(&problem, origin, settings, Audience::Posting);
                        exceeded.add_to(refused.headers_mut());
                        refused
                    }
                };
                let refused = protected(refused);
                let status = refused.status().as_u16();
                let last = refused.headers().contains_key(CONNECTION);
                if last {
                    self.context.presence.set_refused();
                }
                let (head, body) = render::parts(refused, close);
                render::whole(&mut self.out, &head, &id, &body);
                (status, last || close)
            }
        };
        let took = start.elapsed();
        http.answered(Pattern::Reports, "POST", status, took);
        flight.answered(start + took);
        self.write(flight).await?;
        if last {
            self.wire.shutdown().await?;
        }
        Ok(!last)
    }

    async fn write(&mut self, flight: InFlight) -> io::Result<()> {
        let written = async {
            self.wire.write_all(&self.out).await?;
            self.wire.flush().await
        };
        let written = written.await;
        drop(flight);
        written
    }
}

/// Counts a request among its client's, and with its body among its tenant's.
fn count(
    context: &Context,
    visitor: &Visitor,
    sender: &Sender,
    body_bytes: u64,
) -> Result<(), Exceeded> {
    context.edge().check_client(sender)?;
    let rates = &visitor.tenant.rates;
    rates.check_request()?;
    rates.check_bytes(body_bytes)
}
