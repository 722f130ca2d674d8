//! Where a fault is, for people. Slow, and only used when there is one.

use super::Shape;
use crate::limits::MAX_QUOTED_CHARS;

/// A place in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// JSON Pointer (RFC 6901) to the innermost value begun; in NDJSON its first
    /// step is the line's index.
    pub pointer: String,
}

/// The place of byte `at`. What stands before it is well-formed.
pub fn place(body: &[u8], shape: Shape, at: usize) -> Place {
    let before = String::from_utf8_lossy(&body[..at.min(body.len())]);
    let line_start = before.rfind('\n').map_or(0, |feed| feed + 1);
    let line = before.matches('\n').count() + 1;
    let mut pointer = match shape {
        Shape::Json => pointer(&before),
        Shape::NdJson => format!("/{}{}", line - 1, pointer(&before[line_start..])),
    };
    if pointer.chars().count() > 4 * MAX_QUOTED_CHARS {
        pointer = pointer
            .chars()
            .take(4 * MAX_QUOTED_CHARS)
            .collect::<String>()
            + "…";
    }
    Place {
        line,
        column: before[line_start..].chars().count() + 1,
        pointer,
    }
}

enum Level {
    Array(usize),
    Object(String),
}

/// The path to the end of a JSON text that is cut off anywhere.
fn pointer(text: &str) -> String {
    let mut levels = Vec::new();
    let mut rest = text;
    let mut name = "";
    while let Some(first) = rest.chars().next() {
        let mut passed = first.len_utf8();
        match first {
            '{' => levels.push(Level::Object(String::new())),
            '[' => levels.push(Level::Array(0)),
            '}' | ']' => drop(levels.pop()),
            '"' => {
                passed = string_bytes(rest);
                name = &rest[..passed];
            }
            ':' => {
                if let Some(Level::Object(key)) = levels.last_mut() {
                    *key = serde_json::from_str(name).unwrap_or_default();
                }
            }
            ',' => match levels.last_mut() {
                Some(Level::Array(index)) => *index += 1,
                Some(Level::Object(key)) => key.clear(),
                None => {}
            },
            _ => {}
        }
        rest = &rest[passed..];
    }
    levels
        .iter()
        .fold(String::new(), |path, level| match level {
            Level::Array(index) => format!("{path}/{index}"),
            Level::Object(key) if key.is_empty() => path,
            Level::Object(key) => format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")),
        })
}

/// Bytes of the string at the start of a text, with its quotes.
fn string_bytes(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// What stands at byte `at`, bounded and with everything unprintable escaped.
pub fn quote(body: &[u8], at: usize) -> String {
    let rest = body.get(at..).unwrap_or_default();
    if rest.is_empty() {
        return "the end of the body".to_owned();
    }
    let text = String::from_utf8_lossy(&rest[..rest.len().min(4 * MAX_QUOTED_CHARS)]);
    let word: String = text
        .chars()
        .enumerate()
        .take_while(|(n, c)| *n < MAX_QUOTED_CHARS && (*n == 0 || !",:{}[] \n".contains(*c)))
        .map(|(_, c)| c)
        .collect();
    format!("'{}'", word.escape_debug())
}
