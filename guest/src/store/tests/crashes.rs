//! Crash at every operation, recover, crash again inside the recovery, recover.

use super::*;
use crate::mistakes::{self, Mistake};
use crate::simulation::fault::Side;

/// How everything ends at a crash point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// `kill -9`: what was written stays.
    Kill,
    /// What was not synced may go.
    Power,
}

/// What a run is asked to survive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plot {
    pub(super) seed: u64,
    pub(super) durability: Durability,
    pub(super) flushing: Flushing,
    pub(super) end: End,
    /// Whether everything that is published is to go as soon as it may.
    pub(super) pruning: bool,
    /// The operation at which the workload ends, if it is to be cut short.
    pub(super) first: Option<(u64, Side)>,
    /// The same in the recovery, counted from its beginning.
    pub(super) second: Option<(u64, Side)>,
}

/// Operations of the workload and of the recovery.
pub(super) fn play(plot: Plot) -> (u64, u64) {
    let world = World::new(plot.seed);
    let ledger = Ledger::default();
    if let Some((operation, side)) = plot.first {
        world.crash_at(operation, side);
    }
    live(&world, &ledger, plot);
    let first = world.disk().operations();
    end(&world, plot.end);
    if let Some((operation, side)) = plot.second {
        world.crash_at(first + operation, side);
        if recover(&world, plot).is_none() {
            end(&world, plot.end);
        }
    }
    world.crash_at(u64::MAX, Side::Before);
    while recover(&world, plot).is_none() {}
    world.settle();
    // What the dead had under way has happened by now; it must not matter.
    while recover(&world, plot).is_none() {}
    let promised = plot.end == End::Kill || plot.durability == Durability::Power;
    if promised && plot.pruning {
        ledger.check_kept_or_pruned(&world);
    } else if promised {
        ledger.check_complete(&world);
    } else {
        ledger.check_files(&world);
    }
    ledger.check_journals_gone(&world);
    (first, world.disk().operations() - first)
}

fn live(world: &World, ledger: &Ledger, plot: Plot) {
    let stores: Vec<_> = (0..2).map(|_| enter(world, plot, plot.flushing)).collect();
    for (instance, store) in &stores {
        post(world, instance, store, ledger, 3, 4);
        if plot.flushing == Flushing::ByHost {
            tick(world, instance, store);
            if plot.pruning {
                prune::keep_pruning(world, instance, store);
            }
        }
    }
    let _ = world.run(world.sleep(INTERVAL * 2));
}

fn end(world: &World, end: End) {
    match end {
        End::Kill => world.crash_processes(),
        End::Power => world.lose_power(),
    }
}

/// `None` if it was cut short.
fn recover(world: &World, plot: Plot) -> Option<()> {
    let (_, one) = enter(world, plot, Flushing::ByHost);
    let (_, two) = enter(world, plot, Flushing::ByHost);
    let alive = [one.instance(), two.instance()];
    // Two recoverers at once, as two servers on one directory would be.
    let both = async { futures::join!(one.recover(&alive), two.recover(&alive)) };
    let (a, b) = world.run(both).done()?;
    match (a, b) {
        (Ok(_), Ok(_)) => {}
        // One may lose its temporary file to the other; it tries again.
        _ => world.run(one.recover(&alive)).done()?.ok().map(|_| ())?,
    }
    if plot.pruning {
        world.run(one.prune_now(u64::MAX)).done()?.ok()?;
    }
    Some(())
}

fn enter(world: &World, plot: Plot, flushing: Flushing) -> (Instance, Rc<SimStore>) {
    let settings = settings(plot.durability);
    if plot.pruning {
        open_with(world, prune::keeping_nothing(settings), flushing)
    } else {
        open_with(world, settings, flushing)
    }
}

pub(super) const DURABILITIES: [Durability; 2] = [Durability::Crash, Durability::Power];
pub(super) const FLUSHINGS: [Flushing; 2] = [Flushing::ByHost, Flushing::AmongInstances];

