#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use super::World;
use super::executor::{Executor, Group, Operations, Outcome};
use crate::clock::Clock;

const SECOND: Duration = Duration::from_secs(1);

/// The order in which three tasks, each giving way twice, take their turns.
fn interleaving(seed: u64) -> Vec<u32> {
    let executor = Executor::new(seed);
    let turns = Rc::new(RefCell::new(Vec::new()));
    let tasks: Vec<_> = (0..3)
        .map(|name| {
            let (handle, turns) = (executor.handle(), turns.clone());
            executor.handle().spawn(Group::DRIVER, async move {
                for _ in 0..3 {
                    turns.borrow_mut().push(name);
                    handle.give_way().await;
                }
            })
        })
        .collect();
    let turns_taken = executor.run_until(futures::future::join_all(tasks));
    turns_taken.unless_crashed();
    turns.take()
}

#[test]
fn a_seed_decides_the_interleaving_and_seeds_differ() {
    let orders: BTreeSet<_> = (0..50).map(interleaving).collect();
    assert!(orders.len() > 30);
    assert_eq!(interleaving(7), interleaving(7));
}

#[test]
fn sleepers_wake_in_the_order_of_virtual_time() {
    let executor = Executor::new(1);
    let woken = Rc::new(RefCell::new(Vec::new()));
    for seconds in [3, 1, 2, 3600] {
        let (handle, woken) = (executor.handle(), woken.clone());
        executor.handle().spawn(Group::DRIVER, async move {
            handle.sleep(SECOND * seconds).await;
            assert_eq!(handle.now(), SECOND * seconds);
            woken.borrow_mut().push(seconds);
        });
    }
    let outcome = executor.run_until(executor.handle().sleep(SECOND * 7200));
    assert_eq!(outcome, Outcome::Done(()));
    assert_eq!(woken.take(), [1, 2, 3, 3600]);
}

#[test]
fn a_dropped_sleep_does_not_move_time() {
    let executor = Executor::new(1);
    let handle = executor.handle();
    let short = async {
        let mut long = Box::pin(handle.sleep(SECOND * 60));
        assert!(futures::poll!(&mut long).is_pending());
        drop(long);
        handle.sleep(SECOND).await;
    };
    executor.run_until(short).unless_crashed();
    let outcome = executor.run_until(std::future::pending::<()>());
    assert!(matches!(outcome, Outcome::Deadlock(_)));
    assert_eq!(handle.now(), SECOND);
}

#[test]
fn a_deadlock_is_reported_with_those_who_wait() {
    let executor = Executor::new(1);
    let group = executor.handle().group();
    let task = executor.handle().spawn(group, std::future::pending::<()>());
    let Outcome::Deadlock(report) = executor.run_until(task) else {
        panic!("no deadlock");
    };
    assert_eq!(report, "#1: 1 tasks, 0 disk operations");
}

#[test]
fn a_killed_instance_runs_no_further_and_starts_nothing() {
    let world = World::new(1);
    let (victim, other) = (world.instance(), world.instance());
    let ticks = Rc::new(Cell::new(0));
    let (clock, counted) = (victim.clock.clone(), ticks.clone());
    let task = world.spawn(&victim, async move {
        loop {
            clock.sleep(SECOND).await;
            counted.set(counted.get() + 1);
        }
    });
    let survivor = world.spawn(&other, async { 7 });
    let outcome = world.run(async {
        world.sleep(SECOND * 3 + SECOND / 2).await;
        world.kill(&victim);
        world.sleep(SECOND * 10).await;
        let stillborn = world.spawn(&victim, async { 1 });
        (task.await.is_none(), stillborn.await, survivor.await)
    });
    assert_eq!(outcome, Outcome::Done((true, None, Some(7))));
    assert_eq!(ticks.get(), 3);
}

#[test]
fn an_instance_may_kill_itself() {
    let executor = Executor::new(1);
    let handle = executor.handle();
    let group = handle.group();
    let suicide = handle.clone();
    let task = handle.spawn(group, async move {
        suicide.kill(group, Operations::Dropped);
        suicide.give_way().await;
    });
    assert_eq!(executor.run_until(task), Outcome::Done(None));
    assert!(handle.is_dead(group));
}

#[test]
fn operations_of_the_dead_finish_or_not_by_the_seed() {
    let finished = |seed| {
        let executor = Executor::new(seed);
        let handle = executor.handle();
        let group = handle.group();
        let done = Rc::new(Cell::new(0));
        for _ in 0..8 {
            let (later, done) = (handle.clone(), done.clone());
            handle.spawn_operation(group, async move {
                later.sleep(SECOND).await;
                done.set(done.get() + 1);
            });
        }
        let death = async {
            handle.kill(group, Operations::ByChance);
            handle.sleep(SECOND * 2).await;
        };
        executor.run_until(death).unless_crashed();
        assert_eq!(handle.operations(), 0);
        done.get()
    };
    let counts: BTreeSet<i32> = (0..40).map(finished).collect();
    assert!(counts.len() > 3 && counts.contains(&4));
    assert_eq!(finished(3), finished(3));
}

#[test]
fn a_stalled_instance_waits_while_others_run() {
    let world = World::new(1);
    let (slow, quick) = (world.instance(), world.instance());
    let clock = slow.clock.clone();
    let slow_task = world.spawn(&slow, async move {
        clock.sleep(SECOND).await;
        clock.monotonic()
    });
    let clock = quick.clock.clone();
    let quick_task = world.spawn(&quick, async move {
        clock.sleep(SECOND).await;
        clock.monotonic()
    });
    world.stall(&slow, SECOND * 60);
    let outcome = world.run(async { (slow_task.await, quick_task.await) });
    // The stalled task's sleep of one second begins when it first runs.
    assert_eq!(outcome, Outcome::Done((Some(SECOND * 61), Some(SECOND))));
}

#[test]
fn the_wall_clock_jumps_and_the_monotonic_one_does_not() {
    let world = World::new(1);
    let instance = world.instance();
    let begin = instance.clock.wall_ms();
    assert_eq!(begin, 1_795_420_800_000);
    let slept = world.run(async {
        world.sleep(SECOND).await;
        world.wall().jump(-3_600_000);
    });
    assert_eq!(slept, Outcome::Done(()));
    assert_eq!(instance.clock.wall_ms(), begin - 3_599_000);
    assert_eq!(instance.clock.monotonic(), SECOND);
    world.wall().jump(i64::MIN);
    assert_eq!(instance.clock.wall_ms(), 0);
}

#[test]
fn no_two_instances_get_the_same_random_bytes() {
    let world = World::new(1);
    let (one, two) = (world.instance(), world.instance());
    let drawn: BTreeSet<_> = (0..10)
        .flat_map(|_| [one.clock.random(), two.clock.random()])
        .collect();
    assert_eq!(drawn.len(), 20);
}

#[test]
fn a_dropped_world_drops_its_tasks() {
    let alive = Rc::new(());
    let world = World::new(1);
    let (instance, held) = (world.instance(), alive.clone());
    let clock = instance.clock.clone();
    world.spawn(&instance, async move {
        clock.sleep(SECOND).await;
        drop(held);
    });
    world.run(world.sleep(SECOND / 2)).unless_crashed();
    drop(world);
    assert_eq!(Rc::strong_count(&alive), 1);
}
