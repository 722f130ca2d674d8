//! The names of the files below `index/`: formatted and parsed here only.
//!
//! ```text
//! reports-20261123T080000.123Z_20261123T080100.456Z_<id>_<key>.stats   of one segment, by minutes
//! minutes-20261123T080000.000Z_<key>.stats                             of one hour, by minutes
//! hours-20261123T000000.000Z_<key>.stats                               of one day, by hours
//! days-20261111T000000.000Z_<key>.stats                                of 32 days, by days
//! ```
//!
//! The key is 16 hexadecimal digits: a hash of the settings `STATS_*` and of the
//! names of all segments that went in. So a file's name says whether it is what
//! is looked for, and one made with other settings, or before a segment came or
//! went, is simply not found. Nothing is ever changed in a file.

use crate::journal::name::Id;
use crate::segment::name::{SegmentName, parse_ms, write_ms};
use std::fmt;
use twox_hash::XxHash3_64;

/// A minute, the finest span of time that statistics are kept for.
pub const MINUTE_MS: u64 = 60_000;

const SUFFIX: &str = ".stats";

/// What statistics are kept for, and how finely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One segment, by minutes.
    Segment,
    /// One hour, by minutes.
    Minutes,
    /// One day, by hours.
    Hours,
    /// 32 days, by days.
    Days,
}

impl Kind {
    /// Those of a span of time, each made of the one before, the first of
    /// segments.
    pub const ROLL_UPS: [Kind; 3] = [Kind::Minutes, Kind::Hours, Kind::Days];

    /// The length of the spans of time it tells apart, ms.
    pub fn grain_ms(self) -> u64 {
        match self {
            Kind::Segment | Kind::Minutes => MINUTE_MS,
            Kind::Hours => 60 * MINUTE_MS,
            Kind::Days => 24 * 60 * MINUTE_MS,
        }
    }

    /// The length of the whole, ms, of which its start is a multiple. A segment
    /// begins and ends when it likes.
    pub fn span_ms(self) -> u64 {
        match self {
            Kind::Segment => MINUTE_MS,
            Kind::Minutes => 60 * MINUTE_MS,
            Kind::Hours => 24 * 60 * MINUTE_MS,
            Kind::Days => 32 * 24 * 60 * MINUTE_MS,
        }
    }

    /// Its number in a file.
    pub fn code(self) -> u8 {
        match self {
            Kind::Segment => 0,
            Kind::Minutes => 1,
            Kind::Hours => 2,
            Kind::Days => 3,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Kind::Segment => "reports",
            Kind::Minutes => "minutes",
            Kind::Hours => "hours",
            Kind::Days => "days",
        }
    }
}

/// What a file below `index/` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IndexFile {
    /// Statistics of one segment.
    Segment {
        /// The segment.
        segment: SegmentName,
        /// See [`key`].
        key: u64,
    },
    /// Statistics of a span of time.
    RollUp {
        /// One of [`Kind::ROLL_UPS`].
        kind: Kind,
        /// Start of the span, milliseconds since 1970.
        start_ms: u64,
        /// See [`key`].
        key: u64,
    },
    /// A file in the making: an id that says when it was begun (UUIDv7).
    Temporary(Id),
}

/// The key of statistics made with settings of this fingerprint of these
/// segments, which come sorted.
pub fn key<'a>(fingerprint: u64, segments: impl IntoIterator<Item = &'a SegmentName>) -> u64 {
    let mut bytes = fingerprint.to_le_bytes().to_vec();
    for segment in segments {
        bytes.extend_from_slice(&segment.first_ms.to_le_bytes());
        bytes.extend_from_slice(&segment.last_ms.to_le_bytes());
        bytes.extend_from_slice(&segment.id);
    }
    XxHash3_64::oneshot(&bytes)
}

impl IndexFile {
    /// That of one segment.
    pub fn of_segment(segment: SegmentName, fingerprint: u64) -> IndexFile {
        let key = key(fingerprint, [&segment]);
        IndexFile::Segment { segment, key }
    }

