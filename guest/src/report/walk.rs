//! Walks over JSON that was found to be valid when it was stored, quickly.
//!
//! Nothing is checked again. On a text that is not JSON after all (somebody
//! wrote into `DATA_DIR`) a walk ends early or finds nonsense; it never fails
//! and never reads past the text.

use super::skim;
use std::borrow::Cow;

/// A JSON Pointer (RFC 6901), taken apart. Without tokens it means the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// Reads `/a/b~1c/0`. The whole is written as nothing or as `.`, since a
    /// setting of nothing is no setting.
    pub fn parse(text: &str) -> Option<Pointer> {
        if text.is_empty() || text == "." {
            return Some(Pointer::default());
        }
        let tokens = text.strip_prefix('/')?.split('/').map(unescape_token);
        tokens.collect::<Option<_>>().map(Pointer)
    }

    /// Its parts, unescaped.
    pub fn tokens(&self) -> &[String] {
        &self.0
    }

    /// Whether it means the whole.
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// The value it points to within the one that begins at `at`.
    pub fn find(&self, text: Walk<'_>, at: usize) -> Option<usize> {
        text.find(at, &self.0)
    }
}

fn unescape_token(token: &str) -> Option<String> {
    let mut escapes = token.split('~').skip(1);
    let known = escapes.all(|rest| rest.starts_with(['0', '1']));
    known.then(|| token.replace("~1", "/").replace("~0", "~"))
}

/// A text to walk over.
#[derive(Clone, Copy, Debug)]
pub struct Walk<'a>(pub &'a [u8]);

/// What holds other values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
}

/// Bytes that matter within an array or object, outside of strings.
const MARKS: [bool; 256] = {
    let mut marks = [false; 256];
    let mut n = 0;
    while n < 5 {
        marks[b"\"{}[]"[n] as usize] = true;
        n += 1;
    }
    marks
};

/// Passes bytes that are not looked for, as far as eight at a time go: the bytes
/// looked for have their high bit set in what `look` makes of eight.
#[inline]
fn skip(bytes: &[u8], mut at: usize, look: impl Fn(u64) -> u64) -> usize {
    while let Some(word) = skim::word(bytes, at) {
        let found = look(word);
        if found != 0 {
            return at + skim::first(found);
        }
        at += 8;
    }
    at
}

/// [`MARKS`] among eight bytes; those above the first may be wrong.
#[inline]
fn marks(word: u64) -> u64 {
    // Brackets and braces differ in one bit.
    let braces = word | skim::every(0x20);
    skim::equal_bytes(word, b'"')
        | skim::equal_bytes(braces, b'{')
        | skim::equal_bytes(braces, b'}')
}

