//! The bytes of a segment: its header, and its frames.
//!
//! Segment header, 32 bytes, little-endian: magic `FMQS`, version (u32 = 1), generation (u64), reserved (u64), 0 (u32),
//! CRC32C of the 28 bytes before. Frame header, 40 bytes: magic `FMQF`, body length (u32), generation (u64), commit
//! number (u64), predecessor (u64), predecessor's CRC (u32), CRC32C of the 36 bytes before and the body.

use bytes::{Buf as _, BufMut as _, Bytes};

pub(super) const SEGMENT_HEADER: usize = 32;
pub(super) const FRAME_HEADER: usize = 40;
const VERSION: u32 = 1;
const SEGMENT_MAGIC: u32 = u32::from_le_bytes(*b"FMQS");
const FRAME_MAGIC: u32 = u32::from_le_bytes(*b"FMQF");

/// What a frame header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub len: u32,
    pub generation: u64,
    pub commit: u64,
    pub prev: u64,
    pub prev_hash: u32,
    pub crc: u32,
}

/// Encodes a segment header.
pub(super) fn segment_header(generation: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(SEGMENT_HEADER);
    out.put_u32_le(SEGMENT_MAGIC);
    out.put_u32_le(VERSION);
    out.put_u64_le(generation);
    out.put_u64_le(0);
    out.put_u32_le(0);
    let crc = crc32c::crc32c(&out);
    out.put_u32_le(crc);
    out
}

/// The generation of a segment; none if these bytes are no header.
pub(super) fn read_segment_header(mut bytes: &[u8]) -> Option<u64> {
    let (covered, rest) = bytes.split_at_checked(SEGMENT_HEADER - 4)?;
    let crc = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?);
    if crc32c::crc32c(covered) != crc || bytes.get_u32_le() != SEGMENT_MAGIC || bytes.get_u32_le() != VERSION {
        return None;
    }
    Some(bytes.get_u64_le())
}

/// Appends a frame to `out`; its CRC.
pub(super) fn write_frame(out: &mut Vec<u8>, header: Header, parts: &[Bytes]) -> u32 {
    let start = out.len();
    out.put_u32_le(FRAME_MAGIC);
    out.put_u32_le(header.len);
    out.put_u64_le(header.generation);
    out.put_u64_le(header.commit);
    out.put_u64_le(header.prev);
    out.put_u32_le(header.prev_hash);
    let crc_at = out.len();
    out.put_u32_le(0);
    let mut crc = crc32c::crc32c(&out[start..crc_at]);
    for part in parts {
        crc = crc32c::crc32c_append(crc, part);
        out.extend_from_slice(part);
    }
    out[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
    crc
}

/// Reads the frame that begins `bytes`: its header, if it is whole and of this generation.
pub(super) fn read_frame(bytes: &[u8], generation: u64) -> Option<Header> {
    let mut head = bytes.get(..FRAME_HEADER)?;
    if head.get_u32_le() != FRAME_MAGIC {
        return None;
    }
    let header = Header {
        len: head.get_u32_le(),
        generation: head.get_u64_le(),
        commit: head.get_u64_le(),
        prev: head.get_u64_le(),
        prev_hash: head.get_u32_le(),
        crc: head.get_u32_le(),
    };
    if header.generation != generation {
        return None;
    }
    let end = FRAME_HEADER.checked_add(header.len as usize)?;
    let body = bytes.get(FRAME_HEADER..end)?;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..FRAME_HEADER - 4]), body);
    (crc == header.crc).then_some(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(len: u32) -> Header {
        Header { len, generation: 3, commit: 9, prev: 8, prev_hash: 7, crc: 0 }
    }

    proptest! {
        #[test]
        fn a_frame_comes_back_and_any_changed_bit_is_seen(body in prop::collection::vec(any::<u8>(), 0..80), bit in any::<u32>()) {
            let mut out = Vec::new();
            let crc = write_frame(&mut out, header(body.len() as u32), &[Bytes::from(body)]);
            prop_assert_eq!(read_frame(&out, 3), Some(Header { crc, ..header(out.len() as u32 - 40) }));
            prop_assert_eq!(read_frame(&out, 4), None);
            let bit = bit as usize % (out.len() * 8);
            out[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(read_frame(&out, 3), None);
        }

        #[test]
        fn other_bytes_are_no_frame_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(read_frame(&bytes, 0), None);
            prop_assert_eq!(read_segment_header(&bytes), None);
        }
    }

    #[test]
    fn a_segment_header_comes_back() {
        assert_eq!(read_segment_header(&segment_header(77)), Some(77));
    }
}
