//! Segments as a whole: round trips, the crafted report, damaged frames, and the
//! C implementation of zstd as referee.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(super) mod inputs;
mod referee;

use inputs::{KINDS, Random, alternating_words, input, reports};

use super::Encoded;
use super::checked::{CheckError, CheckedEncoder};
use super::encoder::{BLOCK_BYTES, Encoder};
use super::raw::RawEncoder;
use super::read::{FrameReader, ReadError, Step};
use super::verify::{Progress, Verifier, VerifyError};

const SLICE_BYTES: usize = 128 << 10;

/// Encodes `content`, written in pieces as a journal would be.
fn encode(content: &[u8], random: &mut Random) -> Encoded {
    let mut encoder = Encoder::new(random.next()).unwrap();
    write_in_pieces(content, random, |piece| encoder.write(piece).unwrap());
    encoder.finish().unwrap()
}

fn encode_raw(content: &[u8], random: &mut Random) -> Encoded {
    let mut encoder = RawEncoder::new(random.next());
    write_in_pieces(content, random, |piece| encoder.write(piece));
    encoder.finish()
}

fn write_in_pieces(content: &[u8], random: &mut Random, mut write: impl FnMut(&[u8])) {
    let mut rest = content;
    while !rest.is_empty() {
        let scale = random.below(20);
        let (piece, after) = rest.split_at((random.below(1 << scale) + 1).min(rest.len()));
        write(piece);
        rest = after;
    }
}

/// Verifies to the end, and that the end comes in as many steps as it should.
fn verify(encoded: &Encoded) -> Result<(), VerifyError> {
    let mut verifier = Verifier::new(encoded);
    let pieces = encoded.bytes.len().max(encoded.content_bytes as usize) / 1_024;
    for _ in 0..2 * pieces + 8 {
        if verifier.step(&encoded.bytes, SLICE_BYTES)? == Progress::Verified {
            return Ok(());
        }
    }
    panic!("the verification does not end");
}

/// Reads a frame that arrives in pieces, to its end.
fn read(bytes: &[u8], piece_bytes: usize) -> Result<Vec<u8>, ReadError> {
    let (mut reader, mut content) = (FrameReader::new(), Vec::new());
    let (mut from, mut shown) = (0, 0);
    loop {
        let (input, ended) = (&bytes[from..shown], shown == bytes.len());
        let sink = |slice: &[u8]| {
            assert!(slice.len() <= SLICE_BYTES);
            content.extend_from_slice(slice);
        };
        match reader.step(input, ended, SLICE_BYTES, sink)? {
            Step::More { consumed } => from += consumed,
            Step::Starved { consumed } => {
                from += consumed;
                assert!(shown - from < FrameReader::INPUT_BYTES);
                shown = bytes.len().min(shown + piece_bytes);
            }
            Step::Done { consumed } if from + consumed < bytes.len() => {
                return Err(ReadError::Trailing);
            }
            Step::Done { .. } => return Ok(content),
        }
    }
}

#[test]
fn segments_of_every_kind_of_content_verify_and_read_back() {
    let mut random = Random(1);
    for kind in 0..KINDS {
        for len in [1, 17, 1_000, 65_535, 65_536, 65_537, 131_072, 400_000] {
            let content = input(kind, len, &mut random);
            for encoded in [
                encode(&content, &mut random),
                encode_raw(&content, &mut random),
            ] {
                assert_eq!(encoded.content_bytes, content.len() as u64);
                assert_eq!(verify(&encoded), Ok(()), "kind {kind}, {len} bytes");
                assert!(read(&encoded.bytes, 50_000).unwrap() == content);
            }
        }
    }
}

#[test]
fn segment_of_ten_megabytes_reads_back_and_is_small() {
    let mut random = Random(2);
    let content = reports(10 << 20, &mut random);
    let encoded = encode(&content, &mut random);
    assert_eq!(verify(&encoded), Ok(()));
    assert!(encoded.bytes.len() < content.len() / 4);
    assert!(encoded.bytes.capacity() <= 4 << 20);
}

#[test]
fn frame_without_content_is_a_frame() {
    for encoded in [
        Encoder::new(1).unwrap().finish().unwrap(),
        RawEncoder::new(1).finish(),
    ] {
        assert_eq!(encoded.content_bytes, 0);
        assert_eq!(verify(&encoded), Ok(()));
    }
}

