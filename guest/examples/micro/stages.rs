//! The stages, over reports that are all different.

use crate::reports::{Random, report};
use netwatch_guest::config::Settings;
use netwatch_guest::intake::{Envelope, Submission, check};
use netwatch_guest::journal::frame::{FRAME_HEADER_BYTES, FrameHead, finish_frame};
use netwatch_guest::journal::name::Id;
use netwatch_guest::report::Stamper;
use netwatch_guest::segment::checked::CheckedEncoder;
use netwatch_guest::segment::encoder::Encoder;
use netwatch_guest::segment::read::{FrameReader, Step};
use std::error::Error;
use std::hint::black_box;

/// What a busy worker appends at once.
const BATCH_BYTES: usize = 32 << 10;
const SLICE_BYTES: usize = 128 << 10;

/// Bodies that a stage works on, bytes; several times an encoder's window.
const BODY_BYTES: usize = 8 << 20;

/// What a round of the yardstick counts for.
pub(crate) const YARDSTICK_BYTES: usize = 1 << 20;

/// Arithmetic that waits for itself, over memory that fits the first cache.
pub(crate) fn yardstick() -> Result<(), Box<dyn Error>> {
    let mut words = [0_u64; 512];
    let mut state = 1_u64;
    for round in 0..YARDSTICK_BYTES / 8 {
        if let Some(word) = words.get_mut(round % 512) {
            state = (state ^ *word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            state ^= state >> 29;
            *word = state;
        }
    }
    black_box(words);
    Ok(())
}

/// One stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Validate,
    Frame,
    Compress,
    CompressAndVerify,
    ReadBack,
}

pub(crate) const ALL: [(&str, Stage); 5] = [
    ("validate", Stage::Validate),
    ("frame and checksum", Stage::Frame),
    ("compress", Stage::Compress),
    ("compress and verify", Stage::CompressAndVerify),
    ("read back", Stage::ReadBack),
];

/// What the stages work on.
pub(crate) struct Stages {
    bodies: Vec<Vec<u8>>,
    envelope: Envelope,
    body_bytes: usize,
    lines: Vec<u8>,
    encoder: Encoder,
    checked: CheckedEncoder,
    segment: Vec<u8>,
}

impl Stages {
    /// Over reports of one client on `hosts` hosts with `samples` samples each.
    pub(crate) fn new(hosts: u64, samples: u64) -> Result<Stages, Box<dyn Error>> {
        let (mut random, mut bodies, mut body_bytes) = (Random(7), Vec::new(), 0);
        while body_bytes < BODY_BYTES {
            let body = report(&mut random, bodies.len() as u64, hosts, samples);
            body_bytes += body.len();
            bodies.push(body.into_bytes());
        }
        let mut stages = Stages {
            bodies,
            envelope: Envelope {
                content_type: Some("application/json".to_owned()),
                ..Envelope::default()
            },
            body_bytes,
            lines: Vec::new(),
            encoder: Encoder::new(1)?,
            checked: CheckedEncoder::new(1)?,
            segment: Vec::new(),
        };
        stages.lines = stages.validate(usize::MAX)?;
        stages.compress_and_verify()?;
        Ok(stages)
    }

    /// What a stage works on, bytes.
    pub(crate) fn bytes_of(&self, stage: Stage) -> usize {
        match stage {
            Stage::Validate => self.body_bytes,
            _ => self.lines.len(),
        }
    }

    pub(crate) fn reports_per_byte(&self, stage: Stage) -> f64 {
        self.bodies.len() as f64 / self.bytes_of(stage) as f64
    }

    /// How many times smaller compressed lines are.
    pub(crate) fn ratio(&mut self) -> Result<f64, Box<dyn Error>> {
        self.compress_and_verify()?;
        Ok(self.lines.len() as f64 / self.segment.len() as f64)
    }

    /// Validates and stamps; begins anew whenever there is a batch.
    fn validate(&self, batch: usize) -> Result<Vec<u8>, Box<dyn Error>> {
        let (settings, mut stamper) = (Settings::default(), Stamper::new([1; 32]));
        let mut out = Vec::new();
        for body in &self.bodies {
            if out.len() > batch {
                out.clear();
            }
            let submission = Submission {
                body,
                envelope: &self.envelope,
            };
            let checked = check(&settings, submission, &mut stamper, &mut out);
            checked.map_err(|refusal| format!("{refusal:?}"))?;
        }
        Ok(out)
    }

    fn frames(&self) {
        let mut frame = Vec::with_capacity(2 * BATCH_BYTES);
        for batch in self.lines.chunks(BATCH_BYTES) {
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

    fn compress(&mut self) -> Result<(), Box<dyn Error>> {
        for batch in self.lines.chunks(BATCH_BYTES) {
            self.encoder.write(batch)?;
        }
        black_box(self.encoder.finish_frame(1)?);
        Ok(())
    }

    fn compress_and_verify(&mut self) -> Result<(), Box<dyn Error>> {
        for batch in self.lines.chunks(BATCH_BYTES) {
            self.checked.write(batch)?;
        }
        self.segment = self.checked.finish(1)?;
        Ok(())
    }

    fn read_back(&self) -> Result<(), Box<dyn Error>> {
        let (mut reader, mut at) = (FrameReader::new(), 0);
        loop {
            let sink = |slice: &[u8]| {
                black_box(slice);
            };
            let rest = self.segment.get(at..).unwrap_or_default();
            match reader.step(rest, true, SLICE_BYTES, sink)? {
                Step::More { consumed } | Step::Starved { consumed } => at += consumed,
                Step::Done { .. } => return Ok(()),
            }
        }
    }
}

impl Stage {
    /// One round.
    pub(crate) fn run(self, stages: &mut Stages) -> Result<(), Box<dyn Error>> {
        match self {
            Stage::Validate => drop(black_box(stages.validate(BATCH_BYTES)?)),
            Stage::Frame => stages.frames(),
            Stage::Compress => stages.compress()?,
            Stage::CompressAndVerify => stages.compress_and_verify()?,
            Stage::ReadBack => stages.read_back()?,
        }
        Ok(())
    }
}
