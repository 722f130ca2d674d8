//! Decompresses a zstd file of any make while it is read: several frames,
//! skippable ones among them, with or without sizes and checksums.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, Read};

/// Largest window, bytes: what the zstd command takes without being asked to take
/// more.
const MAX_WINDOW_BYTES: u64 = 128 << 20;

/// Bytes decoded before they are handed out.
const STEP_BYTES: usize = 128 << 10;

/// The content of a zstd file.
pub(super) struct ZstdFrames<R> {
    input: R,
    decoder: FrameDecoder,
    within: bool,
}

impl<R: BufRead> ZstdFrames<R> {
    pub(super) fn new(input: R) -> ZstdFrames<R> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW_BYTES);
        ZstdFrames {
            input,
            decoder,
            within: false,
        }
    }

    /// Goes into the next frame; false at the end of the file.
    fn enter(&mut self) -> io::Result<bool> {
        loop {
            if self.input.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.input) {
                Ok(()) => {
                    self.within = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let mut frame = (&mut self.input).take(u64::from(length));
                    io::copy(&mut frame, &mut io::sink())?;
                }
                Err(error) => return Err(corrupt(&error)),
            }
        }
    }

    fn leave(&mut self) -> io::Result<()> {
        self.within = false;
        match self.decoder.get_checksum_from_data() {
            Some(sum) if Some(sum) != self.decoder.get_calculated_checksum() => {
                Err(corrupt(&"the checksum does not match"))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() {
            if !self.within && !self.enter()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let step = BlockDecodingStrategy::UptoBytes(STEP_BYTES);
                let decoded = self.decoder.decode_blocks(&mut self.input, step);
                decoded.map_err(|error| corrupt(&error))?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            self.leave()?;
        }
        Ok(0)
    }
}

fn corrupt(what: &impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("zstd: {what}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use netwatch_guest::segment::encoder::Encoder;

    fn frame(content: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::new(1).unwrap();
        encoder.write(content).unwrap();
        encoder.finish().unwrap().bytes
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        ZstdFrames::new(bytes).read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn all_frames_are_read_and_skippable_ones_passed_over() {
        let large: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let skippable = [0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3];
        let file = [&skippable[..], &frame(&large), &skippable, &frame(b"end")].concat();
        assert_eq!(read(&file).unwrap(), [&large[..], b"end"].concat());
        assert_eq!(read(b"").unwrap(), b"");
    }

    #[test]
    fn what_is_cut_or_changed_is_an_error_and_not_an_end() {
        let whole = frame(&b"{\"a\":1}\n".repeat(1000));
        for length in 1..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
        let mut changed = whole.clone();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        assert!(read(&changed).unwrap_err().to_string().contains("checksum"));
    }
}
