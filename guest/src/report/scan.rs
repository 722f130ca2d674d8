//! The JSON grammar (RFC 8259), byte by byte.

use super::skim;
use super::stamp::Stamper;
use crate::limits::MAX_DEPTH;

/// What is wrong at some byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Nothing but whitespace.
    Empty,
    /// The bytes are not UTF-8.
    NotUtf8,
    /// Something else should stand here.
    Expected(&'static str),
    /// A control character inside a string.
    Control,
    /// A backslash and something that is no escape.
    Escape,
    /// A number the grammar does not know.
    Number,
    /// An escaped surrogate without its other half: allowed by the grammar, but a
    /// reader that meets one gives up the whole file.
    LoneSurrogate,
    /// A report that is not an object.
    NotAnObject,
    /// `_received` at the top of a report.
    Reserved,
    /// Nested too deep.
    TooDeep,
    /// Too many reports.
    TooMany,
}

/// What is wrong, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Offset in the body.
    pub at: usize,
    /// What.
    pub what: What,
}

impl Fault {
    /// Something wrong at a byte.
    pub fn new(at: usize, what: What) -> Fault {
        Fault { at, what }
    }
}

/// The member that only the server writes.
pub(super) const RESERVED: &[u8] = b"_received";

/// A place in a text, moving forward.
pub struct Scanner<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    /// Whether a line feed is whitespace, as it is outside of NDJSON.
    across_lines: bool,
}

/// What the grammar allows next inside a report.
#[derive(Clone, Copy)]
enum Next {
    FirstKey,
    Key,
    Colon,
    FirstValue,
    Value,
    AfterValue,
}

/// The containers around a place, one bit each: set for an object.
struct Nesting {
    objects: u64,
    depth: u32,
}

impl Nesting {
    fn enter(&mut self, object: bool) -> bool {
        if self.depth == MAX_DEPTH {
            return false;
        }
        self.objects = self.objects << 1 | u64::from(object);
        self.depth += 1;
        true
    }

    fn leave(&mut self) {
        self.objects >>= 1;
        self.depth -= 1;
    }

    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

impl<'a> Scanner<'a> {
    /// At the start of a text.
    pub fn new(text: &'a str, across_lines: bool) -> Scanner<'a> {
        Scanner {
            bytes: text.as_bytes(),
            at: 0,
            across_lines,
        }
    }

    /// The offset of the next byte.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next byte; `None` at the end.
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Passes the next byte.
    #[inline]
    pub fn step(&mut self) {
        self.at += 1;
    }

    /// Passes whitespace.
    #[inline]
    pub fn skip_space(&mut self) {
        while let Some(byte) = self.peek() {
            let space = matches!(byte, b' ' | b'\t' | b'\r') || byte == b'\n' && self.across_lines;
            if !space {
                return;
            }
            self.at += 1;
        }
    }

    /// A fault here.
    pub fn fault(&self, what: What) -> Fault {
        Fault::new(self.at, what)
    }

    /// Passes one report and appends its line to `out`.
    ///
    /// # Errors
    /// If it is not JSON, or not a report.
    pub fn report(&mut self, stamper: &mut Stamper, out: &mut Vec<u8>) -> Result<(), Fault> {
        match skim::compact_object(self.bytes, self.at) {
            Some(end) => {
                out.extend_from_slice(stamper.next_prefix());
                out.push(b',');
                out.extend_from_slice(&self.bytes[self.at + 1..end]);
                out.push(b'\n');
                self.at = end;
                Ok(())
            }
            None => self.any_report(stamper, out),
        }
    }

    /// Passes a report byte by byte, whatever it looks like.
    pub(super) fn any_report(
        &mut self,
        stamper: &mut Stamper,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        match self.peek() {
            Some(b'{') => self.step(),
            None => return Err(self.fault(What::Empty)),
            Some(_) => return Err(self.not_a_report()),
        }
        out.extend_from_slice(stamper.next_prefix());
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.step();
            out.extend_from_slice(b"}\n");
            return Ok(());
        }
        out.push(b',');
        self.members(out)?;
        out.push(b'\n');
        Ok(())
    }

