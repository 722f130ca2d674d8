//! The files below `index/`: read, made, stored, kept up.
//!
//! Nothing rests on them. One that is missing, torn or of other settings is made
//! again from its segment; one that cannot be stored is made again next time.

use super::index_name::{IndexFile, Kind};
use super::lines::Counter;
use super::mapping::Mapping;
use super::rows::Rows;
use super::side_file::{self, Content};
use crate::clock::Clock;
use crate::disk::{Disk, DiskError, DiskFile, DiskResult, Folder};
use crate::journal::name::Id;
use crate::limits::{LITTER_AGE, MAX_SIDE_FILE_BYTES};
use crate::query::source::{self, Unreadable};
use crate::segment::name::SegmentName;
use crate::store::new_id;
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

/// Bytes of a file read at once; most files are shorter.
const READ_BYTES: usize = 256 << 10;

/// The file of a segment's statistics.
pub(super) fn file_of(fingerprint: u64, segment: &SegmentName) -> IndexFile {
    IndexFile::of_segment(*segment, fingerprint)
}

/// What a file holds; `None` if it is not there or of no use.
pub(super) async fn load<D: Disk>(disk: &D, file: &IndexFile) -> Option<Content> {
    let (kind, key) = match file {
        IndexFile::Segment { key, .. } => (Kind::Segment, *key),
        IndexFile::RollUp { kind, key, .. } => (*kind, *key),
        IndexFile::Temporary(_) => return None,
    };
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
    let IndexFile::Segment { key, .. } = file else {
        return Ok(rows);
    };
    let bytes = side_file::encode(Kind::Segment, key, &mut rows);
    if let Err(error) = store(disk, clock, &file, bytes).await {
        log::debug!("{file} cannot be stored: {error}");
    }
    Ok(rows)
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

/// What an instance remembers of its upkeep.
#[derive(Debug, Default)]
pub struct Upkeep {
    /// Segments that cannot be read; not tried again by this instance.
    unreadable: HashSet<SegmentName>,
}

impl Upkeep {
    /// Makes files that are missing, the newest segments' first, until `budget`
    /// is used up, and removes those that nothing belongs to. Returns how many
    /// are still missing.
    ///
    /// # Errors
    /// Those of the disk.
    pub async fn run<D: Disk, C: Clock>(
        &mut self,
        disk: &D,
        clock: &C,
        mapping: &Mapping,
        budget: Duration,
    ) -> DiskResult<usize> {
        let began = clock.monotonic();
        // In this order: a file whose segment is not there yet is not removed.
        let there = disk.list(Folder::Index).await?;
        let (segments, _) = source::segments(disk).await?;
        let fingerprint = mapping.fingerprint();
        let file_of = |segment: &SegmentName| file_of(fingerprint, segment);
        let expected: BTreeSet<IndexFile> = segments.iter().map(file_of).collect();
        let mut found = BTreeSet::new();
        for name in there {
            match IndexFile::parse(&name) {
                Some(file) if expected.contains(&file) => drop(found.insert(file)),
                Some(file) if is_litter(&file, clock.wall_ms()) => remove(disk, &name).await?,
                // Another's in the making, or not ours.
                _ => {}
            }
        }
        self.unreadable
            .retain(|segment| expected.contains(&file_of(segment)));
        let mut missing: Vec<SegmentName> = segments
            .into_iter()
            .filter(|segment| !found.contains(&file_of(segment)))
            .filter(|segment| !self.unreadable.contains(segment))
            .collect();
        while let Some(segment) = missing.pop() {
            match make(disk, clock, mapping, &segment).await {
                Ok(_) | Err(Unreadable::Gone) => {}
                Err(Unreadable::Disk(error)) => return Err(error),
                Err(Unreadable::Content(why)) => {
                    log::warn!("{segment} cannot be counted: {why}");
                    self.unreadable.insert(segment);
                }
            }
            if clock.monotonic().saturating_sub(began) >= budget {
                break;
            }
        }
        Ok(missing.len())
    }
}

/// Whether a file that is not expected is to go.
fn is_litter(file: &IndexFile, now_ms: u64) -> bool {
    match file {
        IndexFile::Segment { .. } | IndexFile::RollUp { .. } => true,
        IndexFile::Temporary(id) => {
            let age = Duration::from_millis(now_ms.abs_diff(begun_ms(*id)));
            age >= LITTER_AGE
        }
    }
}

/// When a UUIDv7 was made (RFC 9562 §5.7).
fn begun_ms(id: Id) -> u64 {
    let mut bytes = [0; 8];
    bytes[2..].copy_from_slice(&id.0[..6]);
    u64::from_be_bytes(bytes)
}

async fn remove<D: Disk>(disk: &D, name: &str) -> DiskResult<()> {
    match disk.unlink(Folder::Index, name).await {
        Err(DiskError::NotFound) => Ok(()),
        removed => removed,
    }
}
