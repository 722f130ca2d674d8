//! Appends to a journal, and knows what became of each append.

use super::frame::{self, FRAME_HEADER_BYTES, FrameHead, HEADER_BYTES, SEAL_BYTES, Seal, SealKind};
use super::name::{JournalFile, JournalName};
use crate::disk::{Disk, DiskError, DiskFile, DiskResult, Folder};
use crate::mistakes::{Mistake, made};

/// Reports that are to become one frame.
#[derive(Debug)]
pub struct Batch {
    /// [`FRAME_HEADER_BYTES`] bytes of any content, then the lines.
    pub frame: Vec<u8>,
    /// How many lines.
    pub reports: u32,
    /// Earliest receive time, milliseconds since 1970.
    pub first_ms: u64,
    /// Latest receive time.
    pub last_ms: u64,
}

impl Batch {
    /// An empty batch: space for the frame's head, and no line.
    pub fn new() -> Batch {
        Batch {
            frame: vec![0; FRAME_HEADER_BYTES],
            reports: 0,
            first_ms: u64::MAX,
            last_ms: 0,
        }
    }

    /// The lines.
    pub fn lines(&self) -> &[u8] {
        &self.frame[FRAME_HEADER_BYTES..]
    }

    /// Takes the lines of another batch behind its own.
    pub fn absorb(&mut self, other: &Batch) {
        self.frame.extend_from_slice(other.lines());
        self.reports += other.reports;
        self.first_ms = self.first_ms.min(other.first_ms);
        self.last_ms = self.last_ms.max(other.last_ms);
    }
}

impl Default for Batch {
    fn default() -> Self {
        Batch::new()
    }
}

/// Why a batch is not in the journal, or is not known to be.
#[derive(Debug, PartialEq, Eq)]
pub enum AppendError {
    /// Another sealed the journal before the batch: it is not in the content and
    /// belongs into the next journal.
    Sealed,
    /// The disk failed: the batch may be there or not. Nothing may be appended
    /// any more.
    Disk(DiskError),
}

/// How an append that succeeded left the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Open for more.
    Open,
    /// Sealed by another, after this append.
    Taken,
}

/// Whose seal came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedBy {
    /// The instance's own: the content is as it knows it.
    Us,
    /// Another's.
    Another,
}

/// The open journal of this instance.
#[derive(Debug)]
pub struct Writer<F> {
    file: F,
    name: JournalName,
    /// Where the file ends if nobody else has written.
    end: u64,
    frames: u32,
}

impl<F: DiskFile> Writer<F> {
    /// ① Creates a journal that must not exist. With `sync`, it and its name
    /// survive loss of power when this returns.
    ///
    /// # Errors
    /// Those of the disk; an empty journal may then be left.
    pub async fn create<D: Disk<File = F>>(
        disk: &D,
        name: JournalName,
        created_ms: u64,
        sync: bool,
    ) -> DiskResult<Self> {
        let path = JournalFile::Journal(name).to_string();
        let mut file = disk.create(Folder::Journal, &path).await?;
        let header = frame::header(name.id, created_ms).to_vec();
        let mut result = file.append(header).await.1;
        if sync && result.is_ok() {
            result = file.sync().await;
        }
        if sync && result.is_ok() && !made(Mistake::SkipFolderSync) {
            result = disk.sync_folder(Folder::Journal).await;
        }
        result?;
        Ok(Writer {
            file,
            name,
            end: HEADER_BYTES as u64,
            frames: 0,
        })
    }

    /// The journal's name.
    pub fn name(&self) -> JournalName {
        self.name
    }

    /// ② Appends a batch as one frame and, with `sync`, ③ makes it durable.
    ///
    /// # Errors
    /// See [`AppendError`]. After any error the journal takes no more.
    pub async fn append(&mut self, batch: &mut Batch, sync: bool) -> Result<Standing, AppendError> {
        let payload_bytes = u32::try_from(batch.lines().len()).unwrap_or(u32::MAX);
        let head = FrameHead {
            payload_bytes,
            reports: batch.reports,
            number: self.frames,
            first_ms: batch.first_ms,
            last_ms: batch.last_ms,
        };
        let mut bytes = std::mem::take(&mut batch.frame);
        frame::finish_frame(&mut bytes, self.name.id, head);
        let (bytes, result) = self.file.append(bytes).await;
        batch.frame = bytes;
        result.map_err(AppendError::Disk)?;
        let standing = self.settle(&batch.frame).await;
        if sync && !made(Mistake::SkipSync) && !matches!(standing, Err(AppendError::Disk(_))) {
            // A seal that sends the batch to another journal must be as durable as
            // the batch will be there, or the batch could be counted here too.
            self.file.sync().await.map_err(AppendError::Disk)?;
        }
        let standing = standing?;
        self.frames += 1;
        self.end += batch.frame.len() as u64;
        Ok(standing)
    }

    /// Whether what was just appended stands before any seal.
    async fn settle(&self, appended: &[u8]) -> Result<Standing, AppendError> {
        let expected = self.end + appended.len() as u64;
        let size = self.file.size().await.map_err(AppendError::Disk)?;
        if size == expected {
            return Ok(Standing::Open);
        }
        let there = self.file.read_at(self.end, appended.len()).await;
        if there.map_err(AppendError::Disk)? == appended {
            Ok(Standing::Taken)
        } else {
            Err(AppendError::Sealed)
        }
    }

    /// ⑤ Seals the journal: nothing more goes in.
    ///
    /// # Errors
    /// Those of the disk; the journal then stays unsealed, or its seal torn.
    pub async fn seal(mut self, kind: SealKind) -> DiskResult<SealedBy> {
        let seal = Seal {
            kind,
            good_end: Some(self.end),
        };
        let bytes = frame::seal(self.name.id, seal).to_vec();
        let (bytes, result) = self.file.append(bytes).await;
        result?;
        debug_assert_eq!(bytes.len(), SEAL_BYTES);
        let there = self.file.read_at(self.end, bytes.len()).await?;
        Ok(if there == bytes {
            SealedBy::Us
        } else {
            SealedBy::Another
        })
    }
}

/// Seals a journal in the place of its instance, so that it can be published by
/// a plan.
///
/// # Errors
/// Those of the disk.
pub async fn seal_for_merging<F: DiskFile>(file: &mut F, name: JournalName) -> DiskResult<()> {
    let seal = Seal {
        kind: SealKind::Merged,
        good_end: None,
    };
    file.append(frame::seal(name.id, seal).to_vec()).await.1
}
