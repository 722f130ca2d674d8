//! Filling the disk.

use super::*;

/// What its directory may hold.
const MIB: u64 = 8;
const FILES: u64 = 500;

/// What publishing may take beside it, until the journals are gone.
const RESERVE_MIB: u64 = 32;

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
        "fill-published",
        "fill-far",
        "fill-sparse",
    ] {
        // Blocks are larger than what is in them.
        let room = match harm {
            "fill-published" => MIB + RESERVE_MIB + 4,
            _ => MIB + 4,
        };
        let within = |when: &str| {
            let (bytes, names) = usage(&directory);
            assert!(bytes <= room << 20, "{harm}, {when}: {bytes} bytes");
            assert!(names <= FILES, "{harm}, {when}: {names} names");
        };
        let answer = said(&stage, harm);
        assert!(answer["error"].is_string(), "{harm}: {answer}");
        within("once");
        stage.bear(harm);
        within("often");
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
