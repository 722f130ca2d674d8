//! How much CPU time a tenant has used, and whether it may use more.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One tenant's account, shared by all its workers' threads. With an allowance it
/// is a token bucket: so much CPU time a second, and a second's worth at once.
pub(crate) struct CpuAccount {
    used: AtomicU64,
    /// Times an instance had to wait.
    throttled: AtomicU64,
    /// Instances that did not give up control.
    ran_away: AtomicU64,
    bucket: Mutex<Bucket>,
}

struct Bucket {
    allowance: Option<Duration>,
    /// Seconds; negative where more was used than there was.
    balance: f64,
    at: Instant,
}

impl CpuAccount {
    pub(crate) fn new(allowance: Option<Duration>) -> CpuAccount {
        CpuAccount {
            used: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            ran_away: AtomicU64::new(0),
            bucket: Mutex::new(Bucket {
                allowance,
                balance: allowance.unwrap_or_default().as_secs_f64(),
                at: Instant::now(),
            }),
        }
    }

    /// Changes the allowance.
    pub(crate) fn allow(&self, allowance: Option<Duration>) {
        self.bucket().allowance = allowance;
    }

    /// Takes down what was used. Returns how long to wait until there is some
    /// more; zero if there is.
    pub(crate) fn charge(&self, used: Duration) -> Duration {
        let nanoseconds = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
        self.used.fetch_add(nanoseconds, Ordering::Relaxed);
        let wait = self.bucket().charge(used, Instant::now());
        if !wait.is_zero() {
            self.throttled.fetch_add(1, Ordering::Relaxed);
        }
        wait
    }

    /// CPU time of all its workers since the start.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }

    /// How often an instance had to wait for its allowance.
    pub(crate) fn throttled(&self) -> u64 {
        self.throttled.load(Ordering::Relaxed)
    }

    /// An instance is ended because it does not give up control.
    pub(crate) fn note_runaway(&self) {
        self.ran_away.fetch_add(1, Ordering::Relaxed);
    }

    /// How many instances did not give up control.
    pub(crate) fn ran_away(&self) -> u64 {
        self.ran_away.load(Ordering::Relaxed)
    }

    fn bucket(&self) -> std::sync::MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    fn charge(&mut self, used: Duration, now: Instant) -> Duration {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        let Some(allowance) = self.allowance else {
            return Duration::ZERO;
        };
        let rate = allowance.as_secs_f64();
        self.balance = (self.balance + elapsed * rate).min(rate) - used.as_secs_f64();
        if self.balance >= 0.0 {
            return Duration::ZERO;
        }
        // Bounded, so that a changed allowance is noticed soon.
        Duration::from_secs_f64((-self.balance / rate).min(1.0))
    }
}

/// The CPU time of one thread, each stretch of it charged once.
#[derive(Default)]
pub(crate) struct ThreadCpu {
    charged: AtomicU64,
}

impl ThreadCpu {
    /// What the calling thread, which must be the one this is of, has used since
    /// the last call.
    pub(crate) fn take(&self) -> Duration {
        let now = thread_cpu();
        let nanoseconds = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let before = self.charged.swap(nanoseconds, Ordering::Relaxed);
        Duration::from_nanos(nanoseconds.saturating_sub(before))
    }
}

/// CPU time of the calling thread.
pub(crate) fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(allowance: Option<f64>) -> Bucket {
        let account = CpuAccount::new(allowance.map(Duration::from_secs_f64));
        account
            .bucket
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    #[test]
    fn over_time_no_more_is_used_than_is_allowed() {
        let mut bucket = bucket(Some(0.25));
        let (mut now, mut used) = (bucket.at, 0.0);
        let start = now;
        // An endless loop: it always uses what it is let use, in slices.
        while now.duration_since(start) < Duration::from_secs(100) {
            let slice = Duration::from_millis(10);
            now += slice;
            used += slice.as_secs_f64();
            now += bucket.charge(slice, now);
        }
        assert!((24.0..26.0).contains(&used), "{used}");
    }

    #[test]
    fn without_an_allowance_nobody_waits() {
        let mut bucket = bucket(None);
        let now = bucket.at;
        assert_eq!(
            bucket.charge(Duration::from_secs(1000), now),
            Duration::ZERO
        );
    }

    #[test]
    fn what_was_not_used_is_there_later_but_no_more_than_for_a_second() {
        let mut bucket = bucket(Some(0.5));
        let now = bucket.at + Duration::from_secs(60);
        assert_eq!(
            bucket.charge(Duration::from_millis(500), now),
            Duration::ZERO
        );
        let wait = bucket.charge(Duration::from_millis(100), now);
        assert!(wait.abs_diff(Duration::from_millis(200)) < Duration::from_millis(1));
    }

    #[test]
    fn the_time_of_a_thread_is_charged_once() {
        let (account, thread) = (CpuAccount::new(None), ThreadCpu::default());
        let began = thread_cpu();
        while thread_cpu() - began < Duration::from_millis(5) {
            std::hint::black_box(0);
        }
        account.charge(thread.take());
        account.charge(thread.take());
        let (used, now) = (account.used(), thread_cpu());
        assert!(
            used >= Duration::from_millis(5) && used <= now,
            "{used:?} {now:?}"
        );
    }
}
