//! Order by key: a lane for each ordering key that has an unsettled message.
//!
//! A lane lets one message through at a time; the next one follows when the end of the one before it is on disk, so that no
//! crash brings a message back after a later one of its key. What comes meanwhile is parked. A lane that has parked its
//! share forgets the rest and keeps only where to read on: see [`QueueMachine::again_from`].

use std::cmp::Reverse;
use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::hash::BuildHasher as _;

use super::machine::{Item, Place, QueueMachine};
use super::{Entry, NEVER, Ordering};
use crate::{Millis, message};

/// Most messages that one key parks.
pub const PARKED_KEY_MAX: usize = 1_024;
/// Most messages that all keys park together; beyond it each key still parks one.
pub const PARKED_MAX: usize = 1_000_000;
/// Most keys with an unsettled message; above, no fresh messages are read until some settle.
pub const LANES_MAX: usize = 200_000;

/// Makes numbers of ordering keys, the same ones as long as it lives. Two keys that share a number are ordered together.
#[derive(Debug, Clone, Default)]
pub struct KeyHash(foldhash::fast::RandomState);

impl KeyHash {
    /// The number of an encoded message's ordering key; 0 if it has none.
    #[must_use]
    pub fn of(&self, message: &[u8]) -> u64 {
        match message::ordering_key(message) {
            [] => 0,
            key => self.0.hash_one(key).max(1),
        }
    }
}

/// Bounds of what is parked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub each: usize,
    pub all: usize,
}

/// The messages of one key, from the one that goes first.
#[derive(Debug)]
struct Lane {
    /// One of them is ready, with a consumer, or given back, or its end is not on disk yet.
    is_busy: bool,
    /// Those behind it, in order. Some may be settled meanwhile.
    parked: VecDeque<Entry>,
    far: Option<Box<Far>>,
}

/// Where a lane goes on, on disk.
#[derive(Debug)]
struct Far {
    /// What stands from here on is not in memory.
    from: Place,
    /// The reading-again in which it had no more room: it takes nothing more from that one.
    full_in: u64,
}

/// What is read once more, and for whom.
#[derive(Debug)]
struct Again {
    from: Place,
    key: u64,
}

/// All lanes.
#[derive(Debug)]
pub(super) struct Keys {
    lanes: HashMap<u64, Lane, foldhash::fast::RandomState>,
    parked: usize,
    pub bounds: Bounds,
    /// Lanes that want to be read again, by where from. Checked when one is taken out.
    hungry: BTreeSet<(Place, u64)>,
    again: Option<Again>,
    agains: u64,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            lanes: HashMap::default(),
            parked: 0,
            bounds: Bounds { each: PARKED_KEY_MAX, all: PARKED_MAX },
            hungry: BTreeSet::new(),
            again: None,
            agains: 0,
        }
    }
}

impl Lane {
    fn has_room(&self, bounds: Bounds, parked: usize) -> bool {
        self.parked.is_empty() || (self.parked.len() < bounds.each && parked < bounds.all)
    }

    /// Where it wants to be read again: when its parked ones go to an end, and there is room for more.
    fn hunger(&self, bounds: Bounds, parked: usize) -> Option<Place> {
        let far = self.far.as_ref()?;
        let is_low = self.parked.is_empty() || (self.parked.len() <= bounds.each / 4 && parked < bounds.all);
        is_low.then_some(far.from)
    }
}

impl Lane {
    /// True if what stands at `at` belongs before what is parked.
    fn is_out_of_order(&self, at: Place) -> bool {
        let is_before = |other: Place| at < other;
        self.far.as_ref().map(|far| far.from).is_some_and(is_before)
            || self.parked.back().map(Entry::place).is_some_and(is_before)
    }

    /// Forgets what is parked behind a place, to be read again from there; how many that were.
    fn forget_from(&mut self, at: Place, again: u64) -> usize {
        let before = self.parked.len();
        self.parked.retain(|entry| entry.place() < at);
        // The reading under way may be beyond it.
        self.far = Some(Box::new(Far { from: at, full_in: again }));
        before - self.parked.len()
    }
}

