//! `cat`: the stored reports, in order, as JSON Lines.
//!
//! Reports are in order of their receive time, those of one millisecond in order
//! of their ids, whatever file they are in. Only segments whose times overlap are
//! in memory at once, and of each only the lines that are asked for; nothing of a
//! file is written before all of it was found to be whole.

use super::disk::{ReadOnly, SystemClock, run};
use super::selection::Selection;
use super::{End, ToolError, output};
use netwatch_guest::clock::Clock;
use netwatch_guest::disk::DiskError;
use netwatch_guest::query::filter::Filter;
use netwatch_guest::query::key::{Key, Order};
use netwatch_guest::query::period::Period;
use netwatch_guest::query::source::{self, Unreadable};
use netwatch_guest::report::stamp::Received;
use netwatch_guest::segment::name::SegmentName;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The tool.
#[derive(Debug)]
pub struct Cat {
    pub(crate) data_dir: PathBuf,
    pub(crate) selection: Selection,
}

impl Cat {
    pub(super) fn run(self) -> Result<End, ToolError> {
        let clock = SystemClock::new();
        let mut reading = Reading {
            disk: ReadOnly::new(&self.data_dir),
            period: self.selection.period(clock.wall_ms())?,
            filter: self.selection.filter()?,
            clock,
            faults: 0,
        };
        let mut output = output::standard();
        let written = run(reading.write(&mut output));
        written
            .map_err(|error| ToolError::Failed(error.to_string()))?
            .map_err(|error| error.within(&self.data_dir))?;
        output.flush().map_err(|error| output::failed(&error))?;
        Ok(match reading.faults {
            0 => End::Well,
            _ => End::Wrong,
        })
    }
}

/// Why not all is written.
enum Stop {
    Disk(DiskError),
    Output(std::io::Error),
}

impl Stop {
    fn within(self, data_dir: &Path) -> ToolError {
        match self {
            Stop::Disk(error) => unreadable(data_dir, &error),
            Stop::Output(error) => output::failed(&error),
        }
    }
}

/// A data directory that cannot be listed.
pub(super) fn unreadable(data_dir: &Path, error: &DiskError) -> ToolError {
    ToolError::Misuse(format!(
        "the data directory {}: {error}; give another, or set DATA_DIR",
        data_dir.display()
    ))
}

/// The lines of one file that are asked for, in order.
#[derive(Default)]
struct Held {
    lines: Vec<u8>,
    /// The last comes first.
    order: Vec<(Key, Range<usize>)>,
    /// Lines that no server of this kind wrote.
    strangers: u64,
}

impl Held {
    fn add(&mut self, line: &[u8], period: &Range<Key>, filter: &Filter) {
        let Some(received) = Received::of(line) else {
            self.strangers += 1;
            return;
        };
        let key = Key::of(&received, Order::Ascending);
        if period.contains(&key) && (filter.is_empty() || filter.accepts(line)) {
            let start = self.lines.len();
            self.lines.extend_from_slice(line);
            self.lines.push(b'\n');
            self.order.push((key, start..self.lines.len()));
        }
    }

    fn sort(&mut self) {
        self.order.sort_unstable_by_key(|(key, _)| Reverse(*key));
    }

    fn first(&self) -> Option<Key> {
        self.order.last().map(|(key, _)| *key)
    }
}

struct Reading {
    disk: ReadOnly,
    clock: SystemClock,
    period: Period,
    filter: Filter,
    faults: u64,
}

impl Reading {
    /// Writes everything that is asked for.
    async fn write(&mut self, output: &mut impl Write) -> Result<(), Stop> {
        // A journal is removed only when its segment is there: in this order
        // nothing is missed, and what is met twice has the same place.
        let mut files = self.journals().await.map_err(Stop::Disk)?;
        let (mut segments, foreign) = source::segments(&self.disk).await.map_err(Stop::Disk)?;
        for name in foreign {
            self.fault(&name, "is not ours, and was not read");
        }
        segments.retain(|name| self.period.overlaps(earliest(name), latest(name)));
        segments.sort_by_key(|name| Reverse(earliest(name)));
        let mut next = BinaryHeap::new();
        for (number, file) in files.iter().enumerate() {
            next.extend(file.first().map(|key| Reverse((key, number))));
        }
        let mut last = None;
        loop {
            while let Some(name) = segments.pop_if(|name| may_be_first(name, next.peek())) {
                let held = self.segment(&name).await;
                next.extend(held.first().map(|key| Reverse((key, files.len()))));
                files.push(held);
            }
            let Some(Reverse((key, number))) = next.pop() else {
                return Ok(());
            };
            let Some(file) = files.get_mut(number) else {
                continue;
            };
            if let Some((_, range)) = file.order.pop()
                && last != Some(key)
            {
                let line = file.lines.get(range).unwrap_or_default();
                output.write_all(line).map_err(Stop::Output)?;
                last = Some(key);
            }
            match file.first() {
                Some(key) => next.push(Reverse((key, number))),
                None => *file = Held::default(),
            }
        }
    }

    fn keys(&self) -> Range<Key> {
        let place = |ms| Key::before_all_at(ms, Order::Ascending);
        place(self.period.since_ms)..place(self.period.until_ms)
    }

    async fn journals(&mut self) -> Result<Vec<Held>, DiskError> {
        let mut files = Vec::new();
        for name in source::journals(&self.disk).await? {
            let (mut held, period) = (Held::default(), self.keys());
            let visit = |line: &[u8]| held.add(line, &period, &self.filter);
            let read = source::read_journal(&self.disk, &self.clock, &name, visit).await;
            // What it has shown is good, whatever else is corrupt.
            let name = netwatch_guest::journal::name::JournalFile::Journal(name);
            self.judge(&format!("journal/{name}"), &read, held.strangers);
            held.sort();
            files.push(held);
        }
        Ok(files)
    }

    async fn segment(&mut self, name: &SegmentName) -> Held {
        let (mut held, period) = (Held::default(), self.keys());
        let visit = |line: &[u8]| held.add(line, &period, &self.filter);
        let read = source::read_segment(&self.disk, &self.clock, name, visit).await;
        self.judge(&name.to_string(), &read, held.strangers);
        match read {
            Ok(()) => {
                held.sort();
                held
            }
            Err(_) => Held::default(),
        }
    }

    fn judge(&mut self, file: &str, read: &Result<(), Unreadable>, strangers: u64) {
        match read {
            Ok(()) if strangers > 0 => {
                let what = format!("{strangers} lines have no _received, and were left out");
                self.fault(file, &what);
            }
            // Published, or pruned: it is elsewhere, or meant to be gone.
            Ok(()) | Err(Unreadable::Gone) => {}
            Err(error) => self.fault(file, &format!("{error}; what is wrong was left out")),
        }
    }

    fn fault(&mut self, file: &str, what: &str) {
        self.faults += 1;
        let file = super::columns::plain(file);
        output::say(&format!("netwatch-server cat: {file}: {what}"));
    }
}

/// Whether a segment may hold a report that comes before what comes next.
fn may_be_first(name: &SegmentName, next: Option<&Reverse<(Key, usize)>>) -> bool {
    let first = Key::before_all_at(earliest(name), Order::Ascending);
    next.is_none_or(|Reverse((key, _))| first <= *key)
}

/// Where the clock was set back, a name has its times the other way round.
fn earliest(name: &SegmentName) -> u64 {
    name.first_ms.min(name.last_ms)
}

fn latest(name: &SegmentName) -> u64 {
    name.first_ms.max(name.last_ms)
}
