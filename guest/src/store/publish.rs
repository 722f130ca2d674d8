//! Makes segments, checks them, and gives them their names.

use super::Store;
use super::live::{Content, Making, Sealed};
use super::place::{Claim, Ready};
use super::plan::{Fate, Plan};
use super::settle::Member;
use crate::clock::Clock;
use crate::disk::{Disk, DiskError, DiskResult, Folder};
use crate::journal::ahead::ReadAhead;
use crate::journal::frame::FRAME_HEADER_BYTES;
use crate::journal::name::{Id, JournalFile};
use crate::limits::SLICE_BYTES;
use crate::mistakes::{Mistake, made};
use crate::segment::Encoded;
use crate::segment::encoder::{EncodeError, Encoder};
use crate::segment::name::SegmentName;
use crate::segment::raw::RawEncoder;
use crate::segment::verify::{Progress, Verifier, VerifyError};
use std::fmt;
use std::rc::Rc;

/// Why a segment is not published. Its reports stay where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishError {
    /// The disk failed.
    Disk(DiskError),
    /// Not even raw blocks decode to what went in: a fault of ours.
    Unreadable(String),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishError::Disk(error) => write!(f, "the disk refuses segments: {error}"),
            PublishError::Unreadable(why) => write!(f, "a segment does not decode: {why}"),
        }
    }
}

impl std::error::Error for PublishError {}

impl From<DiskError> for PublishError {
    fn from(error: DiskError) -> Self {
        PublishError::Disk(error)
    }
}

/// Where the lines of a segment come from.
pub(super) enum Lines<'a> {
    /// Journals, in this order.
    Journals(&'a [Member]),
    /// Frames in memory.
    Memory(&'a [Vec<u8>]),
}

/// With how much care a segment is made, after attempts that ended the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// Compressed and verified; raw if that fails.
    Compress,
    /// Raw blocks, verified.
    Raw,
    /// Raw blocks, as they are.
    RawUnverified,
}

/// How the blocks of a segment are made.
enum Sink {
    Compressed(Box<Encoder>),
    Raw(Box<RawEncoder>),
}

impl Sink {
    fn write(&mut self, lines: &[u8]) -> Result<(), PublishError> {
        match self {
            Sink::Compressed(encoder) => encoder.write(lines)?,
            Sink::Raw(encoder) => encoder.write(lines),
        }
        Ok(())
    }

    fn finish(self) -> Result<Encoded, PublishError> {
        match self {
            Sink::Compressed(encoder) => Ok(encoder.finish()?),
            Sink::Raw(encoder) => Ok(encoder.finish()),
        }
    }
}

impl From<EncodeError> for PublishError {
    fn from(error: EncodeError) -> Self {
        PublishError::Unreadable(error.to_string())
    }
}

impl From<VerifyError> for PublishError {
    fn from(error: VerifyError) -> Self {
        PublishError::Unreadable(error.to_string())
    }
}

impl<D: Disk, C: Clock> Store<D, C> {
    /// Publishes this instance's sealed journals, oldest first, in a task of its
    /// own, so that no request waits.
    pub(super) fn publish_in_background(self: &Rc<Self>) {
        let store = Rc::clone(self);
        self.clock.spawn(async move {
            // The error is in the vitals and the log; the next tick tries again.
            let _ = store.publish_sealed().await;
        });
    }

    /// Publishes this instance's sealed journals, oldest first.
    pub(super) async fn publish_sealed(&self) -> Result<(), PublishError> {
        let _one_at_a_time = self.publishing.lock().await;
        self.clear_litter().await;
        loop {
            self.finish_oldest().await;
            let (made, content_bytes) = match self.sealed.borrow_mut().front_mut() {
                Some(sealed) => {
                    self.flush_reason.set(sealed.reason);
                    let made = std::mem::replace(&mut sealed.segment, Making::Lost);
                    (made, sealed.bytes)
                }
                None => return Ok(()),
            };
            let result = match made {
                Making::Ready(segment) => self.publish_ready(&segment, content_bytes).await,
                Making::Growing(_) | Making::Lost => self.publish_from_source().await,
            };
            match result {
                Ok(()) => self.sealed.borrow_mut().pop_front(),
                Err(error) => {
                    self.note_publish_failure(&error);
                    return Err(error);
                }
            };
        }
    }

    pub(super) fn note_publish_failure(&self, error: &PublishError) {
        let mut vitals = self.vitals.borrow_mut();
        vitals.publish_failures += 1;
        vitals.last_error = Some(error.to_string());
        log::error!("publishing failed, the reports stay in the journal: {error}");
    }

    /// Publishes the oldest sealed journal, whose segment was made on the way.
    async fn publish_ready(&self, segment: &[u8], content_bytes: u64) -> Result<(), PublishError> {
        let Some((name, file)) = self.front_name() else {
            return Ok(());
        };
        let ready = Ready {
            name: &name,
            bytes: segment,
            content_bytes,
            began: self.clock.monotonic(),
        };
        let Some(JournalFile::Journal(journal)) = file else {
            self.put_in_place(&ready, Claim::Own).await?;
            return Ok(());
        };
        let plan = Plan::alone(name, journal, Fate::Remove);
        self.intend(&plan).await?;
        if made(Mistake::UnlinkBeforePublish) {
            self.remove(&JournalFile::Journal(journal)).await?;
        }
        self.put_in_place(&ready, Claim::Own).await?;
        self.remove(&JournalFile::Journal(journal)).await?;
        // Else a lost unlink could bring the journal back after its segment has
        // been pruned.
        self.disk.sync_folder(Folder::Journal).await?;
        Ok(self.remove(&JournalFile::Intent(plan.id())).await?)
    }

