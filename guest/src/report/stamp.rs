//! Receive time and identity of reports.

use crate::limits::MAX_CLIENT_BYTES;
use jiff::Timestamp;

/// `{"_received":{"at":"…","id":"…"` with zeros where time and id go. What follows
/// is `,"client":"…"`, if anything is known of the client, and a brace.
const TEMPLATE: &[u8; FIXED_BYTES] =
    b"{\"_received\":{\"at\":\"0000-00-00T00:00:00.000Z\",\"id\":\"00000000-0000-0000-0000-000000000000\"";
const FIXED_BYTES: usize = 89;
const CLIENT: &[u8] = b",\"client\":\"";
const AT: usize = 20;
const AT_BYTES: usize = 24;
const ID: usize = 52;
const ID_BYTES: usize = 36;

/// What a stored line says of its receipt. Time and id are of fixed width, and
/// sort as text the way times and ids do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// Receive time, as [`rfc3339`] writes it.
    pub at: &'a [u8; AT_BYTES],
    /// The report's UUIDv7, hyphenated, in lower case.
    pub id: &'a [u8; ID_BYTES],
    /// What is known of the client: a network, or a word that stands for it.
    pub client: Option<&'a str>,
    /// Bytes up to the comma or brace after it.
    pub bytes: usize,
}

impl<'a> Received<'a> {
    /// Reads the start of a stored line. `None` if it was not stored by this
    /// server. Digits are not checked.
    pub fn of(line: &'a [u8]) -> Option<Received<'a>> {
        let (prefix, rest) = line.split_first_chunk::<FIXED_BYTES>()?;
        let same = |range: std::ops::Range<usize>| prefix[range.clone()] == TEMPLATE[range];
        let ours = same(0..AT) && same(AT + AT_BYTES..ID) && same(ID + ID_BYTES..FIXED_BYTES);
        let (client, rest) = match rest.strip_prefix(CLIENT) {
            Some(rest) => {
                let end = rest.iter().position(|byte| *byte == b'"')?;
                let client = std::str::from_utf8(&rest[..end]).ok()?;
                (
                    Some(client).filter(|client| is_client(client)),
                    &rest[end + 1..],
                )
            }
            None => (None, rest),
        };
        let followed = matches!(rest, [b'}', b',' | b'}', ..]);
        let received = Received {
            at: prefix[AT..].first_chunk()?,
            id: prefix[ID..].first_chunk()?,
            client,
            bytes: line.len() - rest.len() + 1,
        };
        (ours && followed).then_some(received)
    }
}

/// Whether this may stand for a client: letters of addresses, networks and
/// hashes, none of which JSON escapes.
fn is_client(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'/' | b'-');
    (1..=MAX_CLIENT_BYTES).contains(&text.len()) && text.bytes().all(allowed)
}

/// Gives each report its `_received` member: one receive time for all, and a
/// UUIDv7 (RFC 9562 §5.7) each, ascending.
#[derive(Debug)]
pub struct Stamper {
    prefix: Vec<u8>,
    client: Option<String>,
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
            prefix: [TEMPLATE.as_slice(), b"}"].concat(),
            client: None,
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

    /// Sets what is known of the client of the reports that follow. What cannot be
    /// is left out.
    pub fn set_client(&mut self, client: Option<&str>) {
        let client = client.filter(|client| is_client(client));
        if client == self.client.as_deref() {
            return;
        }
        self.client = client.map(str::to_owned);
        self.prefix.truncate(FIXED_BYTES);
        if let Some(client) = client {
            self.prefix.extend_from_slice(CLIENT);
            self.prefix.extend_from_slice(client.as_bytes());
            self.prefix.push(b'"');
        }
        self.prefix.push(b'}');
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
    format!("{time:.3}")
}

fn write_uuid(id: u128, text: &mut [u8]) {
    let mut buffer = uuid::Uuid::encode_buffer();
    let encoded = uuid::Uuid::from_u128(id)
        .hyphenated()
        .encode_lower(&mut buffer);
    text.copy_from_slice(encoded.as_bytes());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn line(stamper: &mut Stamper, rest: &[u8]) -> Vec<u8> {
        [stamper.next_prefix(), rest].concat()
    }

    #[test]
    fn what_is_known_of_a_client_stands_in_its_reports_and_in_no_others() {
        let mut stamper = Stamper::new([7; 32]);
        for client in [
            None,
            Some("192.0.2.0/24"),
            Some("2001:db8:1::/48"),
            None,
            Some("h-0aF"),
        ] {
            stamper.set_client(client);
            for rest in [&b",\"a\":1}"[..], b"}"] {
                let line = line(&mut stamper, rest);
                serde_json::from_slice::<serde_json::Value>(&line).unwrap();
                let received = Received::of(&line).unwrap();
                assert_eq!(received.client, client);
                assert_eq!(&line[received.bytes..], rest);
            }
        }
    }

    #[test]
    fn what_would_break_the_line_is_left_out() {
        let mut stamper = Stamper::new([7; 32]);
        for client in [
            "",
            "a\"",
            "a\\",
            "a b",
            "\u{e4}",
            &"a".repeat(MAX_CLIENT_BYTES + 1),
        ] {
            stamper.set_client(Some(client));
            let line = line(&mut stamper, b"}");
            assert_eq!(Received::of(&line).unwrap().client, None, "{client:?}");
            assert!(
                !String::from_utf8(line).unwrap().contains("client"),
                "{client:?}"
            );
        }
    }

    #[test]
    fn a_line_with_something_else_in_it_is_not_ours() {
        let mut stamper = Stamper::new([7; 32]);
        stamper.set_client(Some("a"));
        let good = String::from_utf8(line(&mut stamper, b"}")).unwrap();
        for bad in [
            good.replace("\"client\"", "\"agent\""),
            good.replace("\"a\"}", "\"a\",}"),
            good.replace("\"a\"}", "\"a"),
            good.replace("\"a\"}}", "\"a\"}"),
        ] {
            assert_eq!(Received::of(bad.as_bytes()), None, "{bad}");
        }
    }
}
