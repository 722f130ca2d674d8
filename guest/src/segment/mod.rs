//! Segments: the published files, one zstd frame each. Knows no disk and no HTTP.
//!
//! ```text
//! magic 4 │ descriptor 1 │ window 1 │ content size 8 │ blocks … │ checksum 4
//! ```
//!
//! Exactly one data frame (RFC 8878), with the content size in its header and
//! the content checksum behind it, and nothing before or after: the one layout
//! that every reader tried reads whole. The encoder is streaming and so does not
//! know the size; it is put into the finished header ([`encoder`]).
//!
//! Whatever encodes, another implementation decodes before a journal is removed
//! ([`verify`]); if that fails, the blocks stay raw ([`raw`]).

pub mod encoder;
pub mod name;
pub mod raw;
pub mod verify;
