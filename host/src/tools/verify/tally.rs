//! What was found, and how it is told.

use super::lines::Findings;
use crate::tools::columns::{Columns, Side};
use indicatif::{HumanBytes, HumanCount};
use std::fmt::Write;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Segment,
    Journal,
    /// What a server keeps in `journal/` and `index/` on the way to something.
    Making,
    Index,
    Quarantined,
    Foreign,
}

const KINDS: [(Kind, &str); 6] = [
    (Kind::Segment, "segments"),
    (Kind::Journal, "journals"),
    (Kind::Making, "in the making"),
    (Kind::Index, "statistics"),
    (Kind::Quarantined, "in quarantine"),
    (Kind::Foreign, "not ours"),
];

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    files: u64,
    bytes: u64,
    reports: u64,
    wrong: u64,
}

/// Everything found so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    sums: [Sum; KINDS.len()],
    wrong: Vec<String>,
    notes: Vec<String>,
}

impl Tally {
    fn sum(&mut self, kind: Kind) -> Option<&mut Sum> {
        let at = KINDS.iter().position(|(known, _)| *known == kind)?;
        self.sums.get_mut(at)
    }

    /// Counts a file.
    pub(super) fn count(&mut self, kind: Kind, bytes: u64, reports: u64) {
        if let Some(sum) = self.sum(kind) {
            sum.files += 1;
            sum.bytes += bytes;
            sum.reports += reports;
        }
    }

    /// What is wrong with a file; nothing if there is nothing.
    pub(super) fn wrong(&mut self, kind: Kind, file: &str, findings: &Findings) {
        if findings.is_empty() {
            return;
        }
        if let Some(sum) = self.sum(kind) {
            sum.wrong += 1;
        }
        for what in &findings.told {
            self.wrong.push(format!("{file}: {what}"));
        }
        if findings.untold > 0 {
            self.wrong
                .push(format!("{file}: … and {} more like these", findings.untold));
        }
    }

    /// Something to know that is not wrong.
    pub(super) fn note(&mut self, what: String) {
        self.notes.push(what);
    }

    /// Whether nothing is wrong.
    pub(super) fn is_well(&self) -> bool {
        self.wrong.is_empty()
    }

    /// All of it, what is wrong first.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        for wrong in &self.wrong {
            let _ = writeln!(text, "wrong: {wrong}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        if !text.is_empty() {
            text.push('\n');
        }
        let right = Side::Right;
        let mut columns = Columns::new(&[
            ("", Side::Left),
            ("files", right),
            ("reports", right),
            ("bytes", right),
            ("wrong", right),
        ]);
        for ((kind, name), sum) in KINDS.iter().zip(&self.sums) {
            let always = matches!(kind, Kind::Segment | Kind::Journal);
            if sum.files == 0 && !always {
                continue;
            }
            let reports = match always {
                true => HumanCount(sum.reports).to_string(),
                false => String::new(),
            };
            columns.row([
                (*name).to_owned(),
                HumanCount(sum.files).to_string(),
                reports,
                HumanBytes(sum.bytes).to_string(),
                HumanCount(sum.wrong).to_string(),
            ]);
        }
        text + &columns.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_file_and_counted_once_a_file() {
        let mut tally = Tally::default();
        tally.count(Kind::Segment, 1 << 20, 1234);
        tally.count(Kind::Segment, 1 << 20, 1);
        assert!(tally.is_well());
        let mut findings = Findings::default();
        (0..5).for_each(|n| findings.add(format!("finding {n}")));
        tally.wrong(Kind::Segment, "a file", &findings);
        assert!(!tally.is_well());
        let text = tally.text();
        assert!(text.contains("wrong: a file: finding 2\n"), "{text}");
        assert!(text.contains("and 2 more"), "{text}");
        let row = text.lines().find(|line| line.starts_with("segments"));
        let cells: Vec<_> = row.unwrap_or_default().split_whitespace().collect();
        assert_eq!(cells, ["segments", "2", "1,235", "2.00", "MiB", "1"]);
    }
}
