//! How far a file is posted, kept beside it: `FILE.posted`.
//!
//! ```text
//! {"url":"http://…","offset":1048576,"line":1500,"last_line_at":1047900,"last_line_crc":1234}
//! ```
//!
//! Offsets are in the decompressed content. The last line's checksum (CRC-32C)
//! says later whether the file is still the one that was posted; it may have
//! grown. The file is replaced as a whole and synced, so it never says more than
//! what a server has acknowledged.

use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// How far a file is posted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Bytes of content, decompressed, whose reports are acknowledged.
    pub(super) offset: u64,
    /// The last line among them, from 1; 0 for none.
    pub(super) line: u64,
    /// Where that line begins.
    pub(super) last_line_at: u64,
    /// Checksum of its bytes, line feed included.
    pub(super) last_line_crc: u32,
}

/// The file that keeps it.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    temporary: PathBuf,
    url: String,
}

impl State {
    /// That of a file posted to a URL: beside it, or in a directory for all of
    /// them.
    pub(super) fn of(file: &Path, directory: Option<&Path>, url: &str) -> State {
        let place = match (directory, file.file_name()) {
            (Some(directory), Some(name)) => directory.join(name),
            _ => file.to_owned(),
        };
        let named = |suffix: &str| {
            let mut name = OsString::from(&place);
            name.push(suffix);
            PathBuf::from(name)
        };
        State {
            path: named(".posted"),
            temporary: named(".posted.tmp"),
            url: url.to_owned(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it says; `None` if nothing was posted.
    ///
    /// # Errors
    /// It cannot be read, or is about another server.
    pub(super) fn load(&self) -> Result<Option<Progress>, String> {
        let path = self.path.display();
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{path}: {error}")),
        };
        let (url, progress) = parse(&bytes).ok_or_else(|| {
            format!(
                "{path} does not say how far the file is posted; give --restart to post all of \
                 it, or remove {path}"
            )
        })?;
        if url != self.url {
            return Err(format!(
                "{path} says that the file is posted up to line {} to {url}, not to {}; give \
                 --restart to post all of it there, too",
                progress.line, self.url
            ));
        }
        Ok(Some(progress))
    }

    /// Says how far it is, durably.
    ///
    /// # Errors
    /// Those of the disk.
    pub(super) fn save(&mut self, progress: &Progress) -> io::Result<()> {
        let text = json!({
            "url": self.url,
            "offset": progress.offset,
            "line": progress.line,
            "last_line_at": progress.last_line_at,
            "last_line_crc": progress.last_line_crc,
        });
        let mut file = File::create(&self.temporary)?;
        writeln!(file, "{text}")?;
        file.sync_data()?;
        std::fs::rename(&self.temporary, &self.path)?;
        let folder = self.path.parent().filter(|path| path != &Path::new(""));
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn parse(bytes: &[u8]) -> Option<(String, Progress)> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let progress = Progress {
        offset: value.get("offset")?.as_u64()?,
        line: value.get("line")?.as_u64()?,
        last_line_at: value.get("last_line_at")?.as_u64()?,
        last_line_crc: u32::try_from(value.get("last_line_crc")?.as_u64()?).ok()?,
    };
    Some((value.get("url")?.as_str()?.to_owned(), progress))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded_for_the_same_server_only() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.jsonl");
        let mut state = State::of(&file, None, "http://a/");
        assert_eq!(state.load(), Ok(None));
        let progress = Progress {
            offset: 10,
            line: 2,
            last_line_at: 5,
            last_line_crc: u32::MAX,
        };
        state.save(&Progress::default()).unwrap();
        state.save(&progress).unwrap();
        assert_eq!(state.load(), Ok(Some(progress)));
        let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        let error = State::of(&file, None, "http://b/").load().unwrap_err();
        assert!(
            error.contains("http://a/") && error.contains("--restart"),
            "{error}"
        );
    }

    #[test]
    fn it_may_be_kept_elsewhere() {
        let (files, states) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = files.path().join("a.jsonl");
        let mut state = State::of(&file, Some(states.path()), "http://a/");
        state.save(&Progress::default()).unwrap();
        assert!(states.path().join("a.jsonl.posted").exists());
        assert_eq!(std::fs::read_dir(files.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_state_is_not_guessed_at() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.jsonl");
        let state = State::of(&file, None, "http://a/");
        for text in ["", "{}", "{\"url\":\"http://a/\",\"offset\":-1}"] {
            std::fs::write(state.path(), text).unwrap();
            assert!(state.load().is_err(), "{text}");
        }
    }
}
