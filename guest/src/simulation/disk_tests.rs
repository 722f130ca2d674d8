#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::time::Duration;

use super::disk::{Pace, SimDisk};
use super::executor::Outcome;
use super::fault::{CrashPoint, Failure, FaultPlan, OperationKind, Side};
use super::{Instance, World};
use crate::disk::Folder::{Data, Journal};
use crate::disk::{Disk, DiskError, DiskFile};

/// A driver that must come to its end.
fn run<T>(world: &World, driver: impl Future<Output = T>) -> T {
    world.run(driver).done().expect("the driver finishes")
}

async fn write(disk: &SimDisk, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
    let mut file = disk.create(Journal, name).await?;
    file.append(bytes.to_vec()).await.1
}

fn visible(world: &World, name: &str) -> Option<Vec<u8>> {
    world.disk().snapshot().remove(&(Journal, name.to_owned()))
}

#[test]
fn names_and_contents_behave_as_the_trait_says() {
    let world = World::new(1);
    let disk = world.disk();
    run(&world, async {
        write(disk, "a", b"abcdef").await.unwrap();
        assert_eq!(write(disk, "a", b"x").await, Err(DiskError::Exists));
        let file = disk.open(Journal, "a", false).await.unwrap();
        assert_eq!(file.read_at(2, 3).await.unwrap(), b"cde");
        assert_eq!(file.read_at(4, 10).await.unwrap(), b"ef");
        assert_eq!(file.read_at(60, 10).await.unwrap(), b"");
        disk.link((Journal, "a"), (Data, "b")).await.unwrap();
        let taken = disk.link((Journal, "a"), (Data, "b")).await;
        assert_eq!(taken, Err(DiskError::Exists));
        disk.rename((Journal, "a"), (Journal, "c")).await.unwrap();
        assert_eq!(disk.unlink(Journal, "a").await, Err(DiskError::NotFound));
        assert_eq!(disk.list(Journal).await.unwrap(), ["c"]);
        disk.unlink(Journal, "c").await.unwrap();
        disk.unlink(Data, "b").await.unwrap();
        assert_eq!(file.size().await, Ok(6));
        let mut file = file;
        let (bytes, refused) = file.append(b"x".to_vec()).await;
        assert_eq!(bytes, b"x");
        assert!(matches!(refused, Err(DiskError::Failed(_))));
    });
    assert!(world.disk().snapshot().is_empty());
}

/// The runs of equal bytes after two appends of 20,000 bytes at once.
fn interleaved_runs(seed: u64) -> Vec<(u8, usize)> {
    let world = World::new(seed);
    let disk = world.disk();
    run(&world, async {
        write(disk, "shared", b"").await.unwrap();
        let append = async |byte| {
            let mut file = disk.open(Journal, "shared", true).await.unwrap();
            file.append(vec![byte; 20_000]).await.1.unwrap();
        };
        futures::join!(append(1), append(2));
    });
    let content = visible(&world, "shared").unwrap();
    let runs = content.chunk_by(|a, b| a == b);
    runs.map(|run| (run[0], run.len())).collect()
}

#[test]
fn appends_interleave_in_whole_pieces_of_8192_bytes() {
    let seen: BTreeSet<_> = (0..100).map(interleaved_runs).collect();
    assert!(seen.len() > 5);
    assert!(seen.contains(&vec![(1, 20_000), (2, 20_000)]));
    for (_, len) in seen.into_iter().flatten() {
        let rest = len % 8192;
        assert!(
            [0, 20_000 % 8192, 2 * 20_000 % 8192].contains(&rest),
            "{len}"
        );
    }
}

#[test]
fn one_seed_has_one_story() {
    let story = |seed| {
        let world = World::new(seed);
        let disk = world.disk();
        run(&world, async {
            let one = write(disk, "a", &[1; 30_000]);
            let two = write(disk, "b", &[2; 30_000]);
            let (one, two, list) = futures::join!(one, two, disk.list(Journal));
            one.and(two).unwrap();
            list.unwrap();
        });
        world.lose_power();
        (world.story(), world.disk().snapshot())
    };
    assert_eq!(story(5), story(5));
    let stories: BTreeSet<_> = (0..20).map(|seed| story(seed).0).collect();
    assert_eq!(stories.len(), 20);
}

#[test]
fn an_operation_goes_on_when_its_caller_has_gone() {
    let world = World::new(1);
    let disk = world.disk();
    run(&world, async {
        let mut unlink = Box::pin(write(disk, "a", b"abc"));
        while visible(&world, "a").is_none() {
            assert!(futures::poll!(&mut unlink).is_pending());
            world.sleep(Duration::from_micros(1)).await;
        }
    });
    world.settle();
    assert!(visible(&world, "a").is_some());
}

#[test]
fn a_listing_may_miss_what_comes_and_show_what_goes() {
    let listed = |seed| {
        let world = World::new(seed);
        let disk = world.disk();
        disk.set_pace(Pace {
            turns: 10,
            stalls: 0,
            longest_stall: Duration::ZERO,
        });
        run(&world, async {
            write(disk, "stays", b"").await.unwrap();
            write(disk, "goes", b"").await.unwrap();
            let goes = disk.unlink(Journal, "goes");
            let comes = disk.create(Journal, "comes");
            let (list, goes, comes) = futures::join!(disk.list(Journal), goes, comes);
            goes.and(comes.map(drop)).unwrap();
            BTreeSet::from_iter(list.unwrap())
        })
    };
    let seen: BTreeSet<_> = (0..200).map(listed).collect();
    assert!(seen.iter().all(|names| names.contains("stays")));
    assert_eq!(seen.len(), 4);
}

