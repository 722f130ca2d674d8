//! A zstd frame of raw blocks: what is published where compression failed.
//!
//! RFC 8878 §3.1.1; the checksum is the low half of XXH64 with seed 0.

use super::encoder::Encoded;
use std::hash::Hasher as _;
use twox_hash::{XxHash3_128, XxHash64};

/// The largest raw block, bytes: the format's own limit.
const BLOCK_BYTES: usize = 128 << 10;
const HEADER: [u8; 6] = [
    0x28,
    0xB5,
    0x2F,
    0xFD,        // magic
    0b1100_0100, // content size of eight bytes, checksum
    0b0011_1000, // window of 128 KiB: 2^(10 + 7)
];
const RAW_BLOCK: u32 = 0;
const LAST_BLOCK: u32 = 1;

/// A segment in the making.
pub struct RawEncoder {
    /// Header, then whole blocks.
    frame: Vec<u8>,
    block: Vec<u8>,
    content_bytes: u64,
    checksum: XxHash64,
    hash: Box<XxHash3_128>,
}

impl Default for RawEncoder {
    fn default() -> Self {
        RawEncoder::new()
    }
}

impl RawEncoder {
    /// An empty segment.
    pub fn new() -> RawEncoder {
        let mut frame = HEADER.to_vec();
        frame.extend_from_slice(&[0; 8]);
        RawEncoder {
            frame,
            block: Vec::with_capacity(BLOCK_BYTES),
            content_bytes: 0,
            checksum: XxHash64::with_seed(0),
            hash: Box::new(XxHash3_128::new()),
        }
    }

    /// Takes more lines.
    pub fn write(&mut self, mut lines: &[u8]) {
        self.content_bytes += lines.len() as u64;
        self.checksum.write(lines);
        self.hash.write(lines);
        while !lines.is_empty() {
            if self.block.len() == BLOCK_BYTES {
                self.end_block(0);
            }
            let room = BLOCK_BYTES - self.block.len();
            let (now, later) = lines.split_at(room.min(lines.len()));
            self.block.extend_from_slice(now);
            lines = later;
        }
    }

    fn end_block(&mut self, last: u32) {
        // At most 128 KiB, so it fits the 21 bits.
        let size = u32::try_from(self.block.len()).unwrap_or(0);
        let header = last | RAW_BLOCK << 1 | size << 3;
        self.frame.extend_from_slice(&header.to_le_bytes()[..3]);
        self.frame.append(&mut self.block);
    }

    /// The whole frame.
    pub fn finish(mut self) -> Encoded {
        self.end_block(LAST_BLOCK);
        self.frame[6..14].copy_from_slice(&self.content_bytes.to_le_bytes());
        let checksum = self.checksum.finish().to_le_bytes();
        self.frame.extend_from_slice(&checksum[..4]);
        Encoded {
            bytes: self.frame,
            content_bytes: self.content_bytes,
            digest: self.hash.finish_128(),
        }
    }
}
