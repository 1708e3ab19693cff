//! How a delivery ends: ack, nack, the end of a lease; and how a queue is emptied.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::expiry::GONE_MAX;
use super::machine::{Item, Key, Place, QueueMachine, Table, Waiting};
use super::{DeadLetterOut, NackMode, SettleStatus};
use crate::batch::DeadLetterReason;
use crate::settle::{Progress, Retry};
use crate::{LogId, Millis, Offset};

/// Where messages are ready: looked up by those who ack many that are not theirs any more.
#[derive(Default)]
struct Late {
    /// How many were looked for.
    searched: usize,
    places: Option<Table<Place>>,
}

impl Late {
    /// A late ack of a message that is ready again is rare, so the window is searched. For many of them it is searched once.
    fn remove_ready(&mut self, ready: &mut BTreeMap<Place, Item>, (log, offset): Key) -> Option<Item> {
        let by_key = |place: &Place| ((place.1, place.2), *place);
        self.searched += 1;
        let place = match &mut self.places {
            Some(places) => places.get(&(log, offset)).copied(),
            None if self.searched > 1 => {
                let places = self.places.insert(ready.keys().map(by_key).collect());
                places.get(&(log, offset)).copied()
            }
            None => ready.keys().find(|(_, of, at)| (*of, *at) == (log, offset)).copied(),
        };
        ready.remove(&place?)
    }
}

impl QueueMachine {
    /// Done, all of `places`: a status for each. What consumers hold in a row is recorded as one.
    pub fn ack_all(&mut self, places: impl Iterator<Item = (LogId, Offset)>) -> Vec<SettleStatus> {
        let mut statuses = Vec::with_capacity(places.size_hint().0);
        let mut late = Late::default();
        let mut run: Option<(LogId, Offset, Offset)> = None;
        for (log, offset) in places {
            // What is held is not settled.
            let held = self.let_go((log, offset));
            let is_held = held.is_some();
            held.iter().for_each(|held| self.free(&held.item));
            self.await_end(held.map_or(0, |held| held.item.key));
            self.stats.acked += i64::from(is_held);
            if let Some((of, _, to)) = &mut run
                && is_held
                && (*of, *to) == (log, offset)
            {
                *to += 1;
            } else {
                self.settled(run.take());
                run = is_held.then_some((log, offset, offset + 1));
            }
            statuses.push(if is_held { SettleStatus::Ok } else { self.ack_late((log, offset), &mut late) });
        }
        self.settled(run);
        statuses
    }

    /// Done. A late ack still settles, even while another consumer holds the message.
    pub fn ack(&mut self, log: LogId, offset: Offset) -> SettleStatus {
        self.ack_late((log, offset), &mut Late::default())
    }

    fn ack_late(&mut self, key: Key, late: &mut Late) -> SettleStatus {
        let Some(source) = self.sources.get(&key.0) else { return SettleStatus::Gone };
        if source.cursor.is_settled(key.1) {
            return self.how_settled(key);
        }
        self.stats.acked += 1;
        self.settle_late(key, late);
        SettleStatus::Ok
    }

    /// Done, unless this is not the newest delivery, or its lease has ended: for queues where only one consumer may say so.
    pub fn ack_newest(&mut self, (log, offset): (LogId, Offset), delivery: u64) -> SettleStatus {
        match self.check_held((log, offset), delivery) {
            Ok(()) => self.ack(log, offset),
            Err(status) => status,
        }
    }

    /// Given back, or up.
    pub fn nack(
        &mut self,
        (log, offset): (LogId, Offset),
        delivery: u64,
        mode: NackMode,
        delay_ms: Option<u64>,
        reason: &str,
        now: Millis,
    ) -> SettleStatus {
        let key = (log, offset);
        if let Err(status) = self.check_held(key, delivery) {
            return status;
        }
        match mode {
            NackMode::Release => {
                self.stats.nacked += 1;
                self.give_back(key, now.saturating_add(delay_ms.unwrap_or(0)));
            }
            NackMode::Retry => {
                self.stats.nacked += 1;
                self.fail(key, now, delay_ms, reason);
            }
            NackMode::Reject => self.give_up(key, DeadLetterReason::Rejected, reason),
        }
        SettleStatus::Ok
    }

