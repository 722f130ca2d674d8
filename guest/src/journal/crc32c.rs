//! CRC-32C (Castagnoli; RFC 3720 §12.1), which Wasm has no instruction for.
//!
//! A checksum is a chain: each step waits for the one before, and a core that could
//! do four at once idles. So long inputs are taken as four lanes side by side, each
//! by eight table look-ups a step (Kounavis and Berry, "A Systematic Approach to
//! Building High Performance Software-Based CRC Generators", 2005). CRCs are linear:
//! a lane's is carried past the next lane by one more table and added to it.

/// x^32 + x^28 + … + 1, the lowest bit first.
const POLYNOMIAL: u32 = 0x82F6_3B78;

/// Bytes of a lane: few enough that whole frames of some reports have four.
const LANE: usize = 512;

/// For each place of a byte among eight: what it and the zeros after it come to.
static STEP: [[u32; 256]; 8] = step_tables();

/// For each byte of a state: what it becomes when a lane of zeros follows.
static PAST_A_LANE: [[u32; 256]; 4] = past_a_lane();

/// A checksum of bytes as they come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crc32c(u32);

impl Crc32c {
    pub(super) fn new() -> Crc32c {
        Crc32c(!0)
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let mut state = self.0;
        let mut four_lanes = bytes.chunks_exact(4 * LANE);
        for lanes in &mut four_lanes {
            state = past_four_lanes(state, lanes);
        }
        let mut steps = four_lanes.remainder().chunks_exact(8);
        for bytes in &mut steps {
            state = step(state, bytes);
        }
        for byte in steps.remainder() {
            state = STEP[0][usize::from(state as u8 ^ byte)] ^ state >> 8;
        }
        self.0 = state;
    }

    pub(super) fn finish(self) -> u32 {
        !self.0
    }
}

fn past_four_lanes(state: u32, lanes: &[u8]) -> u32 {
    let (one, rest) = lanes.split_at(LANE);
    let (two, rest) = rest.split_at(LANE);
    let (three, four) = rest.split_at(LANE);
    let (mut a, mut b, mut c, mut d) = (state, 0, 0, 0);
    let pairs = one.chunks_exact(8).zip(two.chunks_exact(8));
    let others = three.chunks_exact(8).zip(four.chunks_exact(8));
    for ((one, two), (three, four)) in pairs.zip(others) {
        a = step(a, one);
        b = step(b, two);
        c = step(c, three);
        d = step(d, four);
    }
    past_a_lane_of_zeros(past_a_lane_of_zeros(past_a_lane_of_zeros(a) ^ b) ^ c) ^ d
}

/// Takes eight bytes.
#[inline]
fn step(state: u32, bytes: &[u8]) -> u32 {
    let mut word = [0; 8];
    word.copy_from_slice(bytes);
    let word = u64::from_le_bytes(word) ^ u64::from(state);
    let at = |place: usize| STEP[7 - place][usize::from((word >> (8 * place)) as u8)];
    at(0) ^ at(1) ^ at(2) ^ at(3) ^ at(4) ^ at(5) ^ at(6) ^ at(7)
}

fn past_a_lane_of_zeros(state: u32) -> u32 {
    let at = |place: usize| PAST_A_LANE[place][usize::from((state >> (8 * place)) as u8)];
    at(0) ^ at(1) ^ at(2) ^ at(3)
}

const fn step_tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut state = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            let carry = (state & 1).wrapping_neg() & POLYNOMIAL;
            state = state >> 1 ^ carry;
            bit += 1;
        }
        tables[0][byte] = state;
        byte += 1;
    }
    let mut place = 1;
    while place < 8 {
        let mut byte = 0;
        while byte < 256 {
            tables[place][byte] = past_zero(&tables[0], tables[place - 1][byte]);
            byte += 1;
        }
        place += 1;
    }
    tables
}

/// A state when a zero byte follows.
const fn past_zero(table: &[u32; 256], state: u32) -> u32 {
    table[(state & 0xFF) as usize] ^ state >> 8
}

const fn past_a_lane() -> [[u32; 256]; 4] {
    let first = step_tables()[0];
    let mut tables = [[0; 256]; 4];
    let mut bit = 0;
    while bit < 32 {
        let mut state = 1 << bit;
        let mut zeros = 0;
        while zeros < LANE {
            state = past_zero(&first, state);
            zeros += 1;
        }
        // Every byte with this bit has its share of it.
        let (place, within) = (bit / 8, 1 << (bit % 8));
        let mut byte = 0;
        while byte < 256 {
            if byte & within != 0 {
                tables[place][byte] ^= state;
            }
            byte += 1;
        }
        bit += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn checksum(bytes: &[u8]) -> u32 {
        let mut crc = Crc32c::new();
        crc.update(bytes);
        crc.finish()
    }

    #[test]
    fn it_is_the_one_of_rfc_3720() {
        assert_eq!(checksum(b"123456789"), 0xE306_9283);
        // Appendix B.4.
        assert_eq!(checksum(&[0; 32]), 0x8A91_36AA);
        assert_eq!(checksum(&[0xFF; 32]), 0x62A8_AB43);
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(checksum(&ascending), 0x46DD_794E);
    }

    /// Bit by bit, as the definition has it.
    fn slowly(bytes: &[u8]) -> u32 {
        let mut state = !0_u32;
        for byte in bytes {
            state ^= u32::from(*byte);
            for _ in 0..8 {
                state = state >> 1 ^ if state & 1 == 1 { POLYNOMIAL } else { 0 };
            }
        }
        !state
    }

    proptest! {
        #[test]
        fn any_length_in_any_pieces_has_the_checksum_of_the_definition(
            bytes in prop::collection::vec(any::<u8>(), 0..3 * 4 * LANE),
            cut in any::<prop::sample::Index>(),
        ) {
            let (one, other) = bytes.split_at(cut.index(bytes.len() + 1));
            let mut crc = Crc32c::new();
            crc.update(one);
            crc.update(other);
            prop_assert_eq!(crc.finish(), slowly(&bytes));
        }
    }
}
