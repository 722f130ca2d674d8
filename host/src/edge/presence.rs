//! A connection as others see it: what it is doing, and since when.

use super::fault::Fault;
use super::limited::Limited;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Doing {
    /// No request is complete: it is new, idle, or its next head is on its way.
    Waiting = 0,
    /// A head is here and its body on the way; nothing has been carried out.
    Receiving,
    /// A request is being answered.
    Answering,
}

/// Shared by a connection's task, its requests, and whoever needs its place. A
/// request costs some relaxed stores.
pub(crate) struct Presence {
    /// Milliseconds since `epoch`, and [`Doing`] in the lowest two bits.
    phase: AtomicU64,
    epoch: Instant,
    /// Here, since it is asked for with every request: counting references to what
    /// all threads share would cost more than the rest.
    pub(crate) limited: Arc<Limited>,
    /// Requests that have begun and whose answers have not been passed on.
    in_flight: AtomicU32,
    /// Requests that have begun in all.
    requests: AtomicU32,
    /// The first head at fault, and why; the fault's number is 0 while none is.
    fault_from: AtomicU32,
    fault: AtomicU8,
    /// Bytes of an answer wait for the peer to take some.
    stuck: AtomicBool,
    /// Bodies of answers that have given bytes and were not asked for more yet.
    owed: AtomicU32,
    /// How often one was asked for more.
    taken: AtomicU32,
    /// The last answer refused something that may still be on its way.
    refused: AtomicBool,
    /// Its place is needed for somebody else.
    dismissed: Notify,
}

impl Presence {
    pub(crate) fn new(epoch: Instant, limited: Arc<Limited>) -> Arc<Presence> {
        let presence = Presence {
            phase: AtomicU64::new(0),
            epoch,
            limited,
            in_flight: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            fault_from: AtomicU32::new(0),
            fault: AtomicU8::new(0),
            stuck: AtomicBool::new(false),
            owed: AtomicU32::new(0),
            taken: AtomicU32::new(0),
            refused: AtomicBool::new(false),
            dismissed: Notify::new(),
        };
        presence.turn(Doing::Waiting, Instant::now());
        Arc::new(presence)
    }

    /// A request has begun; it is in flight until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Presence>, now: Instant) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.turn(Doing::Receiving, now);
        InFlight {
            presence: Arc::clone(self),
            number: self.requests.fetch_add(1, Ordering::Relaxed),
            ends: now,
        }
    }

    /// The body of the request in flight is complete.
    pub(crate) fn received(&self) {
        let phase = self.phase.load(Ordering::Relaxed);
        self.phase.store(
            (phase & !DOING) | Doing::Answering as u64,
            Ordering::Relaxed,
        );
    }

    /// Whether it could go, and since when in milliseconds of the epoch: nobody
    /// waits for an answer, or at most for one to a request that is not complete.
    pub(crate) fn may_go(&self) -> Option<(Doing, u64)> {
        let (doing, since) = self.phase();
        let free = match doing {
            Doing::Waiting => !self.stuck.load(Ordering::Relaxed),
            Doing::Receiving => self.in_flight() <= 1,
            Doing::Answering => false,
        };
        free.then_some((doing, since))
    }

    /// What it is doing, and since when in milliseconds of the epoch.
    pub(crate) fn phase(&self) -> (Doing, u64) {
        let phase = self.phase.load(Ordering::Relaxed);
        let doing = match phase & DOING {
            0 => Doing::Waiting,
            1 => Doing::Receiving,
            _ => Doing::Answering,
        };
        (doing, phase >> DOING_BITS)
    }

    /// How long it has been waiting, if it has.
    pub(crate) fn idle(&self, now: Instant) -> Duration {
        match self.phase() {
            (Doing::Waiting, since) => now
                .saturating_duration_since(self.epoch)
                .saturating_sub(Duration::from_millis(since)),
            _ => Duration::ZERO,
        }
    }

    /// Requests in flight.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn turn(&self, doing: Doing, now: Instant) {
        let since = now.saturating_duration_since(self.epoch).as_millis() as u64;
        self.phase
            .store(since << DOING_BITS | doing as u64, Ordering::Relaxed);
    }

    /// Requests from this one on, counted from 0, are at fault.
    pub(crate) fn set_fault(&self, (from, fault): (u32, Fault)) {
        self.fault_from.store(from, Ordering::Relaxed);
        self.fault.store(fault as u8, Ordering::Relaxed);
    }

    /// What is wrong with this request, as far as it was read.
    pub(crate) fn fault_of(&self, request: u32) -> Option<Fault> {
        let fault = Fault::from_number(self.fault.load(Ordering::Relaxed))?;
        (request >= self.fault_from.load(Ordering::Relaxed)).then_some(fault)
    }

    /// What is wrong with the request that is to begin next, as far as it was read.
    pub(crate) fn fault_of_next(&self) -> Option<Fault> {
        self.fault_of(self.requests.load(Ordering::Relaxed))
    }

    /// An answer has refused something, so that there may be more to come that
    /// nobody reads.
    pub(crate) fn set_refused(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether bytes wait for the peer to take some.
    pub(crate) fn set_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::Relaxed);
    }

    /// The body of an answer has given bytes.
    pub(crate) fn gave(&self) {
        self.owed.fetch_add(1, Ordering::Relaxed);
    }

    /// A body that has given bytes is asked for more, or is done.
    pub(crate) fn took(&self) {
        self.owed.fetch_sub(1, Ordering::Relaxed);
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// Bodies whose bytes are on their way, and how often some have been taken.
    pub(crate) fn answers(&self) -> (u32, u32) {
        let owed = self.owed.load(Ordering::Relaxed);
        (owed, self.taken.load(Ordering::Relaxed))
    }

    /// Asks the connection to go.
    pub(crate) fn dismiss(&self) {
        self.dismissed.notify_one();
    }

    /// Waits until it is asked to go.
    pub(crate) async fn dismissed(&self) {
        self.dismissed.notified().await;
    }
}

