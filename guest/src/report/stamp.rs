//! Receive time and identity of reports.

use jiff::Timestamp;

/// `{"_received":{"at":"…","id":"…"}` with zeros where time and id go.
const TEMPLATE: &[u8; PREFIX_BYTES] =
    b"{\"_received\":{\"at\":\"0000-00-00T00:00:00.000Z\",\"id\":\"00000000-0000-0000-0000-000000000000\"}";
const PREFIX_BYTES: usize = 90;
const AT: usize = 20;
const AT_BYTES: usize = 24;
const ID: usize = 52;
const ID_BYTES: usize = 36;

/// What a stored line says of its receipt. Both parts are of fixed width, and
/// sort as text the way times and ids do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// Receive time, as [`rfc3339`] writes it.
    pub at: &'a [u8; AT_BYTES],
    /// The report's UUIDv7, hyphenated, in lower case.
    pub id: &'a [u8; ID_BYTES],
}

impl<'a> Received<'a> {
    /// Reads the start of a stored line. `None` if it was not stored by this
    /// server. Digits are not checked.
    pub fn of(line: &'a [u8]) -> Option<Received<'a>> {
        let (prefix, rest) = line.split_first_chunk::<PREFIX_BYTES>()?;
        let same = |range: std::ops::Range<usize>| prefix[range.clone()] == TEMPLATE[range];
        let ours = same(0..AT) && same(AT + AT_BYTES..ID) && same(ID + ID_BYTES..PREFIX_BYTES);
        let followed = matches!(rest, [b',' | b'}', ..]);
        let received = Received {
            at: prefix[AT..].first_chunk()?,
            id: prefix[ID..].first_chunk()?,
        };
        (ours && followed).then_some(received)
    }
}

/// Gives each report its `_received` member: one receive time for all, and a
/// UUIDv7 (RFC 9562 §5.7) each, ascending.
#[derive(Debug)]
pub struct Stamper {
    prefix: [u8; PREFIX_BYTES],
    random: fastrand::Rng,
    wall_ms: u64,
    /// The time in the ids: follows the clock, but never goes back.
    id_ms: u64,
    /// The 74 bits of an id that are not time.
    tail: u128,
}

const TAIL_BITS: u32 = 74;

impl Stamper {
    /// A stamper whose ids nobody else makes, given a seed nobody else has.
    pub fn new(seed: [u8; 32]) -> Stamper {
        let mut words = [0; 8];
        words.copy_from_slice(&seed[..8]);
        Stamper {
            prefix: *TEMPLATE,
            random: fastrand::Rng::with_seed(u64::from_le_bytes(words)),
            wall_ms: u64::MAX,
            id_ms: 0,
            tail: 0,
        }
    }

    /// Sets the receive time of the reports that follow, milliseconds since 1970.
    pub fn set_time(&mut self, wall_ms: u64) {
        if wall_ms == self.wall_ms {
            return;
        }
        self.wall_ms = wall_ms;
        let at = rfc3339(wall_ms);
        if at.len() == AT_BYTES {
            self.prefix[AT..AT + AT_BYTES].copy_from_slice(at.as_bytes());
        }
        if wall_ms > self.id_ms {
            self.id_ms = wall_ms;
            // The highest bit stays free, so that counting up does not overflow.
            self.tail = self.random.u128(..) >> (128 - TAIL_BITS + 1);
        }
    }

    /// The start of the next report's line, up to the comma or brace.
    pub fn next_prefix(&mut self) -> &[u8] {
        self.tail += u128::from(self.random.u32(..)) + 1;
        let time = u128::from(self.id_ms & 0xFFFF_FFFF_FFFF) << 80;
        let high = (self.tail >> 62 & 0xFFF) << 64;
        let low = self.tail & 0x3FFF_FFFF_FFFF_FFFF;
        let id = time | 7 << 76 | high | 2 << 62 | low;
        write_uuid(id, &mut self.prefix[ID..ID + 36]);
        &self.prefix
    }
}

/// A time as RFC 3339 with milliseconds: 24 bytes. The last there is stands for
/// those after it.
pub fn rfc3339(wall_ms: u64) -> String {
    let time = i64::try_from(wall_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::MAX);
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn write_uuid(id: u128, text: &mut [u8]) {
    let mut buffer = uuid::Uuid::encode_buffer();
    let encoded = uuid::Uuid::from_u128(id)
        .hyphenated()
        .encode_lower(&mut buffer);
    text.copy_from_slice(encoded.as_bytes());
}
