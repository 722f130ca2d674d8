//! The operations of [`Disk`] and [`DiskFile`] on the simulated disk.

use super::chance::Chance;
use super::directory::{FileId, Place};
use super::disk::{CutOff, SimDisk, State, Target};
use super::fault::{Failure, OperationKind, Side};
use super::trace::Event;
use super::volume::Volume;
use crate::disk::{Disk, DiskError, DiskFile, DiskResult, Folder};

/// The largest piece of an append that others' bytes never divide, bytes.
const PIECE: usize = 8192;

/// An open file of a [`SimDisk`]. It stays readable when its name is gone.
pub struct SimFile {
    disk: SimDisk,
    file: FileId,
    /// The name it was opened by.
    place: Place,
    append: bool,
}

fn place(folder: Folder, name: &str) -> Place {
    (folder, name.into())
}

fn on_name(kind: OperationKind, place: &Place) -> Target {
    Target {
        kind,
        place: place.clone(),
        file: None,
    }
}

impl SimDisk {
    fn opened(&self, file: FileId, place: Place, append: bool) -> SimFile {
        SimFile {
            disk: self.clone(),
            file,
            place,
            append,
        }
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    async fn create(&self, folder: Folder, name: &str) -> DiskResult<SimFile> {
        let place = place(folder, name);
        let target = on_name(OperationKind::Create, &place);
        let created = place.clone();
        let file = self
            .perform(target, move |volume, _| volume.create(created))
            .await?;
        Ok(self.opened(file, place, true))
    }

    async fn open(&self, folder: Folder, name: &str, append: bool) -> DiskResult<SimFile> {
        let place = place(folder, name);
        let target = on_name(OperationKind::Open, &place);
        let sought = place.clone();
        let file = self
            .perform(target, move |volume, _| volume.open(&sought))
            .await?;
        Ok(self.opened(file, place, append))
    }

    async fn list(&self, folder: Folder) -> DiskResult<Vec<String>> {
        let at_start = self.state.borrow().volume.directory.names(folder);
        let target = on_name(OperationKind::List, &place(folder, ""));
        let list =
            move |volume: &mut Volume, chance: &Chance| Ok(volume.list(folder, &at_start, chance));
        self.perform(target, list).await
    }

    async fn link(&self, from: (Folder, &str), to: (Folder, &str)) -> DiskResult<()> {
        let (from, to) = (place(from.0, from.1), place(to.0, to.1));
        let target = on_name(OperationKind::Link, &to);
        self.perform(target, move |volume, _| volume.link(&from, to))
            .await
    }

    async fn rename(&self, from: (Folder, &str), to: (Folder, &str)) -> DiskResult<()> {
        let (from, to) = (place(from.0, from.1), place(to.0, to.1));
        let target = on_name(OperationKind::Rename, &to);
        self.perform(target, move |volume, _| volume.rename(&from, to))
            .await
    }

    async fn unlink(&self, folder: Folder, name: &str) -> DiskResult<()> {
        let place = place(folder, name);
        let target = on_name(OperationKind::Unlink, &place);
        self.perform(target, move |volume, _| volume.unlink(place))
            .await
    }

    async fn sync_folder(&self, folder: Folder) -> DiskResult<()> {
        // What changes while the sync is under way is not covered by it.
        let upto = self.state.borrow().volume.directory.changes();
        let target = on_name(OperationKind::SyncFolder, &place(folder, ""));
        let sync = move |volume: &mut Volume, _: &Chance| {
            volume.directory.sync(folder, upto);
            Ok(())
        };
        self.perform(target, sync).await
    }
}

impl SimFile {
    fn target(&self, kind: OperationKind) -> Target {
        Target {
            kind,
            place: self.place.clone(),
            file: Some(self.file),
        }
    }
}

impl DiskFile for SimFile {
    async fn append(&mut self, bytes: Vec<u8>) -> (Vec<u8>, DiskResult<()>) {
        if !self.append {
            let error = DiskError::Failed("the file is open for reading only".to_owned());
            return (bytes, Err(error));
        }
        let disk = self.disk.clone();
        let target = self.target(OperationKind::Append);
        let append = async move {
            let mut result = Ok(());
            for start in (0..bytes.len().max(1)).step_by(PIECE) {
                let end = bytes.len().min(start + PIECE);
                disk.delay().await;
                result = append_piece(&disk, &target, &bytes[start..end])?;
                if result.is_err() {
                    break;
                }
            }
            Some((bytes, result))
        };
        self.disk.start(append).await
    }

    async fn read_at(&self, offset: u64, len: usize) -> DiskResult<Vec<u8>> {
        let file = self.file;
        let read = move |volume: &mut Volume, _: &Chance| Ok(volume.read(file, offset, len));
        self.disk
            .perform(self.target(OperationKind::Read), read)
            .await
    }

    async fn size(&self) -> DiskResult<u64> {
        let file = self.file;
        let size =
            move |volume: &mut Volume, _: &Chance| Ok(volume.file(file).content().len() as u64);
        self.disk
            .perform(self.target(OperationKind::Size), size)
            .await
    }

    async fn sync(&self) -> DiskResult<()> {
        let file = self.file;
        // What is appended while the sync is under way is not covered by it.
        let upto = self.disk.state.borrow().volume.file(file).content().len();
        let sync = move |volume: &mut Volume, _: &Chance| {
            volume.sync(file, upto);
            Ok(())
        };
        self.disk
            .perform(self.target(OperationKind::Sync), sync)
            .await
    }
}

/// Appends one piece, or the part of it that a failure or a crash leaves. `None`
/// if a crash ended the operation.
fn append_piece(disk: &SimDisk, target: &Target, piece: &[u8]) -> Option<DiskResult<()>> {
    let applied = disk.step(target, piece.len(), |state, failure| match failure {
        None => {
            write(state, target, piece);
            Ok(())
        }
        Some(failure) => {
            let written = match failure {
                Failure::IoThoughDone => piece.len(),
                Failure::Io | Failure::Full => state.chance.index(piece.len() + 1),
            };
            write(state, target, &piece[..written]);
            Err(failure.error(target.kind))
        }
    });
    match applied {
        Ok(result) => Some(result),
        Err(CutOff(Side::After)) => None,
        Err(CutOff(Side::Before)) => {
            // A process killed while it writes leaves any part of the piece.
            let state = &mut *disk.state.borrow_mut();
            let written = match state.chance.coin() {
                true => state.chance.index(piece.len() + 1),
                false => 0,
            };
            write(state, target, &piece[..written]);
            let note = format!("{written} of {} bytes appended", piece.len());
            state.trace.push(Event::Note(note));
            None
        }
    }
}

fn write(state: &mut State, target: &Target, bytes: &[u8]) {
    if let Some(file) = target.file {
        state.volume.append(file, bytes, &target.place.1);
    }
}
