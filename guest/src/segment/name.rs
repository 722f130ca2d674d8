//! Names of published segments, formatted and parsed here and nowhere else.
//!
//! ```text
//! reports-20261123T080000.123Z_20261123T080100.456Z_0123456789abcdef0123456789abcdef.jsonl.zst
//!         first report         last report          id
//! ```
//!
//! Of fixed width, so that names sort by the first report's time.

use std::fmt;

use jiff::ToSpan as _;
use jiff::civil::{Date, date};

/// What every name begins with.
const PREFIX: &str = "reports-";

/// What every name ends with.
const SUFFIX: &str = ".jsonl.zst";

/// Day 0 of milliseconds since 1970.
const EPOCH: Date = date(1970, 1, 1);

const MS_PER_DAY: u64 = 86_400_000;

/// The last millisecond a name can hold: 9999-12-31T23:59:59.999Z.
pub const MAX_MS: u64 = 253_402_300_799_999;

/// What a segment's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    /// Receive time of the first report, milliseconds since 1970 (UTC). Times
    /// after [`MAX_MS`] are formatted as that.
    pub first_ms: u64,
    /// Receive time of the last report, the same way. Less than `first_ms` when
    /// the clock was set back in between.
    pub last_ms: u64,
    /// Unique across instances, restarts and machines.
    pub id: [u8; 16],
}

impl SegmentName {
    /// Reads a name. `None` for anything that [`fmt::Display`] does not write.
    pub fn parse(name: &str) -> Option<Self> {
        let inner = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
        let mut parts = inner.split('_');
        let (first, last, id) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            first_ms: parse_ms(first.as_bytes())?,
            last_ms: parse_ms(last.as_bytes())?,
            id: parse_id(id.as_bytes())?,
        })
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        write_ms(f, self.first_ms)?;
        f.write_str("_")?;
        write_ms(f, self.last_ms)?;
        write!(f, "_{:032x}{SUFFIX}", u128::from_be_bytes(self.id))
    }
}

/// Writes `20261123T080000.123Z`.
pub(crate) fn write_ms(f: &mut fmt::Formatter<'_>, ms: u64) -> fmt::Result {
    let ms = ms.min(MAX_MS);
    let (days, ms) = ((ms / MS_PER_DAY) as i64, ms % MS_PER_DAY);
    // MAX_MS is in the last year that the calendar has.
    let day = EPOCH.checked_add(days.days()).map_err(|_| fmt::Error)?;
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    write!(
        f,
        "{:04}{:02}{:02}T{hour:02}{minute:02}{second:02}.{:03}Z",
        day.year(),
        day.month(),
        day.day(),
        ms % 1_000
    )
}

/// Reads what [`write_ms`] writes.
pub(crate) fn parse_ms(text: &[u8]) -> Option<u64> {
    let [
        year @ ..,
        m1,
        m2,
        d1,
        d2,
        b'T',
        h1,
        h2,
        min1,
        min2,
        s1,
        s2,
        b'.',
        ms1,
        ms2,
        ms3,
        b'Z',
    ] = text
    else {
        return None;
    };
    let year = digits(year.try_into().ok().map(|year: &[u8; 4]| &year[..])?)?;
    let two = |a: &u8, b: &u8| digits(&[*a, *b]);
    let (hour, minute, second) = (two(h1, h2)?, two(min1, min2)?, two(s1, s2)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let day = Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(two(m1, m2)?).ok()?,
        i8::try_from(two(d1, d2)?).ok()?,
    )
    .ok()?;
    let days = u64::try_from(EPOCH.until(day).ok()?.get_days()).ok()?;
    let ms = digits(&[*ms1, *ms2, *ms3])?;
    Some(days * MS_PER_DAY + hour * 3_600_000 + minute * 60_000 + second * 1_000 + ms)
}

/// The value of a few decimal digits, nothing else among them.
fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |value, digit| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + u64::from(digit - b'0'))
    })
}

/// Reads 32 lower-case hexadecimal digits.
fn parse_id(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; 32] = text.try_into().ok()?;
    let value = text.iter().try_fold(0_u128, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })?;
    Some(value.to_be_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: &str = "reports-20261123T080000.123Z_20261123T080100.456Z_00112233445566778899aabbccddeeff.jsonl.zst";

    #[test]
    fn name_looks_as_documented() {
        let name = SegmentName {
            first_ms: 1_795_420_800_123,
            last_ms: 1_795_420_860_456,
            id: *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff",
        };
        assert_eq!(name.to_string(), EXAMPLE);
        assert_eq!(SegmentName::parse(EXAMPLE), Some(name));
    }

    #[test]
    fn first_and_last_moment_and_leap_day_have_names() {
        for (ms, text) in [
            (0, "19700101T000000.000Z"),
            (MAX_MS, "99991231T235959.999Z"),
            (951_827_696_789, "20000229T123456.789Z"),
        ] {
            let name = SegmentName {
                first_ms: ms,
                last_ms: 0,
                id: [0xA0; 16],
            };
            assert_eq!(name.to_string().get(8..28), Some(text));
            assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
        }
    }

    #[test]
    fn time_beyond_the_calendar_is_held_at_its_end() {
        let name = SegmentName {
            first_ms: u64::MAX,
            last_ms: MAX_MS + 1,
            id: [0; 16],
        };
        let read = SegmentName::parse(&name.to_string()).unwrap();
        assert_eq!((read.first_ms, read.last_ms), (MAX_MS, MAX_MS));
    }

    #[test]
    fn anything_else_is_no_name() {
        for (from, to) in [
            ("reports-", "report-"),
            ("reports-", "reports-0"),
            ("reports-2026", "reports-+026"),
            ("reports-2026", "reports-1969"),
            ("20261123", "20261323"),
            ("20261123", "20260231"),
            ("20261123", "20260023"),
            ("T080000", "T240000"),
            ("T080000", "T086000"),
            ("T080000", "T080060"),
            ("T080000", " 080000"),
            (".123Z", ",123Z"),
            (".123Z", ".123z"),
            (".123Z", ".12Z"),
            ("Z_2026", "Z-2026"),
            ("Z_0011", "Z_0011_"),
            ("aabbcc", "AABBCC"),
            ("aabbcc", "aabbcg"),
            ("eeff", "eef"),
            ("eeff", "eeff0"),
            (".jsonl.zst", ".jsonl.zst.tmp"),
            (".jsonl.zst", ".jsonl"),
            ("080000", "08000é"),
        ] {
            let name = EXAMPLE.replacen(from, to, 1);
            assert_ne!(name, EXAMPLE);
            assert_eq!(SegmentName::parse(&name), None, "{name}");
        }
        assert_eq!(SegmentName::parse(""), None);
    }

    proptest! {
        #[test]
        fn every_name_reads_as_it_was(first_ms in 0..=MAX_MS, last_ms in 0..=MAX_MS, id: [u8; 16]) {
            let name = SegmentName { first_ms, last_ms, id };
            prop_assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
        }

        #[test]
        fn what_parses_is_what_is_written(at in 0..EXAMPLE.len(), byte in 0x20_u8..0x7F) {
            let mut name = EXAMPLE.as_bytes().to_vec();
            if let Some(place) = name.get_mut(at) {
                *place = byte;
            }
            let name = String::from_utf8(name).unwrap();
            if let Some(read) = SegmentName::parse(&name) {
                prop_assert_eq!(read.to_string(), name);
            }
        }
    }
}
