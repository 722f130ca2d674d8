//! Passes a report as pages send it, in a fraction of the time of the whole
//! grammar.
//!
//! `JSON.stringify` writes no whitespace, and escapes nothing but quotes,
//! backslashes and control characters. [`compact_object`] knows such objects and no
//! others: **what it passes, [`Scanner`](super::scan::Scanner) passes as well, to
//! the same byte and without whitespace to remove.** About everything else, be it
//! wrong or only unusual, it says nothing, and the scanner decides. So it needs no
//! errors, keeps its place in a register, and looks at eight bytes at a time.

use super::scan::RESERVED;
use crate::limits::MAX_DEPTH;

/// A place that means: not for this module to say. No value ends there.
const UNSURE: usize = 0;

/// Where the object that begins at `start` ends, if it is one that this module
/// knows.
pub(super) fn compact_object(bytes: &[u8], start: usize) -> Option<usize> {
    let end = match byte(bytes, start) {
        b'{' => members_end(bytes, start + 1),
        _ => UNSURE,
    };
    (end != UNSURE).then_some(end)
}

/// The end of the object whose first member begins at `at`.
fn members_end(bytes: &[u8], mut at: usize) -> usize {
    // The containers around this place, one bit each: set for an object.
    let (mut objects, mut depth) = (1_u64, 1_u32);
    'member: loop {
        at = name_end(bytes, at, depth);
        if at == UNSURE {
            return UNSURE;
        }
        'value: loop {
            let first = byte(bytes, at);
            at = match first {
                b'"' => string_end(bytes, at + 1),
                b'-' | b'0'..=b'9' => number_end(bytes, at),
                b'{' | b'[' if depth < MAX_DEPTH => {
                    let object = first == b'{';
                    // An empty one is as rare as it is short.
                    let empty = byte(bytes, at + 1) == first + 2;
                    at += 1;
                    if empty {
                        at + 1
                    } else {
                        objects = objects << 1 | u64::from(object);
                        depth += 1;
                        if object {
                            continue 'member;
                        }
                        continue 'value;
                    }
                }
                b't' => literal_end(bytes, at, b"true"),
                b'f' => literal_end(bytes, at, b"false"),
                b'n' => literal_end(bytes, at, b"null"),
                _ => UNSURE,
            };
            if at == UNSURE {
                return UNSURE;
            }
            loop {
                let object = objects & 1 == 1;
                match byte(bytes, at) {
                    b',' => {
                        at += 1;
                        if object {
                            continue 'member;
                        }
                        continue 'value;
                    }
                    b'}' if object => {}
                    b']' if !object => {}
                    _ => return UNSURE,
                }
                at += 1;
                objects >>= 1;
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
        }
    }
}

/// The place after a member's name and its colon.
#[inline]
fn name_end(bytes: &[u8], at: usize, depth: u32) -> usize {
    if byte(bytes, at) != b'"' {
        return UNSURE;
    }
    let end = string_end(bytes, at + 1);
    if end == UNSURE || byte(bytes, end) != b':' {
        return UNSURE;
    }
    if depth == 1 {
        let name = bytes.get(at + 1..end - 1).unwrap_or_default();
        // An escape may spell anything.
        if name == RESERVED || name.contains(&b'\\') {
            return UNSURE;
        }
    }
    end + 1
}

/// The place after the closing quote of a string whose content begins at `at`.
#[inline]
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        while let Some(word) = word(bytes, at) {
            let special = special_bytes(word);
            if special != 0 {
                at += first(special);
                break;
            }
            at += 8;
        }
        match byte(bytes, at) {
            b'"' => return at + 1,
            b'\\' => match byte(bytes, at + 1) {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                _ => return UNSURE,
            },
            // The end of the text, too, where less than a word is left.
            b' '.. => at += 1,
            _ => return UNSURE,
        }
    }
}

/// The end of the number that begins at `at`. What may follow one is the caller's
/// to say, and no digit or letter may.
#[inline]
fn number_end(bytes: &[u8], at: usize) -> usize {
    let start = at + usize::from(byte(bytes, at) == b'-');
    let mut at = digits_end(bytes, start);
    let leading_zero = byte(bytes, start) == b'0' && at > start + 1;
    if at == start || leading_zero {
        return UNSURE;
    }
    if byte(bytes, at) == b'.' {
        let fraction = at + 1;
        at = digits_end(bytes, fraction);
        if at == fraction {
            return UNSURE;
        }
    }
    if byte(bytes, at) | 0x20 == b'e' {
        let sign = matches!(byte(bytes, at + 1), b'+' | b'-');
        let exponent = at + 1 + usize::from(sign);
        at = digits_end(bytes, exponent);
        if at == exponent {
            return UNSURE;
        }
    }
    at
}

/// The place of the first byte from `at` on that is no digit.
#[inline]
fn digits_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = word(bytes, at) {
        let others = other_than_digits(word);
        if others != 0 {
            return at + first(others);
        }
        at += 8;
    }
    while byte(bytes, at).is_ascii_digit() {
        at += 1;
    }
    at
}

fn literal_end(bytes: &[u8], at: usize, word: &[u8]) -> usize {
    let end = at + word.len();
    match bytes.get(at..end) {
        Some(there) if there == word => end,
        _ => UNSURE,
    }
}

/// The byte at a place; after the end a zero, which nothing here accepts.
#[inline]
fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// The eight bytes at a place, the first of them lowest.
#[inline]
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*eight))
}

/// Which byte the lowest bit that is set belongs to.
#[inline]
pub(super) fn first(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

const HIGHS: u64 = every(0x80);

/// A byte eight times.
pub(super) const fn every(byte: u8) -> u64 {
    byte as u64 * 0x0101_0101_0101_0101
}

/// The high bit of every byte that is `byte`; bits above the first one found may be
/// wrong. (The classic zero-byte test.)
#[inline]
pub(super) fn equal_bytes(word: u64, byte: u8) -> u64 {
    let zero = word ^ every(byte);
    zero.wrapping_sub(every(1)) & !zero & HIGHS
}

/// The high bit of every byte that is below 0x20, a quote or a backslash, with the
/// same restriction.
#[inline]
pub(super) fn special_bytes(word: u64) -> u64 {
    let control = word.wrapping_sub(every(0x20)) & !word & HIGHS;
    control | equal_bytes(word, b'"') | equal_bytes(word, b'\\')
}

/// The high bit of every byte that is no ASCII digit.
#[inline]
fn other_than_digits(word: u64) -> u64 {
    // Digits become 0 to 9; what is above 9 reaches the high bit.
    let digits = word ^ every(b'0');
    (((digits & !HIGHS) + every(0x80 - 10)) | digits) & HIGHS
}
