//! Filling the disk.

use super::*;

/// What its directory may hold.
const MIB: u64 = 8;
const FILES: u64 = 500;

fn limits() -> String {
    format!("disk_bytes = \"{MIB}MiB\"\ndisk_files = {FILES}\ncpu_per_call = \"5s\"\n")
}

/// Bytes and names that a directory really takes.
fn usage(directory: &Path) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    let mut sum = (0, 0);
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let metadata = std::fs::symlink_metadata(entry.path()).unwrap();
        sum.1 += 1;
        if metadata.is_dir() {
            let below = usage(&entry.path());
            sum = (sum.0 + below.0, sum.1 + below.1);
        } else {
            sum.0 += metadata.blocks() * 512;
        }
    }
    sum
}

fn said(stage: &Stage, harm: &str) -> serde_json::Value {
    let reply = stage.bad(harm).expect("an answer");
    assert_eq!(reply.status, 200, "{harm}: {}", reply.text());
    reply.json()
}

#[test]
fn filling_the_disk_in_any_way_stops_at_the_quota_and_costs_only_who_does_it() {
    let mut stage = Stage::start(&limits());
    let directory = stage.data_dir("bad");
    for harm in [
        "files",
        "directories",
        "links",
        "symlinks",
        "fill",
        "fill-unlinked",
        "fill-far",
        "fill-sparse",
    ] {
        let answer = said(&stage, harm);
        let stopped = answer["error"].as_str();
        assert!(stopped.is_some(), "{harm}: {answer}");
        let (bytes, names) = usage(&directory);
        // Blocks are larger than what is in them.
        assert!(bytes <= (MIB + 4) << 20, "{harm}: {bytes} bytes");
        assert!(names <= FILES, "{harm}: {names} names");
        stage.bear(harm);
        let (bytes, names) = usage(&directory);
        assert!(bytes <= (MIB + 4) << 20, "{harm}, often: {bytes} bytes");
        assert!(names <= FILES, "{harm}, often: {names} names");
        said(&stage, "clean");
    }
    // What was removed can be used again, and what takes no room is not counted.
    until("there is room again", Duration::from_secs(20), || {
        said(&stage, "clean");
        let answer = said(&stage, "overwrite");
        answer["done"] == 1000 && answer["error"].is_null()
    });
    stage.end();
}
