//! `make soak`, for as long as tests may take.

use netwatch_tests::server::binaries;
use std::process::Command;

/// Twenty seconds at 2,000 requests a second, and the minute until the default
/// interval has passed.
fn soak(more: &[&str]) {
    let output = Command::new(binaries().join("soak"))
        .args(["20", "2000"])
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:#?}");
}

#[test]
fn a_steady_load_with_default_flags_is_taken_without_refusals_and_into_few_files() {
    soak(&[]);
}

#[test]
fn a_steady_load_survives_kills_with_default_flags() {
    soak(&["--kill"]);
}
