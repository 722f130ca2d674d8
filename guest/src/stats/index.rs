//! The files below `index/`: read, made, stored.
//!
//! Nothing rests on them. One that is missing, torn or of other settings is made
//! again from its segment; one that cannot be stored is made again next time.

use super::index_name::{IndexFile, Kind};
use super::lines::Counter;
use super::mapping::Mapping;
use super::rows::Rows;
use super::side_file::{self, Content};
use crate::clock::Clock;
use crate::disk::{Disk, DiskFile, DiskResult, Folder};
use crate::limits::MAX_SIDE_FILE_BYTES;
use crate::query::source::{self, Unreadable};
use crate::segment::name::SegmentName;
use crate::store::new_id;

/// Bytes of a file read at once; most files are shorter.
const READ_BYTES: usize = 256 << 10;

/// The file of a segment's statistics.
pub(super) fn file_of(fingerprint: u64, segment: &SegmentName) -> IndexFile {
    IndexFile::of_segment(*segment, fingerprint)
}

/// What a file holds; `None` if it is not there or of no use.
pub(super) async fn load<D: Disk>(disk: &D, file: &IndexFile) -> Option<Content> {
    let (kind, key) = kind_and_key(file)?;
    let opened = disk.open(Folder::Index, &file.to_string(), false).await;
    let opened = opened.ok()?;
    let mut bytes = opened.read_at(0, READ_BYTES).await.ok()?;
    while bytes.len() % READ_BYTES == 0 && !bytes.is_empty() {
        let more = opened.read_at(bytes.len() as u64, READ_BYTES).await.ok()?;
        bytes.extend_from_slice(&more);
        if more.is_empty() || bytes.len() > MAX_SIDE_FILE_BYTES {
            break;
        }
    }
    side_file::decode(&bytes, kind, key)
}

/// Counts a segment's reports.
///
/// # Errors
/// That it cannot be read; nothing of it is then to be counted.
pub(super) async fn count<D: Disk, C: Clock>(
    disk: &D,
    clock: &C,
    mapping: &Mapping,
    segment: &SegmentName,
) -> Result<Rows, Unreadable> {
    let mut counter = Counter::to_keep(mapping, segment);
    source::read_segment(disk, clock, segment, |line| counter.line(line)).await?;
    let mut rows = counter.rows;
    rows.finish();
    Ok(rows)
}

/// Counts a segment's reports and stores the result, if the disk takes it.
///
/// # Errors
/// That the segment cannot be read.
pub(super) async fn make<D: Disk, C: Clock>(
    disk: &D,
    clock: &C,
    mapping: &Mapping,
    segment: &SegmentName,
) -> Result<Rows, Unreadable> {
    let mut rows = count(disk, clock, mapping, segment).await?;
    let file = file_of(mapping.fingerprint(), segment);
    keep(disk, clock, &file, &mut rows).await;
    Ok(rows)
}

/// Stores a file, if the disk takes it.
pub(super) async fn keep<D: Disk, C: Clock>(
    disk: &D,
    clock: &C,
    file: &IndexFile,
    rows: &mut Rows,
) {
    let Some((kind, key)) = kind_and_key(file) else {
        return;
    };
    let bytes = side_file::encode(kind, key, rows);
    if let Err(error) = store(disk, clock, file, bytes).await {
        log::debug!("{file} cannot be stored: {error}");
    }
}

fn kind_and_key(file: &IndexFile) -> Option<(Kind, u64)> {
    match file {
        IndexFile::Segment { key, .. } => Some((Kind::Segment, *key)),
        IndexFile::RollUp { kind, key, .. } => Some((*kind, *key)),
        IndexFile::Temporary(_) => None,
    }
}

/// Statistics made of several files.
#[derive(Debug)]
pub(super) struct Made {
    /// What was counted.
    pub(super) rows: Rows,
    /// Whether every file was there and could be read.
    pub(super) is_whole: bool,
    /// Those that could not be read, with the reason.
    pub(super) problems: Vec<String>,
}

impl Default for Made {
    fn default() -> Self {
        Made {
            rows: Rows::default(),
            is_whole: true,
            problems: Vec::new(),
        }
    }
}

/// Puts a file in its place, in one step. Not synced: see [`side_file`].
async fn store<D: Disk, C: Clock>(
    disk: &D,
    clock: &C,
    file: &IndexFile,
    bytes: Vec<u8>,
) -> DiskResult<()> {
    let temporary = IndexFile::Temporary(new_id(clock)).to_string();
    let written = write(disk, &temporary, bytes).await;
    let placed = match written {
        Ok(()) => {
            let (name, from) = (file.to_string(), (Folder::Index, temporary.as_str()));
            disk.rename(from, (Folder::Index, &name)).await
        }
        failed => failed,
    };
    if placed.is_err() {
        // What stays is removed when it is old.
        let _ = disk.unlink(Folder::Index, &temporary).await;
    }
    placed
}

async fn write<D: Disk>(disk: &D, name: &str, bytes: Vec<u8>) -> DiskResult<()> {
    let mut file = disk.create(Folder::Index, name).await?;
    file.append(bytes).await.1
}
