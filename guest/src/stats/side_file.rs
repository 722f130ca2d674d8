//! Statistics as bytes: the files below `index/`.
//!
//! ```text
//! offset  bytes  what
//!      0      4  magic number, FF 4E 57 53
//!      4      1  version, 01
//!      5      1  kind: 0 segment, 1 minutes, 2 hours, 3 days
//!      6      2  zero
//!      8      8  key, as in the file's name, little endian
//!     16      4  length of the body, little endian
//!     20      4  CRC-32C of all before and of the body, little endian
//!     24      …  body
//!
//! body: names, with their number before: each its length and its bytes;
//!       rows, with their number before:
//!         start, in spans of the kind, counted from the row before
//!         reports, unknown reports
//!         cells, with their number before:
//!           number of the name, samples, errors
//!           if any did not fail: min, max, sum (8-byte floats, little endian);
//!             buckets, with their number before: step from the one before, count
//!           clients: their number and their hashes, 8 bytes each, little endian;
//!             or 257 and 2,048 registers
//! ```
//!
//! All numbers of the body without a length are LEB128.
//!
//! A file is written under a temporary name, not synced, and renamed. Whatever a
//! crash tears does not match its checksum, and then, as with a file that is not
//! there, the statistics are computed again from the segments. Losing any of
//! these files costs time and nothing else.

use super::clients::{Clients, EXACT, REGISTERS};
use super::index_name::Kind;
use super::latencies::{Exact, Latencies};
use super::rows::{Cell, Names, Row, Rows};
use crate::journal::frame::checksum_of;

const MAGIC: [u8; 4] = *b"\xffNWS";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 24;
const CRC_AT: usize = 20;

/// What stands for registers where a number of clients is expected.
const ESTIMATED: u64 = EXACT as u64 + 1;

/// A file's content: rows by their start, rising, with the names of their groups.
#[derive(Debug, Default)]
pub struct Content {
    /// Names of the groups.
    pub names: Names,
    /// Start in milliseconds since 1970, and what was measured.
    pub rows: Vec<(u64, Row)>,
}

impl From<Rows> for Content {
    fn from(rows: Rows) -> Content {
        let (names, rows) = rows.into_parts();
        let rows = rows.into_iter().collect();
        Content { names, rows }
    }
}

