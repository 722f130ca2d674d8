//! Decodes a segment before it is trusted, with `ruzstd`: another implementation
//! than the one that encoded it.

use super::encoder::Encoded;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::fmt;
use twox_hash::XxHash3_128;

/// Why a segment is not what went into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// The decoder refuses it.
    Decode(String),
    /// It decodes, but to something else, or there is something behind it.
    Differs(&'static str),
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VerifyError::Decode(why) => write!(f, "it does not decode: {why}"),
            VerifyError::Differs(what) => write!(f, "its {what} is not what was written"),
        }
    }
}

impl std::error::Error for VerifyError {}

/// Whether there is more to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Call again.
    More,
    /// The segment is good.
    Done,
}

/// The largest window a reader can be expected to give us, bytes (RFC 8878
/// §3.1.1.1.2 recommends 8 MiB).
const MAX_WINDOW_BYTES: u64 = 8 << 20;

/// A segment half checked.
pub struct Verifier<'a> {
    encoded: &'a Encoded,
    rest: &'a [u8],
    decoder: FrameDecoder,
    hash: Box<XxHash3_128>,
    content_bytes: u64,
    plain: Vec<u8>,
}

impl<'a> Verifier<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// If it is none, or asks for too large a window.
    pub fn new(encoded: &'a Encoded) -> Result<Self, VerifyError> {
        let mut rest = &encoded.bytes[..];
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW_BYTES);
        decoder.init(&mut rest).map_err(decode)?;
        Ok(Verifier {
            encoded,
            rest,
            decoder,
            hash: Box::new(XxHash3_128::new()),
            content_bytes: 0,
            plain: Vec::new(),
        })
    }

    /// Decodes about `slice_bytes` more.
    ///
    /// # Errors
    /// If the segment is not what went into it; it is then not to be published.
    pub fn step(&mut self, slice_bytes: usize) -> Result<Progress, VerifyError> {
        let strategy = BlockDecodingStrategy::UptoBytes(slice_bytes);
        let finished = self
            .decoder
            .decode_blocks(&mut self.rest, strategy)
            .map_err(decode)?;
        self.plain.clear();
        self.decoder
            .collect_to_writer(&mut self.plain)
            .map_err(|error| VerifyError::Decode(error.to_string()))?;
        self.hash.write(&self.plain);
        self.content_bytes += self.plain.len() as u64;
        if !finished || self.decoder.can_collect() > 0 {
            return Ok(Progress::More);
        }
        self.compare().map(|()| Progress::Done)
    }

    fn compare(&self) -> Result<(), VerifyError> {
        let checksum = self.decoder.get_checksum_from_data();
        let expectations = [
            (self.rest.is_empty(), "end"),
            (self.content_bytes == self.encoded.content_bytes, "length"),
            (
                self.decoder.content_size() == self.content_bytes,
                "header's content size",
            ),
            (checksum.is_some(), "missing checksum"),
            (
                checksum == self.decoder.get_calculated_checksum(),
                "checksum",
            ),
            (self.hash.finish_128() == self.encoded.digest, "content"),
        ];
        match expectations.iter().find(|(met, _)| !met) {
            Some((_, what)) => Err(VerifyError::Differs(what)),
            None => Ok(()),
        }
    }
}

fn decode(error: ruzstd::decoding::errors::FrameDecoderError) -> VerifyError {
    VerifyError::Decode(error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::segment::encoder::Encoder;
    use crate::segment::raw::RawEncoder;

    fn verify(encoded: &Encoded) -> Result<(), VerifyError> {
        let mut verifier = Verifier::new(encoded)?;
        while verifier.step(100_000)? == Progress::More {}
        Ok(())
    }

    fn lines(bytes: usize) -> Vec<u8> {
        let line = |n: usize| format!("{{\"n\":{n},\"x\":{}}}\n", n.wrapping_mul(0x9E37_79B9));
        (0..)
            .flat_map(|n| line(n).into_bytes())
            .take(bytes)
            .collect()
    }

    fn encode(content: &[u8]) -> (Encoded, Encoded) {
        let (mut compressed, mut raw) = (Encoder::new(), RawEncoder::new());
        for slice in content.chunks(7777) {
            compressed.write(slice);
            raw.write(slice);
        }
        (compressed.finish().unwrap(), raw.finish())
    }

    #[test]
    fn what_was_written_is_good_in_every_size() {
        for bytes in [0, 1, 100, 65_535, 65_536, 131_072, 131_073, 3_000_000] {
            let (compressed, raw) = encode(&lines(bytes));
            assert_eq!(verify(&compressed), Ok(()), "{bytes} bytes");
            assert_eq!(verify(&raw), Ok(()), "{bytes} raw bytes");
        }
    }

    #[test]
    fn any_change_of_the_content_is_found() {
        let (compressed, raw) = encode(&lines(4000));
        // Descriptor bit 4 is unused, and a larger window changes nothing; block
        // types and sizes are covered by what follows them.
        for at in (0..raw.bytes.len()).filter(|at| ![4, 5].contains(at)) {
            let mut bytes = raw.bytes.clone();
            bytes[at] ^= 0x10;
            assert!(verify(&Encoded { bytes, ..raw }).is_err(), "byte {at}");
        }
        for encoded in [compressed, raw] {
            let mut longer = encoded.bytes.clone();
            longer.push(0);
            let shorter = encoded.bytes[..encoded.bytes.len() - 1].to_vec();
            for bytes in [longer, shorter] {
                assert!(verify(&Encoded { bytes, ..encoded }).is_err());
            }
            let digest = encoded.digest ^ 1;
            assert!(verify(&Encoded { digest, ..encoded }).is_err());
        }
    }
}
