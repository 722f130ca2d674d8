//! The tasks of an executor, by the instance they belong to.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// An instance: the tasks that live and die together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(pub(super) u32);

impl Group {
    /// The test itself. It is stopped, but never dead.
    pub const DRIVER: Group = Group(0);
}

impl std::fmt::Display for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Whether a task is the instance's own or the system's, on its behalf.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Process,
    Operation,
}

pub(super) struct Task {
    pub(super) future: Pin<Box<dyn Future<Output = ()>>>,
    pub(super) group: Group,
    pub(super) role: Role,
    pub(super) signal: Arc<Signal>,
    pub(super) waker: Waker,
}

/// Puts its task into the ready queue, once until it is polled.
pub(super) struct Signal {
    id: usize,
    pub(super) queued: AtomicBool,
    ready: Arc<Mutex<Vec<usize>>>,
}

impl Signal {
    pub(super) fn new(id: usize, ready: &Arc<Mutex<Vec<usize>>>) -> Arc<Self> {
        let signal = Arc::new(Signal {
            id,
            queued: AtomicBool::new(false),
            ready: ready.clone(),
        });
        signal.wake_by_ref();
        signal
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            lock(&self.ready).push(self.id);
        }
    }
}

/// Tasks that are to be polled, by number.
pub(super) fn lock(ready: &Mutex<Vec<usize>>) -> MutexGuard<'_, Vec<usize>> {
    ready.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
pub(super) struct State {
    /// A slot is empty while its task is polled or when it is in `free`. A late
    /// wake of a slot's earlier task polls the later one once too often, which
    /// any future must bear.
    pub(super) tasks: Vec<Option<Task>>,
    free: Vec<usize>,
    pub(super) dead: BTreeSet<Group>,
    /// Ready tasks of groups that the system does not let run at present.
    pub(super) stalled: BTreeMap<Group, Vec<usize>>,
    pub(super) groups: u32,
    pub(super) operations: usize,
    pub(super) stop: bool,
    pub(super) closed: bool,
}

impl State {
    pub(super) fn refuses(&self, group: Group) -> bool {
        self.closed || self.dead.contains(&group)
    }

    pub(super) fn insert(&mut self, task: impl FnOnce(usize) -> Task) {
        let id = self.free.pop().unwrap_or_else(|| {
            self.tasks.push(None);
            self.tasks.len() - 1
        });
        let task = task(id);
        self.operations += usize::from(task.role == Role::Operation);
        self.tasks[id] = Some(task);
    }

    pub(super) fn release(&mut self, id: usize, role: Role) {
        self.operations -= usize::from(role == Role::Operation);
        self.free.push(id);
    }

    /// Takes out the tasks that `doomed` names. The caller drops them when
    /// nothing is borrowed, for their destructors may come back here.
    pub(super) fn remove(&mut self, mut doomed: impl FnMut(&Task) -> bool) -> Vec<Task> {
        let mut removed = Vec::new();
        for id in 0..self.tasks.len() {
            if let Some(task) = self.tasks[id].take_if(|task| doomed(task)) {
                self.release(id, task.role);
                removed.push(task);
            }
        }
        removed
    }

    pub(super) fn census(&self) -> String {
        let mut groups: BTreeMap<Group, (usize, usize)> = BTreeMap::new();
        for task in self.tasks.iter().flatten() {
            let counts = groups.entry(task.group).or_default();
            match task.role {
                Role::Process => counts.0 += 1,
                Role::Operation => counts.1 += 1,
            }
        }
        let lines = groups.iter().map(|(group, (tasks, operations))| {
            format!("{group}: {tasks} tasks, {operations} disk operations")
        });
        lines.collect::<Vec<_>>().join("; ")
    }
}
