//! Compresses lines as they come.
//!
//! The encoder is `structured-zstd`, in settings that were measured (ratio, speed,
//! memory, pauses) and fuzzed. Two of them are there for safety:
//!
//! * Blocks of at most 64 KiB. The version in use writes a wrong sequence count
//!   for blocks of 32,512 sequences and more, and no decoder reads the frame; a
//!   block of 64 KiB holds at most 21,845.
//! * The content checksum, which it leaves out unless told otherwise.

use std::fmt;
use std::io::Write;
use structured_zstd::encoding::{CompressionLevel, StreamingEncoder};
use twox_hash::XxHash3_128;

/// The largest block, bytes. Not to be raised: see above.
pub const MAX_BLOCK_BYTES: u32 = 64 << 10;

/// A finished frame, and what it must decode to.
#[derive(Debug)]
pub struct Encoded {
    /// One zstd data frame.
    pub bytes: Vec<u8>,
    /// Bytes of the content.
    pub content_bytes: u64,
    /// XXH3-128 of the content, of what was written in rather than what came out.
    pub digest: u128,
}

/// The encoder refused something. Its output is not to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError(String);

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the zstd encoder failed: {}", self.0)
    }
}

impl std::error::Error for EncodeError {}

/// A segment in the making.
pub struct Encoder {
    inner: StreamingEncoder<Vec<u8>>,
    content_bytes: u64,
    hash: Box<XxHash3_128>,
    failure: Option<EncodeError>,
}

impl Default for Encoder {
    fn default() -> Self {
        Encoder::new()
    }
}

impl Encoder {
    /// An empty segment.
    pub fn new() -> Encoder {
        let mut inner = StreamingEncoder::new(Vec::new(), CompressionLevel::Default);
        let failure = inner
            .set_max_block_size(Some(MAX_BLOCK_BYTES))
            .and_then(|()| inner.set_content_checksum(true))
            .err()
            .map(|error| EncodeError(error.to_string()));
        Encoder {
            inner,
            content_bytes: 0,
            hash: Box::new(XxHash3_128::new()),
            failure,
        }
    }

    /// Takes more lines. A failure shows when the segment is finished.
    pub fn write(&mut self, lines: &[u8]) {
        self.content_bytes += lines.len() as u64;
        self.hash.write(lines);
        if self.failure.is_none()
            && let Err(error) = self.inner.write_all(lines)
        {
            self.failure = Some(EncodeError(error.to_string()));
        }
    }

    /// The whole frame.
    ///
    /// # Errors
    /// If the encoder failed at any time.
    pub fn finish(self) -> Result<Encoded, EncodeError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let frame = self
            .inner
            .finish()
            .map_err(|e| EncodeError(e.to_string()))?;
        Ok(Encoded {
            bytes: with_content_size(frame, self.content_bytes)?,
            content_bytes: self.content_bytes,
            digest: self.hash.finish_128(),
        })
    }
}

/// Bits of the frame header's descriptor (RFC 8878 §3.1.1.1.1).
const CONTENT_SIZE_FLAG: u8 = 0b1100_0000;
const SINGLE_SEGMENT_FLAG: u8 = 0b0010_0000;
const DICTIONARY_FLAG: u8 = 0b0000_0011;
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// Magic, descriptor, window descriptor.
const SIZELESS_HEADER_BYTES: usize = 6;

/// Puts the content size into the header of a frame that was begun without one.
fn with_content_size(mut frame: Vec<u8>, content_bytes: u64) -> Result<Vec<u8>, EncodeError> {
    let sizeless = frame.len() > SIZELESS_HEADER_BYTES
        && frame[..4] == MAGIC
        && frame[4] & (CONTENT_SIZE_FLAG | SINGLE_SEGMENT_FLAG | DICTIONARY_FLAG) == 0;
    if !sizeless {
        return Err(EncodeError("unexpected frame header".into()));
    }
    frame[4] |= CONTENT_SIZE_FLAG;
    let at = SIZELESS_HEADER_BYTES..SIZELESS_HEADER_BYTES;
    frame.splice(at, content_bytes.to_le_bytes());
    Ok(frame)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_the_size_and_that_a_checksum_follows() {
        let mut encoder = Encoder::new();
        encoder.write(b"{\"a\":1}\n");
        let encoded = encoder.finish().unwrap();
        assert_eq!(encoded.bytes[..4], MAGIC);
        assert_eq!(encoded.bytes[4], 0b1100_0100);
        assert_eq!(encoded.bytes[6..14], 8u64.to_le_bytes());
        assert_eq!(encoded.content_bytes, 8);
    }

    #[test]
    fn a_header_of_another_shape_is_refused() {
        for descriptor in [0x20, 0x40, 0x01] {
            let frame = [&MAGIC[..], &[descriptor, 0, 0, 0]].concat();
            assert!(with_content_size(frame, 1).is_err());
        }
        assert!(with_content_size(b"nonsense".to_vec(), 1).is_err());
    }
}
