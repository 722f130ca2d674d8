//! Flushing where no host calls for it: instances come and go, one at a time
//! stays and merges what all of them have journalled.
//!
//! After the first append to a journal an instance sees to it that somebody will
//! flush: it finds the lease, or takes it. A flusher gives the lease back only to
//! look once more afterwards, and takes it again where a journal has reports, so
//! those appended after the lease was seen are always found.
//! That the holder lives is checked by watching the lease grow, at an instance's
//! first report and every few seconds from then on.

use super::lease::Lease;
use super::settle::journals;
use super::{PublishError, Store};
use crate::clock::Clock;
use crate::disk::{Disk, DiskFile, DiskResult, Folder};
use crate::journal::frame::{HEADER_BYTES, parse_header};
use crate::journal::name::{JournalFile, JournalName};
use crate::limits::{LEASE_BEAT, LEASE_PATIENCE, LEASE_TRUST};
use crate::metrics::FlushReason;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

impl<D: Disk, C: Clock> Store<D, C> {
    /// Makes sure that what was just appended will be published, without
    /// waiting for it.
    ///
    /// Whoever holds the lease does not give it up for good while a journal has
    /// reports. So it is enough to look once after a journal's first reports, which
    /// `known` keeps, and else only whether the holder still lives.
    pub(super) async fn see_to_a_flusher(self: &Rc<Self>, known: &Cell<bool>) {
        let now = self.clock.monotonic();
        let trusted = self
            .flusher_seen
            .get()
            .is_some_and(|seen| now.saturating_sub(seen) < LEASE_TRUST);
        if known.get() && (trusted || self.watching.get()) {
            return;
        }
        let lease = self.take_lease().await;
        known.set(known.get() || lease.is_ok());
        match lease {
            Ok(Some(lease)) => {
                self.flusher_seen.set(Some(now));
                let store = Rc::clone(self);
                self.clock
                    .spawn(async move { store.flush_for_all(lease).await });
            }
            Ok(None) if trusted || self.watching.replace(true) => {}
            Ok(None) => {
                let store = Rc::clone(self);
                self.clock.spawn(async move {
                    store.watch_flusher().await;
                    store.watching.set(false);
                });
            }
            Err(error) => log::error!("the flush lease cannot be read: {error}"),
        }
    }

    /// Waits until the holder shows life; takes its place if it does not.
    async fn watch_flusher(self: &Rc<Self>) {
        let began = self.clock.monotonic();
        let Ok(Some(size)) = self.lease_size().await else {
            return self.replace_flusher().await;
        };
        loop {
            self.clock.sleep(LEASE_BEAT / 2).await;
            let now = self.clock.monotonic();
            match self.lease_size().await {
                Ok(Some(later)) if later > size => return self.flusher_seen.set(Some(now)),
                Ok(Some(_)) if now.saturating_sub(began) < LEASE_PATIENCE => {}
                _ => return self.replace_flusher().await,
            }
        }
    }

    async fn replace_flusher(self: &Rc<Self>) {
        let evicted = self.evict_holder().await;
        match (evicted, self.take_lease().await) {
            (Ok(()), Ok(Some(lease))) => {
                self.flusher_seen.set(Some(self.clock.monotonic()));
                Rc::clone(self).flush_for_all(lease).await;
            }
            // Another was faster.
            (Ok(()), Ok(None)) => {}
            (Err(error), _) | (_, Err(error)) => {
                log::error!("the flush lease cannot be taken: {error}");
            }
        }
    }

