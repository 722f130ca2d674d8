//! The write path, simulated: every crash point, failing disks, several
//! instances. A test that fails prints its seed and the story of its world.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod crashes;
mod faults;
mod instances;
mod ledger;
mod prune;

use super::live::Making;
use super::{Flushing, Store};
use crate::config::{Durability, Settings};
use crate::journal::writer::Batch;
use crate::simulation::clock::SimClock;
use crate::simulation::disk::{Pace, SimDisk};
use crate::simulation::{Instance, World};
use ledger::Ledger;
use std::rc::Rc;
use std::time::Duration;

type SimStore = Store<SimDisk, SimClock>;

/// Seconds after which everything must have been flushed.
const INTERVAL: Duration = Duration::from_secs(10);

/// A disk without stalls, for tests about time.
const BRISK: Pace = Pace {
    turns: 3,
    stalls: 0,
    longest_stall: Duration::ZERO,
};

fn settings(durability: Durability) -> Settings {
    Settings {
        durability,
        flush_bytes: 1 << 10,
        flush_interval: INTERVAL,
        ..Settings::default()
    }
}

/// A store on a new instance of the world.
fn open(world: &World, durability: Durability, flushing: Flushing) -> (Instance, Rc<SimStore>) {
    open_with(world, settings(durability), flushing)
}

fn open_with(world: &World, settings: Settings, flushing: Flushing) -> (Instance, Rc<SimStore>) {
    let instance = world.instance();
    let store = Store::new(instance.disk.clone(), instance.clock.clone(), settings);
    if flushing == Flushing::ByHost {
        store.set_flushed_by_host();
    }
    (instance, store)
}

/// Lets clients post to a store. Every report has a number of its own; the
/// ledger knows which were acknowledged.
fn post(
    world: &World,
    instance: &Instance,
    store: &Rc<SimStore>,
    ledger: &Ledger,
    clients: u32,
    requests: u32,
) {
    for client in 0..clients {
        let (store, ledger) = (Rc::clone(store), ledger.clone());
        world.spawn(instance, async move {
            for request in 0..requests {
                let reports = ledger.next_reports(1 + (client + request) % 3);
                let batch = batch(&store, &reports);
                if store.accept(batch).await.is_ok() {
                    ledger.acknowledge(&reports);
                }
                let pause = u64::from(client * 700 + request * 300);
                crate::clock::Clock::sleep(store.clock(), Duration::from_millis(pause)).await;
            }
        });
    }
}

/// What a host's timer does.
fn tick(world: &World, instance: &Instance, store: &Rc<SimStore>) {
    let store = Rc::clone(store);
    world.spawn(instance, async move {
        loop {
            crate::clock::Clock::sleep(store.clock(), Duration::from_secs(1)).await;
            store.tick().await;
        }
    });
}

fn batch(store: &SimStore, reports: &[u64]) -> Batch {
    let mut batch = Batch::new();
    for report in reports {
        batch.frame.extend_from_slice(&ledger::line(*report));
        batch.reports += 1;
    }
    let now = crate::clock::Clock::wall_ms(store.clock());
    (batch.first_ms, batch.last_ms) = (now, now);
    batch
}

#[test]
fn what_is_acknowledged_is_published_after_the_interval_and_at_the_size() {
    for seed in 0..50 {
        let world = World::new(seed);
        world.disk().set_pace(BRISK);
        let ledger = Ledger::default();
        let (instance, store) = open(&world, Durability::Crash, Flushing::ByHost);
        post(&world, &instance, &store, &ledger, 4, 5);
        tick(&world, &instance, &store);
        world
            .run(world.sleep(INTERVAL * 3))
            .done()
            .expect("the run ends");
        ledger.check_complete(&world);
        assert!(ledger.acknowledged() >= 20);
        let segments = ledger.segments(&world);
        assert!(
            segments > 1,
            "{segments} segments: the size never sealed one"
        );
        world
            .run(store.drain())
            .done()
            .expect("drained")
            .expect("drained");
        ledger.check_nothing_left_over(&world);
    }
}

