//! The netwatch-server component.
//!
//! Everything but `wasi` compiles natively too, and is tested so.
#![forbid(unsafe_code)]

pub mod clock;
pub mod config;
pub mod disk;
pub mod journal;
pub mod limits;
pub mod report;
pub mod segment;
pub mod store;
