//! Disks that refuse, for a moment or for good.

use super::*;
use crate::simulation::fault::{Failure, FaultPlan, OperationKind};

const FAILURES: [Failure; 3] = [Failure::Io, Failure::IoThoughDone, Failure::Full];
const KINDS: [OperationKind; 6] = [
    OperationKind::Create,
    OperationKind::Append,
    OperationKind::Sync,
    OperationKind::SyncFolder,
    OperationKind::Link,
    OperationKind::Unlink,
];

/// Some failures, drawn by a seed.
fn some_faults(chance: &mut fastrand::Rng) -> FaultPlan {
    let mut plan = FaultPlan::none();
    for _ in 0..chance.u32(1..4) {
        let failure = FAILURES[chance.usize(..3)];
        let kind = KINDS[chance.usize(..6)];
        plan = match chance.u32(..4) {
            0 => plan.once(chance.u64(1..300), failure),
            1 => plan.once_of(kind, chance.u64(1..30), failure),
            2 => plan.all_of(kind, chance.u64(1..30), failure),
            _ => plan.from(chance.u64(1..300), failure),
        };
    }
    plan
}

#[test]
fn a_failing_disk_costs_nothing_that_was_acknowledged_and_service_resumes_by_itself() {
    for seed in 0..3_000 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let world = World::new(seed);
        let ledger = Ledger::default();
        let durability = [Durability::Crash, Durability::Power][chance.usize(..2)];
        let (instance, store) = open(&world, durability, Flushing::ByHost);
        world.disk().set_faults(some_faults(&mut chance));
        post(&world, &instance, &store, &ledger, 3, 4);
        tick(&world, &instance, &store);
        world
            .run(world.sleep(INTERVAL * 3))
            .done()
            .expect("the run ends");
        world.disk().repair();
        let before = ledger.acknowledged();
        post(&world, &instance, &store, &ledger, 1, 3);
        // Long enough for the slowest disk of all.
        world
            .run(world.sleep(INTERVAL * 60))
            .done()
            .expect("the run ends");
        assert!(ledger.acknowledged() > before, "service did not resume");
        ledger.check_complete(&world);
        ledger.check_journals_gone(&world);
    }
}

#[test]
fn a_failing_disk_and_a_crash_cost_nothing_that_was_acknowledged() {
    for seed in 0..3_000 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let world = World::new(seed);
        let ledger = Ledger::default();
        let (instance, store) = open(&world, Durability::Crash, Flushing::ByHost);
        world.disk().set_faults(some_faults(&mut chance));
        post(&world, &instance, &store, &ledger, 3, 4);
        tick(&world, &instance, &store);
        let life = Duration::from_millis(chance.u64(..15_000));
        world.run(world.sleep(life)).done().expect("the run ends");
        world.crash_processes();
        world.disk().repair();
        world.settle();
        let (_, heir) = open(&world, Durability::Crash, Flushing::ByHost);
        world
            .run(heir.recover(&[]))
            .done()
            .expect("it ends")
            .expect("recovered");
        ledger.check_complete(&world);
        ledger.check_journals_gone(&world);
    }
}

#[test]
fn readiness_follows_the_disk() {
    let world = World::new(3);
    world.disk().set_pace(BRISK);
    let (_, store) = open(&world, Durability::Crash, Flushing::ByHost);
    let post = || {
        world
            .run(store.accept(batch(&store, &[1])))
            .done()
            .expect("answered")
    };
    let ready = || world.run(store.probe()).done().expect("answered").is_ok();
    world
        .disk()
        .set_faults(FaultPlan::none().from(1, Failure::Full));
    assert!(ready(), "nothing has failed yet");
    assert!(post().is_err() && !ready());
    world.disk().repair();
    assert!(ready() && post().is_ok());
}

#[test]
fn a_disk_that_takes_no_segments_stops_intake_before_memory_is_full() {
    let world = World::new(4);
    world.disk().set_pace(BRISK);
    let ledger = Ledger::default();
    let (_, store) = open(&world, Durability::Crash, Flushing::ByHost);
    world
        .disk()
        .set_faults(FaultPlan::none().all_of(OperationKind::Link, 1, Failure::Io));
    let mut refused = None;
    for _ in 0..1_000 {
        let reports = ledger.next_reports(20);
        match world
            .run(store.accept(batch(&store, &reports)))
            .done()
            .expect("answered")
        {
            Ok(()) => ledger.acknowledge(&reports),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    assert_eq!(refused, Some(super::super::AcceptError::Backlog));
    world.disk().repair();
    world.run(store.tick()).done().expect("the tick ends");
    assert!(
        world
            .run(store.accept(batch(&store, &[])))
            .done()
            .expect("answered")
            .is_ok()
    );
    world
        .run(store.drain())
        .done()
        .expect("it ends")
        .expect("drained");
    ledger.check_complete(&world);
}
