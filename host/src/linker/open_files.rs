//! What one instance holds open: the process has only so many file descriptors,
//! for all tenants and all connections.

use crate::limits;
use std::fs::File;
use std::sync::{Arc, Weak};

/// Counts an instance's open files and directories.
#[derive(Default)]
pub(crate) struct OpenFiles {
    /// Some of them may be closed by now.
    opened: Vec<Weak<File>>,
    /// Being opened.
    opening: usize,
}

impl OpenFiles {
    /// Reserves a place for one that is about to be opened; false if there is
    /// none.
    pub(crate) fn begin(&mut self) -> bool {
        if self.taken() >= limits::OPEN_FILES {
            self.opened.retain(|file| file.strong_count() > 0);
        }
        let room = self.taken() < limits::OPEN_FILES;
        self.opening += usize::from(room);
        room
    }

    /// Gives a reserved place to what was opened, or back.
    pub(crate) fn end(&mut self, opened: Option<&Arc<File>>) {
        self.opening = self.opening.saturating_sub(1);
        self.opened.extend(opened.map(Arc::downgrade));
    }

    fn taken(&self) -> usize {
        self.opened.len() + self.opening
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_are_open_and_what_is_closed_makes_room() {
        let mut files = OpenFiles::default();
        let file = || Arc::new(File::open("/dev/null").unwrap());
        let mut held = Vec::new();
        while files.begin() {
            let file = file();
            files.end(Some(&file));
            held.push(file);
        }
        assert_eq!(held.len(), limits::OPEN_FILES);
        held.truncate(limits::OPEN_FILES - 2);
        // One that could not be opened takes no place.
        assert!(files.begin());
        files.end(None);
        assert!(files.begin() && files.begin() && !files.begin());
    }
}