/// What becomes of a message that is read once more.
enum Next {
    Goes,
    Parked,
    Passed,
}

impl Keys {
    /// True if a message has to wait for another one of its key. Those of a key come in order, but after a seek.
    pub(super) fn parks(&mut self, entry: &Entry) -> bool {
        let lane = match self.lanes.entry(entry.key) {
            Slot::Occupied(lane) => lane.into_mut(),
            Slot::Vacant(lane) => {
                lane.insert(Lane { is_busy: true, parked: VecDeque::new(), far: None });
                return false;
            }
        };
        if lane.is_out_of_order(entry.place()) {
            self.parked -= lane.forget_from(entry.place(), self.agains);
            self.hungry.extend(lane.hunger(self.bounds, self.parked).map(|from| (from, entry.key)));
        } else if lane.far.is_none() && lane.has_room(self.bounds, self.parked) {
            lane.parked.push_back(*entry);
            self.parked += 1;
        } else if lane.far.is_none() {
            lane.far = Some(Box::new(Far { from: entry.place(), full_in: 0 }));
        }
        true
    }

    /// Takes a parked message out of its lane, if it is there.
    fn unpark(&mut self, key: u64, at: Place) -> Option<Entry> {
        let lane = self.lanes.get_mut(&key)?;
        let index = lane.parked.binary_search_by_key(&at, Entry::place).ok()?;
        let entry = lane.parked.remove(index)?;
        self.parked -= 1;
        if let Some(from) = lane.hunger(self.bounds, self.parked) {
            self.hungry.insert((from, key));
        }
        Some(entry)
    }

    /// What is parked, of each key in order.
    pub(super) fn parked(&self) -> impl Iterator<Item = &Entry> {
        self.lanes.values().flat_map(|lane| &lane.parked)
    }

