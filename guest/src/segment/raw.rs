//! Puts lines into a segment without compressing them.
//!
//! A frame of raw blocks (RFC 8878 §3.1.1.2.2) holds its content as it is. There
//! is next to nothing in making one that could go wrong, and so this is what a
//! segment falls back to when the encoder fails or its output does not verify.

use std::hash::Hasher as _;

use twox_hash::XxHash64;

use super::digest::Digester;
use super::zstd_frame::BLOCK_HEADER_BYTES;
use super::{Encoded, zstd_frame};

/// Content of a full block: the most that the format allows.
const BLOCK_BYTES: usize = 128 << 10;

/// Window descriptor for 2^17 bytes, the smallest that allows such blocks.
const WINDOW_DESCRIPTOR: u8 = (17 - 10) << 3;

/// `Last_Block` of a block header.
const LAST_BLOCK: u32 = 1;

/// Makes one frame of raw blocks.
pub struct RawEncoder {
    frame: Vec<u8>,
    /// Where the header of the block being filled is.
    block_at: usize,
    /// Content of that block so far, bytes.
    block_len: usize,
    checksum: XxHash64,
    digester: Digester,
}

impl RawEncoder {
    /// An encoder with nothing in it; `seed` is the digest's and should be random.
    pub fn new(seed: u64) -> Self {
        let mut frame = zstd_frame::open_header(WINDOW_DESCRIPTOR).to_vec();
        let block_at = frame.len();
        frame.extend_from_slice(&[0; BLOCK_HEADER_BYTES]);
        Self {
            frame,
            block_at,
            block_len: 0,
            checksum: XxHash64::with_seed(0),
            digester: Digester::new(seed),
        }
    }

    /// Adds lines, wherever they are cut.
    pub fn write(&mut self, lines: &[u8]) {
        self.digester.write(lines);
        self.checksum.write(lines);
        let mut rest = lines;
        while !rest.is_empty() {
            if self.block_len == BLOCK_BYTES {
                self.end_block(0);
                self.block_at = self.frame.len();
                self.block_len = 0;
                self.frame.extend_from_slice(&[0; BLOCK_HEADER_BYTES]);
            }
            let (piece, after) = rest.split_at(rest.len().min(BLOCK_BYTES - self.block_len));
            zstd_frame::make_room(&mut self.frame, BLOCK_BYTES);
            self.frame.extend_from_slice(piece);
            self.block_len += piece.len();
            rest = after;
        }
    }

    /// Bytes of lines written so far.
    pub fn content_bytes(&self) -> u64 {
        self.digester.bytes()
    }

    /// Ends the frame.
    pub fn finish(mut self) -> Encoded {
        self.end_block(LAST_BLOCK);
        zstd_frame::set_content_size(&mut self.frame, self.digester.bytes());
        let low_half = self.checksum.finish() as u32;
        self.frame.extend_from_slice(&low_half.to_le_bytes());
        Encoded {
            bytes: self.frame,
            content_bytes: self.digester.bytes(),
            digest: self.digester.digest(),
        }
    }

    /// Fills in the block's header: size, type 0 (raw), and whether it is the last.
    fn end_block(&mut self, last: u32) {
        let header = ((self.block_len as u32) << 3 | last).to_le_bytes();
        let field = self.block_at..self.block_at + BLOCK_HEADER_BYTES;
        if let Some(field) = self.frame.get_mut(field) {
            field.copy_from_slice(&header[..BLOCK_HEADER_BYTES]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_of_one_short_line_has_these_bytes() {
        let mut encoder = RawEncoder::new(1);
        encoder.write(b"{}");
        encoder.write(b"\n");
        let bytes = encoder.finish().bytes;
        let (head, checksum) = bytes.split_at(bytes.len() - 4);
        assert_eq!(
            head,
            [
                0x28,
                0xB5,
                0x2F,
                0xFD,
                0xC4,
                0x38, // magic, descriptor, window
                3,
                0,
                0,
                0,
                0,
                0,
                0,
                0, // content size
                0b0001_1001,
                0,
                0, // last block, raw, three bytes
                b'{',
                b'}',
                b'\n',
            ]
        );
        let expected = XxHash64::oneshot(0, b"{}\n") as u32;
        assert_eq!(checksum, expected.to_le_bytes());
    }

    #[test]
    fn block_that_is_just_full_is_the_last_one() {
        let mut encoder = RawEncoder::new(1);
        encoder.write(&vec![b'x'; BLOCK_BYTES]);
        let bytes = encoder.finish().bytes;
        assert_eq!(bytes.len(), 14 + 3 + BLOCK_BYTES + 4);
        assert_eq!(bytes.get(14..17), Some(&[0b0000_0001, 0x00, 0x10][..]));
    }
}
