//! How messages that were given back stand: a table that may hold millions of them.
//!
//! It is made of pieces, one for each 64 offsets that have an entry: which of them do, and their numbers packed as varints.
//! Where entries stand beside each other one takes some seven bytes. What it holds alone decides how it is packed, so equal
//! tables are equal byte for byte.

use std::collections::BTreeMap;

use crate::codec;
use crate::settle::Retry;
use crate::{Millis, Offset};

/// Offsets of a piece: the bits of a mask.
pub const PIECE_OFFSETS: u64 = 64;

/// By offset: attempts, failures, and when a message may go out again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retries {
    pieces: BTreeMap<u64, Piece>,
    len: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    /// Which of its offsets have an entry: the lowest bit is the first.
    present: u64,
    /// The earliest time of its entries, from which theirs are counted.
    earliest: Millis,
    packed: Box<[u8]>,
}

/// The bits of `mask`, as places in a piece, in order.
pub fn bits(mut mask: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros())?;
        mask &= mask - 1;
        Some(bit)
    })
}

fn put(packed: &mut Vec<u8>, retry: Retry, earliest: Millis) {
    for number in [retry.attempts.into(), retry.failures.into(), retry.not_before_ms - earliest] {
        codec::put_varint(packed, number);
    }
}

impl Piece {
    fn pack(entries: &[(u32, Retry)]) -> Self {
        let earliest = entries.iter().map(|(_, retry)| retry.not_before_ms).min().unwrap_or(0);
        let mut packed = Vec::with_capacity(entries.len() * 6);
        entries.iter().for_each(|(_, retry)| put(&mut packed, *retry, earliest));
        Self { present: entries.iter().fold(0, |mask, (bit, _)| mask | 1 << bit), earliest, packed: packed.into() }
    }

    /// Adds an entry behind all others, if that needs no packing anew.
    fn push(&mut self, bit: u32, retry: Retry) -> bool {
        if self.present >> bit != 0 || retry.not_before_ms < self.earliest {
            return false;
        }
        let mut packed = std::mem::take(&mut self.packed).into_vec();
        put(&mut packed, retry, self.earliest);
        (self.present, self.packed) = (self.present | 1 << bit, packed.into());
        true
    }

    /// Its entries in order, with their places.
    fn entries(&self) -> impl Iterator<Item = (u32, Retry)> + '_ {
        let mut packed = &self.packed[..];
        let mut number = move || codec::take_varint(&mut packed).unwrap_or(0);
        bits(self.present).map(move |bit| {
            let (attempts, failures) = (number() as u32, number() as u32);
            (bit, Retry { attempts, failures, not_before_ms: self.earliest.saturating_add(number()) })
        })
    }
}

fn place(offset: Offset) -> (u64, u32) {
    (offset / PIECE_OFFSETS, (offset % PIECE_OFFSETS) as u32)
}

impl Retries {
    /// True if it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// How a message stands.
    #[must_use]
    pub fn get(&self, offset: Offset) -> Option<Retry> {
        let (piece, bit) = place(offset);
        let piece = self.pieces.get(&piece).filter(|piece| piece.present & (1 << bit) != 0)?;
        piece.entries().find(|(of, _)| *of == bit).map(|(_, retry)| retry)
    }

    /// Remembers how a message stands, in place of what was known of it.
    pub fn insert(&mut self, offset: Offset, retry: Retry) {
        let (number, bit) = place(offset);
        if self.pieces.get_mut(&number).is_some_and(|piece| piece.push(bit, retry)) {
            self.len += 1;
            return;
        }
        let mut entries: Vec<_> = self.pieces.get(&number).into_iter().flat_map(Piece::entries).collect();
        match entries.binary_search_by_key(&bit, |(of, _)| *of) {
            Ok(at) => entries[at].1 = retry,
            Err(at) => {
                entries.insert(at, (bit, retry));
                self.len += 1;
            }
        }
        self.pieces.insert(number, Piece::pack(&entries));
    }

