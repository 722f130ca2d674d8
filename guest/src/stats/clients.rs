//! How many different clients, small and mergeable.
//!
//! Up to [`EXACT`] clients are told apart by 64-bit hashes of their names, which
//! is exact for any practical purpose (two of 256 collide once in 10^14 times).
//! Beyond, they are estimated by a HyperLogLog of 2,048 registers (Flajolet et
//! al. 2007, with the estimator of Ertl, "New cardinality estimation algorithms
//! for HyperLogLog sketches", 2017, algorithm 6), whose standard error is
//! 1.04/√2048, that is [`STANDARD_ERROR`].

use twox_hash::XxHash3_64;

/// Clients that are counted exactly.
pub const EXACT: usize = 256;

/// The estimate's standard error beyond that, as a part of it.
pub const STANDARD_ERROR: f64 = 0.023;

/// Bits of a hash that choose a register.
const INDEX_BITS: u32 = 11;

/// Registers.
pub const REGISTERS: usize = 1 << INDEX_BITS;

/// The largest value of a register.
const MAX_RANK: u8 = (64 - INDEX_BITS + 1) as u8;

/// A set of clients, of which only the size is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clients {
    /// Hashes of their names, rising.
    Few(Vec<u64>),
    /// Registers: how rare a hash each has met.
    Many(Box<[u8; REGISTERS]>),
}

impl Default for Clients {
    fn default() -> Self {
        Clients::Few(Vec::new())
    }
}

/// The hash of a client's name. Part of the format of the side files.
pub fn hash(client: &str) -> u64 {
    XxHash3_64::oneshot(client.as_bytes())
}

impl Clients {
    /// Adds a client by its hash.
    pub fn add(&mut self, hash: u64) {
        match self {
            Clients::Few(hashes) => {
                if let Err(at) = hashes.binary_search(&hash) {
                    hashes.insert(at, hash);
                    self.bound();
                }
            }
            Clients::Many(registers) => raise(registers, hash),
        }
    }

    /// Adds all of another set.
    pub fn merge(&mut self, other: &Clients) {
        match (&mut *self, other) {
            (Clients::Few(mine), Clients::Few(theirs)) => {
                mine.extend_from_slice(theirs);
                mine.sort_unstable();
                mine.dedup();
                self.bound();
            }
            (Clients::Many(mine), Clients::Many(theirs)) => {
                for (mine, theirs) in mine.iter_mut().zip(theirs.iter()) {
                    *mine = (*mine).max(*theirs);
                }
            }
            (Clients::Many(mine), Clients::Few(theirs)) => {
                theirs.iter().for_each(|hash| raise(mine, *hash));
            }
            (Clients::Few(mine), Clients::Many(theirs)) => {
                let mut registers = theirs.clone();
                mine.iter().for_each(|hash| raise(&mut registers, *hash));
                *self = Clients::Many(registers);
            }
        }
    }

    /// How many there are: exact up to [`EXACT`], else an estimate.
    pub fn count(&self) -> u64 {
        match self {
            Clients::Few(hashes) => hashes.len() as u64,
            Clients::Many(registers) => estimate(registers).round() as u64,
        }
    }

    /// Goes over to registers where hashes become too many.
    fn bound(&mut self) {
        if let Clients::Few(hashes) = self
            && hashes.len() > EXACT
        {
            let mut registers = Box::new([0; REGISTERS]);
            hashes.iter().for_each(|hash| raise(&mut registers, *hash));
            *self = Clients::Many(registers);
        }
    }

    /// From what a file holds. `None` if no set looks like that.
    pub fn from_hashes(hashes: Vec<u64>) -> Option<Clients> {
        let rising = hashes.is_sorted_by(|one, next| one < next);
        (rising && hashes.len() <= EXACT).then_some(Clients::Few(hashes))
    }

    /// From what a file holds. `None` if no set looks like that.
    pub fn from_registers(registers: &[u8]) -> Option<Clients> {
        let registers: [u8; REGISTERS] = registers.try_into().ok()?;
        let sound = registers.iter().all(|rank| *rank <= MAX_RANK);
        sound.then(|| Clients::Many(Box::new(registers)))
    }
}

fn raise(registers: &mut [u8; REGISTERS], hash: u64) {
    let index = (hash >> (64 - INDEX_BITS)) as usize;
    let rank = ((hash << INDEX_BITS).leading_zeros() as u8 + 1).min(MAX_RANK);
    if let Some(register) = registers.get_mut(index) {
        *register = (*register).max(rank);
    }
}

fn estimate(registers: &[u8; REGISTERS]) -> f64 {
    let mut of_rank = [0_u32; MAX_RANK as usize + 1];
    for rank in registers {
        of_rank[usize::from((*rank).min(MAX_RANK))] += 1;
    }
    let all = REGISTERS as f64;
    let [none, ranks @ .., full] = of_rank;
    let mut z = all * tau(1.0 - f64::from(full) / all);
    for count in ranks.iter().rev() {
        z = 0.5 * (z + f64::from(*count));
    }
    z += all * sigma(f64::from(none) / all);
    all * all / (2.0 * std::f64::consts::LN_2 * z)
}

/// For registers that have met nothing.
fn sigma(part: f64) -> f64 {
    if part >= 1.0 {
        return f64::INFINITY;
    }
    let (mut x, mut y, mut z) = (part, 1.0, part);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// For registers that are full.
fn tau(part: f64) -> f64 {
    if part <= 0.0 || part >= 1.0 {
        return 0.0;
    }
    let (mut x, mut y, mut z) = (part, 1.0_f64, 1.0 - part);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clients(numbers: impl Iterator<Item = u64>) -> Clients {
        let mut clients = Clients::default();
        numbers.for_each(|number| clients.add(hash(&format!("client {number}"))));
        clients
    }

    #[test]
    fn up_to_the_bound_the_count_is_exact() {
        for count in [0, 1, 17, EXACT as u64] {
            assert_eq!(clients((0..count).chain(0..count)).count(), count);
        }
    }

    #[test]
    fn beyond_it_the_error_is_about_the_stated_one() {
        let mut squares = 0.0;
        let counts = [300_u64, 500, 1_000, 3_000, 10_000, 50_000];
        for (n, count) in counts.into_iter().enumerate() {
            for run in 0..8 {
                let from = (n as u64 * 8 + run) * 1_000_000;
                let estimate = clients(from..from + count).count() as f64;
                let error = estimate / count as f64 - 1.0;
                assert!(error.abs() < 4.0 * STANDARD_ERROR, "{count}: {estimate}");
                squares += error * error;
            }
        }
        let deviation = (squares / (8.0 * counts.len() as f64)).sqrt();
        assert!(deviation < 1.3 * STANDARD_ERROR, "{deviation}");
    }

    proptest! {
        #[test]
        fn merged_sets_are_the_set_of_all(
            left in prop::collection::vec(0..1_000_u64, 0..600),
            right in prop::collection::vec(0..1_000_u64, 0..600),
        ) {
            let mut merged = clients(left.iter().copied());
            merged.merge(&clients(right.iter().copied()));
            prop_assert_eq!(merged, clients(left.into_iter().chain(right)));
        }
    }
}
