//! Follows the framing of HTTP/1.1 below hyper, and finds what hyper forgives.
//!
//! A request whose end two servers in a row may see in two places is a way to
//! slip a second request past the first of them (request smuggling; RFC 9112
//! §11.2). hyper takes `Transfer-Encoding` and forgets `Content-Length`, forgets
//! a length that is repeated, takes any coding before `chunked`, and a line feed
//! without its carriage return for the end of a line. All of these are to be
//! refused, wherever in a connection they come; so each message is followed to
//! its end, to find the next one's head, however the bytes come in pieces.
//!
//! It need not understand what hyper refuses anyway: from such a place on nothing
//! is carried out. Whatever it does not understand counts as a fault of the request
//! it belongs to and of all that follow, which is the safe side.

use super::fault::Fault;

/// Follows one connection.
#[derive(Default)]
pub(crate) struct Framing {
    at: At,
    line: Line,
    head: Head,
    /// Heads that have ended.
    heads: u32,
    fault: Option<(u32, Fault)>,
}

/// Where in a message the next byte stands.
#[derive(Default)]
enum At {
    #[default]
    Head,
    /// In a body or a chunk, with as many bytes to come.
    Body(u64),
    ChunkSize(Size),
    /// In a chunk and the line end after it.
    ChunkData(u64),
    Trailer,
    /// Beyond a fault.
    Lost,
}

/// A chunk's size, as far as it was read.
#[derive(Default)]
struct Size {
    value: u64,
    digits: u8,
    /// Past the digits.
    ended: bool,
}

/// What the head being read has said about its body.
#[derive(Default)]
struct Head {
    /// A line that is not empty has come: blank lines may precede a head.
    begun: bool,
    length: Option<u64>,
    chunked: bool,
}

/// Bytes of a line that are kept, where it may be one of the two fields: enough
/// for the longest value that means something, and white space around it.
const KEPT: usize = 64;

/// The line being read.
struct Line {
    start: [u8; KEPT],
    /// Its bytes so far.
    bytes: usize,
    /// Its first byte is that of a field to look at.
    looked_at: bool,
    last: u8,
}

impl Default for Line {
    fn default() -> Line {
        Line {
            start: [0; KEPT],
            bytes: 0,
            looked_at: false,
            last: 0,
        }
    }
}

const CONTENT_LENGTH: &[u8] = b"content-length:";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding:";

/// Digits of a chunk's size, leading zeros included.
const SIZE_DIGITS: u8 = 16;

impl Framing {
    /// The first fault, with the number of the request it counts for, from 0. All
    /// later ones are at fault as well.
    pub(crate) fn fault(&self) -> Option<(u32, Fault)> {
        self.fault
    }

