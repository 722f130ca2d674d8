//! A worker: one instance of the component on a thread of its own, together with
//! the connections whose reports it takes.
//!
//! Connections live on the thread of their worker, so that a report's way from
//! the socket to the journal and its answer's way back cross no threads; under
//! load that is a third of all work. Nothing depends on it: a connection whose
//! worker is not there hands its reports to another.
//!
//! The thread runs one instance after another. An instance that traps is
//! followed by a new one at once; one that has grown is relieved: the new one
//! takes over the inbox while the old one finishes and publishes. Whatever waits
//! in the inbox survives either; what an instance had taken is answered or, if
//! it trapped, given up.

mod batch;
mod bindings;
mod calls;
mod duty;
mod instance;
mod replies;
mod roster;
mod thread;
mod turns;

use crate::budget::Share;
use crate::connection::Visit;
use crate::limits;
use crate::metrics::Meter;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::{mpsc, oneshot};
use wasmtime_wasi_http::WasiBody;

pub(crate) use bindings::CollectorPre;
pub(crate) use bindings::exports::netwatch::server::intake::{Envelope, Verdict};
#[cfg(test)]
pub(crate) use bindings::exports::netwatch::server::maintenance::MetricSample;
pub(crate) use bindings::exports::netwatch::server::maintenance::{Metric, MetricKind};
pub(crate) use roster::Roster;
pub(crate) use thread::{Seat, spawn};
pub(crate) use wasmtime_wasi_http::p3::bindings::ServicePre;

/// A report on its way to a verdict.
pub(crate) struct Pending {
    pub(crate) body: Bytes,
    pub(crate) envelope: Envelope,
    pub(crate) reply: oneshot::Sender<Verdict>,
    /// Given back when the verdict is there.
    pub(crate) share: Share,
}

/// Anything but a report.
pub(crate) enum Job {
    /// A request for `wasi:http/handler`.
    Call(Box<Call>),
    /// Adopt the journals of instances that are gone.
    Recover,
}

/// A request for `wasi:http/handler` and where its answer goes.
pub(crate) struct Call {
    pub(crate) request: http::Request<WasiBody>,
    pub(crate) reply: oneshot::Sender<http::Response<WasiBody>>,
    pub(crate) place: Place,
}

/// What the others know about a worker.
#[derive(Default)]
pub(crate) struct Load {
    /// Submissions that wait or are being judged.
    submissions: AtomicUsize,
    calls: AtomicUsize,
    connections: AtomicUsize,
    /// An instance is there to serve.
    ready: AtomicBool,
    /// The last write succeeded.
    writable: AtomicBool,
    /// Requests that were given up because no answer came.
    unanswered: AtomicUsize,
}

impl Load {
    pub(crate) fn submissions(&self) -> usize {
        self.submissions.load(Ordering::Relaxed)
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    fn forget_submissions(&self, count: usize) {
        self.submissions.fetch_sub(count, Ordering::Relaxed);
    }

    /// A request was given up because no answer came.
    pub(crate) fn gave_up(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were since the last call.
    fn take_unanswered(&self) -> usize {
        self.unanswered.swap(0, Ordering::Relaxed)
    }

    fn begin(&self) {
        self.writable.store(true, Ordering::Relaxed);
        self.ready.store(true, Ordering::Relaxed);
    }
}

/// A place among the calls in flight; dropping it frees it.
pub(crate) struct Place(Arc<Load>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A worker as others see it.
pub(crate) struct Worker {
    pub(crate) load: Arc<Load>,
    pub(crate) meter: Arc<Meter>,
    submissions: mpsc::Sender<Pending>,
    jobs: mpsc::Sender<Job>,
    visits: mpsc::UnboundedSender<(Visit, Home)>,
}

/// A connection's place at its worker; dropping it frees it.
pub(crate) struct Home(Arc<Load>);

impl Drop for Home {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Worker {
    /// Takes a connection in; false where the worker has ended. How many there
    /// are is for the listener to bound.
    pub(crate) fn host(&self, visit: Visit) -> bool {
        self.load.connections.fetch_add(1, Ordering::Relaxed);
        let home = Home(Arc::clone(&self.load));
        self.visits.send((visit, home)).is_ok()
    }

    /// Queues a report; false where the queue is full.
    pub(crate) fn submit(&self, pending: Pending) -> bool {
        self.load.submissions.fetch_add(1, Ordering::Relaxed);
        let queued = self.submissions.try_send(pending).is_ok();
        if !queued {
            self.load.submissions.fetch_sub(1, Ordering::Relaxed);
        }
        queued
    }

    /// Takes a place for a call; `None` where all are taken.
    pub(crate) fn place(&self) -> Option<Place> {
        let before = self.load.calls.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(&self.load));
        (before < limits::CALLS_IN_FLIGHT).then_some(place)
    }

    /// The queue of jobs, for the worker to order from itself.
    pub(crate) fn jobs(&self) -> mpsc::Sender<Job> {
        self.jobs.clone()
    }

    pub(crate) fn calls(&self) -> usize {
        self.load.calls.load(Ordering::Relaxed)
    }

    /// Queues a job; false where the queue is full or the worker has ended.
    pub(crate) fn start(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }
}

/// The receiving ends, which pass from instance to instance.
pub(crate) struct Inbox {
    submissions: mpsc::Receiver<Pending>,
    jobs: mpsc::Receiver<Job>,
}

/// Connections that come to live on the worker's thread.
pub(crate) type Visits = mpsc::UnboundedReceiver<(Visit, Home)>;

/// A worker's two sides. The queue of jobs has room for every call that has a
/// place, and some.
pub(crate) fn channels(meter: Arc<Meter>) -> (Worker, Inbox, Visits) {
    let (submit, submissions) = mpsc::channel(limits::QUEUED_SUBMISSIONS);
    let (start, jobs) = mpsc::channel(2 * limits::CALLS_IN_FLIGHT);
    // Bounded by the number of connections that the listener lets in.
    let (visit, visits) = mpsc::unbounded_channel();
    let worker = Worker {
        load: Arc::default(),
        meter,
        submissions: submit,
        jobs: start,
        visits: visit,
    };
    let inbox = Inbox { submissions, jobs };
    (worker, inbox, visits)
}
