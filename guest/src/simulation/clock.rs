//! Virtual time as an instance sees it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::chance::Chance;
use super::executor::{Group, Handle};
use crate::clock::Clock;

/// 2026-11-23T08:00:00Z, where every simulation begins.
const BEGIN_MS: i64 = 1_795_420_800_000;

/// The wall clock all instances of a world look at. Clones share it.
#[derive(Clone, Debug)]
pub struct Wall {
    /// Wall time when the monotonic clock stood at zero, milliseconds.
    origin_ms: Rc<Cell<i64>>,
}

impl Default for Wall {
    fn default() -> Self {
        Wall {
            origin_ms: Rc::new(Cell::new(BEGIN_MS)),
        }
    }
}

impl Wall {
    /// Sets the clock forward, or back if `by_ms` is negative.
    pub fn jump(&self, by_ms: i64) {
        self.origin_ms
            .set(self.origin_ms.get().saturating_add(by_ms));
    }

    fn at(&self, monotonic: Duration) -> u64 {
        let passed = i64::try_from(monotonic.as_millis()).unwrap_or(i64::MAX);
        u64::try_from(self.origin_ms.get().saturating_add(passed)).unwrap_or(0)
    }
}

/// A [`Clock`] over the executor, bound to one instance.
#[derive(Clone)]
pub struct SimClock {
    executor: Handle,
    group: Group,
    wall: Wall,
    chance: Chance,
}

impl SimClock {
    /// The clock of an instance. `chance` is shared by all instances, so that
    /// no two get the same random bytes.
    pub fn new(executor: Handle, group: Group, wall: Wall, chance: Chance) -> Self {
        SimClock {
            executor,
            group,
            wall,
            chance,
        }
    }
}

impl Clock for SimClock {
    fn wall_ms(&self) -> u64 {
        self.wall.at(self.executor.now())
    }

    fn monotonic(&self) -> Duration {
        self.executor.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.executor.sleep(duration).await;
    }

    /// Weaker than the trait promises: some other tasks run first, not all.
    /// Nothing may rest on more for its correctness.
    async fn breathe(&self) {
        self.executor.give_way().await;
    }

    fn random(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.chance.fill(&mut bytes);
        bytes
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.executor.spawn(self.group, task);
    }
}
