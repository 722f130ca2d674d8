//! The netwatch-server component.
#![forbid(unsafe_code)]
pub mod clock;
pub mod config;
pub mod disk;
pub mod journal;
pub mod limits;
