//! Finds what repeats, for the encoder: the double-hash strategy of zstd's level 3
//! (Yann Collet, `ZSTD_dfast`) with two tables of positions, and some of the lazy
//! evaluation of its higher ones. It takes the place of structured-zstd's own finder,
//! with which the whole of an encoder's work takes up to 1.6 times as long in Wasm
//! (`PERFORMANCE.md`).
//!
//! At every position it looks, in this order, for a match at the newest offset one
//! byte on, for one at the offset before that, for a long one (eight bytes hashed), and
//! for a short one (six hashed, four compared). One of the last two gives way to a
//! longer one that begins a little later. Where nothing is found for long, it takes
//! larger steps.
//!
//! A wrong answer of a table is harmless: bytes are compared before anything is
//! told, so that tables decide how small a frame is, never what is in it.

use structured_zstd::encoding::{CompressionLevel, HistoryBuf, Matcher, Sequence};

/// Shortest match told of. The encoder's block size rests on it.
pub(super) const SHORTEST: usize = 4;

/// Entries of the table of long matches, as a power of two. It is 128 KiB and leaves
/// room for others in a core's own cache; twice of it makes reports 0.3 % smaller at
/// best, half of it up to 0.4 % larger.
const LONG_LOG: u32 = 15;

/// … and of short ones, which matter little where reports repeat themselves at length:
/// without them all, reports are 0.1 % larger, other text 4 %.
const SHORT_LOG: u32 = 10;

/// After so many bytes without a match, as a power of two, steps get one byte longer.
const PATIENCE_LOG: u32 = 8;

/// Every so many bytes of a block that is stored as it is are remembered: enough to
/// find its whole repetition.
const SKIPPED_STEP: usize = 8;

/// 2^64 divided by the golden ratio (Knuth, *The Art of Computer Programming* 6.4).
const FIBONACCI: u64 = 0x9E37_79B9_7F4A_7C15;

/// How many bytes later a match is looked for that takes the place of a shorter one. It
/// is made longer to its front as well, so not every place has to be looked at: with the
/// one between these, reports are up to 0.5 % smaller, without these up to 6 % larger.
const LATER: [usize; 2] = [1, 3];

/// Bytes that are read where a match is looked for: eight, and eight at the last of
/// [`LATER`].
const LOOKED_AT: usize = 8 + LATER[1];

/// Offsets that a frame begins with (RFC 8878 §3.1.1.5).
const FIRST_OFFSETS: [usize; 2] = [1, 4];

/// Positions in a frame, by the hash of what is there. A position is counted from
/// one window before the frame, so that 0, which stands for none, is too far away;
/// after 4 GiB it begins again at 0.
struct Tables {
    long: Box<[u32; 1 << LONG_LOG]>,
    short: Box<[u32; 1 << SHORT_LOG]>,
}

impl Tables {
    fn new() -> Self {
        Self {
            long: zeroed(),
            short: zeroed(),
        }
    }

    fn clear(&mut self) {
        self.long.fill(0);
        self.short.fill(0);
    }

    /// Puts `position` where these eight bytes belong; what was there before.
    #[inline]
    fn exchange_long(&mut self, eight: u64, position: u32) -> u32 {
        let slot = eight.wrapping_mul(FIBONACCI) >> (64 - LONG_LOG);
        std::mem::replace(&mut self.long[slot as usize], position)
    }

    /// … and the first six of them.
    #[inline]
    fn exchange_short(&mut self, eight: u64, position: u32) -> u32 {
        let slot = (eight << 16).wrapping_mul(FIBONACCI) >> (64 - SHORT_LOG);
        std::mem::replace(&mut self.short[slot as usize], position)
    }
}

fn zeroed<const N: usize>() -> Box<[u32; N]> {
    // Not on the stack first, as `Box::new([0; N])` would be.
    let Ok(table) = vec![0; N].into_boxed_slice().try_into() else {
        unreachable!("a slice of N entries is an array of N")
    };
    table
}

/// What to add to an index at the start of a frame; see [`Tables`].
fn first_base(window_bytes: usize) -> u32 {
    window_bytes as u32 + 1
}

/// A match, by indices into the history.
struct Match {
    start: usize,
    end: usize,
    offset: usize,
}

impl Match {
    fn len(&self) -> usize {
        self.end - self.start
    }
}

/// The window, and what is known of it.
pub(crate) struct MatchFinder {
    tables: Tables,
    /// Up to two windows, the block to come, and whatever waits for the next.
    history: HistoryBuf,
    window_bytes: usize,
    /// What to add to an index into `history` to get a position.
    base: u32,
    /// The last block, as indices into `history`.
    block: std::ops::Range<usize>,
    /// Offsets of the last matches, newest first.
    offsets: [usize; 2],
}

