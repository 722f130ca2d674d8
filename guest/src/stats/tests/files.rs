//! The files below `index/`: used where they are good, made again where not.

use super::super::index_name::{IndexFile, Kind};
use super::super::mapping::Sample;
use super::super::rows::{OTHER, Rows};
use super::super::side_file::encode;
use super::super::{Upkeep, index};
use super::*;
use crate::limits::{MAX_GROUPS, MAX_PROBLEMS};
use crate::simulation::fault::{Failure, FaultPlan, OperationKind};
use std::collections::BTreeMap;

const MINUTE: u64 = 60_000;
const BUDGET: Duration = Duration::from_secs(3600);

/// Six segments, a minute each, and their names.
async fn segments(disk: &SimDisk) -> Vec<SegmentName> {
    let mut generator = Generator::new(3);
    let mut names = Vec::new();
    for number in 0..6_u8 {
        let first = START + u64::from(number) * MINUTE;
        let lines = generator.lines(first + 1_000, 40);
        names.push(put_segment(disk, &lines, (first, first + 59_000), number).await);
    }
    names
}

/// A fixed period, so that answers are equal however late it is.
const PERIOD: &str = "since=2026-11-23T07:00:00Z&until=2026-11-23T09:00:00Z";

fn asked(world: &World, instance: &Instance) -> Table {
    run(world, ask(&instance.disk, &instance.clock, PERIOD)).unwrap()
}

fn sound(world: &World) -> (Instance, Vec<SegmentName>, Table) {
    world.disk().set_pace(BRISK);
    let instance = world.instance();
    let names = run(world, segments(&instance.disk));
    let table = asked(world, &instance);
    assert_eq!((table.reports, index_files(world).len()), (240, 6));
    (instance, names, table)
}

/// Bytes of a file that says what no report has said.
fn invented(segment: &SegmentName, name: &str) -> (String, Vec<u8>) {
    let file = index::file_of(Mapping::default().fingerprint(), segment);
    let IndexFile::Segment { key, .. } = file else {
        panic!("a segment's file")
    };
    let mut rows = Rows::default();
    rows.report(segment.first_ms, None, |add| {
        add(name, Sample::Took(1.0));
        1
    });
    (file.to_string(), encode(Kind::Segment, key, &mut rows))
}

#[test]
fn a_good_file_is_taken_in_the_place_of_its_segment() {
    let world = World::new(1);
    let (instance, names, table) = sound(&world);
    let (file, bytes) = invented(&names[2], "invented");
    run(&world, put(&instance.disk, Folder::Index, &file, bytes));
    let other = asked(&world, &instance);
    assert_eq!(other.reports, table.reports - 39);
    assert!(other.groups.iter().any(|group| group.name == "invented"));
    let query = format!("{PERIOD}&where=/_received:exists");
    let scanned = run(&world, ask(&instance.disk, &instance.clock, &query)).unwrap();
    assert_eq!(scanned.groups, table.groups);
}

#[test]
fn a_missing_torn_broken_or_foreign_file_is_made_again() {
    let world = World::new(1);
    let (instance, names, table) = sound(&world);
    let good = world.disk().snapshot();
    let (file, _) = invented(&names[2], "x");
    let bytes = good[&(Folder::Index, file.clone())].clone();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 4;
    let mut next_version = bytes.clone();
    next_version[4] += 1;
    let (_, of_another) = invented(&names[3], "invented");
    for broken in [
        None,
        Some(Vec::new()),
        Some(bytes[..bytes.len() - 1].to_vec()),
        Some([bytes.clone(), vec![0]].concat()),
        Some(flipped),
        Some(next_version),
        Some(of_another),
    ] {
        run(&world, async {
            instance.disk.unlink(Folder::Index, &file).await.unwrap();
            if let Some(broken) = broken {
                put(&instance.disk, Folder::Index, &file, broken).await;
            }
        });
        assert_eq!(asked(&world, &instance), table);
        assert_eq!(world.disk().snapshot(), good);
    }
}

