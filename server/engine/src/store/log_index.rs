//! One log: how far it goes, and where its batches lie.
//!
//! The newest batches are in memory one by one. The others are in index pages, which lie in frames as batches do; only
//! references to them are in memory. The offsets of two pages never overlap. A batch in a page that was replaced since is
//! among the newest again, and hides the page's.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use ferrymq_core::{CommitNo, Offset};

use super::entry::{Entries, Entry, weight};
use super::ledger::Ledger;
use super::op::Place;

/// A reference to an index page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PageRef {
    /// The offset behind its last batch.
    pub upto: Offset,
    /// Where the page lies.
    pub place: Place,
    /// Batches in it.
    pub batches: u32,
    /// Bytes of its batches, without those that were replaced since.
    pub bytes: u64,
    /// Their weight in each stretch of frames, by a frame of it.
    pub spread: Box<[(CommitNo, u64)]>,
}

impl PageRef {
    /// The reference to a page of `entries` that lies at `place`, and its first offset; none if nothing is in it.
    pub(super) fn new(place: Place, entries: &Entries, ledger: &Ledger) -> Option<(Offset, Self)> {
        let ((from, _), (last, entry)) = (entries.first()?, entries.last()?);
        let mut spread: BTreeMap<CommitNo, u64> = BTreeMap::new();
        for (_, entry) in entries {
            *spread.entry(ledger.stretch_of(entry.place.frame)).or_default() += weight(entry.place.len);
        }
        let bytes = entries.iter().map(|(_, entry)| u64::from(entry.place.len)).sum();
        let batches = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        Some((*from, Self { upto: entry.end(*last), place, batches, bytes, spread: spread.into_iter().collect() }))
    }

    fn hold(&self, ledger: &mut Ledger) {
        ledger.hold(self.place);
        self.spread.iter().for_each(|(frame, weight)| ledger.hold_weight(*frame, *weight));
        ledger.pages += 1;
        ledger.paged += u64::from(self.batches);
        ledger.spread += self.spread.len() as u64;
        ledger.live_bytes = ledger.live_bytes.saturating_add(self.bytes);
    }

    fn release(&self, ledger: &mut Ledger) {
        ledger.release(self.place);
        self.spread.iter().for_each(|(frame, weight)| ledger.release_weight(*frame, *weight));
        ledger.pages = ledger.pages.saturating_sub(1);
        ledger.paged = ledger.paged.saturating_sub(self.batches.into());
        ledger.spread = ledger.spread.saturating_sub(self.spread.len() as u64);
        ledger.live_bytes = ledger.live_bytes.saturating_sub(self.bytes);
    }

    /// One of its batches, of `len` bytes in `frame`, is not accounted for here any more.
    fn take_out(&mut self, frame: CommitNo, len: u32, ledger: &mut Ledger) {
        let stretch = ledger.stretch_of(frame);
        if let Some((frame, held)) = self.spread.iter_mut().find(|(held, _)| *held == stretch) {
            let taken = weight(len).min(*held);
            *held -= taken;
            ledger.release_weight(*frame, taken);
        }
        let bytes = u64::from(len).min(self.bytes);
        self.bytes -= bytes;
        ledger.live_bytes = ledger.live_bytes.saturating_sub(bytes);
    }
}

/// Index pages that were loaded, by where they lie.
#[derive(Debug, Default)]
pub(super) struct Loaded(HashMap<(CommitNo, u32), Arc<Entries>>);

impl Loaded {
    pub(super) fn insert(&mut self, place: Place, entries: Arc<Entries>) {
        self.0.insert((place.frame, place.at), entries);
    }

    fn get(&self, place: Place) -> Option<&Entries> {
        self.0.get(&(place.frame, place.at)).map(AsRef::as_ref)
    }
}

/// The index page that must be loaded to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing(pub Place);

/// One log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LogState {
    pub first: Offset,
    pub end: Offset,
    /// Bytes of all batches that are accounted for.
    pub held_bytes: u64,
    /// Batches that are in no page, and those that hide what a page says.
    pub newest: BTreeMap<Offset, Entry>,
    /// By first offset.
    pub pages: BTreeMap<Offset, PageRef>,
}

impl LogState {
    /// Bytes of the batches that are kept. Of the page that holds the first offset, the part below is estimated.
    pub(super) fn bytes(&self) -> u64 {
        let below = self.trimmed_page().map_or(0, |(_, page, part)| (page.bytes as f64 * part) as u64);
        self.held_bytes.saturating_sub(below)
    }

    /// The page that lies partly below the first offset, and how much of it does.
    pub(super) fn trimmed_page(&self) -> Option<(Offset, &PageRef, f64)> {
        let (from, page) = self.pages.first_key_value().filter(|(from, _)| **from < self.first)?;
        let part = (self.first - from) as f64 / page.upto.saturating_sub(*from).max(1) as f64;
        Some((*from, page, part.min(1.0)))
    }

