//! One instance of the component, from its birth to its end.

use super::bindings::exports::netwatch::server::{intake, maintenance};
use super::calls::CallTask;
use super::roster::Entry;
use super::{Inbox, Job, Load, Pending, Seat, bindings};
use crate::limits;
use crate::state::{self, Grant, State, Usage};
use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use wasmtime::component::Accessor;
use wasmtime::{Result, Store, format_err};
use wasmtime_wasi_http::p3::bindings::Service;

/// An instance that has a name and can be served from.
pub(crate) struct Instance {
    store: Store<State>,
    collector: bindings::Collector,
    service: Arc<Service>,
    entry: Arc<Entry>,
    usage: Arc<Usage>,
}

/// Why an instance stopped taking work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It has not.
    Stay,
    /// Another takes its place.
    Relieved,
    /// The server ends.
    Stop,
}

impl Instance {
    /// Makes an instance, asks its name and enters it in the roster.
    pub(crate) async fn start(seat: &Seat) -> Result<Instance> {
        let grant = Grant {
            tenant: &seat.tenant,
            worker: seat.worker,
            data_dir: &seat.data_dir,
            vars: &seat.vars,
        };
        let mut store = state::store(seat.component.engine(), &grant)?;
        let usage = store.data().usage();
        let _gate = seat.roster.gate().await;
        let instance = seat.component.instantiate_async(&mut store).await?;
        let collector = bindings::Collector::new(&mut store, &instance)?;
        let service = Arc::new(Service::new(&mut store, &instance)?);
        let maintenance = collector.netwatch_server_maintenance();
        let name = store
            .run_concurrent(async |store| maintenance.call_identity(store).await)
            .await??
            .map_err(|reason| format_err!("the component cannot work: {reason}"))?;
        Ok(Instance {
            entry: Arc::new(seat.roster.enter(name)),
            store,
            collector,
            service,
            usage,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.entry.name
    }

    /// Serves from the inbox until it is told to leave, finishes what it has
    /// taken and publishes what it holds. Says through `left` that the inbox is
    /// free.
    ///
    /// # Errors
    ///
    /// A trap, or a reason why something is left in the journal.
    pub(crate) async fn run(
        self,
        seat: &Seat,
        mut inbox: OwnedMutexGuard<Inbox>,
        left: oneshot::Sender<Leave>,
    ) -> Result<()> {
        let Instance {
            mut store,
            collector,
            service,
            entry,
            usage,
        } = self;
        let run = store.run_concurrent(async |store| {
            let duty = Duty {
                store,
                seat,
                maintenance: collector.netwatch_server_maintenance(),
                intake: collector.netwatch_server_intake(),
                service: &service,
                usage: &usage,
                name: &entry.name,
                calls: Cell::new(0),
                recovery: Notify::new(),
                telling: Mutex::new(()),
                leave: watch::Sender::new(Leave::Stay),
                busy: watch::Sender::new(()),
            };
            let why = watched(&usage, duty.serve(&mut inbox)).await?;
            drop(inbox);
            let _ = left.send(why);
            watched(&usage, duty.finish()).await
        });
        let ended = run.await.and_then(|finished| finished);
        drop(store);
        drop(entry);
        ended
    }
}

/// Runs `duty`, noting whenever it is its turn: Wasm has then given up control.
async fn watched<T>(usage: &Usage, duty: impl Future<Output = T>) -> T {
    let mut duty = pin!(duty);
    std::future::poll_fn(|context| {
        usage.gave_up_control();
        let polled: Poll<T> = duty.as_mut().poll(context);
        polled
    })
    .await
}

/// What an instance does while it serves.
struct Duty<'a> {
    store: &'a Accessor<State>,
    seat: &'a Seat,
    maintenance: &'a maintenance::Guest,
    intake: &'a intake::Guest,
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

impl Duty<'_> {
    async fn serve(&self, inbox: &mut Inbox) -> Result<Leave> {
        let Inbox { submissions, jobs } = inbox;
        // The first error ends all of them: the store is then lost.
        tokio::try_join!(
            self.take_submissions(submissions),
            self.take_jobs(jobs),
            self.recover_when_asked(),
            self.tick(),
            self.index(),
            self.tell_when_asked(),
            self.await_stop(),
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
        loop {
            let taken = tokio::select! {
                biased;
                taken = queue.recv_many(&mut waiting, limits::BATCH_SUBMISSIONS) => taken,
                () = &mut told => break,
            };
            if taken == 0 {
                break;
            }
            self.submit(&mut waiting).await?;
            if *self.leave.borrow() == Leave::Relieved {
                break;
            }
        }
        Ok(())
    }

    async fn submit(&self, waiting: &mut Vec<Pending>) -> Result<()> {
        let mut waiting = waiting.drain(..).peekable();
        while waiting.peek().is_some() {
            let mut batch = Vec::with_capacity(waiting.len());
            let mut replies = Replies::new(&self.seat.load, waiting.len());
            let mut bytes = 0;
            while let Some(next) = waiting.next_if(|next| {
                let with_next = bytes + next.submission.body.len();
                bytes == 0 || with_next <= limits::BATCH_BYTES
            }) {
                bytes += next.submission.body.len();
                batch.push(next.submission);
                replies.waiting.push((next.reply, next.share));
            }
            let verdicts = self.intake.call_submit(self.store, batch).await?;
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
                () = self.recovery.notified() => self.recover().await?,
                () = &mut told => return Ok(()),
            }
        }
    }

    async fn recover(&self) -> Result<()> {
        let roster = &self.seat.roster;
        let worker = self.seat.worker;
        if roster.attempt() >= limits::RECOVERY_ATTEMPTS {
            tracing::error!(worker, "recovery keeps failing; the rest is put off");
            roster.put_off();
            return Ok(());
        }
        let gate = roster.gate().await;
        let alive = roster.alive();
        let recovered = self.maintenance.call_recover(self.store, alive).await?;
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

    /// Calls `tick` every second and watches how the instance grows.
    async fn tick(&self) -> Result<()> {
        let mut told = pin!(self.told_to_leave());
        let mut ticks = interval(limits::TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = &mut told => return Ok(()),
            }
            let errand = self.seat.retention.errand(self.seat.worker);
            let vitals = self.maintenance.call_tick(self.store, errand).await?;
            self.tell().await?;
            self.seat
                .load
                .writable
                .store(vitals.writable, Ordering::Relaxed);
            // A job of the worker: this instance may be gone before it comes to it.
            let roster = &self.seat.roster;
            if roster.is_due() && self.seat.jobs.try_send(Job::Recover).is_err() {
                roster.put_off();
            }
            let grown = self.usage.memory_bytes() > limits::MEMORY_BYTES_TO_REPLACE as u64;
            if grown || self.calls.get() > limits::CALLS_TO_REPLACE {
                self.leave(Leave::Relieved);
            }
        }
    }

    /// Lets the first worker keep up the files of statistics. After each call a
    /// multiple of its time belongs to others.
    async fn index(&self) -> Result<()> {
        if self.seat.worker != 0 {
            return Ok(());
        }
        let mut told = pin!(self.told_to_leave());
        let mut pause = limits::INDEX_PAUSE;
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = &mut told => return Ok(()),
            }
            let began = std::time::Instant::now();
            let missing = self.maintenance.call_index(self.store).await?;
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
        // One at a time, so that what is older does not come after what is newer.
        let _one_at_a_time = self.telling.lock().await;
        let metrics = self.maintenance.call_metrics(self.store).await?;
        let memory = self.usage.memory_bytes();
        self.seat.meter.tell(self.name, metrics, memory);
        Ok(())
    }

    /// Waits for the calls in flight, then publishes everything.
    async fn finish(&self) -> Result<()> {
        if timeout(limits::GRACE, self.busy.closed()).await.is_err() {
            tracing::warn!(
                worker = self.seat.worker,
                "calls are still in flight; leaving them"
            );
        }
        let drained = timeout(limits::DRAIN_TIME, self.maintenance.call_drain(self.store))
            .await
            .map_err(|_| format_err!("publishing took too long; the rest is in the journal"))??;
        if *self.leave.borrow() == Leave::Relieved {
            self.tell().await?;
        }
        drained.map_err(|reason| format_err!("not everything is published: {reason}"))
    }
}

/// Those who wait for the verdicts of one batch. If the instance traps, dropping
/// this tells them.
struct Replies<'a> {
    load: &'a Load,
    waiting: Vec<(oneshot::Sender<intake::Verdict>, crate::budget::Share)>,
}

impl<'a> Replies<'a> {
    fn new(load: &'a Load, expected: usize) -> Self {
        Replies {
            load,
            waiting: Vec::with_capacity(expected),
        }
    }

    fn give(mut self, verdicts: Vec<intake::Verdict>) {
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
