//! A deterministic executor on one thread, with virtual time and death.
//!
//! Which ready task runs next is drawn from the seed, so every interleaving at
//! an `.await` can occur and each is found again by its seed. Time stands still
//! while anything is ready; when nothing is, it jumps to the next timer.

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::channel::oneshot;

use super::chance::Chance;
pub use super::task::Group;
use super::task::{Role, Signal, State, Task, lock};
use super::timer::{Sleep, Timers};

/// Polls that one run may take before it counts as endless.
const MAX_POLLS: u64 = 5_000_000;

/// The ready queue's entry for the future that `run_until` itself polls.
const DRIVER_TASK: usize = usize::MAX;

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a run that is stuck has shown nothing"]
pub enum Outcome<T> {
    /// The future finished.
    Done(T),
    /// [`Handle::stop`] was called: a crash point was reached.
    Stopped,
    /// Nothing is ready, no timer is set, the future is not finished. Says who
    /// waits.
    Deadlock(String),
    /// Tasks wake each other without end. Says who lives.
    Endless(String),
}

impl<T> Outcome<T> {
    /// The future's result, if it finished.
    pub fn done(self) -> Option<T> {
        match self {
            Outcome::Done(value) => Some(value),
            _ => None,
        }
    }

    /// The future's result, or `None` if a crash point was reached.
    ///
    /// # Panics
    /// If the run was stuck, which is a finding of its own.
    #[allow(clippy::panic, reason = "called by tests only")]
    pub fn unless_crashed(self) -> Option<T> {
        match self {
            Outcome::Done(value) => Some(value),
            Outcome::Stopped => None,
            Outcome::Deadlock(who) => panic!("deadlock: {who}"),
            Outcome::Endless(who) => panic!("endless: {who}"),
        }
    }
}

/// What becomes of disk operations that an instance had started when it died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operations {
    /// Each goes on to its end, or never happens, by the seed.
    ByChance,
    /// None happens.
    Dropped,
}

/// Owns all tasks; dropping it drops them.
pub struct Executor {
    handle: Handle,
}

impl Executor {
    /// An executor without tasks, at virtual time zero.
    pub fn new(seed: u64) -> Self {
        Executor {
            handle: Handle {
                state: Rc::new(RefCell::default()),
                timers: Timers::default(),
                ready: Arc::default(),
                chance: Chance::new(seed, 1),
            },
        }
    }

    /// A handle for tasks, disks and clocks.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs everything until `future` is finished. Other tasks stay and go on in
    /// the next run.
    pub fn run_until<T>(&self, future: impl Future<Output = T>) -> Outcome<T> {
        let mut future = pin!(future);
        let signal = Signal::new(DRIVER_TASK, &self.handle.ready);
        let waker = Waker::from(signal.clone());
        for _ in 0..MAX_POLLS {
            if std::mem::take(&mut self.handle.state.borrow_mut().stop) {
                return Outcome::Stopped;
            }
            match self.handle.next_ready() {
                Some(DRIVER_TASK) => {
                    signal.queued.store(false, Ordering::Relaxed);
                    let mut context = Context::from_waker(&waker);
                    if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                        return Outcome::Done(value);
                    }
                }
                Some(id) => self.handle.poll_task(id),
                None if self.handle.timers.advance() => {}
                None => return Outcome::Deadlock(self.handle.state.borrow().census()),
            }
        }
        Outcome::Endless(self.handle.state.borrow().census())
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.handle.state.borrow_mut().closed = true;
        let tasks = self.handle.state.borrow_mut().remove(|_| true);
        drop(tasks);
    }
}

/// Access to an executor from within and without. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    state: Rc<RefCell<State>>,
    timers: Timers,
    ready: Arc<Mutex<Vec<usize>>>,
    chance: Chance,
}

impl Handle {
    /// A new, living group.
    pub fn group(&self) -> Group {
        let mut state = self.state.borrow_mut();
        state.groups += 1;
        Group(state.groups)
    }