    /// The offset behind the last page: what is among the newest from there on is in no page.
    pub(super) fn paged_upto(&self) -> Offset {
        self.pages.last_key_value().map_or(0, |(_, page)| page.upto)
    }

    /// The page that `offset` lies in.
    pub(super) fn page_of(&self, offset: Offset) -> Option<(Offset, &PageRef)> {
        let (from, page) = self.pages.range(..=offset).next_back()?;
        (offset < page.upto).then_some((*from, page))
    }

    /// Puts a batch among the newest, or takes one away.
    pub(super) fn put(&mut self, base: Offset, entry: Option<Entry>, ledger: &mut Ledger) {
        if let Some(entry) = entry {
            ledger.newest += 1;
            if !entry.is_gone() {
                ledger.live_bytes = ledger.live_bytes.saturating_add(entry.place.len.into());
                ledger.hold(entry.place);
            }
        }
        let old = match entry {
            Some(entry) => self.newest.insert(base, entry),
            None => self.newest.remove(&base),
        };
        if let Some(old) = old {
            forget(&old, ledger);
        }
    }

    /// Puts `new` in the place of the batch at `base`, which lay at `old` if a page holds it. What was trimmed or ended
    /// meanwhile stays away.
    pub(super) fn replace(&mut self, base: Offset, new: Entry, old: (CommitNo, u32), ledger: &mut Ledger) {
        if new.end(base) <= self.first {
            return;
        }
        let is_paged = self.page_of(base).is_some();
        match self.newest.get(&base) {
            Some(held) if held.is_gone() => return,
            None if !is_paged => return,
            Some(_) => {}
            None => {
                let page = self.pages.range_mut(..=base).next_back();
                page.into_iter().for_each(|(_, page)| page.take_out(old.0, old.1, ledger));
            }
        }
        self.put(base, (is_paged || !new.is_gone()).then_some(new), ledger);
    }

    /// Forgets the batches that end at or below `floor`.
    pub(super) fn trim(&mut self, floor: Offset, ledger: &mut Ledger) {
        self.first = self.first.max(floor.min(self.end));
        while let Some(page) = self.pages.first_entry().filter(|page| page.get().upto <= self.first) {
            page.remove().release(ledger);
        }
        while let Some(batch) = self.newest.first_entry().filter(|e| e.get().end(*e.key()) <= self.first) {
            forget(&batch.remove(), ledger);
        }
    }

    /// Puts `pages` in the place of all that begins in `range`.
    pub(super) fn reindex(
        &mut self,
        range: Range<Offset>,
        pages: impl IntoIterator<Item = (Offset, PageRef)>,
        ledger: &mut Ledger,
    ) {
        take_range(&mut self.newest, &range).iter().for_each(|entry| forget(entry, ledger));
        take_range(&mut self.pages, &range).iter().for_each(|page| page.release(ledger));
        for (from, page) in pages {
            self.adopt(from, page, ledger);
        }
    }

    pub(super) fn adopt(&mut self, from: Offset, page: PageRef, ledger: &mut Ledger) {
        page.hold(ledger);
        if let Some(old) = self.pages.insert(from, page) {
            old.release(ledger);
        }
    }

    /// All of it is forgotten.
    pub(super) fn end(self, ledger: &mut Ledger) {
        self.newest.values().for_each(|entry| forget(entry, ledger));
        self.pages.values().for_each(|page| page.release(ledger));
    }

    /// The batch that holds `from`, or else the next one.
    pub(super) fn next_from(&self, from: Offset, loaded: &Loaded) -> Result<Option<(Offset, Entry)>, Missing> {
        let from = from.max(self.first);
        let newest = self.newest_from(from);
        match self.paged_from(from, newest.map_or(Offset::MAX, |(base, _)| base), loaded)? {
            Some(paged) if newest.is_none_or(|(base, _)| paged.0 < base) => Ok(Some(paged)),
            _ => Ok(newest),
        }
    }

    /// The batch at exactly `base`.
    pub(super) fn at(&self, base: Offset, loaded: &Loaded) -> Result<Option<Entry>, Missing> {
        Ok(self.next_from(base, loaded)?.filter(|(found, _)| *found == base).map(|(_, entry)| entry))
    }

    fn newest_from(&self, from: Offset) -> Option<(Offset, Entry)> {
        let holds = self.newest.range(..from).next_back().filter(|(base, entry)| entry.end(**base) > from);
        let there = holds.into_iter().chain(self.newest.range(from..)).find(|(_, entry)| !entry.is_gone());
        there.map(|(base, entry)| (*base, *entry))
    }

