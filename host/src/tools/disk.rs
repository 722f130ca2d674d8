//! The files of a data directory, to read and nothing else: no lock is taken and
//! nothing is written, so that a tool may run beside a server.

use netwatch_guest::clock::Clock;
use netwatch_guest::disk::{Disk, DiskError, DiskFile, DiskResult, Folder};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// A data directory.
#[derive(Debug)]
pub(crate) struct ReadOnly {
    root: PathBuf,
}

impl ReadOnly {
    pub(crate) fn new(root: &Path) -> ReadOnly {
        ReadOnly {
            root: root.to_owned(),
        }
    }

    pub(crate) fn folder(&self, folder: Folder) -> PathBuf {
        match folder {
            Folder::Data => self.root.clone(),
            Folder::Journal => self.root.join("journal"),
            Folder::Quarantine => self.root.join("quarantine"),
            Folder::Index => self.root.join("index"),
        }
    }
}

fn refused<T>() -> DiskResult<T> {
    Err(DiskError::Failed("the directory is open read-only".into()))
}

fn disk_error(error: &io::Error) -> DiskError {
    match error.kind() {
        io::ErrorKind::NotFound => DiskError::NotFound,
        io::ErrorKind::AlreadyExists => DiskError::Exists,
        _ => DiskError::Failed(error.to_string()),
    }
}

/// Opens a regular file to read. Whatever else has the name (a FIFO would block,
/// a link leads elsewhere) is not opened.
fn open_regular(path: &Path) -> DiskResult<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let no_file = || DiskError::Failed("not a regular file".into());
    let file = File::from(opened.map_err(|error| match error {
        rustix::io::Errno::LOOP => no_file(),
        error => disk_error(&error.into()),
    })?);
    let is_file = file
        .metadata()
        .map_err(|error| disk_error(&error))?
        .is_file();
    if is_file { Ok(file) } else { Err(no_file()) }
}

impl Disk for ReadOnly {
    type File = ReadOnlyFile;

    async fn create(&self, _: Folder, _: &str) -> DiskResult<ReadOnlyFile> {
        refused()
    }

    async fn open(&self, folder: Folder, name: &str, append: bool) -> DiskResult<ReadOnlyFile> {
        if append || name.contains('/') {
            return refused();
        }
        open_regular(&self.folder(folder).join(name)).map(ReadOnlyFile)
    }

    /// A folder that is not there is empty: the server makes it when it needs it.
    async fn list(&self, folder: Folder) -> DiskResult<Vec<String>> {
        let entries = match std::fs::read_dir(self.folder(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder != Folder::Data => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(disk_error(&error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| disk_error(&error))?;
            // An entry that vanishes meanwhile is none.
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_file && let Ok(name) = entry.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    async fn link(&self, _: (Folder, &str), _: (Folder, &str)) -> DiskResult<()> {
        refused()
    }

    async fn rename(&self, _: (Folder, &str), _: (Folder, &str)) -> DiskResult<()> {
        refused()
    }

    async fn unlink(&self, _: Folder, _: &str) -> DiskResult<()> {
        refused()
    }

    async fn sync_folder(&self, _: Folder) -> DiskResult<()> {
        refused()
    }
}

/// A file of it.
#[derive(Debug)]
pub(crate) struct ReadOnlyFile(File);

impl DiskFile for ReadOnlyFile {
    async fn append(&mut self, bytes: Vec<u8>) -> (Vec<u8>, DiskResult<()>) {
        (bytes, refused())
    }

    async fn read_at(&self, offset: u64, len: usize) -> DiskResult<Vec<u8>> {
        let mut bytes = vec![0; len];
        let mut read = 0;
        while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(disk_error(&error)),
            }
        }
        bytes.truncate(read);
        Ok(bytes)
    }

    async fn size(&self) -> DiskResult<u64> {
        let metadata = self.0.metadata();
        metadata
            .map(|metadata| metadata.len())
            .map_err(|error| disk_error(&error))
    }

    async fn sync(&self) -> DiskResult<()> {
        refused()
    }
}

/// The system's time, on the one thread of a tool.
#[derive(Debug)]
pub(crate) struct SystemClock {
    begun: Instant,
}

impl SystemClock {
    pub(crate) fn new() -> SystemClock {
        SystemClock {
            begun: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn wall_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }

    fn monotonic(&self) -> Duration {
        self.begun.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn breathe(&self) {
        tokio::task::yield_now().await;
    }

    fn random(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            // Each is seeded by the system.
            let word = RandomState::new().hash_one(self.begun);
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        tokio::task::spawn_local(task);
    }
}

/// Runs a future of the guest's modules to its end, on this thread.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(tokio::task::LocalSet::new().block_on(&runtime, future))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("file"), "0123456789").unwrap();
        std::os::unix::fs::symlink("file", directory.path().join("link")).unwrap();
        std::fs::create_dir(directory.path().join("directory")).unwrap();
        let fifo = directory.path().join("fifo");
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        directory
    }

    #[test]
    fn only_regular_files_are_listed_and_opened_and_nothing_blocks() {
        let directory = directory();
        let disk = ReadOnly::new(directory.path());
        run(async {
            assert_eq!(disk.list(Folder::Data).await.unwrap(), ["file"]);
            assert_eq!(disk.list(Folder::Journal).await.unwrap(), [""; 0]);
            for name in ["link", "directory", "fifo"] {
                let error = disk.open(Folder::Data, name, false).await.err().unwrap();
                assert!(error.to_string().contains("regular"), "{name}: {error}");
            }
            let missing = disk.open(Folder::Data, "missing", false).await;
            assert_eq!(missing.err(), Some(DiskError::NotFound));
        })
        .unwrap();
    }

    #[test]
    fn reading_ends_at_the_end_of_the_file() {
        let directory = directory();
        let disk = ReadOnly::new(directory.path());
        run(async {
            let file = disk.open(Folder::Data, "file", false).await.unwrap();
            assert_eq!(file.size().await.unwrap(), 10);
            assert_eq!(file.read_at(3, 4).await.unwrap(), b"3456");
            assert_eq!(file.read_at(8, 4).await.unwrap(), b"89");
            assert_eq!(file.read_at(10, 4).await.unwrap(), b"");
        })
        .unwrap();
    }

    #[test]
    fn nothing_is_ever_written() {
        let directory = directory();
        let disk = ReadOnly::new(directory.path());
        let (from, to) = ((Folder::Data, "file"), (Folder::Data, "other"));
        run(async {
            assert!(disk.create(Folder::Data, "new").await.is_err());
            assert!(disk.open(Folder::Data, "file", true).await.is_err());
            assert!(disk.link(from, to).await.is_err());
            assert!(disk.rename(from, to).await.is_err());
            assert!(disk.unlink(Folder::Data, "file").await.is_err());
            let mut file = disk.open(Folder::Data, "file", false).await.unwrap();
            assert!(file.append(b"x".to_vec()).await.1.is_err());
        })
        .unwrap();
        let text = std::fs::read_to_string(directory.path().join("file"));
        assert_eq!(text.unwrap(), "0123456789");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 4);
    }
}
