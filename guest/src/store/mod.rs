//! The write path: from accepted lines to published segments.
//!
//! # The order of things, and what a crash at each place costs
//!
//! 1. The journal is created exclusively, with its header; in `power` it and its
//!    name are synced. *Crash: an empty journal, which recovery removes.*
//! 2. Reports are appended as one frame for all requests that wait (group
//!    commit). *Crash: a torn frame, never acknowledged, dropped.*
//! 3. In `power` the journal is synced.
//! 4. The requests are acknowledged. *From here on nothing may be lost.*
//! 5. At `FLUSH_BYTES`, or `FLUSH_INTERVAL` after its first report, the journal
//!    is sealed, and the next report begins another.
//! 6. The segment, verified, is written under a temporary name and synced.
//!    *Crash: a temporary file, which recovery removes; the journal is whole.*
//! 7. It is linked to its final name, which must be free; the directory is
//!    synced; the temporary name goes. *Crash: the name exists, and recovery sees
//!    by it that only the journal is left to remove. The name is derived from the
//!    journal, so it cannot be published twice under two names.*
//! 8. The journal is removed.
//!
//! Any failed append or sync ends its journal for good: nothing is appended after
//! it, and no sync is tried again (a kernel may forget the failure: Rebello et
//! al., "Can applications recover from fsync failures?", ATC 2020). What was
//! acknowledged before is published from the file.
//!
//! # Who flushes
//!
//! Under a native host each instance publishes its own journals, one segment
//! each, compressed while the reports come in; the host calls `tick`, and
//! `recover` for journals whose instance is gone. Without a host instances come
//! and go, so they only append, and one of them at a time ([`flusher`]) merges
//! what all have journalled, by a plan ([`settle`]).
//!
//! What is published goes again when its time is over: [`prune`].

mod accept;
mod agree;
mod flusher;
mod growth;
mod inventory;
mod lease;
mod live;
mod place;
pub(crate) mod plan;
mod prune;
mod publish;
mod settle;

#[cfg(test)]
mod tests;

pub use accept::AcceptError;
pub use inventory::Reading;
pub use publish::PublishError;
pub use settle::Recovery;

use crate::clock::Clock;
use crate::config::Settings;
use crate::disk::{Disk, DiskError, DiskResult, Folder};
use crate::journal::frame::HEADER_BYTES;
use crate::journal::name::{Id, JournalFile, JournalName};
use crate::limits::UPKEEP_TIME;
use crate::metrics::collect::Holdings;
use crate::metrics::{FlushReason, Metrics};
use crate::segment::checked::CheckedEncoder;
use crate::stats::Upkeep;
use accept::Waiting;
use futures::lock::Mutex;
use inventory::{Inventory, Readers};
use live::{Live, Sealed};
use prune::Pruned;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// Useless files remembered; what is beyond is removed at the next start.
const MAX_LITTER: usize = 1_000;

/// Who calls for a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushing {
    /// A native host, through `tick` and `drain`.
    ByHost,
    /// One of the instances, for all of them.
    AmongInstances,
}

/// What an instance knows of itself; counters count from its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Acknowledged reports not yet in a published segment.
    pub pending_reports: u64,
    /// Bytes of their lines.
    pub pending_bytes: u64,
    /// Sealed journals that wait to be published.
    pub sealed_journals: u32,
    /// Whether the last write succeeded.
    pub writable: bool,
    /// Reports acknowledged.
    pub accepted_reports: u64,
    /// Segments published.
    pub published_segments: u64,
    /// Bytes of them.
    pub published_bytes: u64,
    /// Segments published with raw blocks because the encoder failed.
    pub raw_segments: u64,
    /// Attempts to publish that failed.
    pub publish_failures: u64,
    /// Journals moved to `quarantine/`.
    pub quarantined_journals: u64,
    /// The last error of the disk, for people.
    pub last_error: Option<String>,
}

