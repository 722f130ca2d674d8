//! Finds the first reports of a question, within bounded memory.
//!
//! A pass goes over the journals, then over the segments in the order of their
//! names' times, and keeps the places of the reports that come first, and the
//! lines of as many of those as fit. It ends when no file that is left can hold a
//! report that comes before those, or when its time is up.

use super::Question;
use super::key::{Key, Order};
use super::source::{self, Unreadable};
use crate::clock::Clock;
use crate::disk::{Disk, DiskResult};
use crate::limits::{MAX_PROBLEMS, PAGE_BYTES};
use crate::report::stamp::{Received, rfc3339};
use crate::segment::name::{MAX_MS, SegmentName};
use crate::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A file with something wrong, and what.
pub type Fault = (String, String);

/// What of a question's reports a pass looks for.
pub(super) enum Part<'a> {
    /// Those after this place, so many and one.
    After(Option<Key>, usize),
    /// Exactly these, in order.
    These(&'a [(Key, u32)]),
}

impl Part<'_> {
    /// Reports that are kept.
    fn most(&self) -> usize {
        match self {
            Part::After(_, limit) => limit.saturating_add(1),
            Part::These(keys) => keys.len(),
        }
    }

    /// Whether a report of it can stand at a place or after it. Of reports that
    /// are named, some may be gone: nothing behind the last is looked at for them.
    fn may_begin_at(&self, place: &Key) -> bool {
        match self {
            Part::After(..) => true,
            Part::These(keys) => keys.last().is_some_and(|(last, _)| place <= last),
        }
    }

    fn has(&self, key: &Key) -> bool {
        match self {
            Part::After(after, _) => after.is_none_or(|after| *key > after),
            Part::These(keys) => keys.binary_search_by_key(key, |(key, _)| *key).is_ok(),
        }
    }
}

/// What a pass has found.
#[derive(Default)]
pub(super) struct Selection {
    /// Places and lengths of the lines as they are to be sent, in order.
    pub(super) keys: BTreeMap<Key, u32>,
    /// The first of those lines.
    pub(super) lines: BTreeMap<Key, Vec<u8>>,
    /// The place up to which everything was looked at; `None` if that is all.
    pub(super) looked_to: Option<Key>,
    pub(super) faults: Vec<Fault>,
    lines_bytes: usize,
    /// The first place whose line was let go.
    let_go: Option<Key>,
    most: usize,
    /// Lines that this server did not write, of the file being read.
    strangers: u64,
}

impl Selection {
    fn may_hold(&self, key: &Key) -> bool {
        self.keys.len() < self.most || self.keys.last_key_value().is_some_and(|(k, _)| key < k)
    }

    fn keep(&mut self, key: Key, line: Vec<u8>) {
        let bytes = u32::try_from(line.len()).unwrap_or(u32::MAX);
        if self.keys.insert(key, bytes).is_some() {
            return;
        }
        if self.let_go.is_none_or(|first| key < first) {
            self.lines_bytes += line.len();
            self.lines.insert(key, line);
        }
        if self.keys.len() > self.most {
            self.keys.pop_last();
        }
        while let Some((last, line)) = self.lines.last_key_value() {
            let last = *last;
            let unwanted = !self.keys.contains_key(&last);
            if !unwanted && (self.lines_bytes <= PAGE_BYTES || self.lines.len() == 1) {
                break;
            }
            self.lines_bytes -= line.len();
            self.lines.remove(&last);
            self.let_go = Some(last);
        }
    }

    fn fault(&mut self, file: String, what: String) {
        if self.faults.len() < MAX_PROBLEMS {
            self.faults.push((file, what));
        }
    }

    /// Forgets what stands at a place or after it.
    fn cut(&mut self, at: Key) {
        self.keys.split_off(&at);
        self.lines.split_off(&at);
        self.looked_to = Some(at);
    }
}

/// A pass over all files; see the module.
pub(super) struct Pass<'a, D: Disk, C: Clock> {
    pub(super) store: &'a Store<D, C>,
    pub(super) question: &'a Question,
    pub(super) part: Part<'a>,
    /// Since the clock's start; a pass reads at least one segment in any case, and
    /// gets beyond the place it began at.
    pub(super) deadline: Duration,
}

