//! The one edge to storage: two directories, and files that only grow.
//!
//! Everything that stores is written against [`Disk`]; `wasi/disk.rs` speaks WASI,
//! `simulation/disk.rs` is a disk in memory that loses what was not synced. The
//! operations are the few that WASI 0.3 gives and whose crash consequences are
//! known: exclusive creation, append, hard link (which fails where the name
//! exists), rename, unlink, and a sync of a file or of a directory's entries.

use std::fmt;

/// A directory of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Folder {
    /// `DATA_DIR` itself: finished segments, for everybody to read.
    Data,
    /// `DATA_DIR/journal`: what is acknowledged but not published, and
    /// everything that is in the making.
    Journal,
    /// `DATA_DIR/quarantine`: corrupt journals, kept for a person to look at.
    Quarantine,
    /// `DATA_DIR/index`: what can be computed again from the segments.
    Index,
}

/// Why an operation failed. The store decides by these, so an implementation
/// maps its own errors onto them with care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// The name is not there.
    NotFound,
    /// Exclusive creation or a link found the name taken.
    Exists,
    /// No space, or a quota is used up.
    Full,
    /// Anything else, with what was done and what the system said.
    Failed(String),
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskError::NotFound => f.write_str("no such file"),
            DiskError::Exists => f.write_str("the file exists already"),
            DiskError::Full => f.write_str("no space left on the disk"),
            DiskError::Failed(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for DiskError {}

/// A result whose error is a [`DiskError`].
pub type DiskResult<T> = Result<T, DiskError>;

/// The storage of one tenant. Names hold no `/`.
#[allow(async_fn_in_trait, reason = "one thread; no future crosses one")]
pub trait Disk: 'static {
    /// An open file.
    type File: DiskFile;

    /// Creates a file that must not exist (`O_EXCL`), to append to.
    async fn create(&self, folder: Folder, name: &str) -> DiskResult<Self::File>;

    /// Opens an existing regular file to read and, if `append`, to append.
    async fn open(&self, folder: Folder, name: &str, append: bool) -> DiskResult<Self::File>;

    /// The names in a folder that are regular files and valid UTF-8, in no order.
    async fn list(&self, folder: Folder) -> DiskResult<Vec<String>>;

    /// As [`Disk::list`], for folders of any size: shows each name to `each`, with
    /// what `begin` has made, anew where the listing had to be begun again.
    async fn scan<T>(
        &self,
        folder: Folder,
        begin: impl Fn() -> T,
        mut each: impl FnMut(&mut T, &str),
    ) -> DiskResult<T> {
        let mut seen = begin();
        for name in self.list(folder).await? {
            each(&mut seen, &name);
        }
        Ok(seen)
    }

    /// Gives a file a second name. Fails with [`DiskError::Exists`] where that
    /// name is taken; never overwrites.
    async fn link(&self, from: (Folder, &str), to: (Folder, &str)) -> DiskResult<()>;

    /// Moves a file; the target name must be unique, for it would be overwritten.
    async fn rename(&self, from: (Folder, &str), to: (Folder, &str)) -> DiskResult<()>;

    /// Removes a name.
    async fn unlink(&self, folder: Folder, name: &str) -> DiskResult<()>;

    /// Makes the folder's entries durable: names created, linked or removed.
    async fn sync_folder(&self, folder: Folder) -> DiskResult<()>;
}

/// An open file. Closing is dropping.
#[allow(async_fn_in_trait, reason = "one thread; no future crosses one")]
pub trait DiskFile: 'static {
    /// Appends all of `bytes` at the file's end, whoever else appends, and gives
    /// the buffer back for reuse. On an error any part of it may have been
    /// written. Other appenders' bytes may come between pieces of one append,
    /// never inside a piece of 8 KiB or less.
    async fn append(&mut self, bytes: Vec<u8>) -> (Vec<u8>, DiskResult<()>);

    /// Reads up to `len` bytes at `offset`; fewer only at the end of the file.
    async fn read_at(&self, offset: u64, len: usize) -> DiskResult<Vec<u8>>;

    /// The size of the file now, in bytes.
    async fn size(&self) -> DiskResult<u64>;

    /// Makes the file's content durable (`fdatasync`).
    async fn sync(&self) -> DiskResult<()>;
}
