//! Whether stored lines are what this server stores.

use netwatch_guest::report::stamp::Received;
use netwatch_guest::report::{Shape, Stamper, stamp_reports};
use netwatch_guest::segment::name::SegmentName;
use std::collections::HashSet;

/// Findings in one file that are told one by one; the rest is counted.
const TOLD: usize = 3;

/// Checks the lines of one file, one after another.
pub(super) struct Lines {
    /// Earliest and latest receive time the file speaks of, as lines write it.
    bounds: (String, String),
    ids: HashSet<u128>,
    /// Makes each report's line anew, by the rules of ingestion.
    stamper: Stamper,
    report: Vec<u8>,
    made: Vec<u8>,
    pub(super) count: u64,
    pub(super) findings: Findings,
}

/// What is wrong with one file.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) told: Vec<String>,
    pub(super) untold: u64,
}

impl Findings {
    pub(super) fn add(&mut self, what: String) {
        if self.told.len() < TOLD {
            self.told.push(what);
        } else {
            self.untold += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }
}

impl Lines {
    /// For a file whose reports were received within these times, ms.
    pub(super) fn within(first_ms: u64, last_ms: u64) -> Lines {
        let (first, last) = (first_ms.min(last_ms), first_ms.max(last_ms));
        let at = netwatch_guest::report::stamp::rfc3339;
        Lines {
            bounds: (at(first), at(last)),
            ids: HashSet::new(),
            stamper: Stamper::new([0; 32]),
            report: Vec::new(),
            made: Vec::new(),
            count: 0,
            findings: Findings::default(),
        }
    }

    /// For a segment.
    pub(super) fn of(name: &SegmentName) -> Lines {
        Lines::within(name.first_ms, name.last_ms)
    }

    /// Checks the next line, which comes without its line feed.
    pub(super) fn check(&mut self, line: &[u8]) {
        self.count += 1;
        if let Err(what) = self.receipt(line).and_then(|()| self.content(line)) {
            self.findings.add(format!("line {}: {what}", self.count));
        }
    }

    fn receipt(&mut self, line: &[u8]) -> Result<(), String> {
        let received = Received::of(line).ok_or("does not begin with _received")?;
        let at = std::str::from_utf8(received.at).map_err(|_| "the receive time is no text")?;
        let id = uuid(received.id).ok_or("the id is no UUIDv7")?;
        let (first, last) = &self.bounds;
        if !is_moment(at) {
            return Err(format!("{at:?} is no receive time"));
        }
        if at < first.as_str() || at > last.as_str() {
            return Err(format!(
                "was received at {at}, and the file says {first} to {last}"
            ));
        }
        if !self.ids.insert(id) {
            let id = String::from_utf8_lossy(received.id).into_owned();
            return Err(format!("the id {id} occurs a second time"));
        }
        Ok(())
    }

