//! Which worker gets which request.

use crate::limits;
use crate::worker::{Call, Job, Pending, Place, Worker};

/// The workers of one directory.
pub(crate) struct Workers(pub(crate) Vec<Worker>);

impl Workers {
    /// Queues a report. The first worker that is not busy gets it, so that a
    /// quiet server fills one journal; under load all share. False where too many
    /// wait already.
    pub(crate) fn submit(&self, pending: Pending) -> bool {
        let ready = || self.0.iter().filter(|worker| worker.load.is_ready());
        let free = ready().find(|worker| worker.load.submissions() < limits::SPILL_SUBMISSIONS);
        let chosen = free
            .or_else(|| ready().min_by_key(|worker| worker.load.submissions()))
            // All are being replaced, which takes milliseconds.
            .or_else(|| self.0.iter().min_by_key(|worker| worker.load.submissions()));
        chosen.is_some_and(|worker| worker.submit(pending))
    }

    /// A place for any other request: at the worker with the fewest, the last
    /// one if equal, which reports reach last.
    pub(crate) fn place(&self) -> Option<(&Worker, Place)> {
        let worker = self
            .0
            .iter()
            .rev()
            .min_by_key(|worker| (!worker.load.is_ready(), worker.calls()))?;
        Some((worker, worker.place()?))
    }

    /// As [`Workers::place`], at a worker that knows whether reports can be
    /// stored: one whose disk refuses, else the one that reports reach first.
    pub(crate) fn place_for_readiness(&self) -> Option<(&Worker, Place)> {
        let refused = self.0.iter().find(|worker| !worker.load.is_writable());
        let worker = refused.or_else(|| self.0.first())?;
        Some((worker, worker.place()?))
    }

    /// Lets one worker recover what instances before this start left.
    pub(crate) fn recover(&self) {
        if let Some(last) = self.0.last() {
            last.start(Job::Recover);
        }
    }
}

/// Starts a call; false where the worker does not take it.
pub(crate) fn start(worker: &Worker, call: Call) -> bool {
    worker.start(Job::Call(Box::new(call)))
}
