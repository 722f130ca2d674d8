//! Pruning, under everything that can happen to the write path.

use super::crashes::{DURABILITIES, End, FLUSHINGS, Plot, play};
use super::*;
use crate::clock::Clock;
use crate::disk::{Disk, Folder};
use crate::limits::{AGE_PAUSE, MIN_PRUNED_BY_AGE};
use crate::mistakes::{self, Mistake};
use crate::segment::name::SegmentName;
use crate::simulation::fault::{CrashPoint, Failure, FaultPlan, OperationKind, Side};
use std::collections::BTreeSet;

/// Everything published is to go.
pub(super) fn keeping_nothing(settings: Settings) -> Settings {
    Settings {
        retention_age: Some(Duration::from_millis(1)),
        retention_bytes: Some(1),
        ..settings
    }
}

/// Prunes every now and then, as often as the clock is looked at.
pub(super) fn keep_pruning(world: &World, instance: &Instance, store: &Rc<SimStore>) {
    let store = Rc::clone(store);
    world.spawn(instance, async move {
        for _ in 0..400 {
            store.clock().sleep(Duration::from_millis(70)).await;
            // A crash may be what it fails by.
            let _ = store.prune_now(u64::MAX).await;
        }
    });
}

fn drawn(seed: u64) -> Plot {
    let mut chance = fastrand::Rng::with_seed(seed);
    let sides = [Side::Before, Side::After];
    Plot {
        seed,
        durability: DURABILITIES[chance.usize(..2)],
        flushing: FLUSHINGS[chance.usize(..2)],
        end: if chance.bool() { End::Kill } else { End::Power },
        pruning: true,
        first: Some((chance.u64(1..1_500), sides[chance.usize(..2)])),
        second: chance
            .bool()
            .then(|| (chance.u64(1..300), sides[chance.usize(..2)])),
    }
}

#[test]
fn acknowledged_reports_are_published_once_or_pruned_whatever_crash_comes_between() {
    for seed in 0..1_500 {
        play(drawn(seed));
    }
}

#[test]
fn acknowledged_reports_are_published_once_or_pruned_for_a_crash_at_every_operation() {
    let mut points = 0;
    for (seed, flushing) in (21..).zip(FLUSHINGS) {
        for end in [End::Kill, End::Power] {
            let plot = Plot {
                seed,
                durability: Durability::Power,
                flushing,
                end,
                pruning: true,
                first: None,
                second: None,
            };
            let (operations, _) = play(plot);
            for operation in 1..=operations {
                let first = Some((operation, Side::After));
                play(Plot { first, ..plot });
                points += 1;
            }
        }
    }
    println!("{points} crash points");
    assert!(points >= 1_000, "only {points} crash points");
}

/// Instances that come, stall, die and go, pruning after each flush.
async fn generations(world: &World, ledger: &Ledger, seed: u64) {
    let mut chance = fastrand::Rng::with_seed(seed);
    for _ in 0..12 {
        let settings = keeping_nothing(settings(Durability::Crash));
        let (instance, store) = open_with(world, settings, Flushing::AmongInstances);
        post(world, &instance, &store, ledger, 2, 3);
        if chance.bool() {
            world.disk().crash_at(CrashPoint {
                operation: world.disk().operations() + chance.u64(1..120),
                side: [Side::Before, Side::After][chance.usize(..2)],
                victim: Some(instance.group),
            });
        }
        if chance.bool() {
            keep_pruning(world, &instance, &store);
        }
        let pause = Duration::from_millis(chance.u64(..4_000));
        world.sleep(pause).await;
        if chance.u32(..3) == 0 {
            let nap = Duration::from_millis(chance.u64(..40_000));
            world.stall(&instance, nap);
        }
        if chance.bool() {
            world.kill(&instance);
        }
    }
}

