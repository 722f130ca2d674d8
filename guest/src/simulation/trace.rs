//! What happened on the disk, in order: a failing seed's story.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::executor::Group;
use super::fault::OperationKind;
use crate::disk::{DiskError, Folder};

/// An operation at the moment of its effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its number, counted from 1.
    pub number: u64,
    /// Virtual time.
    pub at: Duration,
    /// The instance that started it.
    pub group: Group,
    /// What was done.
    pub kind: OperationKind,
    /// Where: for a link or rename, the new name; for a file's operations, the
    /// name it was opened by.
    pub folder: Folder,
    /// The name there; empty for a folder's operations.
    pub name: Rc<str>,
    /// Bytes appended or read; 0 for other kinds.
    pub len: usize,
    /// How it failed, if it did.
    pub error: Option<DiskError>,
}

/// A line of the story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An operation had its effect or failed.
    Operation(Operation),
    /// Something happened to an instance or to the disk.
    Note(String),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = match self {
            Event::Note(note) => return write!(f, "        --- {note}"),
            Event::Operation(operation) => operation,
        };
        let Operation {
            number,
            group,
            kind,
            folder,
            name,
            len,
            ..
        } = operation;
        let at = operation.at.as_millis();
        write!(f, "{number:6} {at:7} ms {group} {kind:?} {folder:?}/{name}")?;
        if *len > 0 {
            write!(f, " {len} bytes")?;
        }
        match &operation.error {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}
