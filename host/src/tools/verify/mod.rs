//! `verify`: every file of a data directory, whole and in order?

mod journals;
mod lines;
mod others;
mod tally;

use super::disk::{ReadOnly, SystemClock, run};
use super::{End, ToolError, output, progress};
use indicatif::ProgressBar;
use lines::Lines;
use netwatch_guest::disk::Folder;
use netwatch_guest::query::source::{Unreadable, read_segment};
use netwatch_guest::segment::name::SegmentName;
use std::path::PathBuf;
use tally::{Kind, Tally};

/// The tool.
#[derive(Debug)]
pub struct Verify {
    pub(crate) data_dir: PathBuf,
}

/// A verification on its way.
struct Inspection {
    disk: ReadOnly,
    clock: SystemClock,
    bar: ProgressBar,
    tally: Tally,
}

impl Verify {
    pub(super) fn run(self) -> Result<End, ToolError> {
        let mut inspection = Inspection {
            disk: ReadOnly::new(&self.data_dir),
            clock: SystemClock::new(),
            bar: progress::bar(Some(0)),
            tally: Tally::default(),
        };
        let inspected = run(inspection.all());
        inspection.bar.finish_and_clear();
        inspected
            .map_err(|error| ToolError::Failed(error.to_string()))?
            .map_err(|error| {
                let data_dir = self.data_dir.display();
                ToolError::Misuse(format!("the data directory {data_dir}: {error}"))
            })?;
        output::print(&inspection.tally.text())?;
        Ok(if inspection.tally.is_well() {
            End::Well
        } else {
            End::Wrong
        })
    }
}

impl Inspection {
    /// Journals first: what is published meanwhile is then met as a segment.
    async fn all(&mut self) -> std::io::Result<()> {
        let journal = others::names(&self.disk.folder(Folder::Journal))?;
        self.expect(&journal);
        for entry in &journal {
            self.journal_file(entry).await;
            self.bar.inc(entry.bytes);
        }
        let data = std::fs::read_dir(self.disk.folder(Folder::Data))
            .and_then(|_| others::names(&self.disk.folder(Folder::Data)))?;
        self.expect(&data);
        for entry in &data {
            match entry.name().and_then(SegmentName::parse) {
                Some(name) if entry.is_file => self.segment(&name, entry.bytes).await,
                _ => self.beside_segments(entry),
            }
            self.bar.inc(entry.bytes);
        }
        for folder in [Folder::Index, Folder::Quarantine] {
            let entries = others::names(&self.disk.folder(folder))?;
            self.expect(&entries);
            for entry in &entries {
                match folder {
                    Folder::Index => self.index_file(entry).await,
                    _ => self.tally.count(Kind::Quarantined, entry.bytes, 0),
                }
                self.bar.inc(entry.bytes);
            }
        }
        Ok(())
    }

    fn expect(&self, entries: &[others::Entry]) {
        self.bar
            .inc_length(entries.iter().map(|entry| entry.bytes).sum());
    }

    async fn segment(&mut self, name: &SegmentName, bytes: u64) {
        let shown = name.to_string();
        let mut lines = Lines::of(name);
        let visit = |line: &[u8]| lines.check(line);
        match read_segment(&self.disk, &self.clock, name, visit).await {
            Ok(()) if lines.count == 0 => lines.findings.add("holds no report".to_owned()),
            Ok(()) => {}
            // Pruned, since it was listed.
            Err(Unreadable::Gone) => return,
            Err(error) => {
                // What its lines looked like is no finding of its own.
                lines.findings = lines::Findings::default();
                lines.findings.add(error.to_string());
            }
        }
        self.tally.count(Kind::Segment, bytes, lines.count);
        self.tally.wrong(Kind::Segment, &shown, &lines.findings);
    }
}
