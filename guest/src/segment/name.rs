//! The names of segments: formatted and parsed here only.

use jiff::Timestamp;
use std::fmt;

/// `reports-<first>_<last>_<id>.jsonl.zst`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    /// Receive time of the first report, milliseconds since 1970, UTC.
    pub first_ms: u64,
    /// Receive time of the last report.
    pub last_ms: u64,
    /// Unique across instances, restarts and machines.
    pub id: [u8; 16],
}

const PREFIX: &str = "reports-";
const SUFFIX: &str = ".jsonl.zst";
/// 9999-12-31T23:59:59.999Z: later times do not fit the width.
const LAST_MS: u64 = 253_402_300_799_999;

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = Compact(self.first_ms);
        let last = Compact(self.last_ms);
        write!(f, "{PREFIX}{first}_{last}_")?;
        self.id
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(SUFFIX)
    }
}

impl SegmentName {
    /// What a name says; `None` for files that are no segments.
    pub fn parse(name: &str) -> Option<SegmentName> {
        let middle = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
        let mut parts = middle.split('_');
        let parsed = SegmentName {
            first_ms: parse_compact(parts.next()?)?,
            last_ms: parse_compact(parts.next()?)?,
            id: crate::journal::name::Id::parse(parts.next()?)?.0,
        };
        // Formatting is the definition: whatever comes out different is not ours.
        (parts.next().is_none() && parsed.to_string() == name).then_some(parsed)
    }
}

/// `20261123T080000.123Z`: RFC 3339 without the characters file systems mind.
struct Compact(u64);

impl fmt::Display for Compact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = i64::try_from(self.0.min(LAST_MS)).unwrap_or(0);
        let time = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
        write!(f, "{}", time.strftime("%Y%m%dT%H%M%S.%3fZ"))
    }
}

fn parse_compact(text: &str) -> Option<u64> {
    if text.len() != 20 || !text.is_ascii() {
        return None;
    }
    let rfc3339 = format!(
        "{}-{}-{}:{}:{}",
        &text[..4],
        &text[4..6],
        &text[6..11],
        &text[11..13],
        &text[13..]
    );
    let time: Timestamp = rfc3339.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_name_is_the_contracts() {
        let name = SegmentName {
            first_ms: 1_795_420_800_123,
            last_ms: 1_795_420_860_456,
            id: [0xab; 16],
        };
        let text = "reports-20261123T080000.123Z_20261123T080100.456Z_\
                    abababababababababababababababab.jsonl.zst";
        assert_eq!(name.to_string(), text);
        assert_eq!(SegmentName::parse(text), Some(name));
    }

    #[test]
    fn foreign_names_are_no_segments() {
        let good = SegmentName {
            first_ms: 0,
            last_ms: 1,
            id: [0; 16],
        }
        .to_string();
        for bad in [
            String::new(),
            "reports.jsonl.zst".into(),
            good.replace("reports-", "report-"),
            good.replace('Z', "+"),
            good.replace("Z_", "Z_Z_"),
            format!("{good}.tmp"),
            good.replace("1970", "é70"),
            good.replace("19700101", "19701301"),
        ] {
            assert_eq!(SegmentName::parse(&bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_name_reads_back(first in 0..=LAST_MS, last in 0..=LAST_MS, id: [u8; 16]) {
            let name = SegmentName { first_ms: first, last_ms: last, id };
            prop_assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
        }

        #[test]
        fn parsing_never_panics(text in "reports-[0-9TZ._\\PC]{0,80}jsonl.zst") {
            let _ = SegmentName::parse(&text);
        }
    }
}
