//! Requests and answers on one connection, from the first to the last.

use crate::connection::{Context, answer_logged};
use crate::edge::{KeptTimer, Limit, Outlook, Presence, Stream, Watch, Wire};
use crate::express::{self, Left};
use crate::limits;
use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{interval, sleep_until};

/// Holds it until either side ends it. After the server was told to stop no further
/// request is read.
pub(crate) async fn hold(context: Rc<Context>, stream: Stream) {
    match stream {
        Stream::Plain(stream) => http1(&context, stream).await,
        // Boxed, so that a connection in the clear need not be as large.
        Stream::Tls(stream) => Box::pin(http1(&context, stream)).await,
        Stream::Http2(stream) => Box::pin(http2(context, stream)).await,
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the server is gone, which is a stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Why a connection is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// The server ends.
    Stopped,
    /// Its place is needed.
    Dismissed,
    /// No head has come for too long.
    Idle,
}

/// Who may ask a connection to go. Looked at only when they have something to say: a
/// connection is polled several times for each request.
struct Asking<'a> {
    presence: &'a Presence,
    all: FuturesUnordered<LocalBoxFuture<'a, Asked>>,
}

impl<'a> Asking<'a> {
    fn new(context: &'a Context) -> Asking<'a> {
        let presence = &*context.presence;
        let mut asking = Asking {
            presence,
            all: FuturesUnordered::new(),
        };
        asking.stopped(context);
        asking.dismissed();
        asking.all.push(Box::pin(async {
            idle(presence).await;
            Asked::Idle
        }));
        asking
    }

    fn stopped(&mut self, context: &Context) {
        let stop = context.stop.clone();
        self.all.push(Box::pin(async {
            stopped(stop).await;
            Asked::Stopped
        }));
    }

    fn dismissed(&mut self) {
        let presence = self.presence;
        self.all.push(Box::pin(async {
            presence.dismissed().await;
            Asked::Dismissed
        }));
    }

    /// The next who asks.
    async fn next(&mut self) -> Asked {
        match self.all.next().await {
            Some(asked) => asked,
            None => std::future::pending().await,
        }
    }
}

/// Waits until no request has been in flight for as long as a head may take.
async fn idle(presence: &Presence) {
    let began = Instant::now();
    loop {
        let now = Instant::now();
        let idle = presence.idle(now).min(now - began);
        match limits::HEAD_TIME.checked_sub(idle) {
            Some(left) if !left.is_zero() => tokio::time::sleep(left).await,
            _ => return,
        }
    }
}

async fn http1<S>(context: &Context, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut wire = Wire::new(stream, Arc::clone(&context.presence));
    let mut asking = Asking::new(context);
    let left = express::ride(context, &mut wire, async || {
        loop {
            match asking.next().await {
                Asked::Stopped => {
                    // For hyper to hear again.
                    asking.stopped(context);
                    return Left::ForHyper;
                }
                Asked::Dismissed if context.presence.may_go().is_some() => return Left::Ended,
                Asked::Dismissed => asking.dismissed(),
                Asked::Idle => {
                    context.edge().limited.count(Limit::HeadTime);
                    return Left::Ended;
                }
            }
        }
    });
    if left.await == Left::ForHyper {
        long_way(context, wire, asking).await;
    }
}

/// Answers with hyper.
async fn long_way<S>(context: &Context, wire: Wire<S>, mut asking: Asking<'_>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (edge, presence) = (context.edge(), &context.presence);
    let http = edge.http1(KeptTimer::default());
    let service = service_fn(move |request| async move {
        Ok::<_, Infallible>(answer_logged(context, request).await)
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(wire), service));
    let ended = loop {
        tokio::select! {
            biased;
            by = asking.next() => match by {
                Asked::Stopped => connection.as_mut().graceful_shutdown(),
                Asked::Dismissed if presence.may_go().is_some() => return,
                Asked::Dismissed => {
                    asking.dismissed();
                    connection.as_mut().graceful_shutdown();
                }
                // hyper has a timer of its own.
                Asked::Idle => {}
            },
            ended = &mut connection => break ended,
        }
    };
    if let Err(error) = ended {
        if error.is_timeout() {
            edge.limited.count(Limit::HeadTime);
        }
        context.log_end(&error);
    }
}

async fn http2<S>(context: Rc<Context>, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (edge, presence) = (Arc::clone(context.edge()), Arc::clone(&context.presence));
    let of_requests = Rc::clone(&context);
    let service = service_fn(move |request| {
        let context = Rc::clone(&of_requests);
        async move { Ok::<_, Infallible>(answer_logged(&context, request).await) }
    });
    let mut connection = pin!(edge.http2.serve_connection(TokioIo::new(stream), service));
    let mut stopped = pin!(stopped(context.stop.clone()));
    let (mut watch, mut looks) = (Watch::default(), interval(limits::HTTP2_LOOK));
    // When a connection that is to go has had its time.
    let mut leaving = None;
    let ended = loop {
        let go = tokio::select! {
            ended = &mut connection => break ended,
            () = &mut stopped, if leaving.is_none() => true,
            () = presence.dismissed() => {
                if presence.may_go().is_some() {
                    return;
                }
                true
            }
            () = sleep_until(leaving.unwrap_or_else(tokio::time::Instant::now)), if leaving.is_some() => {
                if presence.in_flight() == 0 {
                    return;
                }
                leaving = Some(tokio::time::Instant::now() + limits::HTTP2_LEAVE);
                false
            }
            _ = looks.tick() => match watch.look(&presence, Instant::now()) {
                Outlook::Fine => false,
                Outlook::Idle => true,
                Outlook::Stalled => {
                    edge.limited.count(Limit::AnswerTime);
                    return;
                }
            }
        };
        if go && leaving.is_none() {
            leaving = Some(tokio::time::Instant::now() + limits::HTTP2_LEAVE);
            connection.as_mut().graceful_shutdown();
        }
    };
    if let Err(error) = ended {
        context.log_end(&error);
    }
}