impl<'a> Walk<'a> {
    fn byte(self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    fn space(self, mut at: usize) -> usize {
        while matches!(self.byte(at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            at += 1;
        }
        at
    }

    /// Where the string that begins at `at` ends, after its quotation mark.
    fn string_end(self, mut at: usize) -> usize {
        at += 1;
        loop {
            at = skip(self.0, at, skim::special_bytes);
            match self.byte(at) {
                Some(b'"') => return at + 1,
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
                None => return self.0.len(),
            }
        }
    }

    /// Where the value that begins at `at` ends.
    pub fn end(self, mut at: usize) -> usize {
        match self.byte(at) {
            Some(b'"') => return self.string_end(at),
            Some(b'{' | b'[') => {}
            _ => {
                let rest = self.0.get(at..).unwrap_or_default();
                let ends =
                    |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
                return at + rest.iter().position(ends).unwrap_or(rest.len());
            }
        }
        let mut depth = 0_usize;
        while let Some(byte) = self.byte(at) {
            if !MARKS[usize::from(byte)] {
                at = skip(self.0, at + 1, marks);
                continue;
            }
            match byte {
                b'"' => {
                    at = self.string_end(at);
                    continue;
                }
                b'{' | b'[' => depth += 1,
                _ => depth = depth.saturating_sub(1),
            }
            at += 1;
            if depth == 0 {
                break;
            }
        }
        at
    }

    /// The members of the object that begins at `at`: each one's key and where
    /// its value begins. Returns where the object ends.
    fn members(self, at: usize, mut visit: impl FnMut(&'a [u8], usize)) -> usize {
        let mut at = self.space(at + 1);
        while self.byte(at) == Some(b'"') {
            let end = self.string_end(at);
            let key = self.0.get(at + 1..end.saturating_sub(1));
            at = self.space(end);
            if self.byte(at) != Some(b':') {
                break;
            }
            let value = self.space(at + 1);
            visit(key.unwrap_or_default(), value);
            at = self.space(self.end(value));
            if self.byte(at) != Some(b',') {
                break;
            }
            at = self.space(at + 1);
        }
        self.0.len().min(at + 1)
    }

    /// The elements of the array that begins at `at`: where each begins. `visit`
    /// returns where it ends, so that nothing is walked over twice.
    pub fn elements(self, at: usize, mut visit: impl FnMut(usize) -> usize) {
        let mut at = self.space(at + 1);
        if self.byte(at) == Some(b']') {
            return;
        }
        while at < self.0.len() {
            at = self.space(visit(at));
            if self.byte(at) != Some(b',') {
                return;
            }
            at = self.space(at + 1);
        }
    }

    /// The members of an object as text and value.
    pub fn entries(self, at: usize, mut visit: impl FnMut(Cow<'a, str>, usize)) {
        self.members(at, |key, value| visit(text(key), value));
    }

    /// The values several pointers point to within the one that begins at `at`,
    /// in one pass where they have one token. Of members with one name the last
    /// counts, as for most readers. Returns where the value ends, too.
    pub fn find_all<const N: usize>(
        self,
        at: usize,
        pointers: [&Pointer; N],
    ) -> ([Option<usize>; N], usize) {
        if self.byte(at) != Some(b'{') || pointers.iter().any(|p| p.0.len() != 1) {
            let found = pointers.map(|pointer| self.find(at, &pointer.0));
            return (found, self.end(at));
        }
        let mut found = [None; N];
        let tokens = pointers.map(|pointer| pointer.0.first());
        let end = self.members(at, |key, value| {
            for (token, found) in tokens.iter().zip(&mut found) {
                if token.is_some_and(|token| is_key(key, token)) {
                    *found = Some(value);
                }
            }
        });
        (found, end)
    }

    fn find(self, at: usize, tokens: &[String]) -> Option<usize> {
        let Some((token, rest)) = tokens.split_first() else {
            return Some(at);
        };
        let mut found = None;
        match self.byte(at)? {
            b'{' => {
                self.members(at, |key, value| {
                    if is_key(key, token) {
                        found = Some(value);
                    }
                });
            }
            b'[' => {
                let wanted = index(token)?;
                let mut number = 0;
                self.elements(at, |element| {
                    if number == wanted {
                        found = Some(element);
                        // What follows does not matter.
                        return self.0.len();
                    }
                    number += 1;
                    self.end(element)
                });
            }
            _ => {}
        }
        self.find(found?, rest)
    }

    /// The raw text of the value that begins at `at`.
    pub fn raw(self, at: usize) -> &'a str {
        let raw = self.0.get(at..self.end(at)).unwrap_or_default();
        std::str::from_utf8(raw).unwrap_or_default()
    }

    /// The string that begins at `at`; `None` if something else does.
    pub fn string(self, at: usize) -> Option<Cow<'a, str>> {
        if self.byte(at) != Some(b'"') {
            return None;
        }
        let end = self.string_end(at);
        Some(text(self.0.get(at + 1..end - 1)?))
    }

    /// The number that begins at `at`; `None` if something else does.
    pub fn number(self, at: usize) -> Option<f64> {
        match self.byte(at)? {
            b'-' | b'0'..=b'9' => self.raw(at).parse().ok(),
            _ => None,
        }
    }

    /// What container begins at `at`, if one does.
    pub fn opens(self, at: usize) -> Option<Container> {
        match self.byte(at)? {
            b'{' => Some(Container::Object),
            b'[' => Some(Container::Array),
            _ => None,
        }
    }

    /// Whether `null` or `false` begins at `at`.
    pub fn is_nothing(self, at: usize) -> bool {
        matches!(self.byte(at), Some(b'n' | b'f'))
    }
}

/// The array index that a token is, without leading zeros.
fn index(token: &str) -> Option<usize> {
    let digits = token.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (token == "0" || !token.starts_with('0'))).then(|| token.parse().ok())?
}

fn is_key(raw: &[u8], name: &str) -> bool {
    raw == name.as_bytes() || raw.contains(&b'\\') && text(raw) == name
}

/// What stands between a string's quotation marks, unescaped.
fn text(raw: &[u8]) -> Cow<'_, str> {
    let plain = std::str::from_utf8(raw).unwrap_or_default();
    if !plain.contains('\\') {
        return Cow::Borrowed(plain);
    }
    match serde_json::from_str(&format!("\"{plain}\"")) {
        Ok(unescaped) => Cow::Owned(unescaped),
        Err(_) => Cow::Borrowed(plain),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn json() -> impl Strategy<Value = Value> {
        let text = || prop_oneof!["[a-c/~]{0,2}", "[a-c\"\\\\é\n]{0,5}"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<i32>().prop_map(|n| Value::from(f64::from(n) / 4.0)),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            let members = prop::collection::vec((text(), inner.clone()), 0..5);
            prop_oneof![
                prop::collection::vec(inner, 0..5).prop_map(Value::from),
                members.prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn pointers_find_what_a_parser_finds(
            value in json(), pretty: bool,
            pointer in prop_oneof!["(/[a-c]){0,3}", "(/([a-c/0-2]|~0|~1){0,2}){0,3}"],
        ) {
            let text = match pretty {
                true => serde_json::to_string_pretty(&value).unwrap(),
                false => value.to_string(),
            };
            let walk = Walk(text.as_bytes());
            prop_assert_eq!(walk.end(0), text.len());
            let parsed = Pointer::parse(&pointer).unwrap();
            let found = parsed.find(walk, 0);
            let read: Option<Value> = found.map(|at| serde_json::from_str(walk.raw(at)).unwrap());
            prop_assert_eq!(read.as_ref(), value.pointer(&pointer));
            prop_assert_eq!(walk.find_all(0, [&parsed]), ([found], text.len()));
        }

        #[test]
        fn a_walk_over_anything_ends(bytes in prop::collection::vec(
            prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\":,\\a1".to_vec())], 0..60,
        )) {
            let walk = Walk(&bytes);
            for at in 0..=bytes.len() {
                walk.end(at);
                walk.string(at);
                walk.number(at);
                for pointer in ["/a", "/0/a", "/1"] {
                    Pointer::parse(pointer).unwrap().find(walk, at);
                }
            }
        }
    }

    #[test]
    fn pointers_that_are_none_are_refused() {
        for text in ["a", "a/b", "/~", "/a~2", "/~x"] {
            assert_eq!(Pointer::parse(text), None, "{text}");
        }
        assert!(Pointer::parse(".").unwrap().is_whole());
    }

    #[test]
    fn escaped_names_are_read_unescaped_and_the_last_of_doubles_counts() {
        let walk = Walk(br#"{"a":1,"\u0061":"x\n\"y","b":[true]}"#);
        let at = Pointer::parse("/a").unwrap().find(walk, 0).unwrap();
        assert_eq!(walk.string(at).unwrap(), "x\n\"y");
        assert_eq!(Pointer::parse("/b/1").unwrap().find(walk, 0), None);
    }
}
