//! How much of the disk a tenant may use, whatever its component does.
//!
//! The host charges every write before it makes it, and every name before it
//! creates it. What was charged only grows; what was freed, overwritten or never
//! allocated is seen when the directory is counted again, which happens when a
//! charge would exceed the quota. So the quota is never exceeded, and far below it
//! nothing is counted at all.
//!
//! A file that was unlinked while open still takes space and is not in the
//! directory any more: the files that were opened are therefore remembered as
//! long as they are open.

use super::usage::{Usage, count_directory, size};
use crate::limits;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The quota of one directory.
pub(crate) struct Quota {
    directory: PathBuf,
    /// `u64::MAX` where there is none.
    limit: Amounts,
    charged: Amounts,
    refused: Amounts,
    /// Files that were not opened because too many are open.
    refused_opens: AtomicU64,
    count: Mutex<Count>,
    opened: Mutex<Vec<Opened>>,
}

struct Opened {
    file: Weak<File>,
    /// Whether it takes the place of a larger one that is then removed.
    publishing: bool,
}

/// Bytes and files.
struct Amounts {
    bytes: AtomicU64,
    files: AtomicU64,
}

#[derive(Default)]
struct Count {
    found: Usage,
    /// When it was counted last, and how long that took.
    counted: Option<(Instant, Duration)>,
}

impl Amounts {
    fn new(amount: u64) -> Amounts {
        Amounts {
            bytes: AtomicU64::new(amount),
            files: AtomicU64::new(amount),
        }
    }

    fn get(&self) -> Usage {
        Usage {
            bytes: self.bytes.load(Ordering::Relaxed),
            files: self.files.load(Ordering::Relaxed),
        }
    }
}

impl Quota {
    /// Without limits, until [`Quota::limit`] sets some.
    pub(crate) fn new(directory: &Path) -> Quota {
        Quota {
            directory: directory.to_owned(),
            limit: Amounts::new(u64::MAX),
            charged: Amounts::new(0),
            refused: Amounts::new(0),
            refused_opens: AtomicU64::new(0),
            count: Mutex::default(),
            opened: Mutex::default(),
        }
    }

    /// Sets the limits.
    pub(crate) fn limit(&self, bytes: Option<u64>, files: Option<u64>) {
        let (bytes, files) = (bytes.unwrap_or(u64::MAX), files.unwrap_or(u64::MAX));
        self.limit.bytes.store(bytes, Ordering::Relaxed);
        self.limit.files.store(files, Ordering::Relaxed);
    }

    /// Whether writes have to be charged.
    pub(crate) fn is_limited(&self) -> bool {
        self.limit.get()
            != Usage {
                bytes: u64::MAX,
                files: u64::MAX,
            }
    }

    /// Charges bytes that are about to be written. False if they must not be.
    /// `publishing` may use some more, or a full journal could never be turned
    /// into the smaller file that takes its place.
    pub(crate) fn charge_bytes(&self, bytes: u64, publishing: bool) -> bool {
        let reserve = if publishing {
            limits::QUOTA_RESERVE_BYTES
        } else {
            0
        };
        let limit = self.limit.get().bytes.saturating_add(reserve);
        if limit == u64::MAX {
            return true;
        }
        let more = Usage { bytes, files: 0 };
        let limit = Usage {
            bytes: limit,
            files: u64::MAX,
        };
        self.charge(more, limit)
    }

    /// Charges a name that is about to be created. False if it must not be.
    pub(crate) fn charge_file(&self) -> bool {
        let limit = self.limit.get().files;
        if limit == u64::MAX {
            return true;
        }
        let more = Usage { bytes: 0, files: 1 };
        let limit = Usage {
            bytes: u64::MAX,
            files: limit,
        };
        self.charge(more, limit)
    }

    fn charge(&self, more: Usage, limit: Usage) -> bool {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.fits(&count, more, limit) && count.is_due() {
            self.recount(&mut count);
        }
        let fits = count.counted.is_some() && self.fits(&count, more, limit);
        let account = if fits { &self.charged } else { &self.refused };
        account.bytes.fetch_add(more.bytes, Ordering::Relaxed);
        account.files.fetch_add(more.files, Ordering::Relaxed);
        fits
    }

    fn fits(&self, count: &Count, more: Usage, limit: Usage) -> bool {
        let charged = self.charged.get();
        let bytes = count
            .found
            .bytes
            .saturating_add(charged.bytes)
            .saturating_add(more.bytes);
        let files = count
            .found
            .files
            .saturating_add(charged.files)
            .saturating_add(more.files);
        count.counted.is_some() && bytes <= limit.bytes && files <= limit.files
    }

    fn recount(&self, count: &mut Count) {
        let began = Instant::now();
        // Before the count: what is written meanwhile counts twice, not never.
        self.charged.bytes.store(0, Ordering::Relaxed);
        self.charged.files.store(0, Ordering::Relaxed);
        let mut found = count_directory(&self.directory);
        found.bytes = found.bytes.saturating_add(self.unlinked_bytes());
        count.found = found;
        count.counted = Some((Instant::now(), began.elapsed()));
    }

