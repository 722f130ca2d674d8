//! The names of the files below `journal/`: formatted and parsed here only.

use std::fmt;

/// A 128-bit name that is unique across instances, restarts and machines.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub [u8; 16]);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Id {
    /// Parses 32 lower-case hexadecimal digits, and nothing else.
    pub fn parse(text: &str) -> Option<Id> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Id(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// What a file below `journal/` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalFile {
    /// `<instance>-<id>.jnl`
    Journal(JournalName),
    /// `plan-<number>`: which journals go into which segment.
    Plan(u64),
    /// `plan-<number>.done`: that plan is carried out.
    PlanDone(u64),
    /// `<id>.try`: as many bytes as there were attempts to compress.
    Attempts(Id),
    /// `<id>.intent`: the name under which that journal is being published alone.
    Intent(Id),
    /// `<instance>-<id>.tmp`: a segment or plan in the making.
    Temporary(JournalName),
    /// `lease`: who flushes for all where no host does.
    Lease,
}

/// A journal: whose it is, and its own name, which is also the segment's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalName {
    /// The instance that made it.
    pub instance: Id,
    /// Its own.
    pub id: Id,
}

impl fmt::Display for JournalFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalFile::Journal(name) => write!(f, "{}-{}.jnl", name.instance, name.id),
            JournalFile::Plan(number) => write!(f, "plan-{number:010}"),
            JournalFile::PlanDone(number) => write!(f, "plan-{number:010}.done"),
            JournalFile::Attempts(id) => write!(f, "{id}.try"),
            JournalFile::Intent(id) => write!(f, "{id}.intent"),
            JournalFile::Temporary(name) => write!(f, "{}-{}.tmp", name.instance, name.id),
            JournalFile::Lease => f.write_str("lease"),
        }
    }
}

impl JournalFile {
    /// What a name means; `None` for files that are not ours.
    pub fn parse(name: &str) -> Option<JournalFile> {
        if name == "lease" {
            return Some(JournalFile::Lease);
        }
        if let Some(rest) = name.strip_prefix("plan-") {
            return match rest.strip_suffix(".done") {
                Some(number) => parse_number(number).map(JournalFile::PlanDone),
                None => parse_number(rest).map(JournalFile::Plan),
            };
        }
        let (stem, suffix) = name.rsplit_once('.')?;
        match suffix {
            "jnl" => parse_pair(stem).map(JournalFile::Journal),
            "tmp" => parse_pair(stem).map(JournalFile::Temporary),
            "intent" => Id::parse(stem).map(JournalFile::Intent),
            "try" => Id::parse(stem).map(JournalFile::Attempts),
            _ => None,
        }
    }
}

fn parse_number(digits: &str) -> Option<u64> {
    (digits.len() == 10 && digits.bytes().all(|digit| digit.is_ascii_digit()))
        .then(|| digits.parse().ok())?
}

fn parse_pair(stem: &str) -> Option<JournalName> {
    let (instance, id) = stem.split_once('-')?;
    Some(JournalName {
        instance: Id::parse(instance)?,
        id: Id::parse(id)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_to_what_was_formatted() {
        let name = JournalName {
            instance: Id([0x1f; 16]),
            id: Id([0xa0; 16]),
        };
        for file in [
            JournalFile::Journal(name),
            JournalFile::Plan(17),
            JournalFile::PlanDone(9_999_999_999),
            JournalFile::Attempts(name.id),
            JournalFile::Intent(name.id),
            JournalFile::Temporary(name),
            JournalFile::Lease,
        ] {
            assert_eq!(JournalFile::parse(&file.to_string()), Some(file));
        }
    }

    #[test]
    fn foreign_names_are_nobodys() {
        for name in [
            "",
            ".",
            "x.jnl",
            "plan-1",
            "plan-0000000001.d",
            "lease2",
            "-.tmp",
            "1F1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f.try",
            "plan-+000000001",
        ] {
            assert_eq!(JournalFile::parse(name), None, "{name}");
        }
    }
}