    /// The next batch of a page, as long as pages begin below `before`.
    fn paged_from(&self, from: Offset, before: Offset, loaded: &Loaded) -> Result<Option<(Offset, Entry)>, Missing> {
        let start = self.page_of(from).map_or(from, |(start, _)| start);
        for (_, page) in self.pages.range(start..).take_while(|(start, _)| **start < before) {
            let entries = loaded.get(page.place).ok_or(Missing(page.place))?;
            let behind = entries.partition_point(|(base, entry)| entry.end(*base) <= from);
            let next = entries[behind..].iter().find(|(base, _)| !self.newest.contains_key(base));
            if let Some(next) = next {
                return Ok(Some(*next));
            }
        }
        Ok(None)
    }
}

fn forget(entry: &Entry, ledger: &mut Ledger) {
    ledger.newest = ledger.newest.saturating_sub(1);
    if !entry.is_gone() {
        ledger.live_bytes = ledger.live_bytes.saturating_sub(entry.place.len.into());
        ledger.release(entry.place);
    }
}

fn take_range<T>(map: &mut BTreeMap<Offset, T>, range: &Range<Offset>) -> Vec<T> {
    if range.start >= range.end {
        return Vec::new();
    }
    let within: Vec<Offset> = map.range(range.clone()).map(|(base, _)| *base).collect();
    within.iter().filter_map(|base| map.remove(base)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(frame: u64, len: u32) -> Entry {
        Entry { count: 1, order: CommitNo(1), place: Place { frame: CommitNo(frame), at: 0, len, crc: 0 } }
    }

    /// Batches of 10 bytes at 0..4, two in each of two stretches, in a page in the third.
    fn paged() -> (LogState, Ledger, Loaded) {
        let mut ledger = Ledger { stretch_bytes: 1, ..Ledger::default() };
        (1..=4).for_each(|frame| ledger.note_frame(CommitNo(frame), 100));
        let entries: Entries = (0..4).map(|base| (base, entry(1 + base / 2, 10))).collect();
        let mut log = LogState { end: 4, ..LogState::default() };
        entries.iter().for_each(|(base, entry)| log.put(*base, Some(*entry), &mut ledger));
        let place = Place { frame: CommitNo(3), at: 0, len: 50, crc: 0 };
        let page = PageRef::new(place, &entries, &ledger).unwrap();
        let mut loaded = Loaded::default();
        log.reindex(0..4, [page], &mut ledger);
        loaded.insert(place, Arc::new(entries));
        (log, ledger, loaded)
    }

    fn live(ledger: &Ledger) -> Vec<u64> {
        ledger.stretches.values().map(|stretch| stretch.live).collect()
    }

    #[test]
    fn a_batch_of_a_page_that_is_replaced_is_accounted_for_where_it_lies_now() {
        let (mut log, mut ledger, loaded) = paged();
        assert_eq!((live(&ledger), ledger.live_bytes), (vec![2 * weight(10), 2 * weight(10), weight(50), 0], 40));
        log.replace(1, entry(4, 7), (CommitNo(1), 10), &mut ledger);
        log.replace(2, Entry::gone(1), (CommitNo(2), 10), &mut ledger);
        log.replace(2, entry(4, 9), (CommitNo(2), 10), &mut ledger);
        log.replace(9, entry(4, 9), (CommitNo(1), 10), &mut ledger);
        assert_eq!((live(&ledger), ledger.live_bytes), (vec![weight(10), weight(10), weight(50), weight(7)], 27));
        let found = |base| log.at(base, &loaded).unwrap().map(|entry| entry.place.len);
        assert_eq!([0, 1, 2, 3, 4].map(found), [Some(10), Some(7), None, Some(10), None]);
        assert_eq!(log.next_from(2, &loaded).unwrap().map(|(base, _)| base), Some(3));
        assert_eq!(log.next_from(2, &Loaded::default()), Err(Missing(log.pages[&0].place)));
        log.trim(4, &mut ledger);
        assert_eq!((live(&ledger), ledger.live_bytes, ledger.newest, ledger.pages), (vec![0; 4], 0, 0, 0));
    }

    #[test]
    fn of_a_page_that_is_partly_trimmed_nothing_below_is_found() {
        let (mut log, mut ledger, loaded) = paged();
        log.trim(3, &mut ledger);
        assert_eq!(log.next_from(0, &loaded).unwrap().map(|(base, _)| base), Some(3));
        assert_eq!(log.trimmed_page().map(|(from, _, part)| (from, part)), Some((0, 0.75)));
        log.replace(2, entry(4, 7), (CommitNo(2), 10), &mut ledger);
        assert_eq!(log.at(2, &loaded).unwrap(), None, "a copy does not bring back what was trimmed");
    }
}
