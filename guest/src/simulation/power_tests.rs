#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use super::World;
use super::disk::SimDisk;
use super::fault::{Failure, FaultPlan, OperationKind};
use super::file::SECTOR;
use crate::disk::Folder::{Data, Journal};
use crate::disk::{Disk, DiskFile, Folder};

/// What is on the disk after the power was lost, for each of 200 seeds.
fn losses(life: impl AsyncFn(&SimDisk)) -> Vec<Vec<(Folder, String, Vec<u8>)>> {
    let after = |seed| {
        let world = World::new(seed);
        world.run(life(world.disk())).done().expect("the life ends");
        world.lose_power();
        let files = world.disk().snapshot().into_iter();
        files
            .map(|((folder, name), content)| (folder, name, content))
            .collect()
    };
    (0..200).map(after).collect()
}

/// The sets of names that some loss leaves.
fn names_left(life: impl AsyncFn(&SimDisk)) -> BTreeSet<Vec<String>> {
    let names = |files: Vec<(Folder, String, Vec<u8>)>| {
        files.into_iter().map(|(_, name, _)| name).collect()
    };
    losses(life).into_iter().map(names).collect()
}

fn sets(expected: &[&[&str]]) -> BTreeSet<Vec<String>> {
    let set = |names: &&[&str]| names.iter().map(ToString::to_string).collect();
    expected.iter().map(set).collect()
}

/// A content in which each sector is recognized.
fn numbered(len: usize) -> Vec<u8> {
    let byte = |at: usize| u8::try_from(1 + at / SECTOR % 255).unwrap();
    (0..len).map(byte).collect()
}

#[test]
fn what_was_synced_with_its_name_is_never_lost() {
    let content = numbered(10_000);
    for left in losses(async |disk| {
        let mut file = disk.create(Journal, "a").await.unwrap();
        file.append(numbered(10_000)).await.1.unwrap();
        file.sync().await.unwrap();
        disk.sync_folder(Journal).await.unwrap();
        file.append(vec![0xEE; 3000]).await.1.unwrap();
    }) {
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].2[..10_000], content);
    }
}

#[test]
fn what_was_not_synced_is_lost_by_the_sector() {
    let content = numbered(5000);
    let (mut lens, mut holes, mut whole) = (BTreeSet::new(), 0, 0);
    for mut left in losses(async |disk| {
        let mut file = disk.create(Journal, "a").await.unwrap();
        disk.sync_folder(Journal).await.unwrap();
        file.append(numbered(5000)).await.1.unwrap();
    }) {
        let left = left.pop().expect("the name is durable").2;
        lens.insert(left.len());
        whole += usize::from(left == content);
        for (index, sector) in left.chunks(SECTOR).enumerate() {
            let kept = sector == &content[index * SECTOR..][..sector.len()];
            let lost = sector.iter().zip(&content[index * SECTOR..]);
            // A lost sector is lost whole: its bytes are not a mixture.
            let same = lost.filter(|(left, written)| left == written).count();
            assert!(kept || same * 10 < sector.len() || sector.len() < 40);
            holes += usize::from(!kept);
        }
    }
    assert!(lens.len() > 20 && lens.contains(&0) && lens.contains(&5000));
    assert!(holes > 100 && whole > 10);
}

#[test]
fn a_name_is_durable_only_when_its_folder_was_synced() {
    let created = names_left(async |disk| {
        let mut file = disk.create(Journal, "a").await.unwrap();
        file.append(b"abc".to_vec()).await.1.unwrap();
        file.sync().await.unwrap();
    });
    assert_eq!(created, sets(&[&[], &["a"]]));

    let linked = names_left(async |disk| {
        disk.create(Journal, "a").await.unwrap();
        disk.link((Journal, "a"), (Data, "b")).await.unwrap();
        disk.sync_folder(Journal).await.unwrap();
    });
    assert_eq!(linked, sets(&[&["a"], &["b", "a"]]));

    let unlinked = names_left(async |disk| {
        disk.create(Journal, "a").await.unwrap();
        disk.sync_folder(Journal).await.unwrap();
        disk.unlink(Journal, "a").await.unwrap();
    });
    assert_eq!(unlinked, sets(&[&[], &["a"]]));
}

#[test]
fn names_survive_in_any_order() {
    let left = names_left(async |disk| {
        for name in ["a", "b", "c"] {
            disk.create(Journal, name).await.unwrap();
        }
    });
    assert_eq!(left.len(), 8);
}

