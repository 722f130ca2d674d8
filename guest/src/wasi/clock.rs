//! Time and chance from WASI.

use crate::clock::Clock;
use std::time::Duration;
use wasip3::clocks::{monotonic_clock, system_clock};
use wasip3::random::random::get_random_bytes;
use wasip3::wit_bindgen;

/// The host's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WasiClock;

impl Clock for WasiClock {
    fn wall_ms(&self) -> u64 {
        let now = system_clock::now();
        // Before 1970 there were no reports.
        let seconds = u64::try_from(now.seconds).unwrap_or(0);
        seconds.saturating_mul(1000) + u64::from(now.nanoseconds / 1_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(monotonic_clock::now())
    }

    async fn sleep(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        monotonic_clock::wait_for(nanos).await;
    }

    async fn breathe(&self) {
        wit_bindgen::yield_async().await;
    }

    fn random(&self) -> [u8; 32] {
        let mut random = [0; 32];
        for (byte, chance) in random.iter_mut().zip(get_random_bytes(32)) {
            *byte = chance;
        }
        random
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        wit_bindgen::spawn_local(task);
    }
}
