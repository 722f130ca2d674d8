//! A disk in memory that several instances share, that is slow, fails, loses
//! power and lets instances die in the middle of an operation.
//!
//! An operation is started when its future is first polled. From then on it is
//! the system's: it takes effect at a moment drawn from the seed, whether or not
//! anybody still waits, and the caller learns of it some time after that.

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::rc::Rc;
use std::time::Duration;

use futures::channel::oneshot;

use super::chance::Chance;
use super::directory::{FileId, Place};
use super::executor::{Group, Handle, Operations};
use super::fault::{CrashPoint, Failure, Fate, FaultPlan, OperationKind, Side};
use super::trace::{Event, Operation};
use super::volume::{FOLDERS, Volume};
use crate::disk::{DiskError, DiskResult, Folder};

/// How long operations take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Times, at most, that others may run before an operation's effect, and
    /// again between the effect and its end.
    pub turns: u64,
    /// Of 1,024 delays, how many are a stall.
    pub stalls: u64,
    /// A stall's length, at most, in virtual time.
    pub longest_stall: Duration,
}

impl Pace {
    /// Some seeds have a quick disk, some a slow one, some one that hangs.
    fn drawn(chance: &Chance) -> Self {
        let stalls = [(0, 0), (64, 20), (8, 5_000), (4, 120_000)];
        let (stalls, millis) = stalls[chance.index(stalls.len())];
        Pace {
            turns: [0, 1, 3, 10][chance.index(4)],
            stalls,
            longest_stall: Duration::from_millis(millis),
        }
    }
}

pub(super) struct State {
    pub(super) volume: Volume,
    pub(super) chance: Chance,
    pace: Pace,
    fate: Fate,
    pub(super) trace: Vec<Event>,
}

/// The disk, as one instance holds it. Clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    pub(super) state: Rc<RefCell<State>>,
    executor: Handle,
    group: Group,
}

/// What an operation is about, for the trace and for faults.
pub(super) struct Target {
    pub(super) kind: OperationKind,
    pub(super) place: Place,
    pub(super) file: Option<FileId>,
}

impl SimDisk {
    /// An empty disk, held by the driver.
    pub fn new(executor: Handle, seed: u64) -> Self {
        let chance = Chance::new(seed, 2);
        let state = State {
            volume: Volume::default(),
            pace: Pace::drawn(&chance),
            chance,
            fate: Fate::default(),
            trace: Vec::new(),
        };
        SimDisk {
            state: Rc::new(RefCell::new(state)),
            executor,
            group: Group::DRIVER,
        }
    }

    /// The same disk in the hands of an instance.
    pub fn of(&self, group: Group) -> Self {
        SimDisk {
            group,
            ..self.clone()
        }
    }

    /// Sets how long operations take from now on.
    pub fn set_pace(&self, pace: Pace) {
        self.state.borrow_mut().pace = pace;
    }

    /// Sets what will fail.
    pub fn set_faults(&self, plan: FaultPlan) {
        self.state.borrow_mut().fate.plan = plan;
    }

    /// Nothing fails any more.
    pub fn repair(&self) {
        self.set_faults(FaultPlan::none());
    }

    /// Sets the next crash point, in place of any other.
    pub fn crash_at(&self, crash: CrashPoint) {
        self.state.borrow_mut().fate.crash = Some(crash);
    }

    /// Operations so far, by all instances. The pieces of an append count each.
    pub fn operations(&self) -> u64 {
        self.state.borrow().fate.operations()
    }

    /// Operations of a kind so far.
    pub fn operations_of(&self, kind: OperationKind) -> u64 {
        self.state.borrow().fate.of_kind(kind)
    }

    /// Leaves on the disk what a loss of power leaves. Instances are to be
    /// killed first: `World::lose_power` does both.
    pub fn lose_power(&self, seed: u64) {
        let mut state = self.state.borrow_mut();
        state.volume.lose_power(&Chance::new(seed, 3));
        state
            .trace
            .push(Event::Note(format!("power lost, seed {seed}")));
    }

    /// All files as processes see them, by folder and name.
    pub fn snapshot(&self) -> BTreeMap<(Folder, String), Vec<u8>> {
        let state = self.state.borrow();
        let mut files = BTreeMap::new();
        for folder in FOLDERS {
            for (name, file) in state.volume.directory.entries(folder) {
                let content = state.volume.file(file).content().to_vec();
                files.insert((folder, name.to_string()), content);
            }
        }
        files
    }

    /// What was in [`Folder::Data`] once and was removed, by name. A loss of
    /// power may have brought a name back.
    pub fn removed(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state.borrow();
        let removed = state.volume.removed().iter();
        let owned = |(name, content): (&Rc<str>, &Vec<u8>)| (name.to_string(), content.clone());
        removed.map(owned).collect()
    }

    /// Overwrites, changes and returns of published files, in words.
    pub fn violations(&self) -> Vec<String> {
        self.state.borrow().volume.violations().to_vec()
    }

