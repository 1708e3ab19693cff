//! The machine's state, and the way of a message in and out to a consumer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::ops::Bound;

use super::{
    Assignment, ConsumerId, DeadLetterOut, End, Entry, LeaseMode, MessageState, QueueConfig, QueueStats, SENT_AHEAD,
    Ticket, UNSETTLED_MAX, WINDOW_MAX, Window,
};
use crate::cursor::Cursor;
use crate::settle::{Progress, SettleRecord};
use crate::{CommitNo, LogId, Millis, Offset, QueueId};

pub(super) type Key = (LogId, Offset);

/// Where a message stands in the queue's order.
type Place = (CommitNo, LogId, Offset);

/// By log and offset. The keys are the broker's own numbers, so a fast hash is safe.
pub(super) type Table<T> = HashMap<Key, T, foldhash::fast::RandomState>;

/// What is known of a message wherever it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub commit: CommitNo,
    pub bytes: u32,
    pub attempts: u32,
    pub failures: u32,
}

/// A message with a consumer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub item: Item,
    pub consumer: ConsumerId,
    pub delivery: u64,
    pub since: Millis,
    pub lease_end: Millis,
}

/// A message that was given back: until that is durable, and until its time comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub item: Item,
    pub due: Millis,
    pub durable: bool,
}

#[derive(Debug)]
pub(super) struct Source {
    pub cursor: Cursor,
    /// All below has been offered or passed.
    read_to: Offset,
    /// Below this bound deliveries may go out.
    pub(super) sent_durable: Offset,
    sent_asked: Offset,
    /// Below this bound an earlier life of the broker may have delivered.
    maybe_sent: Offset,
    /// The floor as the records tell it; the cursor's own also has what did not match.
    pub(super) floor_recorded: Offset,
}

#[derive(Debug)]
struct Consumer {
    window: Window,
    lease_ms: u64,
    mode: LeaseMode,
    messages: u32,
    bytes: u64,
}

impl Consumer {
    fn takes(&self, bytes: u32) -> bool {
        let fits = self.bytes + u64::from(bytes) <= self.window.bytes;
        self.messages < self.window.messages && (fits || self.messages == 0)
    }
}

/// What a commit makes possible.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) released: Vec<Key>,
    pub(super) sent: Vec<(LogId, Offset)>,
}

/// The state machine of one queue. See the module's documentation.
#[derive(Debug)]
pub struct QueueMachine {
    pub(super) queue: QueueId,
    pub(super) config: QueueConfig,
    pub(super) sources: BTreeMap<LogId, Source>,
    pub(super) ready: BTreeMap<Place, Item>,
    pub(super) held: Table<Held>,
    pub(super) waiting: Table<Waiting>,
    pub(super) timers: BinaryHeap<Reverse<(Millis, Key)>>,
    pub(super) stats: QueueStats,
    consumers: BTreeMap<ConsumerId, Consumer>,
    next_consumer: ConsumerId,
    next_delivery: u64,
    pub(super) records: Vec<SettleRecord>,
    pub(super) dead_letters: Vec<DeadLetterOut>,
    pub(super) effects: Effects,
    pub(super) committing: BTreeMap<Ticket, Effects>,
    pub(super) next_ticket: u64,
    pub(super) random: u64,
}

impl QueueMachine {
    /// A queue without sources. `seed` is for the jitter of backoffs.
    #[must_use]
    pub fn new(queue: QueueId, config: QueueConfig, seed: u64) -> Self {
        Self {
            queue,
            config,
            sources: BTreeMap::new(),
            ready: BTreeMap::new(),
            held: Table::default(),
            waiting: Table::default(),
            timers: BinaryHeap::new(),
            stats: QueueStats::default(),
            consumers: BTreeMap::new(),
            next_consumer: 1,
            next_delivery: 1,
            records: Vec::new(),
            dead_letters: Vec::new(),
            effects: Effects::default(),
            committing: BTreeMap::new(),
            next_ticket: 1,
            random: seed | 1,
        }
    }

    /// Adds a cursor, as it is on disk. What is below its `sent` may have been delivered: one attempt more.
    pub fn add_source(&mut self, log: LogId, cursor: Cursor) {
        let (floor, sent) = (cursor.floor(), cursor.sent());
        let source = Source {
            cursor,
            read_to: floor,
            sent_durable: sent,
            sent_asked: sent,
            maybe_sent: sent,
            floor_recorded: floor,
        };
        self.sources.entry(log).or_insert(source);
    }

    /// Takes a cursor away, with what it had brought.
    pub fn remove_source(&mut self, log: LogId) {
        self.sources.remove(&log);
        self.ready.retain(|(_, of, _), _| *of != log);
        self.waiting.retain(|(of, _), _| *of != log);
        let held: Vec<Key> = self.held.keys().filter(|(of, _)| *of == log).copied().collect();
        for key in held {
            self.let_go(key);
        }
    }

