//! What is accounted for: live bytes, how large the index in memory is, and which frames are still needed.
//!
//! Frames are accounted for in stretches, not one by one, so that millions of them take little memory. A stretch is given
//! up as a whole; one that is mostly dead is emptied by copying what lives in it.

use std::collections::BTreeMap;
use std::ops::Range;

use ferrymq_core::CommitNo;

use super::entry::weight;
use super::op::Place;

/// Bytes in memory for a batch of the index's newest part, about.
const BATCH_BYTES: u64 = 80;
/// Bytes in memory for a reference to an index page, about.
const PAGE_BYTES: u64 = 128;
/// Bytes in memory for one stretch that a page's batches lie in.
const SPREAD_BYTES: u64 = 16;

/// Frames that lie behind each other, accounted for together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Bytes of the frames.
    pub written: u64,
    /// How many they are.
    pub frames: u64,
    /// Weight of what lives in them.
    pub live: u64,
}

/// All of it. What is held must be released with the same place or weight.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    /// A stretch ends when it has so many bytes.
    pub stretch_bytes: u64,
    /// By the first frame of each.
    pub stretches: BTreeMap<CommitNo, Stretch>,
    /// Bytes of batches that are kept.
    pub live_bytes: u64,
    /// Batches in the index's newest part.
    pub newest: u64,
    /// References to index pages.
    pub pages: u64,
    /// Batches in index pages.
    pub paged: u64,
    /// Stretches named in those references.
    pub spread: u64,
}

impl Ledger {
    /// A frame of `written` bytes is there.
    pub(super) fn note_frame(&mut self, commit: CommitNo, written: u64) {
        match self.stretches.last_entry() {
            Some(mut last) if last.get().written < self.stretch_bytes => {
                last.get_mut().written += written;
                last.get_mut().frames += 1;
            }
            _ => {
                self.stretches.insert(commit, Stretch { written, frames: 1, live: 0 });
            }
        }
    }

    /// A batch or an index page lives at `place`.
    pub(super) fn hold(&mut self, place: Place) {
        self.hold_weight(place.frame, weight(place.len));
    }

    /// It lives there no more.
    pub(super) fn release(&mut self, place: Place) {
        self.release_weight(place.frame, weight(place.len));
    }

    pub(super) fn hold_weight(&mut self, frame: CommitNo, weight: u64) {
        if let Some((_, stretch)) = self.stretches.range_mut(..=frame).next_back() {
            stretch.live = stretch.live.saturating_add(weight);
        }
    }

    pub(super) fn release_weight(&mut self, frame: CommitNo, weight: u64) {
        if let Some((_, stretch)) = self.stretches.range_mut(..=frame).next_back() {
            stretch.live = stretch.live.saturating_sub(weight);
        }
    }

    /// The first frame of the stretch that `frame` is in.
    pub(super) fn stretch_of(&self, frame: CommitNo) -> CommitNo {
        self.stretches.range(..=frame).next_back().map_or(CommitNo(0), |(start, _)| *start)
    }

    /// Frames that are kept.
    pub(super) fn frames(&self) -> u64 {
        self.stretches.values().map(|stretch| stretch.frames).sum()
    }

    /// Bytes that the index's newest part takes in memory, about.
    pub(super) fn newest_bytes(&self) -> u64 {
        Self::newest_bytes_of(self.newest)
    }

    /// Bytes that so many batches of it take, about.
    pub(super) fn newest_bytes_of(batches: u64) -> u64 {
        batches * BATCH_BYTES
    }

    /// Bytes that the references to index pages take in memory, about.
    pub(super) fn reference_bytes(&self) -> u64 {
        self.pages * PAGE_BYTES + self.spread * SPREAD_BYTES
    }

    /// Gives up the stretches that lie wholly at or below `upto` and hold nothing live: these. `upto` must be covered by a
    /// durable state image.
    pub(super) fn give_up(&mut self, upto: CommitNo) -> Vec<Range<CommitNo>> {
        let dead: Vec<_> = self.ended(upto).filter(|(_, stretch)| stretch.live == 0).map(|(range, _)| range).collect();
        for range in &dead {
            self.stretches.remove(&range.start);
        }
        dead
    }

    /// Stretches that lie wholly at or below `upto` and are mostly dead, with about `bytes_max` that live in them.
    pub(super) fn wasteful(&self, upto: CommitNo, bytes_max: u64) -> Vec<Range<CommitNo>> {
        let mut bytes = 0;
        let mostly_dead = self.ended(upto).filter(|(_, stretch)| stretch.live * 2 < stretch.written);
        let enough = mostly_dead.take_while(|(_, stretch)| {
            let goes_on = bytes < bytes_max;
            bytes += stretch.live;
            goes_on
        });
        enough.map(|(range, _)| range).collect()
    }

    /// Stretches whose last frame is at or below `upto`.
    fn ended(&self, upto: CommitNo) -> impl Iterator<Item = (Range<CommitNo>, &Stretch)> {
        let ends = self.stretches.keys().skip(1);
        let ended = self.stretches.iter().zip(ends).map(|((start, stretch), end)| (*start..*end, stretch));
        ended.take_while(move |(range, _)| range.end.0 <= upto.0.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_goes_as_a_whole_when_nothing_in_it_lives() {
        let mut ledger = Ledger { stretch_bytes: 100, ..Ledger::default() };
        for commit in 1..=10 {
            ledger.note_frame(CommitNo(commit), 50);
        }
        assert_eq!((ledger.stretches.len(), ledger.frames()), (5, 10));
        let place = Place { frame: CommitNo(4), at: 0, len: 10, crc: 0 };
        ledger.hold(place);
        assert_eq!(ledger.wasteful(CommitNo(4), 99), [CommitNo(1)..CommitNo(3), CommitNo(3)..CommitNo(5)]);
        assert_eq!(ledger.give_up(CommitNo(5)), [CommitNo(1)..CommitNo(3)]);
        ledger.release(place);
        assert_eq!(ledger.give_up(CommitNo(3)), [], "the commit 4 is above");
        assert_eq!(ledger.give_up(CommitNo(10)).len(), 3, "the last stretch is still written");
        assert_eq!((ledger.frames(), ledger.stretch_of(CommitNo(10))), (2, CommitNo(9)));
    }
}
