//! Hours and days: as exact as the segments they are made of, whatever comes
//! late or goes.

use super::brute::{Asked, check};
use super::*;
use crate::report::stamp::rfc3339;
use crate::simulation::fault::OperationKind;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// A segment on the disk and its lines.
struct Stored {
    name: SegmentName,
    lines: Vec<Vec<u8>>,
}

struct Archive {
    generator: Generator,
    stored: Vec<Stored>,
    number: u32,
}

impl Archive {
    /// Adds a segment of some reports between two moments.
    async fn add(&mut self, disk: &SimDisk, first: u64, last: u64) {
        let random = &mut self.generator.random;
        let mut times: Vec<u64> = (0..random.usize(1..9))
            .map(|_| random.u64(first..=last))
            .collect();
        times.sort_unstable();
        let lines = times.into_iter().map(|at| self.generator.line(at));
        let lines: Vec<Vec<u8>> = lines.collect();
        self.number += 1;
        let mut name = put_segment(disk, &lines, (first, last), 0).await;
        // The identifiers of `put_segment` are too few.
        let from = name.to_string();
        name.id[..4].copy_from_slice(&self.number.to_be_bytes());
        let to = name.to_string();
        let renamed = disk.rename((Folder::Data, &from), (Folder::Data, &to));
        renamed.await.unwrap();
        self.stored.push(Stored { name, lines });
    }

    fn lines(&self) -> Vec<Vec<u8>> {
        let lines = self.stored.iter().flat_map(|stored| &stored.lines);
        lines.cloned().collect()
    }

    async fn ask(&mut self, disk: &SimDisk, clock: &SimClock) {
        let random = &mut self.generator.random;
        let edge = |random: &mut fastrand::Rng| {
            let at = random.u64(START - HOUR..START + 4 * DAY);
            let unit = [1, HOUR, DAY][random.usize(0..3)];
            at / unit * unit
        };
        let times = [edge(random), edge(random)].map(|at| at.clamp(START - DAY, START + 5 * DAY));
        let since = times[0].min(times[1]);
        let until = times[0].max(times[1]) + 1;
        let width = ["auto", "10m", "1h", "2h", "6h", "1d"][random.usize(0..6)];
        let query = format!(
            "since={}&until={}&bucket={width}",
            rfc3339(since),
            rfc3339(until)
        );
        let asked = Asked {
            query,
            since,
            until,
            group: "host",
            asn_below: None,
        };
        let table = ask(disk, clock, &asked.query).await.unwrap();
        check(&asked, &self.lines(), &table);
    }
}

#[test]
fn answers_of_long_periods_stay_exact_when_segments_come_late_and_go() {
    let (mut of_hours, mut of_days) = (0, 0);
    for seed in 0..6 {
        let world = World::new(seed);
        world.disk().set_pace(BRISK);
        let instance = world.instance();
        let (disk, clock) = (&instance.disk, &instance.clock);
        let mut archive = Archive {
            generator: Generator::new(seed),
            stored: Vec::new(),
            number: 0,
        };
        run(&world, async {
            for _ in 0..350 {
                let random = &mut archive.generator.random;
                let first = random.u64(START..START + 3 * DAY);
                let length = [60_000, 20 * 60_000, 3 * HOUR][random.usize(0..3)];
                let last = first + random.u64(0..length);
                archive.add(disk, first, last).await;
            }
            // One from before a clock was set right.
            archive.add(disk, 1_000, START + DAY).await;
            clock.sleep(Duration::from_secs(4 * 86_400)).await;
            let mut upkeep = super::super::Upkeep::default();
            for round in 0..12 {
                for _ in 0..4 {
                    archive.ask(disk, clock).await;
                }
                let random = &mut archive.generator.random;
                let (first, gone) = (
                    random.u64(START..START + 3 * DAY),
                    random.usize(0..archive.stored.len()),
                );
                if round % 3 > 0 {
                    archive.add(disk, first, first + 50_000).await;
                    let gone = archive.stored.swap_remove(gone).name.to_string();
                    disk.unlink(Folder::Data, &gone).await.unwrap();
                }
                if round % 4 == 3 {
                    let budget = Duration::from_secs(3600);
                    let left = upkeep.run(disk, clock, &Mapping::default(), budget).await;
                    assert_eq!(left, Ok(0));
                }
            }
        });
        let files = index_files(&world);
        of_hours += files
            .iter()
            .filter(|name| name.starts_with("minutes-"))
            .count();
        of_days += files
            .iter()
            .filter(|name| name.starts_with("hours-"))
            .count();
    }
    assert!(of_hours > 200 && of_days > 15, "{of_hours} {of_days}");
}

#[test]
fn a_long_period_costs_what_is_asked_for_and_not_what_is_stored() {
    let world = World::new(1);
    world.disk().set_pace(BRISK);
    let instance = world.instance();
    let (disk, clock) = (&instance.disk, &instance.clock);
    let mut archive = Archive {
        generator: Generator::new(1),
        stored: Vec::new(),
        number: 0,
    };
    run(&world, async {
        for number in 0..1_500 {
            let first = START + number * 2 * DAY / 1_500;
            archive.add(disk, first, first + 30_000).await;
        }
        clock.sleep(Duration::from_secs(3 * 86_400)).await;
        let mut upkeep = super::super::Upkeep::default();
        let budget = Duration::from_secs(3600);
        let left = upkeep.run(disk, clock, &Mapping::default(), budget).await;
        assert_eq!(left, Ok(0));
        for (query, most) in [
            ("since=2026-11-22T00:00:00Z&bucket=1h", 5),
            ("since=2026-11-22T00:00:00Z&bucket=30m", 52),
            ("since=2026-11-24T10:30:00Z&until=2026-11-24T12:00:00Z", 40),
        ] {
            let before = world.disk().operations_of(OperationKind::Open);
            let table = ask(disk, clock, query).await.unwrap();
            let opened = world.disk().operations_of(OperationKind::Open) - before;
            assert!(table.reports > 100);
            assert!(opened <= most, "{query}: {opened} files opened");
        }
    });
}
