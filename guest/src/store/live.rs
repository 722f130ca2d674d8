//! The open journal, and how it is sealed.

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
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// The journal that takes reports, and the segment that grows beside it.
pub(super) struct Live<F> {
    /// `None` in `memory`: then `lines` holds what the journal would.
    pub(super) writer: Option<Writer<F>>,
    pub(super) lines: Vec<Vec<u8>>,
    /// `None` where the segment is not this instance's to make.
    pub(super) encoder: Option<CheckedEncoder>,
    /// Stored and told, but not yet compressed.
    behind: VecDeque<Batch>,
    behind_bytes: usize,
    pub(super) reports: u64,
    pub(super) bytes: u64,
    pub(super) first_ms: u64,
    pub(super) last_ms: u64,
    first_at: Option<Duration>,
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
        if self.encoder.is_some() {
            self.behind_bytes += batch.lines().len();
            self.behind.push_back(batch);
        } else if self.writer.is_none() {
            self.lines.push(batch.frame);
        }
    }

    /// Compresses what waits for it, oldest first, until `enough` bytes are done.
    pub(super) fn catch_up(&mut self, enough: usize) {
        let mut done = 0;
        while done < enough
            && let Some(batch) = self.behind.pop_front()
        {
            let bytes = batch.lines().len();
            self.behind_bytes -= bytes;
            done += bytes;
            if let Some(encoder) = &mut self.encoder
                && let Err(error) = encoder.write(batch.lines())
            {
                log::error!("{error}; the segment will be made from the journal");
                self.encoder = None;
            }
            if self.writer.is_none() {
                self.lines.push(batch.frame);
            }
        }
    }

    /// Bytes of lines that are not compressed yet.
    pub(super) fn behind_bytes(&self) -> usize {
        self.behind_bytes
    }
}

/// Where the lines of a sealed journal are.
pub(super) enum Content {
    /// In `journal/`.
    Journal(JournalName),
    /// In memory only, each vector with a frame's head before the lines.
    Memory(Vec<Vec<u8>>),
}

/// A journal of this instance that takes no more and is to be published.
pub(super) struct Sealed {
    pub(super) content: Content,
    /// The segment's name if this instance alone publishes it.
    pub(super) id: Id,
    /// The segment, verified, if it was made on the way.
    pub(super) segment: Option<Vec<u8>>,
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
            writer,
            lines: Vec::new(),
            encoder: match self.flushing.get() {
                // Where that fails, so will publishing, and say so.
                Flushing::ByHost => self
                    .spare_encoder
                    .take()
                    .or_else(|| CheckedEncoder::new(self.seed()).ok()),
                Flushing::AmongInstances => None,
            },
            behind: VecDeque::new(),
            behind_bytes: 0,
            reports: 0,
            bytes: 0,
            first_ms: u64::MAX,
            last_ms: 0,
            first_at: None,
        });
        Ok(())
    }

    /// ⑤ Seals the open journal and puts it among those to be published. An
    /// error is no loss: the journal is then sealed and published from the file.
    pub(super) async fn seal(&self, live: &mut Option<Live<D::File>>, reason: FlushReason) {
        let Some(mut journal) = live.take() else {
            return;
        };
        let Some(writer) = journal.writer.take() else {
            if journal.reports > 0 {
                let segment = self.finish_segment(&mut journal);
                self.queue(journal, None, segment, reason);
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
        let segment = if sealed == Ok(SealedBy::Us) && journal.reports > 0 {
            self.finish_segment(&mut journal)
        } else {
            None
        };
        self.queue(journal, Some(name), segment, reason);
    }

    /// The segment of a journal that takes no more, if it was made on the way.
    fn finish_segment(&self, journal: &mut Live<D::File>) -> Option<Vec<u8>> {
        journal.catch_up(usize::MAX);
        let mut encoder = journal.encoder.take()?;
        match encoder.finish(self.seed()) {
            Ok(segment) => {
                self.spare_encoder.set(Some(encoder));
                Some(segment)
            }
            Err(error) => {
                log::error!("{error}; the segment is made again");
                None
            }
        }
    }

    /// Gives up a journal that failed or was taken away: its good part is
    /// published from the file.
    pub(super) fn retire(&self, live: &mut Option<Live<D::File>>) {
        let Some(journal) = live.take() else {
            return;
        };
        let name = journal.writer.as_ref().map(Writer::name);
        if name.is_some() && self.flushing.get() == Flushing::ByHost {
            self.queue(journal, name, None, FlushReason::Failure);
        }
    }

    fn queue(
        &self,
        journal: Live<D::File>,
        name: Option<JournalName>,
        segment: Option<Vec<u8>>,
        reason: FlushReason,
    ) {
        let (content, id) = match name {
            Some(name) => (Content::Journal(name), name.id),
            None => (Content::Memory(journal.lines), self.new_name().id),
        };
        let mut sealed = self.sealed.borrow_mut();
        let ready: usize = sealed
            .iter()
            .filter_map(|s| Some(s.segment.as_ref()?.len()))
            .sum();
        sealed.push_back(Sealed {
            content,
            id,
            segment: segment.filter(|segment| ready + segment.len() <= MAX_READY_BYTES),
            reason,
            reports: journal.reports,
            bytes: journal.bytes,
            first_ms: journal.first_ms,
            last_ms: journal.last_ms,
        });
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
                let mut live = store.live.lock().await;
                let Some(journal) = live.as_mut().filter(|live| live.behind_bytes() > 0) else {
                    break;
                };
                journal.catch_up(SLICE_BYTES);
                drop(live);
                store.clock.breathe().await;
            }
            store.catching_up.set(false);
        });
    }
}
