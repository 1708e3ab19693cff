//! Messages that wait long for their next attempt. What is known of them is on disk: the cursor's table of retries, and the
//! log. Here a bit of each is kept, and when it is to be looked at: then it is read once more.

use std::collections::{BTreeMap, BTreeSet};

use super::machine::{Item, Key, QueueMachine, Table, Waiting};
use super::{Entry, NEVER, Ordering, UNSETTLED_MAX};
use crate::retries::{PIECE_OFFSETS, bits};
use crate::{LogId, Millis, Offset};

/// So many waiting messages stay in memory in any case; beyond it those with a long delay leave it.
pub const NEAR_MAX: usize = 4_096;
/// A delay of more than this is long, in ms.
pub const LONG_MS: u64 = 10_000;
/// Most messages with long delays out of memory; what comes on top stays in it, and counts as the others there do.
pub const FAR_MAX: usize = 10_000_000;

/// So long before its time a message is read, in ms: those of about the same time are read together.
const EARLY_MS: u64 = 5_000;
/// Expiry is looked at in steps of so many ms, so that what expires a little later needs no reading of its own.
const EXPIRY_STEP_MS: u64 = 1_000;

/// When messages leave memory, and when they come back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub near: usize,
    pub long_ms: u64,
    pub early_ms: u64,
    pub all: usize,
}

/// A message to be read once more: see [`QueueMachine::take_far`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Its log.
    pub log: LogId,
    /// Its place there.
    pub offset: Offset,
    /// It may have been sent by an earlier life of the broker that its record does not tell of.
    is_doubted: bool,
    key: u64,
}

/// As many offsets as a piece of the table of retries has.
#[derive(Debug, Clone, Copy)]
struct Piece {
    there: u64,
    doubted: u64,
    wake: Millis,
    /// When the first of them expires, if that is before its time.
    expires: Millis,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Far {
    pieces: BTreeMap<(LogId, u64), Piece>,
    wakes: BTreeSet<(Millis, LogId, u64)>,
    /// The ordering keys that they hold up: at most one message each.
    keys: Table<u64>,
    /// Settled, and to be read at once: a queue's limits wait for their sizes.
    settled: Vec<Wanted>,
    len: usize,
    bytes: u64,
    pub bounds: Bounds,
}

impl Default for Far {
    fn default() -> Self {
        Self {
            pieces: BTreeMap::new(),
            wakes: BTreeSet::new(),
            keys: Table::default(),
            settled: Vec::new(),
            len: 0,
            bytes: 0,
            bounds: Bounds { near: NEAR_MAX, long_ms: LONG_MS, early_ms: EARLY_MS, all: FAR_MAX },
        }
    }
}

fn place((log, offset): Key) -> ((LogId, u64), u64) {
    ((log, offset / PIECE_OFFSETS), 1 << (offset % PIECE_OFFSETS))
}

impl Far {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn contains(&self, key: Key) -> bool {
        let (at, bit) = place(key);
        self.len > 0 && self.pieces.get(&at).is_some_and(|piece| piece.there & bit != 0)
    }

    /// Whether a message may have been sent more often than its record tells; none if it is not among these.
    pub(super) fn doubt(&self, key: Key) -> Option<bool> {
        let (at, bit) = place(key);
        let piece = self.pieces.get(&at).filter(|piece| piece.there & bit != 0)?;
        Some(piece.doubted & bit != 0)
    }

    /// Their bytes; exact as long as all have the same size.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// So many are not among them any more.
    fn leave(&mut self, messages: u32) {
        let share = u128::from(self.bytes) * u128::from(messages) / self.len.max(1) as u128;
        self.bytes = self.bytes.saturating_sub(share as u64);
        self.len -= messages as usize;
    }

    /// The ordering keys that are held up.
    pub(super) fn keys(&self) -> impl Iterator<Item = u64> + '_ {
        self.keys.values().copied()
    }