#[test]
fn acknowledged_reports_survive_a_crash_at_every_operation() {
    let mut points = 0;
    for durability in DURABILITIES {
        for flushing in FLUSHINGS {
            for end in [End::Kill, End::Power] {
                let plot = Plot {
                    seed: 7,
                    durability,
                    flushing,
                    end,
                    pruning: false,
                    first: None,
                    second: None,
                };
                let (operations, _) = play(plot);
                for operation in 1..=operations {
                    for side in [Side::Before, Side::After] {
                        play(Plot {
                            first: Some((operation, side)),
                            ..plot
                        });
                        points += 1;
                    }
                }
            }
        }
    }
    println!("{points} crash points");
    assert!(points >= 2_000, "only {points} crash points");
}

#[test]
fn acknowledged_reports_survive_a_crash_inside_the_recovery_at_every_operation() {
    let mut points = 0;
    for (seed, durability) in [(11, Durability::Crash), (12, Durability::Power)] {
        for flushing in FLUSHINGS {
            for end in [End::Kill, End::Power] {
                let plot = Plot {
                    seed,
                    durability,
                    flushing,
                    end,
                    pruning: false,
                    first: None,
                    second: None,
                };
                let (operations, _) = play(plot);
                for nth in 1..=4 {
                    let first = Some((operations * nth / 5, Side::After));
                    let (_, recovery) = play(Plot { first, ..plot });
                    for operation in 1..=recovery {
                        play(Plot {
                            first,
                            second: Some((operation, Side::After)),
                            ..plot
                        });
                        points += 1;
                    }
                }
            }
        }
    }
    println!("{points} crash points");
    assert!(points >= 1_000, "only {points} crash points");
}

#[test]
fn acknowledged_reports_survive_crashes_anywhere_under_ten_thousand_seeds() {
    let seeds = std::env::var("SIMULATION_SEEDS")
        .ok()
        .and_then(|n| n.parse().ok());
    for seed in 0..seeds.unwrap_or(10_000) {
        let mut chance = fastrand::Rng::with_seed(seed);
        let sides = [Side::Before, Side::After];
        play(Plot {
            seed,
            durability: DURABILITIES[chance.usize(..2)],
            flushing: FLUSHINGS[chance.usize(..2)],
            end: if chance.bool() { End::Kill } else { End::Power },
            pruning: false,
            first: Some((chance.u64(1..600), sides[chance.usize(..2)])),
            second: chance
                .bool()
                .then(|| (chance.u64(1..200), sides[chance.usize(..2)])),
        });
    }
}

/// Whether the mistake shows within some seeds.
fn is_caught(mistake: Mistake, durability: Durability, end: End) -> bool {
    (0..3_000).any(|seed| {
        let mut chance = fastrand::Rng::with_seed(seed);
        let plot = Plot {
            seed,
            durability,
            flushing: Flushing::ByHost,
            end,
            pruning: false,
            first: Some((chance.u64(1..400), Side::After)),
            second: None,
        };
        mistakes::make(Some(mistake));
        let caught = std::panic::catch_unwind(|| play(plot)).is_err();
        mistakes::make(None);
        caught
    })
}

#[test]
fn acknowledging_before_the_append_is_caught() {
    assert!(is_caught(
        Mistake::AcknowledgeBeforeAppend,
        Durability::Crash,
        End::Kill
    ));
}

#[test]
fn skipping_the_sync_is_caught() {
    assert!(is_caught(Mistake::SkipSync, Durability::Power, End::Power));
}

#[test]
fn skipping_the_sync_of_directories_is_caught() {
    assert!(is_caught(
        Mistake::SkipFolderSync,
        Durability::Power,
        End::Power
    ));
}

#[test]
fn skipping_the_checksum_is_caught() {
    assert!(is_caught(
        Mistake::SkipChecksum,
        Durability::Power,
        End::Power
    ));
}

#[test]
fn removing_the_journal_before_its_segment_is_there_is_caught() {
    assert!(is_caught(
        Mistake::UnlinkBeforePublish,
        Durability::Crash,
        End::Kill
    ));
}