    /// Published files that are not, or are no longer, what they were when they
    /// were first published: partly visible, torn or changed.
    pub fn damaged(&self) -> Vec<String> {
        self.state.borrow().volume.damaged()
    }

    /// What has happened so far.
    pub fn trace(&self) -> Ref<'_, [Event]> {
        Ref::map(self.state.borrow(), |state| state.trace.as_slice())
    }

    /// Adds a line to the trace.
    pub fn note(&self, note: String) {
        self.state.borrow_mut().trace.push(Event::Note(note));
    }

    /// Runs an operation of one step.
    pub(super) async fn perform<T: 'static>(
        &self,
        target: Target,
        effect: impl FnOnce(&mut Volume, &Chance) -> DiskResult<T> + 'static,
    ) -> DiskResult<T> {
        let disk = self.clone();
        self.start(async move {
            disk.delay().await;
            let applied = disk.step(&target, 0, |state, failure| match failure {
                None => effect(&mut state.volume, &state.chance),
                Some(Failure::IoThoughDone) => {
                    effect(&mut state.volume, &state.chance)?;
                    Err(Failure::IoThoughDone.error(target.kind))
                }
                Some(failure) => Err(state.fail(&target, failure)),
            });
            applied.ok()
        })
        .await
    }

    /// Hands an operation to the system and waits for its end. Never returns if
    /// it was cut off by a crash.
    pub(super) async fn start<T: 'static>(
        &self,
        operation: impl Future<Output = Option<T>> + 'static,
    ) -> T {
        let (answer, answered) = oneshot::channel();
        let disk = self.clone();
        self.executor.spawn_operation(self.group, async move {
            if let Some(result) = operation.await {
                disk.delay().await;
                // The caller may be dead.
                let _ = answer.send(result);
            }
        });
        match answered.await {
            Ok(result) => result,
            Err(oneshot::Canceled) => pending().await,
        }
    }

    pub(super) async fn delay(&self) {
        let (turns, stall) = {
            let State { chance, pace, .. } = &*self.state.borrow();
            let stalls = chance.odds(pace.stalls, 1024);
            let millis = u64::try_from(pace.longest_stall.as_millis()).unwrap_or(u64::MAX);
            let stall = stalls.then(|| Duration::from_millis(chance.below(millis)));
            (chance.below(pace.turns.saturating_add(1)), stall)
        };
        for _ in 0..turns {
            self.executor.give_way().await;
        }
        if let Some(stall) = stall {
            self.executor.sleep(stall).await;
        }
    }

    /// The moment of an operation's effect: counts it, lets crash points strike,
    /// applies it or its failure. A crash before the effect or after it is an
    /// `Err` if it ends this operation as well.
    pub(super) fn step<T>(
        &self,
        target: &Target,
        len: usize,
        effect: impl FnOnce(&mut State, Option<Failure>) -> DiskResult<T>,
    ) -> Result<DiskResult<T>, CutOff> {
        let failure = self.state.borrow_mut().fate.count(target.kind);
        // Others act while a crash is carried out, so that nothing is borrowed.
        let number = self.operations();
        self.strike(Side::Before)?;
        let result = {
            let mut state = self.state.borrow_mut();
            let result = effect(&mut state, failure);
            let operation = Operation {
                number,
                at: self.executor.now(),
                group: self.group,
                kind: target.kind,
                folder: target.place.0,
                name: target.place.1.clone(),
                len,
                error: result.as_ref().err().cloned(),
            };
            state.trace.push(Event::Operation(operation));
            result
        };
        self.strike(Side::After)?;
        Ok(result)
    }

    /// Lets a crash point strike that is due now.
    fn strike(&self, side: Side) -> Result<(), CutOff> {
        let Some(crash) = self.state.borrow_mut().fate.strikes(side) else {
            return Ok(());
        };
        match crash.victim {
            None => {
                self.note(format!("crash {side:?} operation {}", crash.operation));
                self.executor.stop();
                Err(CutOff(side))
            }
            Some(group) => {
                self.note(format!(
                    "{group} dies {side:?} operation {}",
                    crash.operation
                ));
                self.executor.kill(group, Operations::ByChance);
                if group == self.group {
                    Err(CutOff(side))
                } else {
                    Ok(())
                }
            }
        }
    }
}

/// A crash struck on this side of an operation's effect and ended it.
pub(super) struct CutOff(pub(super) Side);

impl State {
    /// What a failure does beside being told.
    pub(super) fn fail(&mut self, target: &Target, failure: Failure) -> DiskError {
        match (target.kind, target.file) {
            (OperationKind::Sync, Some(file)) => self.volume.fail_sync(file),
            (OperationKind::SyncFolder, _) => self.volume.directory.fail_sync(target.place.0),
            _ => {}
        }
        failure.error(target.kind)
    }
}
