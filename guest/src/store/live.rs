//! The open journal, and how it is sealed.

use super::growth::Growth;
use super::{Flushing, Store};
use crate::clock::Clock;
use crate::config::Durability;
use crate::disk::{Disk, DiskResult};
use crate::journal::frame::SealKind;
use crate::journal::name::{Id, JournalFile, JournalName};
use crate::journal::writer::{Batch, SealedBy, Writer};
use crate::limits::{MAX_READY_BYTES, SLICE_BYTES};
use crate::metrics::FlushReason;
use crate::segment::checked::CheckedEncoder;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// The journal that takes reports, and the segment that grows beside it.
pub(super) struct Live<F> {
    /// `None` in `memory`.
    pub(super) writer: Option<Writer<F>>,
    growth: Growth,
    pub(super) reports: u64,
    pub(super) bytes: u64,
    pub(super) first_ms: u64,
    pub(super) last_ms: u64,
    first_at: Option<Duration>,
    /// Somebody was there to flush it when it had reports.
    pub(super) flusher_known: Rc<Cell<bool>>,
}

impl<F> Live<F> {
    /// Whether a flush interval has passed since the first report.
    pub(super) fn is_due(&self, now: Duration, interval: Duration) -> bool {
        self.first_at
            .is_some_and(|first| now.saturating_sub(first) >= interval)
    }

    /// Counts a batch that is stored. It is to be compressed by
    /// [`Live::catch_up`].
    pub(super) fn take(&mut self, batch: Batch, now: Duration) {
        self.reports += u64::from(batch.reports);
        self.bytes += batch.lines().len() as u64;
        self.first_ms = self.first_ms.min(batch.first_ms);
        self.last_ms = self.last_ms.max(batch.last_ms);
        self.first_at.get_or_insert(now);
        self.growth.take(batch);
    }

    /// Compresses what waits for it, oldest first, until `enough` bytes are done.
    pub(super) fn catch_up(&mut self, enough: usize) {
        self.growth.catch_up(enough);
    }

    /// Bytes of lines that are not compressed yet.
    pub(super) fn behind_bytes(&self) -> usize {
        self.growth.behind_bytes()
    }
}

/// Where the lines of a sealed journal are.
pub(super) enum Content {
    /// In `journal/`.
    Journal(JournalName),
    /// In memory only, each vector with a frame's head before the lines.
    Memory(Vec<Vec<u8>>),
}

/// How far the segment of a sealed journal is.
pub(super) enum Making {
    /// Some of its lines are not compressed yet.
    Growing(Box<Growth>),
    /// Verified.
    Ready(Vec<u8>),
    /// It is to be made of the content.
    Lost,
}

impl Making {
    /// Bytes it takes or may take.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Making::Growing(growth) => growth.bytes().unwrap_or(0),
            Making::Ready(segment) => segment.len(),
            Making::Lost => 0,
        }
    }
}

/// A journal of this instance that takes no more and is to be published.
pub(super) struct Sealed {
    pub(super) content: Content,
    /// The segment's name if this instance alone publishes it.
    pub(super) id: Id,
    pub(super) segment: Making,
    pub(super) reason: FlushReason,
    pub(super) reports: u64,
    pub(super) bytes: u64,
    pub(super) first_ms: u64,
    pub(super) last_ms: u64,
}

impl<D: Disk, C: Clock> Store<D, C> {
    /// Opens a journal if none is open.
    pub(super) async fn open_live(&self, live: &mut Option<Live<D::File>>) -> DiskResult<()> {
        if live.is_some() {
            return Ok(());
        }
        let writer = match self.settings.durability {
            Durability::Memory if self.flushing.get() == Flushing::ByHost => None,
            durability => {
                let sync = durability == Durability::Power;
                let now = self.clock.wall_ms();
                let name = self.new_name();
                let created = Writer::create(&self.disk, name, now, sync).await;
                if created.is_err() {
                    self.clear_away(JournalFile::Journal(name)).await;
                }
                Some(self.note_write("creating a journal", created)?)
            }
        };
        *live = Some(Live {
            growth: Growth::new(self.encoder(), writer.is_none()),
            writer,
            reports: 0,
            bytes: 0,
            first_ms: u64::MAX,
            last_ms: 0,
            first_at: None,
            flusher_known: Rc::default(),
        });
        Ok(())
    }

    /// What compresses reports as they come, where that is this instance's to do.
    fn encoder(&self) -> Option<CheckedEncoder> {
        match self.flushing.get() {
            // Where that fails, so will publishing, and say so.
            Flushing::ByHost => self
                .spare_encoder
                .take()
                .or_else(|| CheckedEncoder::new(self.seed()).ok()),
            Flushing::AmongInstances => None,
        }
    }

