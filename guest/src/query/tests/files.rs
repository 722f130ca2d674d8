//! Segments put on the disk as they are: good, corrupt, foreign, too large.

use super::*;
use crate::disk::DiskFile;
use crate::segment::encoder::Encoder;
use crate::segment::name::SegmentName;

/// Puts a segment with these lines on the disk and returns its name.
async fn put_segment(disk: &SimDisk, lines: &[Known], number: u8) -> SegmentName {
    let mut encoder = Encoder::new(1).unwrap();
    for report in lines {
        encoder.write(&report.line).unwrap();
        encoder.write(b"\n").unwrap();
    }
    let name = SegmentName {
        first_ms: lines.first().unwrap().at_ms,
        last_ms: lines.last().unwrap().at_ms,
        id: [number; 16],
    };
    put(disk, &name.to_string(), encoder.finish().unwrap().bytes).await;
    name
}

async fn put(disk: &SimDisk, name: &str, bytes: Vec<u8>) {
    let mut file = disk.create(Folder::Data, name).await.unwrap();
    file.append(bytes).await.1.unwrap();
}

const START: u64 = 1_795_420_800_000;

/// A store over ten segments of ten reports each, a second apart.
fn with_segments(world: &World) -> (Rc<SimStore>, Vec<Known>, Vec<SegmentName>) {
    let (_, store) = open(world);
    let mut stamper = Stamper::new([3; 32]);
    let mut all = Vec::new();
    let mut names = Vec::new();
    for number in 0..10_u8 {
        let mut lines = Vec::new();
        for n in 0..10_u64 {
            let n = u64::from(number) * 10 + n;
            lines.extend(reports(&mut stamper, START + n * 1_000, n..n + 1));
        }
        let name = world.run(put_segment(world.disk(), &lines, number));
        names.push(name.done().unwrap());
        all.extend(lines);
    }
    (store, all, names)
}

fn lines_of(reports: &[Known]) -> Vec<Vec<u8>> {
    reports.iter().map(|report| report.line.clone()).collect()
}

#[test]
fn a_corrupt_segment_is_named_and_gives_nothing_and_costs_no_other_report() {
    for (limit, order) in [(1_000, "asc"), (3, "asc"), (7, "desc")] {
        let world = World::new(1);
        let (store, all, names) = with_segments(&world);
        let broken = names[4].to_string();
        let mut bytes = world.disk().snapshot()[&(Folder::Data, broken.clone())].clone();
        // The checksum at its end: every line is shown before it is known.
        *bytes.last_mut().unwrap() ^= 1;
        let replaced = async {
            let disk = world.disk();
            disk.unlink(Folder::Data, &broken).await.unwrap();
            put(disk, &broken, bytes).await;
            put(disk, "reports-of-mine.jsonl.zst", b"mine".to_vec()).await;
            put(disk, "notes.txt", b"mine".to_vec()).await;
            ask(&store, &format!("limit={limit}&order={order}")).await
        };
        let (mut lines, faults) = world.run(replaced).done().unwrap();
        if order == "desc" {
            lines.reverse();
        }
        let expected = [&all[..40], &all[50..]].concat();
        assert_eq!(lines, lines_of(&expected), "limit {limit}");
        let files: BTreeSet<_> = faults.iter().map(|(file, _)| file.as_str()).collect();
        assert_eq!(
            files,
            BTreeSet::from([&*broken, "reports-of-mine.jsonl.zst"])
        );
    }
}

#[test]
fn a_segment_outside_the_period_is_not_opened() {
    let world = World::new(1);
    let (store, all, names) = with_segments(&world);
    let questions = async {
        // Whoever opens these finds no frame in them.
        for name in [&names[0], &names[9]] {
            let disk = world.disk();
            disk.unlink(Folder::Data, &name.to_string()).await.unwrap();
            put(disk, &name.to_string(), b"no frame".to_vec()).await;
        }
        let (since, until) = (rfc3339(START + 10_000), rfc3339(START + 90_000));
        let inside = ask(&store, &format!("since={since}&until={until}")).await;
        let first = ask(&store, &format!("since={since}&until={until}&limit=5")).await;
        (inside, first, ask(&store, "").await.1.len())
    };
    let (inside, first, faults_of_all) = world.run(questions).done().unwrap();
    assert_eq!(inside, (lines_of(&all[10..90]), vec![]));
    assert_eq!(first, (lines_of(&all[10..90]), vec![]));
    assert_eq!(faults_of_all, 2);
}

