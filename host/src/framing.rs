//! Finds requests that announce their length twice.
//!
//! A request with `Content-Length` and `Transfer-Encoding` may mean two things
//! to two servers in a row (request smuggling; RFC 9112 §6.1 and §11.2). hyper
//! takes the second, forgets that the first was there and closes the connection
//! after its answer, which is safe; but such a request is to be refused. So the
//! connection is watched below hyper: from each answer to the end of the next
//! request's head, for the lines of these two fields.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Whether the head that was read last has both fields.
#[derive(Clone, Default)]
pub(crate) struct DoubleLength(Arc<AtomicBool>);

impl DoubleLength {
    pub(crate) fn found(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stream whose incoming heads are watched.
pub(crate) struct Watched<S> {
    stream: S,
    scan: Scan,
    found: DoubleLength,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S) -> (Watched<S>, DoubleLength) {
        let found = DoubleLength::default();
        let watched = Watched {
            stream,
            scan: Scan::default(),
            found: found.clone(),
        };
        (watched, found)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = &mut *self;
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if read.is_ready() {
            this.scan
                .take(buffer.filled().get(before..).unwrap_or_default());
            this.found.0.store(this.scan.both(), Ordering::Relaxed);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.scan.next_request();
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.scan.next_request();
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

const FIELDS: [&[u8]; 2] = [b"content-length:", b"transfer-encoding:"];
const LONGEST: usize = 18;

/// The scanner of one request's head, which may come in any pieces.
#[derive(Default)]
struct Scan {
    /// The first bytes of the current line, as many as the longest field needs.
    start: [u8; LONGEST],
    /// Bytes of the current line, without its end.
    line: usize,
    /// Whether a line that is not empty has come: blank lines may precede a head.
    begun: bool,
    ended: bool,
    seen: [bool; 2],
}

impl Scan {
    fn next_request(&mut self) {
        if self.ended {
            *self = Scan::default();
        }
    }

    fn both(&self) -> bool {
        self.seen == [true, true]
    }

    fn take(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !self.ended && !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let piece = rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest);
            for (to, from) in self.start.iter_mut().skip(self.line).zip(piece) {
                *to = from.to_ascii_lowercase();
            }
            self.line += piece.len();
            let Some(end) = end else { return };
            self.end_line();
            rest = rest.get(end + 1..).unwrap_or_default();
        }
    }

    fn end_line(&mut self) {
        let start = self.start.get(..self.line).unwrap_or(&self.start);
        for (seen, field) in self.seen.iter_mut().zip(FIELDS) {
            *seen |= start.starts_with(field);
        }
        let empty = start.is_empty() || start == b"\r";
        self.ended = empty && self.begun;
        self.begun |= !empty;
        self.line = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(head: &str, piece: usize) -> bool {
        let mut scan = Scan::default();
        for piece in head.as_bytes().chunks(piece) {
            scan.take(piece);
        }
        scan.both()
    }

    #[test]
    fn both_fields_in_one_head_are_found_in_either_order_and_any_pieces() {
        for head in [
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTRANSFER-ENCODING:chunked\ncontent-length:3\n\n",
            "\r\nPOST / HTTP/1.1\r\nTransfer-Encoding: x\r\nContent-Length: 3\r\n\r\n",
        ] {
            for piece in 1..=head.len() {
                assert!(both(head, piece), "{head:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn a_body_or_another_field_does_not_count() {
        for head in [
            "POST / HTTP/1.1\r\nContent-Length: 30\r\n\r\nTransfer-Encoding: chunked\r\n",
            "POST / HTTP/1.1\r\nX-Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert!(!both(head, 7), "{head:?}");
        }
    }

    #[test]
    fn the_next_request_starts_anew() {
        let mut scan = Scan::default();
        scan.take(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
        scan.next_request();
        scan.take(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert!(!scan.both());
    }
}
