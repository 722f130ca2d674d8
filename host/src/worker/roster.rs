//! Which instances are alive, and who may recover.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
    /// Whether the recovery at start is done, or given up.
    recovered: AtomicBool,
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

    /// Recovery has ended, whether or not everything could be recovered.
    pub(crate) fn settle(&self) {
        self.attempts.store(0, Ordering::Relaxed);
        self.give_up();
    }

    /// Nothing more is to be waited for.
    pub(crate) fn give_up(&self) {
        self.recovered.store(true, Ordering::Relaxed);
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
