//! Retention: removes whole segments, the oldest first.
//!
//! # The rules
//! By age: those whose last report is older than `RETENTION_AGE`, a few at a time
//! and at most once a minute, so that a clock that jumps cannot empty the store.
//! By size: while all are larger than `RETENTION_BYTES`; and while the disk lacks
//! free space, as a host says. These two leave the newest segment alone: nothing
//! is removed to make room for itself. Never removed are files whose names are
//! not ours, journals, and segments that are being read.
//!
//! # Why nothing that is pruned comes back, or is published twice
//! A segment's name is what says that its journals are done with. Who removes it
//! while a journal, an intent or a plan could still lead to it makes the next
//! recovery publish it anew. Therefore:
//!
//! 1. The segments are listed.
//! 2. Then `journal/` is listed. A segment whose id a journal or an intent there
//!    has, or that the last plan names, is spared: that plan may not be carried
//!    out. The order matters: of a segment seen in 1, everything that leads to it
//!    had been there before, so that what is gone in 2 is gone for good. (A
//!    journal's removal is synced before its intent goes, and before its plan is
//!    marked as done.)
//! 3. Where instances flush for each other, one that was thought dead may still
//!    be about to link a segment that is done with since. It makes its temporary
//!    file first, then looks whether its plan is still the last one, or its
//!    journal still there, and then links ([`Claim`](super::place::Claim)). So
//!    `journal/` is listed once more, and all temporary files of others go: who
//!    looked before 2 has made its file before that and links nothing any more;
//!    who looks later sees that it was overtaken.
//! 4. The names are removed, and the directory is synced before anything is said
//!    or counted.
//!
//! A crash leaves some removed and some not; a loss of power may bring names back
//! that were removed and not synced, whole, and with nothing else to publish
//! them: they are pruned again.

use super::inventory::{Shelf, Stored};
use super::settle::read_whole;
use super::{Flushing, Store};
use crate::clock::Clock;
use crate::config::Settings;
use crate::disk::{Disk, DiskError, DiskFile, DiskResult, Folder};
use crate::journal::name::{Id, JournalFile};
use crate::limits::{
    AGE_PAUSE, AGE_SHARE, MAX_PRUNED_A_PASS, MIN_PRUNED_BY_AGE, PRUNE_PAUSE, SHORTAGE_PAUSE,
};
use crate::metrics::PruneCause;
use crate::mistakes::{Mistake, made};
use crate::segment::name::SegmentName;
use std::collections::BTreeSet;
use std::time::Duration;

/// When an instance last pruned.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pruned {
    /// Anything.
    at: Option<Duration>,
    /// By age.
    by_age_at: Option<Duration>,
}

/// What one pass goes by.
struct Rules<'a> {
    settings: &'a Settings,
    now_ms: u64,
    /// Bytes of free space that are missing.
    shortage: u64,
    /// Whether some may go by age now.
    by_age: bool,
}

/// Files to be removed, with their sizes and why.
type Chosen = Vec<(SegmentName, u64, PruneCause)>;

impl<D: Disk, C: Clock> Store<D, C> {
    /// Looks what is stored, and removes what is not to be kept. `shortage` is
    /// how many bytes of free space the disk lacks. Returns at once where it was
    /// called a short time ago.
    pub async fn look_after(&self, shortage: u64) {
        let Some(_one_at_a_time) = self.pruning.try_lock() else {
            return;
        };
        let now = self.clock.monotonic();
        if !self.may_look(now) || !self.is_pass_due(now, shortage) {
            return;
        }
        if let Err(error) = self.pass(now, shortage).await {
            self.metrics.prune_failed();
            log::error!("pruning failed, it is tried again: {error}");
        }
        let last = self.pruned.get();
        self.pruned.set(Pruned {
            at: Some(self.clock.monotonic()),
            ..last
        });
    }

    /// Prunes at once, as if it had not for long.
    ///
    /// # Errors
    /// Those of the disk.
    #[cfg(test)]
    pub(super) async fn prune_now(&self, shortage: u64) -> DiskResult<()> {
        self.pruned.set(Pruned::default());
        self.pass(self.clock.monotonic(), shortage).await
    }