#[test]
fn header_declares_size_checksum_and_a_window_that_every_reader_accepts() {
    let mut random = Random(3);
    let content = reports(3 << 20, &mut random);
    let encoded = encode(&content, &mut random);
    assert_eq!(encoded.bytes[..5], [0x28, 0xB5, 0x2F, 0xFD, 0xC4]);
    assert_eq!(encoded.bytes[5], WINDOW_DESCRIPTOR);
    assert_eq!(encoded.bytes[6..14], encoded.content_bytes.to_le_bytes());
}

/// 2^18 bytes: `(18 - 10) << 3`.
const WINDOW_DESCRIPTOR: u8 = 0x40;

#[test]
fn segments_checked_on_the_way_are_the_same_one_after_another() {
    let mut random = Random(6);
    let mut checked = CheckedEncoder::new(9).unwrap();
    for kind in 0..3 * KINDS {
        let content = input(kind, 1 << (10 + kind % 12), &mut random);
        write_in_pieces(&content, &mut random, |piece| checked.write(piece).unwrap());
        let mut plain = Encoder::new(9).unwrap();
        plain.write(&content).unwrap();
        let segment = checked.finish(random.next()).unwrap();
        assert!(segment == plain.finish().unwrap().bytes, "kind {kind}");
    }
}

#[test]
fn a_wrong_frame_is_found_while_it_grows() {
    let mut checked = CheckedEncoder::with_block_bytes(9, 128 << 10).unwrap();
    let crafted = crafted_report();
    let found = checked
        .write(&crafted)
        .and_then(|()| checked.finish(1).map(|_| ()));
    assert!(matches!(found, Err(CheckError::Verify(_))), "{found:?}");
}

#[test]
fn a_size_or_a_digest_that_is_not_the_contents_is_found_in_the_end() {
    let content = reports(100_000, &mut Random(7));
    let encoded = encode(&content, &mut Random(8));
    let judged = |encoded: &Encoded| {
        let mut verifier = Verifier::of_growing(encoded.digest.seed());
        verifier.follow(&encoded.bytes[..encoded.bytes.len() / 2])?;
        verifier.conclude(encoded)
    };
    assert_eq!(judged(&encoded), Ok(()));
    let mut wrong = encoded.clone();
    wrong.bytes[6] ^= 1;
    assert!(matches!(
        judged(&wrong),
        Err(VerifyError::Unreadable(ReadError::ContentSize { .. }))
    ));
    let mut wrong = encoded.clone();
    wrong.content_bytes += 1;
    assert_eq!(judged(&wrong), Err(VerifyError::OtherContent));
    let mut wrong = encoded.clone();
    let mut other = content.clone();
    other[7] ^= 1;
    wrong.digest = encode(&other, &mut Random(8)).digest;
    assert_eq!(judged(&wrong), Err(VerifyError::OtherContent));
    let mut wrong = encoded;
    wrong.bytes.push(0);
    assert_eq!(
        judged(&wrong),
        Err(VerifyError::Unreadable(ReadError::Trailing))
    );
}

#[test]
fn encoder_used_again_makes_the_same_frames_as_a_new_one() {
    let mut random = Random(4);
    let mut used = Encoder::new(9).unwrap();
    for kind in 0..3 * KINDS {
        let content = input(kind, 1 << (10 + kind % 10), &mut random);
        used.write(&content).unwrap();
        let mut new = Encoder::new(9).unwrap();
        new.write(&content).unwrap();
        assert!(
            used.finish_frame(9).unwrap() == new.finish().unwrap(),
            "kind {kind}"
        );
    }
}

/// The report that makes structured-zstd write a sequence count nobody can read.
fn crafted_report() -> Vec<u8> {
    alternating_words(2 * (128 << 10), &mut Random(5))
}

#[test]
fn crafted_report_round_trips_with_the_blocks_in_use() {
    let content = crafted_report();
    let encoded = encode(&content, &mut Random(6));
    assert_eq!(verify(&encoded), Ok(()));
    assert!(referee::decode(&encoded.bytes).unwrap() == content);
}

#[test]
fn crafted_report_stays_below_the_fault_in_blocks_of_the_size_in_use() {
    let content = crafted_report();
    let mut encoder = Encoder::with_block_bytes(7, BLOCK_BYTES).unwrap();
    encoder.write(&content).unwrap();
    let encoded = encoder.finish().unwrap();
    assert_eq!(verify(&encoded), Ok(()));
    assert!(referee::decode(&encoded.bytes).unwrap() == content);
}