fn play_generations(seed: u64) -> usize {
    let world = World::new(seed);
    let ledger = Ledger::default();
    let lives = generations(&world, &ledger, seed);
    world.run(lives).done().expect("the run ends");
    let end = world.sleep(INTERVAL * 60);
    world.run(end).done().expect("the run ends");
    let (_, heir) = open(&world, Durability::Crash, Flushing::ByHost);
    // Those that live still clear away what is not theirs, and it tries again.
    while world
        .run(heir.recover(&[]))
        .done()
        .expect("it ends")
        .is_err()
    {}
    ledger.check_kept_or_pruned(&world);
    world.disk().removed().len()
}

#[test]
fn instances_that_stall_and_wake_bring_back_nothing_that_was_pruned() {
    let mut removed = 0;
    for seed in 0..1_000 {
        removed += play_generations(seed);
    }
    println!("{removed} segments were pruned");
    assert!(removed > 1_000, "only {removed} were pruned");
}

/// Whether the mistake shows within some seeds.
fn is_caught(mistake: Mistake, seeds: u64, play: impl Fn(u64) + Copy) -> bool {
    (0..seeds).any(|seed| {
        mistakes::make(Some(mistake));
        let run = std::panic::AssertUnwindSafe(|| play(seed));
        let caught = std::panic::catch_unwind(run).is_err();
        mistakes::make(None);
        caught
    })
}

#[test]
fn pruning_what_a_journal_still_leads_to_is_caught() {
    assert!(is_caught(Mistake::PruneUnsettled, 3_000, |seed| {
        play(drawn(seed));
    }));
}

#[test]
fn linking_what_was_published_and_pruned_meanwhile_is_caught() {
    assert!(is_caught(Mistake::LinkThoughOvertaken, 4_000, |seed| {
        play_generations(seed);
    }));
}

/// A store with some segments, the oldest first, a millisecond apart.
fn some_segments(world: &World, settings: Settings, number: u32) -> (Rc<SimStore>, Ledger) {
    world.disk().set_pace(BRISK);
    let (_, store) = open_with(world, settings, Flushing::ByHost);
    let ledger = Ledger::default();
    for _ in 0..number {
        let reports = ledger.next_reports(2);
        let stored = async {
            let accepted = store.accept(batch(&store, &reports)).await;
            accepted.expect("accepted");
            store.clock().sleep(Duration::from_millis(1)).await;
            let mut live = store.live.lock().await;
            store
                .seal(&mut live, crate::metrics::FlushReason::Drain)
                .await;
            drop(live);
            store.publish_sealed().await.expect("published");
        };
        world.run(stored).done().expect("the run ends");
        ledger.acknowledge(&reports);
    }
    (store, ledger)
}

fn names(world: &World) -> Vec<String> {
    let files = world.disk().snapshot().into_keys();
    let data = files.filter(|(folder, _)| *folder == Folder::Data);
    data.map(|(_, name)| name).collect()
}

fn prune(world: &World, store: &Rc<SimStore>, shortage: u64) {
    let pruned = world.run(store.prune_now(shortage)).done();
    pruned.expect("the run ends").expect("pruned");
}

fn count(store: &Rc<SimStore>, world: &World, series: &str) -> f64 {
    let holdings = world.run(store.holdings()).done().expect("the run ends");
    let families = crate::metrics::collect::families(store.metrics(), &holdings);
    let text = crate::metrics::exposition::encode(&families);
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    line.expect("a series").trim().parse().expect("a number")
}