    /// Takes the next bytes of the connection.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.at {
                At::Head | At::Trailer => self.take_line(bytes),
                At::Body(left) => {
                    let (rest, left) = skip(bytes, left);
                    self.at = if left == 0 { At::Head } else { At::Body(left) };
                    rest
                }
                At::ChunkData(left) => {
                    let (rest, left) = skip(bytes, left);
                    self.at = match left {
                        0 => At::ChunkSize(Size::default()),
                        left => At::ChunkData(left),
                    };
                    rest
                }
                At::ChunkSize(_) => self.take_size(bytes),
                At::Lost => return,
            };
        }
    }

    fn lose(&mut self, fault: Fault) {
        // In a body, the head that announced it has ended.
        let request = match self.at {
            At::Head => self.heads,
            _ => self.heads.saturating_sub(1),
        };
        self.fault.get_or_insert((request, fault));
        self.at = At::Lost;
    }

    fn take_line<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let piece = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes);
        self.line.add(piece);
        let Some(end) = end else { return &[] };
        if self.line.last == b'\r' {
            match self.at {
                At::Trailer => self.end_trailer_line(),
                _ => self.end_head_line(),
            }
        } else {
            self.lose(Fault::LineEnd);
        }
        self.line.end();
        bytes.get(end + 1..).unwrap_or_default()
    }

    fn end_head_line(&mut self) {
        if self.line.is_empty() {
            if self.head.begun {
                self.end_head();
            }
            return;
        }
        self.head.begun = true;
        if !self.line.looked_at {
            return;
        }
        if let Some(value) = self.line.value(CONTENT_LENGTH) {
            let length = value.and_then(digits);
            match (length, self.head.length, self.head.chunked) {
                (_, _, true) => self.lose(Fault::BothLengths),
                (_, Some(_), _) => self.lose(Fault::LengthTwice),
                (None, ..) => self.lose(Fault::Length),
                (length, ..) => self.head.length = length,
            }
        } else if let Some(value) = self.line.value(TRANSFER_ENCODING) {
            let chunked = value.is_some_and(|value| value == b"chunked");
            match (chunked, self.head.length, self.head.chunked) {
                (_, Some(_), _) => self.lose(Fault::BothLengths),
                (true, None, false) => self.head.chunked = true,
                _ => self.lose(Fault::Coding),
            }
        }
    }

    fn end_head(&mut self) {
        let head = std::mem::take(&mut self.head);
        self.heads += 1;
        self.at = match (head.chunked, head.length) {
            (true, _) => At::ChunkSize(Size::default()),
            (false, Some(length)) if length > 0 => At::Body(length),
            (false, _) => At::Head,
        };
    }

    fn end_trailer_line(&mut self) {
        if self.line.is_empty() {
            self.at = At::Head;
        }
    }

    fn take_size<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let At::ChunkSize(size) = &mut self.at else {
            return bytes;
        };
        for (place, byte) in bytes.iter().enumerate() {
            let digit = char::from(*byte).to_digit(16);
            match (digit, byte) {
                (Some(digit), _) if !size.ended => {
                    size.digits += 1;
                    if size.digits > SIZE_DIGITS {
                        self.lose(Fault::Chunk);
                        return &[];
                    }
                    size.value = size.value << 4 | u64::from(digit);
                }
                (_, b'\n') => {
                    let value = size.value;
                    self.end_size(value);
                    return bytes.get(place + 1..).unwrap_or_default();
                }
                _ => size.ended = true,
            }
        }
        &[]
    }

    fn end_size(&mut self, size: u64) {
        match size.checked_add(2) {
            Some(2) => self.at = At::Trailer,
            Some(with_line_end) => self.at = At::ChunkData(with_line_end),
            None => self.lose(Fault::Chunk),
        }
    }
}

/// Leaves out up to `count` bytes; what is left of both.
fn skip(bytes: &[u8], count: u64) -> (&[u8], u64) {
    let skipped = usize::try_from(count).map_or(bytes.len(), |count| count.min(bytes.len()));
    let rest = bytes.get(skipped..).unwrap_or_default();
    (rest, count - skipped as u64)
}

/// The number that a value of digits is.
fn digits(value: &[u8]) -> Option<u64> {
    let all = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| all)?;
    text.parse().ok()
}

impl Line {
    fn add(&mut self, piece: &[u8]) {
        let (Some(first), Some(last)) = (piece.first(), piece.last()) else {
            return;
        };
        if self.bytes == 0 {
            self.looked_at = matches!(first, b'c' | b'C' | b't' | b'T');
        }
        if self.looked_at {
            for (to, from) in self.start.iter_mut().skip(self.bytes).zip(piece) {
                *to = from.to_ascii_lowercase();
            }
        }
        self.bytes += piece.len();
        self.last = *last;
    }

    /// But for its end.
    fn is_empty(&self) -> bool {
        self.bytes == 1
    }

    fn end(&mut self) {
        self.bytes = 0;
        self.last = 0;
    }

