//! Takes reports in: group commit.

use super::live::{Content, Live, Sealed};
use super::{Flushing, Store};
use crate::clock::Clock;
use crate::config::Durability;
use crate::disk::{Disk, DiskError};
use crate::journal::writer::{AppendError, Batch, Standing};
use crate::limits::{
    BACKLOG_PATIENCE, BACKLOG_PAUSE, MAX_BEHIND_BYTES, MAX_BYTES_IN_FLIGHT, MAX_FRAME_BYTES,
    MAX_SEALED_IN_MEMORY, MAX_SEALED_JOURNALS, SLICE_BYTES,
};
use crate::metrics::FlushReason;
use crate::mistakes::{Mistake, made};
use futures::channel::oneshot;
use std::fmt;
use std::rc::Rc;

/// Why reports are not acknowledged. All of these pass; the client may retry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcceptError {
    /// The server is stopping.
    Draining,
    /// More bytes wait to be stored than may.
    Busy,
    /// The disk takes no segments, and enough journals wait for it.
    Backlog,
    /// The disk refused.
    Disk(DiskError),
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcceptError::Draining => f.write_str("the server is stopping"),
            AcceptError::Busy => f.write_str("too many bytes wait to be stored"),
            AcceptError::Backlog => f.write_str("too many sealed journals wait to be published"),
            AcceptError::Disk(error) => write!(f, "the disk refuses writes: {error}"),
        }
    }
}

impl std::error::Error for AcceptError {}

type Verdict = Result<(), AcceptError>;

/// A request whose lines wait for a frame.
pub(super) struct Waiting {
    batch: Batch,
    verdict: oneshot::Sender<Verdict>,
}

/// A journal that is taken away at every try is not bad luck but a fault.
const MAX_JOURNALS_A_BATCH: usize = 4;

impl<D: Disk, C: Clock> Store<D, C> {
    /// Stores reports. When this returns `Ok`, they survive what `DURABILITY`
    /// says; on an error they may be stored or not, but never in part.
    ///
    /// # Errors
    /// See [`AcceptError`].
    pub async fn accept(self: &Rc<Self>, batch: Batch) -> Verdict {
        if batch.reports == 0 {
            return Ok(());
        }
        self.wait_for_room().await?;
        self.admit(batch.lines().len() as u64)?;
        let (sender, mut verdict) = oneshot::channel();
        self.waiting.borrow_mut().push_back(Waiting {
            batch,
            verdict: sender,
        });
        if made(Mistake::AcknowledgeBeforeAppend) {
            let store = Rc::clone(self);
            self.clock.spawn(async move {
                let mut live = store.live.lock().await;
                store.commit_waiting(&mut live).await;
            });
            return Ok(());
        }
        let mut live = self.live.lock().await;
        // Whoever held the lock before may have stored these with its own.
        let verdict = loop {
            match verdict.try_recv() {
                Ok(Some(verdict)) => break verdict,
                Ok(None) => self.commit_waiting(&mut live).await,
                Err(oneshot::Canceled) => break Err(AcceptError::Draining),
            }
        };
        if live
            .as_ref()
            .is_some_and(|live| live.bytes >= self.settings.flush_bytes)
        {
            self.seal(&mut live, FlushReason::Size).await;
            self.publish_in_background();
        }
        let behind = live.as_ref().map_or(0, Live::behind_bytes);
        let known = live.as_ref().map(|live| Rc::clone(&live.flusher_known));
        drop(live);
        if behind > 0 {
            self.catch_up_in_background();
        }
        if verdict.is_ok() && self.flushing.get() == Flushing::AmongInstances {
            self.see_to_a_flusher(&known.unwrap_or_default()).await;
        }
        verdict
    }

