//! The body of an answer on its way out, which keeps its request in flight.
//!
//! Whoever sends it asks for more when there is room. Until it asks for the first
//! time, and again after each piece, something is owed to the client: a client that
//! gives no room at all owes us that.

use super::presence::InFlight;
use crate::answer::AnswerBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A body, and what ends with it.
pub(crate) struct Passing {
    body: AnswerBody,
    /// Nothing was asked for since something was there.
    gave: bool,
    request: InFlight,
}

impl Passing {
    pub(crate) fn new(body: AnswerBody, request: InFlight) -> Passing {
        request.presence().gave();
        Passing {
            body,
            gave: true,
            request,
        }
    }

    fn settle(&mut self) {
        if std::mem::take(&mut self.gave) {
            self.request.presence().took();
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
            self.request.presence().gave();
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