    /// Starts a task of a group. A dead group's task is dropped at once.
    pub fn spawn<T: 'static>(
        &self,
        group: Group,
        future: impl Future<Output = T> + 'static,
    ) -> Join<T> {
        let (answer, answered) = oneshot::channel();
        self.start(group, Role::Process, async move {
            // Nobody has to wait for a task's result.
            let _ = answer.send(future.await);
        });
        Join(answered)
    }

    /// Starts what the system does for a group and may finish after its death.
    pub fn spawn_operation(&self, group: Group, future: impl Future<Output = ()> + 'static) {
        self.start(group, Role::Operation, future);
    }

    fn start(&self, group: Group, role: Role, future: impl Future<Output = ()> + 'static) {
        let mut state = self.state.borrow_mut();
        if state.refuses(group) {
            drop(state);
            drop(future);
            return;
        }
        state.insert(|id| {
            let signal = Signal::new(id, &self.ready);
            Task {
                future: Box::pin(future),
                group,
                role,
                waker: Waker::from(signal.clone()),
                signal,
            }
        });
    }

    /// Ends an instance now, as a trap or `kill -9` does: its tasks are dropped
    /// and it starts no more. Disk operations it had started finish or not. The
    /// operation that is running right now (a crash point) is not touched.
    pub fn kill(&self, group: Group, operations: Operations) {
        let doomed = {
            let mut state = self.state.borrow_mut();
            if group != Group::DRIVER {
                state.dead.insert(group);
            }
            state.remove(|task| task.group == group && self.dies(task, operations))
        };
        drop(doomed);
    }

    /// Ends every instance, and the driver's tasks.
    pub fn kill_all(&self, operations: Operations) {
        let doomed = {
            let mut state = self.state.borrow_mut();
            let instances = 1..=state.groups;
            state.dead.extend(instances.map(Group));
            state.stop = false;
            state.remove(|task| self.dies(task, operations))
        };
        drop(doomed);
    }

    fn dies(&self, task: &Task, operations: Operations) -> bool {
        match (task.role, operations) {
            (Role::Process, _) | (Role::Operation, Operations::Dropped) => true,
            (Role::Operation, Operations::ByChance) => self.chance.coin(),
        }
    }

    /// Whether an instance was killed.
    pub fn is_dead(&self, group: Group) -> bool {
        self.state.borrow().dead.contains(&group)
    }

    /// Lets an instance not run for a while, as a loaded or suspended machine
    /// does. What it started on the disk goes on.
    pub fn stall(&self, group: Group, duration: Duration) {
        self.state.borrow_mut().stalled.entry(group).or_default();
        let handle = self.clone();
        self.spawn(Group::DRIVER, async move {
            handle.sleep(duration).await;
            let parked = handle.state.borrow_mut().stalled.remove(&group);
            lock(&handle.ready).extend(parked.into_iter().flatten());
        });
    }

    /// Ends the run before anything else is polled.
    pub fn stop(&self) {
        self.state.borrow_mut().stop = true;
    }

    /// Disk operations under way, whoever started them.
    pub fn operations(&self) -> usize {
        self.state.borrow().operations
    }

    /// Virtual time since the executor was made.
    pub fn now(&self) -> Duration {
        self.timers.now()
    }

    /// Returns after `duration` of virtual time.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.timers.sleep(duration)
    }

    /// Lets the seed choose anew who runs; it may choose the same task again.
    pub async fn give_way(&self) {
        let mut given = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut given, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    fn next_ready(&self) -> Option<usize> {
        let mut ready = lock(&self.ready);
        if ready.is_empty() {
            return None;
        }
        let chosen = self.chance.index(ready.len());
        Some(ready.swap_remove(chosen))
    }

    fn poll_task(&self, id: usize) {
        let mut task = {
            let mut state = self.state.borrow_mut();
            let Some(task) = state.tasks.get_mut(id).and_then(Option::take) else {
                return;
            };
            if task.role == Role::Process
                && let Some(parked) = state.stalled.get_mut(&task.group)
            {
                parked.push(id);
                state.tasks[id] = Some(task);
                return;
            }
            task
        };
        task.signal.queued.store(false, Ordering::Relaxed);
        let finished = task
            .future
            .as_mut()
            .poll(&mut Context::from_waker(&task.waker));
        let mut state = self.state.borrow_mut();
        let killed = task.role == Role::Process && state.refuses(task.group);
        if finished.is_ready() || killed {
            state.release(id, task.role);
            drop(state);
            drop(task);
        } else {
            state.tasks[id] = Some(task);
        }
    }
}

/// Waits for a task; `None` if it was killed. Dropping it leaves the task alone.
pub struct Join<T>(oneshot::Receiver<T>);

impl<T> Future for Join<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(context).map(Result::ok)
    }
}
