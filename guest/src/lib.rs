//! The netwatch-server component: everything that touches what strangers send.
//!
//! A report's way through the modules: [`http`] finds its route, [`intake`]
//! applies the rules, [`decode`] undoes its coding, [`report`] validates it and
//! makes its line, [`store`] writes it into a [`journal`] and acknowledges it,
//! and later publishes it in a [`segment`]. `wasi` connects all this to a Wasm
//! host; everything else compiles natively too, and is tested so.
#![cfg_attr(not(target_family = "wasm"), forbid(unsafe_code))]
// In the component the generated bindings (wasi/bindings.rs) are unsafe.
#![cfg_attr(target_family = "wasm", deny(unsafe_code))]

pub mod clock;
pub mod config;
pub mod decode;
pub mod disk;
pub mod http;
pub mod intake;
pub mod journal;
pub mod limits;
pub mod metrics;
mod mistakes;
pub mod page;
pub mod plot;
pub mod problem;
pub mod query;
pub mod report;
pub mod segment;
#[cfg(any(test, feature = "testing"))]
pub mod simulation;
pub mod stats;
pub mod store;
mod traps;
#[cfg(target_family = "wasm")]
mod wasi;
