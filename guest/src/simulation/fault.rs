//! What goes wrong, and when: failing operations and crash points.

use super::executor::Group;
use crate::disk::DiskError;

/// An operation of the disk, by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// `Disk::create`
    Create,
    /// `Disk::open`
    Open,
    /// `Disk::list`
    List,
    /// `Disk::link`
    Link,
    /// `Disk::rename`
    Rename,
    /// `Disk::unlink`
    Unlink,
    /// `Disk::sync_folder`
    SyncFolder,
    /// One piece of `DiskFile::append`
    Append,
    /// `DiskFile::read_at`
    Read,
    /// `DiskFile::size`
    Size,
    /// `DiskFile::sync`
    Sync,
}

impl OperationKind {
    const COUNT: usize = OperationKind::Sync as usize + 1;

    fn needs_space(self) -> bool {
        use OperationKind::{Append, Create, Link, Rename, Sync, SyncFolder};
        matches!(self, Create | Append | Link | Rename | Sync | SyncFolder)
    }
}

/// How an operation fails. A failed append may have written any part of its
/// bytes; a failed sync marks what it should have written as clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// EIO, and nothing but the above has happened.
    Io,
    /// EIO, although the operation was carried out.
    IoThoughDone,
    /// ENOSPC. Spares what needs no space: reading, listing, unlinking.
    Full,
}

impl Failure {
    pub(super) fn error(self, kind: OperationKind) -> DiskError {
        match self {
            Failure::Io | Failure::IoThoughDone => DiskError::Failed(format!("{kind:?}: EIO")),
            Failure::Full => DiskError::Full,
        }
    }
}

/// Which operations of a kind (or of any) fail.
#[derive(Clone, Copy, Debug)]
struct Fault {
    kind: Option<OperationKind>,
    /// Counted from 1, over the disk's life, among the operations of the kind.
    number: u64,
    /// Whether all later ones fail as well.
    for_good: bool,
    failure: Failure,
}

/// The operations that will fail. Numbers count from 1 over the whole life of
/// the disk and all instances.
#[derive(Clone, Debug, Default)]
pub struct FaultPlan {
    faults: Vec<Fault>,
}

impl FaultPlan {
    /// Nothing fails.
    pub fn none() -> Self {
        FaultPlan::default()
    }

    /// Operation `number`, of whatever kind, fails.
    pub fn once(self, number: u64, failure: Failure) -> Self {
        self.with(None, number, false, failure)
    }

    /// Operation `number` and all later ones fail, until `SimDisk::repair`.
    pub fn from(self, number: u64, failure: Failure) -> Self {
        self.with(None, number, true, failure)
    }

    /// The `number`-th operation of a kind fails.
    pub fn once_of(self, kind: OperationKind, number: u64, failure: Failure) -> Self {
        self.with(Some(kind), number, false, failure)
    }

    /// The `number`-th operation of a kind and all later ones of it fail, until
    /// `SimDisk::repair`.
    pub fn all_of(self, kind: OperationKind, number: u64, failure: Failure) -> Self {
        self.with(Some(kind), number, true, failure)
    }

    fn with(
        mut self,
        kind: Option<OperationKind>,
        number: u64,
        for_good: bool,
        failure: Failure,
    ) -> Self {
        self.faults.push(Fault {
            kind,
            number,
            for_good,
            failure,
        });
        self
    }
}

/// On which side of an operation's effect a crash strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The operation was started and has no effect, except that of an append
    /// any part may be there.
    Before,
    /// It has its effect; nobody has been told.
    After,
}

/// A crash point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// The operation, counted from 1 over the whole life of the disk.
    pub operation: u64,
    /// Before or after its effect.
    pub side: Side,
    /// Who dies: one instance, or (`None`) all, which ends the run.
    pub victim: Option<Group>,
}

/// Counts operations and says what is to go wrong with them.
#[derive(Debug, Default)]
pub(super) struct Fate {
    pub(super) plan: FaultPlan,
    pub(super) crash: Option<CrashPoint>,
    operations: u64,
    of_kind: [u64; OperationKind::COUNT],
}

impl Fate {
    pub(super) fn operations(&self) -> u64 {
        self.operations
    }

    pub(super) fn of_kind(&self, kind: OperationKind) -> u64 {
        self.of_kind[kind as usize]
    }

    /// Counts an operation. Returns how it fails, if it does.
    pub(super) fn count(&mut self, kind: OperationKind) -> Option<Failure> {
        self.operations += 1;
        self.of_kind[kind as usize] += 1;
        let fault = self.plan.faults.iter().find(|fault| {
            let number = match fault.kind {
                None => self.operations,
                Some(of) if of == kind => self.of_kind(kind),
                Some(_) => return false,
            };
            let due = number == fault.number || (fault.for_good && number > fault.number);
            due && (fault.failure != Failure::Full || kind.needs_space())
        });
        fault.map(|fault| fault.failure)
    }

    /// The victim of a crash on this side of the operation counted last.
    pub(super) fn strikes(&mut self, side: Side) -> Option<CrashPoint> {
        let now = self.operations;
        self.crash
            .take_if(|crash| crash.operation == now && crash.side == side)
    }
}
