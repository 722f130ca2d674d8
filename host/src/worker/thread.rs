//! The thread that runs a worker's instances, one after another.

use super::instance::{Instance, Leave};
use super::{Inbox, Job, Load, Roster, Visits};
use crate::limits;
use crate::log::{GuestLog, escape};
use crate::metrics::Meter;
use crate::tenant::{Tenant, Terms, ThreadCpu};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use wasmtime::Result;

/// Everything a worker's instances are made from.
pub(crate) struct Seat {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) terms: Arc<Terms>,
    pub(crate) worker: usize,
    pub(crate) load: Arc<Load>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) thread: Arc<ThreadCpu>,
    pub(crate) log: GuestLog,
    /// The worker's own queue, to order a recovery from itself.
    pub(crate) jobs: mpsc::Sender<Job>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Seat {
    /// The tenant's name, for log lines.
    pub(crate) fn name(&self) -> &str {
        &self.tenant.name
    }

    pub(crate) fn roster(&self) -> &Arc<Roster> {
        &self.tenant.premises.roster
    }
}

/// Starts the thread. `ready` gets the outcome of the first instance's start;
/// `ended` is dropped when the thread ends.
pub(crate) fn spawn(
    seat: Seat,
    inbox: Inbox,
    visits: Visits,
    ready: oneshot::Sender<Result<()>>,
    ended: mpsc::Sender<()>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(limits::BLOCKING_THREADS)
        .build()?;
    std::thread::Builder::new()
        .name(format!("{}-{}", seat.name(), seat.worker))
        .spawn(move || {
            LocalSet::new().block_on(&runtime, async {
                let reception = spawn_local(receive(visits));
                run(Rc::new(seat), inbox, ready).await;
                reception.abort();
            });
            drop(ended);
        })?;
    Ok(())
}

/// Serves the connections that are sent to this thread, each as a task.
async fn receive(mut visits: Visits) {
    while let Some((visit, home)) = visits.recv().await {
        spawn_local(async move {
            visit.serve().await;
            drop(home);
        });
    }
}

async fn run(seat: Rc<Seat>, inbox: Inbox, ready: oneshot::Sender<Result<()>>) {
    let inbox = Arc::new(Mutex::new(inbox));
    let mut ready = Some(ready);
    let mut failures = 0;
    let mut relieved: Vec<JoinHandle<()>> = Vec::new();
    while !*seat.stop.borrow() {
        let born = Instant::now();
        let instance = match (Instance::start(&seat).await, ready.take()) {
            (Ok(instance), ready) => {
                seat.load.begin();
                match ready {
                    // The thread's first.
                    Some(ready) => drop(ready.send(Ok(()))),
                    None => seat.meter.restarted(),
                }
                instance
            }
            (Err(error), Some(ready)) => {
                let _ = ready.send(Err(error));
                return;
            }
            (Err(error), None) => {
                let error = describe(&error);
                tracing::error!(
                    tenant = seat.name(),
                    worker = seat.worker,
                    error,
                    "a new instance does not start"
                );
                failures += 1;
                pause(&seat, failures).await;
                continue;
            }
        };
        tracing::debug!(
            tenant = seat.name(),
            worker = seat.worker,
            instance = instance.name(),
            milliseconds = born.elapsed().as_secs_f64() * 1e3,
            "instance started"
        );
        let (left, leaving) = oneshot::channel();
        let ending = spawn_local(live(Rc::clone(&seat), instance, Arc::clone(&inbox), left));
        match leaving.await {
            Ok(Leave::Relieved) => relieved.push(ending),
            Ok(_) => {
                // It publishes; the thread's end is the server's end.
                relieved.push(ending);
                break;
            }
            Err(_) => {
                seat.load.ready.store(false, Ordering::Relaxed);
                failures = if born.elapsed() > limits::SETTLED {
                    0
                } else {
                    failures + 1
                };
                if failures > 1 {
                    pause(&seat, failures).await;
                }
            }
        }
        relieved.retain(|ending| !ending.is_finished());
    }
    seat.load.ready.store(false, Ordering::Relaxed);
    for ending in relieved {
        // A panic was reported by the panic hook.
        let _ = ending.await;
    }
}

/// Runs an instance to its end. If it leaves something in its journal, orders
/// that to be recovered.
async fn live(
    seat: Rc<Seat>,
    instance: Instance,
    inbox: Arc<Mutex<Inbox>>,
    left: oneshot::Sender<Leave>,
) {
    let name = instance.name().to_owned();
    let inbox = inbox.lock_owned().await;
    let ended = instance.run(&seat, inbox, left).await;
    seat.meter.gone(&name);
    if let Err(error) = ended {
        seat.meter.failed(&error);
        seat.tenant.note_error(&format!("{error:#}"));
        tracing::error!(
            tenant = seat.name(),
            worker = seat.worker,
            instance = name,
            error = describe(&error),
            "an instance ended"
        );
        if *seat.stop.borrow() {
            seat.roster().left_behind();
        }
        // A full queue holds calls; the recovery at the next start makes up.
        let _ = seat.jobs.try_send(Job::Recover);
    }
}

/// An error with all its causes and the component's backtrace, on one line.
fn describe(error: &wasmtime::Error) -> String {
    escape(&format!("{error:#}"))
}

/// Waits longer after each failure, but not past the server's end.
async fn pause(seat: &Seat, failures: u32) {
    let pause = Duration::from_millis(5) * 2_u32.saturating_pow(failures.min(10));
    let mut stop = seat.stop.clone();
    let _ = tokio::time::timeout(pause.min(limits::BACKOFF), stop.wait_for(|stop| *stop)).await;
}
