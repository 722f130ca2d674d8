//! What is stored, and its lines: segments and journals.
//!
//! # Every report at least once
//!
//! A journal is removed only when its segment has its name. So whoever lists the
//! journals, reads them, and lists the segments *afterwards* meets every report
//! that was acknowledged before: in its journal, in its segment, or in both. A
//! journal that is gone when it is opened is no loss. That a report counts once
//! is the reader's matter; each line has an id.

use crate::clock::Clock;
use crate::disk::{Disk, DiskError, DiskFile, DiskResult, Folder};
use crate::journal::name::{JournalFile, JournalName};
use crate::journal::reader::survey_to;
use crate::limits::{MAX_LINE_BYTES, MAX_SEGMENT_CONTENT_BYTES, READING_SLICE_BYTES, SLICE_BYTES};
use crate::segment::name::SegmentName;
use crate::segment::read::{FrameReader, Step};
use memchr::memchr;
use std::fmt;

/// Bytes of a segment's file read at once.
const READ_BYTES: usize = 256 << 10;

/// Why a file's lines are not to be had, or not all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is not there any more: published, or pruned.
    Gone,
    /// The disk says.
    Disk(DiskError),
    /// Its content is not what it must be. Lines read before are not to be
    /// trusted.
    Content(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Gone => f.write_str("the file is gone"),
            Unreadable::Disk(error) => error.fmt(f),
            Unreadable::Content(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Unreadable {}

impl From<DiskError> for Unreadable {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::NotFound => Unreadable::Gone,
            error => Unreadable::Disk(error),
        }
    }
}

/// The segments there are, by their first report, and the names of files that
/// look like segments and are none of ours.
///
/// # Errors
/// Those of the disk.
pub async fn segments<D: Disk>(disk: &D) -> DiskResult<(Vec<SegmentName>, Vec<String>)> {
    let mut segments = Vec::new();
    let mut foreign = Vec::new();
    for name in disk.list(Folder::Data).await? {
        match SegmentName::parse(&name) {
            Some(segment) => segments.push(segment),
            None if name.ends_with(".zst") || name.starts_with("reports-") => foreign.push(name),
            None => {}
        }
    }
    segments.sort_unstable();
    foreign.sort_unstable();
    Ok((segments, foreign))
}

/// The journals there are, of every instance.
///
/// # Errors
/// Those of the disk.
pub async fn journals<D: Disk>(disk: &D) -> DiskResult<Vec<JournalName>> {
    let names = disk.list(Folder::Journal).await?;
    let journals = names
        .iter()
        .filter_map(|name| match JournalFile::parse(name) {
            Some(JournalFile::Journal(name)) => Some(name),
            _ => None,
        });
    Ok(journals.collect())
}

/// Shows every line of a segment to `visit`, without its line feed, and takes
/// turns with other tasks.
///
/// # Errors
/// Only when this returns `Ok` are the lines what was published.
pub async fn read_segment<D: Disk, C: Clock>(
    disk: &D,
    clock: &C,
    name: &SegmentName,
    mut visit: impl FnMut(&[u8]),
) -> Result<(), Unreadable> {
    let file = disk.open(Folder::Data, &name.to_string(), false).await?;
    let mut reader = FrameReader::new();
    let mut lines = Lines::default();
    let mut input = Vec::new();
    let mut offset = 0;
    let mut ended = false;
    loop {
        let step = reader
            .step(&input, ended, READING_SLICE_BYTES, |content| {
                lines.add(content, &mut visit);
            })
            .map_err(|error| Unreadable::Content(error.to_string()))?;
        if reader.content_size() > MAX_SEGMENT_CONTENT_BYTES || lines.too_long {
            return Err(Unreadable::Content(format!(
                "it declares {} bytes, or a line is longer than any report",
                reader.content_size()
            )));
        }
        match step {
            Step::More { consumed } => drop(input.drain(..consumed)),
            Step::Starved { consumed } => {
                input.drain(..consumed);
                let more = file.read_at(offset, READ_BYTES).await?;
                offset += more.len() as u64;
                ended = more.len() < READ_BYTES;
                input.extend_from_slice(&more);
            }
            Step::Done { consumed } => {
                return if consumed < input.len() || offset < file.size().await? {
                    Err(Unreadable::Content(
                        "something follows the frame".to_owned(),
                    ))
                } else {
                    lines.end()
                };
            }
        }
        clock.breathe().await;
    }
}

/// Shows every line of a journal's good frames to `visit`.
///
/// # Errors
/// [`Unreadable::Content`] says that something in it is corrupt; the lines shown
/// are good all the same.
pub async fn read_journal<D: Disk, C: Clock>(
    disk: &D,
    clock: &C,
    name: &JournalName,
    mut visit: impl FnMut(&[u8]),
) -> Result<(), Unreadable> {
    let file = JournalFile::Journal(*name).to_string();
    let file = disk.open(Folder::Journal, &file, false).await?;
    let survey = survey_to(&file, name.id, clock, file.size().await?).await?;
    let mut lines = Lines::default();
    for frame in &survey.frames {
        let end = frame.at + u64::from(frame.bytes);
        let mut at = frame.at;
        while at < end {
            let wanted = usize::try_from(end - at).map_or(SLICE_BYTES, |n| n.min(SLICE_BYTES));
            let some = file.read_at(at, wanted).await?;
            if some.is_empty() {
                return Err(Unreadable::Content("it became shorter".to_owned()));
            }
            at += some.len() as u64;
            lines.add(&some, &mut visit);
            clock.breathe().await;
        }
    }
    lines.end()?;
    if survey.corrupt {
        return Err(Unreadable::Content("a part of it is corrupt".to_owned()));
    }
    Ok(())
}

/// Puts lines together that come in pieces.
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
    too_long: bool,
}

impl Lines {
    fn add(&mut self, mut content: &[u8], visit: &mut impl FnMut(&[u8])) {
        while let Some(end) = memchr(b'\n', content) {
            let (line, rest) = content.split_at(end);
            content = rest.get(1..).unwrap_or_default();
            if self.begun.is_empty() {
                visit(line);
                continue;
            }
            self.begun.extend_from_slice(line);
            visit(&self.begun);
            self.begun.clear();
        }
        self.too_long |= self.begun.len() + content.len() > MAX_LINE_BYTES;
        if !self.too_long {
            self.begun.extend_from_slice(content);
        }
    }

    fn end(&self) -> Result<(), Unreadable> {
        if self.begun.is_empty() && !self.too_long {
            return Ok(());
        }
        Err(Unreadable::Content("the last line has no end".to_owned()))
    }
}
