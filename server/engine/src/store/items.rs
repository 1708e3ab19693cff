//! The state as items, keys and values in order: what state images and the state directory hold, and what the digest is
//! made over.
//!
//! | Key | Value |
//! |---|---|
//! | `k` key | the value |
//! | `c` queue, log (u64, big-endian) | the cursor's page |
//! | `l` log | first offset, end (varints) |
//! | `i` log, page (u64, big-endian) | batches that begin in 512 offsets: base, count, order, frame, at, len, CRC (varints) |
//! | `f` page | frames that are kept (varints) |
//! | `s` frame | bytes written in the stretch that begins there (varint) |

use std::collections::BTreeMap;

use bytes::Bytes;
use ferrymq_core::codec::{self, Malformed};
use ferrymq_core::cursor::Cursor;
use ferrymq_core::{CommitNo, LogId, Offset, QueueId};

use super::op::Place;
use super::state::{Entry, State};

/// Offsets in one page of the index.
const PAGE_OFFSETS: u64 = 512;
/// Commit numbers in one page of frames.
const PAGE_FRAMES: u64 = 1024;

/// One key and its value.
pub(super) type Item = (Bytes, Bytes);

fn key(tag: u8, numbers: &[u64]) -> Bytes {
    let mut out = vec![tag];
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
    Bytes::from(out)
}

fn varints(numbers: &[u64]) -> Bytes {
    let mut out = Vec::new();
    numbers.iter().for_each(|number| codec::put_varint(&mut out, *number));
    Bytes::from(out)
}

impl State {
    /// All of it as items, in order of their keys.
    pub(super) fn items(&self) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        for (name, value) in &self.values {
            items.push((Bytes::from([b"k".as_slice(), name].concat()), value.clone()));
        }
        for ((queue, log), cursor) in &self.cursors {
            items.push((key(b'c', &[queue.0, log.0]), cursor.encode()));
        }
        for (log, state) in &self.logs {
            items.push((key(b'l', &[log.0]), varints(&[state.first, state.end])));
            for (page, bytes) in pages(&state.entries) {
                items.push((key(b'i', &[log.0, page]), Bytes::from(bytes)));
            }
        }
        let mut frames: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for frame in self.frames.keys() {
            codec::put_varint(frames.entry(frame.0 / PAGE_FRAMES).or_default(), frame.0);
        }
        items.extend(frames.into_iter().map(|(page, bytes)| (key(b'f', &[page]), Bytes::from(bytes))));
        items.extend(self.stretches.iter().map(|(frame, written)| (key(b's', &[frame.0]), varints(&[*written]))));
        items.sort();
        items
    }

    /// The state that these items are.
    pub(super) fn from_items(applied: CommitNo, items: Vec<Item>) -> Result<Self, Malformed> {
        let mut state = Self { applied, ..Self::default() };
        let (batches, rest): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|(key, _)| key.starts_with(b"i"));
        for (key, value) in rest {
            state.take_item(&key, &value)?;
        }
        for (key, value) in batches {
            state.take_page(&key, &value)?;
        }
        Ok(state)
    }

    fn take_item(&mut self, key: &Bytes, mut value: &[u8]) -> Result<(), Malformed> {
        match key.first() {
            Some(b'k') => {
                self.values.insert(key.slice(1..), Bytes::copy_from_slice(value));
            }
            Some(b'c') => {
                let [queue, log] = numbers(key)?;
                self.cursors.insert((QueueId(queue), LogId(log)), Cursor::decode(value)?);
            }
            Some(b'l') => {
                let [log] = numbers(key)?;
                let state = self.logs.entry(LogId(log)).or_default();
                (state.first, state.end) = (codec::take_varint(&mut value)?, codec::take_varint(&mut value)?);
            }
            Some(b'f') => {
                while !value.is_empty() {
                    self.frames.insert(CommitNo(codec::take_varint(&mut value)?), 0);
                }
            }
            Some(b's') => {
                let [frame] = numbers(key)?;
                self.stretches.insert(CommitNo(frame), codec::take_varint(&mut value)?);
            }
            _ => return Err(Malformed("an item of the state is of an unknown kind")),
        }
        Ok(())
    }

    fn take_page(&mut self, key: &[u8], mut value: &[u8]) -> Result<(), Malformed> {
        let [log, _] = numbers(key)?;
        while !value.is_empty() {
            let (base, entry) = take_entry(&mut value)?;
            self.put(LogId(log), base, Some(entry));
        }
        Ok(())
    }

    /// A number that two states share only if they are the same (frames that may be given up apart).
    pub(super) fn digest(&self) -> u64 {
        digest(&self.items())
    }
}

