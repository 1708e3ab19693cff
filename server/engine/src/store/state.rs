//! What the store knows: where each batch lies, the values, the cursors, and which frames are still needed.
//!
//! It is made from the changes of each commit alone, in order, so the same frames give the same state.

use std::collections::BTreeMap;

use bytes::Bytes;
use ferrymq_core::cursor::Cursor;
use ferrymq_core::settle::SettleRecord;
use ferrymq_core::{CommitNo, LogId, Offset, QueueId};

use super::op::{Change, Place};
use super::{SETTLE_LOG, queue_of_key};

/// A stretch of frames is accounted for together: about so many bytes.
const STRETCH_BYTES: u64 = 8 << 20;

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

/// One log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LogState {
    pub first: Offset,
    pub end: Offset,
    pub bytes: u64,
    pub entries: BTreeMap<Offset, Entry>,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The newest commit that is applied.
    pub applied: CommitNo,
    pub logs: BTreeMap<LogId, LogState>,
    pub values: BTreeMap<Bytes, Bytes>,
    pub cursors: BTreeMap<(QueueId, LogId), Cursor>,
    /// Frames that were not given up yet, and the weight of live batches in each.
    pub frames: BTreeMap<CommitNo, u64>,
    /// Bytes written in each stretch of frames, by its first frame.
    pub stretches: BTreeMap<CommitNo, u64>,
    pub live_bytes: u64,
}

/// What a batch counts for in its frame. An empty one lives too.
fn weight(place: Place) -> u64 {
    u64::from(place.len) + 1
}

impl State {
    /// Applies one commit whose frame has `written` bytes. Settlements go first, so that the end of a queue in the same
    /// commit holds.
    pub(super) fn apply(&mut self, commit: CommitNo, changes: &[Change], settles: &[SettleRecord], written: u64) {
        self.note_frame(commit, written);
        for record in settles {
            self.cursors.entry((record.queue, record.log)).or_default().apply(&record.change);
        }
        for change in changes {
            self.change(commit, change);
        }
    }

    /// A frame of `written` bytes is there.
    pub(super) fn note_frame(&mut self, commit: CommitNo, written: u64) {
        self.applied = commit;
        self.frames.entry(commit).or_default();
        match self.stretches.last_entry() {
            Some(mut last) if *last.get() < STRETCH_BYTES => *last.get_mut() += written,
            _ => {
                self.stretches.insert(commit, written);
            }
        }
    }

    fn change(&mut self, commit: CommitNo, change: &Change) {
        match change {
            Change::Append { log, base, count, at, len, crc } => {
                let entry = (*log != SETTLE_LOG).then_some(Entry {
                    count: *count,
                    order: commit,
                    place: Place { frame: commit, at: *at, len: *len, crc: *crc },
                });
                self.put(*log, *base, entry);
                let state = self.logs.entry(*log).or_default();
                state.end = state.end.max(base + u64::from(*count));
            }
            Change::Replace { log, base, count, order, place } => {
                // A batch that was trimmed meanwhile stays away.
                if !self.logs.get(log).is_some_and(|state| state.entries.contains_key(base)) {
                    return;
                }
                let entry = place.map(|(at, len, crc)| Entry {
                    count: *count,
                    order: *order,
                    place: Place { frame: commit, at, len, crc },
                });
                self.put(*log, *base, entry);
            }
            Change::TrimTo { log, floor } => self.trim(*log, *floor),
            Change::Put { key, value } => {
                self.values.insert(key.clone(), value.clone());
            }
            Change::Delete { key } => match queue_of_key(key) {
                Some(queue) => self.cursors.retain(|(owner, _), _| *owner != queue),
                None => {
                    self.values.remove(key);
                }
            },
        }
    }