    fn is_pass_due(&self, now: Duration, shortage: u64) -> bool {
        let pause = match self.flushing.get() {
            // Called after a flush, and by who flushes only.
            Flushing::AmongInstances => return true,
            Flushing::ByHost if shortage > 0 => SHORTAGE_PAUSE,
            Flushing::ByHost => PRUNE_PAUSE,
        };
        let last = self.pruned.get().at;
        last.is_none_or(|at| now.saturating_sub(at) >= pause)
    }

    async fn pass(&self, now: Duration, shortage: u64) -> DiskResult<()> {
        let mut shelf = self.take_inventory().await?;
        let by_age_at = self.pruned.get().by_age_at;
        let rules = Rules {
            settings: &self.settings,
            now_ms: self.clock.wall_ms(),
            shortage,
            by_age: by_age_at.is_none_or(|at| now.saturating_sub(at) >= AGE_PAUSE),
        };
        if choose(&shelf, &rules, |_| false).is_empty() {
            return Ok(());
        }
        // Temporary files of this instance are left alone in 3, so it must not be
        // about to link anything itself.
        let _nothing_under_way = match self.flushing.get() {
            Flushing::AmongInstances => Some(self.publishing.lock().await),
            Flushing::ByHost => None,
        };
        let Some(unsettled) = self.unsettled().await? else {
            return Ok(());
        };
        let spare = |name: &SegmentName| {
            (self.is_read(name) && !made(Mistake::PruneWhatIsRead))
                || unsettled.contains(&Id(name.id))
        };
        let chosen = choose(&shelf, &rules, spare);
        shelf.stored.clear();
        if chosen.is_empty() {
            return Ok(());
        }
        if self.flushing.get() == Flushing::AmongInstances {
            self.fence_others().await?;
        }
        self.remove_segments(&chosen, now).await
    }

    /// The ids of segments that something in `journal/` may still lead to; `None`
    /// where that is not to be known now.
    async fn unsettled(&self) -> DiskResult<Option<BTreeSet<Id>>> {
        if made(Mistake::PruneUnsettled) {
            return Ok(Some(BTreeSet::new()));
        }
        let files = self.journal_files().await?;
        let mut ids = BTreeSet::new();
        let mut last_plan = 0;
        for file in &files {
            match file {
                JournalFile::Journal(name) => ids.insert(name.id),
                JournalFile::Intent(id) | JournalFile::Attempts(id) => ids.insert(*id),
                JournalFile::Plan(number) => {
                    last_plan = last_plan.max(*number);
                    false
                }
                _ => false,
            };
        }
        let done = files.contains(&JournalFile::PlanDone(last_plan));
        // One that is carried out is passed by where only a host's instances
        // could carry it out again: none of them is thought dead and lives.
        if last_plan == 0 || (done && self.flushing.get() == Flushing::ByHost) {
            return Ok(Some(ids));
        }
        let path = JournalFile::Plan(last_plan).to_string();
        let file = match self.disk.open(Folder::Journal, &path, false).await {
            // A later one has come.
            Err(DiskError::NotFound) => return Ok(None),
            opened => opened?,
        };
        let size = usize::try_from(file.size().await?).unwrap_or(usize::MAX);
        let text = read_whole(&file, size).await?;
        let Some(plan) = super::plan::Plan::parse(&text) else {
            return Ok(None);
        };
        ids.insert(plan.id());
        Ok(Some(ids))
    }

    /// Step 3: whoever was overtaken links nothing any more.
    async fn fence_others(&self) -> DiskResult<()> {
        for file in self.journal_files().await? {
            if let JournalFile::Temporary(name) = file
                && name.instance != self.instance
            {
                self.remove(&file).await?;
            }
        }
        Ok(())
    }

