//! A journal small enough to see through, on which the simulation proves itself:
//! written correctly it survives every crash, and each mistake is caught.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::fault::Side;
use super::{Instance, World};
use crate::disk::Folder::{Data, Journal};
use crate::disk::{Disk, DiskError, DiskFile, DiskResult};

const CLIENTS: u8 = 3;
const RECORDS: u8 = 6;
const RECORD_BYTES: usize = 8;

/// What the journal gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    AcknowledgesBeforeAppend,
    SkipsSync,
    SkipsFolderSync,
    SkipsSumCheck,
    UnlinksBeforePublishing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crash {
    Processes,
    Power,
}

/// Records that were acknowledged: client and number.
type Ledger = Rc<RefCell<BTreeSet<(u8, u8)>>>;

fn record(client: u8, number: u8) -> [u8; RECORD_BYTES] {
    let sum = client.wrapping_mul(31) ^ number ^ 0xA5;
    [b'R', client, number, sum, b'.', b'.', b'.', b'\n']
}

/// Stores one client's records in a journal of its own, each synced by itself.
async fn store(instance: Instance, client: u8, mistake: Mistake, ledger: Ledger) {
    let disk = instance.disk;
    let name = format!("journal-{client}");
    let mut file = disk.create(Journal, &name).await.unwrap();
    if mistake != Mistake::SkipsFolderSync {
        disk.sync_folder(Journal).await.unwrap();
    }
    for number in 0..RECORDS {
        if mistake == Mistake::AcknowledgesBeforeAppend {
            ledger.borrow_mut().insert((client, number));
        }
        file.append(record(client, number).to_vec())
            .await
            .1
            .unwrap();
        if mistake != Mistake::SkipsSync {
            file.sync().await.unwrap();
        }
        ledger.borrow_mut().insert((client, number));
    }
}

