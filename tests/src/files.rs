//! Published files, read by the C `zstd`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The published files of a directory, by name.
pub fn segments(data_dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(data_dir) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "zst"))
        .collect();
    paths.sort();
    paths
}

/// All stored lines. Every file must be one whole frame with size and checksum,
/// and every line an object that begins with `_received`.
pub fn lines(data_dir: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for path in segments(data_dir) {
        let listed = zstd(&["-lv"], &path);
        let listed = String::from_utf8_lossy(&listed).into_owned();
        assert!(listed.contains("Zstandard Frames: 1\n"), "{listed}");
        assert!(listed.contains("Decompressed Size:"), "{listed}");
        assert!(listed.contains("Check: XXH64"), "{listed}");
        let plain = String::from_utf8(zstd(&["-dcq"], &path)).expect("UTF-8");
        assert!(
            plain.ends_with('\n'),
            "{} does not end in a line",
            path.display()
        );
        for line in plain.split_terminator('\n') {
            assert!(line.starts_with("{\"_received\":{\"at\":\""), "{line}");
            lines.push(line.to_owned());
        }
    }
    lines
}

/// The `n` members of all lines that have one, sorted.
pub fn numbers(data_dir: &Path) -> Vec<u64> {
    let mut numbers: Vec<_> = lines(data_dir)
        .iter()
        .filter_map(|line| {
            let report: serde_json::Value = serde_json::from_str(line).expect("JSON");
            report["n"].as_u64()
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

/// Files left below `journal/`, without plans that are carried out.
pub fn journal(data_dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(data_dir.join("journal")) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with("plan-"))
        .collect()
}

/// What the C `zstd` makes of a file.
pub fn zstd(options: &[&str], path: &Path) -> Vec<u8> {
    let output = Command::new("zstd").args(options).arg(path).output();
    let output = output.expect("the zstd command; run scripts/install-test-tools");
    assert!(
        output.status.success(),
        "zstd {options:?} {}: {output:?}",
        path.display()
    );
    output.stdout
}