#[test]
fn faults_strike_once_or_until_the_disk_is_repaired() {
    let world = World::new(1);
    let disk = world.disk();
    disk.set_faults(FaultPlan::none().once(2, Failure::Io));
    run(&world, async {
        let failed = write(disk, "a", b"abc").await;
        assert!(matches!(failed, Err(DiskError::Failed(_))));
        assert!(visible(&world, "a").unwrap().len() <= 3);
        write(disk, "b", b"abc").await.unwrap();
        disk.set_faults(FaultPlan::none().from(1, Failure::Full));
        assert_eq!(write(disk, "c", b"abc").await, Err(DiskError::Full));
        disk.unlink(Journal, "b").await.unwrap();
        disk.repair();
        write(disk, "c", b"abc").await.unwrap();
        assert_eq!(disk.operations_of(OperationKind::Create), 4);
        let plan = FaultPlan::none().once_of(OperationKind::Create, 5, Failure::IoThoughDone);
        disk.set_faults(plan);
        assert!(write(disk, "d", b"").await.is_err());
        assert!(visible(&world, "d").is_some());
    });
}

#[test]
fn a_full_disk_writes_a_part() {
    let lens: BTreeSet<_> = (0..50)
        .map(|seed| {
            let world = World::new(seed);
            let plan = FaultPlan::none().once_of(OperationKind::Append, 2, Failure::Full);
            world.disk().set_faults(plan);
            let result = run(&world, write(world.disk(), "a", &[1; 10_000]));
            assert_eq!(result, Err(DiskError::Full));
            visible(&world, "a").unwrap().len()
        })
        .collect();
    assert!(lens.len() > 20);
    assert!(lens.iter().all(|len| (8192..=10_000).contains(len)));
}

#[test]
fn every_operation_is_a_crash_point_on_both_sides() {
    let life = |crash: Option<(u64, Side)>| {
        let world = World::new(3);
        if let Some((operation, side)) = crash {
            world.crash_at(operation, side);
        }
        let instance = world.instance();
        let disk = instance.disk.clone();
        let task = world.spawn(&instance, async move {
            write(&disk, "a", &[1; 10_000]).await.unwrap();
            disk.sync_folder(Journal).await.unwrap();
            disk.unlink(Journal, "a").await.unwrap();
        });
        let outcome = world.run(task);
        assert_eq!(outcome == Outcome::Stopped, crash.is_some());
        world.crash_processes();
        world.settle();
        (
            world.disk().operations(),
            visible(&world, "a").map(|a| a.len()),
        )
    };
    assert_eq!(life(None), (5, None));
    assert_eq!(life(Some((1, Side::Before))), (1, None));
    assert_eq!(life(Some((1, Side::After))), (1, Some(0)));
    assert!(life(Some((2, Side::Before))).1.unwrap() <= 8192);
    assert_eq!(life(Some((2, Side::After))), (2, Some(8192)));
    assert!(life(Some((3, Side::Before))).1.unwrap() >= 8192);
    assert_eq!(life(Some((4, Side::After))), (4, Some(10_000)));
    assert_eq!(life(Some((5, Side::Before))), (5, Some(10_000)));
    assert_eq!(life(Some((5, Side::After))), (5, None));
}

#[test]
fn one_instance_dies_at_an_operation_while_another_goes_on() {
    for seed in 0..20 {
        let world = World::new(seed);
        let (victim, other) = (world.instance(), world.instance());
        let work = |instance: &Instance, name: &'static str| {
            let disk = instance.disk.clone();
            world.spawn(instance, async move { write(&disk, name, b"abc").await })
        };
        let (dies, lives) = (work(&victim, "a"), work(&other, "b"));
        world.disk().crash_at(CrashPoint {
            operation: 1,
            side: Side::After,
            victim: Some(victim.group),
        });
        let outcome = run(&world, async { (dies.await, lives.await) });
        assert_eq!(outcome, (None, Some(Ok(()))));
    }
}

#[test]
fn changes_of_published_files_are_violations() {
    let world = World::new(1);
    let disk = world.disk();
    run(&world, async {
        let mut file = disk.create(Journal, "a").await.unwrap();
        file.append(b"abc".to_vec()).await.1.unwrap();
        disk.link((Journal, "a"), (Data, "b")).await.unwrap();
        assert!(disk.violations().is_empty() && disk.damaged().is_empty());
        file.append(b"d".to_vec()).await.1.unwrap();
        assert_eq!(disk.violations().len(), 1);
        assert_eq!(disk.damaged(), ["b"]);
        write(disk, "c", b"other").await.unwrap();
        disk.rename((Journal, "c"), (Data, "b")).await.unwrap();
        assert_eq!(disk.violations().len(), 2);
        let mut visible_too_early = disk.create(Data, "d").await.unwrap();
        visible_too_early.append(b"x".to_vec()).await.1.unwrap();
        assert_eq!(disk.violations().len(), 3);
        assert_eq!(disk.damaged(), ["d"]);
    });
}

#[test]
fn a_published_name_that_was_removed_and_comes_back_is_a_violation() {
    let world = World::new(1);
    let disk = world.disk();
    run(&world, async {
        write(disk, "a", b"abc").await.unwrap();
        disk.link((Journal, "a"), (Data, "b")).await.unwrap();
        disk.unlink(Data, "b").await.unwrap();
        assert_eq!(disk.removed()["b"], b"abc");
        assert!(disk.violations().is_empty());
        disk.link((Journal, "a"), (Data, "b")).await.unwrap();
        assert_eq!(disk.violations().len(), 1);
    });
}
