//! Undoes the content coding of a request's body (RFC 9110 §8.4), within a limit
//! that holds while decompressing: what a bomb would become is never allocated.

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::ReadFrameHeaderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder, errors::FrameDecoderError};
use std::borrow::Cow;
use std::io::Read;

/// Why a body cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// A coding other than gzip and zstd, or several.
    UnknownCoding(String),
    /// More bytes than a request may have.
    TooLarge,
    /// Not what the coding says it is.
    Corrupt(String),
}

/// Largest window a zstd body may ask for, bytes: memory before the first byte
/// is out. Covers every level up to 19 for bodies below `MAX_BODY_BYTES_CEILING`.
const MAX_WINDOW_BYTES: u64 = 8 << 20;

/// Bytes decoded before the limit is looked at again.
const STEP_BYTES: usize = 64 << 10;

/// The body without its coding.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode_body<'a>(
    body: &'a [u8],
    coding: Option<&str>,
    max_bytes: u64,
) -> Result<Cow<'a, [u8]>, DecodeError> {
    let limit = usize::try_from(max_bytes).unwrap_or(usize::MAX);
    let coding = coding.unwrap_or("identity").trim().to_ascii_lowercase();
    match coding.as_str() {
        "" | "identity" if body.len() > limit => Err(DecodeError::TooLarge),
        "" | "identity" => Ok(Cow::Borrowed(body)),
        "gzip" | "x-gzip" => gzip(body, limit).map(Cow::Owned),
        "zstd" => zstd(body, limit).map(Cow::Owned),
        _ => Err(DecodeError::UnknownCoding(coding)),
    }
}

fn gzip(body: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
    let mut plain = Vec::new();
    let mut decoder = MultiGzDecoder::new(body).take(limit as u64 + 1);
    decoder
        .read_to_end(&mut plain)
        .map_err(|error| DecodeError::Corrupt(format!("gzip: {error}")))?;
    within(plain, limit)
}

fn within(plain: Vec<u8>, limit: usize) -> Result<Vec<u8>, DecodeError> {
    if plain.len() > limit {
        return Err(DecodeError::TooLarge);
    }
    Ok(plain)
}

/// All frames of a body, one after the other; skippable ones count for nothing.
fn zstd(mut body: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
    let mut plain = Vec::new();
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(MAX_WINDOW_BYTES);
    if body.is_empty() {
        return Err(DecodeError::Corrupt("zstd: no frame".to_owned()));
    }
    while !body.is_empty() {
        match decoder.init(&mut body) {
            Ok(()) => frame(&mut decoder, &mut body, &mut plain, limit)?,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                body = body.get(length..).ok_or_else(|| {
                    DecodeError::Corrupt("zstd: a skippable frame is cut off".to_owned())
                })?;
            }
            Err(error) => return Err(corrupt(&error)),
        }
    }
    Ok(plain)
}

fn frame(
    decoder: &mut FrameDecoder,
    body: &mut &[u8],
    plain: &mut Vec<u8>,
    limit: usize,
) -> Result<(), DecodeError> {
    loop {
        let strategy = BlockDecodingStrategy::UptoBytes(STEP_BYTES);
        let finished = decoder
            .decode_blocks(&mut *body, strategy)
            .map_err(|e| corrupt(&e))?;
        if plain.len() + decoder.can_collect() > limit {
            return Err(DecodeError::TooLarge);
        }
        decoder
            .collect_to_writer(&mut *plain)
            .map_err(|error| DecodeError::Corrupt(format!("zstd: {error}")))?;
        if finished && decoder.can_collect() == 0 {
            break;
        }
    }
    match decoder.get_checksum_from_data() {
        Some(sent) if Some(sent) != decoder.get_calculated_checksum() => Err(DecodeError::Corrupt(
            "zstd: the content checksum does not match".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn corrupt(error: &FrameDecoderError) -> DecodeError {
    DecodeError::Corrupt(format!("zstd: {error}"))
}
