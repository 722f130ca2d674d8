//! A file of JSON Lines, plain or compressed, or standard input.

use super::state::Progress;
use super::zstd_frames::ZstdFrames;
use flate2::bufread::MultiGzDecoder;
use indicatif::ProgressBar;
use netwatch_guest::journal::frame::checksum;
use netwatch_guest::limits::MAX_LINE_BYTES;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

/// Bytes read from a file at once.
const READ_BYTES: usize = 256 << 10;

/// The first bytes of a gzip file (RFC 1952 §2.3.1).
const GZIP: [u8; 2] = [0x1F, 0x8B];

/// The first bytes of a zstd frame (RFC 8878 §3.1.1), and of a skippable one but
/// for the first byte's lower half (§3.1.2).
const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
const ZSTD_SKIPPABLE: [u8; 4] = [0x50, 0x2A, 0x4D, 0x18];

/// What stands for standard input.
const STANDARD: &str = "-";

/// Bytes of a file that progress can be measured by; `None` for a stream.
pub(super) fn size(path: &Path) -> Option<u64> {
    if path == Path::new(STANDARD) {
        return None;
    }
    let metadata = std::fs::metadata(path).ok()?;
    metadata.is_file().then_some(metadata.len())
}

/// Lines of a file, one after another.
pub(super) struct Input {
    content: Box<dyn BufRead>,
    /// The file itself, which is locked as long as it is open.
    file: Option<File>,
    offset: u64,
    line: u64,
}

/// A line and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Without its line feed.
    pub(super) text: Vec<u8>,
    /// How far the file is posted when this line is.
    pub(super) progress: Progress,
}

