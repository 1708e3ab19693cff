//! Order by key: a lane for each ordering key that has an unsettled message.
//!
//! A lane lets one message through at a time; the next one follows when the end of the one before it is on disk, so that no
//! crash brings a message back after a later one of its key. What comes meanwhile is parked. A lane that has parked its
//! share forgets the rest and keeps only where to read on: see [`Keys::again_from`].

use std::cmp::Reverse;
use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::hash::BuildHasher as _;

use super::Entry;
use super::lane::{Behind, Bounds, Far, Lane};
use super::machine::Place;
use crate::{CommitNo, LogId, Offset, message};

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
    /// Lanes with something parked.
    waiting: usize,
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
            waiting: 0,
            bounds: Bounds { each: PARKED_KEY_MAX, all: PARKED_MAX },
            hungry: BTreeSet::new(),
            again: None,
            agains: 0,
        }
    }
}

/// What becomes of a message that is read once more.
pub(super) enum Next {
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
                lane.insert(Lane { is_busy: true, behind: None });
                return false;
            }
        };
        let had_parked = !lane.parked().is_empty();
        if lane.is_out_of_order(entry.place()) {
            self.parked -= lane.forget_from(entry.place(), self.agains);
            self.hungry.extend(lane.hunger(self.bounds, self.parked).map(|from| (from, entry.key)));
        } else if lane.far().is_none() && lane.has_room(self.bounds, self.parked) {
            lane.behind_mut().parked.push_back(*entry);
            self.parked += 1;
        } else if lane.far().is_none() {
            lane.behind_mut().far = Some(Far { from: entry.place(), full_in: 0 });
        }
        self.waiting = self.waiting + usize::from(!lane.parked().is_empty()) - usize::from(had_parked);
        true
    }

    /// Takes a parked message out of its lane, if it is there.
    pub(super) fn unpark(&mut self, key: u64, at: Place) -> Option<Entry> {
        let lane = self.lanes.get_mut(&key)?;
        let parked = &mut lane.behind.as_mut()?.parked;
        let index = parked.binary_search_by_key(&at, Entry::place).ok()?;
        let entry = parked.remove(index)?;
        self.parked -= 1;
        self.waiting -= usize::from(parked.is_empty());
        if let Some(from) = lane.hunger(self.bounds, self.parked) {
            self.hungry.insert((from, key));
        }
        Some(entry)
    }

    /// What is parked, of each key in order.
    pub(super) fn parked(&self) -> impl Iterator<Item = &Entry> {
        self.lanes.values().flat_map(Lane::parked)
    }

    /// What is parked, of all keys in order. Each lane is looked at.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &Entry> {
        let lanes = self.lanes.iter().filter(|_| self.parked > 0);
        let fronts = lanes.filter_map(|(key, lane)| Some(Reverse((lane.parked().front()?.place(), *key, 0))));
        let mut fronts: BinaryHeap<_> = fronts.collect();
        std::iter::from_fn(move || {
            let Reverse((_, key, index)) = fronts.pop()?;
            let parked = self.lanes.get(&key)?.parked();
            fronts.extend(parked.get(index + 1).map(|entry| Reverse((entry.place(), key, index + 1))));
            parked.get(index)
        })
    }

    /// Where the first message stands that is in no memory, as its key had no room for it. Each lane is looked at.
    pub(super) fn first_unread(&self) -> Option<Place> {
        // Where nothing is parked each of them is hungry, or being read.
        let has_any = self.parked > 0 || !self.hungry.is_empty() || self.again.is_some();
        let lanes = self.lanes.values().filter(|_| has_any);
        lanes.filter_map(|lane| Some(lane.far()?.from)).min()
    }

    /// True if a message is parked in memory.
    pub(super) fn is_parked(&self, key: u64, at: Place) -> bool {
        self.lanes.get(&key).is_some_and(|lane| lane.parked().binary_search_by_key(&at, Entry::place).is_ok())
    }

    /// The next message of a key, if it is in memory; without any the key is forgotten, or waits to be read again.
    pub(super) fn next(&mut self, key: u64) -> Option<Entry> {
        let Slot::Occupied(mut slot) = self.lanes.entry(key) else { return None };
        let lane = slot.get_mut();
        let next = lane.behind.as_mut().and_then(|behind| behind.parked.pop_front());
        self.parked -= usize::from(next.is_some());
        self.waiting -= usize::from(next.is_some() && lane.parked().is_empty());
        lane.is_busy = next.is_some();
        match lane.hunger(self.bounds, self.parked) {
            Some(from) => drop(self.hungry.insert((from, key))),
            None if !lane.is_busy => drop(slot.remove()),
            None => {}
        }
        next
    }

    pub(super) fn is_full(&self) -> bool {
        self.lanes.len() >= LANES_MAX
    }

    /// Begins to read again for the lane whose messages stand first.
    pub(super) fn again_from(&mut self) -> Option<Place> {
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
    pub(super) fn take_again(&mut self, entry: &Entry, is_done: bool) -> Next {
        let Some(again) = &self.again else { return Next::Passed };
        let Some(lane) = self.lanes.get_mut(&entry.key) else { return Next::Passed };
        let has_room = lane.has_room(self.bounds, self.parked);
        let Some(Behind { parked, far: Some(far) }) = lane.behind.as_deref_mut() else { return Next::Passed };
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
        self.waiting += usize::from(parked.is_empty());
        parked.push_back(*entry);
        self.parked += 1;
        Next::Parked
    }

    /// True if the lane that the reading is for needs nothing more of it.
    pub(super) fn has_enough(&self) -> bool {
        let Some(again) = &self.again else { return true };
        let far = self.lanes.get(&again.key).and_then(Lane::far);
        far.is_none_or(|far| far.full_in == self.agains)
    }

    pub(super) fn end_again(&mut self, is_whole: bool) {
        let Some(again) = self.again.take() else { return };
        if !is_whole {
            let hunger = self.lanes.get(&again.key).and_then(|lane| lane.hunger(self.bounds, self.parked));
            self.hungry.extend(hunger.map(|from| (from, again.key)));
            return;
        }
        let this = self.agains;
        self.lanes.retain(|_, lane| {
            if let Some(behind) = &mut lane.behind {
                behind.far.take_if(|far| far.from >= again.from && far.full_in != this);
            }
            lane.is_busy || lane.far().is_some()
        });
    }

    /// Forgets what is parked of `log` below `end`; how many that were.
    pub(super) fn drop_below(&mut self, log: LogId, end: Offset) -> usize {
        let before = self.parked;
        for behind in self.lanes.values_mut().filter_map(|lane| lane.behind.as_deref_mut()) {
            self.parked -= behind.parked.len();
            self.waiting -= usize::from(!behind.parked.is_empty());
            behind.parked.retain(|entry| entry.log != log || entry.offset >= end);
            self.parked += behind.parked.len();
            self.waiting += usize::from(!behind.parked.is_empty());
        }
        before - self.parked
    }

    /// The keys of which a message is under way.
    pub(super) fn busy(&self) -> impl Iterator<Item = u64> {
        self.lanes.iter().filter(|(_, lane)| lane.is_busy).map(|(key, _)| *key)
    }

    /// How many messages are parked.
    pub(super) fn len(&self) -> usize {
        self.parked
    }

    /// How many keys have something parked.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many keys have an unsettled message, and how many messages are parked.
    #[cfg(test)]
    pub fn size(&self) -> (usize, usize) {
        let waiting = self.lanes.values().filter(|lane| !lane.parked().is_empty());
        assert_eq!(waiting.count(), self.waiting, "keys with something parked");
        (self.lanes.len(), self.parked)
    }

    /// True if something up to a commit waits for another message of its key.
    pub fn waits_upto(&self, commit: CommitNo) -> bool {
        self.lanes.values().any(|lane| {
            let far = lane.far().map(|far| far.from.0);
            lane.parked().front().map(|entry| entry.commit).or(far).is_some_and(|first| first <= commit)
        })
    }
}
