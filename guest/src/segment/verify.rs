//! Decides whether a finished segment may be published.
//!
//! The segment is decoded by another implementation of zstd than made it, and
//! must come out as the very lines that went in. No pure-Rust encoder is trusted
//! without that: the one in use is known to write frames that nobody can read.

use std::fmt;

use super::Encoded;
use super::digest::{Digest, Digester};
use super::read::{FrameReader, ReadError, Step};
use crate::limits::SLICE_BYTES;

/// Why a segment must not be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// It cannot be read.
    Unreadable(ReadError),
    /// It reads as something else than what went in.
    OtherContent,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VerifyError::Unreadable(error) => error.fmt(f),
            VerifyError::OtherContent => f.write_str("the segment decodes to other lines"),
        }
    }
}

impl std::error::Error for VerifyError {}

/// How far a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Call again.
    More,
    /// The segment holds what went in, whole and alone.
    Verified,
}

/// Verifies one segment, a slice at a time, or one after another as they grow.
pub struct Verifier {
    reader: FrameReader,
    read_bytes: usize,
    decoded: Digester,
    content_bytes: u64,
    digest: Digest,
}

impl Verifier {
    /// Begins with `encoded`; its bytes are shown at every step.
    pub fn new(encoded: &Encoded) -> Self {
        Self {
            reader: FrameReader::new(),
            read_bytes: 0,
            decoded: encoded.digest.digester(),
            content_bytes: encoded.content_bytes,
            digest: encoded.digest,
        }
    }

    /// Begins with a frame that is still being made, with the digest's `seed`;
    /// [`Verifier::follow`] decodes it as it grows.
    pub fn of_growing(seed: u64) -> Self {
        let mut reader = FrameReader::new();
        reader.restart_unsized();
        Self {
            reader,
            read_bytes: 0,
            decoded: Digester::new(seed),
            content_bytes: 0,
            digest: Digester::new(seed).digest(),
        }
    }

    /// Begins with the next such frame.
    pub fn restart(&mut self, seed: u64) {
        self.reader.restart_unsized();
        self.read_bytes = 0;
        self.decoded = Digester::new(seed);
    }

    /// Decodes the blocks that `frame` has by now, from its start on.
    pub fn follow(&mut self, frame: &[u8]) -> Result<(), VerifyError> {
        while self.go_on(frame, false, SLICE_BYTES)? {}
        Ok(())
    }

    /// Decodes the rest of a frame that is finished, and judges it.
    pub fn conclude(&mut self, encoded: &Encoded) -> Result<(), VerifyError> {
        self.content_bytes = encoded.content_bytes;
        self.digest = encoded.digest;
        while self.go_on(&encoded.bytes, true, SLICE_BYTES)? {}
        self.reader
            .check_size(&encoded.bytes)
            .map_err(VerifyError::Unreadable)?;
        self.compare(&encoded.bytes).map(|_| ())
    }

    /// One step; whether another would get on with what `frame` has by now.
    fn go_on(
        &mut self,
        frame: &[u8],
        ended: bool,
        slice_bytes: usize,
    ) -> Result<bool, VerifyError> {
        let rest = frame.get(self.read_bytes..).unwrap_or_default();
        let decoded = &mut self.decoded;
        let step = self
            .reader
            .step(rest, ended, slice_bytes, |content| decoded.write(content))
            .map_err(VerifyError::Unreadable)?;
        let (Step::More { consumed } | Step::Starved { consumed } | Step::Done { consumed }) = step;
        self.read_bytes += consumed;
        Ok(matches!(step, Step::More { .. }))
    }

    /// Verifies about `slice_bytes` more of content (see [`FrameReader::step`]).
    /// `bytes` is the whole segment, the same at every step.
    pub fn step(&mut self, bytes: &[u8], slice_bytes: usize) -> Result<Progress, VerifyError> {
        if self.go_on(bytes, true, slice_bytes)? {
            return Ok(Progress::More);
        }
        self.compare(bytes)
    }

    /// Judges a frame that is read to its end.
    fn compare(&self, bytes: &[u8]) -> Result<Progress, VerifyError> {
        if self.read_bytes < bytes.len() {
            return Err(VerifyError::Unreadable(ReadError::Trailing));
        }
        let same =
            self.decoded.bytes() == self.content_bytes && self.decoded.digest() == self.digest;
        if same {
            Ok(Progress::Verified)
        } else {
            Err(VerifyError::OtherContent)
        }
    }
}
