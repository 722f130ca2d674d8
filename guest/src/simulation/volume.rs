//! Files and names together, and each operation's effect on them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::chance::Chance;
use super::directory::{Directory, FileId, Place};
use super::file::FileState;
use crate::disk::{DiskError, DiskResult, Folder};

/// All folders.
pub(super) const FOLDERS: [Folder; 4] = [
    Folder::Data,
    Folder::Journal,
    Folder::Quarantine,
    Folder::Index,
];

/// The disk's content, without time, faults or instances.
#[derive(Debug, Default)]
pub(super) struct Volume {
    files: Vec<FileState>,
    pub(super) directory: Directory,
    violations: Vec<String>,
    /// Published files whose names were removed, as they were.
    removed: BTreeMap<Rc<str>, Vec<u8>>,
}

impl Volume {
    pub(super) fn file(&self, file: FileId) -> &FileState {
        &self.files[file]
    }

    pub(super) fn create(&mut self, place: Place) -> DiskResult<FileId> {
        self.check_free(&place)?;
        let file = self.files.len();
        self.files.push(FileState::default());
        self.add_name(place, file);
        Ok(file)
    }

    pub(super) fn open(&self, place: &Place) -> DiskResult<FileId> {
        let file = self.directory.get(place.0, &place.1);
        file.ok_or(DiskError::NotFound)
    }

    /// The names in a folder, those of `at_start` being what it held when the
    /// listing began: what came or went meanwhile is in the list or not.
    pub(super) fn list(
        &self,
        folder: Folder,
        at_start: &BTreeSet<Rc<str>>,
        chance: &Chance,
    ) -> Vec<String> {
        let now = self.directory.names(folder);
        let certain = now.intersection(at_start);
        let changing = now.symmetric_difference(at_start);
        let listed = certain.chain(changing.filter(|_| chance.coin()));
        let mut names: Vec<String> = listed.map(ToString::to_string).collect();
        for unsorted in (1..names.len()).rev() {
            names.swap(unsorted, chance.index(unsorted + 1));
        }
        names
    }

    pub(super) fn link(&mut self, from: &Place, to: Place) -> DiskResult<()> {
        let file = self.open(from)?;
        self.check_free(&to)?;
        self.add_name(to, file);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Place, to: Place) -> DiskResult<()> {
        let file = self.open(from)?;
        match self.directory.get(to.0, &to.1) {
            // POSIX: two names of one file, and nothing happens.
            Some(same) if same == file => return Ok(()),
            Some(_) if to.0 == Folder::Data => self.violate(format!("{} overwritten", to.1)),
            _ => {}
        }
        if to.0 == Folder::Data {
            self.publish(&to, file);
        }
        self.directory.rename(from.clone(), to, file);
        Ok(())
    }

    pub(super) fn unlink(&mut self, place: Place) -> DiskResult<()> {
        let file = self.open(&place)?;
        if place.0 == Folder::Data {
            let content = self.files[file].content().to_vec();
            self.removed.insert(Rc::clone(&place.1), content);
        }
        self.directory.remove(place);
        Ok(())
    }

    pub(super) fn append(&mut self, file: FileId, bytes: &[u8], name: &str) {
        if self.files[file].is_published() && !bytes.is_empty() {
            self.violate(format!("{name} appended to after it was published"));
        }
        self.files[file].append(bytes);
    }

    pub(super) fn read(&self, file: FileId, offset: u64, len: usize) -> Vec<u8> {
        let content = self.files[file].content();
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = content.get(offset..).unwrap_or_default();
        rest[..len.min(rest.len())].to_vec()
    }

    pub(super) fn sync(&mut self, file: FileId, upto: usize) {
        self.files[file].sync(upto);
    }

    pub(super) fn fail_sync(&mut self, file: FileId) {
        self.files[file].fail_sync();
    }

    /// Leaves what a power loss leaves: at one time most of what was not synced,
    /// at another nothing.
    pub(super) fn lose_power(&mut self, chance: &Chance) {
        let kept_bytes = chance.below(5);
        let kept_names = chance.below(5);
        for file in &mut self.files {
            file.lose_power(chance, kept_bytes);
        }
        self.directory.lose_power(chance, kept_names);
    }

    pub(super) fn violations(&self) -> &[String] {
        &self.violations
    }

    /// The names in [`Folder::Data`] whose file is not what was published.
    pub(super) fn damaged(&self) -> Vec<String> {
        let published = self.directory.entries(Folder::Data);
        let damaged = published.filter(|(_, file)| self.files[*file].is_damaged());
        damaged.map(|(name, _)| name.to_string()).collect()
    }

    fn check_free(&self, place: &Place) -> DiskResult<()> {
        match self.directory.get(place.0, &place.1) {
            Some(_) => Err(DiskError::Exists),
            None => Ok(()),
        }
    }

    fn add_name(&mut self, place: Place, file: FileId) {
        if place.0 == Folder::Data {
            self.publish(&place, file);
        }
        self.directory.add(place, file);
    }

    fn publish(&mut self, place: &Place, file: FileId) {
        if self.removed.contains_key(&place.1) {
            self.violate(format!("{} published again after it was removed", place.1));
        }
        self.files[file].publish();
    }

    /// Published files that were removed, by name.
    pub(super) fn removed(&self) -> &BTreeMap<Rc<str>, Vec<u8>> {
        &self.removed
    }

    fn violate(&mut self, violation: String) {
        self.violations.push(violation);
    }
}
