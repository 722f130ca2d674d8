//! HTTP/2 within bounds.
//!
//! One connection may ask for many things at once, so the bounds of HTTP/1.1 do
//! not carry over by themselves: streams, headers and resets are bounded by
//! hyper, bodies by [`Paced`](super::pace::Paced); and since a client can starve
//! streams by flow control while the socket is well, the connection is looked at
//! from time to time.

use super::presence::Presence;
use crate::limits;
use hyper::server::conn::http2;
use hyper_util::rt::TokioTimer;
use std::time::Instant;

/// Runs a connection's streams as tasks of the connection's thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SameThread;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for SameThread {
    fn execute(&self, stream: F) {
        tokio::task::spawn_local(stream);
    }
}

/// hyper with this server's limits.
pub(crate) fn http2() -> http2::Builder<SameThread> {
    let mut http = http2::Builder::new(SameThread);
    http.timer(TokioTimer::new())
        .max_concurrent_streams(limits::STREAMS)
        .max_header_list_size(limits::HEAD_BYTES as u32)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .max_frame_size(limits::FRAME_BYTES)
        .max_send_buf_size(limits::STREAM_SEND_BYTES)
        .max_pending_accept_reset_streams(limits::PENDING_RESETS)
        .max_local_error_reset_streams(limits::LOCAL_RESETS)
        .keep_alive_interval(limits::PING_INTERVAL)
        .keep_alive_timeout(limits::PING_TIME);
    http
}

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    Fine,
    /// Nothing has been asked for in a while.
    Idle,
    /// Answers are there, and the client takes none of them.
    Stalled,
}

/// Looks at a connection every [`limits::HTTP2_LOOK`].
#[derive(Default)]
pub(crate) struct Watch {
    taken: u32,
    unchanged: u32,
}

impl Watch {
    pub(crate) fn look(&mut self, presence: &Presence, now: Instant) -> Outlook {
        let (owed, taken) = presence.answers();
        let stuck = owed > 0 && taken == self.taken;
        self.unchanged = if stuck { self.unchanged + 1 } else { 0 };
        self.taken = taken;
        if limits::HTTP2_LOOK * self.unchanged >= limits::WRITE_TIME {
            return Outlook::Stalled;
        }
        match presence.idle(now) {
            idle if idle >= limits::HTTP2_IDLE => Outlook::Idle,
            _ => Outlook::Fine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later() -> Instant {
        Instant::now() + 2 * limits::HTTP2_IDLE
    }

    #[test]
    fn an_answer_that_nobody_takes_stalls_the_connection_and_one_that_is_taken_does_not() {
        let presence = Presence::new(Instant::now(), Default::default());
        let _request = presence.begin(Instant::now());
        let mut watch = Watch::default();
        presence.gave();
        let looks = limits::WRITE_TIME.as_secs() / limits::HTTP2_LOOK.as_secs();
        for _ in 0..3 * looks {
            presence.took();
            presence.gave();
            assert_eq!(watch.look(&presence, later()), Outlook::Fine);
        }
        for _ in 1..looks {
            assert_eq!(watch.look(&presence, later()), Outlook::Fine);
        }
        assert_eq!(watch.look(&presence, later()), Outlook::Stalled);
        presence.took();
        assert_eq!(watch.look(&presence, later()), Outlook::Fine);
    }

    #[test]
    fn a_connection_without_a_request_is_idle_after_a_while() {
        let presence = Presence::new(Instant::now(), Default::default());
        let mut watch = Watch::default();
        assert_eq!(watch.look(&presence, Instant::now()), Outlook::Fine);
        assert_eq!(watch.look(&presence, later()), Outlook::Idle);
        let request = presence.begin(Instant::now());
        assert_eq!(watch.look(&presence, later()), Outlook::Fine);
        drop(request);
        assert_eq!(watch.look(&presence, later()), Outlook::Idle);
    }
}
