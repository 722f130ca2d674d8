//! What encloses the blocks of a frame: its header, whose content size is put in
//! when it is known, and the memory it grows in (RFC 8878 §3.1.1).

/// Magic number of a zstd data frame.
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// `Content_Checksum_flag` of the frame header descriptor.
const CHECKSUM_FLAG: u8 = 1 << 2;

/// `Frame_Content_Size_flag` 3 of the frame header descriptor: eight bytes.
const EIGHT_BYTE_SIZE: u8 = 3 << 6;

/// Where the content size stands: after magic, descriptor and window descriptor.
const CONTENT_SIZE_AT: usize = 6;

/// Length of the header of every segment, bytes.
pub(super) const HEADER_BYTES: usize = CONTENT_SIZE_AT + 8;

/// Largest number of bytes that a block header takes.
pub(super) const BLOCK_HEADER_BYTES: usize = 3;

/// Sizes that a frame's memory grows to, bytes: what 10 MiB of ordinary reports
/// come to, what they come to when they compress badly, and what 10 MiB and 16 MiB
/// come to when they do not compress at all. Few and the same for all frames, so
/// that memory one frame has grown out of serves another: Wasm memory never
/// shrinks, and many sizes leave it in pieces.
const CAPACITIES: [usize; 4] = [3 << 19, 4 << 20, 11 << 20, 17 << 20];

/// The header of a frame whose content size is not known yet.
pub(super) fn open_header(window_descriptor: u8) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&MAGIC);
    header[4] = EIGHT_BYTE_SIZE | CHECKSUM_FLAG;
    header[5] = window_descriptor;
    header
}

/// Turns the header of a frame with checksum and without content size, as a
/// streaming encoder writes it, into one with room for the size. `None` if
/// `streamed` is any other header.
pub(super) fn widen_header(streamed: &[u8]) -> Option<[u8; HEADER_BYTES]> {
    match streamed.strip_prefix(&MAGIC)? {
        [CHECKSUM_FLAG, window_descriptor] => Some(open_header(*window_descriptor)),
        _ => None,
    }
}

/// Puts the content size into the header that `frame` begins with.
pub(super) fn set_content_size(frame: &mut [u8], content_bytes: u64) {
    if let Some(field) = frame.get_mut(CONTENT_SIZE_AT..HEADER_BYTES) {
        field.copy_from_slice(&content_bytes.to_le_bytes());
    }
}

/// Makes room for `more` bytes.
pub(super) fn make_room(frame: &mut Vec<u8>, more: usize) {
    let needed = frame.len() + more;
    if frame.capacity() < needed {
        let fitting = CAPACITIES.into_iter().find(|size| *size >= needed);
        let capacity = fitting.unwrap_or(needed + needed / 4);
        frame.reserve_exact(capacity - frame.len());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn streamed_header_becomes_one_with_eight_bytes_of_content_size() {
        let streamed = [0x28, 0xB5, 0x2F, 0xFD, 0b0000_0100, 0x48];
        let mut header = widen_header(&streamed).unwrap();
        set_content_size(&mut header, 0x0102_0304_0506_0708);
        assert_eq!(
            header,
            [
                0x28,
                0xB5,
                0x2F,
                0xFD,        // magic
                0b1100_0100, // 8-byte size, not single-segment, no dictionary, checksum
                0x48,        // the window descriptor stays where it was
                8,
                7,
                6,
                5,
                4,
                3,
                2,
                1, // and the size follows it
            ]
        );
    }

    #[test]
    fn header_of_any_other_kind_is_refused() {
        for streamed in [
            &[0x28, 0xB5, 0x2F, 0xFD, 0b0000_0000, 0x48][..], // no checksum
            &[0x28, 0xB5, 0x2F, 0xFD, 0b0010_0100, 0x48],     // single segment
            &[0x28, 0xB5, 0x2F, 0xFD, 0b0100_0100, 0x48, 1, 1], // has a size
            &[0x28, 0xB5, 0x2F, 0xFD, 0b0000_0101, 0x48, 9],  // dictionary
            &[0x28, 0xB5, 0x2F, 0xFE, 0b0000_0100, 0x48],     // not zstd
            &[0x28, 0xB5, 0x2F, 0xFD, 0b0000_0100],
            &[],
        ] {
            assert_eq!(widen_header(streamed), None, "{streamed:02x?}");
        }
    }

    #[test]
    fn memory_grows_in_few_steps() {
        let mut frame = Vec::new();
        let mut capacities = Vec::new();
        while frame.len() < 20 << 20 {
            make_room(&mut frame, 1 << 16);
            frame.resize(frame.len() + (1 << 16), 0);
            if capacities.last() != Some(&frame.capacity()) {
                capacities.push(frame.capacity());
            }
        }
        assert_eq!(capacities.len(), CAPACITIES.len() + 1);
        assert_eq!(capacities.get(..CAPACITIES.len()), Some(&CAPACITIES[..]));
    }
}
