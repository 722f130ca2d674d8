//! Statistics against brute force, over the simulated disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod brute;
mod files;
mod publishing;
mod roll_ups;

use super::mapping::Mapping;
use super::question::Question;
use super::table::Table;
use super::{StatsError, answer};
use crate::clock::Clock;
use crate::config::{Durability, Settings};
use crate::disk::{Disk, DiskFile, Folder};
use crate::journal::writer::Batch;
use crate::report::Stamper;
use crate::segment::encoder::Encoder;
use crate::segment::name::SegmentName;
use crate::simulation::clock::SimClock;
use crate::simulation::disk::{Pace, SimDisk};
use crate::simulation::{Instance, World};
use crate::store::Store;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

type SimStore = Store<SimDisk, SimClock>;

/// A disk without stalls.
const BRISK: Pace = Pace {
    turns: 3,
    stalls: 0,
    longest_stall: Duration::ZERO,
};

const START: u64 = 1_795_420_800_000;

fn open(world: &World) -> (Instance, Rc<SimStore>) {
    let instance = world.instance();
    let settings = Settings {
        durability: Durability::Crash,
        flush_bytes: 64 << 10,
        flush_interval: Duration::from_secs(60),
        ..Settings::default()
    };
    let (disk, clock) = (instance.disk.clone(), instance.clock.clone());
    (instance, Store::new(disk, clock, settings))
}

fn run<T>(world: &World, future: impl Future<Output = T>) -> T {
    world.run(future).done().expect("the run ends")
}

async fn ask(disk: &SimDisk, clock: &SimClock, query: &str) -> Result<Table, StatsError> {
    let question = Question::parse(query, clock.wall_ms()).unwrap();
    answer(disk, clock, &Mapping::default(), &question).await
}

/// Stores these lines and returns when they are acknowledged.
async fn post(store: &Rc<SimStore>, lines: &[Vec<u8>]) {
    let mut batch = Batch::new();
    for line in lines {
        batch.frame.extend_from_slice(line);
        batch.frame.push(b'\n');
        batch.reports += 1;
    }
    let now = store.clock().wall_ms();
    (batch.first_ms, batch.last_ms) = (now, now);
    store.accept(batch).await.expect("acknowledged");
}

/// Reports as a NetWatch page sends them, and some that are none.
struct Generator {
    random: fastrand::Rng,
    stamper: Stamper,
}

impl Generator {
    fn new(seed: u64) -> Generator {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Generator {
            random: fastrand::Rng::with_seed(seed),
            stamper: Stamper::new(bytes),
        }
    }

    /// The stored line of a report received at this time.
    fn line(&mut self, at_ms: u64) -> Vec<u8> {
        self.stamper.set_time(at_ms);
        let mut line = self.stamper.next_prefix().to_vec();
        let body = self.body();
        line.extend_from_slice(body.as_bytes());
        line
    }

    fn lines(&mut self, at_ms: u64, reports: usize) -> Vec<Vec<u8>> {
        (0..reports).map(|_| self.line(at_ms)).collect()
    }

    /// What follows `_received`.
    fn body(&mut self) -> String {
        if self.random.u8(0..20) == 0 {
            let strange = ["}", ",\"rtt\":5}", ",\"hosts\":[]}", ",\"hosts\":{}}"];
            return strange[self.random.usize(0..strange.len())].to_owned();
        }
        let mut body = String::new();
        if self.random.u8(0..10) > 0 {
            let _ = write!(body, ",\"clientId\":\"client {}\"", self.random.u8(0..60));
        }
        if self.random.u8(0..4) > 0 {
            let country = ["DE", "FR", "\\u00d6", "US"][self.random.usize(0..4)];
            let asn = self.random.u16(0..9);
            let _ = write!(body, ",\"geo\":{{\"country\":\"{country}\",\"asn\":{asn}}}");
        }
        let hosts: Vec<String> = (0..self.random.u8(0..6)).map(|_| self.host()).collect();
        let _ = write!(body, ",\"hosts\":[{}]}}", hosts.join(","));
        body
    }

    fn host(&mut self) -> String {
        let name = self.random.u8(0..12);
        let samples: Vec<String> = (0..self.random.u8(0..7)).map(|_| self.sample()).collect();
        format!(
            "{{\"name\":\"Region {name}\",\"url\":\"https://r{name}.example/\",\"status\":\"online\",\"history\":[{}]}}",
            samples.join(",")
        )
    }

    fn sample(&mut self) -> String {
        let spread = self.random.f64();
        match self.random.u8(0..12) {
            0 => "{\"t\":1,\"latency\":null,\"error\":\"timeout\"}".to_owned(),
            1 => "{\"t\":1,\"latency\":0}".to_owned(),
            2 => format!("{{\"t\":1,\"latency\":{:.0}e2}}", spread * 1e4),
            3 => format!("{{\"t\":1,\"latency\":{:.3}}}", spread),
            _ => format!(
                "{{\"t\":1,\"latency\":{:.1}}}",
                5.0 + spread * spread * 300.0
            ),
        }
    }
}

/// Puts a segment with these lines on the disk, without the store.
async fn put_segment(disk: &SimDisk, lines: &[Vec<u8>], bounds: (u64, u64), id: u8) -> SegmentName {
    let mut encoder = Encoder::new(1).unwrap();
    for line in lines {
        encoder.write(line).unwrap();
        encoder.write(b"\n").unwrap();
    }
    let name = SegmentName {
        first_ms: bounds.0,
        last_ms: bounds.1,
        id: [id; 16],
    };
    let bytes = encoder.finish().unwrap().bytes;
    put(disk, Folder::Data, &name.to_string(), bytes).await;
    name
}

/// Puts a file on the disk in the place of what is there.
async fn put(disk: &SimDisk, folder: Folder, name: &str, bytes: Vec<u8>) {
    let _ = disk.unlink(folder, name).await;
    let mut file = disk.create(folder, name).await.unwrap();
    file.append(bytes).await.1.unwrap();
}

/// The names in `index/`.
fn index_files(world: &World) -> Vec<String> {
    let files = world.disk().snapshot().into_keys();
    let names = files.filter(|(folder, _)| *folder == Folder::Index);
    names.map(|(_, name)| name).collect()
}