    /// ⑤ Seals the open journal and puts it among those to be published, which
    /// takes no longer the more there is to compress. An error is no loss: the
    /// journal is then sealed and published from the file.
    pub(super) async fn seal(&self, live: &mut Option<Live<D::File>>, reason: FlushReason) {
        let Some(mut journal) = live.take() else {
            return;
        };
        let Some(writer) = journal.writer.take() else {
            if journal.reports > 0 {
                self.queue(journal, None, reason);
            }
            return;
        };
        let name = writer.name();
        let kind = match self.flushing.get() {
            Flushing::ByHost => SealKind::Alone,
            Flushing::AmongInstances => SealKind::Merged,
        };
        let sealed = writer.seal(kind).await;
        let sealed = self.note_write("sealing a journal", sealed);
        if kind == SealKind::Merged && sealed.is_ok() {
            return;
        }
        if sealed != Ok(SealedBy::Us) || journal.reports == 0 {
            journal.growth.give_up();
        }
        self.queue(journal, Some(name), reason);
    }

    /// Gives up a journal that failed or was taken away: its good part is
    /// published from the file.
    pub(super) fn retire(&self, live: &mut Option<Live<D::File>>) {
        let Some(mut journal) = live.take() else {
            return;
        };
        let name = journal.writer.as_ref().map(Writer::name);
        if name.is_some() && self.flushing.get() == Flushing::ByHost {
            journal.growth.give_up();
            self.queue(journal, name, FlushReason::Failure);
        }
    }

    fn queue(&self, journal: Live<D::File>, name: Option<JournalName>, reason: FlushReason) {
        let (content, id) = match name {
            Some(name) => (Content::Journal(name), name.id),
            // Its frames follow when the segment is finished.
            None => (Content::Memory(Vec::new()), self.new_name().id),
        };
        let mut sealed = Sealed {
            content,
            id,
            segment: Making::Growing(Box::new(journal.growth)),
            reason,
            reports: journal.reports,
            bytes: journal.bytes,
            first_ms: journal.first_ms,
            last_ms: journal.last_ms,
        };
        let queue = self.sealed.borrow();
        let before: usize = queue.iter().map(|sealed| sealed.segment.bytes()).sum();
        let growing = |sealed: &Sealed| matches!(sealed.segment, Making::Growing(_));
        let another_grows = queue.iter().any(growing);
        drop(queue);
        if before + sealed.segment.bytes() > MAX_READY_BYTES {
            if let Making::Growing(growth) = &mut sealed.segment {
                growth.give_up();
            }
            self.finish(&mut sealed);
        } else if another_grows {
            // One encoder more is enough.
            self.finish(&mut sealed);
        }
        self.sealed.borrow_mut().push_back(sealed);
    }

    /// Ends a segment that grows.
    fn finish(&self, sealed: &mut Sealed) {
        let growth = match std::mem::replace(&mut sealed.segment, Making::Lost) {
            Making::Growing(growth) => growth,
            other => {
                sealed.segment = other;
                return;
            }
        };
        let grown = growth.finish(self.seed());
        if grown.encoder.is_some() {
            self.spare_encoder.set(grown.encoder);
        }
        if let Content::Memory(frames) = &mut sealed.content {
            *frames = grown.kept;
        }
        if let Some(segment) = grown.segment {
            sealed.segment = Making::Ready(segment);
        }
    }

    /// Ends the segment of the oldest sealed journal, in slices: requests come
    /// between. To be called by who publishes.
    pub(super) async fn finish_oldest(&self) {
        loop {
            {
                let mut queue = self.sealed.borrow_mut();
                let Some(sealed) = queue.front_mut() else {
                    return;
                };
                let Making::Growing(growth) = &mut sealed.segment else {
                    return;
                };
                if growth.behind_bytes() == 0 {
                    self.finish(sealed);
                    return;
                }
                growth.catch_up(SLICE_BYTES);
            }
            self.clock.breathe().await;
        }
    }

    /// Compresses what was stored, in slices, in a task of its own: nobody waits
    /// for it, and requests come between.
    pub(super) fn catch_up_in_background(self: &Rc<Self>) {
        if self.catching_up.replace(true) {
            return;
        }
        let store = Rc::clone(self);
        self.clock.spawn(async move {
            loop {
                // First of all: who filled the slice gets the answer before it is
                // compressed.
                store.clock.breathe().await;
                let mut live = store.live.lock().await;
                let Some(journal) = live.as_mut().filter(|live| live.behind_bytes() > 0) else {
                    break;
                };
                journal.catch_up(SLICE_BYTES);
            }
            store.catching_up.set(false);
        });
    }
}
