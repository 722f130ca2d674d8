//! Those who wait for verdicts.

use super::Load;
use super::bindings::exports::netwatch::server::intake;
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;

/// Those who wait for the verdicts of one batch. If the instance traps, dropping
/// this tells them.
pub(super) struct Replies<'a> {
    load: &'a Load,
    pub(super) waiting: Vec<(oneshot::Sender<intake::Verdict>, crate::budget::Share)>,
}

impl<'a> Replies<'a> {
    pub(super) fn new(load: &'a Load, expected: usize) -> Self {
        Replies {
            load,
            waiting: Vec::with_capacity(expected),
        }
    }

    pub(super) fn give(mut self, verdicts: Vec<intake::Verdict>) {
        let count = self.waiting.len();
        for ((reply, share), verdict) in self.waiting.drain(..).zip(verdicts) {
            drop(share);
            // The client may have left.
            let _ = reply.send(verdict);
        }
        self.load.submissions.fetch_sub(count, Ordering::Relaxed);
    }
}

impl Drop for Replies<'_> {
    fn drop(&mut self) {
        self.load
            .submissions
            .fetch_sub(self.waiting.len(), Ordering::Relaxed);
    }
}
