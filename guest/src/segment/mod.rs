//! Segments: the published files, as names and as bytes.
//!
//! A segment holds JSON Lines in **one zstd data frame** (RFC 8878) and nothing
//! else, since that is the only layout which every reader reads whole:
//!
//! ```text
//! offset  bytes  what
//!      0      4  magic number, 28 B5 2F FD
//!      4      1  frame header descriptor, C4: 8-byte content size, checksum
//!      5      1  window descriptor
//!      6      8  content size, little endian; put in when the frame ends
//!     14      …  blocks, each with a 3-byte header; the last one is marked
//!      …      4  content checksum: low half of the content's XXH64
//! ```
//!
//! An [`encoder::Encoder`] makes the frame while lines arrive. What it made is
//! only trusted after a [`verify::Verifier`], built on another zstd
//! implementation, has decoded it to the same lines; a [`checked::CheckedEncoder`]
//! does that block by block as the frame grows. A [`raw::RawEncoder`] makes
//! the same frame without compressing, for when that fails.
//!
//! This module knows neither disk nor HTTP, and not what a report is: a crash
//! cannot tear anything here, because a frame is in memory until it is whole.

pub mod checked;
pub mod digest;
pub mod encoder;
pub(crate) mod match_finder;
pub mod name;
pub mod raw;
pub mod read;
pub mod verify;
mod zstd_frame;

#[cfg(test)]
mod tests;

use digest::Digest;

/// A finished zstd frame and what it must decode to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The whole file: one zstd data frame with content size and checksum.
    pub bytes: Vec<u8>,
    /// Length of the lines that went in, bytes.
    pub content_bytes: u64,
    /// Of the lines that went in, taken before the encoder saw them.
    pub digest: Digest,
}
