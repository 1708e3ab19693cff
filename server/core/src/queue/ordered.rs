//! The queue's machine where it keeps keys in order.

use std::cmp::Reverse;

use super::keys::{Next, PARKED_KEY_MAX};
use super::machine::{Item, Place, QueueMachine};
use super::{Entry, NEVER, Ordering};
use crate::{LogId, Millis, Offset};

impl QueueMachine {
    /// How many keys have a next message in memory, which goes when the one before it ends.
    #[must_use]
    pub fn keys_with_next(&self) -> usize {
        self.keys.waiting()
    }

    /// True if the queue keeps keys in order and has as many of them as it can.
    pub(super) fn has_all_lanes(&self) -> bool {
        self.keys.is_full()
    }

    /// True if a fresh message waits for another one of its key.
    pub(super) fn is_parked(&mut self, entry: &Entry) -> bool {
        if entry.key == 0 || self.config.ordering != Ordering::Key || !self.keys.parks(entry) {
            return false;
        }
        self.count_behind(entry.log, 1);
        self.watch_parked(entry);
        self.drop_if_given_up(entry);
        true
    }

    /// A parked message leaves in its time too. What its key only knows on disk leaves when it is read again.
    fn watch_parked(&mut self, entry: &Entry) {
        if entry.expires == NEVER || !self.keys.is_parked(entry.key, entry.place()) {
            return;
        }
        let keys = &self.keys;
        if self.expiry.parked.len() >= PARKED_KEY_MAX.max(2 * keys.len()) {
            self.expiry.parked.retain(|Reverse((_, key, at))| keys.is_parked(*key, *at));
        }
        self.expiry.parked.push(Reverse((entry.expires, entry.key, entry.place())));
    }

    /// Ends the parked messages that have expired by now, up to `max`. Their keys wait for another message, as before.
    pub(super) fn expire_parked(&mut self, now: Millis, max: usize) {
        for _ in 0..max {
            let Some(&Reverse((due, key, at))) = self.expiry.parked.peek() else { return };
            if due > now {
                return;
            }
            self.expiry.parked.pop();
            let Some(entry) = self.keys.unpark(key, at) else { continue };
            let source = self.sources.get(&entry.log).filter(|source| !source.cursor.is_settled(entry.offset));
            let Some(source) = source else {
                self.free_if_due((entry.log, entry.offset), entry.bytes);
                continue;
            };
            let (item, _) = source.item_of(&entry, entry.offset < source.maybe_sent);
            self.count_behind(entry.log, -1);
            self.expire((entry.log, entry.offset), Item { key: 0, ..item });
        }
    }

    /// The end of a parked message is on disk: it leaves its lane, unless a seek has brought it back.
    pub(super) fn unpark_settled(&mut self, key: u64, at: Place) {
        if self.sources.get(&at.1).is_some_and(|source| source.cursor.is_settled(at.2)) {
            self.keys.unpark(key, at);
        }
    }

    /// A message's end is on its way to disk; then its key goes on.
    pub(super) fn await_end(&mut self, key: u64) {
        if key != 0 && self.config.ordering == Ordering::Key {
            self.effects.ended.push(key);
        }
    }

    /// The end of a key's message is on disk: the next one follows.
    pub(super) fn go_on(&mut self, key: u64) {
        while let Some(entry) = self.keys.next(key) {
            let source = self.sources.get(&entry.log);
            if source.is_some_and(|source| !source.cursor.is_settled(entry.offset)) {
                self.count_behind(entry.log, -1);
                self.admit(&entry);
                return;
            }
            self.free_if_due((entry.log, entry.offset), entry.bytes);
            if self.wait_for_late_end(&entry) {
                return;
            }
        }
    }

    pub(super) fn count_behind(&mut self, log: LogId, change: i64) {
        if let Some(source) = self.sources.get_mut(&log) {
            source.behind = (source.behind + change).max(0);
        }
    }

    /// Where to read on for keys that have used up what they had parked: all that stands there or behind it, in order and
    /// up to where the logs have been read, is to be given to [`take_again`](Self::take_again). Asked again, it begins anew.
    pub fn again_from(&mut self) -> Option<Place> {
        self.end_again(false);
        self.keys.again_from()
    }

    /// Takes a message that was read once more; false if no more of them are needed.
    pub fn take_again(&mut self, entry: &Entry) -> bool {
        let Some(source) = self.sources.get(&entry.log) else { return true };
        if entry.offset < source.read_to && entry.key != 0 {
            // After a seek it may stand before the message that the lane let through.
            let is_known = self.ready.contains_key(&entry.place())
                || self.held.contains_key(&(entry.log, entry.offset))
                || self.waiting.contains_key(&(entry.log, entry.offset))
                || self.far.contains((entry.log, entry.offset));
            let is_settled = source.cursor.is_settled(entry.offset);
            let is_done = is_known || (is_settled && !self.ends_late(entry));
            if is_settled {
                self.free_if_due((entry.log, entry.offset), entry.bytes);
            }
            match self.keys.take_again(entry, is_done) {
                Next::Goes if is_settled => drop(self.wait_for_late_end(entry)),
                Next::Goes => {
                    self.count_behind(entry.log, -1);
                    self.admit(entry);
                }
                Next::Parked => {
                    self.watch_parked(entry);
                    self.drop_if_given_up(entry);
                }
                Next::Passed => {}
            }
        }
        !self.keys.has_enough()
    }

    /// The reading ends. `is_whole`: it went up to where all logs have been read.
    pub fn end_again(&mut self, is_whole: bool) {
        self.keys.end_again(is_whole);
    }

    /// Forgets what was parked of `log` below `end`, as it is settled, and lets keys go on whose message went with it.
    pub(super) fn drop_parked(&mut self, log: LogId, end: Offset) {
        if self.config.ordering != Ordering::Key {
            return;
        }
        let dropped = self.keys.drop_below(log, end);
        self.keys.end_again(false);
        let is_all = self.sources.get(&log).is_none_or(|source| end >= source.read_to);
        let count = if is_all { i64::MAX / 2 } else { dropped as i64 };
        self.count_behind(log, -count);
        self.free_lost_lanes();
    }

    /// Lanes whose message was taken away without an end of its own go on.
    fn free_lost_lanes(&mut self) {
        let ready = self.ready.values().map(|item| item.key);
        let held = self.held.values().map(|held| held.item.key);
        let waiting = self.waiting.values().map(|waiting| waiting.item.key);
        let effects = self.committing.values().chain([&self.effects]);
        let ending = effects.flat_map(|effects| effects.ended.iter().copied());
        let busy: std::collections::HashSet<u64> =
            ready.chain(held).chain(waiting).chain(self.far.keys()).chain(ending).chain(self.late.keys()).collect();
        let lost: Vec<u64> = self.keys.busy().filter(|key| !busy.contains(key)).collect();
        lost.into_iter().for_each(|key| self.go_on(key));
    }
}
