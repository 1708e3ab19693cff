//! The state as items, keys and values in order: what state images and the state directory hold, and what the digest is
//! made over.
//!
//! | Key | Value |
//! |---|---|
//! | `k` key | the value |
//! | `c` queue, log (u64, big-endian) | the cursor's page, or its begin |
//! | `d` queue, log, part (u64, big-endian) | what follows in a large one: see [`super::cursor_items`] |
//! | `l` log | first offset, end (varints) |
//! | `i` log, first offset (u64, big-endian) | an index page: see [`PageRef`] (varints) |
//! | `n` log, part | the newest batches that begin in 512 offsets |
//! | `e` queue | the commit in which the queue ended (varint) |
//! | `s` frame | bytes and number of the frames in the stretch that begins there (varints) |

use std::collections::BTreeMap;

use bytes::Bytes;
use ferrymq_core::codec::{self, Malformed};
use ferrymq_core::{CommitNo, LogId, Offset, QueueId};

use super::cursor_items::{self, Pages};
use super::entry::{self, Entry};
use super::ledger::Stretch;
use super::log_index::PageRef;
use super::op::Place;
use super::state::State;

/// Offsets whose newest batches are one item.
const PART_OFFSETS: u64 = 512;

/// One key and its value.
pub(super) type Item = (Bytes, Bytes);

pub(super) fn key(tag: u8, numbers: &[u64]) -> Bytes {
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
            cursor_items::put(*queue, *log, cursor, &mut items);
        }
        for (log, state) in &self.logs {
            items.push((key(b'l', &[log.0]), varints(&[state.first, state.end])));
            for (from, page) in &state.pages {
                items.push((key(b'i', &[log.0, *from]), page_item(page)));
            }
            for (part, batches) in parts(&state.newest) {
                items.push((key(b'n', &[log.0, part]), Bytes::from(entry::encode(batches))));
            }
        }
        for (queue, commit) in &self.ended {
            items.push((key(b'e', &[queue.0]), varints(&[commit.0])));
        }
        for (frame, stretch) in &self.ledger.stretches {
            items.push((key(b's', &[frame.0]), varints(&[stretch.written, stretch.frames])));
        }
        items.sort();
        items
    }

    /// The state that these items are.
    pub(super) fn from_items(applied: CommitNo, stretch_bytes: u64, items: Vec<Item>) -> Result<Self, Malformed> {
        let mut state = Self { applied, ..Self::new(stretch_bytes) };
        // What is accounted for comes after what it is accounted in.
        let (places, rest): (Vec<Item>, Vec<Item>) =
            items.into_iter().partition(|(key, _)| key.starts_with(b"i") || key.starts_with(b"n"));
        let mut pages = Pages::default();
        for (key, value) in rest.iter().chain(&places) {
            if !pages.take(key, value)? {
                state.take_item(key, value)?;
            }
        }
        state.cursors = pages.cursors()?;
        Ok(state)
    }

    fn take_item(&mut self, key: &Bytes, mut value: &[u8]) -> Result<(), Malformed> {
        let value = &mut value;
        match key.first() {
            Some(b'k') => {
                self.values.insert(key.slice(1..), Bytes::copy_from_slice(value));
            }
            Some(b'l') => {
                let [log] = numbers(key)?;
                let state = self.logs.entry(LogId(log)).or_default();
                (state.first, state.end) = (codec::take_varint(value)?, codec::take_varint(value)?);
            }
            Some(b'i') => {
                let [log, from] = numbers(key)?;
                let page = take_page(value)?;
                self.on_log(LogId(log), |log, ledger| log.adopt(from, page, ledger));
            }
            Some(b'n') => {
                let [log, _] = numbers(key)?;
                let batches = entry::decode(value)?;
                self.on_log(LogId(log), |log, ledger| {
                    batches.into_iter().for_each(|(base, entry)| log.put(base, Some(entry), ledger));
                });
            }
            Some(b'e') => {
                let [queue] = numbers(key)?;
                self.ended.insert(QueueId(queue), CommitNo(codec::take_varint(value)?));
            }
            Some(b's') => {
                let [frame] = numbers(key)?;
                let (written, frames) = (codec::take_varint(value)?, codec::take_varint(value)?);
                self.ledger.stretches.insert(CommitNo(frame), Stretch { written, frames, live: 0 });
            }
            _ => return Err(Malformed("an item of the state is of an unknown kind")),
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
    let lasting = items.iter().filter(|(key, _)| !key.starts_with(b"s"));
    lasting.fold(0xcbf2_9ce4_8422_2325, |digest, (key, value)| {
        let sums = [crc32c::crc32c(key), crc32c::crc32c(value), key.len() as u32, value.len() as u32];
        sums.iter()
            .flat_map(|sum| sum.to_le_bytes())
            .fold(digest, |digest: u64, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    })
}

fn parts(newest: &BTreeMap<Offset, Entry>) -> BTreeMap<u64, Vec<(&Offset, &Entry)>> {
    let mut parts: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    for batch in newest {
        parts.entry(batch.0 / PART_OFFSETS).or_default().push(batch);
    }
    parts
}

fn page_item(page: &PageRef) -> Bytes {
    let Place { frame, at, len, crc } = page.place;
    let mut out = vec![page.upto, frame.0, at.into(), len.into(), crc.into(), page.batches.into(), page.bytes];
    page.spread.iter().for_each(|(frame, weight)| out.extend([frame.0, *weight]));
    varints(&out)
}

fn take_page(input: &mut &[u8]) -> Result<PageRef, Malformed> {
    let mut number = || codec::take_varint(input);
    let narrow = |value: u64| u32::try_from(value).map_err(|_| Malformed("a place is beyond 32 bits"));
    let upto = number()?;
    let place =
        Place { frame: CommitNo(number()?), at: narrow(number()?)?, len: narrow(number()?)?, crc: narrow(number()?)? };
    let (batches, bytes) = (narrow(number()?)?, number()?);
    let mut spread = Vec::new();
    while !input.is_empty() {
        spread.push((CommitNo(codec::take_varint(input)?), codec::take_varint(input)?));
    }
    Ok(PageRef { upto, place, batches, bytes, spread: spread.into() })
}

/// The numbers behind a key's tag.
pub(super) fn numbers<const N: usize>(key: &[u8]) -> Result<[u64; N], Malformed> {
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
        fn random_items_never_panic(slice in prop::collection::vec(any::<u8>(), 0..100), tag in 0usize..8) {
            let mut items = Vec::new();
            let _ = take_items(&slice, &mut items);
            items.push((key(b'l', &[1]), varints(&[0, 9])));
            items.push((key(b"kcliensd"[tag], &[1, 2][..2 - usize::from(tag % 2 == 0)]), Bytes::from(slice)));
            let _ = State::from_items(CommitNo(1), 9, items);
        }
    }
}
