//! What an instance does while it serves.

use super::batch::Batch;
use super::bindings;
use super::calls::CallTask;
use super::instance::Leave;
use super::replies::Replies;
use super::{Inbox, Job, Pending, Seat};
use crate::limits;
use crate::state::{State, Usage};
use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, TryStreamExt};
use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use wasmtime::component::Accessor;
use wasmtime::{Result, format_err};
use wasmtime_wasi_http::p3::bindings::Service;

/// One instance at its work.
pub(super) struct Duty<'a> {
    store: &'a Accessor<State>,
    seat: &'a Seat,
    /// `None` for a component that only handles HTTP.
    collector: Option<&'a bindings::Collector>,
    service: &'a Arc<Service>,
    usage: &'a Usage,
    name: &'a str,
    /// `wasi:http` calls so far.
    calls: Cell<u64>,
    recovery: Notify,
    telling: Mutex<()>,
    leave: watch::Sender<Leave>,
    /// Held by every task that is not finished.
    busy: watch::Sender<()>,
}

impl<'a> Duty<'a> {
    pub(super) fn new(
        store: &'a Accessor<State>,
        seat: &'a Seat,
        collector: Option<&'a bindings::Collector>,
        service: &'a Arc<Service>,
        usage: &'a Usage,
        name: &'a str,
    ) -> Duty<'a> {
        Duty {
            store,
            seat,
            collector,
            service,
            usage,
            name,
            calls: Cell::new(0),
            recovery: Notify::new(),
            telling: Mutex::new(()),
            leave: watch::Sender::new(Leave::Stay),
            busy: watch::Sender::new(()),
        }
    }

    pub(super) async fn serve(&self, inbox: &mut Inbox) -> Result<Leave> {
        let Inbox { submissions, jobs } = inbox;
        // Only those are looked at that have something to do: reports come often.
        let others: [LocalBoxFuture<'_, Result<()>>; 7] = [
            Box::pin(self.take_jobs(jobs)),
            Box::pin(self.recover_when_asked()),
            Box::pin(self.supervise()),
            Box::pin(self.tick()),
            Box::pin(self.index()),
            Box::pin(self.tell_when_asked()),
            Box::pin(self.await_stop()),
        ];
        let others = FuturesUnordered::from_iter(others);
        // The first error ends all of them: the store is then lost.
        tokio::try_join!(
            self.take_submissions(submissions),
            others.try_collect::<()>(),
        )?;
        let why = *self.leave.borrow();
        Ok(why)
    }

    async fn await_stop(&self) -> Result<()> {
        let mut stop = self.seat.stop.clone();
        tokio::select! {
            // An error means that the server is gone, which is a stop as well.
            _ = stop.wait_for(|stop| *stop) => { self.leave(Leave::Stop); }
            () = self.told_to_leave() => {}
        }
        Ok(())
    }

    fn leave(&self, why: Leave) {
        self.leave.send_if_modified(|leave| {
            let first = *leave == Leave::Stay;
            if first {
                *leave = why;
            }
            first
        });
    }

    async fn told_to_leave(&self) {
        let mut leave = self.leave.subscribe();
        // The sender is ours, so that waiting cannot fail.
        let _ = leave.wait_for(|leave| *leave != Leave::Stay).await;
    }

    /// Hands over whatever has queued while the last batch was judged.
    async fn take_submissions(&self, queue: &mut mpsc::Receiver<Pending>) -> Result<()> {
        let mut told = pin!(self.told_to_leave());
        let mut waiting = Vec::with_capacity(limits::BATCH_SUBMISSIONS);
        let mut hurry = pin!(self.told_to_hurry());
        loop {
            let taken = tokio::select! {
                biased;
                taken = queue.recv_many(&mut waiting, limits::BATCH_SUBMISSIONS) => taken,
                () = &mut told => break,
            };
            if taken == 0 {
                break;
            }
            tokio::select! {
                biased;
                judged = self.submit(&mut waiting) => judged?,
                () = &mut hurry => return Err(too_late("judging reports")),
            }
            if *self.leave.borrow() == Leave::Relieved {
                break;
            }
        }
        Ok(())
    }

    /// Waits until it was told to leave and has had time to.
    async fn told_to_hurry(&self) {
        self.told_to_leave().await;
        tokio::time::sleep(limits::ANSWER_TIME).await;
    }

    async fn submit(&self, waiting: &mut Vec<Pending>) -> Result<()> {
        let Some(collector) = self.collector else {
            // Its reports are calls. Whoever waits here learns that nobody answers.
            self.seat.load.forget_submissions(waiting.len());
            waiting.clear();
            return Ok(());
        };
        let intake = collector.netwatch_server_intake();
        let mut waiting = waiting.drain(..).peekable();
        while waiting.peek().is_some() {
            let mut replies = Replies::new(&self.seat.load, waiting.len());
            let Batch {
                bodies,
                submissions,
                envelopes,
            } = Batch::take(&mut waiting, &mut replies);
            let call = intake.call_submit(self.store, bodies, submissions, envelopes);
            let verdicts = call.await?;
            replies.give(verdicts);
        }
        Ok(())
    }

    async fn take_jobs(&self, jobs: &mut mpsc::Receiver<Job>) -> Result<()> {
        let mut told = pin!(self.told_to_leave());
        loop {
            let job = tokio::select! {
                biased;
                job = jobs.recv() => job,
                () = &mut told => None,
            };
            match job {
                Some(Job::Call(call)) => {
                    self.calls.set(self.calls.get() + 1);
                    self.store.spawn(CallTask {
                        call,
                        service: Arc::clone(self.service),
                        busy: self.busy.subscribe(),
                    })?;
                }
                Some(Job::Recover) => self.recovery.notify_one(),
                None => return Ok(()),
            }
        }
    }

    async fn recover_when_asked(&self) -> Result<()> {
        let mut told = pin!(self.told_to_leave());
        loop {
            tokio::select! {
                () = self.recovery.notified() => {}
                () = &mut told => return Ok(()),
            }
            tokio::select! {
                recovered = self.recover() => recovered?,
                () = self.told_to_hurry() => return Err(too_late("recovering")),
            }
        }
    }

    async fn recover(&self) -> Result<()> {
        let Some(collector) = self.collector else {
            return Ok(());
        };
        let maintenance = collector.netwatch_server_maintenance();
        let (roster, worker) = (self.seat.roster(), self.seat.worker);
        if roster.attempt() >= limits::RECOVERY_ATTEMPTS {
            tracing::error!(worker, "recovery keeps failing; the rest is put off");
            roster.put_off();
            return Ok(());
        }
        let gate = roster.gate().await;
        let alive = roster.alive();
        let recovered = maintenance.call_recover(self.store, alive).await?;
        drop(gate);
        match recovered {
            Ok(found) => {
                if found.journals > 0 {
                    let (journals, reports) = (found.journals, found.reports);
                    let quarantined = found.quarantined;
                    tracing::info!(worker, journals, reports, quarantined, "recovered");
                }
                roster.settle();
            }
            Err(reason) => {
                tracing::error!(worker, "recovery failed: {}", crate::log::escape(&reason));
                roster.put_off();
            }
        }
        Ok(())
    }

    /// Watches every second how the instance behaves.
    async fn supervise(&self) -> Result<()> {
        let mut told = pin!(self.told_to_leave());
        let mut ticks = interval(limits::TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let bounds = &self.seat.terms.options.bounds;
        let enough = bounds.memory_bytes / 100 * limits::MEMORY_PERCENT_TO_REPLACE;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = &mut told => return Ok(()),
            }
            // What did not take long enough to be interrupted counts as well.
            self.seat.tenant.cpu.charge(self.seat.thread.take());
            let memory = self.usage.memory_bytes();
            self.seat
                .meter
                .watched(memory, self.usage.take_refused_growth());
            let unanswered = self.seat.load.take_unanswered();
            if unanswered > 0 {
                let (tenant, worker) = (self.seat.name(), self.seat.worker);
                tracing::warn!(
                    tenant,
                    worker,
                    unanswered,
                    "no answer came; replacing the instance"
                );
                self.seat
                    .tenant
                    .note_error("requests were not answered in time");
            }
            if memory > enough || self.calls.get() > limits::CALLS_TO_REPLACE || unanswered > 0 {
                self.leave(Leave::Relieved);
            }
        }
    }

    /// Calls `tick` every second.
    async fn tick(&self) -> Result<()> {
        let Some(collector) = self.collector else {
            return Ok(());
        };
        let maintenance = collector.netwatch_server_maintenance();
        let mut told = pin!(self.told_to_leave());
        let mut ticks = interval(limits::TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = &mut told => return Ok(()),
            }
            let errand = self.seat.tenant.retention.errand(self.seat.worker);
            let call = maintenance.call_tick(self.store, errand);
            let vitals = in_time("tick", call).await?;
            self.tell().await?;
            let load = &self.seat.load;
            load.writable.store(vitals.writable, Ordering::Relaxed);
            if let Some(error) = vitals.last_error {
                self.seat.tenant.note_error(&error);
            }
            // A job of the worker: this instance may be gone before it comes to it.
            let roster = self.seat.roster();
            if roster.is_due() && self.seat.jobs.try_send(Job::Recover).is_err() {
                roster.put_off();
            }
        }
    }

    /// Lets the first worker keep up the files of statistics. After each call a
    /// multiple of its time belongs to others.
    async fn index(&self) -> Result<()> {
        let Some(collector) = self.collector.filter(|_| self.seat.worker == 0) else {
            return Ok(());
        };
        let maintenance = collector.netwatch_server_maintenance();
        let mut told = pin!(self.told_to_leave());
        let mut pause = limits::INDEX_PAUSE;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = &mut told => return Ok(()),
            }
            let began = std::time::Instant::now();
            let missing = in_time("index", maintenance.call_index(self.store)).await?;
            let least = match missing {
                0 => limits::INDEX_REST,
                _ => limits::INDEX_PAUSE,
            };
            pause = least.max(began.elapsed() * limits::INDEX_SHARE);
        }
    }

    async fn tell_when_asked(&self) -> Result<()> {
        let mut told = pin!(self.told_to_leave());
        loop {
            tokio::select! {
                () = self.seat.meter.asked() => {
                    self.tell().await?;
                    self.seat.meter.answered();
                }
                () = &mut told => return Ok(()),
            }
        }
    }

    /// Tells what the instance counts, for the metrics.
    async fn tell(&self) -> Result<()> {
        let Some(collector) = self.collector else {
            return Ok(());
        };
        let maintenance = collector.netwatch_server_maintenance();
        // One at a time, so that what is older does not come after what is newer.
        let _one_at_a_time = self.telling.lock().await;
        let metrics = in_time("metrics", maintenance.call_metrics(self.store)).await?;
        self.seat.meter.tell(self.name, metrics);
        Ok(())
    }

    /// Waits for the calls in flight, then publishes everything.
    pub(super) async fn finish(&self) -> Result<()> {
        if timeout(limits::GRACE, self.busy.closed()).await.is_err() {
            let (tenant, worker) = (self.seat.name(), self.seat.worker);
            tracing::warn!(tenant, worker, "calls are still in flight; leaving them");
        }
        let Some(collector) = self.collector else {
            return Ok(());
        };
        let maintenance = collector.netwatch_server_maintenance();
        let drained = timeout(limits::DRAIN_TIME, maintenance.call_drain(self.store))
            .await
            .map_err(|_| format_err!("publishing took too long; the rest is in the journal"))??;
        if *self.leave.borrow() == Leave::Relieved {
            self.tell().await?;
        }
        drained.map_err(|reason| format_err!("not everything is published: {reason}"))
    }
}

/// The result of a call of the host's own, which a component that does not give it
/// in time loses its life for.
async fn in_time<T>(what: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
    let called = timeout(limits::ERRAND_TIME, call).await;
    called.unwrap_or_else(|_| Err(too_late(what)))
}

fn too_late(what: &str) -> wasmtime::Error {
    format_err!("the component took too long: {what}")
}
