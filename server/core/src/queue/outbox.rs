//! What the machine wants committed, what waits for that, and its timers.

use std::cmp::Reverse;

use super::machine::{Key, QueueMachine, Waiting};
use super::{Outbox, Ticket};
use crate::settle::{Progress, SettleRecord};
use crate::{LogId, Millis, Offset};

/// Fewer timers than this are never made anew.
const TIMERS_MIN: usize = 1_024;

impl QueueMachine {
    /// Records the floor if it has risen; as far as the first message whose dead letter is on its way: its end goes with that.
    pub(super) fn record_floor(&mut self, log: LogId) {
        let letter = self.letters_of(log).next();
        let Some(source) = self.sources.get_mut(&log) else { return };
        let (from, to) = (source.floor_recorded, source.cursor.floor().min(letter.unwrap_or(Offset::MAX)));
        if from < to {
            source.floor_recorded = to;
            self.push_record(log, Progress::Settled { from, to });
        }
    }

    /// Where messages of a log stand whose dead letters are on their way.
    pub(super) fn letters_of(&self, log: LogId) -> impl Iterator<Item = Offset> + '_ {
        self.letters.range((log, 0)..=(log, Offset::MAX)).map(|(_, offset)| *offset)
    }

    pub(super) fn push_record(&mut self, log: LogId, change: Progress) {
        if let (Some(last), Progress::Settled { from, to }) = (self.records.last_mut(), &change)
            && last.log == log
            && let Progress::Settled { to: end, .. } = &mut last.change
            && end == from
        {
            *end = *to;
            return;
        }
        self.records.push(SettleRecord { queue: self.queue, log, change });
    }

    /// What is to be committed now, if anything.
    pub fn take_outbox(&mut self) -> Option<Outbox> {
        if self.records.is_empty() && self.dead_letters.is_empty() {
            return None;
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.committing.insert(ticket, std::mem::take(&mut self.effects));
        let records = std::mem::take(&mut self.records);
        let dead_letters = std::mem::take(&mut self.dead_letters);
        Some(Outbox { ticket, records, dead_letters, freed: std::mem::take(&mut self.freed) })
    }

    /// An outbox is durable: what waited for it goes on.
    pub fn committed(&mut self, ticket: Ticket, now: Millis) {
        let Some(effects) = self.committing.remove(&ticket) else { return };
        for (log, upto) in effects.sent {
            if let Some(source) = self.sources.get_mut(&log) {
                source.sent_durable = source.sent_durable.max(upto);
            }
        }
        for key in effects.released {
            let Some(Waiting { item, due, .. }) = self.waiting.get(&key).copied() else { continue };
            self.wait_for(key, item, due, false);
        }
        for key in &effects.letters {
            self.letters.remove(key);
        }
        self.strict.giving_up -= effects.given_up.min(self.strict.giving_up);
        self.late_ended(effects.late);
        effects.unparked.into_iter().for_each(|(key, at)| self.unpark_settled(key, at));
        self.purged(effects.purges);
        effects.ended.into_iter().for_each(|key| self.go_on(key));
        self.tick(now);
    }

    /// Looks at a message again when its time comes. Timers are not taken back when a message is settled: when most of
    /// them are of no use any more, they are made anew.
    pub(super) fn set_timer(&mut self, due: Millis, key: Key) {
        if self.timers.len() >= TIMERS_MIN.max(4 * (self.held.len() + self.waiting.len())) {
            let held = self.held.iter().map(|(key, held)| Reverse((held.lease_end, *key)));
            let waiting = self.waiting.iter().filter(|(_, waiting)| waiting.durable);
            self.timers = held.chain(waiting.map(|(key, waiting)| Reverse((waiting.due, *key)))).collect();
        }
        self.timers.push(Reverse((due, key)));
    }

    /// A message was given back; it waits for its record to be durable.
    pub(super) fn await_release(&mut self, key: Key) {
        self.effects.released.push(key);
    }

    /// A number at random (xorshift64, Marsaglia 2003), for jitter only.
    pub(super) fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
