//! Who is connected, and who has to go when there is no room.
//!
//! At the limit the connections that have waited longest make room for new ones:
//! first those without a request, then those whose body has been on its way for a
//! while, which nobody has been promised anything for. Never one whose request is
//! complete. So strangers who only hold connections keep nobody out.

use super::client::ClientKey;
use super::limited::{Limit, Limited};
use super::presence::{Doing, Presence};
use crate::limits;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// All connections.
pub(crate) struct Lobby {
    places: Arc<Semaphore>,
    all: u32,
    per_client: Option<NonZeroUsize>,
    epoch: Instant,
    limited: Arc<Limited>,
    present: Mutex<Present>,
}

#[derive(Default)]
struct Present {
    next: u64,
    visitors: HashMap<u64, Arc<Presence>>,
    clients: HashMap<ClientKey, usize>,
}

/// A connection's place; dropping it frees it.
pub(crate) struct Place {
    lobby: Arc<Lobby>,
    number: u64,
    pub(crate) presence: Arc<Presence>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lobby.present().visitors.remove(&self.number);
    }
}

/// A place among the connections of one client; dropping it frees it.
pub(crate) struct ClientPlace {
    lobby: Arc<Lobby>,
    client: ClientKey,
}

impl Drop for ClientPlace {
    fn drop(&mut self) {
        let mut present = self.lobby.present();
        if let Some(connections) = present.clients.get_mut(&self.client) {
            *connections -= 1;
            if *connections == 0 {
                present.clients.remove(&self.client);
            }
        }
    }
}

impl Lobby {
    /// A lobby of so many places in all, and for each client.
    pub(crate) fn new(
        places: u32,
        per_client: Option<NonZeroUsize>,
        limited: Arc<Limited>,
    ) -> Arc<Lobby> {
        Arc::new(Lobby {
            places: Arc::new(Semaphore::new(places as usize)),
            all: places,
            per_client,
            epoch: Instant::now(),
            limited,
            present: Mutex::default(),
        })
    }

