//! The machine's state, and the way of a message in.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};

use super::deliver::Consumer;
use super::expiry::Expiry;
use super::far::Far;
use super::keys::Keys;
use super::late::LateEnds;
use super::limits::GivenUp;
use super::rate::Bucket;
use super::strict::Strict;
use super::{
    ConsumerId, DeadLetterOut, Entry, Freed, QueueConfig, QueueStats, SENT_AHEAD, Ticket, UNSETTLED_MAX, WINDOW_MAX,
};
use crate::cursor::Cursor;
use crate::settle::{Progress, SettleRecord};
use crate::{CommitNo, LogId, Millis, Offset, QueueId};

pub(super) type Key = (LogId, Offset);

/// Where a message stands in the queue's order.
pub type Place = (CommitNo, LogId, Offset);

/// By log and offset. The keys are the broker's own numbers, so a fast hash is safe.
pub(super) type Table<T> = HashMap<Key, T, foldhash::fast::RandomState>;

/// What is known of a message wherever it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub commit: CommitNo,
    pub bytes: u32,
    pub attempts: u32,
    pub failures: u32,
    pub expires: Millis,
    pub key: u64,
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
    pub(super) read_to: Offset,
    /// Below this bound deliveries may go out.
    pub(super) sent_durable: Offset,
    pub(super) sent_asked: Offset,
    /// Below this bound an earlier life of the broker may have delivered.
    pub(super) maybe_sent: Offset,
    /// All that was delivered stands below.
    pub(super) delivered_to: Offset,
    /// The floor as the records tell it; the cursor's own also has what did not match.
    pub(super) floor_recorded: Offset,
    /// Unsettled messages that wait for another one of their key, in memory or on disk.
    pub(super) behind: i64,
}

impl Source {
    /// What is known of a message, and from when on it may be delivered. `is_doubted`: perhaps once more than is on record.
    pub(super) fn item_of(&self, entry: &Entry, is_doubted: bool) -> (Item, Millis) {
        let retry = self.cursor.retry(entry.offset).unwrap_or_default();
        let item = Item {
            commit: entry.commit,
            bytes: entry.bytes,
            attempts: retry.attempts.saturating_add(is_doubted.into()),
            failures: retry.failures,
            expires: entry.expires,
            key: entry.key,
        };
        (item, retry.not_before_ms)
    }
}

/// What a commit makes possible.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) released: Vec<Key>,
    /// Ordering keys whose message is done with.
    pub(super) ended: Vec<u64>,
    /// Messages that were settled while nobody knew their key, or while they were parked.
    pub(super) late: Vec<Key>,
    /// Parked messages that leave their key's lane.
    pub(super) unparked: Vec<(u64, Place)>,
    /// Purges of a queue that keeps keys in order.
    pub(super) purges: usize,
    /// Dead letters.
    pub(super) letters: Vec<Key>,
    /// Dead letters of a STRICT queue.
    pub(super) given_up: usize,
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
    pub(super) consumers: BTreeMap<ConsumerId, Consumer>,
    pub(super) next_consumer: ConsumerId,
    pub(super) next_delivery: u64,
    pub(super) records: Vec<SettleRecord>,
    pub(super) dead_letters: Vec<DeadLetterOut>,
    /// Messages whose dead letters are not on disk yet. What comes behind them may be there before.
    pub(super) letters: BTreeSet<Key>,
    pub(super) freed: Freed,
    /// Settled before they were read: late acks.
    pub(super) settled_unread: HashSet<Key>,
    pub(super) effects: Effects,
    pub(super) committing: BTreeMap<Ticket, Effects>,
    pub(super) next_ticket: u64,
    pub(super) random: u64,
    pub(super) expiry: Expiry,
    pub(super) far: Far,
    /// The time as it was last told.
    pub(super) clock: Millis,
    pub(super) keys: Keys,
    pub(super) late: LateEnds,
    pub(super) given_up: GivenUp,
    pub(super) strict: Strict,
    pub(super) bucket: Bucket,
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
            letters: BTreeSet::new(),
            freed: Freed::default(),
            settled_unread: HashSet::new(),
            effects: Effects::default(),
            committing: BTreeMap::new(),
            next_ticket: 1,
            random: seed | 1,
            expiry: Expiry::default(),
            far: Far::default(),
            clock: 0,
            keys: Keys::default(),
            late: LateEnds::default(),
            given_up: GivenUp::default(),
            strict: Strict::default(),
            bucket: Bucket::default(),
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
            delivered_to: 0,
            floor_recorded: floor,
            behind: 0,
        };
        self.sources.entry(log).or_insert(source);
    }

    /// Takes a cursor away, with what it had brought.
    pub fn remove_source(&mut self, log: LogId) {
        self.sources.remove(&log);
        self.given_up.below.remove(&log);
        self.ready.retain(|(_, of, _), _| *of != log);
        self.waiting.retain(|(of, _), _| *of != log);
        self.far.drop_below(log, Offset::MAX);
        let held: Vec<Key> = self.held.keys().filter(|(of, _)| *of == log).copied().collect();
        for key in held {
            self.let_go(key);
        }
        self.forget_late(log);
        self.drop_parked(log, Offset::MAX);
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
        if self.held.len() + self.waiting.len() >= UNSETTLED_MAX || self.has_all_lanes() {
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
            return self.pass_settled(&entry);
        }
        if !self.is_parked(&entry) {
            self.admit(&entry);
        }
    }

    /// Lets an unsettled message go its way.
    pub(super) fn admit(&mut self, entry: &Entry) {
        let Some(source) = self.sources.get(&entry.log) else { return };
        let is_doubted = entry.offset < source.maybe_sent;
        let (item, due) = source.item_of(entry, is_doubted);
        let key = (entry.log, entry.offset);
        if due > 0 {
            self.wait_for(key, item, due, is_doubted);
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
        if self.is_given_up((log, offset)) {
            return self.overflow((log, offset), item);
        }
        self.ready.insert((item.commit, log, offset), item);
        self.watch_expiry((log, offset), &item);
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
}
