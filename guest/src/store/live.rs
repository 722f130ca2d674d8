//! The open journal, and how it is sealed.

use super::{Flushing, Store};
use crate::clock::Clock;
use crate::config::Durability;
use crate::disk::{Disk, DiskResult};
use crate::journal::frame::SealKind;
use crate::journal::name::{Id, JournalFile, JournalName};
use crate::journal::writer::{Batch, SealedBy, Writer};
use crate::segment::encoder::Encoder;
use std::time::Duration;

/// The journal that takes reports, and the segment that grows beside it.
pub(super) struct Live<F> {
    /// `None` in `memory`: then `lines` holds what the journal would.
    pub(super) writer: Option<Writer<F>>,
    pub(super) lines: Vec<Vec<u8>>,
    /// `None` where the segment is not this instance's to make.
    pub(super) encoder: Option<Encoder>,
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

    /// Counts a batch that is stored, and compresses it.
    pub(super) fn take(&mut self, batch: Batch, now: Duration) {
        self.reports += u64::from(batch.reports);
        self.bytes += batch.lines().len() as u64;
        self.first_ms = self.first_ms.min(batch.first_ms);
        self.last_ms = self.last_ms.max(batch.last_ms);
        self.first_at.get_or_insert(now);
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
    /// The compressed content, if it was compressed on the way.
    pub(super) encoder: Option<Encoder>,
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
                Flushing::ByHost => Encoder::new(self.seed()).ok(),
                Flushing::AmongInstances => None,
            },
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
    pub(super) async fn seal(&self, live: &mut Option<Live<D::File>>) {
        let Some(mut journal) = live.take() else {
            return;
        };
        let Some(writer) = journal.writer.take() else {
            if journal.reports > 0 {
                self.queue(journal, None);
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
            journal.encoder = None;
        }
        self.queue(journal, Some(name));
    }

    /// Gives up a journal that failed or was taken away: its good part is
    /// published from the file.
    pub(super) fn retire(&self, live: &mut Option<Live<D::File>>) {
        let Some(mut journal) = live.take() else {
            return;
        };
        journal.encoder = None;
        let name = journal.writer.as_ref().map(Writer::name);
        if name.is_some() && self.flushing.get() == Flushing::ByHost {
            self.queue(journal, name);
        }
    }

    fn queue(&self, journal: Live<D::File>, name: Option<JournalName>) {
        let (content, id) = match name {
            Some(name) => (Content::Journal(name), name.id),
            None => (Content::Memory(journal.lines), self.new_name().id),
        };
        self.sealed.borrow_mut().push_back(Sealed {
            content,
            id,
            encoder: journal.encoder,
            reports: journal.reports,
            bytes: journal.bytes,
            first_ms: journal.first_ms,
            last_ms: journal.last_ms,
        });
    }
}