#[test]
fn a_question_that_may_not_wait_gets_on_each_time_it_is_asked() {
    let world = World::new(1);
    let (instance, names, table) = sound(&world);
    for file in index_files(&world) {
        run(&world, instance.disk.unlink(Folder::Index, &file)).unwrap();
    }
    let (disk, clock, mapping) = (&instance.disk, &instance.clock, Mapping::default());
    let mut question = Question::parse(PERIOD, clock.wall_ms()).unwrap();
    question.patience = Some(Duration::ZERO);
    for left in (1..names.len()).rev() {
        let answered = run(&world, answer(disk, clock, &mapping, &question));
        assert_eq!(answered, Err(StatsError::NotReady(left)));
        assert_eq!(index_files(&world).len(), names.len() - left);
    }
    let answered = run(&world, answer(disk, clock, &mapping, &question));
    assert_eq!(answered.as_ref(), Ok(&table));
    let query = format!("{PERIOD}&group=client");
    question = Question::parse(&query, clock.wall_ms()).unwrap();
    question.patience = Some(Duration::ZERO);
    let answered = run(&world, answer(disk, clock, &mapping, &question));
    assert_eq!(answered, Err(StatsError::TooMuch(names.len() - 1)));
}

#[test]
fn other_settings_have_other_files() {
    let world = World::new(1);
    let (instance, _, table) = sound(&world);
    let mut mapping = Mapping::default();
    mapping.set("STATS_HOST_NAME", "/url").unwrap();
    let question = Question::parse(PERIOD, instance.clock.wall_ms()).unwrap();
    let other = answer(&instance.disk, &instance.clock, &mapping, &question);
    let other = run(&world, other).unwrap();
    assert!(
        other
            .groups
            .iter()
            .all(|group| group.name.starts_with("https://"))
    );
    assert_eq!(index_files(&world).len(), 12);
    assert_eq!(asked(&world, &instance), table);
}

#[test]
fn a_disk_that_takes_nothing_is_answered_from_all_the_same() {
    let world = World::new(1);
    let (instance, names, table) = sound(&world);
    let files = index_files(&world);
    for file in files {
        run(&world, instance.disk.unlink(Folder::Index, &file)).unwrap();
    }
    for kind in [
        OperationKind::Create,
        OperationKind::Append,
        OperationKind::Rename,
    ] {
        world
            .disk()
            .set_faults(FaultPlan::none().all_of(kind, 1, Failure::Full));
        assert_eq!(asked(&world, &instance), table);
        assert_eq!(index_files(&world), Vec::<String>::new(), "{kind:?}");
    }
    world.disk().repair();
    assert_eq!(asked(&world, &instance), table);
    assert_eq!(index_files(&world).len(), names.len());
}

#[test]
fn corrupt_and_foreign_segments_are_named_and_cost_no_other_report() {
    let world = World::new(1);
    let (instance, names, table) = sound(&world);
    let broken = names[4].to_string();
    let mut bytes = world.disk().snapshot()[&(Folder::Data, broken.clone())].clone();
    // The checksum at its end: every line is shown before it is known.
    *bytes.last_mut().unwrap() ^= 1;
    run(&world, async {
        let (disk, none) = (&instance.disk, Vec::new());
        for file in index_files(&world) {
            disk.unlink(Folder::Index, &file).await.unwrap();
        }
        put(disk, Folder::Data, &broken, bytes).await;
        put(
            disk,
            Folder::Data,
            "reports-of-mine.jsonl.zst",
            b"mine".to_vec(),
        )
        .await;
        put(disk, Folder::Data, "notes.txt", none).await;
    });
    let without = asked(&world, &instance);
    assert_eq!(without.reports, table.reports - 40);
    assert_eq!(without.problems.len(), 2, "{:?}", without.problems);
    assert!(without.problems[0].starts_with("reports-of-mine.jsonl.zst: "));
    assert!(without.problems[1].starts_with(&format!("{broken}: ")));
    run(&world, async {
        for n in 0..100 {
            let name = format!("reports-{n}.zst");
            put(&instance.disk, Folder::Data, &name, Vec::new()).await;
        }
    });
    assert_eq!(asked(&world, &instance).problems.len(), MAX_PROBLEMS + 1);
}

