//! The workers of a tenant, from their start to their end.

use super::{Tenant, Terms, ThreadCpu};
use crate::dispatch::Workers;
use crate::limits;
use crate::log::GuestLog;
use crate::server::StartError;
use crate::worker::{self, Roster, Seat};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

/// A tenant's workers. Whoever is served by them holds them: they are stopped
/// when nobody does.
pub(crate) struct Crew {
    pub(crate) workers: Workers,
    pub(crate) terms: Arc<Terms>,
    /// Tells the workers to publish and end.
    stop: watch::Sender<bool>,
    /// Closed when all have ended.
    ended: Mutex<Option<mpsc::Receiver<()>>>,
    roster: Arc<Roster>,
}

/// How often is looked whether something is over that tells nobody.
const LOOK: Duration = Duration::from_millis(10);

impl Crew {
    /// Starts the workers; the first crew of a directory recovers what is in it.
    ///
    /// # Errors
    ///
    /// The system gives no thread, or the component does not start.
    pub(crate) async fn start(tenant: &Arc<Tenant>, terms: Arc<Terms>) -> Result<Crew, StartError> {
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = mpsc::channel(1);
        let count = terms.options.workers;
        let mut workers = Vec::with_capacity(count);
        let mut starting = Vec::with_capacity(count);
        for number in 0..count {
            let (worker, inbox, visits) = worker::channels(tenant.meters.worker(number));
            let seat = Seat {
                tenant: Arc::clone(tenant),
                terms: Arc::clone(&terms),
                worker: number,
                load: Arc::clone(&worker.load),
                meter: Arc::clone(&worker.meter),
                thread: Arc::new(ThreadCpu::default()),
                log: GuestLog::new(Arc::clone(&tenant.name), number, Arc::clone(&tenant.log)),
                jobs: worker.jobs(),
                stop: stopped.clone(),
            };
            let (ready, started) = oneshot::channel();
            worker::spawn(seat, inbox, visits, ready, end.clone()).map_err(StartError::Thread)?;
            workers.push(worker);
            starting.push(started);
        }
        let crew = Crew {
            workers: Workers(workers),
            terms,
            stop,
            ended: Mutex::new(Some(ended)),
            roster: Arc::clone(&tenant.premises.roster),
        };
        for started in starting {
            started
                .await
                .map_err(|_| StartError::Component("its thread ended".to_owned()))?
                .map_err(|error| StartError::Component(format!("{error:#}")))?;
        }
        if !crew.terms.component.is_collector {
            // What another component leaves behind is its own concern.
            crew.roster.settle();
        } else if !crew.roster.is_recovered() {
            crew.workers.recover();
        }
        Ok(crew)
    }

    /// Waits until nobody is served by the crew, lets it publish everything and
    /// waits for its end, each for a limited time.
    pub(crate) async fn dismiss(self: Arc<Crew>) {
        let alone = async {
            while Arc::strong_count(&self) > 1 {
                tokio::time::sleep(LOOK).await;
            }
        };
        if timeout(limits::ANSWER_TIME, alone).await.is_err() {
            tracing::warn!(
                tenant = self.terms.options.name,
                "requests are still in flight; leaving them"
            );
        }
        self.end().await;
    }

    /// Lets the crew publish everything and waits for its end, for a limited time.
    pub(crate) async fn end(&self) {
        let tenant = self.terms.options.name.as_str();
        // Journals of a server that was killed are to be published too.
        let recovered = async {
            while !self.roster.is_recovered() {
                tokio::time::sleep(LOOK).await;
            }
        };
        if timeout(limits::GRACE, recovered).await.is_err() {
            tracing::warn!(
                tenant,
                "recovery is not done; the next start goes on with it"
            );
        }
        self.stop.send_replace(true);
        let ended = self
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(mut ended) = ended else { return };
        let patience = limits::GRACE + limits::DRAIN_TIME + Duration::from_secs(5);
        if timeout(patience, ended.recv()).await.is_err() {
            tracing::error!(
                tenant,
                "a worker does not end; what it holds is in the journal"
            );
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        // Also where starting failed half-way, or a test forgot.
        self.stop.send_replace(true);
    }
}
