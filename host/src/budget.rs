//! How many bytes of report bodies the host holds at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound shared by all connections of a tenant, within that of all tenants.
#[derive(Clone)]
pub(crate) struct Budget {
    free: Arc<AtomicUsize>,
    /// What all tenants have together.
    all: Option<Arc<AtomicUsize>>,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Budget {
        Budget {
            free: Arc::new(AtomicUsize::new(bytes)),
            all: None,
        }
    }

    /// A budget of so many bytes, of which no more can be had than this one has.
    pub(crate) fn within(&self, bytes: usize) -> Budget {
        Budget {
            free: Arc::new(AtomicUsize::new(bytes)),
            all: Some(Arc::clone(&self.free)),
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
        if !take(&self.budget.free, bytes) {
            return false;
        }
        if let Some(all) = &self.budget.all
            && !take(all, bytes)
        {
            self.budget.free.fetch_add(bytes, Ordering::Relaxed);
            return false;
        }
        self.bytes += bytes;
        true
    }
}

fn take(free: &AtomicUsize, bytes: usize) -> bool {
    free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
        free.checked_sub(bytes)
    })
    .is_ok()
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.free.fetch_add(self.bytes, Ordering::Relaxed);
        if let Some(all) = &self.budget.all {
            all.fetch_add(self.bytes, Ordering::Relaxed);
        }
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

    #[test]
    fn no_tenant_takes_more_than_all_have() {
        let all = Budget::new(10);
        let (one, other) = (all.within(8), all.within(8));
        let (mut first, mut second) = (one.share(), other.share());
        assert!(first.grow(8) && !first.grow(1));
        assert!(!second.grow(3) && second.grow(2));
        drop(first);
        assert!(second.grow(6) && !second.grow(1));
    }
}
