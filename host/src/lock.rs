//! One server per data directory.

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::net::SocketAddr;
use std::path::Path;

/// The file that is locked. It stays when the server ends; the lock does not.
const NAME: &str = ".lock";

/// A directory that is ours until this is dropped or the process ends, however
/// it ends: the kernel holds the lock, not the file's content.
pub(crate) struct Lock {
    file: File,
}

/// Who holds a directory, as far as its lock file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: Option<u32>,
    /// Where it listens.
    pub address: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}")?,
            None => f.write_str("another process")?,
        }
        match &self.address {
            Some(address) => write!(f, ", which listens on {address}"),
            None => Ok(()),
        }
    }
}

/// Why a lock is not to be had.
#[derive(Debug)]
pub(crate) enum LockError {
    Held(Holder),
    Io(io::Error),
}

impl Lock {
    /// Locks the directory.
    pub(crate) fn take(directory: &Path) -> Result<Lock, LockError> {
        let mut file = open(&directory.join(NAME)).map_err(LockError::Io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                let mut lock = Lock { file };
                lock.write(None).map_err(LockError::Io)?;
                Ok(lock)
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Err(LockError::Held(holder(&mut file))),
            Err(error) => Err(LockError::Io(error.into())),
        }
    }

    /// Tells others where this server listens.
    pub(crate) fn announce(&mut self, address: SocketAddr) -> io::Result<()> {
        self.write(Some(address))
    }

    fn write(&mut self, address: Option<SocketAddr>) -> io::Result<()> {
        let address = address.map(|address| address.to_string());
        let text = format!("{}\n{}\n", std::process::id(), address.unwrap_or_default());
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())
    }
}

/// Opens the lock file, which is made if missing. A component can write to the
/// directory as well: a link that it put there must not lead the host elsewhere.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o644);
    Ok(rustix::fs::open(path, flags, mode).map(File::from)?)
}

fn holder(file: &mut File) -> Holder {
    let mut text = String::new();
    // What cannot be read is left out of the message.
    let _ = file.take(256).read_to_string(&mut text);
    let mut lines = text.lines();
    Holder {
        pid: lines.next().and_then(|line| line.parse().ok()),
        // Whatever else a component may have written is nobody's address.
        address: lines
            .next()
            .filter(|line| line.parse::<SocketAddr>().is_ok())
            .map(str::to_owned),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_learns_who_holds_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let mut first = Lock::take(directory.path()).unwrap();
        first.announce("127.0.0.1:8080".parse().unwrap()).unwrap();
        let Err(LockError::Held(holder)) = Lock::take(directory.path()) else {
            panic!("locked twice");
        };
        assert_eq!(holder.pid, Some(std::process::id()));
        assert_eq!(holder.address.as_deref(), Some("127.0.0.1:8080"));
        drop(first);
        assert!(Lock::take(directory.path()).is_ok());
    }

    #[test]
    fn a_link_in_place_of_the_lock_file_leads_nowhere() {
        let directory = tempfile::tempdir().unwrap();
        let elsewhere = directory.path().join("elsewhere");
        std::fs::write(&elsewhere, "precious").unwrap();
        std::os::unix::fs::symlink("elsewhere", directory.path().join(NAME)).unwrap();
        let Err(LockError::Io(_)) = Lock::take(directory.path()) else {
            panic!("locked something else");
        };
        assert_eq!(std::fs::read_to_string(elsewhere).unwrap(), "precious");
    }

    #[test]
    fn what_is_no_address_is_not_shown_as_one() {
        let directory = tempfile::tempdir().unwrap();
        let held = Lock::take(directory.path()).unwrap();
        std::fs::write(directory.path().join(NAME), "7\n\u{1b}[2Jlies\n").unwrap();
        let Err(LockError::Held(holder)) = Lock::take(directory.path()) else {
            panic!("locked twice");
        };
        assert_eq!((holder.pid, holder.address), (Some(7), None));
        drop(held);
    }
}
