//! A batch in the index, and lists of them as they lie in index pages and state images.

use bytes::BufMut as _;
use ferrymq_core::codec::{self, Malformed};
use ferrymq_core::{CommitNo, Offset};

use super::op::Place;

/// A batch in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Records in it.
    pub count: u32,
    /// The commit it was appended with: its place in the order, also after it was copied.
    pub order: CommitNo,
    /// Where it lies now.
    pub place: Place,
}

/// Batches by their first offset, ascending.
pub(super) type Entries = Vec<(Offset, Entry)>;

/// What a batch of `len` bytes counts for in its stretch of frames: with what its operation takes there, so that a stretch
/// of tiny batches that all live is not taken for a mostly dead one.
pub(super) fn weight(len: u32) -> u64 {
    /// About the bytes of an operation besides its batch.
    const FIELDS_BYTES: u64 = 16;
    u64::from(len) + FIELDS_BYTES
}

impl Entry {
    /// Stands for a batch in an index page that was replaced by nothing.
    pub(super) fn gone(count: u32) -> Self {
        Self { count, order: CommitNo(0), place: Place { frame: CommitNo(0), at: 0, len: 0, crc: 0 } }
    }

    /// True if nothing is there. No frame has the number 0.
    pub(super) fn is_gone(&self) -> bool {
        self.place.frame == CommitNo(0)
    }

    /// The offset behind its last record, if it begins at `base`.
    pub(super) fn end(&self, base: Offset) -> Offset {
        base.saturating_add(self.count.into())
    }
}

/// Each as differences from the one before it: a batch that follows its neighbour in the same log and frame takes 12 bytes.
pub(super) fn encode<'a>(entries: impl IntoIterator<Item = (&'a Offset, &'a Entry)>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut before = (0, Entry::gone(0));
    for (&base, &entry) in entries {
        codec::put_varint(&mut out, base.wrapping_sub(before.0));
        codec::put_varint(&mut out, entry.count.into());
        codec::put_varint(&mut out, difference(entry.order.0, before.1.order.0));
        codec::put_varint(&mut out, difference(entry.place.frame.0, before.1.place.frame.0));
        let at = if follows(&before.1.place, &entry.place) { 0 } else { u64::from(entry.place.at) + 1 };
        codec::put_varint(&mut out, at);
        codec::put_varint(&mut out, entry.place.len.into());
        out.put_u32_le(entry.place.crc);
        before = (base, entry);
    }
    out
}

/// All that [`encode`] wrote; they ascend.
pub(super) fn decode(mut input: &[u8]) -> Result<Entries, Malformed> {
    let mut entries = Entries::new();
    let mut before = (0, Entry::gone(0));
    while !input.is_empty() {
        before = take(&mut input, &before)?;
        if entries.last().is_some_and(|(base, _)| *base >= before.0) {
            return Err(Malformed("batches are out of order"));
        }
        entries.push(before);
    }
    Ok(entries)
}

fn take(input: &mut &[u8], (base, before): &(Offset, Entry)) -> Result<(Offset, Entry), Malformed> {
    const BEYOND: Malformed = Malformed("a place is beyond 32 bits");
    let base = base.wrapping_add(codec::take_varint(input)?);
    let count = small(codec::take_varint(input)?)?;
    base.checked_add(count.into()).ok_or(Malformed("an offset is beyond 64 bits"))?;
    let order = CommitNo(changed(before.order.0, codec::take_varint(input)?));
    let frame = CommitNo(changed(before.place.frame.0, codec::take_varint(input)?));
    let at = match codec::take_varint(input)? {
        0 => before.place.at.checked_add(before.place.len).ok_or(BEYOND)?,
        at => small(at - 1)?,
    };
    let len = small(codec::take_varint(input)?)?;
    at.checked_add(len).ok_or(BEYOND)?;
    let crc = codec::take(input, 4)?;
    let crc = u32::from_le_bytes([crc[0], crc[1], crc[2], crc[3]]);
    Ok((base, Entry { count, order, place: Place { frame, at, len, crc } }))
}

fn follows(before: &Place, next: &Place) -> bool {
    before.frame == next.frame && before.at.checked_add(before.len) == Some(next.at)
}

fn small(number: u64) -> Result<u32, Malformed> {
    u32::try_from(number).map_err(|_| Malformed("a number is beyond 32 bits"))
}

/// A difference up or down, small ones first (zigzag).
fn difference(number: u64, before: u64) -> u64 {
    let signed = number.wrapping_sub(before) as i64;
    ((signed << 1) ^ (signed >> 63)) as u64
}

fn changed(before: u64, difference: u64) -> u64 {
    let signed = (difference >> 1) as i64 ^ -((difference & 1) as i64);
    before.wrapping_add(signed as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    fn entry() -> impl Strategy<Value = Entry> {
        let numbers = (any::<u64>(), any::<u64>(), any::<u32>(), 0..u32::MAX / 2, 0..u32::MAX / 2, any::<u32>());
        numbers.prop_map(|(order, frame, count, at, len, crc)| Entry {
            count,
            order: CommitNo(order),
            place: Place { frame: CommitNo(frame), at, len, crc },
        })
    }

    proptest! {
        #[test]
        fn lists_come_back(entries in prop::collection::btree_map(0u64..1 << 60, entry(), 0..20)) {
            let entries: BTreeMap<Offset, Entry> = entries;
            prop_assert_eq!(decode(&encode(&entries)).unwrap(), entries.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(entries) = decode(&bytes) {
                prop_assert!(entries.windows(2).all(|pair| pair[0].0 < pair[1].0));
            }
        }
    }

    #[test]
    fn neighbours_are_small() {
        let place = |nth: u32| Place { frame: CommitNo(70_000), at: 100 + nth * 1_000, len: 1_000, crc: nth };
        let entries: Entries = (0..512)
            .map(|nth| (u64::from(nth), Entry { count: 1, order: CommitNo(70_000), place: place(nth) }))
            .collect();
        let bytes = encode(entries.iter().map(|(base, entry)| (base, entry)));
        assert!(bytes.len() < 512 * 12, "{}", bytes.len());
        assert_eq!(decode(&bytes).unwrap(), entries);
    }
}