#[test]
fn verifier_catches_the_crafted_report_in_blocks_of_128_kib() {
    let content = crafted_report();
    let mut encoder = Encoder::with_block_bytes(7, 128 << 10).unwrap();
    encoder.write(&content).unwrap();
    let encoded = encoder.finish().unwrap();
    assert!(
        referee::decode(&encoded.bytes).is_err(),
        "the bug is gone: rejoice"
    );
    assert!(matches!(verify(&encoded), Err(VerifyError::Unreadable(_))));
    assert_eq!(verify(&encode_raw(&content, &mut Random(7))), Ok(()));
}

#[test]
fn what_is_not_the_frame_that_was_made_is_refused() {
    let mut random = Random(8);
    let content = reports(300_000, &mut random);
    let good = encode(&content, &mut random);
    let refused = |change: &dyn Fn(&mut Encoded)| {
        let mut changed = good.clone();
        change(&mut changed);
        verify(&changed).unwrap_err()
    };
    let unreadable = VerifyError::Unreadable;

    let end = good.bytes.len();
    let skippable = [0x50, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, 7];
    let second = encode(b"{}\n", &mut random).bytes;
    assert_eq!(
        refused(&|frame| frame.bytes.extend(&second)),
        unreadable(ReadError::Trailing)
    );
    assert_eq!(
        refused(&|frame| frame.bytes.extend(skippable)),
        unreadable(ReadError::Trailing)
    );
    assert!(matches!(
        refused(&|frame| drop(frame.bytes.splice(0..0, skippable))),
        VerifyError::Unreadable(ReadError::Header(_))
    ));
    assert_eq!(
        refused(&|frame| frame.bytes.truncate(end - 1)),
        unreadable(ReadError::Truncated)
    );
    assert_eq!(
        refused(&|frame| frame.bytes[end - 1] ^= 1),
        unreadable(ReadError::Checksum)
    );
    assert!(matches!(
        refused(&|frame| frame.bytes[6] ^= 1),
        VerifyError::Unreadable(ReadError::ContentSize { .. })
    ));
    assert!(matches!(
        refused(&|frame| frame.bytes[5] = 0xA0),
        VerifyError::Unreadable(ReadError::Header(_))
    ));
    let other = encode(&reports(300_000, &mut random), &mut random);
    assert_eq!(
        refused(&|frame| frame.bytes = other.bytes.clone()),
        VerifyError::OtherContent
    );
    assert_eq!(
        refused(&|frame| frame.content_bytes += 1),
        VerifyError::OtherContent
    );
}

#[test]
fn every_truncated_frame_is_refused() {
    let mut random = Random(9);
    let whole = encode(&input(10, 3_000, &mut random), &mut random);
    for len in 0..whole.bytes.len() {
        let mut cut = whole.clone();
        cut.bytes.truncate(len);
        assert!(
            matches!(verify(&cut), Err(VerifyError::Unreadable(_))),
            "{len} bytes"
        );
    }
}

#[test]
fn damaged_frames_are_refused_without_a_panic() {
    let (mut random, mut refused) = (Random(10), 0);
    for round in 0..6_000 {
        let len = 1 << random.below(15);
        let content = input(round, len, &mut random);
        let mut encoded = encode(&content, &mut random);
        for _ in 0..random.below(4) + 1 {
            let at = random.below(encoded.bytes.len());
            encoded.bytes[at] = random.next() as u8;
        }
        // Some bits may change without consequence: a larger window, say.
        if verify(&encoded).is_ok() {
            assert!(read(&encoded.bytes, 50_000).unwrap() == content);
        } else {
            refused += 1;
        }
    }
    assert!(refused > 5_500, "only {refused} were refused");
}

#[test]
fn fuzz_of_the_settings_in_use_finds_no_fault() {
    let mut random = Random(11);
    let mut encoder = Encoder::new(1).unwrap();
    for round in 0..250 {
        let scale = random.below(19);
        let content = input(round, random_len(scale, &mut random), &mut random);
        write_in_pieces(&content, &mut random, |piece| encoder.write(piece).unwrap());
        let encoded = encoder.finish_frame(random.next()).unwrap();
        assert_eq!(verify(&encoded), Ok(()), "round {round}");
    }
}

fn random_len(scale: usize, random: &mut Random) -> usize {
    random.below(1 << scale) + 1
}