    /// Holds requests back while publishing is behind but gets on; refuses them
    /// where it does not. Whoever stamps reports waits before, so that they are
    /// stored in the order of their times.
    ///
    /// # Errors
    /// If it has to wait for too long.
    pub async fn wait_for_room(&self) -> Result<(), AcceptError> {
        let began = self.clock.monotonic();
        while !self.has_room() {
            let waited = self.clock.monotonic().saturating_sub(began);
            if !self.vitals.borrow().writable || waited >= BACKLOG_PATIENCE {
                return Err(AcceptError::Backlog);
            }
            self.clock.sleep(BACKLOG_PAUSE).await;
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        let sealed = self.sealed.borrow();
        let in_memory = |sealed: &&Sealed| matches!(sealed.content, Content::Memory(_));
        sealed.len() < MAX_SEALED_JOURNALS
            && sealed.iter().filter(in_memory).count() < MAX_SEALED_IN_MEMORY
    }

    fn admit(&self, bytes: u64) -> Result<(), AcceptError> {
        if self.draining.get() {
            return Err(AcceptError::Draining);
        }
        let waiting = self.waiting_bytes.get() + bytes;
        if waiting > MAX_BYTES_IN_FLIGHT {
            return Err(AcceptError::Busy);
        }
        self.waiting_bytes.set(waiting);
        Ok(())
    }

    /// Stores as many of the waiting batches as go into one frame, and tells
    /// their requests.
    pub(super) async fn commit_waiting(&self, live: &mut Option<Live<D::File>>) {
        let Some((mut batch, requests)) = self.next_group() else {
            return;
        };
        let bytes = batch.lines().len() as u64;
        let stored = self.store(live, &mut batch).await;
        self.waiting_bytes.set(self.waiting_bytes.get() - bytes);
        let verdict = stored.clone().map(|_| ());
        if verdict.is_ok() {
            self.vitals.borrow_mut().accepted_reports += u64::from(batch.reports);
        }
        for request in requests {
            // A receiver that is gone is a request whose client need not be told.
            let _ = request.send(verdict.clone());
        }
        let Ok(standing) = stored else { return };
        if let Some(journal) = live {
            journal.take(batch, self.clock.monotonic());
            // Compression comes after the verdicts, unless it falls behind.
            if journal.behind_bytes() > MAX_BEHIND_BYTES {
                journal.catch_up(2 * SLICE_BYTES);
            }
        }
        if standing == Standing::Taken {
            self.retire(live);
        }
    }

    /// Puts a batch into the open journal, or the next if that was taken away.
    async fn store(
        &self,
        live: &mut Option<Live<D::File>>,
        batch: &mut Batch,
    ) -> Result<Standing, AcceptError> {
        let sync = self.settings.durability == Durability::Power;
        for _ in 0..MAX_JOURNALS_A_BATCH {
            self.open_live(live).await.map_err(AcceptError::Disk)?;
            let Some(writer) = live.as_mut().and_then(|live| live.writer.as_mut()) else {
                return Ok(Standing::Open);
            };
            let began = self.clock.monotonic();
            match writer.append(batch, sync).await {
                Ok(standing) => {
                    let took = self.clock.monotonic().saturating_sub(began);
                    self.metrics.appended(took);
                    let _ = self.note_write("appending to the journal", Ok(()));
                    return Ok(standing);
                }
                Err(AppendError::Sealed) => self.retire(live),
                Err(AppendError::Disk(error)) => {
                    self.retire(live);
                    let failed = self.note_write("appending to the journal", Err(error));
                    return failed.map_err(AcceptError::Disk);
                }
            }
        }
        Err(AcceptError::Busy)
    }

    /// The oldest waiting batch with those behind it that fit in its frame.
    fn next_group(&self) -> Option<(Batch, Vec<oneshot::Sender<Verdict>>)> {
        let mut waiting = self.waiting.borrow_mut();
        let first = waiting.pop_front()?;
        let mut group = first.batch;
        let mut requests = vec![first.verdict];
        while let Some(next) = waiting.front() {
            if group.lines().len() + next.batch.lines().len() > MAX_FRAME_BYTES {
                break;
            }
            if let Some(next) = waiting.pop_front() {
                group.absorb(&next.batch);
                requests.push(next.verdict);
            }
        }
        Some((group, requests))
    }
}