    /// What a name means; `None` for files that are not ours.
    pub fn parse(name: &str) -> Option<IndexFile> {
        if let Some(id) = name.strip_suffix(".tmp") {
            return Id::parse(id).map(IndexFile::Temporary);
        }
        let (stem, key) = name.strip_suffix(SUFFIX)?.rsplit_once('_')?;
        let key = parse_key(key)?;
        let (word, start) = stem.split_once('-')?;
        let Some(kind) = Kind::ROLL_UPS.into_iter().find(|kind| kind.word() == word) else {
            let segment = SegmentName::parse(&format!("{stem}.jsonl.zst"))?;
            return Some(IndexFile::Segment { segment, key });
        };
        let start_ms = parse_ms(start.as_bytes())?;
        (start_ms % kind.span_ms() == 0).then_some(IndexFile::RollUp {
            kind,
            start_ms,
            key,
        })
    }
}

fn parse_key(digits: &str) -> Option<u64> {
    let hex = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    (digits.len() == 16 && digits.bytes().all(hex)).then(|| u64::from_str_radix(digits, 16).ok())?
}

impl fmt::Display for IndexFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IndexFile::Segment { segment, key } => {
                let name = segment.to_string();
                let stem = name.strip_suffix(".jsonl.zst").unwrap_or(&name);
                write!(f, "{stem}_{key:016x}{SUFFIX}")
            }
            IndexFile::RollUp {
                kind,
                start_ms,
                key,
            } => {
                write!(f, "{}-", kind.word())?;
                write_ms(f, *start_ms)?;
                write!(f, "_{key:016x}{SUFFIX}")
            }
            IndexFile::Temporary(id) => write!(f, "{id}.tmp"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::segment::name::MAX_MS;
    use proptest::prelude::*;

    const SEGMENT: SegmentName = SegmentName {
        first_ms: 1_795_420_800_123,
        last_ms: 1_795_420_860_456,
        id: [0xA0; 16],
    };

    #[test]
    fn names_look_as_documented() {
        let file = IndexFile::Segment {
            segment: SEGMENT,
            key: 0x1F,
        };
        assert_eq!(
            file.to_string(),
            "reports-20261123T080000.123Z_20261123T080100.456Z_a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0_000000000000001f.stats"
        );
        for (kind, name) in Kind::ROLL_UPS.into_iter().zip([
            "minutes-20261123T080000.000Z_ffffffffffffffff.stats",
            "hours-20261123T000000.000Z_ffffffffffffffff.stats",
            "days-20261111T000000.000Z_ffffffffffffffff.stats",
        ]) {
            let file = IndexFile::RollUp {
                kind,
                start_ms: SEGMENT.first_ms / kind.span_ms() * kind.span_ms(),
                key: u64::MAX,
            };
            assert_eq!(file.to_string(), name);
        }
    }

    #[test]
    fn foreign_names_are_nobodys() {
        for name in [
            "",
            "x.stats",
            "minutes-20261123T080000.000Z_fff.stats",
            "minutes-20261123T080000.001Z_ffffffffffffffff.stats",
            "hours-20261123T080000.000Z_ffffffffffffffff.stats",
            "minutes-20261123T080000.000Z_FFFFFFFFFFFFFFFF.stats",
            "reports-20261123T080000.123Z_20261123T080100.456Z_a0_ffffffffffffffff.stats",
            "x.tmp",
        ] {
            assert_eq!(IndexFile::parse(name), None, "{name}");
        }
    }

    #[test]
    fn the_key_changes_with_settings_and_segments() {
        let other = SegmentName {
            first_ms: 1,
            ..SEGMENT
        };
        let keys = [
            key(1, []),
            key(2, []),
            key(1, [&SEGMENT]),
            key(1, [&other]),
            key(1, [&other, &SEGMENT]),
        ];
        for (n, key) in keys.iter().enumerate() {
            assert!(!keys[n + 1..].contains(key));
        }
    }

    proptest! {
        #[test]
        fn every_name_reads_as_it_was(
            first_ms in 0..=MAX_MS, last_ms in 0..=MAX_MS, id: [u8; 16], key: u64,
            kind in prop::sample::select(Kind::ROLL_UPS.to_vec()),
        ) {
            let segment = SegmentName { first_ms, last_ms, id };
            let start_ms = first_ms / kind.span_ms() * kind.span_ms();
            for file in [
                IndexFile::Segment { segment, key },
                IndexFile::RollUp { kind, start_ms, key },
                IndexFile::Temporary(Id(id)),
            ] {
                prop_assert_eq!(IndexFile::parse(&file.to_string()), Some(file));
            }
        }
    }
}