/// The bytes of a file.
pub fn encode(kind: Kind, key: u64, rows: &mut Rows) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    let names = rows.names();
    put(&mut bytes, names.len() as u64);
    for name in names.iter() {
        put(&mut bytes, name.len() as u64);
        bytes.extend_from_slice(name.as_bytes());
    }
    put(&mut bytes, rows.len() as u64);
    let mut before = 0;
    for (start, row) in rows.rows() {
        put(&mut bytes, start / kind.grain_ms() - before);
        before = start / kind.grain_ms();
        put(&mut bytes, row.reports);
        put(&mut bytes, row.unknown);
        put(&mut bytes, row.cells.len() as u64);
        for (name, cell) in &mut row.cells {
            put(&mut bytes, u64::from(*name));
            put_cell(&mut bytes, cell);
        }
    }
    let body = u32::try_from(bytes.len() - HEADER_BYTES).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4] = VERSION;
    bytes[5] = kind.code();
    bytes[8..16].copy_from_slice(&key.to_le_bytes());
    bytes[16..CRC_AT].copy_from_slice(&body.to_le_bytes());
    let crc = checksum_of(&[&bytes[..CRC_AT], &bytes[HEADER_BYTES..]]);
    bytes[CRC_AT..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The content of a file of this kind and key; `None` if it is not one, or of
/// another version, or torn.
pub fn decode(bytes: &[u8], kind: Kind, key: u64) -> Option<Content> {
    let (header, body) = bytes.split_at_checked(HEADER_BYTES)?;
    let (start, crc) = header.split_at_checked(CRC_AT)?;
    let mut expected = Vec::from(MAGIC);
    expected.extend_from_slice(&[VERSION, kind.code(), 0, 0]);
    expected.extend_from_slice(&key.to_le_bytes());
    expected.extend_from_slice(&u32::try_from(body.len()).ok()?.to_le_bytes());
    if start != expected || crc != checksum_of(&[start, body]).to_le_bytes() {
        return None;
    }
    let mut reader = Reader(body);
    let content = reader.content(kind.grain_ms())?;
    reader.0.is_empty().then_some(content)
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn put_cell(bytes: &mut Vec<u8>, cell: &mut Cell) {
    put(bytes, cell.samples);
    put(bytes, cell.errors);
    if let Some(exact) = cell.latencies.exact() {
        for number in [exact.min, exact.max, exact.sum] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let (mut number, mut before, mut list) = (0, 0, Vec::new());
        for (bin, count) in cell.latencies.bins() {
            put(&mut list, u64::from(bin - before));
            put(&mut list, count);
            before = bin;
            number += 1;
        }
        put(bytes, number);
        bytes.extend_from_slice(&list);
    }
    match &cell.clients {
        Clients::Few(hashes) => {
            put(bytes, hashes.len() as u64);
            for hash in hashes {
                bytes.extend_from_slice(&hash.to_le_bytes());
            }
        }
        Clients::Many(registers) => {
            put(bytes, ESTIMATED);
            bytes.extend_from_slice(&registers[..]);
        }
    }
}

/// What is left of a body. Every function is `None` where the bytes do not fit.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn float(&mut self) -> Option<f64> {
        self.take(8)?.try_into().ok().map(f64::from_le_bytes)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A number of things of at least one byte each, which must be there.
    fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    fn content(&mut self, grain_ms: u64) -> Option<Content> {
        let mut content = Content::default();
        for number in 0..self.count()? {
            let length = self.count()?;
            let name = std::str::from_utf8(self.take(length)?).ok()?;
            if content.names.number(name) as usize != number {
                return None;
            }
        }
        let mut start = 0_u64;
        for _ in 0..self.count()? {
            start = start.checked_add(self.number()?)?;
            let row = self.row(content.names.len())?;
            content.rows.push((start.checked_mul(grain_ms)?, row));
        }
        Some(content)
    }

    fn row(&mut self, names: usize) -> Option<Row> {
        let mut row = Row {
            reports: self.number()?,
            unknown: self.number()?,
            ..Row::default()
        };
        for _ in 0..self.count()? {
            let name = u32::try_from(self.number()?).ok()?;
            if name as usize >= names {
                return None;
            }
            row.cells.insert(name, self.cell()?);
        }
        Some(row)
    }

    fn cell(&mut self) -> Option<Cell> {
        let (samples, errors) = (self.number()?, self.number()?);
        let latencies = match samples.checked_sub(errors)? {
            0 => Latencies::default(),
            count => self.latencies(count)?,
        };
        let clients = match self.number()? {
            ESTIMATED => Clients::from_registers(self.take(REGISTERS)?)?,
            count => {
                let bytes = usize::try_from(count).ok()?.checked_mul(8)?;
                let (words, _) = self.take(bytes)?.as_chunks();
                let hashes = words.iter().map(|word| u64::from_le_bytes(*word));
                Clients::from_hashes(hashes.collect())?
            }
        };
        Some(Cell {
            samples,
            errors,
            latencies,
            clients,
        })
    }

    fn latencies(&mut self, count: u64) -> Option<Latencies> {
        let (min, max, sum) = (self.float()?, self.float()?, self.float()?);
        let exact = Exact {
            count,
            sum,
            min,
            max,
        };
        let number = self.count()?;
        let (mut bins, mut counts) = (Vec::with_capacity(number), Vec::with_capacity(number));
        let mut bin = 0_u32;
        for _ in 0..number {
            bin = bin.checked_add(u32::try_from(self.number()?).ok()?)?;
            bins.push(bin);
            counts.push(self.number()?);
        }
        Latencies::from_parts(exact, bins, counts)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::stats::mapping::Sample;
    use proptest::prelude::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A report: its minute, its client, its samples by host.
    type Report = (u64, u64, Vec<(u8, Option<f64>)>);

    fn rows(reports: &[Report]) -> Rows {
        let mut rows = Rows::default();
        for (minute, client, samples) in reports {
            rows.report(minute * 60_000, Some(*client), |add| {
                for (host, latency) in samples {
                    let sample = latency.map_or(Sample::Failed, Sample::Took);
                    add(&format!("host {host}"), sample);
                }
                samples.len() as u64
            });
        }
        rows
    }

    #[test]
    fn the_bytes_of_the_format_do_not_drift() {
        let mut rows = rows(&[
            (2, 7, vec![(1, Some(1.5)), (1, None), (2, None)]),
            (300, 9, vec![]),
        ]);
        assert_eq!(
            hex(&encode(Kind::Segment, 0x0102_0304_0506_0708, &mut rows)),
            concat!(
                "ff4e5753",
                "01",
                "00",
                "0000",
                "0807060504030201",
                "4d000000",
                "cb84ad33",
                "02",
                "06686f73742031",
                "06686f73742032",
                "02",
                "02",
                "01",
                "00",
                "02",
                "00",
                "02",
                "01",
                "000000000000f83f",
                "000000000000f83f",
                "000000000000f83f",
                "01",
                "db07",
                "01",
                "01",
                "0700000000000000",
                "01",
                "01",
                "01",
                "01",
                "0700000000000000",
                "aa02",
                "01",
                "01",
                "00",
            )
        );
    }

    #[test]
    fn any_flipped_bit_any_cut_and_any_other_key_or_kind_is_refused() {
        let mut rows = rows(&[
            (5, 1, vec![(1, Some(3.25)), (2, Some(9.0))]),
            (6, 2, vec![]),
        ]);
        let bytes = encode(Kind::Minutes, 17, &mut rows);
        assert!(decode(&bytes, Kind::Minutes, 17).is_some());
        assert!(decode(&bytes, Kind::Minutes, 18).is_none());
        assert!(decode(&bytes, Kind::Hours, 17).is_none());
        for bit in 0..bytes.len() * 8 {
            let mut broken = bytes.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&broken, Kind::Minutes, 17).is_none(), "bit {bit}");
        }
        for end in 0..bytes.len() {
            assert!(
                decode(&bytes[..end], Kind::Minutes, 17).is_none(),
                "cut at {end}"
            );
        }
    }

    fn report() -> impl Strategy<Value = Report> {
        let sample = (0..4_u8, prop::option::of(0.0..1e6_f64));
        (
            0..100_u64,
            0..2_000_u64,
            prop::collection::vec(sample, 0..4),
        )
    }

    proptest! {
        #[test]
        fn files_decode_to_what_was_encoded(
            minutes in 1..100_u64, reports in prop::collection::vec(report(), 1..600),
        ) {
            let reports: Vec<_> = reports.into_iter().map(|(m, c, s)| (m % minutes, c, s)).collect();
            let bytes = encode(Kind::Segment, 3, &mut rows(&reports));
            let content = decode(&bytes, Kind::Segment, 3).unwrap();
            let cells = content.rows.iter().flat_map(|(_, row)| row.cells.values());
            let samples: u64 = cells.map(|cell| cell.samples).sum();
            prop_assert_eq!(samples, reports.iter().map(|(_, _, s)| s.len() as u64).sum::<u64>());
            let mut again = Rows::from_parts(content.names, content.rows);
            prop_assert_eq!(encode(Kind::Segment, 3, &mut again), bytes);
        }

        #[test]
        fn bytes_that_pass_the_checksum_and_make_no_sense_do_no_harm(
            body in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let mut bytes = encode(Kind::Segment, 3, &mut Rows::default());
            bytes.truncate(HEADER_BYTES);
            bytes[16..CRC_AT].copy_from_slice(&(body.len() as u32).to_le_bytes());
            let crc = checksum_of(&[&bytes[..CRC_AT], &body]);
            bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
            bytes.extend_from_slice(&body);
            decode(&bytes, Kind::Segment, 3);
        }
    }
}
