//! What the store knows: the logs, the values, the cursors, and what frames are still needed for.
//!
//! It is made from the frames alone, in order, so the same frames give the same state.

use std::collections::BTreeMap;

use bytes::Bytes;
use ferrymq_core::cursor::Cursor;
use ferrymq_core::settle::SettleRecord;
use ferrymq_core::{CommitNo, LogId, Offset, QueueId};

use super::body::Reindex;
use super::entry::Entry;
use super::ledger::Ledger;
use super::log_index::{LogState, PageRef};
use super::op::{Change, Place};
use super::{SETTLE_LOG, queue_of_key};

/// So many ended queues are remembered: settlements that were under way when a queue ended come at most some commits later.
const ENDED_QUEUES_MAX: usize = 4_096;

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The newest commit that is applied.
    pub applied: CommitNo,
    pub logs: BTreeMap<LogId, LogState>,
    pub values: BTreeMap<Bytes, Bytes>,
    pub cursors: BTreeMap<(QueueId, LogId), Cursor>,
    /// Queues whose cursors ended, and when: they get no new ones.
    pub ended: BTreeMap<QueueId, CommitNo>,
    pub ledger: Ledger,
}

impl State {
    /// Nothing yet. Frames are accounted for in stretches of about so many bytes.
    pub(super) fn new(stretch_bytes: u64) -> Self {
        Self { ledger: Ledger { stretch_bytes, ..Ledger::default() }, ..Self::default() }
    }

    /// Applies one commit, whose frames were noted: what each of them holds. The last one gives the commit its number.
    /// Settlements go first, so that the end of a queue in the same commit holds.
    pub(super) fn apply<'a>(
        &mut self,
        commit: CommitNo,
        frames: impl IntoIterator<Item = (CommitNo, &'a [Change])>,
        settles: &[SettleRecord],
    ) {
        for record in settles.iter().filter(|record| !self.ended.contains_key(&record.queue)) {
            self.cursors.entry((record.queue, record.log)).or_default().apply(&record.change);
        }
        for (frame, changes) in frames {
            changes.iter().for_each(|change| self.change(commit, frame, change));
        }
    }

    /// A frame of `written` bytes is there.
    pub(super) fn note_frame(&mut self, commit: CommitNo, written: u64) {
        self.applied = commit;
        self.ledger.note_frame(commit, written);
    }

    /// Applies a frame of index pages, which was noted.
    pub(super) fn reindex(&mut self, commit: CommitNo, parts: &[Reindex]) {
        for part in parts {
            let ledger = &self.ledger;
            let page = |(at, len, crc, entries): &(u32, u32, u32, _)| {
                PageRef::new(Place { frame: commit, at: *at, len: *len, crc: *crc }, entries, ledger)
            };
            let pages: Vec<_> = part.pages.iter().filter_map(page).collect();
            self.on_log(part.log, |log, ledger| log.reindex(part.from..part.upto, pages, ledger));
        }
    }

    /// Changes a log that is there.
    pub(super) fn on_log(&mut self, log: LogId, change: impl FnOnce(&mut LogState, &mut Ledger)) {
        let Some(state) = self.logs.get_mut(&log) else { return };
        let before = self.ledger.live_bytes;
        change(state, &mut self.ledger);
        state.held_bytes = state.held_bytes.saturating_add(self.ledger.live_bytes).saturating_sub(before);
    }

    fn change(&mut self, commit: CommitNo, frame: CommitNo, change: &Change) {
        match change {
            Change::Append { log, base, count, at, len, crc } => {
                let place = Place { frame, at: *at, len: *len, crc: *crc };
                self.append(*log, *base, Entry { count: *count, order: commit, place });
            }
            Change::Replace { log, base, count, order, old, place } => {
                let new = place.map_or(Entry::gone(*count), |(at, len, crc)| Entry {
                    count: *count,
                    order: *order,
                    place: Place { frame, at, len, crc },
                });
                self.on_log(*log, |log, ledger| log.replace(*base, new, *old, ledger));
            }
            Change::TrimTo { log, floor } => self.trim(*log, *floor),
            Change::Put { key, value } => {
                self.values.insert(key.clone(), value.clone());
            }
            Change::Delete { key } => match queue_of_key(key) {
                Some(queue) => self.end_queue(commit, queue),
                None => {
                    self.values.remove(key);
                }
            },
        }
    }

