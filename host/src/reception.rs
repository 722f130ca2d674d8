//! Where connections are served: on which thread.
//!
//! With one tenant, on the threads of its workers, so that a report crosses none
//! on its way to the journal. With many, on threads of nobody's: what a tenant's
//! component does with its own thread is then no concern of a connection, and one
//! connection may be for several tenants.

use crate::connection::Visit;
use crate::tenant::Tenant;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};

/// Takes connections in.
pub(crate) enum Reception {
    /// The workers of the only tenant.
    Workers(Arc<Tenant>),
    /// Threads that do nothing else.
    Front(Vec<Desk>),
}

/// One thread that serves connections.
pub(crate) struct Desk {
    visits: mpsc::UnboundedSender<(Visit, Seated)>,
    seated: Arc<AtomicUsize>,
}

/// A connection's place at a desk; dropping it frees it.
struct Seated(Arc<AtomicUsize>);

impl Drop for Seated {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Reception {
    pub(crate) fn at_workers(tenant: Arc<Tenant>) -> Reception {
        Reception::Workers(tenant)
    }

    /// A desk for each processor.
    ///
    /// # Errors
    ///
    /// The system gives no threads.
    pub(crate) fn at_the_front() -> io::Result<Reception> {
        let count = available_parallelism().map_or(1, usize::from);
        let desks = (0..count).map(Desk::open).collect::<io::Result<_>>();
        Ok(Reception::Front(desks?))
    }

    /// Gives a connection to a thread. How many there are is for the listener to
    /// bound.
    pub(crate) fn take(&self, visit: Visit) {
        match self {
            Reception::Workers(tenant) => {
                let crew = tenant.present_crew();
                if let Some((home, worker)) = crew.as_ref().and_then(|crew| crew.workers.home()) {
                    worker.host(Visit { home, ..visit });
                }
            }
            Reception::Front(desks) => {
                let seated = |desk: &&Desk| desk.seated.load(Ordering::Relaxed);
                if let Some(desk) = desks.iter().min_by_key(seated) {
                    desk.seated.fetch_add(1, Ordering::Relaxed);
                    let place = Seated(Arc::clone(&desk.seated));
                    // Desks are there as long as the reception is.
                    let _ = desk.visits.send((visit, place));
                }
            }
        }
    }
}

impl Desk {
    fn open(number: usize) -> io::Result<Desk> {
        // Bounded by the number of connections that the listener lets in.
        let (visits, mut arriving) = mpsc::unbounded_channel::<(Visit, Seated)>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name(format!("front-{number}"))
            .spawn(move || {
                LocalSet::new().block_on(&runtime, async move {
                    while let Some((visit, place)) = arriving.recv().await {
                        spawn_local(async move {
                            visit.serve().await;
                            drop(place);
                        });
                    }
                });
            })?;
        Ok(Desk {
            visits,
            seated: Arc::default(),
        })
    }
}