    /// What is parked, of all keys in order. Each lane is looked at.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &Entry> {
        let lanes = self.lanes.iter().filter(|_| self.parked > 0);
        let fronts = lanes.filter_map(|(key, lane)| Some(Reverse((lane.parked.front()?.place(), *key, 0))));
        let mut fronts: BinaryHeap<_> = fronts.collect();
        std::iter::from_fn(move || {
            let Reverse((_, key, index)) = fronts.pop()?;
            let parked = &self.lanes.get(&key)?.parked;
            fronts.extend(parked.get(index + 1).map(|entry| Reverse((entry.place(), key, index + 1))));
            parked.get(index)
        })
    }

    /// Where the first message stands that is in no memory, as its key had no room for it. Each lane is looked at.
    pub(super) fn first_unread(&self) -> Option<Place> {
        // Where nothing is parked each of them is hungry, or being read.
        let has_any = self.parked > 0 || !self.hungry.is_empty() || self.again.is_some();
        let lanes = self.lanes.values().filter(|_| has_any);
        lanes.filter_map(|lane| Some(lane.far.as_ref()?.from)).min()
    }

    /// True if a message is parked in memory.
    pub(super) fn is_parked(&self, key: u64, at: Place) -> bool {
        self.lanes.get(&key).is_some_and(|lane| lane.parked.binary_search_by_key(&at, Entry::place).is_ok())
    }

    /// The next message of a key, if it is in memory; without any the key is forgotten, or waits to be read again.
    fn next(&mut self, key: u64) -> Option<Entry> {
        let Slot::Occupied(mut slot) = self.lanes.entry(key) else { return None };
        let lane = slot.get_mut();
        let next = lane.parked.pop_front();
        self.parked -= usize::from(next.is_some());
        lane.is_busy = next.is_some();
        match lane.hunger(self.bounds, self.parked) {
            Some(from) => drop(self.hungry.insert((from, key))),
            None if !lane.is_busy => drop(slot.remove()),
            None => {}
        }
        next
    }

    fn is_full(&self) -> bool {
        self.lanes.len() >= LANES_MAX
    }

    /// Begins to read again for the lane whose messages stand first.
    fn again_from(&mut self) -> Option<Place> {
        while let Some((from, key)) = self.hungry.pop_first() {
            let hunger = self.lanes.get(&key).and_then(|lane| lane.hunger(self.bounds, self.parked));
            match hunger {
                Some(now) if now == from => {
                    self.agains += 1;
                    self.again = Some(Again { from, key });
                    return Some(from);
                }
                Some(now) => drop(self.hungry.insert((now, key))),
                None => {}
            }
        }
        None
    }

    /// A message that is read once more. It serves every lane that wants nothing from before the reading's begin.
    fn take_again(&mut self, entry: &Entry, is_done: bool) -> Next {
        let Some(again) = &self.again else { return Next::Passed };
        let Some(lane) = self.lanes.get_mut(&entry.key) else { return Next::Passed };
        let has_room = lane.has_room(self.bounds, self.parked);
        let Some(far) = lane.far.as_mut() else { return Next::Passed };
        let at = entry.place();
        if at < far.from || far.from < again.from || far.full_in == self.agains {
            return Next::Passed;
        }
        if !is_done && lane.is_busy && !has_room {
            (far.from, far.full_in) = (at, self.agains);
            return Next::Passed;
        }
        far.from = (at.0, at.1, at.2 + 1);
        if is_done {
            return Next::Passed;
        }
        if !lane.is_busy {
            lane.is_busy = true;
            return Next::Goes;
        }
        lane.parked.push_back(*entry);
        self.parked += 1;
        Next::Parked
    }

    /// True if the lane that the reading is for needs nothing more of it.
    fn has_enough(&self) -> bool {
        let Some(again) = &self.again else { return true };
        let far = self.lanes.get(&again.key).and_then(|lane| lane.far.as_ref());
        far.is_none_or(|far| far.full_in == self.agains)
    }

    fn end_again(&mut self, is_whole: bool) {
        let Some(again) = self.again.take() else { return };
        if !is_whole {
            let hunger = self.lanes.get(&again.key).and_then(|lane| lane.hunger(self.bounds, self.parked));
            self.hungry.extend(hunger.map(|from| (from, again.key)));
            return;
        }
        let this = self.agains;
        self.lanes.retain(|_, lane| {
            if lane.far.as_ref().is_some_and(|far| far.from >= again.from && far.full_in != this) {
                lane.far = None;
            }
            lane.is_busy || lane.far.is_some()
        });
    }

    /// How many keys have an unsettled message, and how many messages are parked.
    #[cfg(test)]
    pub fn size(&self) -> (usize, usize) {
        (self.lanes.len(), self.parked)
    }

    /// True if something up to a commit waits for another message of its key.
    pub fn waits_upto(&self, commit: crate::CommitNo) -> bool {
        self.lanes.values().any(|lane| {
            let far = lane.far.as_ref().map(|far| far.from.0);
            lane.parked.front().map(|entry| entry.commit).or(far).is_some_and(|first| first <= commit)
        })
    }
}

impl QueueMachine {
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
        if self.expiry.parked.len() >= PARKED_KEY_MAX.max(2 * keys.parked) {
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

    pub(super) fn count_behind(&mut self, log: crate::LogId, change: i64) {
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
    pub(super) fn drop_parked(&mut self, log: crate::LogId, end: crate::Offset) {
        if self.config.ordering != Ordering::Key {
            return;
        }
        let mut dropped = 0;
        for lane in self.keys.lanes.values_mut() {
            let before = lane.parked.len();
            lane.parked.retain(|entry| entry.log != log || entry.offset >= end);
            dropped += before - lane.parked.len();
        }
        self.keys.parked -= dropped;
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
        let lost = self.keys.lanes.iter().filter(|(key, lane)| lane.is_busy && !busy.contains(key));
        let lost: Vec<u64> = lost.map(|(key, _)| *key).collect();
        lost.into_iter().for_each(|key| self.go_on(key));
    }
}