    /// A place for a new connection, if need be that of another; `None` where
    /// everybody here is being served.
    pub(crate) async fn enter(self: &Arc<Lobby>) -> Option<Place> {
        let places = Arc::clone(&self.places);
        let permit = match places.try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.make_room().await.or_else(|| {
                self.limited.count(Limit::Connections);
                None
            })?,
        };
        let presence = Presence::new(self.epoch, Arc::clone(&self.limited));
        let mut present = self.present();
        let number = present.next;
        present.next += 1;
        present.visitors.insert(number, Arc::clone(&presence));
        drop(present);
        Some(Place {
            lobby: Arc::clone(self),
            number,
            presence,
            _permit: permit,
        })
    }

    /// A place for one more connection of this client; `None` where it has as
    /// many as it may.
    pub(crate) fn admit(self: &Arc<Lobby>, client: ClientKey) -> Option<Option<ClientPlace>> {
        let Some(limit) = self.per_client else {
            return Some(None);
        };
        let mut present = self.present();
        let connections = present.clients.entry(client).or_default();
        if *connections >= limit.get() {
            self.limited.count(Limit::ClientConnections);
            return None;
        }
        *connections += 1;
        drop(present);
        Some(Some(ClientPlace {
            lobby: Arc::clone(self),
            client,
        }))
    }

    /// Waits until everybody has gone.
    pub(crate) async fn empty(&self) {
        // An error would mean that nobody can come either.
        let _ = self.places.acquire_many(self.all).await;
    }

    /// How many are here.
    pub(crate) fn connections(&self) -> usize {
        self.present().visitors.len()
    }

    async fn make_room(&self) -> Option<OwnedSemaphorePermit> {
        let leaving = self.longest_waiting();
        if leaving.is_empty() {
            return None;
        }
        for presence in &leaving {
            self.limited.count(Limit::Dismissed);
            presence.dismiss();
        }
        let place = Arc::clone(&self.places).acquire_owned();
        timeout(limits::DISMISSAL_TIME, place).await.ok()?.ok()
    }

    /// Those that are to go first. As looking at all is not cheap, there are
    /// places for some more then.
    fn longest_waiting(&self) -> Vec<Arc<Presence>> {
        let now = Instant::now().saturating_duration_since(self.epoch);
        let settled = now.checked_sub(limits::BODY_HURRY);
        let settled = settled.map(|settled| settled.as_millis() as u64);
        let present = self.present();
        let mut candidates: Vec<_> = present
            .visitors
            .iter()
            .filter_map(|(number, presence)| {
                let (doing, since) = presence.may_go()?;
                let receiving = doing == Doing::Receiving;
                (!receiving || Some(since) <= settled).then_some((receiving, since, *number))
            })
            .collect();
        let count = limits::DISMISSED_AT_ONCE.min(1 + present.visitors.len() / 64);
        if candidates.len() > count {
            candidates.select_nth_unstable(count);
            candidates.truncate(count);
        }
        candidates
            .iter()
            .filter_map(|(_, _, number)| present.visitors.get(number).cloned())
            .collect()
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use std::time::Duration;

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(test)
    }

    fn lobby(places: u32, per_client: usize) -> Arc<Lobby> {
        Lobby::new(places, NonZeroUsize::new(per_client), Arc::default())
    }

    /// Leaves when it is asked to.
    fn polite(place: Place) -> tokio::task::JoinHandle<()> {
        tokio::task::spawn_local(async move { place.presence.dismissed().await })
    }

    #[test]
    fn who_has_waited_longest_makes_room_and_who_is_served_does_not() {
        run(tokio::task::LocalSet::new().run_until(async {
            let lobby = lobby(3, 0);
            let served = lobby.enter().await.unwrap();
            let request = served.presence.begin(Instant::now());
            served.presence.received();
            let early = polite(lobby.enter().await.unwrap());
            tokio::time::sleep(Duration::from_millis(5)).await;
            let late = polite(lobby.enter().await.unwrap());
            let new = lobby.enter().await.unwrap();
            assert!(early.is_finished() && !late.is_finished());
            assert_eq!(lobby.connections(), 3);
            assert_eq!(lobby.limited.get(Limit::Dismissed), 1);
            let requests = [&served, &new].map(|place| {
                let request = place.presence.begin(Instant::now());
                place.presence.received();
                request
            });
            late.abort();
            let _ = late.await;
            let last = lobby.enter().await.unwrap();
            let busy = last.presence.begin(Instant::now());
            last.presence.received();
            assert!(lobby.enter().await.is_none());
            assert_eq!(lobby.limited.get(Limit::Connections), 1);
            drop((request, requests, busy));
        }));
    }

    #[test]
    fn a_body_on_its_way_is_safe_at_first_and_goes_after_those_without_a_request() {
        let lobby = lobby(3, 0);
        let places = run(async {
            let mut places = Vec::new();
            for _ in 0..3 {
                places.push(lobby.enter().await.unwrap());
            }
            places
        });
        let now = Instant::now();
        let fresh = places[0].presence.begin(now);
        let going = || lobby.longest_waiting();
        assert!(!Arc::ptr_eq(&going()[0], &places[0].presence));
        let rest = [1, 2].map(|n| {
            let request = places[n].presence.begin(now);
            places[n].presence.received();
            request
        });
        assert!(going().is_empty());
        std::thread::sleep(limits::BODY_HURRY + Duration::from_millis(10));
        assert!(Arc::ptr_eq(&going()[0], &places[0].presence));
        drop(rest);
        assert!(!Arc::ptr_eq(&going()[0], &places[0].presence));
        drop(fresh);
    }

    #[test]
    fn a_client_has_so_many_connections_and_another_client_as_many() {
        let lobby = lobby(9, 2);
        let client = |address: &str| ClientKey::from(address.parse::<IpAddr>().unwrap());
        let one = client("192.0.2.1");
        let (first, second) = (lobby.admit(one), lobby.admit(one));
        assert!(first.is_some() && second.is_some());
        assert!(lobby.admit(one).is_none());
        assert!(lobby.admit(client("192.0.2.2")).is_some());
        drop(first);
        assert!(lobby.admit(one).is_some());
        drop(second);
        assert!(lobby.present().clients.is_empty());
        assert_eq!(lobby.limited.get(Limit::ClientConnections), 1);
    }
}