    /// Something that is no object: wrong as a report, or already wrong as JSON?
    fn not_a_report(&mut self) -> Fault {
        let start = self.at;
        let mut nesting = Nesting {
            objects: 0,
            depth: 0,
        };
        let scanned = match self.peek() {
            // Its inside does not matter: an array is well-formed so far.
            Some(b'[') => Ok(()),
            _ => self.value(&mut nesting).map(|_| ()),
        };
        match scanned {
            Ok(()) => Fault::new(start, What::NotAnObject),
            Err(fault) => fault,
        }
    }

    /// Passes the members of a report to its closing brace, copying them without
    /// the whitespace between tokens.
    fn members(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut nesting = Nesting {
            objects: 1,
            depth: 1,
        };
        let mut copied = self.at;
        let mut next = Next::Key;
        loop {
            if self.peek().is_some_and(|byte| byte <= b' ') {
                out.extend_from_slice(&self.bytes[copied..self.at]);
                self.skip_space();
                copied = self.at;
            }
            next = match next {
                Next::FirstKey if self.peek() == Some(b'}') => Next::AfterValue,
                Next::FirstKey | Next::Key => self.key(&nesting)?,
                Next::Colon => self.colon()?,
                Next::FirstValue if self.peek() == Some(b']') => Next::AfterValue,
                Next::FirstValue | Next::Value => self.value(&mut nesting)?,
                Next::AfterValue => match self.after_value(&mut nesting)? {
                    Some(next) => next,
                    None => break,
                },
            };
        }
        out.extend_from_slice(&self.bytes[copied..self.at]);
        Ok(())
    }

    /// Passes a member's name, and its colon if that follows at once.
    #[inline]
    fn key(&mut self, nesting: &Nesting) -> Result<Next, Fault> {
        if self.peek() != Some(b'"') {
            return Err(self.fault(What::Expected("a member name in '\"'")));
        }
        let start = self.at;
        let escaped = self.string()?;
        if nesting.depth == 1 {
            let name = &self.bytes[start + 1..self.at - 1];
            if name == RESERVED || escaped && spells_reserved(name) {
                return Err(Fault::new(start, What::Reserved));
            }
        }
        // The common case: no space around the colon.
        if self.peek() == Some(b':') {
            self.step();
            return Ok(Next::Value);
        }
        Ok(Next::Colon)
    }

    fn colon(&mut self) -> Result<Next, Fault> {
        if self.peek() != Some(b':') {
            return Err(self.fault(What::Expected("':'")));
        }
        self.step();
        Ok(Next::Value)
    }

    /// Passes a scalar, or enters a container.
    #[inline]
    fn value(&mut self, nesting: &mut Nesting) -> Result<Next, Fault> {
        match self.peek() {
            Some(b'"') => self.string().map(|_| Next::AfterValue),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| Next::AfterValue),
            Some(b'{') => self.enter(nesting, Next::FirstKey),
            Some(b'[') => self.enter(nesting, Next::FirstValue),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => Err(self.fault(What::Expected("a JSON value"))),
        }
    }

    fn enter(&mut self, nesting: &mut Nesting, first: Next) -> Result<Next, Fault> {
        if !nesting.enter(matches!(first, Next::FirstKey)) {
            return Err(self.fault(What::TooDeep));
        }
        self.step();
        Ok(first)
    }

    /// Passes what follows a value: a comma, or the ends of containers. `None`
    /// when the report has ended.
    #[inline]
    fn after_value(&mut self, nesting: &mut Nesting) -> Result<Option<Next>, Fault> {
        let in_object = nesting.in_object();
        match self.peek() {
            Some(b',') => {
                self.step();
                Ok(Some(if in_object { Next::Key } else { Next::Value }))
            }
            Some(b'}') if in_object => {
                self.step();
                nesting.leave();
                Ok((nesting.depth > 0).then_some(Next::AfterValue))
            }
            Some(b']') if !in_object => {
                self.step();
                nesting.leave();
                Ok(Some(Next::AfterValue))
            }
            _ if in_object => Err(self.fault(What::Expected("',' or '}'"))),
            _ => Err(self.fault(What::Expected("',' or ']'"))),
        }
    }

    fn literal(&mut self, word: &'static [u8]) -> Result<Next, Fault> {
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(Next::AfterValue);
        }
        Err(self.fault(What::Expected("a JSON value")))
    }
}

/// Whether a name that holds escapes spells the reserved name.
fn spells_reserved(name: &[u8]) -> bool {
    let quoted = [b"\"", name, b"\""].concat();
    serde_json::from_slice::<String>(&quoted).is_ok_and(|name| name.as_bytes() == RESERVED)
}