impl MatchFinder {
    /// A finder of matches at most 2^`window_log` bytes back.
    pub(crate) fn new(window_log: u32) -> Self {
        let window_bytes = 1 << window_log;
        Self {
            tables: Tables::new(),
            history: HistoryBuf::new(),
            window_bytes,
            base: first_base(window_bytes),
            block: 0..0,
            offsets: FIRST_OFFSETS,
        }
    }

    /// Forgets what is more than one window before the block to come.
    fn slide(&mut self) {
        let gone = self.block.end.saturating_sub(self.window_bytes);
        self.history.drain_front(gone);
        self.block = self.block.start.saturating_sub(gone)..self.block.end - gone;
        self.base = self.base.wrapping_add(gone as u32);
    }
}

impl Matcher for MatchFinder {
    fn get_last_space(&mut self) -> &[u8] {
        &self.history[self.block.clone()]
    }

    fn fill_in_place(
        &mut self,
        capacity: usize,
        fill: &mut dyn FnMut(&mut HistoryBuf) -> (usize, bool),
    ) -> (usize, bool) {
        let most = 2 * self.window_bytes;
        if self.history.len() + capacity > most && self.block.end > self.window_bytes {
            self.slide();
        }
        if self.history.capacity() < most {
            self.history.reserve(most - self.history.len());
        }
        self.history.reserve(capacity);
        fill(&mut self.history)
    }

    fn uncommitted_input(&self) -> &[u8] {
        &self.history[self.block.end..]
    }

    fn commit_filled(&mut self, len: usize) {
        let start = self.block.end;
        self.block = start..self.history.len().min(start + len);
    }

    fn skip_matching(&mut self) {
        let bytes = &self.history[..self.block.end];
        for at in self.block.clone().step_by(SKIPPED_STEP) {
            let position = self.base.wrapping_add(at as u32);
            self.tables.exchange_long(eight(bytes, at), position);
        }
    }

    fn start_matching(&mut self, mut tell: impl FnMut(Sequence)) {
        let bytes = &self.history[..self.block.end];
        let mut search = Search {
            bytes,
            tables: &mut self.tables,
            base: self.base,
            window: self.window_bytes as u32,
        };
        let mut offsets = self.offsets;
        let (mut at, mut told) = (self.block.start, self.block.start);
        while let Some(ahead) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
            let Some(found) = search.find(at, ahead, told, offsets) else {
                at += 1 + ((at - told) >> PATIENCE_LOG);
                continue;
            };
            tell(Sequence::Triple {
                literal_len: found.start - told,
                offset: found.offset,
                match_len: found.len(),
            });
            if found.offset != offsets[0] {
                offsets = [found.offset, offsets[0]];
            }
            search.remember_within(at, ahead, found.end);
            (at, told) = (found.end, found.end);
            while at + LOOKED_AT <= bytes.len() && search.repeats(at, offsets[1], four(bytes, at)) {
                let again = onwards(bytes, at, offsets[1]);
                offsets.swap(0, 1);
                search.remember(at, true, true);
                tell(Sequence::Triple {
                    literal_len: 0,
                    offset: again.offset,
                    match_len: again.len(),
                });
                (at, told) = (again.end, again.end);
            }
        }
        self.offsets = offsets;
        if told < bytes.len() {
            tell(Sequence::Literals {
                len: bytes.len() - told,
            });
        }
    }

    fn reset(&mut self, _level: CompressionLevel) {
        self.tables.clear();
        self.history.clear();
        self.base = first_base(self.window_bytes);
        self.block = 0..0;
        self.offsets = FIRST_OFFSETS;
    }

    fn heap_size(&self) -> usize {
        self.history.capacity() + size_of_val(&*self.tables.long) + size_of_val(&*self.tables.short)
    }

    fn window_size(&self) -> u64 {
        self.window_bytes as u64
    }
}

/// Looks for matches in one block; `bytes` ends where the block does.
struct Search<'a> {
    bytes: &'a [u8],
    tables: &'a mut Tables,
    base: u32,
    window: u32,
}