    /// The names of the oldest sealed journal: its segment's and its own.
    fn front_name(&self) -> Option<(SegmentName, Option<JournalFile>)> {
        let sealed = self.sealed.borrow();
        let front: &Sealed = sealed.front()?;
        let name = SegmentName {
            first_ms: front.first_ms,
            last_ms: front.last_ms,
            id: front.id.0,
        };
        let file = match &front.content {
            Content::Journal(name) => Some(JournalFile::Journal(*name)),
            Content::Memory(_) => None,
        };
        Some((name, file))
    }

    /// Publishes the oldest sealed journal from the file, or from memory.
    async fn publish_from_source(&self) -> Result<(), PublishError> {
        let Some((segment, file)) = self.front_name() else {
            return Ok(());
        };
        if let Some(JournalFile::Journal(name)) = file {
            return self.settle_these(vec![name]).await.map(|_| ());
        }
        let (frames, content_bytes) = match self.sealed.borrow_mut().front_mut() {
            Some(Sealed {
                content: Content::Memory(frames),
                bytes,
                ..
            }) => (std::mem::take(frames), *bytes),
            _ => return Ok(()),
        };
        let began = self.clock.monotonic();
        let result = match self.build(&Lines::Memory(&frames), Care::Compress).await {
            Ok(bytes) => {
                let ready = Ready {
                    name: &segment,
                    bytes: &bytes,
                    content_bytes,
                    began,
                };
                let in_place = self.put_in_place(&ready, Claim::Own).await;
                in_place.map(|_| ()).map_err(Into::into)
            }
            Err(error) => Err(error),
        };
        if let Some(front) = self.sealed.borrow_mut().front_mut() {
            front.content = Content::Memory(frames);
        }
        result
    }

    /// A segment's bytes, decoded once and found equal to the lines.
    pub(super) async fn build(
        &self,
        lines: &Lines<'_>,
        care: Care,
    ) -> Result<Vec<u8>, PublishError> {
        if care == Care::Compress {
            match self.compress(lines).await {
                Err(PublishError::Unreadable(why)) => {
                    log::error!("the encoder failed ({why}); publishing raw blocks");
                }
                result => return result,
            }
        }
        self.vitals.borrow_mut().raw_segments += 1;
        let encoded = self
            .encode(lines, Sink::Raw(Box::new(RawEncoder::new(self.seed()))))
            .await?;
        if care == Care::RawUnverified {
            return Ok(encoded.bytes);
        }
        self.verified(encoded).await
    }

    async fn compress(&self, lines: &Lines<'_>) -> Result<Vec<u8>, PublishError> {
        let encoder = Encoder::new(self.seed())?;
        let encoded = self
            .encode(lines, Sink::Compressed(Box::new(encoder)))
            .await?;
        self.verified(encoded).await
    }

    async fn encode(&self, lines: &Lines<'_>, mut sink: Sink) -> Result<Encoded, PublishError> {
        match lines {
            Lines::Journals(members) => {
                for member in *members {
                    self.encode_journal(member, &mut sink).await?;
                }
            }
            Lines::Memory(frames) => {
                for frame in *frames {
                    for slice in frame[FRAME_HEADER_BYTES..].chunks(SLICE_BYTES) {
                        sink.write(slice)?;
                        self.clock.breathe().await;
                    }
                }
            }
        }
        sink.finish()
    }

    async fn encode_journal(&self, member: &Member, sink: &mut Sink) -> Result<(), PublishError> {
        let path = JournalFile::Journal(member.name).to_string();
        let file = self.disk.open(Folder::Journal, &path, false).await?;
        let mut ahead = ReadAhead::new(&file);
        let mut since_breath = 0;
        for frame in &member.survey.frames {
            let mut left = frame.bytes as usize;
            let mut at = frame.at;
            while left > 0 {
                let slice = ahead.read_at(at, left).await?;
                if slice.is_empty() {
                    let what = "a sealed journal became shorter while it was read";
                    return Err(DiskError::Failed(what.into()).into());
                }
                sink.write(slice)?;
                left = left.saturating_sub(slice.len());
                at += slice.len() as u64;
                since_breath += slice.len();
                if since_breath >= SLICE_BYTES {
                    since_breath = 0;
                    self.clock.breathe().await;
                }
            }
        }
        Ok(())
    }

    /// The bytes, if they decode to what was written into them.
    async fn verified(&self, encoded: Encoded) -> Result<Vec<u8>, PublishError> {
        let mut verifier = Verifier::new(&encoded);
        while verifier.step(&encoded.bytes, SLICE_BYTES)? == Progress::More {
            self.clock.breathe().await;
        }
        Ok(encoded.bytes)
    }

    /// Whether a segment has its name already, durably.
    pub(super) async fn is_published(&self, name: &SegmentName) -> DiskResult<bool> {
        let there = self.exists(Folder::Data, &name.to_string()).await?;
        if there {
            self.disk.sync_folder(Folder::Data).await?;
        }
        Ok(there)
    }

    pub(super) fn segment_name(id: Id, members: &[Member]) -> SegmentName {
        let first = members.iter().map(|member| member.survey.first_ms).min();
        let last = members.iter().map(|member| member.survey.last_ms).max();
        SegmentName {
            first_ms: first.unwrap_or(0),
            last_ms: last.unwrap_or(0),
            id: id.0,
        }
    }
}