    /// The value, if it is this field's line; `Some(None)` for one that is too
    /// long to mean anything.
    fn value(&self, field: &[u8]) -> Option<Option<&[u8]>> {
        let line = self.start.get(..self.bytes).unwrap_or(&self.start);
        let value = line.strip_prefix(field)?;
        Some((self.bytes <= KEPT).then(|| value.trim_ascii()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The fault of a connection, the same in whatever pieces it comes.
    fn fault(bytes: &str) -> Option<(u32, Fault)> {
        let in_pieces = |size| {
            let mut framing = Framing::default();
            for piece in bytes.as_bytes().chunks(size) {
                framing.take(piece);
            }
            framing.fault()
        };
        let whole = in_pieces(bytes.len());
        for size in 1..bytes.len() {
            assert_eq!(in_pieces(size), whole, "{bytes:?} in pieces of {size}");
        }
        whole
    }

    const CHUNKED: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    const BOTH: &str = "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[test]
    fn heads_that_mean_two_things_are_found() {
        for (head, expected) in [
            (
                "Content-Length: 3\r\nA: b\r\nTransfer-Encoding: chunked",
                Fault::BothLengths,
            ),
            (
                "TRANSFER-ENCODING:chunked\r\ncontent-length:3",
                Fault::BothLengths,
            ),
            ("Content-Length: 3\r\nContent-Length: 3", Fault::LengthTwice),
            ("Content-Length: 3\r\nContent-Length: 4", Fault::LengthTwice),
            ("Content-Length: 3, 3", Fault::Length),
            ("Content-Length: +3", Fault::Length),
            ("Content-Length: 0x3", Fault::Length),
            ("Content-Length:", Fault::Length),
            ("Content-Length: 99999999999999999999", Fault::Length),
            ("Transfer-Encoding: gzip, chunked", Fault::Coding),
            ("Transfer-Encoding: identity", Fault::Coding),
            ("Transfer-Encoding: \"chunked\"", Fault::Coding),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                Fault::Coding,
            ),
            ("A: b\nC: d", Fault::LineEnd),
        ] {
            let request = format!("POST / HTTP/1.1\r\n{head}\r\n\r\n");
            assert_eq!(fault(&request), Some((0, expected)), "{head}");
            let blank_first = format!("\r\n{request}");
            assert_eq!(fault(&blank_first), Some((0, expected)), "{head}");
        }
        let padded = format!(
            "POST / HTTP/1.1\r\nContent-Length: {}3\r\n\r\n",
            " ".repeat(80)
        );
        assert_eq!(fault(&padded), Some((0, Fault::Length)));
    }

    #[test]
    fn other_fields_and_bodies_do_not_count() {
        for connection in [
            "POST / HTTP/1.1\r\nContent-Length: 30\r\n\r\nTransfer-Encoding: chunked\r\n\n\n",
            "POST / HTTP/1.1\r\nX-Content-Length: 3\r\nTransfer-Encoding: Chunked \r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nTe: trailers\r\nCookie: a=\"Content-Length: 3\"\r\n\r\n",
        ] {
            assert_eq!(fault(connection), None, "{connection:?}");
        }
    }

    #[test]
    fn a_head_is_found_behind_any_body() {
        let get = "GET / HTTP/1.1\r\n\r\n";
        let length = "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n{\n\n\r\n";
        let chunks =
            format!("{CHUNKED}3;a=\"b\"\r\n\n\n\n\r\n00A \r\n0123456789\r\n0\r\nT: u\r\n\r\n");
        for before in [get, length, &chunks] {
            let good = format!("{before}{before}{before}");
            assert_eq!(fault(&good), None, "{good:?}");
            let bad = format!("{before}{before}{BOTH}");
            assert_eq!(fault(&bad), Some((2, Fault::BothLengths)), "{bad:?}");
        }
    }

    #[test]
    fn chunks_that_cannot_be_told_apart_are_a_fault_of_their_own_request() {
        for chunks in [
            "00000000000000001\r\na\r\n0\r\n\r\n",
            "ffffffffffffffff\r\n",
            "fffffffffffffffff\r\n",
        ] {
            let connection = format!("{CHUNKED}{chunks}");
            assert_eq!(fault(&connection), Some((0, Fault::Chunk)), "{chunks:?}");
        }
        let trailer = format!("{CHUNKED}0\r\na: b\n\r\n");
        assert_eq!(fault(&trailer), Some((0, Fault::LineEnd)));
    }
}