    /// Prolongs a lease from now, by the queue's lease where `lease_ms` is none; never beyond `max_lease` over the whole
    /// delivery.
    pub fn extend(
        &mut self,
        log: LogId,
        offset: Offset,
        delivery: u64,
        lease_ms: Option<u64>,
        now: Millis,
    ) -> SettleStatus {
        let key = (log, offset);
        if let Err(status) = self.check_held(key, delivery) {
            return status;
        }
        let lease_ms = lease_ms.unwrap_or(self.config.lease_ms);
        if let Some(held) = self.held.get_mut(&key) {
            let latest = held.since.saturating_add(self.config.max_lease_ms);
            held.lease_end = now.saturating_add(lease_ms).min(latest);
            let due = held.lease_end;
            self.set_timer(due, key);
        }
        SettleStatus::Ok
    }

    fn check_held(&self, (log, offset): Key, delivery: u64) -> Result<(), SettleStatus> {
        let source = self.sources.get(&log).ok_or(SettleStatus::Gone)?;
        if source.cursor.is_settled(offset) {
            return Err(self.how_settled((log, offset)));
        }
        match self.held.get(&(log, offset)) {
            Some(held) if held.delivery == delivery || cfg!(feature = "planted-any-ack") => Ok(()),
            _ => Err(SettleStatus::LeaseLost),
        }
    }

    fn how_settled(&self, key: Key) -> SettleStatus {
        if self.expiry.is_gone(key) { SettleStatus::Gone } else { SettleStatus::AlreadySettled }
    }

    /// Ends a message for good, wherever it is.
    pub(super) fn settle(&mut self, key: Key) {
        self.settle_late(key, &mut Late::default());
    }

    fn settle_late(&mut self, key: Key, late: &mut Late) {
        let (log, offset) = key;
        let item = self.let_go(key).map(|held| held.item).or_else(|| self.waiting.remove(&key).map(|w| w.item));
        match item.or_else(|| late.remove_ready(&mut self.ready, key)) {
            Some(item) => {
                self.free(&item);
                if cfg!(feature = "planted-late-count") && item.attempts > 0 {
                    self.free(&item);
                }
                self.await_end(item.key);
            }
            None if self.settle_far(key) => {}
            None => {
                self.free_later(key);
                self.await_late_end(key);
                if offset < self.read_to(log) {
                    self.count_behind(log, -1);
                }
            }
        }
        self.settled(Some((log, offset, offset + 1)));
    }

    /// Records that a run of messages is done with.
    pub(super) fn settled(&mut self, run: Option<(LogId, Offset, Offset)>) {
        let Some((log, from, to)) = run else { return };
        let change = Progress::Settled { from, to };
        let Some(source) = self.sources.get_mut(&log) else { return };
        source.cursor.apply(&change);
        self.record_floor(log);
        if self.sources.get(&log).is_some_and(|source| source.floor_recorded < to) {
            self.push_record(log, change);
        }
    }

    /// Back in its place without a failure.
    pub(super) fn give_back(&mut self, key: Key, due: Millis) {
        let Some(held) = self.let_go(key) else { return };
        self.wait(key, Waiting { item: held.item, due, durable: false });
        self.take_back_behind((held.item.commit, key.0, key.1));
    }

    /// Tried and failed: comes again after a backoff, or is dead-lettered.
    pub(super) fn fail(&mut self, key: Key, now: Millis, delay_ms: Option<u64>, reason: &str) {
        let failures = match self.held.get_mut(&key) {
            Some(held) => {
                held.item.failures = held.item.failures.saturating_add(1);
                held.item.failures
            }
            None => return,
        };
        if self.config.max_attempts > 0 && failures >= self.config.max_attempts {
            return self.give_up(key, DeadLetterReason::MaxAttempts, reason);
        }
        let delay = delay_ms.unwrap_or_else(|| self.backoff(failures));
        self.give_back(key, now.saturating_add(delay));
    }

    /// min x multiplier^(n-1), at most max, a fifth more or less at random.
    fn backoff(&mut self, failures: u32) -> u64 {
        let grown = self.config.min_backoff_ms as f64 * self.config.multiplier.powi(failures.saturating_sub(1) as i32);
        let base = grown.min(self.config.max_backoff_ms as f64) as u64;
        let spread = base / 5;
        base - spread + self.random() % (2 * spread + 1)
    }

