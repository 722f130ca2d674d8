//! What a directory takes of the disk.

use crate::limits;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::Path;

/// What a directory was found to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) bytes: u64,
    pub(crate) files: u64,
}

/// What a directory and all below it take, links not followed. Where it cannot be
/// counted it takes everything.
pub(crate) fn count_directory(directory: &Path) -> Usage {
    let mut usage = Usage::default();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut walk = Walk {
        usage: &mut usage,
        linked: BTreeSet::new(),
    };
    let counted = rustix::fs::open(directory, flags, Mode::empty())
        .and_then(|directory| walk.count(&directory, 0));
    match counted {
        Ok(()) => usage,
        Err(_) => Usage {
            bytes: u64::MAX,
            files: u64::MAX,
        },
    }
}

struct Walk<'a> {
    usage: &'a mut Usage,
    /// Files with several names, which count once.
    linked: BTreeSet<(u64, u64)>,
}

impl Walk<'_> {
    fn count(&mut self, directory: &OwnedFd, depth: usize) -> rustix::io::Result<()> {
        if depth > limits::QUOTA_DEPTH {
            return Err(rustix::io::Errno::LOOP);
        }
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let stat = match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(rustix::io::Errno::NOENT) => continue,
                Err(error) => return Err(error),
            };
            self.usage.files += 1;
            if stat.st_nlink <= 1
                || FileType::from_raw_mode(stat.st_mode) == FileType::Directory
                || self.linked.insert((stat.st_dev, stat.st_ino))
            {
                self.usage.bytes = self.usage.bytes.saturating_add(size(&stat));
            }
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                match rustix::fs::openat(directory, name, flags, Mode::empty()) {
                    Ok(below) => self.count(&below, depth + 1)?,
                    // Gone, or something else by now.
                    Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// The larger of what a file says it holds and what it takes.
pub(super) fn size(stat: &Stat) -> u64 {
    let length = u64::try_from(stat.st_size).unwrap_or(0);
    let blocks = u64::try_from(stat.st_blocks).unwrap_or(0);
    length.max(blocks.saturating_mul(512))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn names_are_counted_at_any_depth_and_links_once() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        std::fs::write(dir.path().join("a/b/c"), vec![1; 1 << 20]).unwrap();
        std::fs::hard_link(dir.path().join("a/b/c"), dir.path().join("d")).unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("e")).unwrap();
        let usage = count_directory(dir.path());
        assert_eq!(usage.files, 5);
        assert!((1 << 20..3 << 20).contains(&usage.bytes), "{usage:?}");
    }

    #[test]
    fn a_sparse_file_counts_with_what_it_says_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("sparse")).unwrap();
        file.set_len(1 << 30).unwrap();
        assert!(count_directory(dir.path()).bytes >= 1 << 30);
    }

    #[test]
    fn what_is_too_deep_or_cannot_be_read_takes_everything() {
        let dir = tempfile::tempdir().unwrap();
        let deep = (0..=limits::QUOTA_DEPTH + 1).fold(dir.path().to_owned(), |p, _| p.join("d"));
        std::fs::create_dir_all(deep).unwrap();
        assert_eq!(count_directory(dir.path()).bytes, u64::MAX);
        assert_eq!(count_directory(Path::new("/nonexistent")).files, u64::MAX);
    }
}
