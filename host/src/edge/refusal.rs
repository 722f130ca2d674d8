//! Answers written without hyper: where there is no HTTP yet, and in the place
//! of the bare ones that hyper makes for heads it does not understand.

use super::hardening;
use super::limited::Limit;
use netwatch_guest::problem::{PROBLEM_JSON, Problem};

/// An answer as bytes, after which the connection is to be closed.
pub(crate) fn bytes(problem: &Problem) -> Vec<u8> {
    let body = problem.json();
    let retry_after = problem
        .retry_after
        .map(|seconds| format!("retry-after: {seconds}\r\n"))
        .unwrap_or_default();
    let mut answer = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: {PROBLEM_JSON}\r\n{retry_after}",
        problem.status, problem.title,
    );
    for (name, value) in hardening::OF_DOCUMENTS {
        answer += &format!("{name}: {value}\r\n");
    }
    answer += &format!(
        "content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    answer.into_bytes()
}

/// The end of a bare refusal by hyper, but for its date (RFC 9110 §5.6.7) and the
/// empty line.
const BARE: &[u8] = b"connection: close\r\ncontent-length: 0\r\ndate: ";
const DATE_AND_END: usize = 29 + 4;

/// What to write instead of `bytes`, if they end in a refusal that hyper made
/// itself: it is always the last thing of its connection.
pub(crate) fn instead(bytes: &[u8]) -> Option<(Vec<u8>, Limit)> {
    let date = bytes.len().checked_sub(DATE_AND_END)?;
    let head = bytes.get(..date)?.strip_suffix(BARE)?;
    // Right before it there is the status line and nothing else.
    let (before, status) = head.split_last_chunk::<STATUS_LINES>().map_or_else(
        || (&[][..], head),
        |(before, status)| (before, status.as_slice()),
    );
    let start = status.windows(4).rposition(|four| four == b"HTTP")?;
    let (sent, line) = status.split_at_checked(start)?;
    let (problem, limit) = match line.get(9..12)? {
        b"400" => (
            Problem::new(
                400,
                "malformed",
                "the request's head is malformed (RFC 9112)",
            ),
            Limit::Head,
        ),
        b"414" => (too_long(), Limit::HeadSize),
        b"431" => (too_large(), Limit::HeadSize),
        _ => return None,
    };
    let mut answer = [before, sent].concat();
    answer.extend_from_slice(&self::bytes(&problem));
    Some((answer, limit))
}

/// At least as long as each status line that hyper writes.
const STATUS_LINES: usize = 64;

/// 414
pub(crate) fn too_long() -> Problem {
    let detail = format!(
        "a request's target has {} bytes at most",
        crate::limits::TARGET_BYTES
    );
    Problem::new(414, "target-length", detail)
}

fn too_large() -> Problem {
    let detail = format!(
        "a request's head has {} bytes and {} fields at most",
        crate::limits::HEAD_BYTES,
        crate::limits::HEADERS
    );
    Problem::new(431, "head-size", detail)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HYPER: &str = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
                         content-length: 0\r\ndate: Thu, 26 Nov 2026 03:20:09 GMT\r\n\r\n";

    #[test]
    fn a_bare_refusal_becomes_a_document_and_what_was_before_it_stays() {
        let (answer, limit) = instead(HYPER.as_bytes()).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 431 Request Header"),
            "{answer}"
        );
        assert!(
            answer.contains("\r\nx-content-type-options: nosniff\r\n"),
            "{answer}"
        );
        assert!(answer.contains("\"reason\":\"head-size\""), "{answer}");
        assert_eq!(limit, Limit::HeadSize);
        let before = "HTTP/1.1 202 Accepted\r\ncontent-length: 14\r\n\r\n{\"accepted\":1}";
        let pipelined = format!("{before}{}", HYPER.replace("431", "400"));
        let (answer, limit) = instead(pipelined.as_bytes()).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.starts_with(&format!("{before}HTTP/1.1 400 Bad")),
            "{answer}"
        );
        assert_eq!(limit, Limit::Head);
    }

    #[test]
    fn other_answers_are_left_alone() {
        for answer in [
            "HTTP/1.1 202 Accepted\r\ncontent-length: 14\r\n\r\n{\"accepted\":1}".to_owned(),
            HYPER.replace("431", "503"),
            HYPER.replace("content-length: 0", "content-length: 1"),
            String::new(),
        ] {
            assert!(instead(answer.as_bytes()).is_none(), "{answer}");
        }
    }
}
