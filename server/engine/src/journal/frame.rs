//! The bytes of a segment: its header, its frames, its seal and its trailer. See `docs/storage-format.md`.

use bytes::{Buf as _, BufMut as _, Bytes};

pub(super) const SEGMENT_HEADER: usize = 32;
pub(super) const FRAME_HEADER: usize = 40;
/// At the very end of a segment file.
pub(super) const TRAILER: usize = 32;
/// Bytes of a seal without its table.
const SEAL_FIXED: usize = FRAME_HEADER + 24;
const VERSION: u32 = 1;
const SEGMENT_MAGIC: u32 = u32::from_le_bytes(*b"FMQS");
const FRAME_MAGIC: u32 = u32::from_le_bytes(*b"FMQF");
const TRAILER_MAGIC: u32 = u32::from_le_bytes(*b"FMQT");

/// What a frame header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub len: u32,
    pub life: u64,
    pub commit: u64,
    pub prev: u64,
    pub prev_hash: u32,
    pub crc: u32,
}

/// Which segment this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentId {
    /// Its place in the order of segments.
    pub generation: u64,
    /// Drawn at random whenever a file becomes a segment. Only frames that carry it belong there: not what an earlier life
    /// of the file left, nor what somebody may have put into a message.
    pub life: u64,
}

fn with_crc(mut out: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c(&out);
    out.put_u32_le(crc);
    out
}

/// The bytes before the CRC that ends them, if it matches.
fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (covered, crc) = bytes.split_last_chunk::<4>()?;
    (crc32c::crc32c(covered) == u32::from_le_bytes(*crc)).then_some(covered)
}

/// Encodes a segment header.
pub(super) fn segment_header(id: SegmentId) -> Vec<u8> {
    let mut out = Vec::with_capacity(SEGMENT_HEADER);
    out.put_u32_le(SEGMENT_MAGIC);
    out.put_u32_le(VERSION);
    out.put_u64_le(id.generation);
    out.put_u64_le(id.life);
    out.put_u32_le(0);
    with_crc(out)
}

/// Which segment these bytes begin; none if they are no header.
pub(super) fn read_segment_header(bytes: &[u8]) -> Option<SegmentId> {
    let mut bytes = checked(bytes.get(..SEGMENT_HEADER)?)?;
    if bytes.get_u32_le() != SEGMENT_MAGIC || bytes.get_u32_le() != VERSION {
        return None;
    }
    Some(SegmentId { generation: bytes.get_u64_le(), life: bytes.get_u64_le() })
}

/// Encodes the trailer of a segment whose seal has `len` bytes at `at`.
pub(super) fn trailer(life: u64, at: u32, len: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(TRAILER);
    out.put_u32_le(TRAILER_MAGIC);
    out.put_u32_le(at);
    out.put_u64_le(life);
    out.put_u32_le(len);
    out.put_u64_le(0);
    with_crc(out)
}

/// Where the seal is; none if these bytes are no trailer of this segment.
pub(super) fn read_trailer(bytes: &[u8], life: u64) -> Option<(u32, u32)> {
    let mut bytes = checked(bytes.get(..TRAILER)?)?;
    let (magic, at) = (bytes.get_u32_le(), bytes.get_u32_le());
    (magic == TRAILER_MAGIC && bytes.get_u64_le() == life).then(|| (at, bytes.get_u32_le()))
}

/// What a segment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// The first frame's commit: the next ones have the numbers behind it.
    pub first: u64,
    /// The frame before the first, and its hash.
    pub prev: u64,
    pub prev_hash: u32,
    /// Hash of the last frame; of the one before the first if there is none.
    pub last_hash: u32,
    /// Where each frame begins.
    pub positions: Vec<u32>,
    /// Where the last one ends.
    pub end: u32,
}

/// Bytes of the seal of a segment with so many frames.
pub(super) fn seal_len(frames: usize) -> usize {
    SEAL_FIXED + 4 * frames
}

/// Appends a seal to `out`: a frame that names itself as its predecessor, with the segment's table.
pub(super) fn write_seal(out: &mut Vec<u8>, life: u64, table: &Table) {
    let mut body = Vec::with_capacity(24 + 4 * table.positions.len());
    body.put_u64_le(table.first);
    body.put_u64_le(table.prev);
    body.put_u32_le(table.prev_hash);
    body.put_u32_le(table.positions.len() as u32);
    table.positions.iter().for_each(|position| body.put_u32_le(*position));
    let newest = table.first + table.positions.len() as u64 - 1;
    let header =
        Header { len: body.len() as u32, life, commit: newest, prev: newest, prev_hash: table.last_hash, crc: 0 };
    write_frame(out, header, &[Bytes::from(body)]);
}