    fn put(&mut self, key: Key, item: &Item, due: Millis, is_doubted: bool) {
        let (at, bit) = place(key);
        let piece = self.pieces.remove(&at);
        let mut piece = piece.unwrap_or(Piece { there: 0, doubted: 0, wake: NEVER, expires: NEVER });
        self.wakes.remove(&(piece.wake, at.0, at.1));
        if piece.there & bit == 0 {
            self.len += 1;
            self.bytes += u64::from(item.bytes);
        }
        piece.there |= bit;
        piece.doubted = if is_doubted { piece.doubted | bit } else { piece.doubted & !bit };
        if item.expires < due {
            piece.expires = piece.expires.min(item.expires.div_ceil(EXPIRY_STEP_MS).saturating_mul(EXPIRY_STEP_MS));
        }
        piece.wake = piece.wake.min(piece.expires).min(due.saturating_sub(self.bounds.early_ms));
        self.keep(at, piece);
        if item.key != 0 {
            self.keys.insert(key, item.key);
        }
    }

    fn keep(&mut self, at: (LogId, u64), piece: Piece) {
        self.wakes.insert((piece.wake, at.0, at.1));
        self.pieces.insert(at, piece);
    }

    /// A message is settled: it is read once more for its size. The ordering key that it held up.
    fn settle(&mut self, key: Key) -> u64 {
        let (at, bit) = place(key);
        if let Some(mut piece) = self.pieces.remove(&at) {
            self.wakes.remove(&(piece.wake, at.0, at.1));
            self.leave((piece.there & bit).count_ones());
            piece.there &= !bit;
            if piece.there != 0 {
                self.keep(at, piece);
            }
        }
        self.settled.push(Wanted { log: key.0, offset: key.1, is_doubted: false, key: 0 });
        self.keys.remove(&key).unwrap_or(0)
    }

    /// True if something that was settled has not been read.
    #[cfg(test)]
    pub(super) fn has_settled(&self) -> bool {
        !self.settled.is_empty()
    }

    /// Those of a log below `end`, from the last one on.
    pub(super) fn keys_below(&self, log: LogId, end: Offset) -> impl Iterator<Item = Key> + '_ {
        let pieces = self.pieces.range((log, 0)..(log, end.div_ceil(PIECE_OFFSETS))).rev();
        let offsets = pieces
            .flat_map(|((_, number), piece)| bits(piece.there).map(move |bit| number * PIECE_OFFSETS + u64::from(bit)));
        offsets.filter(move |offset| *offset < end).map(move |offset| (log, offset))
    }

    /// Forgets those of a log below `end`.
    pub(super) fn drop_below(&mut self, log: LogId, end: Offset) {
        let last = end.div_ceil(PIECE_OFFSETS);
        let hit: Vec<u64> = self.pieces.range((log, 0)..(log, last)).map(|((_, number), _)| *number).collect();
        for number in hit {
            let at = (log, number);
            let Some(mut piece) = self.pieces.remove(&at) else { continue };
            self.wakes.remove(&(piece.wake, log, number));
            let below = end - number * PIECE_OFFSETS;
            let kept = if below >= PIECE_OFFSETS { 0 } else { piece.there & (u64::MAX << below) };
            self.leave((piece.there & !kept).count_ones());
            piece.there = kept;
            if kept != 0 {
                self.keep(at, piece);
            }
        }
        self.keys.retain(|(of, offset), _| *of != log || *offset >= end);
        self.settled.retain(|wanted| wanted.log != log || wanted.offset >= end);
    }

    /// Takes a piece out whose time has come.
    fn pop_due(&mut self, now: Millis) -> Option<((LogId, u64), Piece)> {
        let &(wake, log, number) = self.wakes.first().filter(|(wake, ..)| *wake <= now)?;
        self.wakes.remove(&(wake, log, number));
        Some(((log, number), self.pieces.remove(&(log, number))?))
    }

    /// Takes messages of a piece away, and puts the others back until `wake`.
    fn part(&mut self, at: (LogId, u64), piece: Piece, taken: u64, wake: Millis, out: &mut Vec<Wanted>) {
        for bit in bits(taken) {
            let (log, offset) = (at.0, at.1 * PIECE_OFFSETS + u64::from(bit));
            let key = self.keys.remove(&(log, offset)).unwrap_or(0);
            out.push(Wanted { log, offset, is_doubted: piece.doubted & (1 << bit) != 0, key });
        }
        self.leave(taken.count_ones());
        let there = piece.there & !taken;
        if there != 0 {
            self.keep(at, Piece { there, wake: wake.min(piece.expires), ..piece });
        }
    }
}

