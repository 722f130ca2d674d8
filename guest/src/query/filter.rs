//! The parameter `where`: which reports are meant, by a value in them.
//!
//! ```text
//! /clientId:eq:abc      a string, number, true, false or null equal to it
//! /clientId:eq:"5"      in quotation marks: only a string
//! /geo/asn:ne:3320      not equal, or not there
//! /rtt:gt:100           also ge, lt, le; numbers by size, strings by code points
//! /url:contains:cdn     a part of a string, or an element of an array
//! /geo:exists           there, even as null
//! ```
//!
//! Places are JSON Pointers (RFC 6901). Numbers are compared as doubles; whole
//! numbers beyond 2^53 equal only what is written the same way.

use crate::limits::{MAX_QUOTED_CHARS, MAX_WHERE};
use crate::report::walk::{Container, Pointer, Walk};
use memchr::memchr;
use memchr::memmem::Finder;
use std::cmp::Ordering;

/// Doubles are whole numbers up to here without a gap.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Contains,
    Exists,
}

const TESTS: [(&str, Test); 7] = [
    (":eq:", Test::Equal),
    (":ne:", Test::NotEqual),
    (":gt:", Test::Greater),
    (":ge:", Test::GreaterOrEqual),
    (":lt:", Test::Less),
    (":le:", Test::LessOrEqual),
    (":contains:", Test::Contains),
];

const EXISTS: &str = ":exists";

/// What a value is compared with.
#[derive(Clone, Debug, PartialEq)]
struct Operand {
    text: String,
    /// The text as a number, `true`, `false` or `null` would be meant by it, too.
    literal: bool,
    number: Option<f64>,
}

impl Operand {
    fn parse(text: &str) -> Operand {
        if text.len() >= 2
            && text.starts_with('"')
            && let Ok(quoted) = serde_json::from_str::<String>(text)
        {
            return Operand {
                text: quoted,
                literal: false,
                number: None,
            };
        }
        Operand {
            text: text.to_owned(),
            literal: true,
            number: serde_json::from_str(text).ok(),
        }
    }
}

/// One condition.
#[derive(Clone, Debug)]
struct Condition {
    place: Pointer,
    test: Test,
    operand: Operand,
    /// What a line without escapes must hold as it stands for this to hold.
    needle: Option<Finder<'static>>,
}

/// All conditions of a question; a report is meant if it meets every one.
#[derive(Clone, Debug, Default)]
pub struct Filter(Vec<Condition>);

impl Filter {
    /// Reads the values of all `where` parameters.
    ///
    /// # Errors
    /// The value at fault and what is accepted.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Filter, String> {
        let mut conditions = Vec::new();
        for text in texts {
            if conditions.len() == MAX_WHERE {
                return Err(format!("there may be {MAX_WHERE} conditions"));
            }
            conditions.push(parse_condition(text).ok_or_else(|| {
                let shown: String = text.chars().take(MAX_QUOTED_CHARS).collect();
                format!(
                    "{shown:?} is no condition: give a JSON Pointer, a test and a value like \
                     /clientId:eq:abc, with eq, ne, gt, ge, lt, le or contains, or /geo:exists"
                )
            })?);
        }
        Ok(Filter(conditions))
    }

    /// Whether every report is meant.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the report in this stored line is meant.
    pub fn accepts(&self, line: &[u8]) -> bool {
        let mut needles = self.0.iter().filter_map(|one| one.needle.as_ref());
        if needles.any(|needle| needle.find(line).is_none()) && memchr(b'\\', line).is_none() {
            return false;
        }
        self.0.iter().all(|condition| condition.holds(Walk(line)))
    }
}

fn parse_condition(text: &str) -> Option<Condition> {
    let found = TESTS
        .iter()
        .filter_map(|(mark, test)| text.find(mark).map(|at| (at, mark.len(), *test)))
        .min_by_key(|(at, ..)| *at);
    let (place, test, operand) = match (found, text.strip_suffix(EXISTS)) {
        (Some((at, length, test)), _) => (&text[..at], test, &text[at + length..]),
        (None, Some(place)) => (place, Test::Exists, ""),
        (None, None) => return None,
    };
    let operand = Operand::parse(operand);
    Some(Condition {
        place: Pointer::parse(place)?,
        test,
        needle: needle(test, &operand),
        operand,
    })
}

/// A number can be written in other ways than it was asked for; a string only
/// with escapes.
fn needle(test: Test, operand: &Operand) -> Option<Finder<'static>> {
    let one_way = operand.number.is_none() || test == Test::Contains && !operand.literal;
    let asked = matches!(test, Test::Equal | Test::Contains);
    (asked && one_way && !operand.text.is_empty())
        .then(|| Finder::new(operand.text.as_bytes()).into_owned())
}

