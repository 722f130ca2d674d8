//! What the finder tells of, put together again as a decoder would.

use super::*;
use crate::segment::tests::inputs::{KINDS, Random, input};

/// What a decoder makes of what it is told.
struct Decoded {
    bytes: Vec<u8>,
    matched: usize,
}

/// Feeds `content` in pieces and commits it in blocks, as the encoder does; every
/// `skipped`th block is not searched.
fn decode(
    finder: &mut MatchFinder,
    content: &[u8],
    block_bytes: usize,
    skipped: usize,
    random: &mut Random,
) -> Decoded {
    let mut decoded = Decoded {
        bytes: Vec::new(),
        matched: 0,
    };
    let mut rest = content;
    let mut number = 0;
    while decoded.bytes.len() < content.len() {
        let waiting = finder.uncommitted_input().len();
        let (piece, after) = rest.split_at(
            rest.len()
                .min(random.below(block_bytes) + 1)
                .min(block_bytes - waiting),
        );
        finder.fill_in_place(piece.len(), &mut |history| {
            history.extend_from_slice(piece);
            (piece.len(), false)
        });
        rest = after;
        let waiting = finder.uncommitted_input().len();
        if waiting < block_bytes && !rest.is_empty() {
            continue;
        }
        // The encoder cuts a full block where it likes.
        let len = if rest.is_empty() {
            waiting
        } else {
            random.below(waiting) + 1
        };
        finder.commit_filled(len);
        let block = finder.get_last_space().to_vec();
        let from = decoded.bytes.len();
        number += 1;
        if number % skipped == 0 {
            finder.skip_matching();
            decoded.bytes.extend(&block);
        } else {
            let window = finder.window_bytes;
            finder.start_matching(|sequence| decoded.follow(sequence, &block, from, window));
        }
        assert_eq!(decoded.bytes.len(), from + block.len());
    }
    decoded
}

impl Decoded {
    fn follow(&mut self, sequence: Sequence, block: &[u8], from: usize, window: usize) {
        let literals = &block[self.bytes.len() - from..];
        match sequence {
            Sequence::Literals { len } => self.bytes.extend(&literals[..len]),
            Sequence::Triple {
                literal_len,
                offset,
                match_len,
            } => {
                self.bytes.extend(&literals[..literal_len]);
                assert!(match_len >= SHORTEST, "{sequence:?}");
                assert!(offset > 0 && offset <= window, "{sequence:?}");
                for _ in 0..match_len {
                    self.bytes.push(self.bytes[self.bytes.len() - offset]);
                }
                self.matched += match_len;
            }
        }
    }
}

#[test]
fn what_it_tells_of_is_what_it_was_given() {
    let mut random = Random(1);
    for round in 0..6 * KINDS {
        let mut finder = MatchFinder::new(10 + (round / KINDS) as u32);
        let block_bytes = 1 + random.below(finder.window_bytes);
        let content = input(round, 60_000, &mut random);
        let skipped = 2 + random.below(20);
        let decoded = decode(&mut finder, &content, block_bytes, skipped, &mut random);
        assert!(decoded.bytes == content, "round {round}");
    }
}

#[test]
fn it_keeps_no_more_than_its_windows_and_a_block() {
    let mut random = Random(2);
    let mut finder = MatchFinder::new(12);
    for kind in 0..KINDS {
        let content = input(kind, 200_000, &mut random);
        finder.reset(CompressionLevel::Default);
        let decoded = decode(&mut finder, &content, 4_000, 3, &mut random);
        assert!(decoded.bytes == content, "kind {kind}");
        assert!(finder.history.capacity() <= 4 << 12, "kind {kind}");
    }
}

#[test]
fn frames_of_more_than_four_gigabytes_are_told_of_rightly() {
    let mut random = Random(3);
    for ahead in [3_000, 50_000] {
        for kind in 0..KINDS {
            let mut finder = MatchFinder::new(10);
            let content = input(kind, 120_000, &mut random);
            finder.base = u32::MAX - ahead;
            let decoded = decode(&mut finder, &content, 1_000, 9, &mut random);
            assert!(decoded.bytes == content, "kind {kind}");
        }
    }
}

/// `len` bytes that do not repeat themselves.
fn noise(len: usize, random: &mut Random) -> Vec<u8> {
    (0..len).map(|_| random.next() as u8).collect()
}

#[test]
fn a_match_may_lie_one_window_back_and_no_further() {
    let mut random = Random(4);
    // So much before it that the window moves, here and there.
    for before in (3_000..5_000).step_by(110) {
        for (back, is_found) in [(1_024, true), (1_025, false)] {
            let [before, word, between] =
                [before, 40, back - 40].map(|len| noise(len, &mut random));
            let content = [&before[..], &word, &between, &word].concat();
            let mut finder = MatchFinder::new(10);
            let decoded = decode(&mut finder, &content, 500, usize::MAX, &mut random);
            assert_eq!(decoded.matched >= 30, is_found, "{back} bytes back");
        }
    }
}

#[test]
fn what_was_stored_as_it_is_is_found_when_it_comes_again() {
    let mut random = Random(5);
    let noise = noise(20_000, &mut random);
    let mut finder = MatchFinder::new(16);
    let again = &noise[7_001..];
    finder.fill_in_place(noise.len() + again.len(), &mut |history| {
        history.extend_from_slice(&noise);
        history.extend_from_slice(again);
        (noise.len() + again.len(), true)
    });
    finder.commit_filled(noise.len());
    finder.skip_matching();
    finder.commit_filled(again.len());
    let mut matched = 0;
    finder.start_matching(|sequence| {
        if let Sequence::Triple { match_len, .. } = sequence {
            matched += match_len;
        }
    });
    assert!(matched > again.len() - 20, "{matched} bytes");
}

#[test]
fn a_longer_match_that_begins_a_little_later_is_taken() {
    let mut random = Random(6);
    for later in LATER {
        let [short, more, between] = [10, 50, 100].map(|len| noise(len, &mut random));
        let long = [&short[later..], &more].concat();
        let again = [&short[..later], &long].concat();
        let content = [&short[..], &between[..50], &long, &between[50..], &again].concat();
        let mut finder = MatchFinder::new(16);
        finder.fill_in_place(content.len(), &mut |history| {
            history.extend_from_slice(&content);
            (content.len(), true)
        });
        finder.commit_filled(content.len());
        let mut longest = 0;
        finder.start_matching(|sequence| {
            if let Sequence::Triple { match_len, .. } = sequence {
                longest = longest.max(match_len);
            }
        });
        assert_eq!(longest, long.len(), "{later} bytes later");
    }
}
