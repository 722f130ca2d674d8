//! A plan: which journals become which segment, agreed by all instances.
//!
//! Plans are numbered files, created by linking, which fails where the number is
//! taken. Only the highest number counts, and the next may be created only when
//! that one is carried out (`plan-<number>.done`). So there is never more than
//! one plan that says anything, any number of instances may carry it out at
//! once, each may die at any point, and all publish the same segment under the
//! same name. A number is not used again while an instance that knew it may
//! live: the last plan stays until the next one replaces it.
//!
//! A journal that its instance publishes alone needs no agreement, but a record
//! of the name before that name exists: its seal is not synced, so after a loss
//! of power the journal may look open. That record is a plan of one journal, the
//! intent.

use crate::journal::frame::checksum;
use crate::journal::name::{Id, JournalFile, JournalName};
use crate::segment::name::SegmentName;
use std::fmt::Write as _;

/// What becomes of a journal when its segment is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is removed.
    Remove,
    /// It is corrupt, and moved to `quarantine/`.
    Quarantine,
}

/// A segment to be published, and the journals it is made of, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) segment: SegmentName,
    pub(crate) journals: Vec<(JournalName, Fate)>,
}

const TITLE: &str = "netwatch plan 1";

impl Plan {
    /// The plan by which a journal is published alone, under its own id.
    pub(super) fn alone(segment: SegmentName, journal: JournalName, fate: Fate) -> Plan {
        Plan {
            segment,
            journals: vec![(journal, fate)],
        }
    }

    /// The segment's own name.
    pub(super) fn id(&self) -> Id {
        Id(self.segment.id)
    }

    /// As text: title, segment, a line per journal, checksum (CRC-32C).
    pub(super) fn format(&self) -> Vec<u8> {
        let mut text = format!("{TITLE}\nsegment {}\n", self.segment);
        for (name, fate) in &self.journals {
            let fate = match fate {
                Fate::Remove => "remove",
                Fate::Quarantine => "quarantine",
            };
            // Writing into a string cannot fail.
            let _ = writeln!(text, "{fate} {}", JournalFile::Journal(*name));
        }
        let _ = writeln!(text, "end {:08x}", checksum(text.as_bytes()));
        text.into_bytes()
    }

    /// The plan that `bytes` is, if it is whole.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Plan> {
        let text = std::str::from_utf8(bytes).ok()?;
        let body = &text[..text.rfind("end ")?];
        if text[body.len()..] != format!("end {:08x}\n", checksum(body.as_bytes())) {
            return None;
        }
        let mut lines = body.strip_prefix(TITLE)?.strip_prefix('\n')?.lines();
        let segment = SegmentName::parse(lines.next()?.strip_prefix("segment ")?)?;
        let journals = lines.map(parse_journal).collect::<Option<_>>()?;
        Some(Plan { segment, journals })
    }
}

fn parse_journal(line: &str) -> Option<(JournalName, Fate)> {
    let (fate, file) = line.split_once(' ')?;
    let fate = match fate {
        "remove" => Fate::Remove,
        "quarantine" => Fate::Quarantine,
        _ => return None,
    };
    match JournalFile::parse(file)? {
        JournalFile::Journal(name) => Some((name, fate)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_reads_back_and_a_broken_one_does_not() {
        let name = |byte| JournalName {
            instance: Id([byte; 16]),
            id: Id([byte + 1; 16]),
        };
        let plan = Plan {
            segment: SegmentName {
                first_ms: 1,
                last_ms: 2,
                id: [3; 16],
            },
            journals: vec![(name(4), Fate::Remove), (name(6), Fate::Quarantine)],
        };
        let text = plan.format();
        assert_eq!(Plan::parse(&text), Some(plan));
        for at in 0..text.len() {
            let mut broken = text.clone();
            broken[at] ^= 1;
            assert_eq!(Plan::parse(&broken), None, "byte {at}");
            assert_eq!(Plan::parse(&text[..at]), None, "cut at {at}");
        }
    }
}
