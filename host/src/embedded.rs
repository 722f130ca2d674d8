//! The component inside this executable, twice: as Wasm and compiled ahead.

#![allow(
    unsafe_code,
    reason = "loading machine code is unsafe; this code was made by our own build script and is \
              part of the executable, so it is exactly as trusted as the code that loads it"
)]

use wasmtime::component::Component;
use wasmtime::{Engine, Result};

/// The component as Wasm.
pub(crate) const WASM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/component.wasm"));

/// The same, compiled for the baseline CPU; empty where that was not possible.
const COMPILED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/component.cwasm"));

/// Loads the compiled component, without compiling.
///
/// # Errors
///
/// Where this machine or this engine cannot run the compiled code: an older CPU
/// than the baseline, for example.
pub(crate) fn load(engine: &Engine) -> Result<Component> {
    // SAFETY: `COMPILED` is what `Engine::precompile_component` returned in the
    // build script, unchanged; Wasmtime checks its version, settings and CPU
    // features before it uses it.
    unsafe { Component::deserialize(engine, COMPILED) }
}

#[cfg(test)]
mod tests {
    use super::WASM;

    #[test]
    fn the_component_is_below_two_megabytes() {
        assert!(WASM.len() < 2_000_000, "{} bytes", WASM.len());
    }
}
