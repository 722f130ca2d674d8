//! Many instances on one directory, as a stock runtime makes and drops them.

use super::*;
use crate::limits::LEASE_PATIENCE;
use crate::simulation::fault::{CrashPoint, Side};

/// Lets instances come, post and go, each killed at some moment; the last one
/// lives.
async fn generations(world: &World, ledger: &Ledger, seed: u64) {
    let mut chance = fastrand::Rng::with_seed(seed);
    for _ in 0..12 {
        let (instance, store) = open(world, Durability::Crash, Flushing::AmongInstances);
        post(world, &instance, &store, ledger, 2, 3);
        if chance.bool() {
            world.disk().crash_at(CrashPoint {
                operation: world.disk().operations() + chance.u64(1..120),
                side: [Side::Before, Side::After][chance.usize(..2)],
                victim: Some(instance.group),
            });
        }
        if chance.u32(..4) == 0 {
            world.stall(&instance, Duration::from_millis(chance.u64(..9_000)));
        }
        world
            .sleep(Duration::from_millis(chance.u64(..4_000)))
            .await;
        if chance.bool() {
            world.kill(&instance);
        }
    }
    let (instance, store) = open(world, Durability::Crash, Flushing::AmongInstances);
    post(world, &instance, &store, ledger, 1, 1);
}

#[test]
fn instances_that_come_and_go_lose_and_double_nothing_whoever_dies() {
    for seed in 0..2_000 {
        let world = World::new(seed);
        let ledger = Ledger::default();
        world
            .run(generations(&world, &ledger, seed))
            .done()
            .expect("the run ends");
        world
            .run(world.sleep(INTERVAL * 60))
            .done()
            .expect("the run ends");
        // An empty journal or a lease may be left where the creation of the file
        // outlived its instance; the next one clears them away.
        ledger.check_complete(&world);
    }
}

#[test]
fn one_instance_flushes_for_all_into_one_segment_after_the_interval() {
    let world = World::new(5);
    world.disk().set_pace(BRISK);
    let ledger = Ledger::default();
    for _ in 0..5 {
        let (instance, store) = open(&world, Durability::Crash, Flushing::AmongInstances);
        world.spawn(&instance, {
            let ledger = ledger.clone();
            async move {
                let reports = ledger.next_reports(1);
                store
                    .accept(batch(&store, &reports))
                    .await
                    .expect("accepted");
                ledger.acknowledge(&reports);
            }
        });
    }
    let early = INTERVAL - Duration::from_secs(1);
    world.run(world.sleep(early)).done().expect("the run ends");
    assert_eq!((ledger.acknowledged(), ledger.segments(&world)), (5, 0));
    world
        .run(world.sleep(Duration::from_secs(2)))
        .done()
        .expect("the run ends");
    assert_eq!(ledger.segments(&world), 1);
    ledger.check_complete(&world);
}

#[test]
fn a_dead_flusher_is_replaced_by_the_next_instance_that_runs() {
    for seed in 0..200 {
        let world = World::new(seed);
        world.disk().set_pace(BRISK);
        let ledger = Ledger::default();
        let (first, store) = open(&world, Durability::Crash, Flushing::AmongInstances);
        post(&world, &first, &store, &ledger, 1, 1);
        world
            .run(world.sleep(Duration::from_millis(seed * 40)))
            .done()
            .expect("the run ends");
        world.crash_processes();
        let (second, store) = open(&world, Durability::Crash, Flushing::AmongInstances);
        post(&world, &second, &store, &ledger, 1, 1);
        let patience = LEASE_PATIENCE + INTERVAL + Duration::from_secs(2);
        world
            .run(world.sleep(patience))
            .done()
            .expect("the run ends");
        assert!(ledger.acknowledged() > 0);
        ledger.check_complete(&world);
    }
}

#[test]
fn a_clock_set_back_delays_and_loses_nothing() {
    for seed in 0..100 {
        let world = World::new(seed);
        world.disk().set_pace(BRISK);
        let ledger = Ledger::default();
        let (instance, store) = open(&world, Durability::Crash, Flushing::ByHost);
        post(&world, &instance, &store, &ledger, 3, 4);
        tick(&world, &instance, &store);
        world
            .run(world.sleep(Duration::from_millis(seed * 30)))
            .done()
            .expect("the run ends");
        world.wall().jump(-3_600_000);
        world
            .run(world.sleep(INTERVAL * 2))
            .done()
            .expect("the run ends");
        ledger.check_complete(&world);
    }
}
