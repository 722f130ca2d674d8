//! A small world in which the write path runs, dies and loses power, all of it
//! decided by a seed.
//!
//! A [`World`] has one disk, one wall clock and any number of instances. What an
//! instance does, it does against [`SimDisk`] and [`SimClock`], that is, with the
//! very code that runs in production. What can happen to it:
//!
//! 1. every interleaving of tasks at an `.await`, and of the effects of disk
//!    operations under way at once (`executor`, `disk`);
//! 2. an instance killed, stalled, or all of them at once, at any operation,
//!    while operations already started go on or not (`executor`, `fault`);
//! 3. an operation that fails, once or until repaired; a sync whose failure is
//!    reported once and whose data is then lost in silence (`fault`, `file`);
//! 4. power lost: bytes not synced are lost by the sector, names not synced by
//!    the name (`file`, `directory`);
//! 5. a wall clock that jumps (`clock`).
//!
//! # A workload test
//! Two passes over one seed. The first runs to its end and tells how many
//! operations there are; the second is repeated for each of them:
//!
//! ```text
//! fn life(seed: u64, crash: Option<(u64, Side)>) -> u64 {
//!     let world = World::new(seed);
//!     if let Some((operation, side)) = crash {
//!         world.crash_at(operation, side);
//!     }
//!     let ledger = Ledger::default();             // Rc: what was acknowledged
//!     let instance = world.instance();
//!     let work = workload(&world, &instance, &ledger);
//!     world.run(work).unless_crashed();
//!     world.lose_power();                         // or crash_processes()
//!     let heir = world.instance();                // a second crash_at() here
//!     world.run(recover(heir)).unless_crashed();  // crashes inside recovery
//!     world.settle();
//!     ledger.check(&world.disk().snapshot());     // exactly once
//!     assert!(world.disk().violations().is_empty());
//!     assert!(world.disk().damaged().is_empty());
//!     world.disk().operations()
//! }
//! ```
//!
//! Tasks of clients belong to the instance they talk to (`world.spawn`), so that
//! they die with it, unanswered; the ledger lives outside. A test that panics
//! prints the seed and the story of its world. `example` is such a test, of a
//! journal small enough to see through, with the mistakes that must be caught.
//!
//! This module knows nothing of journals, segments and reports.

pub mod chance;
pub mod clock;
mod directory;
pub mod disk;
pub mod executor;
pub mod fault;
mod file;
pub mod operations;
mod task;
pub mod timer;
pub mod trace;
mod volume;

#[cfg(test)]
mod disk_tests;
#[cfg(test)]
mod example;
#[cfg(test)]
mod executor_tests;
#[cfg(test)]
mod power_tests;

use std::time::Duration;

use chance::Chance;
use clock::{SimClock, Wall};
use disk::SimDisk;
use executor::{Executor, Group, Join, Operations, Outcome};
use fault::{CrashPoint, Side};

/// One instance: its disk, its clock, and the group that dies with it.
#[derive(Clone)]
pub struct Instance {
    /// What is killed.
    pub group: Group,
    /// The world's disk, in this instance's hands.
    pub disk: SimDisk,
    /// The world's time, in this instance's hands.
    pub clock: SimClock,
}

/// Executor, disk and clocks of one seed.
pub struct World {
    seed: u64,
    executor: Executor,
    disk: SimDisk,
    wall: Wall,
    /// Whence instances get random bytes.
    entropy: Chance,
    /// What a crash or a power loss leaves, where the test does not say.
    losses: Chance,
}

impl World {
    /// A world with an empty disk, at 2026-11-23T08:00:00Z.
    pub fn new(seed: u64) -> Self {
        let executor = Executor::new(seed);
        World {
            seed,
            disk: SimDisk::new(executor.handle(), seed),
            executor,
            wall: Wall::default(),
            entropy: Chance::new(seed, 4),
            losses: Chance::new(seed, 5),
        }
    }

    /// A new instance, started and idle.
    pub fn instance(&self) -> Instance {
        let executor = self.executor.handle();
        let group = executor.group();
        let (wall, entropy) = (self.wall.clone(), self.entropy.clone());
        Instance {
            group,
            disk: self.disk.of(group),
            clock: SimClock::new(executor, group, wall, entropy),
        }
    }

    /// Starts a task that lives and dies with an instance.
    pub fn spawn<T: 'static>(
        &self,
        instance: &Instance,
        task: impl Future<Output = T> + 'static,
    ) -> Join<T> {
        self.executor.handle().spawn(instance.group, task)
    }

    /// Runs everything until `driver` is finished or a crash point is reached.
    /// The driver itself belongs to no instance.
    pub fn run<T>(&self, driver: impl Future<Output = T>) -> Outcome<T> {
        self.executor.run_until(driver)
    }

    /// Lets `duration` of virtual time pass, to be awaited by the driver.
    pub async fn sleep(&self, duration: Duration) {
        self.executor.handle().sleep(duration).await;
    }

    /// Runs until no disk operation is under way, such as a dead instance left.
    pub fn settle(&self) {
        let executor = self.executor.handle();
        let idle = async {
            while executor.operations() > 0 {
                executor.sleep(Duration::from_millis(1)).await;
            }
        };
        self.run(idle).unless_crashed();
    }

    /// Kills an instance now. Its disk operations finish or not.
    pub fn kill(&self, instance: &Instance) {
        self.disk.note(format!("{} killed", instance.group));
        let executor = self.executor.handle();
        executor.kill(instance.group, Operations::ByChance);
    }

    /// Lets an instance not run for a while.
    pub fn stall(&self, instance: &Instance, duration: Duration) {
        self.disk
            .note(format!("{} stalls for {duration:?}", instance.group));
        self.executor.handle().stall(instance.group, duration);
    }

    /// Ends the run at an operation, counted from 1 over the disk's life. What
    /// follows is to be `crash_processes` or `lose_power`.
    pub fn crash_at(&self, operation: u64, side: Side) {
        self.disk.crash_at(CrashPoint {
            operation,
            side,
            victim: None,
        });
    }

    /// Kills every instance. What was written is there; operations under way
    /// finish or not, and some only while the next instances are running.
    pub fn crash_processes(&self) {
        self.disk.note("all processes killed".to_owned());
        self.executor.handle().kill_all(Operations::ByChance);
    }

    /// Kills every instance and loses what was not synced, by the world's seed.
    pub fn lose_power(&self) {
        self.lose_power_by(self.losses.bits());
    }

    /// The same by another seed: one life, many losses.
    pub fn lose_power_by(&self, seed: u64) {
        self.executor.handle().kill_all(Operations::Dropped);
        self.disk.lose_power(seed);
    }

    /// The disk in the driver's hands.
    pub fn disk(&self) -> &SimDisk {
        &self.disk
    }

    /// The wall clock, to set it.
    pub fn wall(&self) -> &Wall {
        &self.wall
    }

    /// The seed and all that happened on the disk, a line each.
    pub fn story(&self) -> String {
        let trace = self.disk.trace();
        let lines = trace.iter().map(|event| format!("\n{event}"));
        std::iter::once(format!("seed {}", self.seed))
            .chain(lines)
            .collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.story());
        }
    }
}
