//! Which instances are alive, and who may recover.

use crate::limits;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Shared by all workers of a directory.
///
/// A recovery adopts the journals of every instance that is not named alive. An
/// instance that came to life after the names were collected would lose its
/// journal, so births and recoveries exclude each other: both hold the `gate`.
#[derive(Default)]
pub(crate) struct Roster {
    alive: Mutex<BTreeSet<String>>,
    gate: Arc<tokio::sync::Mutex<()>>,
    /// Recoveries that were begun and not ended since the last that was.
    attempts: AtomicU32,
    /// Whether the recovery at start is done, or put off.
    recovered: AtomicBool,
    /// When to go on with what was put off.
    put_off_until: Mutex<Option<Instant>>,
}

impl Roster {
    pub(crate) async fn gate(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.gate).lock_owned().await
    }

    /// The names of all instances alive.
    pub(crate) fn alive(&self) -> Vec<String> {
        self.names().iter().cloned().collect()
    }

    /// Enters a name until the entry is dropped.
    pub(crate) fn enter(self: &Arc<Roster>, name: String) -> Entry {
        self.names().insert(name.clone());
        Entry {
            roster: Arc::clone(self),
            name,
        }
    }

    fn names(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an attempt to recover; the number of those before it that failed.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempts.fetch_add(1, Ordering::Relaxed)
    }

    /// Nothing is left to recover.
    pub(crate) fn settle(&self) {
        self.attempts.store(0, Ordering::Relaxed);
        self.recovered.store(true, Ordering::Relaxed);
    }

    /// An instance that nobody follows has left something behind: whoever comes
    /// next in the directory recovers.
    pub(crate) fn left_behind(&self) {
        self.recovered.store(false, Ordering::Relaxed);
    }

    /// What is left is for later, and nobody is to wait for it.
    pub(crate) fn put_off(&self) {
        self.settle();
        *self.due() = Some(Instant::now() + limits::RECOVERY_PAUSE);
    }

    /// Whether to go on now with what was put off: true once.
    pub(crate) fn is_due(&self) -> bool {
        let now = Instant::now();
        self.due().take_if(|due| *due <= now).is_some()
    }

    fn due(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        let due = self.put_off_until.lock();
        due.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_recovered(&self) -> bool {
        self.recovered.load(Ordering::Relaxed)
    }
}

/// A living instance's name in the roster.
pub(crate) struct Entry {
    roster: Arc<Roster>,
    pub(crate) name: String,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.roster.names().remove(&self.name);
    }
}