impl Input {
    /// Opens a file, whatever it is compressed with.
    ///
    /// # Errors
    /// Those of the disk, and where another process posts the file.
    pub(super) fn open(path: &Path, bar: &ProgressBar) -> io::Result<Input> {
        if path == Path::new(STANDARD) {
            return Input::of(Box::new(io::stdin()), bar);
        }
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Input::of(Box::new(file), bar);
        }
        let mut input = Input::of(Box::new(file.try_clone()?), bar)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            io::Error::other("another process is posting this file; let it end first")
        })?;
        input.file = Some(file);
        Ok(input)
    }

    fn of(mut raw: Box<dyn Read>, bar: &ProgressBar) -> io::Result<Input> {
        let mut head = Vec::new();
        (&mut raw).take(ZSTD.len() as u64).read_to_end(&mut head)?;
        let first = Cursor::new(head.clone());
        let whole = BufReader::with_capacity(READ_BYTES, bar.wrap_read(first.chain(raw)));
        let is_zstd = head == ZSTD
            || matches!(&head[..], [first, rest @ ..]
                if first & 0xF0 == ZSTD_SKIPPABLE[0] && rest == &ZSTD_SKIPPABLE[1..]);
        let content: Box<dyn BufRead> = if is_zstd {
            Box::new(BufReader::with_capacity(READ_BYTES, ZstdFrames::new(whole)))
        } else if head.starts_with(&GZIP) {
            let gzip = MultiGzDecoder::new(whole);
            Box::new(BufReader::with_capacity(READ_BYTES, gzip))
        } else {
            Box::new(whole)
        };
        Ok(Input {
            content,
            file: None,
            offset: 0,
            line: 0,
        })
    }

    /// Whether it can be gone on with later: a stream comes once.
    pub(super) fn is_resumable(&self) -> bool {
        self.file.is_some()
    }

    /// Goes on behind what is posted, if the last line posted is still there.
    ///
    /// # Errors
    /// It is not, or the disk's errors.
    pub(super) fn resume(&mut self, progress: &Progress) -> io::Result<()> {
        if progress.line == 0 {
            return Ok(());
        }
        let changed = || {
            io::Error::other(format!(
                "line {} has changed since it was posted",
                progress.line
            ))
        };
        io::copy(
            &mut (&mut self.content).take(progress.last_line_at),
            &mut io::sink(),
        )?;
        let length = progress.offset.saturating_sub(progress.last_line_at);
        let mut last = Vec::new();
        if length > MAX_LINE_BYTES as u64 {
            return Err(changed());
        }
        (&mut self.content).take(length).read_to_end(&mut last)?;
        // A last line without its line feed may have gone on since.
        let ended = last.ends_with(b"\n") || matches!(self.content.fill_buf()?, [] | [b'\n', ..]);
        if last.len() as u64 != length || checksum(&last) != progress.last_line_crc || !ended {
            return Err(changed());
        }
        self.offset = progress.offset;
        self.line = progress.line;
        Ok(())
    }

    /// The next line that is not blank; `None` at the end.
    ///
    /// # Errors
    /// Those of the disk and of the compression, and a line longer than any
    /// report.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let mut text = Vec::new();
            let most = MAX_LINE_BYTES as u64 + 1;
            (&mut self.content)
                .take(most)
                .read_until(b'\n', &mut text)?;
            if text.is_empty() {
                return Ok(None);
            }
            self.line += 1;
            if text.len() > MAX_LINE_BYTES {
                return Err(io::Error::other(format!(
                    "line {} is longer than {MAX_LINE_BYTES} bytes, more than any report",
                    self.line
                )));
            }
            let progress = Progress {
                offset: self.offset + text.len() as u64,
                line: self.line,
                last_line_at: self.offset,
                last_line_crc: checksum(&text),
            };
            self.offset = progress.offset;
            if text.last() == Some(&b'\n') {
                text.pop();
            }
            if !text.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(Line { text, progress }));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write;

    fn open(content: &[u8]) -> (tempfile::TempDir, Input) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, content).unwrap();
        let input = Input::open(&path, &ProgressBar::hidden()).unwrap();
        (directory, input)
    }

    fn lines(input: &mut Input) -> Vec<(u64, String)> {
        let next = || input.next().unwrap();
        std::iter::from_fn(next)
            .map(|line| (line.progress.line, String::from_utf8(line.text).unwrap()))
            .collect()
    }

    const TEXT: &[u8] = b"{\"a\":1}\n\n  \r\n{\"b\":2}\r\n{\"c\":3}";

    #[test]
    fn lines_are_numbered_and_blank_ones_passed_over_however_it_is_compressed() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(TEXT).unwrap();
        let mut zstd = netwatch_guest::segment::encoder::Encoder::new(1).unwrap();
        zstd.write(TEXT).unwrap();
        let zstd = zstd.finish().unwrap().bytes;
        for content in [TEXT, &gzip.finish().unwrap(), &zstd] {
            let (_directory, mut input) = open(content);
            let expected = [(1, "{\"a\":1}"), (4, "{\"b\":2}\r"), (5, "{\"c\":3}")];
            let expected = expected.map(|(line, text)| (line, text.to_owned()));
            assert_eq!(lines(&mut input), expected);
        }
    }

    #[test]
    fn resuming_goes_on_with_the_next_line_if_the_last_is_still_there() {
        let (directory, mut input) = open(TEXT);
        input.next().unwrap();
        let second = input.next().unwrap().unwrap().progress;
        drop(input);
        let path = directory.path().join("file");
        let resumed = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            let mut input = Input::open(&path, &ProgressBar::hidden()).unwrap();
            input.resume(&second).map(|()| lines(&mut input))
        };
        let grown = [TEXT, b"\n{\"d\":4}\n"].concat();
        let expected = [(5, "{\"c\":3}".to_owned()), (6, "{\"d\":4}".to_owned())];
        assert_eq!(resumed(&grown).unwrap(), expected);
        for changed in [&TEXT[..10], b"", &[b" ", TEXT].concat()] {
            let error = resumed(changed).unwrap_err().to_string();
            assert!(error.contains("line 4 has changed"), "{error}");
        }
    }

    #[test]
    fn a_last_line_that_has_gone_on_since_is_no_whole_line() {
        let (directory, mut input) = open(b"{\"a\":1}");
        let last = input.next().unwrap().unwrap().progress;
        drop(input);
        let path = directory.path().join("file");
        for (content, goes) in [
            (&b"{\"a\":1}"[..], true),
            (b"{\"a\":1}\n{}", true),
            (b"{\"a\":1}, more", false),
        ] {
            std::fs::write(&path, content).unwrap();
            let mut input = Input::open(&path, &ProgressBar::hidden()).unwrap();
            assert_eq!(input.resume(&last).is_ok(), goes);
        }
    }

    #[test]
    fn one_process_posts_a_file_at_a_time_and_streams_are_not_resumed() {
        let (directory, input) = open(TEXT);
        assert!(input.is_resumable());
        let path = directory.path().join("file");
        let error = Input::open(&path, &ProgressBar::hidden()).err().unwrap();
        assert!(error.to_string().contains("another process"), "{error}");
        let stream = Input::open(Path::new("/dev/null"), &ProgressBar::hidden());
        assert!(!stream.unwrap().is_resumable());
    }
}
