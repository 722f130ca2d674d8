//! Who of the workers looks after what is stored, and how much space is missing.
//!
//! One at a time: what it knows of the files is then known once. Which one
//! decides nothing but the work; two that prune at once do no harm.

use crate::{limits, metrics};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Shared by all workers of a directory.
pub(crate) struct Retention {
    data_dir: PathBuf,
    /// `MIN_FREE_BYTES`; 0 if there is none.
    min_free_bytes: AtomicU64,
    /// Who did it last, and when.
    last: Mutex<Option<(usize, Instant)>>,
}

impl Retention {
    pub(crate) fn new(data_dir: PathBuf, min_free_bytes: Option<u64>) -> Retention {
        Retention {
            data_dir,
            min_free_bytes: AtomicU64::new(min_free_bytes.unwrap_or(0)),
            last: Mutex::default(),
        }
    }

    /// Changes `MIN_FREE_BYTES`.
    pub(crate) fn keep_free(&self, bytes: Option<u64>) {
        self.min_free_bytes
            .store(bytes.unwrap_or(0), Ordering::Relaxed);
    }

    /// Whether it is this worker's to look after what is stored, and then how
    /// many bytes of free space the disk lacks.
    pub(crate) fn errand(&self, worker: usize) -> Option<u64> {
        let now = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = last.is_none_or(|(one, at)| {
            one == worker || now.saturating_duration_since(at) > limits::RETENTION_PATIENCE
        });
        if !mine {
            return None;
        }
        *last = Some((worker, now));
        drop(last);
        let floor = self.min_free_bytes.load(Ordering::Relaxed);
        // Where the disk cannot be asked, nothing is removed on its account.
        let free = if floor > 0 {
            metrics::free_bytes(&self.data_dir)
        } else {
            None
        };
        Some(free.map_or(0, |free| floor.saturating_sub(free)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_has_the_errand_and_keeps_it() {
        let retention = Retention::new(PathBuf::from("/"), None);
        assert_eq!(retention.errand(1), Some(0));
        assert_eq!(retention.errand(0), None);
        assert_eq!(retention.errand(1), Some(0));
    }

    #[test]
    fn the_shortage_is_what_the_floor_has_more_than_the_disk() {
        let free = metrics::free_bytes(&PathBuf::from("/")).unwrap_or(0);
        let floor = free.saturating_add(1 << 50);
        let retention = Retention::new(PathBuf::from("/"), Some(floor));
        let shortage = retention.errand(0).unwrap_or(0);
        assert!(shortage.abs_diff(1 << 50) < 1 << 40, "{shortage}");
        let retention = Retention::new(PathBuf::from("/"), Some(1));
        assert_eq!(retention.errand(0), Some(0));
    }
}