    fn append(&mut self, log: LogId, base: Offset, entry: Entry) {
        self.logs.entry(log).or_default();
        self.on_log(log, |state, ledger| {
            state.end = state.end.max(entry.end(base));
            if log != SETTLE_LOG {
                state.put(base, Some(entry), ledger);
            }
        });
    }

    fn trim(&mut self, log: LogId, floor: Offset) {
        self.on_log(log, |log, ledger| log.trim(floor, ledger));
        if floor == Offset::MAX
            && let Some(log) = self.logs.remove(&log)
        {
            log.end(&mut self.ledger);
        }
    }

    /// A settlement that comes later must not bring a cursor back that nobody would ever remove.
    fn end_queue(&mut self, commit: CommitNo, queue: QueueId) {
        self.cursors.retain(|(owner, _), _| *owner != queue);
        self.ended.insert(queue, commit);
        if self.ended.len() > ENDED_QUEUES_MAX
            && let Some(oldest) = self.ended.iter().min_by_key(|(queue, commit)| (**commit, **queue)).map(|(q, _)| *q)
        {
            self.ended.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::entry::Entries;
    use crate::store::items;
    use crate::store::log_index::Loaded;
    use proptest::prelude::*;

    /// Small numbers, so that they meet, and now and then the largest.
    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![8 => 0u64..40, 1 => any::<u64>(), 1 => Just(u64::MAX)]
    }

    fn small() -> impl Strategy<Value = u32> {
        prop_oneof![8 => 0u32..9, 1 => any::<u32>()]
    }

    fn change() -> impl Strategy<Value = Change> {
        let batch = || (0u64..3, number(), small(), small(), small());
        prop_oneof![
            4 => batch().prop_map(|(log, base, count, at, len)| {
                Change::Append { log: LogId(log), base, count, at, len, crc: 0 }
            }),
            2 => (batch(), number(), prop::option::of((small(), small(), small()))).prop_map(
                |((log, base, count, _, len), frame, place)| {
                    let (log, order, old) = (LogId(log), CommitNo(frame), (CommitNo(frame), len));
                    Change::Replace { log, base, count, order, old, place }
                }
            ),
            1 => (0u64..3, number()).prop_map(|(log, floor)| Change::TrimTo { log: LogId(log), floor }),
        ]
    }

    fn part() -> impl Strategy<Value = Reindex> {
        let entry = (small(), number(), number(), small(), small()).prop_map(|(count, order, frame, at, len)| {
            let place = Place { frame: CommitNo(frame), at, len, crc: 0 };
            Entry { count, order: CommitNo(order), place }
        });
        let page = prop::collection::btree_map(number(), entry, 0..4).prop_map(|entries| entries.into_iter().collect());
        let page = (small(), small(), page).prop_map(|(at, len, entries): (u32, u32, Entries)| (at, len, 0, entries));
        (0u64..3, number(), number(), prop::collection::vec(page, 0..3)).prop_map(|(log, from, upto, pages)| Reindex {
            log: LogId(log),
            from,
            upto,
            pages,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        /// Frames that no store writes: what they do to the state is of no interest, as long as it goes on.
        #[test]
        fn whatever_frames_hold_it_never_panics(
            frames in prop::collection::vec((prop::collection::vec(change(), 0..5), prop::collection::vec(part(), 0..2)), 1..12),
        ) {
            let mut state = State::new(20);
            for (nth, (changes, parts)) in frames.iter().enumerate() {
                let commit = CommitNo(nth as u64 + 1);
                state.note_frame(commit, 15);
                state.apply(commit, [(commit, &changes[..])], &[]);
                state.reindex(commit, parts);
                for log in state.logs.values() {
                    let _ = (log.bytes(), log.trimmed_page().is_some(), log.next_from(3, &Loaded::default()).is_ok());
                }
            }
            // What no image could hold is refused, and all else comes back.
            if let Ok(again) = State::from_items(state.applied, 20, state.items()) {
                prop_assert_eq!(items::digest(&again.items()), state.digest());
            }
            state.ledger.give_up(CommitNo(9));
        }
    }
}
