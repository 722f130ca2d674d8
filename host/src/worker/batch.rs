//! What queued, as one call of the component takes it.

use super::Pending;
use super::bindings::exports::netwatch::server::intake::{Envelope, Submission};
use super::replies::Replies;
use crate::limits;
use std::iter::Peekable;

/// Submissions on their way into the component: bodies in one piece, and of what
/// they came with each kind once, since every page sends the same.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) bodies: Vec<u8>,
    pub(super) submissions: Vec<Submission>,
    pub(super) envelopes: Vec<Envelope>,
}

/// How many envelopes are compared before one counts as new.
const COMPARED: usize = 8;

impl Batch {
    /// As many of those that wait as go into one call; whom to answer goes to
    /// `replies`.
    pub(super) fn take(
        waiting: &mut Peekable<impl ExactSizeIterator<Item = Pending>>,
        replies: &mut Replies<'_>,
    ) -> Batch {
        let mut batch = Batch::default();
        batch.submissions.reserve_exact(waiting.len());
        while let Some(next) = waiting.next_if(|next| batch.has_room_for(next.body.len())) {
            batch.add(&next.body, next.envelope);
            replies.waiting.push((next.reply, next.share));
        }
        batch
    }

    fn has_room_for(&self, bytes: usize) -> bool {
        self.bodies.is_empty() || self.bodies.len() + bytes <= limits::BATCH_BYTES
    }

    fn add(&mut self, body: &[u8], envelope: Envelope) {
        self.bodies.extend_from_slice(body);
        let recent = self.envelopes.iter().enumerate().rev().take(COMPARED);
        let known = recent
            .filter(|(_, known)| **known == envelope)
            .map(|(number, _)| number)
            .next();
        let number = known.unwrap_or_else(|| {
            self.envelopes.push(envelope);
            self.envelopes.len() - 1
        });
        self.submissions.push(Submission {
            // The bytes are bounded, and the submissions as well.
            body_end: self.bodies.len() as u32,
            envelope: number as u32,
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Load;
    use super::*;
    use crate::budget::Budget;
    use bytes::Bytes;
    use tokio::sync::oneshot;

    fn pending(body: &[u8], origin: &str) -> Pending {
        Pending {
            body: Bytes::copy_from_slice(body),
            envelope: Envelope {
                content_type: Some("application/json".to_owned()),
                content_encoding: None,
                origin: Some(origin.to_owned()),
                key: None,
                client: None,
            },
            reply: oneshot::channel().0,
            share: Budget::new(0).share(),
        }
    }

    fn batches(waiting: Vec<Pending>) -> Vec<(Batch, usize)> {
        let load = Load::default();
        let mut waiting = waiting.into_iter().peekable();
        let mut batches = Vec::new();
        while waiting.peek().is_some() {
            let mut replies = Replies::new(&load, waiting.len());
            let batch = Batch::take(&mut waiting, &mut replies);
            batches.push((batch, replies.waiting.len()));
        }
        batches
    }

    #[test]
    fn each_submission_has_its_body_and_what_it_came_with() {
        let sent: Vec<(Vec<u8>, String)> = (0..40_u8)
            .map(|n| {
                (
                    vec![n; usize::from(n)],
                    format!("https://{}.example", n % 11),
                )
            })
            .collect();
        let waiting = sent.iter().map(|(body, origin)| pending(body, origin));
        let [(batch, replies)] = &batches(waiting.collect())[..] else {
            unreachable!("they fit into one call")
        };
        assert_eq!((batch.submissions.len(), *replies), (40, 40));
        let mut begin = 0;
        for (submission, (body, origin)) in batch.submissions.iter().zip(&sent) {
            let end = submission.body_end as usize;
            assert_eq!(&batch.bodies[begin..end], body);
            let envelope = &batch.envelopes[submission.envelope as usize];
            assert_eq!(envelope.origin.as_ref(), Some(origin));
            begin = end;
        }
        let same = (0..9)
            .map(|_| pending(b"{}", "https://a.example"))
            .collect();
        assert_eq!(batches(same)[0].0.envelopes.len(), 1);
    }

    #[test]
    fn a_call_takes_so_many_bytes_or_one_that_is_larger() {
        let large = vec![b'x'; limits::BATCH_BYTES / 2];
        let larger = vec![b'x'; limits::BATCH_BYTES + 1];
        let waiting = [&large, &large, &larger, &large].map(|body| pending(body, "a"));
        let counts = |(batch, replies): &(Batch, usize)| {
            assert_eq!(batch.submissions.len(), *replies);
            *replies
        };
        let counts: Vec<_> = batches(waiting.into()).iter().map(counts).collect();
        assert_eq!(counts, [2, 1, 1]);
    }
}
