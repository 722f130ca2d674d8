//! Which worker gets which request.

use crate::connection::Visit;
use crate::limits;
use crate::worker::{Call, Job, Pending, Place, Worker};
use std::sync::Arc;

/// The workers of one directory.
pub(crate) struct Workers(pub(crate) Vec<Worker>);

impl Workers {
    /// Gives a connection to a worker: the first that has few, so that a quiet
    /// server fills one journal, else the one that has the fewest.
    pub(crate) fn host(visit: Visit) {
        let shared = Arc::clone(&visit.shared);
        let workers = &shared.workers.0;
        let few = workers
            .iter()
            .position(|worker| worker.load.connections() < limits::FEW_CONNECTIONS);
        let fewest = || (0..workers.len()).min_by_key(|n| workers.get(*n).map(connections));
        if let Some((home, worker)) = few
            .or_else(fewest)
            .and_then(|home| Some((home, workers.get(home)?)))
        {
            worker.host(Visit { home, ..visit });
        }
    }

    /// Queues a report, at the connection's own worker unless that has much to do
    /// or none to do it. False where too many wait already.
    pub(crate) fn submit(&self, home: usize, pending: Pending) -> bool {
        let ready = || self.0.iter().filter(|worker| worker.load.is_ready());
        let own = self.0.get(home).filter(|worker| {
            worker.load.is_ready() && worker.load.submissions() < limits::SPILL_SUBMISSIONS
        });
        let chosen = own
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

fn connections(worker: &Worker) -> usize {
    worker.load.connections()
}

/// Starts a call; false where the worker does not take it.
pub(crate) fn start(worker: &Worker, call: Call) -> bool {
    worker.start(Job::Call(Box::new(call)))
}
