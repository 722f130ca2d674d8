//! Counts stored lines.

use super::clients;
use super::mapping::{Mapping, scalar};
use super::question::{GroupBy, Question};
use super::rows::Rows;
use crate::query::filter::Filter;
use crate::query::period::Period;
use crate::report::stamp::Received;
use crate::report::walk::Walk;
use crate::segment::name::{SegmentName, parse_ms};

/// The group of reports that do not say to which they belong.
pub const NONE: &str = "(none)";

/// Counts the reports of one file.
///
/// A report belongs to the time it was received, as its line says, but never to
/// one outside of the file's bounds. A line without such a time was not written
/// by this server: it counts as a report of unknown shape.
pub(super) struct Counter<'a> {
    mapping: &'a Mapping,
    question: Option<&'a Question>,
    grain_ms: u64,
    period: Period,
    /// First and last moment of the file.
    bounds: (u64, u64),
    moments: Moments,
    /// What was counted.
    pub(super) rows: Rows,
}

impl<'a> Counter<'a> {
    /// For statistics that are kept: all reports, by host and minute.
    pub(super) fn to_keep(mapping: &'a Mapping, segment: &SegmentName) -> Counter<'a> {
        Counter {
            mapping,
            question: None,
            grain_ms: super::index_name::MINUTE_MS,
            period: Period::ALL,
            bounds: bounds(segment),
            moments: Moments::default(),
            rows: Rows::default(),
        }
    }

    /// For this question only.
    pub(super) fn to_answer(
        mapping: &'a Mapping,
        question: &'a Question,
        bounds: (u64, u64),
    ) -> Counter<'a> {
        Counter {
            mapping,
            question: Some(question),
            grain_ms: question.grain_ms(),
            period: question.widened(),
            bounds,
            moments: Moments::default(),
            rows: Rows::default(),
        }
    }

    /// Counts a line.
    pub(super) fn line(&mut self, line: &[u8]) {
        let received = Received::of(line).and_then(|received| self.moments.ms(received.at));
        let (first, last) = self.bounds;
        let at = received.unwrap_or(first).clamp(first, last);
        let passes = |filter: &Filter| filter.is_empty() || filter.accepts(line);
        if !self.period.contains(at) || !self.question.is_none_or(|asked| passes(&asked.filter)) {
            return;
        }
        let start = at / self.grain_ms * self.grain_ms;
        if received.is_none() {
            self.rows.report(start, None, |_| 0);
            return;
        }
        let report = self.mapping.open(line);
        let client = report.client();
        let hash = client.as_deref().map(clients::hash);
        let group = match self.question.map(|question| &question.group) {
            None | Some(GroupBy::Host) => {
                return self.rows.report(start, hash, |add| report.samples(add));
            }
            Some(GroupBy::Client) => client,
            Some(GroupBy::Pointer(pointer, _)) => {
                let walk = Walk(line);
                let at = pointer.find(walk, 0);
                at.and_then(|at| scalar(walk, at))
            }
        };
        let group = group.as_deref().unwrap_or(NONE);
        self.rows.report(start, hash, |add| {
            report.samples(&mut |_, sample| add(group, sample))
        });
    }
}

/// First and last moment of a segment; a name may have them the other way round.
pub(super) fn bounds(name: &SegmentName) -> (u64, u64) {
    (
        name.first_ms.min(name.last_ms),
        name.first_ms.max(name.last_ms),
    )
}

const MINUTE_BYTES: usize = 16;

/// Reads receive times, of which those that follow each other mostly have the
/// same minute.
#[derive(Default)]
struct Moments {
    text: [u8; MINUTE_BYTES],
    minute_ms: Option<u64>,
}

impl Moments {
    /// Milliseconds since 1970 of `2026-11-23T08:00:00.123Z`.
    fn ms(&mut self, at: &[u8; 24]) -> Option<u64> {
        let (minute, rest) = at.split_first_chunk::<MINUTE_BYTES>()?;
        if *minute != self.text {
            self.text = *minute;
            self.minute_ms = parse_minute(minute);
        }
        let [b':', s1, s2, b'.', ms1, ms2, ms3, b'Z'] = rest else {
            return None;
        };
        let number = |digits: &[&u8]| {
            digits.iter().try_fold(0, |value, digit| {
                digit
                    .is_ascii_digit()
                    .then(|| value * 10 + u64::from(**digit - b'0'))
            })
        };
        let second = number(&[s1, s2]).filter(|second| *second < 60)?;
        Some(self.minute_ms? + second * 1_000 + number(&[ms1, ms2, ms3])?)
    }
}

fn parse_minute(text: &[u8; MINUTE_BYTES]) -> Option<u64> {
    let [
        year @ ..,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        n1,
        n2,
    ] = text
    else {
        return None;
    };
    let mut compact = Vec::with_capacity(20);
    compact.extend_from_slice(year);
    compact.extend_from_slice(&[*m1, *m2, *d1, *d2, b'T', *h1, *h2, *n1, *n2]);
    compact.extend_from_slice(b"00.000Z");
    parse_ms(&compact)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::report::stamp::rfc3339;

    #[test]
    fn receive_times_are_read_as_they_were_written() {
        let mut moments = Moments::default();
        for ms in [
            0,
            1_795_420_800_123,
            1_795_420_859_999,
            1_795_420_860_000,
            951_827_696_789,
            253_402_000_000_000,
        ] {
            let at = rfc3339(ms);
            assert_eq!(moments.ms(at.as_bytes().first_chunk().unwrap()), Some(ms));
        }
        for at in [
            b"2026-11-23T08:00:60.123Z",
            b"2026-11-23T08:00:0x.123Z",
            b"2026-13-23T08:00:00.123Z",
            b"2026-11-23 08:00:00.123Z",
            b"2026-11-23T08:00:00,123Z",
            b"2026-11-23T08:61:00.123Z",
        ] {
            assert_eq!(moments.ms(at), None, "{}", String::from_utf8_lossy(at));
        }
    }

    #[test]
    fn a_time_outside_of_the_file_counts_at_its_edge_and_no_time_as_unknown() {
        let segment = SegmentName {
            first_ms: 1_795_420_800_000,
            last_ms: 1_795_420_860_000,
            id: [0; 16],
        };
        let mapping = Mapping::default();
        let mut counter = Counter::to_keep(&mapping, &segment);
        let hosts = r#""hosts":[{"name":"a","history":[{"latency":1}]}]}"#;
        for at in ["1999-01-01T00:00:00.000Z", "2099-01-01T00:00:00.000Z"] {
            let id = "00000000-0000-0000-0000-000000000000";
            let line = format!(r#"{{"_received":{{"at":"{at}","id":"{id}"}},{hosts}"#);
            counter.line(line.as_bytes());
        }
        counter.line(format!("{{{hosts}").as_bytes());
        counter.line(b"not even JSON");
        let counted: Vec<_> = counter
            .rows
            .rows()
            .map(|(start, row)| (start, row.reports, row.unknown))
            .collect();
        let expected = [(segment.first_ms, 3, 2), (segment.last_ms, 1, 0)];
        assert_eq!(counted, expected);
    }
}
