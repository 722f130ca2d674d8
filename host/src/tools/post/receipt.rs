//! What a server put into a stored report is taken out of it again.

use netwatch_guest::report::walk::Walk;
use std::ops::Range;

/// The member a server puts into each report, and takes from nobody else.
const RECEIVED: &str = "_received";

/// Appends a line without its `_received` to `body`, and a line feed.
pub(super) fn push_report(body: &mut Vec<u8>, line: &[u8]) {
    let receipt = receipt(line).unwrap_or(0..0);
    body.extend_from_slice(line.get(..receipt.start).unwrap_or_default());
    body.extend_from_slice(line.get(receipt.end..).unwrap_or_default());
    body.push(b'\n');
}

/// Where `_received` stands in an object, with the comma that goes with it.
fn receipt(line: &[u8]) -> Option<Range<usize>> {
    let walk = Walk(line);
    let open = line.iter().position(|byte| !byte.is_ascii_whitespace())?;
    if line.get(open) != Some(&b'{') {
        return None;
    }
    let first = open + 1;
    let (mut before, mut found) = (first, None);
    walk.entries(open, |key, value| {
        let end = walk.end(value);
        if key == RECEIVED && found.is_none() {
            found = Some(before..end);
        }
        before = end;
    });
    let found: Range<usize> = found?;
    if found.start > first {
        return Some(found);
    }
    let rest = line.get(found.end..).unwrap_or_default();
    let space = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
    let comma = found.end + space.count();
    Some(match line.get(comma) {
        Some(b',') => first..comma + 1,
        _ => found,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use netwatch_guest::report::{Shape, Stamper, stamp_reports};

    fn pushed(line: &str) -> String {
        let mut body = Vec::new();
        push_report(&mut body, line.as_bytes());
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn the_receipt_is_taken_out_wherever_it_stands() {
        for (line, report) in [
            (r#"{"_received":{"at":"x"},"a":1}"#, r#"{"a":1}"#),
            (r#"{"_received":{"at":"x"}}"#, "{}"),
            (r#" { "_received" : {} , "a":1}"#, r#" { "a":1}"#),
            (r#"{"A":1,"_received":{"}":"{"},"b":2}"#, r#"{"A":1,"b":2}"#),
            (r#"{"a":1, "_received":null}"#, r#"{"a":1}"#),
            (r#"{"\u005freceived":1,"b":2}"#, r#"{"b":2}"#),
        ] {
            assert_eq!(pushed(line), format!("{report}\n"), "{line}");
        }
    }

    #[test]
    fn anything_else_is_left_as_it_is() {
        for line in [
            r#"{"a":{"_received":1}}"#,
            "{}",
            "[1]",
            "",
            "no json",
            r#"{"a":"_received"}"#,
            r#"{"_received"#,
            "{",
        ] {
            assert_eq!(pushed(line), format!("{line}\n"), "{line}");
        }
    }

    #[test]
    fn what_was_stored_is_posted_as_it_was_sent() {
        let sent = "{\"a\":1,\"b\":[{\"c\":\"}\\\"\"}]}\n{}\n{\"d\":1E400}\n";
        let mut stored = Vec::new();
        let mut stamper = Stamper::new([1; 32]);
        stamp_reports(sent.as_bytes(), Shape::NdJson, &mut stamper, &mut stored).unwrap();
        let stored = String::from_utf8(stored).unwrap();
        let again: String = stored.lines().map(pushed).collect();
        assert_eq!(again, sent);
    }
}
