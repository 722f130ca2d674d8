//! How many bytes of report bodies the host holds at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound shared by all connections of a tenant, within that of all tenants.
#[derive(Clone)]
pub(crate) struct Budget(Arc<Bytes>);

struct Bytes {
    free: AtomicUsize,
    /// What all tenants have together.
    all: Option<Budget>,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Budget {
        let free = AtomicUsize::new(bytes);
        Budget(Arc::new(Bytes { free, all: None }))
    }

    /// A budget of so many bytes, of which no more can be had than this one has.
    pub(crate) fn within(&self, bytes: usize) -> Budget {
        let free = AtomicUsize::new(bytes);
        let all = Some(self.clone());
        Budget(Arc::new(Bytes { free, all }))
    }

    /// Takes so many; false where they are not to be had.
    fn take(&self, bytes: usize) -> bool {
        let Bytes { free, all } = &*self.0;
        let taken = free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
            free.checked_sub(bytes)
        });
        if taken.is_err() {
            return false;
        }
        let allowed = all.as_ref().is_none_or(|all| all.take(bytes));
        if !allowed {
            free.fetch_add(bytes, Ordering::Relaxed);
        }
        allowed
    }

    fn give_back(&self, bytes: usize) {
        let Bytes { free, all } = &*self.0;
        free.fetch_add(bytes, Ordering::Relaxed);
        if let Some(all) = all {
            all.give_back(bytes);
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
        let taken = self.budget.take(bytes);
        if taken {
            self.bytes += bytes;
        }
        taken
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
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
