//! How long statistics take over many segments: natively, on a real directory.
//!
//! ```text
//! stats_rate DIR [SEGMENTS]
//! ```
//!
//! Fills an empty DIR with segments of 3.5 MB of NetWatch reports (300 by itself,
//! which is a gigabyte), a minute each, and asks for all of it by hour: once while
//! the files below `DIR/index` are missing, then from them. Last by client, for
//! which nothing is kept.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use netwatch_guest::clock::Clock;
use netwatch_guest::disk::{Disk, DiskError, DiskFile, DiskResult, Folder};
use netwatch_guest::query::period::Period;
use netwatch_guest::report::Stamper;
use netwatch_guest::segment::encoder::Encoder;
use netwatch_guest::segment::name::SegmentName;
use netwatch_guest::stats::answer;
use netwatch_guest::stats::mapping::Mapping;
use netwatch_guest::stats::question::{GroupBy, Question};

/// 2026-11-23T08:00:07Z: a segment has parts of two minutes.
const START_MS: u64 = 1_795_420_807_000;
const SEGMENT_BYTES: usize = 3_500_000;
const ROUNDS: u32 = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("give a directory")?;
    let segments = arguments.next().map_or(Ok(300), |text| text.parse())?;
    let disk = Directory(directory.into());
    for folder in [Folder::Data, Folder::Journal, Folder::Index] {
        fs::create_dir_all(disk.folder(folder))?;
    }
    if block_on(disk.list(Folder::Data))?.is_empty() {
        fill(&disk, segments)?;
    }
    for name in block_on(disk.list(Folder::Index))? {
        block_on(disk.unlink(Folder::Index, &name))?;
    }
    let mut question = Question::about(Period::ALL);
    question.bucket_ms = Some(3_600_000);
    ask(&disk, "by hour, no file yet", &question, 1)?;
    ask(&disk, "by hour", &question, ROUNDS)?;
    question.bucket_ms = None;
    ask(&disk, "by minutes", &question, ROUNDS)?;
    question.group = GroupBy::Client;
    ask(&disk, "by client, from the reports", &question, 1)?;
    let bytes = |folder| -> Result<u64, Box<dyn Error>> {
        let mut bytes = 0;
        for name in block_on(disk.list(folder))? {
            bytes += fs::metadata(disk.path(folder, &name))?.len();
        }
        Ok(bytes)
    };
    let (data, index) = (bytes(Folder::Data)?, bytes(Folder::Index)?);
    println!("{data} bytes of segments, {index} bytes of statistics");
    Ok(())
}

fn ask(
    disk: &Directory,
    what: &str,
    question: &Question,
    rounds: u32,
) -> Result<(), Box<dyn Error>> {
    let (clock, mapping) = (System(Instant::now()), Mapping::default());
    let mut best = Duration::MAX;
    let mut table = None;
    for _ in 0..rounds {
        let began = Instant::now();
        table = Some(block_on(answer(disk, &clock, &mapping, question))?);
        best = best.min(began.elapsed());
    }
    let table = table.unwrap_or_default();
    println!(
        "{what:<28} {:>8.1} ms  {} reports, {} groups, {} buckets",
        best.as_secs_f64() * 1e3,
        table.reports,
        table.groups.len(),
        table.report_rate.len()
    );
    Ok(())
}

fn fill(disk: &Directory, segments: u64) -> Result<(), Box<dyn Error>> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut stamper = Stamper::new([1; 32]);
    for number in 0..segments {
        let first_ms = START_MS + number * 60_000;
        let mut lines: Vec<u8> = Vec::with_capacity(SEGMENT_BYTES + 4096);
        let mut at_ms = first_ms;
        while lines.len() < SEGMENT_BYTES {
            at_ms = first_ms + 59_999 * lines.len() as u64 / SEGMENT_BYTES as u64;
            stamper.set_time(at_ms);
            lines.extend_from_slice(stamper.next_prefix());
            body(&mut random, at_ms, &mut lines)?;
        }
        let mut encoder = Encoder::new(1)?;
        for slice in lines.chunks(64 << 10) {
            encoder.write(slice)?;
        }
        let name = SegmentName {
            first_ms,
            last_ms: at_ms,
            id: u128::from(number).to_be_bytes(),
        };
        let path = disk.path(Folder::Data, &name.to_string());
        fs::write(path, encoder.finish()?.bytes)?;
    }
    Ok(())
}

