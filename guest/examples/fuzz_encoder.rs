//! Looks for texts that the encoder in use panics on, or makes something of that
//! cannot be read.
//!
//! ```text
//! fuzz_encoder [SECONDS] [SEED]
//! ```
//!
//! Every frame is decoded by ruzstd and, natively, by the C implementation too.
//! Ends with a non-zero status at the first fault, which its round and seed
//! reproduce.

#[path = "../src/segment/tests/inputs.rs"]
mod inputs;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use inputs::{KINDS, Random, input};
use netwatch_guest::segment::Encoded;
use netwatch_guest::segment::encoder::Encoder;
use netwatch_guest::segment::verify::{Progress, Verifier};

const SLICE_BYTES: usize = 128 << 10;

fn main() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |or: u64| match arguments.next() {
        Some(text) => text.parse().map_err(|error| format!("{text}: {error}")),
        None => Ok(or),
    };
    let (seconds, seed) = (number(60)?, number(1)?);
    let began = Instant::now();
    let mut encoder = Encoder::new(1).map_err(|error| error.to_string())?;
    let (mut round, mut content_bytes, mut frame_bytes) = (0_u64, 0_u64, 0_u64);
    while began.elapsed() < Duration::from_secs(seconds) {
        let mut random = Random(seed ^ (round << 20));
        let kind = (round % KINDS as u64) as usize;
        let scale = random.below(22);
        let content = input(kind, random_len(scale, &mut random), &mut random);
        let attempt = || {
            let encoded = encode(&mut encoder, &content, &mut random)?;
            check(&encoded, &content).map(|()| encoded.bytes.len())
        };
        // In Wasm a panic is a trap, and the trap's message has to do.
        let frame = catch_unwind(AssertUnwindSafe(attempt))
            .unwrap_or_else(|_| Err("a panic".to_owned()))
            .map_err(|fault| format!("seed {seed}, round {round}, kind {kind}: {fault}"))?;
        content_bytes += content.len() as u64;
        frame_bytes += frame as u64;
        round += 1;
    }
    println!("{round} inputs, {content_bytes} bytes into {frame_bytes}, no fault");
    Ok(())
}

fn random_len(scale: usize, random: &mut Random) -> usize {
    random.below(1 << scale) + 1
}

fn encode(encoder: &mut Encoder, content: &[u8], random: &mut Random) -> Result<Encoded, String> {
    let mut rest = content;
    while !rest.is_empty() {
        let scale = random.below(20) + 2;
        let (piece, after) = rest.split_at(random_len(scale, random).min(rest.len()));
        encoder.write(piece).map_err(|error| error.to_string())?;
        rest = after;
    }
    let next_seed = random.next();
    encoder
        .finish_frame(next_seed)
        .map_err(|error| error.to_string())
}

fn check(encoded: &Encoded, content: &[u8]) -> Result<(), String> {
    let mut verifier = Verifier::new(encoded);
    loop {
        match verifier.step(&encoded.bytes, SLICE_BYTES) {
            Ok(Progress::More) => {}
            Ok(Progress::Verified) => break,
            Err(error) => return Err(format!("ruzstd: {error}")),
        }
    }
    #[cfg(not(target_family = "wasm"))]
    match zstd::bulk::decompress(&encoded.bytes, content.len()) {
        Ok(decoded) if decoded == content => {}
        Ok(_) => return Err("C zstd: other content".to_owned()),
        Err(error) => return Err(format!("C zstd: {error}")),
    }
    #[cfg(target_family = "wasm")]
    let _ = content;
    Ok(())
}