    /// What ingestion would store of this report must be this very line.
    fn content(&mut self, line: &[u8]) -> Result<(), String> {
        self.made.clear();
        let received = Received::of(line).ok_or("does not begin with _received")?;
        self.stamper.set_client(received.client);
        let length = received.bytes;
        let rest = line.get(length..).unwrap_or_default();
        self.report.clear();
        self.report.push(b'{');
        self.report
            .extend_from_slice(rest.strip_prefix(b",").unwrap_or(rest));
        let stamped = stamp_reports(
            &self.report,
            Shape::NdJson,
            &mut self.stamper,
            &mut self.made,
        );
        match stamped {
            // The brace that the report begins with here is further left there.
            Err(error) => Err(format!(
                "column {}: {}",
                error.place.column + length,
                error.detail
            )),
            Ok(1) if self.made.get(length..self.made.len() - 1) == Some(rest) => Ok(()),
            Ok(_) => Err("is not in the form that reports are stored in".to_owned()),
        }
    }
}

/// Whether a text of the right length is a moment as it is stored.
fn is_moment(at: &str) -> bool {
    let compact: String = at.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    let shape: String = at
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    // The same calendar as in file names.
    let name = format!("reports-{compact}_{compact}_{}.jsonl.zst", "0".repeat(32));
    shape == "0000-00-00T00:00:00.000Z" && SegmentName::parse(&name).is_some()
}

/// The number that a hyphenated UUIDv7 in lower case is (RFC 9562 §5.7).
fn uuid(text: &[u8]) -> Option<u128> {
    let mut number: u128 = 0;
    for (at, byte) in text.iter().enumerate() {
        let digit = match (at, byte) {
            (8 | 13 | 18 | 23, b'-') => continue,
            (8 | 13 | 18 | 23, _) => return None,
            (_, b'0'..=b'9') => byte - b'0',
            (_, b'a'..=b'f') => byte - b'a' + 10,
            _ => return None,
        };
        number = number << 4 | u128::from(digit);
    }
    let (version, variant) = (number >> 76 & 0xF, number >> 62 & 0b11);
    (version == 7 && variant == 0b10).then_some(number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_420_800_123;

    fn lines(reports: &str) -> Vec<String> {
        let mut stamper = Stamper::new([7; 32]);
        stamper.set_time(NOW);
        let mut stored = Vec::new();
        stamp_reports(reports.as_bytes(), Shape::NdJson, &mut stamper, &mut stored).unwrap();
        let stored = String::from_utf8(stored).unwrap();
        stored.lines().map(str::to_owned).collect()
    }

    fn findings(lines: &[String]) -> String {
        let mut check = Lines::within(NOW - 1, NOW);
        lines.iter().for_each(|line| check.check(line.as_bytes()));
        assert_eq!(check.count, lines.len() as u64);
        check.findings.told.join("\n")
    }

    #[test]
    fn what_ingestion_stores_is_right() {
        let stored = lines("{}\n{ \"a\": 1E400, \"b\":[{\"c\":\"é\\n\"}] }\n{\"d\":null}");
        assert_eq!(findings(&stored), "");
    }

    #[test]
    fn whatever_was_changed_is_found() {
        let line = lines("{\"a\":[1,\"two\"]}").remove(0);
        for (from, to, said) in [
            ("{\"_received\"", "{\"received_\"", "_received"),
            (
                "\"at\":\"2026-11-23T08:00:00.123Z\"",
                "\"at\":\"2026-13-23T08:00:00.123Z\"",
                "no receive time",
            ),
            (
                "\"at\":\"2026-11-23T08:00:00.123Z\"",
                "\"at\":\"2026-11-23T08:00:00.124Z\"",
                "the file says",
            ),
            ("-7", "-4", "UUIDv7"),
            (",\"a\"", ", \"a\"", "not in the form"),
            ("two", "t\"o", "expected"),
            ("\"two\"]}", "\"two\"]", "expected"),
            ("]}", "]}{}", "column"),
            ("\"a\":[", "\"_received\":[", "_received"),
        ] {
            let changed = line.replacen(from, to, 1);
            assert_ne!(changed, line, "{from}");
            let found = findings(&[changed]);
            assert!(found.contains(said), "{from} → {to}: {found}");
        }
    }

    #[test]
    fn a_column_is_counted_in_the_stored_line() {
        let line = lines("{\"a\":1}").remove(0).replace(":1}", ":x}");
        let column = line.find('x').unwrap() + 1;
        let found = findings(&[line]);
        assert!(
            found.starts_with(&format!("line 1: column {column}:")),
            "{found}"
        );
    }

    #[test]
    fn an_id_may_occur_once_and_many_findings_are_counted() {
        let stored = lines("{}\n{}");
        let twice = [&stored[..], &stored[..1]].concat();
        assert!(findings(&twice).contains("line 3: the id"));
        let mut check = Lines::within(0, 1);
        for _ in 0..10 {
            check.check(b"x");
        }
        assert_eq!((check.findings.told.len(), check.findings.untold), (3, 7));
    }
}