impl<D: Disk, C: Clock> Pass<'_, D, C> {
    /// Goes.
    ///
    /// # Errors
    /// If a folder cannot be listed. Files that cannot be read are named in the
    /// selection and otherwise as if they were not there.
    pub(super) async fn run(&self) -> DiskResult<Selection> {
        let mut corrupt: BTreeMap<SegmentName, String> = BTreeMap::new();
        loop {
            let mut selection = Selection {
                most: self.part.most(),
                ..Selection::default()
            };
            self.journals(&mut selection).await?;
            match self.segments(&mut selection, &corrupt).await? {
                None => return Ok(selection),
                // What it has contributed is not to be trusted, and may have
                // displaced something: once more, without it.
                Some((segment, why)) => drop(corrupt.insert(segment, why)),
            }
        }
    }

    async fn journals(&self, selection: &mut Selection) -> DiskResult<()> {
        for name in source::journals(self.store.disk()).await? {
            let read = source::read_journal(self.store.disk(), self.store.clock(), &name, |line| {
                self.line(selection, line);
            });
            match read.await {
                Ok(()) | Err(Unreadable::Gone) => {}
                Err(error) => selection.fault(format!("journal {}", name.id), error.to_string()),
            }
        }
        Ok(())
    }

    /// Returns the segment whose content turned out to be corrupt.
    async fn segments(
        &self,
        selection: &mut Selection,
        corrupt: &BTreeMap<SegmentName, String>,
    ) -> DiskResult<Option<(SegmentName, String)>> {
        let (segments, foreign) = source::segments(self.store.disk()).await?;
        for name in foreign {
            selection.fault(name, "not the name of a segment".to_owned());
        }
        let order = self.question.order;
        let asked = |name: &&SegmentName| {
            let (first, last) = bounds(name);
            self.question.period.overlaps(first, last)
        };
        // The first place that a segment's reports can have.
        let mut in_order = BTreeSet::new();
        for name in segments.iter().filter(asked) {
            in_order.insert((first_place(name, order), *name));
        }
        let mut was_read = false;
        for (place, name) in in_order {
            if !selection.may_hold(&place) || !self.part.may_begin_at(&place) {
                break;
            }
            if !self.may_have_after(&name) {
                continue;
            }
            let late = was_read && self.store.clock().monotonic() >= self.deadline;
            // Before the cursor there is no place to go on from.
            if late && self.after().is_none_or(|after| place > after) {
                selection.cut(place);
                break;
            }
            if let Some(why) = corrupt.get(&name) {
                selection.fault(name.to_string(), why.clone());
                continue;
            }
            was_read = true;
            selection.strangers = 0;
            let _not_pruned = self.store.reading(name);
            let read = source::read_segment(self.store.disk(), self.store.clock(), &name, |line| {
                self.line(selection, line);
            });
            match read.await {
                Ok(()) => {
                    if selection.strangers > 0 {
                        let what = format!("{} lines are no reports", selection.strangers);
                        selection.fault(name.to_string(), what);
                    }
                }
                Err(Unreadable::Gone) => {}
                Err(Unreadable::Disk(error)) => {
                    return Ok(Some((name, error.to_string())));
                }
                Err(Unreadable::Content(why)) => return Ok(Some((name, why))),
            }
        }
        Ok(None)
    }

    /// Whether a segment can hold a report of this part, by its last place.
    fn may_have_after(&self, name: &SegmentName) -> bool {
        self.after()
            .is_none_or(|after| after <= last_place(name, self.question.order))
    }

    fn after(&self) -> Option<Key> {
        match self.part {
            Part::After(after, _) => after,
            Part::These(keys) => keys.first().map(|(key, _)| *key),
        }
    }

    fn line(&self, selection: &mut Selection, line: &[u8]) {
        let question = self.question;
        let Some(received) = Received::of(line) else {
            selection.strangers += 1;
            return;
        };
        if !question.bounds.has(received.at) {
            return;
        }
        let key = Key::of(&received, question.order);
        if !self.part.has(&key) || !selection.may_hold(&key) || !question.filter.accepts(line) {
            return;
        }
        if !selection.keys.contains_key(&key) {
            selection.keep(key, question.fields.project(line));
        }
    }
}

/// First and last moment of a segment; a name may have them the other way round.
fn bounds(name: &SegmentName) -> (u64, u64) {
    (
        name.first_ms.min(name.last_ms),
        name.last_ms.max(name.first_ms),
    )
}

fn first_place(name: &SegmentName, order: Order) -> Key {
    let (first, last) = bounds(name);
    match order {
        Order::Ascending => Key::before_all_at(first, order),
        Order::Descending => Key::before_all_at(last, order),
    }
}

fn last_place(name: &SegmentName, order: Order) -> Key {
    let (first, last) = bounds(name);
    match order {
        Order::Ascending => Key::before_all_at((last + 1).min(MAX_MS), order),
        Order::Descending => match first.checked_sub(1) {
            Some(before) => Key::before_all_at(before, order),
            None => Key::AFTER_ALL,
        },
    }
}

/// A period as it stands in lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    since: String,
    /// `None` for a period without an end.
    until: Option<String>,
}

impl Bounds {
    pub(super) fn of(period: super::period::Period) -> Bounds {
        Bounds {
            since: rfc3339(period.since_ms),
            until: (period.until_ms <= MAX_MS).then(|| rfc3339(period.until_ms)),
        }
    }

    fn has(&self, at: &[u8; 24]) -> bool {
        at.as_slice() >= self.since.as_bytes()
            && self
                .until
                .as_ref()
                .is_none_or(|until| at.as_slice() < until.as_bytes())
    }
}
