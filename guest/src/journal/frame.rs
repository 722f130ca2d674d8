//! Bytes of headers, frames and seals. The layout is in the module above.

use super::name::Id;
use crate::mistakes::{Mistake, made};
use crc::{CRC_32_ISCSI, Crc, Table};

/// CRC-32C, sixteen bytes a step.
static CASTAGNOLI: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// Bytes of a journal's header.
pub const HEADER_BYTES: usize = 40;
/// Bytes before a frame's payload.
pub const FRAME_HEADER_BYTES: usize = 40;
/// Bytes of a seal.
pub const SEAL_BYTES: usize = FRAME_HEADER_BYTES + 8;

const HEADER_MAGIC: [u8; 8] = *b"\xFFNWJNL\0\x01";
const FRAME_MAGIC: [u8; 4] = *b"\xFFFR\x01";
const SEAL_MAGIC: [u8; 4] = *b"\xFFSL\x01";
const CRC_AT: usize = 36;

/// How the content of a sealed journal is to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealKind {
    /// Alone, as the segment that has the journal's id.
    Alone,
    /// With others, by a plan.
    Merged,
}

/// The end of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// How it is to be published.
    pub kind: SealKind,
    /// Where the instance that wrote the journal says its good frames end;
    /// `None` from a stranger, who cannot know.
    pub good_end: Option<u64>,
}

/// What a frame says of its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Bytes of the payload.
    pub payload_bytes: u32,
    /// Reports in it.
    pub reports: u32,
    /// Frames before it in this journal.
    pub number: u32,
    /// Earliest receive time, milliseconds since 1970.
    pub first_ms: u64,
    /// Latest receive time.
    pub last_ms: u64,
}

/// The header of a new journal.
pub fn header(id: Id, created_ms: u64) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(&HEADER_MAGIC);
    bytes[8..24].copy_from_slice(&id.0);
    bytes[24..32].copy_from_slice(&created_ms.to_le_bytes());
    let crc = CASTAGNOLI.checksum(&bytes[..CRC_AT]);
    bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// When a journal was created, if `bytes` begins with the header of `id`.
pub fn parse_header(bytes: &[u8], id: Id) -> Option<u64> {
    let bytes = bytes.get(..HEADER_BYTES)?;
    let good = bytes[..8] == HEADER_MAGIC
        && bytes[8..24] == id.0
        && u32_at(bytes, CRC_AT) == CASTAGNOLI.checksum(&bytes[..CRC_AT]);
    good.then(|| u64_at(bytes, 24))
}