/// A NetWatch page's report, as long as they are on the average.
fn body(random: &mut fastrand::Rng, at_ms: u64, line: &mut Vec<u8>) -> std::io::Result<()> {
    let client = random.u32(0..400).wrapping_mul(0x9E37_79B9);
    write!(
        line,
        ",\"clientId\":\"{client:08x}-7a10-4c1e-9d2f-0123456789ab\",\"geo\":{{\"country\":\"DE\",\"asn\":{}}},\"hosts\":[",
        3000 + client % 50
    )?;
    for host in 0..10_u32 {
        let comma = if host > 0 { "," } else { "" };
        write!(
            line,
            "{comma}{{\"name\":\"Region {host}\",\"url\":\"https://r{host}.cloud.example/ping\",\"status\":\"online\",\"history\":["
        )?;
        let usual = 8.0 + f64::from(host) * 12.5;
        for sample in 0..6 {
            let comma = if sample > 0 { "," } else { "" };
            let t = at_ms - 18_000 + sample * 3_000;
            if random.u8(0..100) == 0 {
                write!(
                    line,
                    "{comma}{{\"t\":{t},\"latency\":null,\"error\":\"timeout\"}}"
                )?;
            } else {
                let latency = usual + random.f64() * random.f64() * usual * 4.0;
                write!(line, "{comma}{{\"t\":{t},\"latency\":{latency:.1}}}")?;
            }
        }
        line.extend_from_slice(b"]}");
    }
    line.extend_from_slice(b"]}\n");
    Ok(())
}

/// Polls until it is done: nothing here waits for anything.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
    }
}

struct System(Instant);

impl Clock for System {
    fn wall_ms(&self) -> u64 {
        START_MS
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        std::thread::sleep(duration);
    }

    async fn breathe(&self) {}

    fn random(&self) -> [u8; 32] {
        let mut random = [0; 32];
        fastrand::fill(&mut random);
        random
    }

    fn spawn(&self, _: impl Future<Output = ()> + 'static) {}
}

struct Directory(PathBuf);

impl Directory {
    fn folder(&self, folder: Folder) -> PathBuf {
        match folder {
            Folder::Data => self.0.clone(),
            Folder::Journal => self.0.join("journal"),
            Folder::Quarantine => self.0.join("quarantine"),
            Folder::Index => self.0.join("index"),
        }
    }

    fn path(&self, folder: Folder, name: &str) -> PathBuf {
        self.folder(folder).join(name)
    }
}

fn told<T>(result: std::io::Result<T>, path: &Path) -> DiskResult<T> {
    result.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => DiskError::NotFound,
        std::io::ErrorKind::AlreadyExists => DiskError::Exists,
        _ => DiskError::Failed(format!("{}: {error}", path.display())),
    })
}

impl Disk for Directory {
    type File = Open;

    async fn create(&self, folder: Folder, name: &str) -> DiskResult<Open> {
        let path = self.path(folder, name);
        let created = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .open(&path);
        told(created, &path).map(Open)
    }

    async fn open(&self, folder: Folder, name: &str, _append: bool) -> DiskResult<Open> {
        let path = self.path(folder, name);
        told(File::open(&path), &path).map(Open)
    }

    async fn list(&self, folder: Folder) -> DiskResult<Vec<String>> {
        let path = self.folder(folder);
        let mut names = Vec::new();
        for entry in told(fs::read_dir(&path), &path)? {
            let entry = told(entry, &path)?;
            if entry.path().is_file() {
                names.extend(entry.file_name().into_string());
            }
        }
        Ok(names)
    }

    async fn link(&self, from: (Folder, &str), to: (Folder, &str)) -> DiskResult<()> {
        let from = self.path(from.0, from.1);
        told(fs::hard_link(&from, self.path(to.0, to.1)), &from)
    }

    async fn rename(&self, from: (Folder, &str), to: (Folder, &str)) -> DiskResult<()> {
        let from = self.path(from.0, from.1);
        told(fs::rename(&from, self.path(to.0, to.1)), &from)
    }

    async fn unlink(&self, folder: Folder, name: &str) -> DiskResult<()> {
        let path = self.path(folder, name);
        told(fs::remove_file(&path), &path)
    }

    async fn sync_folder(&self, folder: Folder) -> DiskResult<()> {
        let path = self.folder(folder);
        told(File::open(&path).and_then(|open| open.sync_all()), &path)
    }
}

struct Open(File);

fn failed(error: std::io::Error) -> DiskError {
    DiskError::Failed(error.to_string())
}

impl DiskFile for Open {
    async fn append(&mut self, bytes: Vec<u8>) -> (Vec<u8>, DiskResult<()>) {
        let written = self.0.write_all(&bytes).map_err(failed);
        (bytes, written)
    }

    async fn read_at(&self, offset: u64, len: usize) -> DiskResult<Vec<u8>> {
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while filled < len {
            let at = offset + filled as u64;
            match self.0.read_at(&mut bytes[filled..], at).map_err(failed)? {
                0 => break,
                more => filled += more,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    async fn size(&self) -> DiskResult<u64> {
        Ok(self.0.metadata().map_err(failed)?.len())
    }

    async fn sync(&self) -> DiskResult<()> {
        self.0.sync_data().map_err(failed)
    }
}
