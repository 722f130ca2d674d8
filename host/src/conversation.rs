//! Requests and answers on one connection, from the first to the last.

use crate::connection::{Context, answer_logged};
use crate::edge::{KeptTimer, Limit, Outlook, Presence, Stream, Watch, Wire};
use crate::limits;
use futures::future::Either;
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

/// Holds it until either side ends it. After `stop` became true no further request
/// is read.
pub(crate) async fn hold(context: Rc<Context>, stream: Stream, stop: watch::Receiver<bool>) {
    match stream {
        Stream::Plain(stream) => http1(&context, stream, stop).await,
        // Boxed, so that a connection in the clear need not be as large.
        Stream::Tls(stream) => Box::pin(http1(&context, stream, stop)).await,
        Stream::Http2(stream) => Box::pin(http2(context, stream, stop)).await,
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the server is gone, which is a stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Who wants a connection to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// The server ends.
    Stopped,
    /// Its place is needed.
    Dismissed,
}

async fn dismissed(presence: &Presence) -> Asked {
    presence.dismissed().await;
    Asked::Dismissed
}

async fn http1<S>(context: &Context, stream: S, stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (edge, presence) = (context.edge(), &context.presence);
    let http = edge.http1(KeptTimer::default());
    let wire = Wire::new(stream, Arc::clone(presence));
    let service = service_fn(move |request| async move {
        Ok::<_, Infallible>(answer_logged(context, request).await)
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(wire), service));
    let stopped = async {
        stopped(stop).await;
        Asked::Stopped
    };
    // Looked at only when they have something to say: a connection is polled several
    // times for each request.
    let mut asked = FuturesUnordered::new();
    asked.push(Either::Left(stopped));
    asked.push(Either::Right(dismissed(presence)));
    let ended = loop {
        tokio::select! {
            biased;
            Some(by) = asked.next() => {
                if by == Asked::Dismissed {
                    if presence.may_go().is_some() {
                        return;
                    }
                    asked.push(Either::Right(dismissed(presence)));
                }
                connection.as_mut().graceful_shutdown();
            }
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

async fn http2<S>(context: Rc<Context>, stream: S, stop: watch::Receiver<bool>)
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
    let mut stopped = pin!(stopped(stop));
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
