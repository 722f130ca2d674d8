//! Seeded chance: the same seed decides the same things in the same order.

use std::cell::Cell;
use std::rc::Rc;

/// A stream of pseudo-random numbers (SplitMix64: Steele, Lea, Flood, "Fast
/// Splittable Pseudorandom Number Generators", OOPSLA 2014). Clones share the
/// stream.
#[derive(Clone, Debug)]
pub struct Chance {
    state: Rc<Cell<u64>>,
}

impl Chance {
    /// The stream `stream` of a seed. Streams of one seed are independent, so
    /// that more draws from one do not shift another.
    pub fn new(seed: u64, stream: u64) -> Self {
        Chance {
            state: Rc::new(Cell::new(mix(seed) ^ mix(!stream))),
        }
    }

    /// The next 64 bits.
    pub fn bits(&self) -> u64 {
        let next = self.state.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.state.set(next);
        mix(next)
    }

    /// A number in `0..bound`; 0 if `bound` is 0.
    pub fn below(&self, bound: u64) -> u64 {
        // The high half of the product; its bias is below 2^-32 for the small
        // bounds used here.
        let product = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// An index in `0..len`; 0 if `len` is 0.
    pub fn index(&self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// True with the probability `part / whole`.
    pub fn odds(&self, part: u64, whole: u64) -> bool {
        self.below(whole) < part
    }

    /// True every second time, on average.
    pub fn coin(&self) -> bool {
        self.odds(1, 2)
    }

    /// Fills a slice.
    pub fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.bits().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

/// SplitMix64's finalizer: a bijection that spreads every bit.
fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |seed, stream| -> Vec<u64> {
            let chance = Chance::new(seed, stream);
            (0..4).map(|_| chance.bits()).collect()
        };
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
        assert_ne!(draw(1, 2), draw(2, 1));
    }

    #[test]
    fn below_stays_in_its_bound_and_reaches_all_of_it() {
        let chance = Chance::new(1, 1);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[chance.index(5)] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!(chance.below(0), 0);
    }
}
