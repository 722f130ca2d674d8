//! Which worker gets which request.

use crate::limits;
use crate::worker::{Call, Job, Pending, Place, Worker};

/// The workers of one directory.
pub(crate) struct Workers(pub(crate) Vec<Worker>);

impl Workers {
    /// Which worker a connection should live with: the first that has few, so that
    /// a quiet server fills one journal, else the one that has the fewest.
    pub(crate) fn home(&self) -> Option<(usize, &Worker)> {
        let few = |worker: &Worker| worker.load.connections() < limits::FEW_CONNECTIONS;
        let workers = || self.0.iter().enumerate();
        workers()
            .find(|(_, worker)| few(worker))
            .or_else(|| workers().min_by_key(|(_, worker)| worker.load.connections()))
    }

    /// Whether anything is being answered.
    pub(crate) fn are_busy(&self) -> bool {
        let busy = |worker: &Worker| worker.calls() > 0 || worker.load.submissions() > 0;
        self.0.iter().any(busy)
    }

    /// Queues a report, at the connection's own worker unless that has much to do
    /// or none to do it. Returns the worker; `None` where too many wait already.
    pub(crate) fn submit(&self, home: usize, pending: Pending) -> Option<&Worker> {
        let ready = || self.0.iter().filter(|worker| worker.load.is_ready());
        let own = self.0.get(home).filter(|worker| {
            worker.load.is_ready() && worker.load.submissions() < limits::SPILL_SUBMISSIONS
        });
        let chosen = own
            .or_else(|| ready().min_by_key(|worker| worker.load.submissions()))
            // All are being replaced, which takes milliseconds.
            .or_else(|| self.0.iter().min_by_key(|worker| worker.load.submissions()));
        chosen.filter(|worker| worker.submit(pending))
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