    /// Forgets those of [from, to).
    pub fn remove(&mut self, from: Offset, to: Offset) {
        if self.is_empty() || from >= to {
            return;
        }
        let (first, last) = (place(from).0, place(to - 1).0);
        let hit = |(number, piece): (&u64, &Piece)| (piece.present & mask(*number, from, to) != 0).then_some(*number);
        let mut hits: Vec<u64> = Vec::new();
        hits.extend(self.pieces.range(first..=last).filter_map(hit));
        for number in hits {
            self.remove_from(number, mask(number, from, to));
        }
    }

    fn remove_from(&mut self, number: u64, mask: u64) {
        let Some(piece) = self.pieces.remove(&number) else { return };
        self.len -= (piece.present & mask).count_ones() as usize;
        if piece.present & !mask != 0 {
            let left: Vec<_> = piece.entries().filter(|(bit, _)| mask & (1 << bit) == 0).collect();
            self.pieces.insert(number, Piece::pack(&left));
        }
    }

    /// The last offset that has an entry.
    #[must_use]
    pub fn last_offset(&self) -> Option<Offset> {
        let (number, piece) = self.pieces.last_key_value()?;
        Some(number * PIECE_OFFSETS + u64::from(63 - piece.present.leading_zeros()))
    }

    /// All of it, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Offset, Retry)> + '_ {
        self.pieces.iter().flat_map(|(number, piece)| {
            let base = number * PIECE_OFFSETS;
            piece.entries().map(move |(bit, retry)| (base + u64::from(bit), retry))
        })
    }

    /// Those of one piece, with their places in it.
    pub fn of_piece(&self, number: u64) -> impl Iterator<Item = (u32, Retry)> + '_ {
        self.pieces.get(&number).into_iter().flat_map(Piece::entries)
    }
}

/// Which places of a piece lie in [from, to), which meets it.
fn mask(number: u64, from: Offset, to: Offset) -> u64 {
    let base = number * PIECE_OFFSETS;
    let above = u64::MAX << from.saturating_sub(base).min(63);
    let last = (to - 1 - base).min(63);
    above & (u64::MAX >> (63 - last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn retry() -> impl Strategy<Value = Retry> {
        (0u32..5, any::<u32>(), prop_oneof![0u64..9, any::<u64>()])
            .prop_map(|(attempts, failures, not_before_ms)| Retry { attempts, failures, not_before_ms })
    }

    proptest! {
        #[test]
        fn holds_what_a_plain_map_holds(
            steps in prop::collection::vec((0u64..300, 0u64..150, prop::option::of(retry())), 0..80)
        ) {
            let (mut retries, mut plain) = (Retries::default(), BTreeMap::new());
            for (from, len, retry) in steps {
                match retry {
                    Some(retry) => {
                        retries.insert(from, retry);
                        plain.insert(from, retry);
                    }
                    None => {
                        retries.remove(from, from + len);
                        plain.retain(|offset, _| !(from..from + len).contains(offset));
                    }
                }
                prop_assert!(retries.iter().eq(plain.iter().map(|(offset, retry)| (*offset, *retry))));
                prop_assert_eq!(retries.len(), plain.len());
                prop_assert_eq!(retries.last_offset(), plain.keys().last().copied());
                prop_assert!((0..310).all(|offset| retries.get(offset) == plain.get(&offset).copied()));
            }
            let mut again = Retries::default();
            plain.into_iter().rev().for_each(|(offset, retry)| again.insert(offset, retry));
            prop_assert_eq!(again, retries);
        }
    }

    #[test]
    fn the_largest_offset_is_one_like_others() {
        let mut retries = Retries::default();
        retries.insert(u64::MAX - 1, Retry::default());
        retries.remove(5, u64::MAX - 1);
        assert_eq!((retries.len(), retries.last_offset()), (1, Some(u64::MAX - 1)));
        retries.remove(0, u64::MAX);
        assert!(retries.is_empty());
    }

    #[test]
    fn a_million_beside_each_other_take_some_bytes_each() {
        let mut retries = Retries::default();
        for offset in 0..100_000 {
            let not_before_ms = 1_700_000_000_000 + offset * 7_919 % 1_000_000;
            retries.insert(offset, Retry { attempts: 3, failures: 2, not_before_ms });
        }
        let packed: usize = retries.pieces.values().map(|piece| piece.packed.len() + size_of::<Piece>() + 32).sum();
        assert!(packed <= 7 * 100_000, "{packed} bytes");
    }
}