/// One instance's share in the store of one tenant.
pub struct Store<D: Disk, C: Clock> {
    disk: D,
    clock: C,
    settings: Settings,
    instance: Id,
    /// Requests whose reports are not yet in a frame.
    waiting: RefCell<VecDeque<Waiting>>,
    waiting_bytes: Cell<u64>,
    /// The open journal. Whoever holds the lock appends.
    live: Mutex<Option<Live<D::File>>>,
    /// Kept from the last segment for its memory.
    spare_encoder: Cell<Option<CheckedEncoder>>,
    /// Whether a task compresses what was stored.
    catching_up: Cell<bool>,
    /// Sealed journals of this instance, oldest first.
    sealed: RefCell<VecDeque<Sealed>>,
    /// Files of this instance that a failing disk did not let it remove.
    litter: RefCell<Vec<JournalFile>>,
    /// Held while segments are made, so that one is made at a time.
    publishing: Mutex<()>,
    /// Why they are made; said by who holds `publishing`.
    flush_reason: Cell<FlushReason>,
    /// Held while segments are removed.
    pruning: Mutex<()>,
    pruned: Cell<Pruned>,
    inventory: RefCell<Inventory>,
    readers: Readers,
    flushing: Cell<Flushing>,
    /// When a flusher was last seen alive, and whether this instance looks now.
    flusher_seen: Cell<Option<Duration>>,
    watching: Cell<bool>,
    draining: Cell<bool>,
    vitals: RefCell<Vitals>,
    /// Held while the files of statistics are looked after.
    upkeep: Mutex<Upkeep>,
    metrics: Metrics,
}

impl<D: Disk, C: Clock> Store<D, C> {
    /// A store over a disk whose folders exist. Nothing is read or written yet.
    pub fn new(disk: D, clock: C, settings: Settings) -> Rc<Self> {
        let instance = new_id(&clock);
        Rc::new(Store {
            disk,
            clock,
            settings,
            instance,
            waiting: RefCell::default(),
            waiting_bytes: Cell::new(0),
            live: Mutex::new(None),
            spare_encoder: Cell::default(),
            catching_up: Cell::new(false),
            sealed: RefCell::default(),
            litter: RefCell::default(),
            publishing: Mutex::new(()),
            flush_reason: Cell::default(),
            pruning: Mutex::new(()),
            pruned: Cell::default(),
            inventory: RefCell::default(),
            readers: Readers::default(),
            flushing: Cell::new(Flushing::AmongInstances),
            flusher_seen: Cell::new(None),
            watching: Cell::new(false),
            draining: Cell::new(false),
            vitals: RefCell::new(Vitals {
                writable: true,
                ..Vitals::default()
            }),
            upkeep: Mutex::default(),
            metrics: Metrics::default(),
        })
    }

