//! Reads a segment back, a slice at a time, within bounded memory.
//!
//! Accepts exactly what the encoders here promise: one zstd data frame with
//! content size and checksum. Anything else is an error, not a guess.

use std::fmt;
use std::io::{self, Write};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::encoder::BLOCK_BYTES;
use super::zstd_frame::BLOCK_HEADER_BYTES;
use crate::traps::spring;

/// Largest window a frame may ask for, bytes: what RFC 8878 §3.1.1.1.2 tells
/// every decoder to support, and the most that browsers do.
pub const MAX_WINDOW_BYTES: u64 = 8 << 20;

/// Longest frame header: magic, descriptor, window, dictionary, content size.
const MAX_HEADER_BYTES: usize = 18;

/// Length of the content checksum.
const CHECKSUM_BYTES: usize = 4;

/// `Frame_Content_Size_flag` and `Single_Segment_flag` of the frame header
/// descriptor; the content size is absent when neither is set.
const HAS_CONTENT_SIZE: u8 = 0b1110_0000;

/// `Content_Checksum_flag` of the frame header descriptor.
const HAS_CHECKSUM: u8 = 0b0000_0100;

/// `Block_Maximum_Size`, bytes.
const MAX_BLOCK_BYTES: usize = 128 << 10;

/// What a compressed block is taken to decode to, bytes. Only its decoding tells
/// how much it really is; the encoder here makes no larger ones.
const COMPRESSED_BLOCK_BYTES: usize = BLOCK_BYTES;

/// What any block counts for at least, bytes: its tables cost time, too.
const BLOCK_COST_FLOOR_BYTES: usize = 1 << 10;

/// Why a frame cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// Not the header of a zstd data frame, or one that asks for a dictionary or
    /// for a larger window than [`MAX_WINDOW_BYTES`].
    Header(String),
    /// The header does not say how long the content is.
    NoContentSize,
    /// The frame has no content checksum.
    NoChecksum,
    /// A block is not valid.
    Block(String),
    /// The content is longer or shorter than the header says, bytes.
    ContentSize {
        /// What the header says.
        declared: u64,
        /// What was decoded when the difference was found.
        decoded: u64,
    },
    /// The content is not what the checksum was made of.
    Checksum,
    /// The input ends before the frame does.
    Truncated,
    /// Something follows the frame: another frame, or anything else.
    Trailing,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Header(why) => write!(f, "zstd frame header: {why}"),
            ReadError::NoContentSize => f.write_str("the zstd frame has no content size"),
            ReadError::NoChecksum => f.write_str("the zstd frame has no checksum"),
            ReadError::Block(why) => write!(f, "zstd block: {why}"),
            ReadError::ContentSize { declared, decoded } => write!(
                f,
                "the zstd frame declares {declared} bytes of content and has {decoded}"
            ),
            ReadError::Checksum => f.write_str("the zstd frame's checksum does not match"),
            ReadError::Truncated => f.write_str("the zstd frame is cut short"),
            ReadError::Trailing => f.write_str("something follows the zstd frame"),
        }
    }
}

impl std::error::Error for ReadError {}

/// What a step of a [`FrameReader`] came to. `consumed` is how much of the input
/// was used and must not be shown again, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more to do with what is left of the input.
    More {
        /// See [`Step`].
        consumed: usize,
    },
    /// What is left of the input holds no whole block: show more of it.
    /// [`FrameReader::INPUT_BYTES`] are always enough.
    Starved {
        /// See [`Step`].
        consumed: usize,
    },
    /// The frame has ended and was as it must be. What follows in the input, if
    /// anything, is not the frame's.
    Done {
        /// See [`Step`].
        consumed: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Header,
    Blocks,
    Rest,
    Done,
}

/// Decodes one frame in steps of bounded length. Memory: twice the window and a
/// few blocks.
pub struct FrameReader {
    decoder: FrameDecoder,
    phase: Phase,
    delivered: u64,
    /// False while the frame is being made: its header says its size at the end.
    sized: bool,
}

impl Default for FrameReader {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameReader {
    /// Input that is enough for any step to get on, bytes.
    pub const INPUT_BYTES: usize =
        MAX_HEADER_BYTES + BLOCK_HEADER_BYTES + MAX_BLOCK_BYTES + CHECKSUM_BYTES;