    pub(super) fn put(&mut self, log: LogId, base: Offset, entry: Option<Entry>) {
        let state = self.logs.entry(log).or_default();
        let old = match entry {
            Some(entry) => {
                state.bytes += u64::from(entry.place.len);
                state.entries.insert(base, entry)
            }
            None => state.entries.remove(&base),
        };
        if let Some(old) = old {
            state.bytes -= u64::from(old.place.len);
        }
        if let Some(entry) = entry {
            self.live_bytes += u64::from(entry.place.len);
            *self.frames.entry(entry.place.frame).or_default() += weight(entry.place);
        }
        if let Some(old) = old {
            self.release(old.place);
        }
    }

    fn release(&mut self, place: Place) {
        self.live_bytes = self.live_bytes.saturating_sub(place.len.into());
        if let Some(live) = self.frames.get_mut(&place.frame) {
            *live = live.saturating_sub(weight(place));
        }
    }

    fn trim(&mut self, log: LogId, floor: Offset) {
        let Some(state) = self.logs.get_mut(&log) else { return };
        let mut gone = Vec::new();
        while let Some(first) = state.entries.first_entry() {
            if first.key() + u64::from(first.get().count) > floor {
                break;
            }
            gone.push(first.remove().place);
        }
        state.bytes -= gone.iter().map(|place| u64::from(place.len)).sum::<u64>();
        state.first = state.first.max(floor.min(state.end));
        if floor == Offset::MAX {
            self.logs.remove(&log);
        }
        gone.into_iter().for_each(|place| self.release(place));
    }

    /// Batches of `log` from the one that holds `from` on.
    pub(super) fn entries_from(&self, log: LogId, from: Offset) -> impl Iterator<Item = (Offset, Entry)> + '_ {
        let entries = self.logs.get(&log).map(|state| &state.entries);
        let start = entries
            .and_then(|entries| entries.range(..=from).next_back())
            .filter(|(base, entry)| **base + u64::from(entry.count) > from)
            .map_or(from, |(base, _)| *base);
        entries.into_iter().flat_map(move |entries| entries.range(start..)).map(|(base, entry)| (*base, *entry))
    }

    /// Frames up to `upto` that hold nothing live are given up: these. `upto` must be covered by a durable state image.
    pub(super) fn give_up(&mut self, upto: CommitNo) -> Vec<CommitNo> {
        let dead: Vec<CommitNo> =
            self.frames.range(..=upto).filter(|(_, live)| **live == 0).map(|(commit, _)| *commit).collect();
        for commit in &dead {
            self.frames.remove(commit);
        }
        let ends: Vec<CommitNo> = self.stretches.keys().skip(1).copied().collect();
        for (start, end) in self.stretches.keys().copied().zip(ends).collect::<Vec<_>>() {
            if self.frames.range(start..end).next().is_none() {
                self.stretches.remove(&start);
            }
        }
        dead
    }

    /// Live batches of stretches that lie wholly below `upto` and are mostly dead, about `bytes_max` of them, by log.
    pub(super) fn worth_copying(&self, upto: CommitNo, bytes_max: u64) -> Vec<(LogId, Offset, Entry)> {
        let mut frames = Vec::new();
        let mut bytes = 0;
        for ((start, written), end) in self.stretches.iter().zip(self.stretches.keys().skip(1)) {
            let live: u64 = self.frames.range(*start..*end).map(|(_, live)| live).sum();
            if *end > upto || bytes >= bytes_max {
                break;
            }
            if live * 2 < *written {
                bytes += live;
                frames.push(*start..*end);
            }
        }
        let wanted = |entry: &Entry| frames.iter().any(|range| range.contains(&entry.place.frame));
        let of_log = |(log, state): (&LogId, &LogState)| {
            let log = *log;
            let found: Vec<_> = state.entries.iter().filter(|(_, entry)| wanted(entry)).collect();
            found.into_iter().map(|(base, entry)| (log, *base, *entry)).collect::<Vec<_>>()
        };
        if frames.is_empty() { Vec::new() } else { self.logs.iter().flat_map(of_log).collect() }
    }
}
