//! Consumers and their credit: who gets the next message.

use std::cmp::Reverse;
use std::ops::Bound;

use super::machine::{Held, Item, Key, Place, QueueMachine};
use super::{Assignment, ConsumerId, End, LeaseMode, SENT_AHEAD, Window};
use crate::Millis;
use crate::settle::Progress;

#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) window: Window,
    pub(super) lease_ms: u64,
    pub(super) mode: LeaseMode,
    pub(super) messages: u32,
    bytes: u64,
}

impl Consumer {
    pub(super) fn takes(&self, bytes: u32) -> bool {
        let fits = self.bytes + u64::from(bytes) <= self.window.bytes;
        self.messages < self.window.messages && (fits || self.messages == 0)
    }
}

impl QueueMachine {
    /// Opens a consumer.
    pub fn add_consumer(&mut self, window: Window, lease_ms: u64, mode: LeaseMode) -> ConsumerId {
        let id = self.next_consumer;
        self.next_consumer += 1;
        self.consumers.insert(id, Consumer { window, lease_ms, mode, messages: 0, bytes: 0 });
        id
    }

    /// Closes a consumer; what it held goes back.
    pub fn remove_consumer(&mut self, id: ConsumerId, end: End, now: Millis) {
        self.consumers.remove(&id);
        for key in self.held_in_order(|held| held.consumer == id) {
            match end {
                End::Lost => self.fail(key, now, None, "the consumer went away"),
                End::BrokerEnded => self.give_back(key, now),
            }
        }
    }

    /// Gives every delivery back without a failure: for a clean stop.
    pub fn release_all(&mut self, now: Millis) {
        self.consumers.clear();
        for key in self.held_in_order(|_| true) {
            self.give_back(key, now);
        }
    }

    pub(super) fn held_in_order(&self, wanted: impl Fn(&Held) -> bool) -> Vec<Key> {
        let held = self.held.iter().filter(|(_, held)| wanted(held));
        let mut places: Vec<Place> = held.map(|(key, held)| (held.item.commit, key.0, key.1)).collect();
        places.sort_unstable();
        places.into_iter().map(|(_, log, offset)| (log, offset)).collect()
    }

    /// Hands out what consumers have credit for, oldest first, each to the one with the most free credit.
    pub fn deliver(&mut self, now: Millis, out: &mut Vec<Assignment>) {
        if self.is_purging() {
            return;
        }
        let mut passed = None;
        while let Some((place, item)) = self.first_ready(passed) {
            if item.expires <= now && !cfg!(feature = "planted-expired") {
                self.ready.remove(&place);
                self.expire((place.1, place.2), item);
                continue;
            }
            let Some(consumer) = self.pick(place, item.bytes) else { return };
            if !self.may_send((place.1, place.2)) {
                if self.is_strict() {
                    return;
                }
                passed = Some(place);
                continue;
            }
            if !self.take_token(now) {
                return;
            }
            if passed.is_none() {
                self.ready.pop_first();
            } else {
                self.ready.remove(&place);
            }
            out.push(self.lease(place, item, consumer, now));
        }
    }

    /// The first message that is ready, behind those that had to be passed over. Mostly there are none of these.
    fn first_ready(&self, passed: Option<Place>) -> Option<(Place, Item)> {
        let first = match passed {
            None => self.ready.first_key_value(),
            Some(place) => self.ready.range((Bound::Excluded(place), Bound::Unbounded)).next(),
        };
        first.map(|(place, item)| (*place, *item))
    }

    /// Takes messages for a pull: their leases are tied to no stream.
    pub fn pull(&mut self, messages_max: u32, bytes_max: u64, lease_ms: u64, now: Millis, out: &mut Vec<Assignment>) {
        let others = std::mem::take(&mut self.consumers);
        self.add_consumer(Window { messages: messages_max, bytes: bytes_max }, lease_ms, LeaseMode::Timed);
        self.deliver(now, out);
        // The consumer of the pull ends here; its leases do not.
        self.consumers = others;
    }

    fn pick(&self, place: Place, bytes: u32) -> Option<ConsumerId> {
        if self.is_strict() {
            return self.pick_active(place, bytes);
        }
        let free = |consumer: &Consumer| {
            u64::from(consumer.window.messages - consumer.messages) * 1_000 / u64::from(consumer.window.messages.max(1))
        };
        self.consumers
            .iter()
            .filter(|(_, c)| c.takes(bytes))
            .max_by_key(|(id, c)| (free(c), Reverse(**id)))
            .map(|(id, _)| *id)
    }

    /// True if the offset is below the durable bound; asks for a higher one in time.
    fn may_send(&mut self, (log, offset): Key) -> bool {
        let Some(source) = self.sources.get_mut(&log) else { return false };
        let durable = source.sent_durable;
        if offset < durable {
            source.delivered_to = source.delivered_to.max(offset + 1);
        }
        if offset + SENT_AHEAD / 2 >= source.sent_asked {
            let upto = offset + SENT_AHEAD;
            source.sent_asked = upto;
            self.effects.sent.push((log, upto));
            self.push_record(log, Progress::Sent { upto });
        }
        offset < durable
    }

    fn lease(&mut self, place: Place, item: Item, consumer: ConsumerId, now: Millis) -> Assignment {
        let (_, log, offset) = place;
        let delivery = self.next_delivery;
        self.next_delivery += 1;
        let item = Item { attempts: item.attempts.saturating_add(1), ..item };
        let mut lease_ms = self.config.lease_ms;
        if let Some(of) = self.consumers.get_mut(&consumer) {
            of.messages += 1;
            of.bytes += u64::from(item.bytes);
            lease_ms = if of.mode == LeaseMode::Stream { self.config.max_lease_ms } else { of.lease_ms };
        }
        let held = Held { item, consumer, delivery, since: now, lease_end: now.saturating_add(lease_ms) };
        self.held.insert((log, offset), held);
        self.strict.holder = Some(consumer);
        self.set_timer(held.lease_end, (log, offset));
        self.stats.delivered += 1;
        self.stats.redelivered += i64::from(item.attempts > 1);
        Assignment { consumer, log, offset, delivery, attempt: item.attempts }
    }

    /// Ends a lease and returns the credit.
    pub(super) fn let_go(&mut self, key: Key) -> Option<Held> {
        let held = self.held.remove(&key)?;
        if let Some(consumer) = self.consumers.get_mut(&held.consumer) {
            consumer.messages = consumer.messages.saturating_sub(1);
            consumer.bytes = consumer.bytes.saturating_sub(held.item.bytes.into());
        }
        Some(held)
    }
}