    /// A reader at the start of a frame.
    pub fn new() -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW_BYTES);
        Self {
            decoder,
            phase: Phase::Header,
            delivered: 0,
            sized: true,
        }
    }

    /// Begins another frame, which is still being made: the content size in its
    /// header is not yet to be believed. Ask [`FrameReader::check_size`] for it in
    /// the end.
    pub fn restart_unsized(&mut self) {
        self.phase = Phase::Header;
        self.delivered = 0;
        self.sized = false;
    }

    /// Compares what was decoded with the header of the frame now that it is
    /// finished. No step may follow.
    pub fn check_size(&mut self, mut finished: &[u8]) -> Result<(), ReadError> {
        self.read_header(&mut finished, true)?;
        self.phase = Phase::Done;
        let declared = self.decoder.content_size();
        if self.delivered == declared {
            return Ok(());
        }
        Err(ReadError::ContentSize {
            declared,
            decoded: self.delivered,
        })
    }

    /// Bytes of content handed out so far.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Length of the content as the header gives it, bytes; 0 before it is read.
    pub fn content_size(&self) -> u64 {
        self.decoder.content_size()
    }

    /// Goes on with `input`, which begins where the last step stopped consuming.
    /// Decodes about `slice_bytes` (at most twice that, or one block), and hands
    /// at most `slice_bytes` of content to `sink`. `ended` says that nothing
    /// comes after `input`. After an error the reader is of no further use, and
    /// what it handed out is not to be trusted; only [`Step::Done`] vouches for it.
    pub fn step(
        &mut self,
        input: &[u8],
        ended: bool,
        slice_bytes: usize,
        sink: impl FnMut(&[u8]),
    ) -> Result<Step, ReadError> {
        let slice_bytes = slice_bytes.max(1);
        let mut rest = input;
        let fed = match self.phase {
            Phase::Header => self.read_header(&mut rest, ended)?,
            Phase::Blocks => self.read_blocks(&mut rest, slice_bytes)?,
            Phase::Rest | Phase::Done => true,
        };
        self.deliver(slice_bytes, sink)?;
        let consumed = input.len() - rest.len();
        if self.phase == Phase::Done {
            Ok(Step::Done { consumed })
        } else if fed {
            Ok(Step::More { consumed })
        } else if ended {
            Err(ReadError::Truncated)
        } else {
            Ok(Step::Starved { consumed })
        }
    }

    /// Returns whether the input was enough.
    fn read_header(&mut self, rest: &mut &[u8], ended: bool) -> Result<bool, ReadError> {
        if rest.len() < MAX_HEADER_BYTES && !ended {
            return Ok(false);
        }
        let descriptor = rest.get(4).copied().unwrap_or_default();
        self.decoder
            .reset(&mut *rest)
            .map_err(|error| ReadError::Header(error.to_string()))?;
        if descriptor & HAS_CONTENT_SIZE == 0 {
            return Err(ReadError::NoContentSize);
        }
        if descriptor & HAS_CHECKSUM == 0 {
            return Err(ReadError::NoChecksum);
        }
        self.phase = Phase::Blocks;
        Ok(true)
    }

    /// Returns whether the input was enough for at least one block, or none was
    /// wanted because enough content waits to be handed out.
    fn read_blocks(&mut self, rest: &mut &[u8], slice_bytes: usize) -> Result<bool, ReadError> {
        let mut cost = self.decoder.can_collect();
        let mut fed = cost > 0;
        while cost < slice_bytes && self.phase == Phase::Blocks {
            let Some(block_cost) = cost_of_whole_block(rest) else {
                break;
            };
            let finished = self
                .decoder
                .decode_blocks(&mut *rest, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(|error| ReadError::Block(error.to_string()))?;
            if finished {
                self.phase = Phase::Rest;
            }
            cost += block_cost;
            fed = true;
        }
        Ok(fed)
    }

    /// Hands out what is decoded and no longer needed as a window, and judges the
    /// frame when that was all.
    fn deliver(&mut self, limit: usize, sink: impl FnMut(&[u8])) -> Result<(), ReadError> {
        let delivered = self
            .decoder
            .collect_to_writer(Limited { limit, sink })
            .map_err(|error| ReadError::Block(error.to_string()))?;
        self.delivered += delivered as u64;
        let declared = self.decoder.content_size();
        let ended = self.phase == Phase::Rest && self.decoder.can_collect() == 0;
        if self.sized && (self.delivered > declared || ended && self.delivered != declared) {
            return Err(ReadError::ContentSize {
                declared,
                decoded: self.delivered,
            });
        }
        if ended {
            // The decoder computes its checksum, but does not compare it.
            if self.decoder.get_checksum_from_data() != self.decoder.get_calculated_checksum() {
                return Err(ReadError::Checksum);
            }
            self.phase = Phase::Done;
        }
        Ok(())
    }
}

/// What decoding the block that `input` begins with will cost, about, bytes.
/// `None` if it is not there as a whole (RFC 8878 §3.1.1.2). A block that is not
/// valid counts as whole, for the decoder to say what is wrong with it.
fn cost_of_whole_block(input: &[u8]) -> Option<usize> {
    let (header, body) = input.split_first_chunk::<BLOCK_HEADER_BYTES>()?;
    let bits = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    let size = (bits >> 3) as usize;
    let (stored, decoded) = match bits >> 1 & 3 {
        0 => (size, size),
        1 => (1, size),
        _ => (size, COMPRESSED_BLOCK_BYTES),
    };
    let after = if bits & 1 == 1 { CHECKSUM_BYTES } else { 0 };
    if size <= MAX_BLOCK_BYTES && body.len() < stored + after {
        return None;
    }
    Some(decoded.max(BLOCK_COST_FLOOR_BYTES))
}

/// A writer that passes on so many bytes and takes no more.
struct Limited<F> {
    limit: usize,
    sink: F,
}

impl<F: FnMut(&[u8])> Write for Limited<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.limit);
        if let Some(bytes) = bytes.get(..taken).filter(|bytes| !bytes.is_empty()) {
            spring("verify", bytes);
            (self.sink)(bytes);
        }
        self.limit -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
