//! What lies beside segments and journals.

use super::Inspection;
use super::lines::Findings;
use super::tally::Kind;
use netwatch_guest::disk::{Disk, DiskError, DiskFile, Folder};
use netwatch_guest::stats::index_name::{self, IndexFile};
use netwatch_guest::stats::side_file;
use std::ffi::OsString;
use std::io;
use std::path::Path;

/// What else is at home in `DATA_DIR`: the lock, the folders, and what a file
/// system puts into the root of a volume.
const AT_HOME: [&str; 5] = [".lock", "journal", "quarantine", "index", "lost+found"];

/// Something in a folder.
pub(super) struct Entry {
    file_name: OsString,
    pub(super) is_file: bool,
    /// Its size; 0 where it is no file.
    pub(super) bytes: u64,
}

impl Entry {
    /// Its name, if that is text.
    pub(super) fn name(&self) -> Option<&str> {
        self.file_name.to_str()
    }

    /// Its name for a message, whatever it is.
    pub(super) fn shown(&self) -> String {
        match self.name() {
            Some(name) if !name.chars().any(char::is_control) => name.to_owned(),
            _ => format!("{:?}", self.file_name),
        }
    }
}

/// What is in a folder, by name; nothing where the folder is not there.
pub(super) fn names(folder: &Path) -> io::Result<Vec<Entry>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        // What vanishes meanwhile was not there.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        found.push(Entry {
            file_name: entry.file_name(),
            is_file: metadata.is_file(),
            bytes: if metadata.is_file() {
                metadata.len()
            } else {
                0
            },
        });
    }
    found.sort_unstable_by(|a, b| a.file_name.cmp(&b.file_name));
    Ok(found)
}

impl Inspection {
    /// Something in `DATA_DIR` that is no segment.
    pub(super) fn beside_segments(&mut self, entry: &Entry) {
        if entry.name().is_some_and(|name| AT_HOME.contains(&name)) {
            return;
        }
        self.foreign("", entry);
    }

    /// Something that is not ours.
    pub(super) fn foreign(&mut self, folder: &str, entry: &Entry) {
        let what = if entry.is_file {
            "is not ours: no file of this server has such a name"
        } else {
            "is not ours: no regular file"
        };
        let mut findings = Findings::default();
        findings.add(what.to_owned());
        let shown = format!("{folder}{}", entry.shown());
        self.tally.count(Kind::Foreign, entry.bytes, 0);
        self.tally.wrong(Kind::Foreign, &shown, &findings);
    }

    /// A file of statistics. One that cannot be used costs time and nothing else.
    pub(super) async fn index_file(&mut self, entry: &Entry) {
        let parsed = entry.name().and_then(IndexFile::parse);
        let (kind, key) = match parsed {
            Some(IndexFile::Segment { key, .. }) => (index_name::Kind::Segment, key),
            Some(IndexFile::RollUp { kind, key, .. }) => (kind, key),
            Some(IndexFile::Temporary(_)) => {
                return self.tally.count(Kind::Making, entry.bytes, 0);
            }
            None => return self.foreign("index/", entry),
        };
        let read = self.index_bytes(&entry.shown()).await;
        match read {
            Err(DiskError::NotFound) => return,
            Ok(bytes) if side_file::decode(&bytes, kind, key).is_some() => {}
            Ok(_) => self.tally.note(format!(
                "index/{}: torn, or of another version; it is computed again when it is needed",
                entry.shown()
            )),
            Err(error) => self.tally.note(format!("index/{}: {error}", entry.shown())),
        }
        self.tally.count(Kind::Index, entry.bytes, 0);
    }

    async fn index_bytes(&self, name: &str) -> Result<Vec<u8>, DiskError> {
        let file = self.disk.open(Folder::Index, name, false).await?;
        let size = file.size().await?;
        file.read_at(0, usize::try_from(size).unwrap_or(usize::MAX))
            .await
    }
}
