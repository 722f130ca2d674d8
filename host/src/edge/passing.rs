//! The body of an answer on its way out, which keeps its request in flight.

use super::presence::{InFlight, Presence};
use crate::answer::AnswerBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A body, and what ends with it.
pub(crate) struct Passing {
    body: AnswerBody,
    presence: Arc<Presence>,
    /// Bytes were given, and nothing was asked for since.
    gave: bool,
    _request: InFlight,
}

impl Passing {
    pub(crate) fn new(body: AnswerBody, presence: &Arc<Presence>, request: InFlight) -> Passing {
        Passing {
            body,
            presence: Arc::clone(presence),
            gave: false,
            _request: request,
        }
    }

    fn settle(&mut self) {
        if std::mem::take(&mut self.gave) {
            self.presence.took();
        }
    }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = <AnswerBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.settle();
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(_))) = &frame {
            self.gave = true;
            self.presence.gave();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.settle();
    }
}