#[test]
fn a_bomb_is_refused_by_what_it_declares() {
    let world = World::new(1);
    let (store, all, _) = with_segments(&world);
    let bomb = zstd::bulk::compress(&vec![b'\n'; 70 << 20], 3).unwrap();
    assert!(bomb.len() < 10_000);
    let name = SegmentName {
        first_ms: START,
        last_ms: START,
        id: [99; 16],
    };
    let asked = async {
        put(world.disk(), &name.to_string(), bomb).await;
        ask(&store, "limit=50").await
    };
    let (lines, faults) = world.run(asked).done().unwrap();
    assert_eq!(lines, lines_of(&all));
    assert!(faults.iter().all(|(file, _)| *file == name.to_string()));
    assert!(!faults.is_empty());
}

#[test]
fn lines_that_do_not_fit_into_memory_come_all_and_in_order() {
    let world = World::new(1);
    let (_, store) = open(&world);
    let mut stamper = Stamper::new([3; 32]);
    let mut all = Vec::new();
    for n in 0..60_u64 {
        let mut report = reports(&mut stamper, START + n, n..n + 1).remove(0);
        let length = if n % 20 == 7 { 3 << 20 } else { 150_000 };
        report.line.pop();
        report.line.extend_from_slice(b",\"long\":\"");
        report.line.extend(std::iter::repeat_n(b'x', length));
        report.line.extend_from_slice(b"\"}");
        all.push(report);
    }
    let asked = async {
        // Out of order within and among the segments.
        for (number, part) in all.chunks(20).enumerate() {
            let mut part = part.to_vec();
            part[1..19].reverse();
            put_segment(world.disk(), &part, u8::try_from(number).unwrap()).await;
        }
        let ascending = ask(&store, "limit=55").await;
        (ascending, ask(&store, "limit=55&order=desc").await)
    };
    let (ascending, mut descending) = world.run(asked).done().unwrap();
    assert!(ascending == (lines_of(&all), vec![]));
    descending.0.reverse();
    assert!(descending == (lines_of(&all), vec![]));
}

#[test]
fn a_pass_whose_time_is_up_says_where_to_go_on() {
    for order in ["asc", "desc"] {
        let world = World::new(1);
        let (store, all, _) = with_segments(&world);
        let asked = async {
            let (mut lines, mut passes) = (Vec::new(), 0);
            let mut question = Question::parse(&format!("order={order}"), START).unwrap();
            loop {
                let pass = Pass {
                    store: &store,
                    question: &question,
                    part: Part::After(question.after, question.limit),
                    deadline: Duration::ZERO,
                };
                let found = pass.run().await.unwrap();
                passes += 1;
                lines.extend(found.lines.into_values());
                match found.looked_to {
                    Some(place) => question.after = Some(place),
                    None => return (lines, passes),
                }
            }
        };
        let (mut lines, passes) = world.run(asked).done().unwrap();
        if order == "desc" {
            lines.reverse();
        }
        assert_eq!(lines, lines_of(&all));
        assert_eq!(passes, 10);
    }
}

#[test]
fn a_report_that_was_pruned_is_not_looked_for_behind_its_place() {
    let world = World::new(1);
    let (store, all, names) = with_segments(&world);
    let asked = async {
        // Whoever opens the last one finds no frame in it, and names it.
        for (name, bytes) in [(&names[1], None), (&names[9], Some(b"no frame".to_vec()))] {
            let name = name.to_string();
            world.disk().unlink(Folder::Data, &name).await.unwrap();
            if let Some(bytes) = bytes {
                put(world.disk(), &name, bytes).await;
            }
        }
        let question = Question::parse("", START).unwrap();
        let key = |report: &Known| {
            let received = Received::of(&report.line).unwrap();
            (Key::of(&received, question.order), 0)
        };
        let named: Vec<_> = all[5..15].iter().map(key).collect();
        let pass = Pass {
            store: &store,
            question: &question,
            part: Part::These(&named),
            deadline: Duration::MAX,
        };
        pass.run().await.unwrap()
    };
    let found = world.run(asked).done().unwrap();
    let lines: Vec<_> = found.lines.into_values().collect();
    assert_eq!(lines, lines_of(&all[5..10]));
    assert_eq!(found.faults, []);
}

#[test]
fn parameters_that_cannot_be_used_are_named() {
    for (query, part) in [
        ("since=monday", "since: \"monday\""),
        ("until=15m", "until: \"15m\""),
        ("limit=0", "limit: \"0\""),
        ("limit=-1", "limit: \"-1\""),
        ("order=newest", "order: \"newest\""),
        ("cursor=abc", "cursor: "),
        ("where=a", "where: \"a\""),
        ("fields=a", "fields: \"a\""),
        ("wher=/a:exists", "no parameter \"wher\""),
    ] {
        let error = Question::parse(query, START).unwrap_err();
        assert!(error.contains(part), "{query}: {error}");
    }
    let all = Question::parse("limit=99999", START).unwrap();
    assert_eq!(all.limit, MAX_REPORTS_PER_PAGE);
}