/// Writes the head of a frame into the space left for it before the payload.
///
/// `frame` is [`FRAME_HEADER_BYTES`] of any content, then the payload.
pub fn finish_frame(frame: &mut [u8], id: Id, head: FrameHead) {
    frame[..4].copy_from_slice(&FRAME_MAGIC);
    frame[4..8].copy_from_slice(&head.payload_bytes.to_le_bytes());
    frame[8..12].copy_from_slice(&head.reports.to_le_bytes());
    frame[12..16].copy_from_slice(&head.number.to_le_bytes());
    frame[16..24].copy_from_slice(&head.first_ms.to_le_bytes());
    frame[24..32].copy_from_slice(&head.last_ms.to_le_bytes());
    frame[32..36].fill(0);
    let crc = record_crc(id, frame);
    frame[CRC_AT..FRAME_HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
}

/// A seal, ready to be appended.
pub fn seal(id: Id, seal: Seal) -> [u8; SEAL_BYTES] {
    let mut bytes = [0; SEAL_BYTES];
    bytes[..4].copy_from_slice(&SEAL_MAGIC);
    bytes[4..8].copy_from_slice(&8u32.to_le_bytes());
    let kind: u32 = match seal.kind {
        SealKind::Alone => 1,
        SealKind::Merged => 2,
    };
    bytes[8..12].copy_from_slice(&kind.to_le_bytes());
    let good_end = seal.good_end.unwrap_or(u64::MAX);
    bytes[FRAME_HEADER_BYTES..].copy_from_slice(&good_end.to_le_bytes());
    let crc = record_crc(id, &bytes);
    bytes[CRC_AT..FRAME_HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// CRC-32C of some bytes.
pub fn checksum(bytes: &[u8]) -> u32 {
    CASTAGNOLI.checksum(bytes)
}

/// CRC-32C of bytes that follow one another in these parts.
pub fn checksum_of(parts: &[&[u8]]) -> u32 {
    let mut digest = CASTAGNOLI.digest();
    parts.iter().for_each(|part| digest.update(part));
    digest.finalize()
}

fn record_crc(id: Id, record: &[u8]) -> u32 {
    let mut digest = CASTAGNOLI.digest();
    digest.update(&id.0);
    digest.update(&record[..CRC_AT]);
    digest.update(&record[FRAME_HEADER_BYTES..]);
    digest.finalize()
}

/// What stands at some place of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// A frame with a good checksum.
    Frame(FrameHead),
    /// A seal with a good checksum.
    Seal(Seal),
    /// More bytes are needed to tell: this many in all.
    Need(usize),
    /// Neither frame nor seal.
    Bad,
}

/// Reads the record at the start of `bytes`, which go on in the file if there
/// is more; payloads above `max_payload` are bad.
pub fn parse_record(bytes: &[u8], id: Id, max_payload: usize) -> Record {
    let Some(head) = bytes.get(..FRAME_HEADER_BYTES) else {
        return Record::Need(FRAME_HEADER_BYTES);
    };
    let is_frame = head[..4] == FRAME_MAGIC;
    let payload = u32_at(head, 4) as usize;
    if !is_frame && (head[..4] != SEAL_MAGIC || payload != 8) || payload > max_payload {
        return Record::Bad;
    }
    let Some(record) = bytes.get(..FRAME_HEADER_BYTES + payload) else {
        return Record::Need(FRAME_HEADER_BYTES + payload);
    };
    let good = u32_at(head, CRC_AT) == record_crc(id, record);
    if !good && !made(Mistake::SkipChecksum) {
        return Record::Bad;
    }
    if is_frame {
        return Record::Frame(FrameHead {
            payload_bytes: u32_at(head, 4),
            reports: u32_at(head, 8),
            number: u32_at(head, 12),
            first_ms: u64_at(head, 16),
            last_ms: u64_at(head, 24),
        });
    }
    let kind = match u32_at(head, 8) {
        1 => SealKind::Alone,
        2 => SealKind::Merged,
        _ => return Record::Bad,
    };
    let good_end = Some(u64_at(record, FRAME_HEADER_BYTES)).filter(|end| *end != u64::MAX);
    Record::Seal(Seal { kind, good_end })
}

/// Where in `bytes` the next record may begin, from `from` on.
pub fn next_magic(bytes: &[u8], from: usize) -> Option<usize> {
    (from..bytes.len().saturating_sub(3)).find(|&at| {
        let window = &bytes[at..at + 4];
        window == FRAME_MAGIC || window == SEAL_MAGIC
    })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Id = Id([7; 16]);

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn sample() -> (Vec<u8>, FrameHead) {
        let mut frame = vec![0; FRAME_HEADER_BYTES];
        frame.extend_from_slice(b"{}\n");
        let head = FrameHead {
            payload_bytes: 3,
            reports: 1,
            number: 2,
            first_ms: 0x0102,
            last_ms: 0x0304,
        };
        finish_frame(&mut frame, ID, head);
        (frame, head)
    }

    #[test]
    fn the_bytes_of_the_format_do_not_drift() {
        assert_eq!(
            hex(&header(ID, 0x0102)),
            "ff4e574a4e4c000107070707070707070707070707070707020100000000000000000000082ba325"
        );
        assert_eq!(
            hex(&sample().0),
            "ff4652010300000001000000020000000201000000000000040300000000000000000000602cf97a7b7d0a"
        );
        let end = Seal {
            kind: SealKind::Alone,
            good_end: Some(43),
        };
        assert_eq!(
            hex(&seal(ID, end)),
            "ff534c010800000001000000000000000000000000000000000000000000000000000000e8fd729d2b00000000000000"
        );
    }

    #[test]
    fn castagnoli_is_the_one_of_rfc_3720() {
        assert_eq!(CASTAGNOLI.checksum(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn records_read_back_and_short_ones_ask_for_more() {
        let (frame, head) = sample();
        assert_eq!(parse_record(&frame, ID, 1 << 20), Record::Frame(head));
        assert_eq!(parse_record(&frame[..10], ID, 1 << 20), Record::Need(40));
        assert_eq!(parse_record(&frame[..41], ID, 1 << 20), Record::Need(43));
        for kind in [SealKind::Alone, SealKind::Merged] {
            for good_end in [None, Some(77)] {
                let end = Seal { kind, good_end };
                assert_eq!(parse_record(&seal(ID, end), ID, 1 << 20), Record::Seal(end));
            }
        }
    }

    #[test]
    fn any_flipped_bit_and_any_other_journal_is_refused() {
        let (frame, _) = sample();
        assert_eq!(parse_record(&frame, Id([8; 16]), 1 << 20), Record::Bad);
        for bit in 0..frame.len() * 8 {
            let mut broken = frame.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            let record = parse_record(&broken, ID, 1 << 20);
            assert!(
                !matches!(record, Record::Frame(_) | Record::Seal(_)),
                "bit {bit}"
            );
        }
    }
}