    /// The logs it reads.
    pub fn logs(&self) -> impl Iterator<Item = LogId> + '_ {
        self.sources.keys().copied()
    }

    /// The progress over one log, as far as it is known here.
    #[must_use]
    pub fn cursor(&self, log: LogId) -> Option<&Cursor> {
        self.sources.get(&log).map(|source| &source.cursor)
    }

    /// How many more fresh messages it takes now.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.held.len() + self.waiting.len() >= UNSETTLED_MAX {
            return 0;
        }
        WINDOW_MAX.saturating_sub(self.ready.len())
    }

    /// Takes a fresh message. For one log offsets must come in order; between them are those that do not match.
    pub fn offer(&mut self, entry: Entry) {
        self.passed(entry.log, entry.offset);
        let Some(source) = self.sources.get_mut(&entry.log) else { return };
        if entry.offset < source.read_to {
            return;
        }
        source.read_to = entry.offset + 1;
        if source.cursor.is_settled(entry.offset) {
            return;
        }
        let retry = source.cursor.retry(entry.offset).unwrap_or_default();
        let maybe_sent = u32::from(entry.offset < source.maybe_sent);
        let item = Item {
            commit: entry.commit,
            bytes: entry.bytes,
            attempts: retry.attempts.saturating_add(maybe_sent),
            failures: retry.failures,
        };
        let key = (entry.log, entry.offset);
        if retry.not_before_ms > 0 {
            self.waiting.insert(key, Waiting { item, due: retry.not_before_ms, durable: true });
            self.set_timer(retry.not_before_ms, key);
        } else {
            self.make_ready(key, item);
        }
    }

    /// All below `upto` that was not offered does not match, and counts as settled.
    pub fn passed(&mut self, log: LogId, upto: Offset) {
        let Some(source) = self.sources.get_mut(&log) else { return };
        if upto <= source.read_to {
            return;
        }
        source.cursor.apply(&Progress::Settled { from: source.read_to, to: upto });
        source.read_to = upto;
        // Not a record for each: it rides on the next settlement, or goes by itself when enough has passed.
        if source.cursor.floor() >= source.floor_recorded + SENT_AHEAD / 2 {
            self.record_floor(log);
        }
    }

    pub(super) fn make_ready(&mut self, (log, offset): Key, item: Item) {
        self.ready.insert((item.commit, log, offset), item);
    }

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
        let mut held: Vec<Key> =
            self.held.iter().filter(|(_, held)| held.consumer == id).map(|(key, _)| *key).collect();
        held.sort_unstable();
        for key in held {
            match end {
                End::Lost => self.fail(key, now, None, "the consumer went away"),
                End::BrokerEnded => self.give_back(key, now),
            }
        }
    }

    /// Gives every delivery back without a failure: for a clean stop.
    pub fn release_all(&mut self, now: Millis) {
        self.consumers.clear();
        let mut held: Vec<Key> = self.held.keys().copied().collect();
        held.sort_unstable();
        for key in held {
            self.give_back(key, now);
        }
    }

    /// For a clean stop, once all else is durable: every message that was sent has an end or a retry on record, so that the
    /// next life has to doubt only what this one did not learn of the lives before it.
    pub fn lower_sent(&mut self) {
        let doubts =
            self.sources.iter().map(|(log, source)| (*log, source, source.maybe_sent.max(source.cursor.floor())));
        let lower: Vec<(LogId, Offset)> =
            doubts.filter(|(_, source, upto)| *upto < source.sent_asked).map(|(log, _, upto)| (log, upto)).collect();
        for (log, upto) in lower {
            self.push_record(log, Progress::Sent { upto });
        }
    }

    /// Hands out what consumers have credit for, oldest first, each to the one with the most free credit.
    pub fn deliver(&mut self, now: Millis, out: &mut Vec<Assignment>) {
        let mut passed = None;
        while let Some((place, item)) = self.first_ready(passed) {
            let Some(consumer) = self.pick(item.bytes) else { return };
            if !self.may_send((place.1, place.2)) {
                passed = Some(place);
                continue;
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

    fn pick(&self, bytes: u32) -> Option<ConsumerId> {
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

    /// What a message is doing here; none if it has not been read yet.
    #[must_use]
    pub fn state_of(&self, log: LogId, offset: Offset) -> Option<MessageState> {
        let key = (log, offset);
        if self.held.contains_key(&key) {
            return Some(MessageState::Unsettled);
        }
        if let Some(waiting) = self.waiting.get(&key) {
            return Some(MessageState::BackingOff(waiting.due));
        }
        let source = self.sources.get(&log)?;
        if source.cursor.is_settled(offset) {
            return Some(MessageState::Settled);
        }
        (offset < source.read_to).then_some(MessageState::Ready)
    }

    /// Where in the queue's order the first message stands that may be delivered now.
    #[must_use]
    pub fn first_ready_commit(&self) -> Option<CommitNo> {
        self.ready.first_key_value().map(|((commit, ..), _)| *commit)
    }

    /// Up to where a log has been read.
    #[must_use]
    pub fn read_to(&self, log: LogId) -> Offset {
        self.sources.get(&log).map_or(0, |source| source.read_to)
    }

    /// Numbers; `ready` is what the window holds.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        QueueStats {
            ready: self.ready.len() as i64,
            unsettled: self.held.len() as i64,
            backing_off: self.waiting.len() as i64,
            consumers: self.consumers.len() as i64,
            ..self.stats
        }
    }
}