/// The table in the seal that is `bytes`, which lie at `end`; none if they are no whole seal of this segment.
pub(super) fn read_seal(bytes: &[u8], life: u64, end: u32) -> Option<Table> {
    let header = read_frame(bytes, life)?;
    let mut body = bytes.get(FRAME_HEADER..FRAME_HEADER + header.len as usize)?;
    if header.prev != header.commit || body.len() < 24 {
        return None;
    }
    let (first, prev, prev_hash) = (body.get_u64_le(), body.get_u64_le(), body.get_u32_le());
    let count = body.get_u32_le() as usize;
    if body.len() != count.checked_mul(4)? || first == 0 || (first - 1).checked_add(count as u64)? != header.commit {
        return None;
    }
    let positions: Vec<u32> = (0..count).map(|_| body.get_u32_le()).collect();
    let begins = positions.first().is_none_or(|first| *first == SEGMENT_HEADER as u32);
    let fits = |(at, next): (&u32, &u32)| at.checked_add(FRAME_HEADER as u32).is_some_and(|after| after <= *next);
    let is_whole = begins && positions.iter().zip(positions.iter().skip(1).chain([&end])).all(fits);
    is_whole.then_some(Table { first, prev, prev_hash, last_hash: header.prev_hash, positions, end })
}

/// Appends a frame to `out`; its CRC.
pub(super) fn write_frame(out: &mut Vec<u8>, header: Header, parts: &[Bytes]) -> u32 {
    let start = out.len();
    out.put_u32_le(FRAME_MAGIC);
    out.put_u32_le(header.len);
    out.put_u64_le(header.life);
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

/// Reads the frame that begins `bytes`: its header, if it is whole and of this segment.
pub(super) fn read_frame(bytes: &[u8], life: u64) -> Option<Header> {
    let mut head = bytes.get(..FRAME_HEADER)?;
    if head.get_u32_le() != FRAME_MAGIC {
        return None;
    }
    let header = Header {
        len: head.get_u32_le(),
        life: head.get_u64_le(),
        commit: head.get_u64_le(),
        prev: head.get_u64_le(),
        prev_hash: head.get_u32_le(),
        crc: head.get_u32_le(),
    };
    if header.life != life {
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
        Header { len, life: 3, commit: 9, prev: 8, prev_hash: 7, crc: 0 }
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
            prop_assert_eq!(read_trailer(&bytes, 0), None);
            prop_assert_eq!(read_seal(&bytes, 0, 90), None);
        }
    }

    proptest! {
        #[test]
        fn a_seal_comes_back_and_one_with_other_numbers_is_none(
            lens in prop::collection::vec(0u32..50, 0..20), first in 1u64..99, at in any::<prop::sample::Index>(), by in 1u32..99
        ) {
            let mut end = SEGMENT_HEADER as u32;
            let mut positions = Vec::new();
            for len in &lens {
                positions.push(end);
                end += FRAME_HEADER as u32 + len;
            }
            let mut table = Table { first, prev: first - 1, prev_hash: 4, last_hash: 5, positions, end };
            let seal = |table: &Table| {
                let mut out = Vec::new();
                write_seal(&mut out, 7, table);
                out
            };
            let bytes = seal(&table);
            prop_assert_eq!(bytes.len(), seal_len(lens.len()));
            prop_assert_eq!(read_seal(&bytes, 8, end), None);
            prop_assert_eq!(read_seal(&bytes, 7, end), Some(table.clone()));
            if !table.positions.is_empty() {
                let at = at.index(table.positions.len());
                table.positions[at] = table.positions[at].wrapping_sub(by);
                prop_assert!(at > 0 && by < 50 || read_seal(&seal(&table), 7, end).is_none());
            }
        }
    }

    #[test]
    fn a_segment_header_and_a_trailer_come_back() {
        let id = SegmentId { generation: 77, life: 78 };
        assert_eq!(read_segment_header(&segment_header(id)), Some(id));
        assert_eq!(read_trailer(&trailer(78, 5, 6), 78), Some((5, 6)));
        assert_eq!(read_trailer(&trailer(78, 5, 6), 77), None);
    }
}