    /// Holds the lease and flushes, for as long as there is something to flush.
    async fn flush_for_all(self: Rc<Self>, mut lease: Lease<D::File>) {
        let mut at_once = self.has_old_journals().await;
        loop {
            let reason = if at_once {
                FlushReason::Recovery
            } else if let Some(reason) = self.wait_until_due(&mut lease).await {
                reason
            } else {
                return;
            };
            at_once = false;
            let flushed = self.flush_all(&mut lease, reason).await;
            if flushed.is_ok() {
                self.look_after(0).await;
            }
            match flushed {
                Ok(0) => match self.resign(&mut lease).await {
                    Ok(Some(again)) => lease = again,
                    Ok(None) => return,
                    Err(error) => log::error!("the flush lease cannot be given back: {error}"),
                },
                Ok(_) => {
                    self.index().await;
                }
                Err(error) => {
                    self.note_publish_failure(&error);
                    self.clock.sleep(LEASE_BEAT).await;
                }
            }
        }
    }

    /// Waits for the flush interval or enough bytes, showing life; which of them
    /// it was. `None` if the lease is lost.
    async fn wait_until_due(&self, lease: &mut Lease<D::File>) -> Option<FlushReason> {
        let began = self.clock.monotonic();
        loop {
            self.clock.sleep(LEASE_BEAT).await;
            match self.beat(lease).await {
                Ok(true) => {}
                Ok(false) => return None,
                // Full disks refuse signs of life too; those who watch may take
                // over and will fare no better.
                Err(error) => log::warn!("the flush lease cannot be renewed: {error}"),
            }
            if self.clock.monotonic().saturating_sub(began) >= self.settings.flush_interval {
                return Some(FlushReason::Interval);
            }
            match self.journalled_bytes().await {
                Ok(bytes) if bytes >= self.settings.flush_bytes => {
                    return Some(FlushReason::Size);
                }
                Ok(_) => {}
                Err(error) => log::warn!("the journals cannot be counted: {error}"),
            }
        }
    }

    /// Merges what all instances have journalled; the number of journals done.
    async fn flush_all(
        &self,
        lease: &mut Lease<D::File>,
        reason: FlushReason,
    ) -> Result<u32, PublishError> {
        let _one_at_a_time = self.publishing.lock().await;
        self.flush_reason.set(reason);
        self.clear_litter().await;
        let files = self.journal_files().await?;
        for file in &files {
            if let JournalFile::Temporary(name) = file
                && name.instance != self.instance
            {
                self.remove(file).await?;
            }
        }
        let recovery = self.settle_these(journals(&files).collect()).await?;
        self.forget_the_gone().await?;
        let _ = self.beat(lease).await?;
        Ok(recovery.journals)
    }

    /// Gives the lease back; takes it again if somebody has relied on it.
    async fn resign(&self, lease: &mut Lease<D::File>) -> DiskResult<Option<Lease<D::File>>> {
        self.release(lease).await?;
        if self.journalled_bytes().await? == 0 {
            return Ok(None);
        }
        self.take_lease().await
    }

    /// Bytes in all journals, without their headers.
    pub(super) async fn journalled_bytes(&self) -> DiskResult<u64> {
        let mut bytes = 0;
        for name in journals(&self.journal_files().await?) {
            // One that vanishes meanwhile is published.
            if let Ok(file) = self.open_journal(name).await {
                bytes += file.size().await?.saturating_sub(HEADER_BYTES as u64);
            }
        }
        Ok(bytes)
    }

    /// Whether an earlier flusher died: journals older than a flush interval.
    async fn has_old_journals(&self) -> bool {
        let now = self.clock.wall_ms();
        let interval = self.settings.flush_interval;
        for name in journals(&self.journal_files().await.unwrap_or_default()) {
            let Ok(file) = self.open_journal(name).await else {
                continue;
            };
            let header = file.read_at(0, HEADER_BYTES).await.unwrap_or_default();
            // One from the future is as good as old: the clock was set back.
            let age = parse_header(&header, name.id).map(|created| now.abs_diff(created));
            if age.is_some_and(|age| Duration::from_millis(age) >= interval) {
                return true;
            }
        }
        false
    }

    async fn open_journal(&self, name: JournalName) -> DiskResult<D::File> {
        let path = JournalFile::Journal(name).to_string();
        self.disk.open(Folder::Journal, &path, false).await
    }
}