impl Condition {
    fn holds(&self, report: Walk<'_>) -> bool {
        let Some(at) = self.place.find(report, 0) else {
            return self.test == Test::NotEqual;
        };
        let order = || self.compare(report, at);
        match self.test {
            Test::Exists => true,
            Test::Equal => self.equals(report, at),
            Test::NotEqual => !self.equals(report, at),
            Test::Greater => order() == Some(Ordering::Greater),
            Test::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
            Test::Less => order() == Some(Ordering::Less),
            Test::LessOrEqual => order().is_some_and(Ordering::is_le),
            Test::Contains => self.is_within(report, at),
        }
    }

    fn equals(&self, report: Walk<'_>, at: usize) -> bool {
        let Operand { text, literal, .. } = &self.operand;
        if let Some(string) = report.string(at) {
            return string == *text;
        }
        if !literal || report.opens(at).is_some() {
            return false;
        }
        let same_number = || match (report.number(at), self.operand.number) {
            (Some(value), Some(wanted)) => value == wanted && value.abs() <= EXACT,
            _ => false,
        };
        report.raw(at) == text || same_number()
    }

    /// How the value stands to the operand, where both are of one kind.
    fn compare(&self, report: Walk<'_>, at: usize) -> Option<Ordering> {
        match report.string(at) {
            Some(string) => Some((*string).cmp(self.operand.text.as_str())),
            None => report.number(at)?.partial_cmp(&self.operand.number?),
        }
    }

    fn is_within(&self, report: Walk<'_>, at: usize) -> bool {
        if let Some(string) = report.string(at) {
            return string.contains(self.operand.text.as_str());
        }
        let mut found = false;
        if report.opens(at) == Some(Container::Array) {
            report.elements(at, |element| {
                found = found || self.equals(report, element);
                report.end(element)
            });
        }
        found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const LINE: &[u8] = br#"{"a":"x:eq:y","n":1.50,"big":123456789012345678901234567890,"t":true,"z":null,"list":[1,"two",{}],"o":{"b":"5","/":6},"at":"2026-11-23T08:00:00Z"}"#;

    fn holds(condition: &str) -> bool {
        Filter::parse([condition]).unwrap().accepts(LINE)
    }

    #[test]
    fn conditions_hold_for_what_they_say() {
        for condition in [
            "/a:eq:x:eq:y",
            "/a:eq:\"x:eq:y\"",
            "/a:contains::eq:",
            "/n:eq:1.5",
            "/n:eq:15e-1",
            "/n:gt:1",
            "/n:ge:1.5",
            "/n:le:1.5",
            "/n:lt:10",
            "/big:eq:123456789012345678901234567890",
            "/t:eq:true",
            "/z:eq:null",
            "/z:exists",
            "/list:contains:two",
            "/list:contains:1",
            "/list/1:eq:two",
            "/o/b:eq:5",
            "/o/~1:eq:6",
            "/at:ge:2026-11-23",
            "/at:lt:2026-11-24",
            "/nothing:ne:1",
            "/n:ne:2",
        ] {
            assert!(holds(condition), "{condition}");
        }
    }

    #[test]
    fn conditions_do_not_hold_for_anything_else() {
        for condition in [
            "/a:eq:x",
            "/n:eq:\"1.5\"",
            "/n:gt:1.5",
            "/n:gt:a",
            "/big:eq:123456789012345678901234567891",
            "/t:eq:True",
            "/t:eq:\"true\"",
            "/nothing:exists",
            "/nothing:eq:null",
            "/list:contains:tw",
            "/list:eq:1",
            "/o:eq:{}",
            "/o:contains:b",
            "/list:contains:\"1\"",
        ] {
            assert!(!holds(condition), "{condition}");
        }
    }

    #[test]
    fn what_is_spelled_with_escapes_is_found() {
        let line = br#"{"a":"caf\u00e9","b":"x\/y","c":1e0}"#;
        for condition in ["/a:eq:caf\u{e9}", "/b:contains:x/y", "/c:eq:1"] {
            assert!(
                Filter::parse([condition]).unwrap().accepts(line),
                "{condition}"
            );
        }
    }

    #[test]
    fn all_conditions_must_hold() {
        let filter = |texts: [&str; 2]| Filter::parse(texts).unwrap().accepts(LINE);
        assert!(filter(["/t:eq:true", "/n:gt:1"]));
        assert!(!filter(["/t:eq:true", "/n:gt:2"]));
        assert!(Filter::default().accepts(b"{}"));
    }

    #[test]
    fn what_is_no_condition_is_shown_with_what_is() {
        for text in ["", "a", "/a", "/a:is:1", "a:eq:1", "/~9:eq:1"] {
            let error = Filter::parse([text]).unwrap_err();
            assert!(error.contains(text) && error.contains("exists"), "{error}");
        }
        let many = vec!["/a:exists"; MAX_WHERE + 1];
        assert!(Filter::parse(many).is_err());
    }
}
