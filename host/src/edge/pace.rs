//! A request's body, which has to come at some speed.

use super::fault::Fault;
use super::limited::Limit;
use super::presence::{InFlight, Presence};
use super::rates::{Exceeded, TenantRates};
use crate::limits;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::time::{Sleep, sleep};

/// A body that ends with an error when it comes too slowly, and has no trailers:
/// nothing here has a use for them, and a proxy may have relied on its own.
///
/// Only the time counts in which somebody waits for bytes and none are there. A
/// body that arrives together with its head costs no timer and no look at the
/// clock.
pub(crate) struct Paced<B = Incoming> {
    body: B,
    pace: Pace,
    presence: Arc<Presence>,
    /// Of its request.
    number: u32,
    /// What its bytes count against, where its length was not announced.
    rates: Option<Arc<TenantRates>>,
    bytes: u64,
    waited: Duration,
    /// Since when nothing is there, and when that is too long.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

/// How fast a body has to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// 0 for any speed.
    pub(crate) bytes_per_second: u64,
    /// How long it may come slower.
    pub(crate) grace: Duration,
    /// How long it may take at any speed.
    pub(crate) all: Duration,
}

impl Pace {
    pub(crate) fn new(bytes_per_second: u64) -> Pace {
        Pace {
            bytes_per_second,
            grace: limits::BODY_GRACE,
            all: limits::BODY_TIME,
        }
    }

    /// How long may be waited in all for more than `bytes`.
    fn patience(&self, bytes: u64) -> Duration {
        let Some(nanoseconds) =
            (bytes.saturating_mul(1_000_000_000)).checked_div(self.bytes_per_second)
        else {
            return self.all;
        };
        self.all
            .min(self.grace.saturating_add(Duration::from_nanos(nanoseconds)))
    }
}