    fn give_up(&mut self, key: Key, reason: DeadLetterReason, description: &str) {
        let Some(held) = self.held.get(&key) else { return };
        let attempts = held.item.attempts;
        match reason {
            DeadLetterReason::Rejected => self.stats.rejected += 1,
            DeadLetterReason::MaxAttempts => self.stats.exhausted += 1,
            DeadLetterReason::Expired => self.stats.expired += 1,
            DeadLetterReason::Overflow => self.stats.overflowed += 1,
        }
        let description = description.to_owned();
        self.await_dead_letter(key);
        self.dead_letters.push(DeadLetterOut { log: key.0, offset: key.1, reason, attempts, description });
        self.settle(key);
    }

    /// Writes down how a message that was given back stands. It goes out again only once that is durable.
    pub(super) fn wait(&mut self, key: Key, waiting: Waiting) {
        let item = waiting.item;
        let state = Retry { attempts: item.attempts, failures: item.failures, not_before_ms: waiting.due };
        let change = Progress::Retry { offset: key.1, state };
        if let Some(source) = self.sources.get_mut(&key.0) {
            source.cursor.apply(&change);
        }
        self.push_record(key.0, change);
        self.waiting.insert(key, waiting);
        self.watch_expiry(key, &item);
        self.await_release(key);
        if cfg!(feature = "planted-key-order") {
            self.await_end(item.key);
        }
    }

    /// Ends leases, backoffs and messages whose time has come.
    pub fn tick(&mut self, now: Millis) {
        self.clock = now;
        self.end_timers(now);
        self.expire_due(now);
        self.end_wait_for_token(now);
    }

    fn end_timers(&mut self, now: Millis) {
        while let Some(&Reverse((due, key))) = self.timers.peek() {
            if due > now {
                return;
            }
            self.timers.pop();
            if let Some(held) = self.held.get(&key) {
                if held.lease_end <= now {
                    self.stats.leases_lost += 1;
                    self.fail(key, now, None, "the lease ended");
                }
            } else if let Some(waiting) = self.waiting.get(&key).copied()
                && waiting.durable
                && waiting.due <= now
            {
                self.waiting.remove(&key);
                self.make_ready(key, waiting.item);
            }
        }
    }

    /// When [`tick`](Self::tick) has something to do next.
    #[must_use]
    pub fn next_timer(&self) -> Option<Millis> {
        self.timers
            .peek()
            .map(|Reverse((due, _))| *due)
            .into_iter()
            .chain(self.expiry.next())
            .chain(self.far_timer())
            .chain(self.bucket.next())
            .min()
    }

    /// Settles all that waits below `end`, but for what consumers hold; how many were in memory.
    pub fn purge(&mut self, log: LogId, end: Offset) {
        let mut held: Vec<Offset> = self.held.keys().filter(|(of, _)| *of == log).map(|(_, offset)| *offset).collect();
        let floor = self.sources.get(&log).map_or(0, |source| source.cursor.floor());
        held.extend(self.letters_of(log).filter(|offset| *offset >= floor));
        held.sort_unstable();
        if cfg!(feature = "planted-purge-held") {
            held.clear();
        }
        let mut gone: Vec<Key> = Vec::new();
        let mut stays = |key: Key, item: &Item| {
            let stays = key.0 != log || key.1 >= end;
            gone.extend((!stays && item.attempts > 0).then_some(key));
            stays
        };
        self.ready.retain(|(_, of, offset), item| stays((*of, *offset), item));
        self.waiting.retain(|key, waiting| stays(*key, &waiting.item));
        gone.into_iter().for_each(|key| self.expiry.remember(key));
        self.far.keys_below(log, end).take(GONE_MAX).for_each(|key| self.expiry.remember(key));
        self.far.drop_below(log, end);
        let Some(source) = self.sources.get(&log) else { return };
        let mut from = source.cursor.floor();
        for upto in held.into_iter().filter(|offset| *offset < end).chain([end]) {
            if from < upto {
                let change = Progress::Settled { from, to: upto };
                if let Some(source) = self.sources.get_mut(&log) {
                    source.cursor.apply(&change);
                }
                self.push_record(log, change);
                self.await_purge();
            }
            from = upto.max(from) + 1;
        }
        self.passed(log, end);
        self.drop_parked(log, end);
    }
}
