//! Reads a journal: what it holds, up to the first seal.

use super::frame::{FRAME_HEADER_BYTES, SEAL_BYTES};
use super::frame::{FrameHead, HEADER_BYTES, Record, Seal, next_magic, parse_header, parse_record};
use super::name::Id;
use crate::clock::Clock;
use crate::disk::{DiskFile, DiskResult};
use crate::limits::{MAX_FRAME_PAYLOAD_BYTES, SLICE_BYTES};

/// A payload within a journal's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Offset of the payload's first byte.
    pub at: u64,
    /// Bytes.
    pub bytes: u32,
}

/// What a journal holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// When it was created, milliseconds since 1970; `None` if its header is torn.
    pub created_ms: Option<u64>,
    /// The payloads of its good frames, in order.
    pub frames: Vec<Extent>,
    /// Reports in them.
    pub reports: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Earliest receive time, milliseconds since 1970; `u64::MAX` without frames.
    pub first_ms: u64,
    /// Latest receive time; 0 without frames.
    pub last_ms: u64,
    /// The first seal; `None` if the journal is still open to its instance.
    pub seal: Option<Seal>,
    /// Whether something that may have been acknowledged cannot be read.
    pub corrupt: bool,
}

impl Survey {
    /// Whether no report is in it, so that nothing needs to be published.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

/// Reads all of a journal and checks every frame. Takes turns with other tasks.
///
/// # Errors
/// Those of the disk. Content never fails: what is bad is left out and said.
pub async fn survey<F: DiskFile, C: Clock>(file: &F, id: Id, clock: &C) -> DiskResult<Survey> {
    survey_to(file, id, clock, u64::MAX).await
}

/// Reads a journal that may be growing, as if it ended at the offset `end`: its
/// size at some moment. What is whole there was whole then, and an append that
/// was under way is a torn tail and no corruption.
///
/// # Errors
/// See [`survey`].
pub async fn survey_to<F: DiskFile, C: Clock>(
    file: &F,
    id: Id,
    clock: &C,
    end: u64,
) -> DiskResult<Survey> {
    let mut window = Window::new(file, end);
    let mut found = Found::default();
    window.fill(HEADER_BYTES).await?;
    let created_ms = parse_header(window.bytes(), id);
    if created_ms.is_some() {
        window.skip(HEADER_BYTES);
    }
    let seal = loop {
        if window.breath_is_due() {
            clock.breathe().await;
        }
        match parse_record(window.bytes(), id, MAX_FRAME_PAYLOAD_BYTES) {
            Record::Need(bytes) if window.fill(bytes).await? => {}
            Record::Need(_) if window.bytes().is_empty() => break None,
            Record::Frame(head) => {
                found.frame(window.offset, head);
                window.skip(FRAME_HEADER_BYTES + head.payload_bytes as usize);
            }
            Record::Seal(seal) => break Some(seal),
            Record::Bad | Record::Need(_) => {
                found.bad(window.offset);
                window.seek_magic().await?;
            }
        }
    };
    Ok(found.into_survey(created_ms, seal))
}

/// Records as they are met, before it is known where the good part ends.
#[derive(Default)]
struct Found {
    frames: Vec<(u64, FrameHead)>,
    /// Where bytes that are no record begin, and how many frames stood before.
    bad: Vec<(u64, usize)>,
    misnumbered: bool,
}

impl Found {
    fn frame(&mut self, at: u64, head: FrameHead) {
        let expected = self.frames.last().map_or(0, |(_, last)| last.number + 1);
        self.misnumbered |= head.number != expected;
        self.frames.push((at, head));
    }

    fn bad(&mut self, at: u64) {
        self.bad.push((at, self.frames.len()));
    }

    fn into_survey(mut self, created_ms: Option<u64>, seal: Option<Seal>) -> Survey {
        let good_end = seal.and_then(|seal| seal.good_end);
        if let Some(end) = good_end {
            self.frames.retain(|(at, _)| *at < end);
        }
        let frames = self.frames.len();
        let corrupt = match good_end {
            Some(end) => self.bad.iter().any(|(at, _)| *at < end),
            None => self.bad.iter().any(|(_, before)| *before < frames),
        };
        let mut survey = Survey {
            created_ms,
            first_ms: u64::MAX,
            seal,
            corrupt: corrupt || self.misnumbered,
            ..Survey::default()
        };
        for (at, head) in self.frames {
            survey.frames.push(Extent {
                at: at + FRAME_HEADER_BYTES as u64,
                bytes: head.payload_bytes,
            });
            survey.reports += u64::from(head.reports);
            survey.bytes += u64::from(head.payload_bytes);
            survey.first_ms = survey.first_ms.min(head.first_ms);
            survey.last_ms = survey.last_ms.max(head.last_ms);
        }
        survey
    }
}

/// A part of the file in memory, moving forward.
struct Window<'a, F> {
    file: &'a F,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are passed.
    passed: usize,
    /// Offset in the file of the first byte not passed.
    offset: u64,
    since_breath: usize,
    /// Offset at which the file is taken to end.
    end: u64,
}

impl<'a, F: DiskFile> Window<'a, F> {
    fn new(file: &'a F, end: u64) -> Self {
        Window {
            file,
            buffer: Vec::new(),
            passed: 0,
            offset: 0,
            since_breath: 0,
            end,
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.passed..]
    }

    fn skip(&mut self, bytes: usize) {
        self.passed += bytes;
        self.offset += bytes as u64;
        self.since_breath += bytes;
    }

    fn breath_is_due(&mut self) -> bool {
        let due = self.since_breath >= SLICE_BYTES;
        if due {
            self.since_breath = 0;
        }
        due
    }

    /// Has at least `wanted` bytes at hand; false where the file ends before.
    async fn fill(&mut self, wanted: usize) -> DiskResult<bool> {
        while self.bytes().len() < wanted {
            self.buffer.drain(..self.passed);
            self.passed = 0;
            let at = self.offset + self.buffer.len() as u64;
            let left = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX);
            if left == 0 {
                return Ok(false);
            }
            let wanted = wanted.max(SLICE_BYTES).min(left);
            let more = self.file.read_at(at, wanted).await?;
            if more.is_empty() {
                return Ok(false);
            }
            self.buffer.extend_from_slice(&more);
        }
        Ok(true)
    }

    /// Goes on to the next place where a record may begin, or to the end.
    async fn seek_magic(&mut self) -> DiskResult<()> {
        let mut from = 1;
        loop {
            if let Some(at) = next_magic(self.bytes(), from) {
                self.skip(at);
                return Ok(());
            }
            // The last bytes may be the start of a magic that goes on in the file.
            let keep = self.bytes().len().min(3);
            self.skip(self.bytes().len() - keep);
            if !self.fill(keep + SEAL_BYTES).await? && self.bytes().len() <= keep {
                self.skip(self.bytes().len());
                return Ok(());
            }
            from = 0;
        }
    }
}