#[test]
fn upkeep_makes_what_is_missing_and_removes_only_what_is_ours() {
    let world = World::new(1);
    let (instance, names, _) = sound(&world);
    let (disk, clock, mapping) = (&instance.disk, &instance.clock, Mapping::default());
    let files = index_files(&world);
    let old = IndexFile::Temporary(crate::store::new_id(clock)).to_string();
    run(&world, async {
        put(disk, Folder::Index, &old, Vec::new()).await;
        clock.sleep(Duration::from_secs(700)).await;
    });
    let young = IndexFile::Temporary(crate::store::new_id(clock)).to_string();
    let mut upkeep = Upkeep::default();
    let first = run(&world, async {
        for name in [young.as_str(), "notes.stats", "notes.txt"] {
            put(disk, Folder::Index, name, Vec::new()).await;
        }
        put(
            disk,
            Folder::Data,
            &names[0].to_string(),
            b"corrupt".to_vec(),
        )
        .await;
        disk.unlink(Folder::Data, &names[5].to_string())
            .await
            .unwrap();
        for file in &files[..3] {
            disk.unlink(Folder::Index, file).await.unwrap();
        }
        upkeep.run(disk, clock, &mapping, Duration::ZERO).await
    });
    // One at least, the newest that is missing.
    assert_eq!(first, Ok(2));
    let missing = |world: &World, segment: &SegmentName| {
        let file = index::file_of(mapping.fingerprint(), segment).to_string();
        !index_files(world).contains(&file)
    };
    assert!(!missing(&world, &names[2]) && missing(&world, &names[1]));
    assert_eq!(
        run(&world, upkeep.run(disk, clock, &mapping, BUDGET)),
        Ok(0)
    );
    assert_eq!(
        run(&world, upkeep.run(disk, clock, &mapping, BUDGET)),
        Ok(0)
    );
    let expected = names[1..5].iter();
    let expected = expected.map(|name| index::file_of(mapping.fingerprint(), name).to_string());
    let mut expected: Vec<String> = expected.collect();
    expected.extend([young, "notes.stats".to_owned(), "notes.txt".to_owned()]);
    expected.sort();
    let mut there = index_files(&world);
    there.sort();
    assert_eq!(there, expected);
    let mut other = Mapping::default();
    other.set("STATS_CLIENT", "/x").unwrap();
    assert_eq!(run(&world, upkeep.run(disk, clock, &other, BUDGET)), Ok(0));
    assert_eq!(index_files(&world).len(), 4 + 3);
}

/// Strangers choose the names; memory and answer are bounded, and hosts that
/// measure more are not displaced.
#[test]
fn many_thousand_invented_hosts_are_put_together() {
    let world = World::new(1);
    world.disk().set_pace(BRISK);
    let instance = world.instance();
    let mut generator = Generator::new(1);
    run(&world, async {
        for number in 0..10_u64 {
            let at = START + number * MINUTE;
            generator.stamper.set_time(at);
            let mut lines = Vec::new();
            for n in 0..1_000 {
                let mut line = generator.stamper.next_prefix().to_vec();
                let rest = format!(
                    ",\"clientId\":\"{n}\",\"hosts\":[{{\"name\":\"{number} {n}\",\"history\":[{{\"latency\":1}}]}},\
                     {{\"name\":\"real\",\"history\":[{{\"latency\":2}},{{\"latency\":3}}]}}]}}"
                );
                line.extend_from_slice(rest.as_bytes());
                lines.push(line);
            }
            put_segment(&instance.disk, &lines, (at, at), number as u8).await;
        }
    });
    for query in ["since=-1h&until=%2B1h", "since=-1h&until=%2B1h&bucket=30s"] {
        let table = run(&world, ask(&instance.disk, &instance.clock, query)).unwrap();
        assert!(table.groups.len() <= MAX_GROUPS + 1);
        let samples: BTreeMap<_, _> = table
            .groups
            .iter()
            .map(|group| (group.name.as_str(), group.total.samples))
            .collect();
        assert_eq!(samples["real"], 20_000);
        assert!(samples[OTHER] > 9_000);
        assert_eq!(samples.values().sum::<u64>(), 30_000);
        assert_eq!(table.reports, 10_000);
    }
    assert!(index_files(&world).len() == 10);
}
