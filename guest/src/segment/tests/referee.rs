//! The C implementation of zstd, from its command line tool.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use super::inputs::{Random, input, reports};
use super::{encode, encode_raw};

/// Runs `zstd` with `bytes` as its standard input.
fn zstd(arguments: &[&str], bytes: &[u8]) -> Output {
    let mut child = Command::new("zstd")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("these tests need the zstd command: install Debian's package `zstd`");
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // A broken pipe is zstd refusing its input, which its status tells.
        scope.spawn(move || stdin.write_all(bytes).ok());
        child.wait_with_output().unwrap()
    })
}

/// What the C implementation makes of a frame.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let output = zstd(&["-d", "-c", "-q"], bytes);
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn c_zstd_decodes_both_kinds_of_segment() {
    let mut random = Random(20);
    for (kind, len) in [
        (0, 1),
        (0, 2_000_000),
        (1, 300_000),
        (4, 500_000),
        (8, 800_000),
    ] {
        let content = input(kind, len, &mut random);
        for encoded in [
            encode(&content, &mut random),
            encode_raw(&content, &mut random),
        ] {
            assert!(decode(&encoded.bytes).unwrap() == content, "kind {kind}");
        }
    }
}

#[test]
fn segments_of_reports_are_no_larger_than_what_c_zstd_makes_at_level_3() {
    let content = reports(10 << 20, &mut Random(22));
    let ours = encode(&content, &mut Random(23)).bytes.len();
    let theirs = zstd(&["-3", "-c", "-q"], &content).stdout.len();
    assert!(ours <= theirs, "{ours} bytes against {theirs}");
}

#[test]
fn c_zstd_lists_one_frame_with_size_and_checksum() {
    let mut random = Random(21);
    let content = reports(1_000_000, &mut random);
    let folder = std::env::temp_dir();
    for (what, encoded) in [
        ("encoded", encode(&content, &mut random)),
        ("raw", encode_raw(&content, &mut random)),
    ] {
        let path = folder.join(format!("netwatch-{}-{what}.zst", std::process::id()));
        std::fs::write(&path, &encoded.bytes).unwrap();
        let output = zstd(&["-lv", path.to_str().unwrap()], b"");
        std::fs::remove_file(&path).unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        let shows = |line: &str| {
            let words: Vec<&str> = text.split_whitespace().collect();
            assert!(words.join(" ").contains(line), "{line} is not in {text}");
        };
        shows("Zstandard Frames: 1");
        shows(&format!("({} B)", content.len()));
        shows("Check: XXH64");
    }
}
