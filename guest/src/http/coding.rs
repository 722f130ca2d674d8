//! Encodes what is sent in pieces.

use super::accept::Coding;
use crate::segment::encoder::context;
use crate::segment::match_finder::MatchFinder;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write};
use structured_zstd::encoding::{CompressionContext, CompressionLevel};

/// Largest zstd block, bytes of content; see `segment/encoder.rs` for why it must
/// not be more.
const BLOCK_BYTES: usize = 64 << 10;

/// Bytes that a match may lie back, as a power of two: answers are kept small in
/// memory, several at once.
const WINDOW_LOG: u32 = 19;

/// An encoder for one answer.
pub struct Coder(Inner);

enum Inner {
    Identity,
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(Box<CompressionContext<MatchFinder>>),
}

impl Coder {
    /// A coder for an answer in this coding.
    ///
    /// # Errors
    /// If the encoder refuses its settings.
    pub fn new(coding: Coding) -> io::Result<Coder> {
        Ok(Coder(match coding {
            Coding::Identity => Inner::Identity,
            Coding::Gzip => Inner::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Coding::Zstd => {
                let context = context(WINDOW_LOG, CompressionLevel::Fastest, BLOCK_BYTES)?;
                Inner::Zstd(Box::new(context))
            }
        }))
    }

    /// What is to be sent for the next piece of the content; may be nothing yet.
    ///
    /// # Errors
    /// If the encoder gives up; the answer cannot be completed then.
    pub fn encode(&mut self, piece: Vec<u8>) -> io::Result<Vec<u8>> {
        match &mut self.0 {
            Inner::Identity => Ok(piece),
            Inner::Gzip(encoder) => {
                encoder.write_all(&piece)?;
                Ok(std::mem::take(encoder.get_mut()))
            }
            Inner::Zstd(context) => {
                let mut out = Vec::new();
                let mut rest = piece.as_slice();
                while !rest.is_empty() {
                    let taken = context.write(&mut out, rest)?;
                    rest = rest.get(taken..).unwrap_or_default();
                }
                Ok(out)
            }
        }
    }

    /// What is to be sent last.
    ///
    /// # Errors
    /// See [`Coder::encode`].
    pub fn finish(self) -> io::Result<Vec<u8>> {
        match self.0 {
            Inner::Identity => Ok(Vec::new()),
            Inner::Gzip(encoder) => encoder.finish(),
            Inner::Zstd(mut context) => {
                let mut out = Vec::new();
                context.finish_frame(&mut out)?;
                Ok(out)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn encoded(coding: Coding, pieces: &[&[u8]]) -> Vec<u8> {
        let mut coder = Coder::new(coding).unwrap();
        let mut out = Vec::new();
        for piece in pieces {
            out.extend(coder.encode(piece.to_vec()).unwrap());
        }
        out.extend(coder.finish().unwrap());
        out
    }

    #[test]
    fn what_is_encoded_in_pieces_decodes_to_the_whole() {
        let long = b"0123456789abcdef".repeat(20_000);
        for pieces in [
            &[][..],
            &[b"one".as_slice()],
            &[b"one", b"", long.as_slice(), b"two"],
        ] {
            let whole = pieces.concat();
            assert_eq!(encoded(Coding::Identity, pieces), whole);
            let mut decoded = Vec::new();
            let gzip = encoded(Coding::Gzip, pieces);
            flate2::read::GzDecoder::new(gzip.as_slice())
                .read_to_end(&mut decoded)
                .unwrap();
            assert_eq!(decoded, whole);
            let frame = encoded(Coding::Zstd, pieces);
            assert_eq!(zstd::decode_all(frame.as_slice()).unwrap(), whole);
        }
    }
}
