//! Compresses lines into a segment while they arrive.
//!
//! The settings are part of what makes it safe and are pinned here, as the
//! crate's version is in `Cargo.toml`; tests hold them against crafted input.

use std::{fmt, io};

use structured_zstd::encoding::{CompressionContext, CompressionLevel};

use super::digest::Digester;
use super::match_finder::{MatchFinder, SHORTEST};
use super::{Encoded, zstd_frame};
use crate::traps::spring;

/// How literals and sequences are coded and blocks are cut; matches are found by
/// [`MatchFinder`] whatever the level.
const LEVEL: CompressionLevel = CompressionLevel::Default;

/// Bytes that a match may lie back, as a power of two. Up to twice as many lie in memory
/// here and at whoever decodes, and keep others out of caches. Twice of it makes reports
/// of 200 clients, 700 bytes each, 3 to 5 % smaller, others 0.5 % at most, some larger.
const WINDOW_LOG: u32 = 18;

/// Largest block, bytes of content. **Do not raise.** structured-zstd 0.2.6
/// writes a wrong sequence count (RFC 8878 §3.1.1.3.2.1) for blocks of 32,512
/// sequences and more, and no decoder reads such a frame. A sequence covers at least
/// [`SHORTEST`] bytes, so a block of 126 KiB has at most 32,256; one of
/// 128 KiB reaches the fault. Blocks of half the size cost 0.5 to 0.9 %.
pub(super) const BLOCK_BYTES: usize = 126 << 10;

const _: () = assert!(BLOCK_BYTES / SHORTEST < 32_512);

/// What makes frames with checksums, in blocks of at most `block_bytes`, of which
/// [`BLOCK_BYTES`] says how large they may be.
pub(crate) fn context(
    window_log: u32,
    level: CompressionLevel,
    block_bytes: usize,
) -> io::Result<CompressionContext<MatchFinder>> {
    let finder = MatchFinder::new(window_log);
    let mut context = CompressionContext::new_with_matcher(finder, level);
    context.set_max_block_size(u32::try_from(block_bytes).ok())?;
    context.set_content_checksum(true)?;
    Ok(context)
}

/// The encoder gave up; its frame is lost, the lines are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The encoder said so, in these words.
    Refused(String),
    /// The frame began with a header that is not the one asked for.
    UnexpectedHeader,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::Refused(why) => write!(f, "the zstd encoder refused: {why}"),
            EncodeError::UnexpectedHeader => f.write_str("the zstd encoder wrote another header"),
        }
    }
}

impl std::error::Error for EncodeError {}

impl From<io::Error> for EncodeError {
    fn from(error: io::Error) -> Self {
        EncodeError::Refused(error.to_string())
    }
}

/// Makes one frame after another. The match finder's tables are kept from frame
/// to frame; a frame is the same whether its encoder is new or not.
pub struct Encoder {
    context: CompressionContext<MatchFinder>,
    frame: Vec<u8>,
    digester: Digester,
}

impl Encoder {
    /// An encoder with nothing in it; `seed` is the digest's and should be random.
    pub fn new(seed: u64) -> Result<Self, EncodeError> {
        Self::with_block_bytes(seed, BLOCK_BYTES)
    }

    /// Like [`Encoder::new`], with blocks of another size; tests show what larger
    /// ones do.
    pub(super) fn with_block_bytes(seed: u64, block_bytes: usize) -> Result<Self, EncodeError> {
        let context = context(WINDOW_LOG, LEVEL, block_bytes)?;
        Ok(Self {
            context,
            frame: Vec::new(),
            digester: Digester::new(seed),
        })
    }

    /// Adds lines, wherever they are cut. Full blocks are compressed at once: the
    /// time this takes grows with `lines`, whatever came before. After an error
    /// the encoder is of no further use.
    pub fn write(&mut self, lines: &[u8]) -> Result<(), EncodeError> {
        self.digester.write(lines);
        spring("compress", lines);
        self.open()?;
        for piece in lines.chunks(BLOCK_BYTES) {
            zstd_frame::make_room(&mut self.frame, 2 * BLOCK_BYTES);
            let mut rest = piece;
            while !rest.is_empty() {
                let taken = self.context.write(&mut self.frame, rest)?;
                rest = rest.get(taken..).unwrap_or_default();
            }
        }
        Ok(())
    }

    /// What there is of the frame; its header has no content size yet.
    pub(super) fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// Bytes of lines written to the frame so far.
    pub fn content_bytes(&self) -> u64 {
        self.digester.bytes()
    }

    /// Ends the frame.
    pub fn finish(mut self) -> Result<Encoded, EncodeError> {
        self.finish_frame(0)
    }

    /// Ends the frame and begins another, whose digest has seed `next_seed`.
    pub fn finish_frame(&mut self, next_seed: u64) -> Result<Encoded, EncodeError> {
        self.open()?;
        zstd_frame::make_room(&mut self.frame, 2 * BLOCK_BYTES);
        self.context.finish_frame(&mut self.frame)?;
        let content = std::mem::replace(&mut self.digester, Digester::new(next_seed));
        zstd_frame::set_content_size(&mut self.frame, content.bytes());
        Ok(Encoded {
            bytes: std::mem::take(&mut self.frame),
            content_bytes: content.bytes(),
            digest: content.digest(),
        })
    }

    /// Writes the frame's header, unless that is done.
    fn open(&mut self) -> Result<(), EncodeError> {
        if self.frame.is_empty() {
            self.context.start_frame(&mut self.frame)?;
            let header = zstd_frame::widen_header(&self.frame);
            self.frame.clear();
            self.frame
                .extend_from_slice(&header.ok_or(EncodeError::UnexpectedHeader)?);
        }
        Ok(())
    }
}
