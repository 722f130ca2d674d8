//! Keeps the files below `index/` complete and tidy.

use super::index;
use super::index_name::IndexFile;
use super::mapping::Mapping;
use super::roll_up::{self, RollUp};
use crate::clock::Clock;
use crate::disk::{Disk, DiskError, DiskResult, Folder};
use crate::journal::name::Id;
use crate::limits::LITTER_AGE;
use crate::query::source::{self, Unreadable};
use crate::segment::name::SegmentName;
use std::collections::HashSet;
use std::time::Duration;

/// What an instance remembers of its upkeep.
#[derive(Debug, Default)]
pub struct Upkeep {
    /// Files that cannot be made, because a segment cannot be read; not tried
    /// again by this instance.
    hopeless: HashSet<IndexFile>,
}

/// What a file is made of.
enum Origin {
    Segment(SegmentName),
    RollUp(RollUp),
}

impl Upkeep {
    /// Makes files that are missing until `budget` is used up, and removes those
    /// that nothing belongs to. Segments come before hours, hours before days,
    /// and the newest first. Returns how many are still missing.
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
        // In this order: what is there and belongs to no segment never will.
        let there = disk.list(Folder::Index).await?;
        let (segments, _) = source::segments(disk).await?;
        let mut missing = expected(segments, mapping, clock.wall_ms());
        let known: HashSet<IndexFile> = missing.iter().map(|(file, _)| *file).collect();
        let mut found = HashSet::new();
        for name in there {
            match IndexFile::parse(&name) {
                Some(file) if known.contains(&file) => drop(found.insert(file)),
                Some(file) if is_litter(&file, clock.wall_ms()) => remove(disk, &name).await?,
                // Another's in the making, or not ours.
                _ => {}
            }
        }
        self.hopeless.retain(|file| known.contains(file));
        missing.retain(|(file, _)| !found.contains(file) && !self.hopeless.contains(file));
        while let Some((file, origin)) = missing.pop() {
            let problems = make(disk, clock, mapping, &origin).await;
            if let Some(problem) = problems.first() {
                log::warn!("{problem}");
                self.hopeless.insert(file);
            }
            if clock.monotonic().saturating_sub(began) >= budget {
                break;
            }
            clock.breathe().await;
        }
        Ok(missing.len())
    }
}

/// The files there should be, those to be made first last.
fn expected(
    segments: Vec<SegmentName>,
    mapping: &Mapping,
    now_ms: u64,
) -> Vec<(IndexFile, Origin)> {
    let fingerprint = mapping.fingerprint();
    let roll_ups = roll_up::all(&segments, now_ms).into_iter();
    let of_segments = segments.into_iter().map(|segment| {
        let file = index::file_of(fingerprint, &segment);
        (file, Origin::Segment(segment))
    });
    roll_ups
        .map(|roll_up| (roll_up.file(fingerprint), Origin::RollUp(roll_up)))
        .chain(of_segments)
        .collect()
}

/// Makes a file; returns what could not be read.
async fn make<D: Disk, C: Clock>(
    disk: &D,
    clock: &C,
    mapping: &Mapping,
    origin: &Origin,
) -> Vec<String> {
    match origin {
        Origin::Segment(segment) => match index::make(disk, clock, mapping, segment).await {
            Ok(_) | Err(Unreadable::Gone) => Vec::new(),
            Err(error) => vec![format!("{segment}: {error}")],
        },
        Origin::RollUp(roll_up) => roll_up::make(disk, clock, mapping, roll_up).await.problems,
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
