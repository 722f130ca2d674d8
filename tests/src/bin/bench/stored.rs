//! What a server left on disk, beside what the C `zstd` makes of the same lines.

use crate::results::Stored;
use netwatch_tests::files::segments;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Looks at the files of a server that has stopped. `None` without a `zstd`.
pub(crate) fn look(dir: &Path, accepted: u64) -> Option<Stored> {
    let mut stored = Stored {
        accepted,
        lines: 0,
        lines_bytes: 0,
        file_bytes: 0,
        zstd3_bytes: 0,
    };
    for path in segments(dir) {
        stored.file_bytes += path.metadata().ok()?.len();
        let plain = netwatch_tests::files::zstd(&["-dcq"], &path);
        stored.lines += plain.iter().filter(|byte| **byte == b'\n').count() as u64;
        stored.lines_bytes += plain.len() as u64;
        stored.zstd3_bytes += compressed_bytes(plain)?;
    }
    if stored.lines != accepted {
        eprintln!("{} lines of {accepted} reports", stored.lines);
    }
    Some(stored)
}

/// How long `zstd -3` makes some content, with size and checksum as in segments.
fn compressed_bytes(content: Vec<u8>) -> Option<u64> {
    let size = format!("--stream-size={}", content.len());
    let mut zstd: Child = Command::new("zstd")
        .args(["-3", "-cq", "--check", &size])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = zstd.stdin.take()?;
    let writer = std::thread::spawn(move || input.write_all(&content));
    let mut compressed = Vec::new();
    zstd.stdout.take()?.read_to_end(&mut compressed).ok()?;
    writer.join().ok()?.ok()?;
    zstd.wait()
        .ok()?
        .success()
        .then_some(compressed.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_counted_and_compressed_again() {
        let dir = tempfile::tempdir().unwrap();
        let line = "{\"_received\":{},\"a\":1}\n";
        let plain = line.repeat(1000);
        let mut encoder = netwatch_guest::segment::encoder::Encoder::new(1).unwrap();
        encoder.write(plain.as_bytes()).unwrap();
        let path = dir.path().join("reports-1.jsonl.zst");
        std::fs::write(&path, encoder.finish().unwrap().bytes).unwrap();
        let stored = look(dir.path(), 1000).unwrap();
        assert_eq!(stored.lines, 1000);
        assert_eq!(stored.lines_bytes, plain.len() as u64);
        assert_eq!(stored.file_bytes, path.metadata().unwrap().len());
        assert!((20..200).contains(&stored.zstd3_bytes), "{stored:?}");
    }
}
