//! The names of the simulated disk: visible, durable, and on the way there.
//!
//! A change of a name is visible at once and durable after a sync of its folder.
//! At a power loss each change that was not synced survives or not by itself,
//! except that changes of one name keep their order. A rename between two names
//! leaves the old, the new or both, never neither; a sync of either folder makes
//! the new name durable, one of the old name's folder also its removal.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::chance::Chance;
use crate::disk::Folder;

/// A file of the disk, by number.
pub(super) type FileId = usize;

/// A name in its folder.
pub(super) type Place = (Folder, Rc<str>);

/// Which file each name means.
#[derive(Clone, Debug, Default)]
pub(super) struct Names([BTreeMap<Rc<str>, FileId>; 4]);

impl Names {
    fn folder(&self, folder: Folder) -> &BTreeMap<Rc<str>, FileId> {
        &self.0[index(folder)]
    }

    fn insert(&mut self, place: &Place, file: FileId) {
        self.0[index(place.0)].insert(place.1.clone(), file);
    }

    fn remove(&mut self, place: &Place) {
        self.0[index(place.0)].remove(&place.1);
    }
}

fn index(folder: Folder) -> usize {
    match folder {
        Folder::Data => 0,
        Folder::Journal => 1,
        Folder::Quarantine => 2,
        Folder::Index => 3,
    }
}

#[derive(Clone, Debug)]
enum Edit {
    Add(Place, FileId),
    Remove(Place),
    Move(Place, Place, FileId),
}

impl Edit {
    fn places(&self) -> impl Iterator<Item = &Place> {
        let (first, second) = match self {
            Edit::Add(place, _) | Edit::Remove(place) => (place, None),
            Edit::Move(from, to, _) => (from, Some(to)),
        };
        std::iter::once(first).chain(second)
    }
}

/// A visible change that is not durable.
#[derive(Clone, Debug)]
struct Change {
    number: u64,
    edit: Edit,
    /// A sync that should have written it failed; no later one will.
    given_up: bool,
}

/// The entries of all folders.
#[derive(Debug, Default)]
pub(super) struct Directory {
    visible: Names,
    durable: Names,
    pending: Vec<Change>,
    changes: u64,
}

impl Directory {
    pub(super) fn get(&self, folder: Folder, name: &str) -> Option<FileId> {
        self.visible.folder(folder).get(name).copied()
    }

    pub(super) fn entries(&self, folder: Folder) -> impl Iterator<Item = (&Rc<str>, FileId)> {
        let entries = self.visible.folder(folder).iter();
        entries.map(|(name, file)| (name, *file))
    }

    pub(super) fn names(&self, folder: Folder) -> BTreeSet<Rc<str>> {
        self.visible.folder(folder).keys().cloned().collect()
    }

    /// How many changes there have been: what a sync that begins now covers.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn add(&mut self, place: Place, file: FileId) {
        self.change(Edit::Add(place, file));
    }

    pub(super) fn remove(&mut self, place: Place) {
        self.change(Edit::Remove(place));
    }

    pub(super) fn rename(&mut self, from: Place, to: Place, file: FileId) {
        self.change(Edit::Move(from, to, file));
    }

    fn change(&mut self, edit: Edit) {
        apply(&mut self.visible, &edit);
        self.changes += 1;
        self.pending.push(Change {
            number: self.changes,
            edit,
            given_up: false,
        });
    }

    /// A successful sync of a folder, which began when there had been `upto`
    /// changes.
    pub(super) fn sync(&mut self, folder: Folder, upto: u64) {
        let mut kept: Vec<Change> = Vec::new();
        for change in std::mem::take(&mut self.pending) {
            let covered = !change.given_up && change.number <= upto;
            let (durable, left) = match change.edit {
                edit if !covered => (None, Some(edit)),
                Edit::Move(from, to, file) if from.0 != folder && to.0 == folder => {
                    (Some(Edit::Add(to, file)), Some(Edit::Remove(from)))
                }
                edit if edit.places().any(|place| place.0 == folder) => (Some(edit), None),
                edit => (None, Some(edit)),
            };
            if let Some(edit) = durable {
                apply(&mut self.durable, &edit);
                kept.retain_mut(|older| !supersedes(&edit, older));
            }
            kept.extend(left.map(|edit| Change { edit, ..change }));
        }
        self.pending = kept;
    }

    /// A failed sync of a folder: its changes stay visible, and no later sync
    /// makes them durable.
    pub(super) fn fail_sync(&mut self, folder: Folder) {
        for change in &mut self.pending {
            change.given_up |= change.edit.places().any(|place| place.0 == folder);
        }
    }

    /// Power is lost: each pending change survives with the odds of `kept` in 4.
    pub(super) fn lose_power(&mut self, chance: &Chance, kept: u64) {
        let mut lost: BTreeSet<Place> = BTreeSet::new();
        for change in std::mem::take(&mut self.pending) {
            let follows_lost = change.edit.places().any(|place| lost.contains(place));
            if follows_lost || !chance.odds(kept, 4) {
                lost.extend(change.edit.places().cloned());
                continue;
            }
            match change.edit {
                Edit::Move(from, to, file) if chance.odds(1, 4) => {
                    lost.insert(from);
                    apply(&mut self.durable, &Edit::Add(to, file));
                }
                edit => apply(&mut self.durable, &edit),
            }
        }
        self.visible = self.durable.clone();
    }
}

/// Whether a change that became durable leaves nothing of an older one. Of an
/// older rename to the same name, the old name's removal is left.
fn supersedes(newer: &Edit, older: &mut Change) -> bool {
    let overwritten = |place: &Place| newer.places().any(|newer| newer == place);
    match &older.edit {
        Edit::Add(place, _) | Edit::Remove(place) => overwritten(place),
        Edit::Move(from, to, file) => match (overwritten(from), overwritten(to)) {
            (true, true) => true,
            (true, false) => {
                older.edit = Edit::Add(to.clone(), *file);
                false
            }
            (false, true) => {
                older.edit = Edit::Remove(from.clone());
                false
            }
            (false, false) => false,
        },
    }
}

fn apply(names: &mut Names, edit: &Edit) {
    match edit {
        Edit::Add(place, file) => names.insert(place, *file),
        Edit::Remove(place) => names.remove(place),
        Edit::Move(from, to, file) => {
            names.remove(from);
            names.insert(to, *file);
        }
    }
}