#[test]
fn a_clean_stop_leaves_an_empty_journal_whatever_is_waiting() {
    for seed in 0..200 {
        let world = World::new(seed);
        let ledger = Ledger::default();
        let (instance, store) = open(&world, Durability::Power, Flushing::ByHost);
        post(&world, &instance, &store, &ledger, 3, 4);
        world
            .run(world.sleep(Duration::from_millis(seed * 20)))
            .done()
            .expect("the run ends");
        world
            .run(store.drain())
            .done()
            .expect("drained")
            .expect("drained");
        ledger.check_complete(&world);
        ledger.check_nothing_left_over(&world);
    }
}

#[test]
fn in_memory_a_flush_publishes_and_a_crash_loses() {
    let world = World::new(1);
    let ledger = Ledger::default();
    let (instance, store) = open(&world, Durability::Memory, Flushing::ByHost);
    post(&world, &instance, &store, &ledger, 2, 2);
    tick(&world, &instance, &store);
    world
        .run(world.sleep(INTERVAL * 2))
        .done()
        .expect("the run ends");
    ledger.check_complete(&world);
    assert!(ledger.acknowledged() > 0);
}

#[test]
fn a_seal_does_not_wait_for_compression() {
    for durability in [Durability::Crash, Durability::Memory] {
        let world = World::new(4);
        world.disk().set_pace(BRISK);
        let instance = world.instance();
        let store = Store::new(
            instance.disk.clone(),
            instance.clock.clone(),
            Settings {
                flush_bytes: 1 << 19,
                ..settings(durability)
            },
        );
        store.set_flushed_by_host();
        let held = world.run(store.publishing.lock()).done().expect("the lock");
        let mut batch = Batch::new();
        batch.frame.resize(batch.frame.len() + (1 << 19), b'x');
        batch.frame.push(b'\n');
        (batch.reports, batch.first_ms, batch.last_ms) = (1, 1, 1);
        let accepted = world.run(store.accept(batch)).done().expect("the run ends");
        accepted.expect("accepted");
        let behind = match &store.sealed.borrow().front().expect("sealed").segment {
            Making::Growing(growth) => growth.behind_bytes(),
            _ => 0,
        };
        assert!(behind > 1 << 19, "{behind} bytes are left to the publisher");
        drop(held);
        let drained = world.run(store.drain()).done().expect("the run ends");
        drained.expect("drained");
        let vitals = world.run(store.vitals()).done().expect("the run ends");
        assert_eq!((vitals.published_segments, vitals.raw_segments), (1, 0));
        assert_eq!(vitals.pending_reports, 0);
    }
}

#[test]
fn segments_that_wait_take_bounded_memory_and_are_all_published() {
    let world = World::new(3);
    world.disk().set_pace(BRISK);
    let instance = world.instance();
    let store = Store::new(
        instance.disk.clone(),
        instance.clock.clone(),
        Settings {
            flush_bytes: 4 << 20,
            ..settings(Durability::Crash)
        },
    );
    store.set_flushed_by_host();
    let mut random = fastrand::Rng::with_seed(5);
    let journals = 6_u32;
    let held = world.run(store.publishing.lock()).done().expect("the lock");
    for _ in 0..journals {
        let mut batch = Batch::new();
        let text = (0..4 << 20).map(|_| random.alphanumeric() as u8);
        batch.frame.extend(text);
        batch.frame.push(b'\n');
        (batch.reports, batch.first_ms, batch.last_ms) = (1, 1, 1);
        let accepted = world.run(store.accept(batch)).done().expect("the run ends");
        accepted.expect("accepted");
    }
    let ready: Vec<usize> = store
        .sealed
        .borrow()
        .iter()
        .map(|sealed| sealed.segment.bytes())
        .filter(|bytes| *bytes > 0)
        .collect();
    let bytes: usize = ready.iter().sum();
    assert!(
        bytes <= crate::limits::MAX_READY_BYTES,
        "{bytes} bytes wait"
    );
    assert!((1..journals as usize).contains(&ready.len()), "{ready:?}");
    drop(held);
    let drained = world.run(store.drain()).done().expect("the run ends");
    drained.expect("drained");
    let vitals = world.run(store.vitals()).done().expect("the run ends");
    assert_eq!(vitals.published_segments, u64::from(journals));
    assert_eq!(vitals.pending_reports, 0);
}