    /// Counts a file that is not opened.
    pub(crate) fn refuse_open(&self) {
        self.refused_opens.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were not opened since the start.
    pub(crate) fn refused_opens(&self) -> u64 {
        self.refused_opens.load(Ordering::Relaxed)
    }

    /// Remembers a file as long as it is open.
    pub(crate) fn opened(&self, file: &Arc<File>, publishing: bool) {
        let mut opened = self.files();
        if opened.len() == opened.capacity() {
            opened.retain(|opened| opened.file.strong_count() > 0);
        }
        opened.push(Opened {
            file: Arc::downgrade(file),
            publishing,
        });
    }

    /// Whether a file that was opened is one to publish.
    pub(crate) fn is_publishing(&self, file: &Arc<File>) -> bool {
        self.files()
            .iter()
            .any(|opened| opened.publishing && opened.file.as_ptr() == Arc::as_ptr(file))
    }

    fn files(&self) -> std::sync::MutexGuard<'_, Vec<Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unlinked_bytes(&self) -> u64 {
        let mut opened = self.files();
        opened.retain(|opened| opened.file.strong_count() > 0);
        let mut seen = BTreeSet::new();
        let mut bytes = 0_u64;
        for file in opened.iter().filter_map(|opened| opened.file.upgrade()) {
            let Ok(stat) = rustix::fs::fstat(&file) else {
                continue;
            };
            if stat.st_nlink == 0 && seen.insert((stat.st_dev, stat.st_ino)) {
                bytes = bytes.saturating_add(size(&stat));
            }
        }
        bytes
    }

    /// What is used, as far as it is known without counting.
    pub(crate) fn known(&self) -> Usage {
        let found = self
            .count
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .found;
        let charged = self.charged.get();
        Usage {
            bytes: found.bytes.saturating_add(charged.bytes),
            files: found.files.saturating_add(charged.files),
        }
    }

    /// What was refused since the start.
    pub(crate) fn refused(&self) -> Usage {
        self.refused.get()
    }
}

impl Count {
    /// Whether counting again is worth it: it takes a small part of the time.
    fn is_due(&self) -> bool {
        self.counted.is_none_or(|(at, took)| {
            let pause = limits::QUOTA_PAUSE.max(took.saturating_mul(limits::QUOTA_SHARE));
            at.elapsed() >= pause
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write;

    fn quota(directory: &Path, bytes: Option<u64>, files: Option<u64>) -> Quota {
        let quota = Quota::new(directory);
        quota.limit(bytes, files);
        quota
    }

    /// Lets the next charge count again at once.
    fn forget_when_counted(quota: &Quota) {
        let mut count = quota.count.lock().unwrap();
        count.counted = count.counted.map(|(_, took)| {
            (
                Instant::now().checked_sub(Duration::from_secs(60)).unwrap(),
                took,
            )
        });
    }

    #[test]
    fn nothing_is_refused_without_a_limit_and_nothing_counted() {
        let quota = quota(Path::new("/nonexistent"), None, None);
        assert!(quota.charge_bytes(u64::MAX / 2, false) && quota.charge_file());
        assert!(!quota.is_limited());
    }

    #[test]
    fn what_was_there_before_counts_and_what_is_freed_is_there_again() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("old"), vec![1; 600 << 10]).unwrap();
        let quota = quota(dir.path(), Some(1 << 20), None);
        assert!(quota.charge_bytes(300 << 10, false));
        assert!(!quota.charge_bytes(300 << 10, false));
        assert_eq!(quota.refused().bytes, 300 << 10);
        std::fs::remove_file(dir.path().join("old")).unwrap();
        forget_when_counted(&quota);
        assert!(quota.charge_bytes(300 << 10, false));
    }

    #[test]
    fn publishing_has_a_reserve_and_that_ends() {
        let dir = tempfile::tempdir().unwrap();
        let quota = quota(dir.path(), Some(1 << 20), None);
        assert!(!quota.charge_bytes(2 << 20, false));
        assert!(quota.charge_bytes(2 << 20, true));
        assert!(!quota.charge_bytes(limits::QUOTA_RESERVE_BYTES, true));
    }

    #[test]
    fn an_unlinked_file_counts_until_it_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let quota = quota(dir.path(), Some(1 << 20), None);
        let path = dir.path().join("gone");
        let file = Arc::new(File::create(&path).unwrap());
        quota.opened(&file, false);
        assert!(!quota.is_publishing(&file));
        (&*file).write_all(&vec![1; 900 << 10]).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(!quota.charge_bytes(300 << 10, false));
        drop(file);
        forget_when_counted(&quota);
        assert!(quota.charge_bytes(300 << 10, false));
    }

    #[test]
    fn a_name_more_than_there_may_be_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("one"), "x").unwrap();
        let quota = quota(dir.path(), None, Some(2));
        assert!(quota.charge_file() && !quota.charge_file());
        assert_eq!(quota.refused().files, 1);
    }
}
