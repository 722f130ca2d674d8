//! Puts segments in their place: under their names.

use super::Store;
use super::plan::Plan;
use crate::clock::Clock;
use crate::disk::{Disk, DiskError, DiskFile, DiskResult, Folder};
use crate::journal::name::JournalFile;
use crate::limits::SLICE_BYTES;
use crate::metrics::{Flush, Synced};
use crate::mistakes::{Mistake, made};
use crate::segment::name::SegmentName;
use std::time::Duration;

/// A segment that is to get its name.
pub(super) struct Ready<'a> {
    pub(super) name: &'a SegmentName,
    pub(super) bytes: &'a [u8],
    /// Of its lines.
    pub(super) content_bytes: u64,
    /// When making it, or putting it in place, was begun.
    pub(super) began: Duration,
}

/// By what right a segment gets its name. Looked at once the temporary file is
/// there, right before it is linked: who was overtaken must not bring back what
/// may have been pruned since. See [`prune`](super::prune).
#[derive(Clone, Copy)]
pub(super) enum Claim<'a> {
    /// Nobody else publishes this.
    Own,
    /// The plan with this number is the last one.
    Plan(u64),
    /// The journal of this plan is still there.
    Alone(&'a Plan),
}

/// Whether a segment got its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Linked {
    /// By this.
    Now,
    /// It had it.
    Before,
    /// It had it, and may have been pruned since.
    Overtaken,
}

impl<D: Disk, C: Clock> Store<D, C> {
    /// ⑥⑦ Writes a segment under a temporary name and links it to its own. Where
    /// that name is taken, another has published the same reports. False where
    /// another has published them and is done with it, so that nothing was linked.
    pub(super) async fn put_in_place(
        &self,
        ready: &Ready<'_>,
        claim: Claim<'_>,
    ) -> DiskResult<bool> {
        let temporary = JournalFile::Temporary(self.new_name());
        let result = self
            .write_and_link(&temporary.to_string(), ready, claim)
            .await;
        self.clear_away(temporary).await;
        let linked = self.note_write("publishing a segment", result)?;
        if linked == Linked::Now {
            let bytes = ready.bytes.len() as u64;
            let mut vitals = self.vitals.borrow_mut();
            vitals.published_segments += 1;
            vitals.published_bytes += bytes;
            let flush = Flush {
                reason: self.flush_reason.get(),
                content_bytes: ready.content_bytes,
                segment_bytes: bytes,
            };
            let took = self.clock.monotonic().saturating_sub(ready.began);
            self.metrics.flushed(flush, took);
        }
        Ok(linked != Linked::Overtaken)
    }

    async fn write_and_link(
        &self,
        temporary: &str,
        ready: &Ready<'_>,
        claim: Claim<'_>,
    ) -> DiskResult<Linked> {
        let mut file = self.disk.create(Folder::Journal, temporary).await?;
        for slice in ready.bytes.chunks(SLICE_BYTES) {
            file.append(slice.to_vec()).await.1?;
            self.clock.breathe().await;
        }
        self.timed(Synced::Segment, file.sync()).await?;
        drop(file);
        if !made(Mistake::LinkThoughOvertaken) && !self.is_valid(claim).await? {
            return Ok(Linked::Overtaken);
        }
        let target = ready.name.to_string();
        let link = self
            .disk
            .link((Folder::Journal, temporary), (Folder::Data, &target));
        let linked = match link.await {
            Ok(()) => Linked::Now,
            Err(DiskError::Exists) => Linked::Before,
            Err(error) => return Err(error),
        };
        if !made(Mistake::SkipFolderSync) {
            let sync = self.disk.sync_folder(Folder::Data);
            self.timed(Synced::Directory, sync).await?;
        }
        Ok(linked)
    }

    async fn is_valid(&self, claim: Claim<'_>) -> DiskResult<bool> {
        match claim {
            Claim::Own => Ok(true),
            Claim::Plan(number) => Ok(self.outstanding_plan().await?.0 == number),
            Claim::Alone(plan) => {
                for (name, _) in &plan.journals {
                    let path = JournalFile::Journal(*name).to_string();
                    if self.exists(Folder::Journal, &path).await? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// Waits for a sync and counts how long it took.
    async fn timed<T>(&self, what: Synced, sync: impl Future<Output = T>) -> T {
        let began = self.clock.monotonic();
        let synced = sync.await;
        let took = self.clock.monotonic().saturating_sub(began);
        self.metrics.synced(what, took);
        synced
    }
}
