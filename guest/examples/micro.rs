//! How fast the stages of a report's way are, each alone: natively, or in Wasm
//! where it counts (`make bench`).
//!
//! ```text
//! micro [SECONDS PER STAGE]
//! ```
//!
//! Megabytes are of bodies for `validate`, of stored lines for all others.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use netwatch_guest::config::Settings;
use netwatch_guest::intake::{Submission, check};
use netwatch_guest::journal::frame::{FRAME_HEADER_BYTES, FrameHead, finish_frame};
use netwatch_guest::journal::name::Id;
use netwatch_guest::report::Stamper;
use netwatch_guest::segment::checked::CheckedEncoder;
use netwatch_guest::segment::encoder::Encoder;
use netwatch_guest::segment::read::{FrameReader, Step};

/// What a busy worker appends at once.
const BATCH_BYTES: usize = 32 << 10;
const SLICE_BYTES: usize = 128 << 10;
const REPORTS: u64 = 2_500;

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args()
        .nth(1)
        .map_or(Ok(1.0), |text| text.parse())?;
    let stage = |name: &str, bytes: usize, work: &mut dyn FnMut() -> Result<(), Box<dyn Error>>| {
        rate(Duration::from_secs_f64(seconds), bytes, work)
            .map(|rate| println!("{name:<22} {rate:>8.0} MB/s"))
    };
    let bodies = bodies();
    let body_bytes = bodies.iter().map(|one| one.body.len()).sum();
    let mut lines = Vec::new();
    validate(&bodies, usize::MAX, &mut lines)?;
    println!(
        "{} reports of {} bytes",
        bodies.len(),
        body_bytes / bodies.len()
    );

    stage("validate", body_bytes, &mut || {
        validate(&bodies, BATCH_BYTES, &mut Vec::new())
    })?;
    stage("frame and checksum", lines.len(), &mut || {
        frames(&lines);
        Ok(())
    })?;
    let mut encoder = Encoder::new(1)?;
    stage("compress", lines.len(), &mut || {
        for batch in lines.chunks(BATCH_BYTES) {
            encoder.write(batch)?;
        }
        black_box(encoder.finish_frame(1)?);
        Ok(())
    })?;
    let mut checked = CheckedEncoder::new(1)?;
    let mut segment = Vec::new();
    stage("compress and verify", lines.len(), &mut || {
        for batch in lines.chunks(BATCH_BYTES) {
            checked.write(batch)?;
        }
        segment = checked.finish(1)?;
        Ok(())
    })?;
    stage("read back", lines.len(), &mut || read(&segment))?;
    println!("ratio {:.2}", lines.len() as f64 / segment.len() as f64);
    Ok(())
}

/// Megabytes a second of the fastest of several rounds: what disturbs only slows.
fn rate(
    time: Duration,
    bytes: usize,
    work: &mut dyn FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    let began = Instant::now();
    let mut best = f64::MAX;
    while began.elapsed() < time {
        let round = Instant::now();
        work()?;
        best = best.min(round.elapsed().as_secs_f64());
    }
    Ok(bytes as f64 / best / 1e6)
}

/// Requests of a NetWatch page: 10 hosts, 6 samples each, all different.
fn bodies() -> Vec<Submission> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut body = |n: u64| {
        let mut host = |host: u64| {
            let usual = 8.0 + host as f64 * 12.5;
            let mut sample = |s: u64| {
                let t = 1_767_225_600_000 + n * 450 + s * 3000;
                let latency = usual + random.f64() * random.f64() * usual;
                format!("{{\"t\":{t},\"latency\":{latency:.1}}}")
            };
            let history: Vec<_> = (0..6).map(&mut sample).collect();
            format!(
                "{{\"name\":\"Region {host}\",\"url\":\"https://r{host}.cloud.example/ping\",\"status\":\"online\",\"history\":[{}]}}",
                history.join(",")
            )
        };
        let hosts: Vec<_> = (0..10).map(&mut host).collect();
        format!(
            "{{\"clientId\":\"{:08x}-7a10-4c1e-9d2f-0123456789ab\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"geo\":{{\"country\":\"DE\",\"city\":\"Berlin\",\"asn\":3320}},\"hosts\":[{}]}}",
            (n % 200 * 0x0123_4567) & 0xFFFF_FFFF,
            hosts.join(",")
        )
    };
    (0..REPORTS)
        .map(&mut body)
        .map(|body| Submission {
            body: body.into_bytes(),
            content_type: Some("application/json".to_owned()),
            ..Submission::default()
        })
        .collect()
}

/// Validates and stamps; begins `out` anew whenever it holds a batch.
fn validate(bodies: &[Submission], batch: usize, out: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    let (settings, mut stamper) = (Settings::default(), Stamper::new([1; 32]));
    for body in bodies {
        if out.len() > batch {
            out.clear();
        }
        check(&settings, body, &mut stamper, out).map_err(|refusal| format!("{refusal:?}"))?;
    }
    black_box(out);
    Ok(())
}

fn frames(lines: &[u8]) {
    let mut frame = Vec::with_capacity(2 * BATCH_BYTES);
    for batch in lines.chunks(BATCH_BYTES) {
        frame.clear();
        frame.resize(FRAME_HEADER_BYTES, 0);
        frame.extend_from_slice(batch);
        let head = FrameHead {
            payload_bytes: batch.len() as u32,
            reports: 1,
            number: 0,
            first_ms: 0,
            last_ms: 0,
        };
        finish_frame(&mut frame, Id([7; 16]), head);
        black_box(&frame);
    }
}

fn read(segment: &[u8]) -> Result<(), Box<dyn Error>> {
    let (mut reader, mut at) = (FrameReader::new(), 0);
    loop {
        let sink = |slice: &[u8]| {
            black_box(slice);
        };
        match reader.step(&segment[at..], true, SLICE_BYTES, sink)? {
            Step::More { consumed } | Step::Starved { consumed } => at += consumed,
            Step::Done { .. } => return Ok(()),
        }
    }
}
