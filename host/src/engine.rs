// The engine's configuration. One file for two users, so that what the build
// script compiles is what the host can load: `build.rs` includes it as well.

use wasmtime::{Config, OptLevel};

/// Features of x86-64-v2 (2009 and later, and what hypervisors show their
/// guests by default). The precompiled component uses no others.
#[allow(dead_code, reason = "only the build script compiles for a baseline")]
pub(crate) const X86_64_BASELINE: [&str; 6] = [
    "has_cmpxchg16b",
    "has_sse3",
    "has_ssse3",
    "has_sse41",
    "has_sse42",
    "has_popcnt",
];

/// Everything that decides how a component is compiled, except the CPU.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .wasm_component_model_async(true)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed);
    config
}
