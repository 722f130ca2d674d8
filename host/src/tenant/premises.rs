//! A data directory that is ours: its lock, who is alive in it, what it holds.

use super::quota::Quota;
use crate::lock::{Lock, LockError};
use crate::server::StartError;
use crate::worker::Roster;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Shared by whoever is the directory's tenant: it outlives a change of the
/// tenant's name, component or limits.
pub(crate) struct Premises {
    pub(crate) data_dir: PathBuf,
    pub(crate) roster: Arc<Roster>,
    pub(crate) quota: Arc<Quota>,
    lock: Mutex<Lock>,
}

impl Premises {
    /// Makes the directory where it is missing, and locks it.
    ///
    /// # Errors
    ///
    /// Another server has it, or the system refuses.
    pub(crate) fn take(data_dir: &Path) -> Result<Premises, StartError> {
        let lock = std::fs::create_dir_all(data_dir)
            .map_err(LockError::Io)
            .and_then(|()| Lock::take(data_dir))
            .map_err(|error| match error {
                LockError::Held(holder) => StartError::Locked {
                    data_dir: data_dir.to_owned(),
                    holder,
                },
                LockError::Io(error) => StartError::DataDir(data_dir.to_owned(), error),
            })?;
        Ok(Premises {
            data_dir: data_dir.to_owned(),
            roster: Arc::default(),
            quota: Arc::new(Quota::new(data_dir)),
            lock: Mutex::new(lock),
        })
    }

    /// Tells others where this server listens.
    ///
    /// # Errors
    ///
    /// The lock file cannot be written.
    pub(crate) fn announce(&self, address: SocketAddr) -> Result<(), StartError> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        lock.announce(address)
            .map_err(|error| StartError::DataDir(self.data_dir.clone(), error))
    }

    /// Whether acknowledged reports wait to be published, for all the host knows
    /// of the store: its `journal` is not empty, or cannot be looked into.
    pub(crate) fn holds_journals(&self) -> bool {
        match std::fs::read_dir(self.data_dir.join("journal")) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
        }
    }
}