impl Search<'_> {
    #[inline]
    fn position(&self, at: usize) -> u32 {
        self.base.wrapping_add(at as u32)
    }

    /// How far back `then` is from `at`, if that is within the window.
    #[inline]
    fn back(&self, at: usize, then: u32) -> Option<usize> {
        let offset = self.position(at).wrapping_sub(then);
        (offset.wrapping_sub(1) < self.window).then_some(offset as usize)
    }

    /// Whether the four bytes at `at`, which are `here`, lie `offset` before too.
    #[inline]
    fn repeats(&self, at: usize, offset: usize, here: u32) -> bool {
        at.checked_sub(offset)
            .is_some_and(|then| four(self.bytes, then) == here)
    }

    /// … and the eight bytes.
    #[inline]
    fn repeats_long(&self, at: usize, offset: usize, here: u64) -> bool {
        at.checked_sub(offset)
            .is_some_and(|then| eight(self.bytes, then) == here)
    }

    /// How far back the eight bytes at `at`, which are `here`, lie, if at `then`.
    #[inline]
    fn long(&self, at: usize, here: u64, then: u32) -> Option<usize> {
        self.back(at, then)
            .filter(|offset| self.repeats_long(at, *offset, here))
    }

    /// The match to take at `at` or one byte on; positions are remembered.
    #[inline]
    fn find(
        &mut self,
        at: usize,
        ahead: &[u8; LOOKED_AT],
        told: usize,
        [newest, second]: [usize; 2],
    ) -> Option<Match> {
        let (bytes, position) = (self.bytes, self.position(at));
        let (here, next) = (eight(ahead, 0), eight(ahead, 1));
        let long = self.tables.exchange_long(here, position);
        let short = self.tables.exchange_short(here, position);
        if self.repeats(at + 1, newest, next as u32) {
            return Some(onwards(bytes, at + 1, newest));
        }
        if self.repeats(at, second, here as u32) {
            return Some(onwards(bytes, at, second));
        }
        let found = match self.long(at, here, long) {
            Some(offset) => around(bytes, told, at, at + 8, offset),
            None => {
                let offset = self.back(at, short)?;
                if !self.repeats(at, offset, here as u32) {
                    return None;
                }
                around(bytes, told, at, at + SHORTEST, offset)
            }
        };
        Some(self.longest(at, ahead, told, found))
    }

    /// The longest of `found`, which begins at `at` or before, and those that begin a
    /// little further on.
    #[inline]
    fn longest(&mut self, at: usize, ahead: &[u8; LOOKED_AT], told: usize, found: Match) -> Match {
        // All are fetched before any is waited for.
        let later = LATER.map(|by| {
            let (at, here) = (at + by, eight(ahead, by));
            let then = self.tables.exchange_long(here, self.position(at));
            (at, here, then)
        });
        let mut longest = found;
        for (at, here, then) in later {
            // Usually it is the same one, a little further on.
            let Some(offset) = self.back(at, then) else {
                continue;
            };
            if offset == longest.offset {
                continue;
            }
            // A longer one goes on where this one ends.
            let last = longest.end - (SHORTEST - 1);
            if self.repeats(last, offset, four(self.bytes, last))
                && self.repeats_long(at, offset, here)
            {
                let other = around(self.bytes, told, at, at + 8, offset);
                if other.len() > longest.len() {
                    longest = other;
                }
            }
        }
        longest
    }

    /// Remembers some of what a match found at `at` goes over, which ends at `end`.
    #[inline]
    fn remember_within(&mut self, at: usize, ahead: &[u8; LOOKED_AT], end: usize) {
        self.tables
            .exchange_long(eight(ahead, 2), self.position(at + 2));
        self.remember(end - 2, true, false);
        self.remember(end - 1, false, true);
    }

    #[inline]
    fn remember(&mut self, at: usize, long: bool, short: bool) {
        let (eight, position) = (eight(self.bytes, at), self.position(at));
        if long {
            self.tables.exchange_long(eight, position);
        }
        if short {
            self.tables.exchange_short(eight, position);
        }
    }
}

/// The match of what lies at `at`, of which [`SHORTEST`] bytes are known to lie
/// `offset` before too.
#[inline]
fn onwards(bytes: &[u8], at: usize, offset: usize) -> Match {
    Match {
        start: at,
        end: match_end(bytes, at + SHORTEST, offset),
        offset,
    }
}

/// The match of `known..end` with what lies `offset` before, made as long as it gets
/// in both directions; not before `told`.
#[inline]
fn around(bytes: &[u8], told: usize, known: usize, end: usize, offset: usize) -> Match {
    let mut start = known;
    while start > told && start > offset && bytes.get(start - 1) == bytes.get(start - 1 - offset) {
        start -= 1;
    }
    let end = match_end(bytes, end, offset);
    Match { start, end, offset }
}

/// Where the bytes from `at` on stop being those `offset` before.
#[inline]
fn match_end(bytes: &[u8], at: usize, offset: usize) -> usize {
    let (Some(here), Some(then)) = (bytes.get(at..), bytes.get(at - offset..)) else {
        return at;
    };
    let (heres, here_rest) = here.as_chunks::<8>();
    let (thens, _) = then.as_chunks::<8>();
    let mut end = at;
    for (here, then) in heres.iter().zip(thens) {
        let differs = u64::from_le_bytes(*here) ^ u64::from_le_bytes(*then);
        if differs != 0 {
            return end + (differs.trailing_zeros() / 8) as usize;
        }
        end += 8;
    }
    let rest = then.get(end - at..).unwrap_or_default();
    end + here_rest
        .iter()
        .zip(rest)
        .take_while(|(a, b)| a == b)
        .count()
}

/// Eight bytes as they lie, or 0 where there are fewer.
#[inline]
fn eight(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(eight) => u64::from_le_bytes(*eight),
        None => 0,
    }
}

#[inline]
fn four(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(four) => u32::from_le_bytes(*four),
        None => 0,
    }
}

#[cfg(test)]
mod tests;