const DOING_BITS: u32 = 2;
const DOING: u64 = (1 << DOING_BITS) - 1;

/// A request in flight; held until its answer has been passed on.
pub(crate) struct InFlight {
    presence: Arc<Presence>,
    number: u32,
    ends: Instant,
}

impl InFlight {
    pub(crate) fn presence(&self) -> &Arc<Presence> {
        &self.presence
    }

    /// Its number on its connection, from 0.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// What was wrong with the request's head, or with what came before it.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.presence.fault_of(self.number)
    }

    /// The answer begins now. Asking the clock once more for its end would cost
    /// more than it is worth.
    pub(crate) fn answered(&mut self, now: Instant) {
        self.ends = now;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        // With others in flight it is not known what they do: the safe guess.
        let doing = match self.presence.in_flight.fetch_sub(1, Ordering::Relaxed) {
            1 => Doing::Waiting,
            _ => Doing::Answering,
        };
        self.presence.turn(doing, self.ends);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_waits_receives_answers_and_waits_again() {
        let epoch = Instant::now();
        let presence = Presence::new(epoch, Arc::default());
        assert_eq!(presence.phase().0, Doing::Waiting);
        let mut request = presence.begin(epoch + Duration::from_millis(70));
        assert_eq!(presence.phase(), (Doing::Receiving, 70));
        presence.received();
        assert_eq!(presence.phase(), (Doing::Answering, 70));
        request.answered(epoch + Duration::from_millis(90));
        let other = presence.begin(epoch + Duration::from_millis(80));
        assert!(presence.may_go().is_none());
        drop(request);
        assert_eq!(presence.phase().0, Doing::Answering);
        drop(other);
        assert_eq!(presence.phase(), (Doing::Waiting, 80));
        assert!(presence.may_go().is_some());
        presence.set_stuck(true);
        assert!(presence.may_go().is_none());
    }

    #[test]
    fn a_fault_counts_for_its_head_and_all_later_ones() {
        let presence = Presence::new(Instant::now(), Arc::default());
        let [first, second, third] = [(); 3].map(|()| presence.begin(Instant::now()));
        presence.set_fault((1, Fault::Coding));
        assert_eq!(first.fault(), None);
        assert_eq!(second.fault(), Some(Fault::Coding));
        assert_eq!(third.fault(), Some(Fault::Coding));
    }
}