/// Why a body ended early.
#[derive(Debug)]
pub(crate) enum BodyError {
    TooSlow,
    TooMuch(Exceeded),
    /// Its end can be seen in two places.
    Ambiguous(Fault),
    Broken(hyper::Error),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::TooSlow => f.write_str("the body takes too long to arrive"),
            BodyError::TooMuch(_) => f.write_str("more bytes come than are taken"),
            BodyError::Ambiguous(fault) => f.write_str(fault.detail()),
            BodyError::Broken(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BodyError {}

impl<B: Body> Paced<B> {
    pub(crate) fn new(body: B, pace: Pace, request: &InFlight) -> Paced<B> {
        let presence = request.presence();
        if body.is_end_stream() {
            presence.received();
        }
        Paced {
            body,
            pace,
            presence: Arc::clone(presence),
            number: request.number(),
            rates: None,
            bytes: 0,
            waited: Duration::ZERO,
            waiting: None,
        }
    }
}

impl<B: Body> Paced<B> {
    /// Counts the body's bytes: at once if it says how many there are, else as
    /// they come.
    ///
    /// # Errors
    ///
    /// Where they are too many already.
    pub(crate) fn count(&mut self, rates: &Arc<TenantRates>) -> Result<(), Exceeded> {
        if !rates.counts_bytes() {
            return Ok(());
        }
        match self.body.size_hint().exact() {
            Some(bytes) => rates.check_bytes(bytes),
            None => {
                self.rates = Some(Arc::clone(rates));
                Ok(())
            }
        }
    }
}

impl<B> Paced<B> {
    /// Counts what has come, where it was not counted at once.
    fn count_more(&self, bytes: u64) -> Result<(), BodyError> {
        let Some(rates) = &self.rates else {
            return Ok(());
        };
        rates.check_bytes(bytes).map_err(BodyError::TooMuch)
    }

    /// Something has come.
    fn end_wait(&mut self) {
        if let Some((since, _)) = self.waiting.take() {
            self.waited += since.elapsed();
        }
    }

    /// Nothing is there. Ready when that has been so for too long.
    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let left = self.pace.patience(self.bytes).saturating_sub(self.waited);
        let (_, patience) = self
            .waiting
            .get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
        patience.as_mut().poll(context)
    }
}

impl<B> Body for Paced<B>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
                ready!(self.poll_wait(context));
                self.presence.limited.count(Limit::BodyRate);
                return Poll::Ready(Some(Err(BodyError::TooSlow)));
            };
            self.end_wait();
            match frame {
                None => {
                    self.presence.received();
                    let fault = self.presence.fault_of(self.number);
                    return Poll::Ready(fault.map(|fault| Err(BodyError::Ambiguous(fault))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(BodyError::Broken(error)))),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        let bytes = data.len() as u64;
                        self.bytes += bytes;
                        let counted = self.count_more(bytes);
                        return Poll::Ready(Some(counted.map(|()| frame)));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::super::presence::Doing;
    use super::*;
    use http_body_util::BodyExt;

    /// A byte at a time, with a pause before each.
    struct Trickle {
        left: usize,
        pause: Duration,
        next: Option<Pin<Box<Sleep>>>,
    }

    impl Body for Trickle {
        type Data = Bytes;
        type Error = hyper::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
            let pause = self.pause;
            let next = self.next.get_or_insert_with(|| Box::pin(sleep(pause)));
            ready!(next.as_mut().poll(context));
            self.next = None;
            let Some(left) = self.left.checked_sub(1) else {
                return Poll::Ready(None);
            };
            self.left = left;
            Poll::Ready(Some(Ok(match left {
                0 => Frame::trailers(http::HeaderMap::new()),
                _ => Frame::data(Bytes::from_static(b"x")),
            })))
        }
    }

    /// Bytes that came, whether that was all, and what the connection did then.
    fn read(pace: Pace, pause: Duration) -> (usize, bool, Doing) {
        let presence = Presence::new(Instant::now(), Arc::default());
        let request = presence.begin(Instant::now());
        let body = Trickle {
            left: 10,
            pause,
            next: None,
        };
        let mut body = Paced::new(body, pace, &request);
        let reading = async {
            let mut bytes = 0;
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => bytes += frame.into_data().unwrap().len(),
                    Err(BodyError::TooSlow) => return (bytes, false),
                    Err(error) => panic!("{error}"),
                }
            }
            (bytes, true)
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let (bytes, whole) = runtime.block_on(reading);
        (bytes, whole, presence.phase().0)
    }

    const PACE: Pace = Pace {
        bytes_per_second: 100,
        grace: Duration::from_millis(100),
        all: Duration::from_secs(60),
    };

    #[test]
    fn a_body_that_keeps_the_pace_arrives_without_its_trailers() {
        assert_eq!(read(PACE, Duration::ZERO), (9, true, Doing::Answering));
    }

    #[test]
    fn a_body_slower_than_the_pace_is_given_up_after_the_grace() {
        let (bytes, whole, doing) = read(PACE, Duration::from_millis(40));
        assert!((1..9).contains(&bytes) && !whole, "{bytes}");
        assert_eq!(doing, Doing::Receiving);
    }

    #[test]
    fn without_a_pace_only_the_whole_time_counts() {
        let pace = Pace {
            bytes_per_second: 0,
            ..PACE
        };
        assert!(read(pace, Duration::from_millis(40)).1);
        let short = Pace {
            all: Duration::from_millis(100),
            ..pace
        };
        assert!(!read(short, Duration::from_millis(40)).1);
    }

    #[test]
    fn patience_grows_with_what_has_come() {
        assert_eq!(PACE.patience(0), Duration::from_millis(100));
        assert_eq!(PACE.patience(50), Duration::from_millis(600));
        assert_eq!(PACE.patience(u64::MAX), Duration::from_secs(60));
    }

    #[test]
    fn a_body_whose_end_was_in_doubt_is_an_error_at_its_end() {
        let presence = Presence::new(Instant::now(), Arc::default());
        let [first, second] = [(); 2].map(|()| presence.begin(Instant::now()));
        presence.set_fault((1, Fault::LineEnd));
        for (request, fine) in [(&first, true), (&second, false)] {
            let body = Trickle {
                left: 3,
                pause: Duration::ZERO,
                next: None,
            };
            let body = Paced::new(body, PACE, request);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap();
            assert_eq!(runtime.block_on(body.collect()).is_ok(), fine);
        }
    }
}
