//! One file of the simulated disk: what processes see, and what is durable.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use super::chance::Chance;

/// What a disk writes whole or not at all, bytes.
pub(super) const SECTOR: usize = 512;

/// Length and hash of a content.
type Digest = (usize, u64);

/// A file's content. It has no name: names are the directory's.
#[derive(Debug, Default)]
pub(super) struct FileState {
    /// What every process sees.
    content: Vec<u8>,
    /// What a power loss leaves for certain; sorted, apart from each other.
    durable: Vec<Range<usize>>,
    /// The kernel holds everything below for clean. That what is neither durable
    /// nor dirty exists is the lesson of Rebello et al. (ATC 2020).
    dirty_from: usize,
    /// The content when it was first published.
    published: Option<Digest>,
}

impl FileState {
    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.content.extend_from_slice(bytes);
    }

    /// A successful sync that began when the file was `upto` bytes long: only
    /// what is dirty is written.
    pub(super) fn sync(&mut self, upto: usize) {
        if upto <= self.dirty_from {
            return;
        }
        match self.durable.last_mut() {
            Some(last) if last.end == self.dirty_from => last.end = upto,
            _ => self.durable.push(self.dirty_from..upto),
        }
        self.dirty_from = upto;
    }

    /// A failed sync: what was dirty is not durable, and clean from now on.
    pub(super) fn fail_sync(&mut self) {
        self.dirty_from = self.content.len();
    }

    /// Notes that everybody may read the file from now on.
    pub(super) fn publish(&mut self) {
        let digest = self.digest();
        self.published.get_or_insert(digest);
    }

    pub(super) fn is_published(&self) -> bool {
        self.published.is_some()
    }

    /// Whether the content is another than was first published.
    pub(super) fn is_damaged(&self) -> bool {
        self.published
            .is_some_and(|published| published != self.digest())
    }

    fn digest(&self) -> Digest {
        // DefaultHasher::new() has fixed keys.
        let mut hasher = DefaultHasher::new();
        self.content.hash(&mut hasher);
        (self.content.len(), hasher.finish())
    }

    /// Power is lost: the size may have grown or not, and each sector that was
    /// not synced reached the disk with the odds of `kept` in 4. What is left is
    /// durable.
    pub(super) fn lose_power(&mut self, chance: &Chance, kept: u64) {
        let certain = self.durable.last().map_or(0, |last| last.end);
        let uncertain = self.content.len() - certain;
        match chance.below(4) {
            0 => self.content.truncate(certain),
            1 => self.content.truncate(certain + chance.index(uncertain + 1)),
            _ => {}
        }
        let len = self.content.len();
        for start in (0..len).step_by(SECTOR) {
            let sector = start..len.min(start + SECTOR);
            if !self.is_durable(&sector) && !chance.odds(kept, 4) {
                self.lose_sector(sector, chance);
            }
        }
        self.durable.clear();
        self.durable.push(0..len);
        self.dirty_from = len;
    }

    /// A lost sector reads as what its place on the disk held: zeros mostly,
    /// sometimes a stranger's old bytes. Bytes synced earlier stay, for a sector
    /// is written whole.
    fn lose_sector(&mut self, sector: Range<usize>, chance: &Chance) {
        let mut found = [0; SECTOR];
        if chance.odds(1, 4) {
            chance.fill(&mut found);
        }
        let start = sector.start;
        for range in &self.durable {
            let kept = sector.start.max(range.start)..sector.end.min(range.end);
            if let Some(bytes) = self.content.get(kept.clone()) {
                found[kept.start - start..][..bytes.len()].copy_from_slice(bytes);
            }
        }
        let len = sector.len();
        self.content[sector].copy_from_slice(&found[..len]);
    }

    fn is_durable(&self, bytes: &Range<usize>) -> bool {
        let mut ranges = self.durable.iter();
        ranges.any(|range| range.start <= bytes.start && bytes.end <= range.end)
    }
}
