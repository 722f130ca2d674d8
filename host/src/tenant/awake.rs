//! How many tenants may have instances at once.
//!
//! A stranger who knows their names can wake all tenants of a server, and each
//! takes memory that the configuration of none of them bounds. So there are only
//! so many places; who has been idle longest makes room for who waits for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of a server.
#[derive(Clone)]
pub(crate) struct Awake {
    places: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// A tenant's place; dropping it frees it.
pub(crate) type Place = OwnedSemaphorePermit;

/// Somebody who waits; dropped also where the request is given up.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Awake {
    pub(crate) fn new(places: usize) -> Awake {
        Awake {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            waiting: Arc::default(),
        }
    }

    /// A place that is free now.
    pub(crate) fn place(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// A place, when one has become free; who came first gets it first. `None`
    /// where the server ends.
    pub(crate) async fn wait(&self) -> Option<Place> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// How many wait for a place.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn who_finds_no_place_waits_until_one_is_free() {
        let awake = Awake::new(1);
        let first = awake.place().unwrap();
        assert!(awake.place().is_none());
        let soon = Duration::from_millis(10);
        assert!(timeout(soon, awake.wait()).await.is_err());
        assert_eq!(awake.waiting(), 0, "who gave up does not wait");
        let waits = awake.clone();
        let second = tokio::spawn(async move { waits.wait().await });
        while awake.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        drop(first);
        assert!(second.await.unwrap().is_some());
        assert_eq!(awake.waiting(), 0);
    }
}