#[test]
fn the_oldest_go_first_and_foreign_files_stay() {
    let world = World::new(1);
    let settings = settings(Durability::Crash);
    let (store, ledger) = some_segments(&world, settings, 6);
    let before = names(&world);
    let size = |name: &String| world.disk().snapshot()[&(Folder::Data, name.clone())].len() as u64;
    let two = size(&before[0]) + 1;
    let disk = store.disk.clone();
    let foreign = ["foreign.txt", "foreign-reports-x.jsonl.zst"];
    for name in foreign {
        let created = world.run(disk.create(Folder::Data, name)).done();
        created.expect("the run ends").expect("created");
    }
    prune(&world, &store, two);
    let after: Vec<_> = names(&world)
        .into_iter()
        .filter(|name| !name.starts_with("foreign"))
        .collect();
    assert_eq!(after, before[2..]);
    prune(&world, &store, u64::MAX);
    let left: BTreeSet<_> = names(&world).into_iter().collect();
    let mut expected: BTreeSet<String> = foreign.map(str::to_owned).into();
    expected.insert(before[5].clone());
    assert_eq!(
        left, expected,
        "the newest alone is left, and what is not ours"
    );
    ledger.check_kept_or_pruned(&world);
    assert_eq!(
        count(
            &store,
            &world,
            "netwatch_pruned_files_total{cause=\"space\"}"
        ),
        5.0
    );
    assert_eq!(count(&store, &world, "netwatch_segments"), 1.0);
    let bytes = before[..5]
        .iter()
        .map(|name| world.disk().removed()[name].len());
    let bytes: usize = bytes.sum();
    assert_eq!(
        count(&store, &world, "netwatch_pruned_bytes_total"),
        bytes as f64
    );
}

#[test]
fn a_segment_that_is_read_stays_until_it_is_not() {
    let stays = || {
        let world = World::new(2);
        let (store, _) = some_segments(&world, settings(Durability::Crash), 3);
        let oldest = names(&world)[0].clone();
        let name = SegmentName::parse(&oldest).expect("a segment");
        let (one, two) = (store.reading(name), store.reading(name));
        prune(&world, &store, u64::MAX);
        drop(one);
        prune(&world, &store, u64::MAX);
        let stayed = names(&world).contains(&oldest);
        drop(two);
        prune(&world, &store, u64::MAX);
        assert!(!names(&world).contains(&oldest), "it is never pruned");
        stayed
    };
    assert!(stays());
    mistakes::make(Some(Mistake::PruneWhatIsRead));
    let stayed = stays();
    mistakes::make(None);
    assert!(!stayed, "pruning what is read is not caught");
}

#[test]
fn a_clock_that_jumps_far_ahead_costs_a_few_segments_a_minute() {
    let world = World::new(3);
    let settings = Settings {
        retention_age: Some(Duration::from_secs(86_400)),
        ..settings(Durability::Crash)
    };
    let (store, ledger) = some_segments(&world, settings, 3 * MIN_PRUNED_BY_AGE as u32);
    let lives = |seconds: u64| {
        let ticks = async {
            for _ in 0..seconds {
                store.clock().sleep(Duration::from_secs(1)).await;
                store.look_after(0).await;
            }
        };
        world.run(ticks).done().expect("the run ends");
        names(&world).len()
    };
    assert_eq!(lives(20), 3 * MIN_PRUNED_BY_AGE);
    world.wall().jump(10 * 365 * 86_400_000);
    assert_eq!(lives(AGE_PAUSE.as_secs() - 5), 2 * MIN_PRUNED_BY_AGE);
    world.wall().jump(-10 * 365 * 86_400_000);
    assert_eq!(lives(600), 2 * MIN_PRUNED_BY_AGE);
    ledger.check_kept_or_pruned(&world);
}

#[test]
fn a_disk_that_refuses_to_remove_is_counted_and_asked_again() {
    let world = World::new(4);
    let (store, ledger) = some_segments(&world, settings(Durability::Crash), 4);
    let refuses = FaultPlan::none().all_of(OperationKind::Unlink, 1, Failure::Io);
    world.disk().set_faults(refuses);
    world
        .run(store.look_after(u64::MAX))
        .done()
        .expect("the run ends");
    assert_eq!(names(&world).len(), 4);
    assert_eq!(count(&store, &world, "netwatch_prune_errors_total"), 1.0);
    world.disk().repair();
    let later = async {
        store.clock().sleep(Duration::from_secs(300)).await;
        store.look_after(u64::MAX).await;
    };
    world.run(later).done().expect("the run ends");
    assert_eq!(names(&world).len(), 1);
    ledger.check_kept_or_pruned(&world);
}
