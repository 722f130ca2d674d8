//! Compresses lines and verifies the result on the way, block by block, so that a
//! segment is ready to be published as soon as its last line is in it.

use std::fmt;

use super::encoder::{EncodeError, Encoder};
use super::verify::{Verifier, VerifyError};

/// Why a segment must be made in another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckError {
    /// The encoder gave up.
    Encode(EncodeError),
    /// What it made does not decode to what went in.
    Verify(VerifyError),
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckError::Encode(error) => error.fmt(f),
            CheckError::Verify(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CheckError {}

impl From<EncodeError> for CheckError {
    fn from(error: EncodeError) -> Self {
        CheckError::Encode(error)
    }
}

impl From<VerifyError> for CheckError {
    fn from(error: VerifyError) -> Self {
        CheckError::Verify(error)
    }
}

/// Makes one verified frame after another, in the memory of the first.
pub struct CheckedEncoder {
    encoder: Encoder,
    verifier: Verifier,
}

impl CheckedEncoder {
    /// An encoder with nothing in it; `seed` is the digest's and should be random.
    ///
    /// # Errors
    /// Where the encoder refuses its settings.
    pub fn new(seed: u64) -> Result<Self, EncodeError> {
        Ok(Self {
            encoder: Encoder::new(seed)?,
            verifier: Verifier::of_growing(seed),
        })
    }

    /// Like [`CheckedEncoder::new`], with blocks of another size. Only for showing
    /// what larger blocks do.
    #[cfg(test)]
    pub(super) fn with_block_bytes(seed: u64, block_bytes: usize) -> Result<Self, EncodeError> {
        Ok(Self {
            encoder: Encoder::with_block_bytes(seed, block_bytes)?,
            verifier: Verifier::of_growing(seed),
        })
    }

    /// Bytes of the frame by now.
    pub fn bytes(&self) -> usize {
        self.encoder.frame().len()
    }

    /// Adds lines, wherever they are cut. After an error the encoder is of no
    /// further use.
    ///
    /// # Errors
    /// See [`CheckError`].
    pub fn write(&mut self, lines: &[u8]) -> Result<(), CheckError> {
        self.encoder.write(lines)?;
        Ok(self.verifier.follow(self.encoder.frame())?)
    }

    /// Ends the frame and returns the whole file; the next one's digest has
    /// `next_seed`.
    ///
    /// # Errors
    /// See [`CheckError`].
    pub fn finish(&mut self, next_seed: u64) -> Result<Vec<u8>, CheckError> {
        let encoded = self.encoder.finish_frame(next_seed)?;
        self.verifier.conclude(&encoded)?;
        self.verifier.restart(next_seed);
        Ok(encoded.bytes)
    }
}
