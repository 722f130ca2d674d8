//! How many bytes of report bodies the host holds at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound shared by all connections.
#[derive(Clone)]
pub(crate) struct Budget {
    free: Arc<AtomicUsize>,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Budget {
        Budget {
            free: Arc::new(AtomicUsize::new(bytes)),
        }
    }

    /// A share of nothing yet.
    pub(crate) fn share(&self) -> Share {
        Share {
            budget: self.clone(),
            bytes: 0,
        }
    }
}

/// What one body takes of the budget; dropping it gives it back.
pub(crate) struct Share {
    budget: Budget,
    bytes: usize,
}

impl Share {
    /// Takes `bytes` more; false where they are not to be had.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let taken = self
            .budget
            .free
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
                free.checked_sub(bytes)
            });
        if taken.is_ok() {
            self.bytes += bytes;
        }
        taken.is_ok()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.free.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_missing_until_it_is_dropped() {
        let budget = Budget::new(10);
        let mut first = budget.share();
        let mut second = budget.share();
        assert!(first.grow(4) && first.grow(4) && !second.grow(4));
        drop(first);
        assert!(second.grow(10));
    }
}
