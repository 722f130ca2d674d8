//! Numbers and strings of the JSON grammar (RFC 8259 §6, §7).

use super::scan::{Fault, Scanner, What};
use super::skim::special_bytes;

impl Scanner<'_> {
    pub(super) fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.step();
        }
        let bad = Fault::new(start, What::Number);
        match self.peek() {
            Some(b'0') => self.step(),
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(bad),
        }
        if self.peek() == Some(b'.') {
            self.step();
            self.some_digits().ok_or(bad)?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.step();
            if let Some(b'+' | b'-') = self.peek() {
                self.step();
            }
            self.some_digits().ok_or(bad)?;
        }
        // "01" and "1x" end up here; what may follow is the caller's to say.
        match self.peek() {
            Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-' | b'_') => Err(bad),
            _ => Ok(()),
        }
    }

    #[inline]
    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Option<()> {
        let start = self.at;
        self.digits();
        (self.at > start).then_some(())
    }

    /// Passes a string with its quotes; whether it holds escapes.
    #[inline]
    pub(super) fn string(&mut self) -> Result<bool, Fault> {
        let start = self.at;
        self.step();
        let mut escaped = false;
        loop {
            self.skip_plain();
            match self.peek() {
                Some(b'"') => {
                    self.step();
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.fault(What::Control)),
                None => return Err(Fault::new(start, What::Expected("a string that ends"))),
            }
        }
    }

    /// Passes bytes that mean themselves inside a string, eight at a time.
    #[inline]
    fn skip_plain(&mut self) {
        while let Some(chunk) = self.bytes.get(self.at..self.at + 8) {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            let special = special_bytes(u64::from_le_bytes(word));
            if special != 0 {
                self.at += (special.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
        while let Some(byte) = self.peek() {
            if byte < b' ' || byte == b'"' || byte == b'\\' {
                return;
            }
            self.at += 1;
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let start = self.at;
        match self.bytes.get(start + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => {
                let bad = Fault::new(start, What::Escape);
                let unit = self.code_unit(start).ok_or(bad)?;
                self.at += 6;
                match unit {
                    0xD800..=0xDBFF => match self.code_unit(self.at) {
                        Some(0xDC00..=0xDFFF) => {
                            self.at += 6;
                            Ok(())
                        }
                        _ => Err(Fault::new(start, What::LoneSurrogate)),
                    },
                    0xDC00..=0xDFFF => Err(Fault::new(start, What::LoneSurrogate)),
                    _ => Ok(()),
                }
            }
            _ => Err(Fault::new(start, What::Escape)),
        }
    }

    /// The UTF-16 code unit of the escape `\uXXXX` at some byte.
    fn code_unit(&self, at: usize) -> Option<u16> {
        let digits = self.bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().try_fold(0, |unit, digit| {
            let value = char::from(*digit).to_digit(16)?;
            Some(unit << 4 | u16::try_from(value).ok()?)
        })
    }
}