#[test]
fn a_renamed_file_is_never_lost() {
    let rename = async |disk: &SimDisk| {
        disk.create(Journal, "old").await.unwrap();
        disk.sync_folder(Journal).await.unwrap();
        disk.rename((Journal, "old"), (Data, "new")).await.unwrap();
    };
    let either = sets(&[&["old"], &["new", "old"], &["new"]]);
    assert_eq!(names_left(rename), either);
    let target_synced = names_left(async |disk| {
        rename(disk).await;
        disk.sync_folder(Data).await.unwrap();
    });
    assert_eq!(target_synced, sets(&[&["new", "old"], &["new"]]));
    let source_synced = names_left(async |disk| {
        rename(disk).await;
        disk.sync_folder(Journal).await.unwrap();
    });
    assert_eq!(source_synced, sets(&[&["new"]]));
}

#[test]
fn a_file_renamed_before_its_name_is_taken_again_is_never_lost() {
    for left in losses(async |disk| {
        let mut file = disk.create(Journal, "a").await.unwrap();
        file.append(b"first".to_vec()).await.1.unwrap();
        file.sync().await.unwrap();
        disk.sync_folder(Journal).await.unwrap();
        disk.rename((Journal, "a"), (Journal, "b")).await.unwrap();
        disk.create(Journal, "a").await.unwrap();
    }) {
        assert!(left.iter().any(|(_, _, content)| content == b"first"));
    }
}

#[test]
fn after_a_failed_sync_a_later_success_proves_nothing() {
    let mut lost = 0;
    let mut kept = 0;
    for left in losses(async |disk| {
        let plan = FaultPlan::none().once_of(OperationKind::Sync, 1, Failure::Io);
        disk.set_faults(plan);
        let mut file = disk.create(Journal, "a").await.unwrap();
        disk.sync_folder(Journal).await.unwrap();
        file.append(vec![1; SECTOR]).await.1.unwrap();
        assert!(file.sync().await.is_err());
        file.append(vec![2; SECTOR]).await.1.unwrap();
        file.sync().await.unwrap();
    }) {
        let content = &left[0].2;
        assert_eq!(content[SECTOR..], [2; SECTOR]);
        match content[..SECTOR] == [1; SECTOR] {
            true => kept += 1,
            false => lost += 1,
        }
    }
    assert!(lost > 20 && kept > 20);
}

#[test]
fn after_a_failed_folder_sync_a_later_success_proves_nothing() {
    let left = names_left(async |disk| {
        let plan = FaultPlan::none().once_of(OperationKind::SyncFolder, 1, Failure::Io);
        disk.set_faults(plan);
        disk.create(Journal, "a").await.unwrap();
        assert!(disk.sync_folder(Journal).await.is_err());
        disk.create(Journal, "b").await.unwrap();
        disk.sync_folder(Journal).await.unwrap();
    });
    assert_eq!(left, sets(&[&["a", "b"], &["b"]]));

    let undone = names_left(async |disk| {
        let plan = FaultPlan::none().once_of(OperationKind::SyncFolder, 1, Failure::Io);
        disk.set_faults(plan);
        disk.create(Journal, "a").await.unwrap();
        assert!(disk.sync_folder(Journal).await.is_err());
        disk.unlink(Journal, "a").await.unwrap();
        disk.sync_folder(Journal).await.unwrap();
    });
    assert_eq!(undone, sets(&[&[]]));
}

#[test]
fn a_sync_covers_only_what_was_there_when_it_began() {
    let lost = losses(async |disk| {
        let mut file = disk.create(Journal, "a").await.unwrap();
        disk.sync_folder(Journal).await.unwrap();
        let reader = disk.open(Journal, "a", false).await.unwrap();
        let (synced, appended) = futures::join!(reader.sync(), file.append(vec![1; 100]));
        synced.and(appended.1).unwrap();
    });
    assert!(lost.iter().any(|left| left[0].2 != [1; 100]));
}

#[test]
fn a_published_file_that_was_not_synced_may_be_damaged() {
    let damaged = |synced: bool| {
        let damages = |seed: u64| {
            let world = World::new(seed);
            let disk = world.disk();
            let publish = world.run(async {
                let mut file = disk.create(Journal, "a").await.unwrap();
                file.append(numbered(4000)).await.1.unwrap();
                if synced {
                    file.sync().await.unwrap();
                }
                disk.link((Journal, "a"), (Data, "b")).await.unwrap();
                disk.sync_folder(Data).await.unwrap();
            });
            publish.done().expect("it is published");
            world.lose_power();
            disk.damaged().len()
        };
        (0..100).map(damages).sum::<usize>()
    };
    assert_eq!(damaged(true), 0);
    assert!(damaged(false) > 30);
}

#[test]
fn killed_processes_lose_nothing_that_was_written() {
    for seed in 0..50 {
        let world = World::new(seed);
        let disk = world.disk();
        let life = world.run(async {
            let mut file = disk.create(Journal, "a").await.unwrap();
            file.append(numbered(5000)).await.1.unwrap();
        });
        life.done().expect("it is written");
        world.crash_processes();
        let files: Vec<_> = disk.snapshot().into_values().collect();
        assert_eq!(files, [numbered(5000)]);
    }
}
