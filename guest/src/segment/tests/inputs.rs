//! Texts to try encoders with, made from a seed.

/// SplitMix64: the same numbers everywhere for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// A number below `end`, or 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// How many kinds [`input`] knows.
pub(crate) const KINDS: usize = 11;

/// About `len` bytes of kind `kind % KINDS`.
pub(crate) fn input(kind: usize, len: usize, random: &mut Random) -> Vec<u8> {
    match kind % KINDS {
        0 => reports(len, random),
        1 => letters(len, 256, random),
        2 => letters(len, 2, random),
        3 => {
            let symbols = random.below(40) + 1;
            letters(len, symbols, random)
        }
        4 => runs(len, random),
        5 => skewed(len, random),
        6 => repeats(len, 4_000, 70_000, random),
        7 => repeats(len, 600_000, 40, random),
        8 => alternating_words(len, random),
        9 => members(&letters(len, 62, random), 16 << 10),
        _ => mixed(len, random),
    }
}

/// Lines as they are stored: JSON with repeated keys and changing numbers.
pub(crate) fn reports(len: usize, random: &mut Random) -> Vec<u8> {
    let mut lines = Vec::with_capacity(len + 400);
    while lines.len() < len {
        let (at, id) = (random.next() % 100_000, random.next());
        let line = format!(
            "{{\"_received\":{{\"at\":\"2026-11-23T08:{:02}:{:02}.{:03}Z\",\"id\":\"{id:016x}\"}},\
             \"clientId\":\"{:08x}\",\"hosts\":[{}]}}\n",
            at / 60 % 60,
            at % 60,
            at % 1000,
            random.below(200),
            hosts(random),
        );
        lines.extend_from_slice(line.as_bytes());
    }
    lines
}

fn hosts(random: &mut Random) -> String {
    let names = [
        "Cloudflare",
        "Google",
        "GitHub",
        "Hetzner FSN",
        "AWS us-east-1",
    ];
    let hosts: Vec<String> = (0..random.below(8))
        .map(|_| {
            let name = names[random.below(names.len())];
            let latency = random.below(3_000);
            format!(
                "{{\"name\":\"{name}\",\"latency\":{}.{}}}",
                latency / 10,
                latency % 10
            )
        })
        .collect();
    hosts.join(",")
}

/// Bytes of an alphabet of so many symbols, all equally often.
fn letters(len: usize, symbols: usize, random: &mut Random) -> Vec<u8> {
    let first = random.below(256);
    (0..len)
        .map(|_| (first + random.below(symbols)) as u8)
        .collect()
}

/// Runs of one symbol, of very different lengths.
fn runs(len: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let scale = random.below(18);
        let run = random.below(1 << scale).min(len - bytes.len()) + 1;
        bytes.resize(bytes.len() + run, random.below(5) as u8 + b'a');
    }
    bytes
}

/// Symbols whose frequencies fall by half, or nearly all of them one symbol.
fn skewed(len: usize, random: &mut Random) -> Vec<u8> {
    let shift = random.below(12) as u32;
    let skewed = |bits: u64| (bits >> shift | 1 << 63).trailing_zeros() as u8;
    (0..len).map(|_| skewed(random.next())).collect()
}

/// Copies from up to `far` bytes back, of up to `long` bytes, between few literals.
fn repeats(len: usize, far: usize, long: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = letters(far.min(len / 2 + 1), 64, random);
    while bytes.len() < len {
        let back = random.below(far.min(bytes.len())) + 1;
        let from = bytes.len() - back;
        for at in from..from + random.below(long) + 3 {
            bytes.push(bytes[at]);
        }
        let literals = random.below(4);
        bytes.extend((0..literals).map(|_| random.next() as u8));
    }
    bytes.truncate(len);
    bytes
}

/// As many sequences as a text of `len` bytes can be made to have: a random text whose
/// words of four bytes are of two alphabets in turn, and one that takes words of the
/// first from two places of it in turn. Cut into members of 16 KiB, each is a valid
/// report.
pub(crate) fn alternating_words(len: usize, random: &mut Random) -> Vec<u8> {
    let half = len / 2 / 4 * 4;
    let text: Vec<u8> = (0..half)
        .map(|at| [b'A', b'a'][at / 4 % 2] + random.below(26) as u8)
        .collect();
    let mut woven = text.clone();
    for (at, word) in woven.chunks_mut(4).enumerate() {
        // Matches must be long to be found first; then short ones repeat them.
        let leads_in = (4..8).contains(&at);
        if leads_in || at > 8 && at % 2 == 1 {
            let from = (at + 3) * 4;
            if let Some(other) = text.get(from..from + word.len()) {
                word.copy_from_slice(other);
            }
        }
    }
    members(&[text, woven].concat(), 16 << 10)
}

/// One line whose members are strings of `cut` bytes of `text`.
fn members(text: &[u8], cut: usize) -> Vec<u8> {
    let mut line = b"{".to_vec();
    for (number, piece) in text.chunks(cut).enumerate() {
        line.extend_from_slice(format!("\"{number:04}\":\"").as_bytes());
        line.extend_from_slice(piece);
        line.extend_from_slice(b"\",");
    }
    line.pop();
    line.extend_from_slice(b"}\n");
    line
}

/// Pieces of all the other kinds after one another.
fn mixed(len: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let (kind, piece) = (random.below(KINDS - 1), random.below(len / 4 + 2));
        bytes.extend(input(kind, piece, random));
    }
    bytes.truncate(len);
    bytes
}