/// The digest of items. FNV-1a, as it is the same everywhere and for good.
pub(super) fn digest(items: &[Item]) -> u64 {
    let lasting = items.iter().filter(|(key, _)| !key.starts_with(b"f") && !key.starts_with(b"s"));
    lasting.fold(0xcbf2_9ce4_8422_2325, |digest, (key, value)| {
        let sums = [crc32c::crc32c(key), crc32c::crc32c(value), key.len() as u32, value.len() as u32];
        sums.iter()
            .flat_map(|sum| sum.to_le_bytes())
            .fold(digest, |digest: u64, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    })
}

fn pages(entries: &BTreeMap<Offset, Entry>) -> BTreeMap<u64, Vec<u8>> {
    let mut pages: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for (base, Entry { count, order, place }) in entries {
        let page = pages.entry(base / PAGE_OFFSETS).or_default();
        let place = [place.frame.0, place.at.into(), place.len.into(), place.crc.into()];
        for number in [*base, (*count).into(), order.0].into_iter().chain(place) {
            codec::put_varint(page, number);
        }
    }
    pages
}

fn take_entry(input: &mut &[u8]) -> Result<(Offset, Entry), Malformed> {
    let mut number = || codec::take_varint(input);
    let narrow = |value: u64| u32::try_from(value).map_err(|_| Malformed("a place is beyond 32 bits"));
    let base = number()?;
    let (count, order) = (narrow(number()?)?, CommitNo(number()?));
    base.checked_add(count.into()).ok_or(Malformed("an offset is beyond 64 bits"))?;
    let place =
        Place { frame: CommitNo(number()?), at: narrow(number()?)?, len: narrow(number()?)?, crc: narrow(number()?)? };
    Ok((base, Entry { count, order, place }))
}

/// The numbers behind a key's tag.
fn numbers<const N: usize>(key: &[u8]) -> Result<[u64; N], Malformed> {
    const WRONG: Malformed = Malformed("a key of the state has the wrong length");
    let mut out = [0; N];
    let bytes = key.get(1..).filter(|bytes| bytes.len() == N * 8).ok_or(WRONG)?;
    for (number, bytes) in out.iter_mut().zip(bytes.chunks_exact(8)) {
        *number = u64::from_be_bytes(bytes.try_into().map_err(|_| WRONG)?);
    }
    Ok(out)
}

/// Items one behind the other, in slices of about `bytes_max`.
pub(super) fn slices(items: &[Item], bytes_max: usize) -> Vec<Bytes> {
    let mut slices = Vec::new();
    let mut slice = Vec::new();
    for (key, value) in items {
        codec::put_bytes(&mut slice, key);
        codec::put_bytes(&mut slice, value);
        if slice.len() >= bytes_max {
            slices.push(Bytes::from(std::mem::take(&mut slice)));
        }
    }
    if !slice.is_empty() {
        slices.push(Bytes::from(slice));
    }
    slices
}

/// The items of one slice.
pub(super) fn take_items(mut slice: &[u8], items: &mut Vec<Item>) -> Result<(), Malformed> {
    while !slice.is_empty() {
        let key = Bytes::copy_from_slice(codec::take_bytes(&mut slice)?);
        items.push((key, Bytes::copy_from_slice(codec::take_bytes(&mut slice)?)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn random_items_never_panic(slice in prop::collection::vec(any::<u8>(), 0..100), tag in 0usize..6) {
            let mut items = Vec::new();
            let _ = take_items(&slice, &mut items);
            items.push((key(b"kclifs"[tag], &[1, 2]), Bytes::from(slice)));
            let _ = State::from_items(CommitNo(1), items);
        }
    }
}
