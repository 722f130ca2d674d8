//! A seeded digest that tells whether decoding gave back what went in.

use twox_hash::XxHash3_128;

/// XXH3-128 of some bytes under a seed. Two digests say something about each
/// other only under the same seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    seed: u64,
    value: u128,
}

impl Digest {
    /// The seed it was made under.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A digester that makes comparable digests.
    pub fn digester(&self) -> Digester {
        Digester::new(self.seed)
    }
}

/// Takes the digest of bytes as they come, and counts them.
pub struct Digester {
    seed: u64,
    hasher: XxHash3_128,
    bytes: u64,
}

impl Digester {
    /// Starts with nothing. A random seed keeps whoever sends reports from
    /// preparing two texts with one digest.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            hasher: XxHash3_128::with_seed(seed),
            bytes: 0,
        }
    }

    /// Adds what follows.
    pub fn write(&mut self, bytes: &[u8]) {
        self.hasher.write(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// How many bytes were added so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The digest of everything added so far.
    pub fn digest(&self) -> Digest {
        Digest {
            seed: self.seed,
            value: self.hasher.finish_128(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_depends_on_content_and_seed_but_not_on_the_cuts() {
        let mut whole = Digester::new(7);
        whole.write(b"one two three");
        let mut cut = whole.digest().digester();
        cut.write(b"one ");
        cut.write(b"two three");
        assert_eq!(whole.digest(), cut.digest());
        assert_eq!(cut.bytes(), 13);

        let mut other_text = Digester::new(7);
        other_text.write(b"one two thrEe");
        assert_ne!(whole.digest(), other_text.digest());
        let mut other_seed = Digester::new(8);
        other_seed.write(b"one two three");
        assert_ne!(whole.digest().value, other_seed.digest().value);
    }
}