impl QueueMachine {
    /// True if a message leaves memory until its time comes.
    fn goes_far(&self, due: Millis) -> bool {
        let bounds = &self.far.bounds;
        self.waiting.len() >= bounds.near
            && due > self.clock.saturating_add(bounds.long_ms)
            && self.far.len < bounds.all
            && self.config.ordering != Ordering::Strict
    }

    /// Lets a message wait whose record is durable. Without `is_doubted` the record tells of all its deliveries.
    pub(super) fn wait_for(&mut self, key: Key, item: Item, due: Millis, is_doubted: bool) {
        if self.goes_far(due) {
            self.waiting.remove(&key);
            return self.far.put(key, &item, due, is_doubted);
        }
        let is_new = self.waiting.insert(key, Waiting { item, due, durable: true }).is_none();
        self.set_timer(due, key);
        if is_new {
            self.watch_expiry(key, &item);
        }
    }

    /// How many more messages may be read whose time comes.
    fn far_room(&self) -> usize {
        UNSETTLED_MAX.saturating_sub(self.held.len() + self.waiting.len() + self.ready.len())
    }

    /// When the next messages are to be read, if there is room for them.
    pub(super) fn far_timer(&self) -> Option<Millis> {
        if !self.far.settled.is_empty() {
            return Some(self.clock);
        }
        self.far.wakes.first().filter(|_| self.far_room() > 0).map(|(wake, ..)| *wake)
    }

    /// Messages whose time comes, or that are to be looked at, about `max` at most: each is to be read and given to
    /// [`take_far`](Self::take_far), or to [`lose_far`](Self::lose_far), before anything else happens.
    pub fn wanted(&mut self, now: Millis, max: usize) -> Vec<Wanted> {
        self.clock = now;
        let mut out: Vec<Wanted> = self.far.settled.drain(..max.min(self.far.settled.len())).collect();
        let room = max.min(self.far_room());
        let soon = now.saturating_add(self.far.bounds.early_ms);
        while out.len() < room
            && let Some((at, piece)) = self.far.pop_due(now)
        {
            let (mut taken, mut next) = (piece.there, NEVER);
            let source = self.sources.get(&at.0).filter(|_| piece.expires > now);
            for (bit, retry) in source.into_iter().flat_map(|source| source.cursor.retries().of_piece(at.1)) {
                let is_there = piece.there & (1 << bit) != 0;
                if is_there && retry.not_before_ms > soon {
                    taken &= !(1 << bit);
                    next = next.min(retry.not_before_ms);
                }
            }
            self.far.part(at, piece, taken, next.saturating_sub(self.far.bounds.early_ms), &mut out);
        }
        out
    }

    /// A wanted message, as it was read.
    pub fn take_far(&mut self, wanted: &Wanted, entry: &Entry, now: Millis) {
        let Some(source) = self.sources.get(&entry.log) else { return };
        let key = (entry.log, entry.offset);
        if source.cursor.is_settled(entry.offset) {
            return self.free_if_due(key, entry.bytes);
        }
        let (item, due) = source.item_of(entry, wanted.is_doubted);
        if item.expires <= now {
            return self.expire(key, item);
        }
        self.wait_for(key, item, due, wanted.is_doubted);
    }

    /// A wanted message is not in its log any more: it is done with.
    pub fn lose_far(&mut self, wanted: &Wanted) {
        let (log, offset) = (wanted.log, wanted.offset);
        if self.sources.get(&log).is_some_and(|source| !source.cursor.is_settled(offset)) {
            self.await_end(wanted.key);
            self.settled(Some((log, offset, offset + 1)));
        }
    }

    /// A message was settled while it was out of memory: its size is known once it is read. True if it was one of these.
    pub(super) fn settle_far(&mut self, key: Key) -> bool {
        let is_far = self.far.contains(key);
        if is_far {
            let ordering_key = self.far.settle(key);
            self.free_later(key);
            self.await_end(ordering_key);
        }
        is_far
    }
}
