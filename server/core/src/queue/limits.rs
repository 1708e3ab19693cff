//! What leaves a queue that has limits, and how room is made in one.

use std::collections::BTreeMap;

use super::machine::{Item, Key, QueueMachine};
use super::{DeadLetterOut, Entry, Freed, Place};
use crate::batch::DeadLetterReason;
use crate::{LogId, Offset};

/// Most messages that are given up in one step, ready or parked: a step must not keep the others waiting.
const STEP_MAX: usize = 4_096;

/// What goes as logs are over their own limits.
#[derive(Debug, Default)]
pub(super) struct GivenUp {
    /// For each such log what may stay.
    pub below: BTreeMap<LogId, Offset>,
    /// Some of it may be ready or parked.
    is_due: bool,
}

/// A message that may be given up.
enum Oldest {
    Ready(Place, u32),
    Parked(Entry),
}

impl Oldest {
    fn place(&self) -> Place {
        match self {
            Self::Ready(place, _) => *place,
            Self::Parked(entry) => entry.place(),
        }
    }

    fn bytes(&self) -> u32 {
        match self {
            Self::Ready(_, bytes) => *bytes,
            Self::Parked(entry) => entry.bytes,
        }
    }
}

impl QueueMachine {
    /// A message was settled that is known here.
    pub(super) fn free(&mut self, item: &Item) {
        self.freed.messages += 1;
        self.freed.bytes += u64::from(item.bytes);
    }

    /// A message was settled that has not been read yet: its bytes are known once it is.
    pub(super) fn free_later(&mut self, key: Key) {
        self.settled_unread.insert(key);
    }

    /// A settled message was read.
    pub(super) fn free_if_due(&mut self, key: Key, bytes: u32) {
        if self.settled_unread.remove(&key) && !cfg!(feature = "planted-count") {
            self.freed.messages += 1;
            self.freed.bytes += u64::from(bytes);
        }
    }

    /// What was settled since the last outbox: it goes with the next one.
    #[must_use]
    pub fn freed(&self) -> Freed {
        self.freed
    }

    /// What was not read yet is counted anew.
    pub fn forget_unread(&mut self) {
        self.settled_unread.clear();
    }

    /// Gives up the oldest that no consumer holds and that does not wait for another attempt, until so many messages and
    /// bytes are gone, or nothing more can go now. Where very many have to go it goes on after the next commit.
    pub fn drop_oldest(&mut self, mut messages: i64, mut bytes: i64) {
        let mut going = Vec::new();
        for oldest in self.oldest().take(STEP_MAX) {
            if messages <= 0 && bytes <= 0 {
                break;
            }
            messages -= 1;
            bytes -= i64::from(oldest.bytes());
            going.push(oldest);
        }
        for oldest in going {
            match oldest {
                Oldest::Ready(place, _) => self.overflow_ready(place),
                Oldest::Parked(entry) => self.overflow_parked(&entry),
            }
        }
    }

    /// What may be given up, from the oldest on: up to what has to be read again first.
    fn oldest(&self) -> impl Iterator<Item = Oldest> + '_ {
        let unread = self.keys.first_unread();
        let mut ready = self.ready.iter().map(|(place, item)| (*place, item.bytes)).peekable();
        let mut parked = self.keys.in_order().filter(|entry| !self.is_settled(entry)).peekable();
        let next = move || match (ready.peek(), parked.peek()) {
            (Some((at, _)), Some(entry)) if *at > entry.place() => parked.next().map(|entry| Oldest::Parked(*entry)),
            (None, _) => parked.next().map(|entry| Oldest::Parked(*entry)),
            _ => ready.next().map(|(place, bytes)| Oldest::Ready(place, bytes)),
        };
        std::iter::from_fn(next).take_while(move |oldest| unread.is_none_or(|unread| oldest.place() < unread))
    }

    fn is_settled(&self, entry: &Entry) -> bool {
        self.sources.get(&entry.log).is_none_or(|source| source.cursor.is_settled(entry.offset))
    }

    /// What stands in a log before `below` is given up from now on, as the log is over its limits: at once, what consumers
    /// hold or what waits for another attempt when it comes back. See [`drop_given_up`](Self::drop_given_up).
    pub fn give_up_below(&mut self, log: LogId, below: Offset) {
        if !self.sources.contains_key(&log) {
            return;
        }
        let known = self.given_up.below.entry(log).or_default();
        if *known < below {
            *known = below;
            self.given_up.is_due = true;
        }
    }

    /// Gives up a part of what is there; true if there may be more of it.
    pub fn drop_given_up(&mut self) -> bool {
        if !self.given_up.is_due {
            return false;
        }
        let ready = self.ready.keys().filter(|(_, log, offset)| self.is_given_up((*log, *offset)));
        let ready: Vec<Place> = ready.take(STEP_MAX).copied().collect();
        let parked = self.keys.parked().filter(|entry| self.is_given_up((entry.log, entry.offset)));
        let parked = parked.filter(|entry| !self.is_settled(entry));
        let parked: Vec<Entry> = parked.take(STEP_MAX).copied().collect();
        self.given_up.is_due = ready.len() == STEP_MAX || parked.len() == STEP_MAX;
        ready.into_iter().for_each(|place| self.overflow_ready(place));
        parked.iter().for_each(|entry| self.overflow_parked(entry));
        self.given_up.is_due
    }

    /// True if a message is not to go out any more.
    pub(super) fn is_given_up(&self, (log, offset): Key) -> bool {
        // There is mostly no such log.
        !self.given_up.below.is_empty() && self.given_up.below.get(&log).is_some_and(|below| offset < *below)
    }

    /// A message was parked: it does not stay if it is not to go out any more.
    pub(super) fn drop_if_given_up(&mut self, entry: &Entry) {
        if self.is_given_up((entry.log, entry.offset)) && self.keys.is_parked(entry.key, entry.place()) {
            self.overflow_parked(entry);
        }
    }

    fn overflow_ready(&mut self, place: Place) {
        if let Some(item) = self.ready.remove(&place) {
            self.overflow((place.1, place.2), item);
        }
    }

    /// It stays in its key's lane until its end is on disk: what stands behind it must not go out before.
    fn overflow_parked(&mut self, entry: &Entry) {
        let Some(source) = self.sources.get(&entry.log) else { return };
        let (item, _) = source.item_of(entry, entry.offset < source.maybe_sent);
        self.count_behind(entry.log, -1);
        self.await_late_end((entry.log, entry.offset));
        self.effects.unparked.push((entry.key, entry.place()));
        self.overflow((entry.log, entry.offset), Item { key: 0, ..item });
    }

    /// Ends a message that was just taken out, or that is parked.
    pub(super) fn overflow(&mut self, (log, offset): Key, item: Item) {
        self.stats.overflowed += 1;
        self.free(&item);
        self.await_end(item.key);
        self.await_dead_letter((log, offset));
        let (reason, attempts) = (DeadLetterReason::Overflow, item.attempts);
        self.dead_letters.push(DeadLetterOut { log, offset, reason, attempts, description: String::new() });
        self.settled(Some((log, offset, offset + 1)));
    }
}