    /// This instance's name, the first part of its journals' names.
    pub fn instance(&self) -> Id {
        self.instance
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its clock.
    pub fn clock(&self) -> &C {
        &self.clock
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Its disk, to read from.
    pub(crate) fn disk(&self) -> &D {
        &self.disk
    }

    /// From now on a host calls for flushes.
    pub fn set_flushed_by_host(&self) {
        self.flushing.set(Flushing::ByHost);
    }

    /// Whether `drain` was called.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// The state and counters, with what is pending counted now.
    pub async fn vitals(&self) -> Vitals {
        let mut vitals = self.vitals.borrow().clone();
        if let Some(live) = &*self.live.lock().await {
            vitals.pending_reports = live.reports;
            vitals.pending_bytes = live.bytes;
        }
        let sealed = self.sealed.borrow();
        vitals.sealed_journals = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
        for journal in &*sealed {
            vitals.pending_reports += journal.reports;
            vitals.pending_bytes += journal.bytes;
        }
        vitals
    }

    /// What is to be told beside the [`Metrics`]. Looks at the disk where no host
    /// has this done by [`Store::look_after`].
    pub async fn holdings(&self) -> Holdings {
        let mut journal_bytes = self.own_journal_bytes().await;
        if self.flushing.get() == Flushing::AmongInstances {
            // Where they cannot be listed, its own is what it knows.
            journal_bytes = self.journalled_bytes().await.unwrap_or(journal_bytes);
            let now = self.clock.monotonic();
            if self.stored_lately().is_none() && self.may_look(now) {
                // Without an answer the numbers are left out.
                let _ = self.take_inventory().await;
            }
        }
        Holdings {
            vitals: self.vitals().await,
            journal_bytes,
            stored: self.stored_lately(),
        }
    }

    /// Bytes of this instance's journals, as far as they hold lines.
    async fn own_journal_bytes(&self) -> u64 {
        let live = self.live.lock().await;
        let written = live.as_ref().filter(|live| live.writer.is_some());
        let mut bytes = written.map_or(0, |live| live.bytes + HEADER_BYTES as u64);
        for sealed in &*self.sealed.borrow() {
            if let live::Content::Journal(_) = sealed.content {
                bytes += sealed.bytes + HEADER_BYTES as u64;
            }
        }
        bytes
    }

    /// Whether a report would be stored now. Where the last write failed, this
    /// tries again.
    ///
    /// # Errors
    /// Why not.
    pub async fn probe(&self) -> Result<(), AcceptError> {
        if self.draining.get() {
            return Err(AcceptError::Draining);
        }
        if self.vitals.borrow().writable {
            return Ok(());
        }
        let mut live = self.live.lock().await;
        self.open_live(&mut live).await.map_err(AcceptError::Disk)
    }

    /// What the host's timer calls: publishes what is due, retries what failed.
    pub async fn tick(&self) {
        {
            let mut live = self.live.lock().await;
            let now = self.clock.monotonic();
            let due = live
                .as_ref()
                .is_some_and(|live| live.is_due(now, self.settings.flush_interval));
            if due {
                self.seal(&mut live, FlushReason::Interval).await;
            }
        }
        // The error is in the vitals and the log; the next tick tries again.
        let _ = self.publish_sealed().await;
    }

    /// Makes statistics of segments that have none, for a short while, and
    /// removes those whose segment is gone. Returns how many are still missing;
    /// of what the disk refuses nothing is lost, and no count is known.
    pub async fn index(&self) -> usize {
        let mut upkeep = self.upkeep.lock().await;
        let mapping = &self.settings.stats;
        let done = upkeep.run(&self.disk, &self.clock, mapping, UPKEEP_TIME);
        done.await.unwrap_or_else(|error| {
            log::warn!("the statistics cannot be kept up: {error}");
            0
        })
    }

    /// Publishes everything; accepts nothing any more.
    ///
    /// # Errors
    /// What stays in the journal, and why.
    pub async fn drain(&self) -> Result<(), PublishError> {
        self.draining.set(true);
        let mut live = self.live.lock().await;
        while !self.waiting.borrow().is_empty() {
            self.commit_waiting(&mut live).await;
        }
        self.seal(&mut live, FlushReason::Drain).await;
        drop(live);
        self.publish_sealed().await?;
        self.clear_finished_plans()
            .await
            .map_err(PublishError::Disk)
    }

    /// Notes how an attempt to write went, for readiness and the log.
    fn note_write<T>(&self, what: &str, result: DiskResult<T>) -> DiskResult<T> {
        let mut vitals = self.vitals.borrow_mut();
        match &result {
            Ok(_) => {
                if !vitals.writable {
                    log::warn!("{what} works again");
                }
                vitals.writable = true;
            }
            Err(error) => {
                if vitals.writable {
                    log::error!("{what} failed: {error}");
                }
                vitals.writable = false;
                vitals.last_error = Some(format!("{what}: {error}"));
            }
        }
        result
    }

    async fn exists(&self, folder: Folder, name: &str) -> DiskResult<bool> {
        match self.disk.open(folder, name, false).await {
            Ok(_) => Ok(true),
            Err(DiskError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes a name; that it is gone already is as good.
    async fn remove(&self, name: &JournalFile) -> DiskResult<()> {
        match self.disk.unlink(Folder::Journal, &name.to_string()).await {
            Err(DiskError::NotFound) => Ok(()),
            result => result,
        }
    }

    /// Removes a file of this instance that is of no use; if the disk refuses even
    /// that, again later.
    async fn clear_away(&self, name: JournalFile) {
        let removed = self.remove(&name).await;
        let mut litter = self.litter.borrow_mut();
        if removed.is_err() && litter.len() < MAX_LITTER {
            litter.push(name);
        }
    }

    async fn clear_litter(&self) {
        for name in self.litter.take() {
            self.clear_away(name).await;
        }
    }

    async fn journal_files(&self) -> DiskResult<Vec<JournalFile>> {
        let names = self.disk.list(Folder::Journal).await?;
        let mut files: Vec<_> = names.iter().filter_map(|n| JournalFile::parse(n)).collect();
        files.sort_by_cached_key(|file| match file {
            JournalFile::Journal(name) => name.id,
            _ => Id([0; 16]),
        });
        Ok(files)
    }

    /// A seed for digests, that nobody can guess.
    fn seed(&self) -> u64 {
        let mut seed = [0; 8];
        seed.copy_from_slice(&self.clock.random()[..8]);
        u64::from_le_bytes(seed)
    }

    fn new_name(&self) -> JournalName {
        JournalName {
            instance: self.instance,
            id: new_id(&self.clock),
        }
    }
}

/// A UUIDv7 (RFC 9562): unique, and ordered by time as far as clocks agree.
pub(crate) fn new_id<C: Clock>(clock: &C) -> Id {
    let random = clock.random();
    let mut ten = [0; 10];
    ten.copy_from_slice(&random[..10]);
    let id = uuid::Builder::from_unix_timestamp_millis(clock.wall_ms(), &ten);
    Id(id.into_uuid().into_bytes())
}
