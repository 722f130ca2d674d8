//! The one edge to time and chance.

use std::time::Duration;

/// Time as an instance sees it, and the right to let others run.
#[allow(async_fn_in_trait, reason = "one thread; no future crosses one")]
pub trait Clock: 'static {
    /// Milliseconds since 1970-01-01T00:00:00Z, UTC. May jump either way.
    fn wall_ms(&self) -> u64;

    /// Time since some fixed point; never goes back.
    fn monotonic(&self) -> Duration;

    /// Returns after at least `duration`.
    async fn sleep(&self, duration: Duration);

    /// Lets every other task that is ready run first. Long computations call
    /// this between slices.
    async fn breathe(&self);

    /// Random bytes that no other instance gets.
    fn random(&self) -> [u8; 32];

    /// Runs a task beside the current one. Under a Wasm host it outlives the
    /// request that spawned it.
    fn spawn(&self, task: impl Future<Output = ()> + 'static);
}