    async fn remove_segments(&self, chosen: &Chosen, now: Duration) -> DiskResult<()> {
        let mut removed = Vec::new();
        let mut failure = None;
        for (name, bytes, cause) in chosen {
            if self.is_read(name) && !made(Mistake::PruneWhatIsRead) {
                continue;
            }
            match self.disk.unlink(Folder::Data, &name.to_string()).await {
                Ok(()) => removed.push((*name, *bytes, *cause)),
                // Another has pruned it.
                Err(DiskError::NotFound) => {}
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let synced = self.disk.sync_folder(Folder::Data).await;
        if removed.iter().any(|(.., cause)| *cause == PruneCause::Age) {
            let last = self.pruned.get();
            self.pruned.set(Pruned {
                by_age_at: Some(now),
                ..last
            });
        }
        for (name, bytes, cause) in &removed {
            self.forget(name);
            self.metrics.pruned(*cause, *bytes);
        }
        for (cause, word) in PruneCause::ALL {
            let of_cause = || removed.iter().filter(|(.., why)| *why == cause);
            if let Some((last, ..)) = of_cause().next_back() {
                let (files, bytes) = (of_cause().count(), of_cause().map(|(_, b, _)| b));
                let bytes: u64 = bytes.sum();
                log::info!("pruned by {word}: {files} files, {bytes} bytes, up to {last}");
            }
        }
        failure.map_or(synced, Err)
    }
}

/// What is to go, the oldest first.
fn choose(shelf: &Shelf, rules: &Rules<'_>, spare: impl Fn(&SegmentName) -> bool) -> Chosen {
    let stored = &shelf.stored;
    let mut chosen = choose_by_age(stored, rules, &spare);
    let known: u64 = stored.iter().filter_map(|one| one.bytes).sum();
    let mut left = known + shelf.beyond_bytes;
    let mut lacking = rules.shortage;
    for (_, bytes, _) in &chosen {
        left -= bytes;
        lacking = lacking.saturating_sub(*bytes);
    }
    let limit = rules.settings.retention_bytes.unwrap_or(u64::MAX);
    let mut others = 0;
    let candidates = stored.iter().take(stored.len().saturating_sub(1));
    for one in candidates {
        let cause = match (left > limit, lacking > 0) {
            (true, _) => PruneCause::Bytes,
            (false, true) => PruneCause::Space,
            (false, false) => break,
        };
        // Sizes are asked for from the oldest on: what follows is not known either.
        let Some(bytes) = one.bytes else { break };
        if others == MAX_PRUNED_A_PASS {
            break;
        }
        if spare(&one.name) || chosen.iter().any(|(name, ..)| *name == one.name) {
            continue;
        }
        chosen.push((one.name, bytes, cause));
        left -= bytes;
        lacking = lacking.saturating_sub(bytes);
        others += 1;
    }
    chosen
}

fn choose_by_age(
    stored: &[Stored],
    rules: &Rules<'_>,
    spare: impl Fn(&SegmentName) -> bool,
) -> Chosen {
    let Some(age) = rules.settings.retention_age.filter(|_| rules.by_age) else {
        return Chosen::new();
    };
    let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    let old = |one: &&Stored| rules.now_ms.saturating_sub(one.name.last_ms) > age_ms;
    let most = MIN_PRUNED_BY_AGE.max(stored.len() / AGE_SHARE);
    let expired = stored.iter().take_while(old);
    expired
        .filter(|one| !spare(&one.name))
        .map(|one| (one.name, one.bytes.unwrap_or(0), PruneCause::Age))
        .take(most)
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;
    const NOW_MS: u64 = 1_000_000 * HOUR_MS;

    /// Segments, one an hour, the last one now.
    fn hourly(sizes: &[u64]) -> Vec<Stored> {
        let newest = sizes.len() as u64 - 1;
        let segment = |(n, bytes): (usize, &u64)| Stored {
            name: SegmentName {
                first_ms: 0,
                last_ms: NOW_MS - (newest - n as u64) * HOUR_MS,
                id: (n as u128).to_be_bytes(),
            },
            bytes: Some(*bytes),
        };
        sizes.iter().enumerate().map(segment).collect()
    }

    fn pruned(stored: &[Stored], settings: &Settings, shortage: u64, spared: &[u128]) -> Vec<u128> {
        pruned_of(stored, 0, settings, shortage, spared)
    }

    fn pruned_of(
        stored: &[Stored],
        beyond_bytes: u64,
        settings: &Settings,
        shortage: u64,
        spared: &[u128],
    ) -> Vec<u128> {
        let rules = Rules {
            settings,
            now_ms: NOW_MS,
            shortage,
            by_age: true,
        };
        let number = |name: &SegmentName| u128::from_be_bytes(name.id);
        let shelf = Shelf {
            stored: stored.to_vec(),
            beyond_bytes,
        };
        let chosen = choose(&shelf, &rules, |name| spared.contains(&number(name)));
        chosen.iter().map(|(name, ..)| number(name)).collect()
    }

    fn keeping(age: Option<u64>, bytes: Option<u64>) -> Settings {
        Settings {
            retention_age: age.map(|hours| Duration::from_millis(hours * HOUR_MS)),
            retention_bytes: bytes,
            ..Settings::default()
        }
    }

    #[test]
    fn without_rules_nothing_goes() {
        assert!(pruned(&hourly(&[5; 40]), &keeping(None, None), 0, &[]).is_empty());
    }

    #[test]
    fn what_is_older_than_the_age_goes_and_what_is_as_old_stays() {
        let stored = hourly(&[5; 6]);
        assert_eq!(pruned(&stored, &keeping(Some(3), None), 0, &[]), [0, 1]);
        assert_eq!(pruned(&stored, &keeping(Some(3), None), 0, &[0]), [1]);
        assert!(pruned(&stored, &keeping(Some(5), None), 0, &[]).is_empty());
    }

    #[test]
    fn a_clock_far_in_the_future_takes_a_part_at_a_time() {
        let mut stored = hourly(&[5; 1_000]);
        let rules = keeping(Some(1), None);
        for one in &mut stored {
            one.name.last_ms -= 100_000 * HOUR_MS;
        }
        assert_eq!(pruned(&stored, &rules, 0, &[]).len(), 50);
        assert_eq!(pruned(&stored[..30], &rules, 0, &[]).len(), 10);
    }

    #[test]
    fn the_oldest_go_until_the_rest_fits_and_the_newest_stays_whatever_its_size() {
        let stored = hourly(&[10, 20, 30, 40]);
        assert!(pruned(&stored, &keeping(None, Some(100)), 0, &[]).is_empty());
        assert_eq!(pruned(&stored, &keeping(None, Some(99)), 0, &[]), [0]);
        assert_eq!(pruned(&stored, &keeping(None, Some(70)), 0, &[]), [0, 1]);
        assert_eq!(pruned(&stored, &keeping(None, Some(1)), 0, &[]), [0, 1, 2]);
        assert_eq!(pruned(&stored, &keeping(None, Some(70)), 0, &[1]), [0, 2]);
    }

    #[test]
    fn a_shortage_takes_as_many_as_it_needs() {
        let stored = hourly(&[10, 20, 30, 40]);
        let none = keeping(None, None);
        assert_eq!(pruned(&stored, &none, 1, &[]), [0]);
        assert_eq!(pruned(&stored, &none, 11, &[]), [0, 1]);
        assert_eq!(pruned(&stored, &none, u64::MAX, &[]), [0, 1, 2]);
        // What goes by another rule counts.
        assert_eq!(pruned(&stored, &keeping(None, Some(90)), 10, &[]), [0]);
        assert_eq!(pruned(&stored, &keeping(Some(2), None), 11, &[]), [0, 1]);
    }

    #[test]
    fn those_that_are_not_known_one_by_one_count() {
        let stored = hourly(&[10, 20, 30, 40]);
        let rule = keeping(None, Some(1_000));
        assert!(pruned_of(&stored, 900, &rule, 0, &[]).is_empty());
        assert_eq!(pruned_of(&stored, 901, &rule, 0, &[]), [0]);
    }

    #[test]
    fn one_pass_is_bounded_and_does_not_guess_sizes() {
        let mut stored = hourly(&[5; 200]);
        let tight = keeping(None, Some(1));
        assert_eq!(pruned(&stored, &tight, 0, &[]).len(), MAX_PRUNED_A_PASS);
        stored[3].bytes = None;
        assert_eq!(pruned(&stored, &tight, 0, &[]), [0, 1, 2]);
    }
}