/// Publishes every journal; a crash at any point leaves it to be repeated.
async fn recover(instance: Instance, mistake: Mistake) {
    let disk = &instance.disk;
    for name in disk.list(Journal).await.unwrap() {
        if name.starts_with("temporary") {
            unlink(&instance, &name).await.unwrap();
        } else {
            match publish(&instance, &name, mistake).await {
                // An operation of the dead has finished in the meantime.
                Ok(()) | Err(DiskError::NotFound) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

async fn publish(instance: &Instance, name: &str, mistake: Mistake) -> DiskResult<()> {
    let disk = &instance.disk;
    let file = disk.open(Journal, name, false).await?;
    let bytes = file.read_at(0, 1 << 20).await?;
    let records = bytes
        .chunks_exact(RECORD_BYTES)
        .filter(|bytes| mistake == Mistake::SkipsSumCheck || **bytes == record(bytes[1], bytes[2]));
    let records: Vec<u8> = records.flatten().copied().collect();
    if mistake == Mistake::UnlinksBeforePublishing {
        unlink(instance, name).await?;
    }
    let temporary = format!("temporary-{}", instance.group);
    let mut copy = disk.create(Journal, &temporary).await?;
    copy.append(records).await.1?;
    copy.sync().await?;
    match disk.link((Journal, &temporary), (Data, name)).await {
        Ok(()) | Err(DiskError::Exists) => {}
        Err(error) => return Err(error),
    }
    disk.sync_folder(Data).await?;
    unlink(instance, &temporary).await?;
    unlink(instance, name).await
}

async fn unlink(instance: &Instance, name: &str) -> DiskResult<()> {
    match instance.disk.unlink(Journal, name).await {
        Err(DiskError::NotFound) => Ok(()),
        result => result,
    }
}

/// Operations of a life that is not crashed by the test, and what was found
/// wrong at its end.
struct Verdict {
    operations: u64,
    complaints: Vec<String>,
}

/// Store, crash (at the end, or at an operation, perhaps within the recovery),
/// recover, crash, recover, check.
fn life(seed: u64, mistake: Mistake, crash: Crash, point: Option<(u64, Side)>) -> Verdict {
    let world = World::new(seed);
    if let Some((operation, side)) = point {
        world.crash_at(operation, side);
    }
    let ledger = Ledger::default();
    let first = world.instance();
    let clients = (0..CLIENTS).map(|client| {
        let task = store(first.clone(), client, mistake, ledger.clone());
        world.spawn(&first, task)
    });
    let clients = futures::future::join_all(clients);
    world.run(clients).unless_crashed();
    for _ in 0..2 {
        match crash {
            Crash::Processes => world.crash_processes(),
            Crash::Power => world.lose_power(),
        }
        let heir = world.instance();
        let recovery = world.spawn(&heir, recover(heir.clone(), mistake));
        world.run(recovery).unless_crashed();
    }
    world.settle();
    Verdict {
        operations: world.disk().operations(),
        complaints: complaints(&world, &ledger.borrow()),
    }
}

fn complaints(world: &World, acknowledged: &BTreeSet<(u8, u8)>) -> Vec<String> {
    let mut stored: BTreeMap<(u8, u8), u32> = BTreeMap::new();
    let mut complaints = world.disk().violations();
    complaints.extend(world.disk().damaged());
    for ((folder, name), bytes) in world.disk().snapshot() {
        for bytes in bytes.chunks(RECORD_BYTES).filter(|_| folder == Data) {
            if bytes.len() < 3 || *bytes != record(bytes[1], bytes[2]) {
                complaints.push(format!("{name}: {bytes:?} is no record"));
            } else {
                *stored.entry((bytes[1], bytes[2])).or_default() += 1;
            }
        }
    }
    let lost = acknowledged.iter().filter(|key| !stored.contains_key(key));
    complaints.extend(lost.map(|key| format!("{key:?} lost")));
    let doubled = stored.iter().filter(|(_, count)| **count > 1);
    complaints.extend(doubled.map(|(key, _)| format!("{key:?} doubled")));
    complaints
}

/// Whether some crash in some life is survived badly.
fn is_caught(mistake: Mistake, crash: Crash, seeds: u64) -> bool {
    (0..seeds).any(|seed| {
        let operations = life(seed, mistake, crash, None).operations;
        let points = 1..=operations;
        let mut both = points.flat_map(|at| [(at, Side::Before), (at, Side::After)]);
        both.any(|point| {
            !life(seed, mistake, crash, Some(point))
                .complaints
                .is_empty()
        })
    })
}

#[test]
fn a_correct_journal_survives_a_crash_at_every_operation() {
    for crash in [Crash::Processes, Crash::Power] {
        for seed in 0..6 {
            let whole = life(seed, Mistake::None, crash, None);
            assert_eq!(whole.complaints, [""; 0]);
            for operation in 1..=whole.operations {
                for side in [Side::Before, Side::After] {
                    let point = Some((operation, side));
                    let verdict = life(seed, Mistake::None, crash, point);
                    let complaints = verdict.complaints;
                    assert!(
                        complaints.is_empty(),
                        "seed {seed} {crash:?} {point:?}: {complaints:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn each_mistake_is_caught() {
    assert!(is_caught(
        Mistake::AcknowledgesBeforeAppend,
        Crash::Processes,
        5
    ));
    assert!(is_caught(Mistake::SkipsSync, Crash::Power, 5));
    assert!(is_caught(Mistake::SkipsFolderSync, Crash::Power, 5));
    assert!(is_caught(Mistake::SkipsSumCheck, Crash::Power, 20));
    assert!(is_caught(
        Mistake::UnlinksBeforePublishing,
        Crash::Processes,
        5
    ));
}

#[test]
fn a_life_without_syncs_still_survives_the_death_of_its_processes() {
    assert!(!is_caught(Mistake::SkipsSync, Crash::Processes, 3));
    assert!(!is_caught(Mistake::SkipsFolderSync, Crash::Processes, 3));
}
