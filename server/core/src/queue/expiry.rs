//! Messages whose time to live has ended: they leave the queue from any place, but for those that consumers hold.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet, VecDeque};

use super::machine::{Item, Key, Place, QueueMachine};
use super::{DeadLetterOut, NEVER};
use crate::batch::DeadLetterReason;
use crate::{LogId, Millis, Offset};

/// Most messages that expire in one step: a step must not keep the others waiting.
const STEP_MAX: usize = 4_096;
/// Most expired or purged messages that are remembered for those who still ack them.
pub(super) const GONE_MAX: usize = 16_384;
/// Fewer times than this are never gathered anew.
const TIMES_MIN: usize = 1_024;

/// What expires next, and what has.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    /// Of messages that are ready or wait. Those that left meanwhile are passed over when their time comes.
    times: BinaryHeap<Reverse<(Millis, Place)>>,
    /// Of those that are parked behind another one of their key.
    pub(super) parked: BinaryHeap<Reverse<(Millis, u64, Place)>>,
    /// Delivered once, and expired or purged since: their ack ids are out there.
    gone: HashSet<Key, foldhash::fast::RandomState>,
    /// The same, the oldest first.
    gone_in_order: VecDeque<Key>,
}

impl Expiry {
    pub(super) fn next(&self) -> Option<Millis> {
        let parked = self.parked.peek().map(|Reverse((due, ..))| *due);
        self.times.peek().map(|Reverse((due, _))| *due).into_iter().chain(parked).min()
    }

    pub(super) fn is_gone(&self, key: Key) -> bool {
        self.gone.contains(&key)
    }

    pub(super) fn remember(&mut self, key: Key) {
        if self.gone.insert(key) {
            self.gone_in_order.push_back(key);
        }
        if self.gone.len() > GONE_MAX
            && let Some(oldest) = self.gone_in_order.pop_front()
        {
            self.gone.remove(&oldest);
        }
    }

    /// What was gone of a log may be there again.
    pub(super) fn forget_gone(&mut self, log: LogId) {
        self.gone.retain(|(of, _)| *of != log);
        self.gone_in_order.retain(|(of, _)| *of != log);
    }
}

impl QueueMachine {
    /// A message is ready, or waits: it leaves when its time has come.
    pub(super) fn watch_expiry(&mut self, (log, offset): Key, item: &Item) {
        if item.expires == NEVER {
            return;
        }
        if self.expiry.times.len() >= TIMES_MIN.max(4 * (self.ready.len() + self.waiting.len())) {
            self.gather_times();
        }
        self.expiry.times.push(Reverse((item.expires, (item.commit, log, offset))));
    }

    /// Most of the times are of messages that have left: only the others are kept.
    fn gather_times(&mut self) {
        let ready = self.ready.iter().map(|(place, item)| (item.expires, *place));
        let waiting = self.waiting.iter().map(|((log, offset), waiting)| {
            let item = waiting.item;
            (item.expires, (item.commit, *log, *offset))
        });
        self.expiry.times = ready.chain(waiting).filter(|(expires, _)| *expires != NEVER).map(Reverse).collect();
    }

    /// Ends what has expired by now, up to a step's worth.
    pub(super) fn expire_due(&mut self, now: Millis) {
        self.expire_parked(now, STEP_MAX);
        for _ in 0..STEP_MAX {
            let Some(&Reverse((due, place))) = self.expiry.times.peek() else { return };
            if due > now {
                return;
            }
            self.expiry.times.pop();
            if let Some(item) = self.ready.remove(&place) {
                self.expire((place.1, place.2), item);
            } else if let Some(waiting) = self.waiting.remove(&(place.1, place.2)) {
                self.expire((place.1, place.2), waiting.item);
            }
        }
    }

    /// A message that was just taken out has expired: it is counted, and dead-lettered if the queue wants that.
    pub(super) fn expire(&mut self, key: Key, item: Item) {
        let (log, offset): (LogId, Offset) = key;
        self.stats.expired += 1;
        self.free(&item);
        if item.attempts > 0 {
            self.expiry.remember(key);
        }
        self.await_end(item.key);
        if self.config.dead_letter_expired {
            self.await_dead_letter(key);
            let (reason, attempts) = (DeadLetterReason::Expired, item.attempts);
            self.dead_letters.push(DeadLetterOut { log, offset, reason, attempts, description: String::new() });
        }
        self.settled(Some((log, offset, offset + 1)));
    }
}
