//! The harness: real servers on real directories, and a small HTTP client.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

pub mod client;
pub mod files;
pub mod reports;
pub mod server;
