//! The lease: who flushes for all instances, where no host does.
//!
//! `journal/lease` begins with its holder's name and grows by a byte with every
//! sign of life. It only avoids that many do the same work: what is published
//! exactly once is decided by seals and plans, so a lease taken from somebody
//! who is merely slow does no harm.

use super::Store;
use crate::clock::Clock;
use crate::disk::{Disk, DiskError, DiskFile, DiskResult, Folder};
use crate::journal::name::JournalFile;

/// The right to flush for all.
pub(super) struct Lease<F> {
    file: F,
    holder: Vec<u8>,
}

impl<D: Disk, C: Clock> Store<D, C> {
    /// Takes the lease; `None` if another has it.
    pub(super) async fn take_lease(&self) -> DiskResult<Option<Lease<D::File>>> {
        let name = JournalFile::Lease.to_string();
        let mut file = match self.disk.create(Folder::Journal, &name).await {
            Err(DiskError::Exists) => return Ok(None),
            created => created?,
        };
        let holder = self.new_name().id.to_string().into_bytes();
        file.append(holder.clone()).await.1?;
        Ok(Some(Lease { file, holder }))
    }

    /// Shows that the holder lives. False if another has taken the lease away.
    pub(super) async fn beat(&self, lease: &mut Lease<D::File>) -> DiskResult<bool> {
        lease.file.append(vec![b'.']).await.1?;
        let name = JournalFile::Lease.to_string();
        let current = match self.disk.open(Folder::Journal, &name, false).await {
            Err(DiskError::NotFound) => return Ok(false),
            opened => opened?,
        };
        Ok(current.read_at(0, lease.holder.len()).await? == lease.holder)
    }

    /// Gives the lease back, if it is still this holder's.
    pub(super) async fn release(&self, lease: &mut Lease<D::File>) -> DiskResult<()> {
        if self.beat(lease).await? {
            self.remove(&JournalFile::Lease).await?;
        }
        Ok(())
    }

    /// How far the lease has grown: its holder's signs of life. `None` if nobody
    /// holds it.
    pub(super) async fn lease_size(&self) -> DiskResult<Option<u64>> {
        let name = JournalFile::Lease.to_string();
        match self.disk.open(Folder::Journal, &name, false).await {
            Ok(file) => file.size().await.map(Some),
            Err(DiskError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes away the lease of a holder that shows no life. Of several that try
    /// at once, one moves it.
    pub(super) async fn evict_holder(&self) -> DiskResult<()> {
        let grave = JournalFile::Temporary(self.new_name());
        let from = JournalFile::Lease.to_string();
        let to = grave.to_string();
        match self
            .disk
            .rename((Folder::Journal, &from), (Folder::Journal, &to))
            .await
        {
            Err(DiskError::NotFound) => Ok(()),
            moved => {
                moved?;
                self.remove(&grave).await
            }
        }
    }
}
