//! What feeds a queue: logs, read ahead and merged by commit number.

use std::cell::OnceCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use ferrymq_core::batch::Batch;
use ferrymq_core::cursor::Cursor;
use ferrymq_core::filter::MessageView;
use ferrymq_core::queue::{Entry, KeyHash};
use ferrymq_core::settle::Progress;
use ferrymq_core::{CommitNo, LogId, Offset, QueueId};
use ferrymq_engine::store::Store;

use super::Interval;
use super::expiry::expires;
use super::tally::Tally;
use super::task::{Task, ms};
use crate::catalogue::record::BindingRecord;
use crate::catalogue::rule::Rule;
use crate::committer::{NewestVerdicts, Verdicts};
use crate::error::Error;

/// Bytes read from one log at a time.
pub(super) const READ_BYTES: usize = 1 << 20;
/// Most messages taken at a time: where keys are kept in order, what is parked fills no window.
const FILL_MAX: usize = 4_096;

/// One log that feeds the queue.
pub(super) struct Feed {
    /// Its topic's name; empty for the inbox.
    pub(super) topic: Bytes,
    /// None: everything (the inbox).
    pub(super) intervals: Option<Vec<Interval>>,
    /// The batch that was read last: most messages stand beside each other.
    pub(super) newest: Option<(Offset, Batch)>,
    /// Read, matched, not yet taken by the machine.
    pub(super) ahead: VecDeque<Entry>,
    /// All below has been read.
    pub(super) read_to: Offset,
    /// Where the log ended when the task began: what stands from here on has come in since.
    pub(super) began_at: Offset,
    /// Messages that matched since then.
    pub(super) received: u64,
    /// What stands before it goes to the dead letters: the log is over its limits.
    pub(super) given_up_below: Offset,
    /// What is known of what has not been read.
    pub(super) tally: Tally,
    /// Where the queue keeps keys in order.
    pub(super) keys: Option<KeyHash>,
}

impl Feed {
    pub(super) fn topic_name(&self) -> String {
        String::from_utf8_lossy(&self.topic).into_owned()
    }

    /// True if some binding matches a message.
    pub(super) fn matches(&self, offset: Offset, batch: &Batch, index: usize) -> bool {
        matches(self.intervals.as_deref(), offset, batch, index)
    }

    fn has_filters(&self) -> bool {
        self.intervals.iter().flatten().any(|interval| interval.rule.has_filters())
    }

    fn take(
        &mut self,
        log: LogId,
        base: Offset,
        commit: CommitNo,
        batch: &Batch,
        ttl_ms: u64,
        newest: &NewestVerdicts,
    ) {
        let verdicts = if self.has_filters() { newest.get(log, base) } else { None };
        for index in 0..batch.len() {
            let offset = base + index as u64;
            if offset >= self.read_to
                && matches_by(self.intervals.as_deref(), offset, batch, index, verdicts.as_deref())
            {
                self.received += u64::from(offset >= self.began_at);
                let entry = self.entry((log, offset), commit, batch, index, ttl_ms);
                self.tally.read(offset, entry.bytes);
                self.ahead.push_back(entry);
            }
        }
        self.read_to = self.read_to.max(base + batch.len() as u64);
    }

    pub(super) fn entry(
        &self,
        (log, offset): (LogId, Offset),
        commit: CommitNo,
        batch: &Batch,
        index: usize,
        ttl_ms: u64,
    ) -> Entry {
        let key = self.keys.as_ref().map_or(0, |keys| keys.of(&batch.message(index)));
        let (bytes, expires) = (batch.message_len(index), expires(batch, index, ttl_ms));
        Entry { commit, log, offset, bytes, expires, key }
    }

    /// How many of the last `unread` messages before `end` lie in some interval.
    pub(super) fn may_match(&self, unread: u64, end: Offset) -> u64 {
        let Some(intervals) = &self.intervals else { return unread };
        let from = end - unread;
        let last = intervals.iter().map(|interval| interval.to.unwrap_or(end).min(end)).max().unwrap_or(from);
        last.saturating_sub(from)
    }
}

/// Whether a message is in some interval; without intervals all are.
pub(super) fn matches(intervals: Option<&[Interval]>, offset: Offset, batch: &Batch, index: usize) -> bool {
    matches_by(intervals, offset, batch, index, None)
}

/// The same by what filters said of the batch when it was published, as far as that is known.
fn matches_by(
    intervals: Option<&[Interval]>,
    offset: Offset,
    batch: &Batch,
    index: usize,
    verdicts: Option<&Verdicts>,
) -> bool {
    let Some(intervals) = intervals else { return true };
    let message = batch.message(index);
    let view = OnceCell::new();
    intervals.iter().filter(|interval| interval.covers(offset, &message)).any(|interval| {
        if !interval.rule.has_filters() {
            return true;
        }
        let said = verdicts.and_then(|verdicts| verdicts.of(index, interval.binding));
        let passes = |view| cfg!(feature = "planted-filter") || interval.rule.passes(view);
        said.unwrap_or_else(|| passes(view.get_or_init(|| MessageView::new(&message))))
    })
}

/// What a binding means, compiled; what `before` had is taken from there.
fn interval(binding: &BindingRecord, before: Option<&Feed>) -> Option<Interval> {
    let known = before.and_then(|feed| feed.intervals.iter().flatten().find(|known| known.binding == binding.id));
    let rule = known.map(|interval| interval.rule.clone()).or_else(|| Rule::of(binding))?;
    Some(Interval { binding: binding.id, from: binding.from, to: binding.to, rule })
}

impl Task {
    pub(super) fn feed_all(&mut self, bindings: &[Arc<BindingRecord>], from_disk: bool) {
        let mut cursors: BTreeMap<LogId, Cursor> = if from_disk {
            self.shared.store.cursors(QueueId(self.record.id)).into_iter().collect()
        } else {
            BTreeMap::new()
        };
        let inbox = LogId(self.record.inbox);
        let cursor = cursors.remove(&inbox).unwrap_or_default();
        self.add_feed(inbox, Bytes::new(), None, cursor, 0);
        self.rebind(bindings, &mut cursors);
    }

    /// `cursor` as the store has it. What is before `from` was never this queue's.
    fn add_feed(&mut self, log: LogId, topic: Bytes, intervals: Option<Vec<Interval>>, cursor: Cursor, from: Offset) {
        self.machine.add_source(log, cursor);
        self.machine.passed(log, from);
        let read_to = self.machine.cursor(log).map_or(from, Cursor::floor);
        let began_at = if self.started { read_to } else { self.shared.store.end(log) };
        let feed = Feed {
            topic,
            intervals,
            newest: None,
            ahead: VecDeque::new(),
            read_to,
            began_at,
            received: 0,
            given_up_below: 0,
            tally: Tally::default(),
            keys: self.keys.clone(),
        };
        self.feeds.insert(log, feed);
        self.shared.watch.watch(log, &self.notify);
        self.notify.notify_one();
    }

    pub(super) fn rebind(&mut self, bindings: &[Arc<BindingRecord>], cursors: &mut BTreeMap<LogId, Cursor>) {
        // It would miss what new logs bring; it begins anew.
        self.again = None;
        let mut by_log: BTreeMap<LogId, Vec<&Arc<BindingRecord>>> = BTreeMap::new();
        for binding in bindings {
            by_log.entry(binding.log_id()).or_default().push(binding);
        }
        self.drop_feeds(|log| !by_log.contains_key(&log));
        for (log, bindings) in by_log {
            let intervals: Vec<Interval> = {
                let before = self.feeds.get(&log);
                bindings.iter().filter_map(|binding| interval(binding, before)).collect()
            };
            if let Some(feed) = self.feeds.get_mut(&log) {
                feed.intervals = Some(intervals);
                feed.tally.clear();
                continue;
            }
            let from = bindings.iter().map(|binding| binding.from).min().unwrap_or(0);
            let cursor = cursors.remove(&log).unwrap_or_else(|| self.cursor_anew(log, from));
            let topic = bindings.first().map(|binding| Bytes::from(binding.settings.topic.clone())).unwrap_or_default();
            self.add_feed(log, topic, Some(intervals), cursor, from);
        }
    }

    /// Logs that no binding leads here from any more are not read on, once all that they had brought is settled.
    fn drop_feeds(&mut self, is_unbound: impl Fn(LogId) -> bool) {
        let is_over = |(log, feed): (&LogId, &Feed)| {
            let end = feed.intervals.as_ref()?.iter().map(|interval| interval.to.unwrap_or(Offset::MAX)).max()?;
            let floor = self.machine.cursor(*log).map_or(0, Cursor::floor);
            (is_unbound(*log) && end <= floor).then_some(*log)
        };
        let over: Vec<LogId> = self.feeds.iter().filter_map(is_over).collect();
        for log in over {
            let received = self.feeds.remove(&log).map_or(0, |feed| feed.received);
            self.machine.count_received(received);
            self.machine.remove_source(log);
            self.catching_up.iter_mut().for_each(|waiting| waiting.ends.retain(|(of, _)| *of != log));
        }
    }

    /// Of a log that the queue reads from `from` on. If a seek moved it before, ack ids of that time have to stay out of date.
    fn cursor_anew(&self, log: LogId, from: Offset) -> Cursor {
        let stored = self.shared.store.cursors(QueueId(self.record.id)).into_iter().find(|(of, _)| *of == log);
        let mut cursor = Cursor::default();
        if let Some((_, stored)) = stored.filter(|(_, stored)| stored.generation() > 0) {
            let (floor, generation) = (stored.floor(), stored.generation());
            cursor.apply(&Progress::Anew { floor, sent: from, generation });
        }
        cursor
    }

    /// Reads on where the machine has room, and offers what matched in the order of commits.
    pub(super) async fn fill(&mut self) -> Result<(), Error> {
        let mut taken = 0;
        loop {
            if self.machine.room() == 0 {
                return Ok(());
            }
            if taken >= FILL_MAX {
                self.notify.notify_one();
                return Ok(());
            }
            // All that is below this commit is in the logs' ends; what comes later sorts behind it.
            let visible = self.shared.store.visible();
            let logs: Vec<LogId> = self.feeds.keys().copied().collect();
            for log in logs {
                self.read_ahead(log).await?;
            }
            // What is held stands before what other logs have.
            if self.holds.hold_up(|log| self.shared.store.end(log)) {
                return Ok(());
            }
            let next = self
                .feeds
                .iter()
                .filter_map(|(log, feed)| feed.ahead.front().map(|entry| (entry.commit, *log)))
                .min()
                .filter(|(commit, _)| *commit <= visible);
            let Some((_, log)) = next else { return Ok(()) };
            taken += self.offer_from(log);
        }
    }

    /// Offers one log's next entries, as long as they are of the commit that is next; how many.
    fn offer_from(&mut self, log: LogId) -> usize {
        let Some(feed) = self.feeds.get_mut(&log) else { return 0 };
        let Some(commit) = feed.ahead.front().map(|entry| entry.commit) else { return 0 };
        let before = feed.ahead.len();
        while let Some(entry) = feed.ahead.front().copied()
            && entry.commit == commit
            && self.machine.room() > 0
        {
            self.machine.offer(entry);
            feed.ahead.pop_front();
        }
        before - feed.ahead.len()
    }

    /// Makes sure that a log's next entry is known, if there is one.
    async fn read_ahead(&mut self, log: LogId) -> Result<(), Error> {
        let ttl_ms = ms(self.record.settings.message_ttl.as_ref());
        loop {
            let end = self.shared.store.end(log).min(self.holds.limit(log));
            let first = self.shared.store.first(log);
            let Some(feed) = self.feeds.get_mut(&log) else { return Ok(()) };
            if !feed.ahead.is_empty() {
                return Ok(());
            }
            feed.read_to = feed.read_to.max(first);
            // Nothing is held back here, so all that was read and not offered did not match.
            self.machine.passed(log, feed.read_to);
            if feed.read_to >= end {
                return Ok(());
            }
            let read = self
                .shared
                .store
                .read(log, feed.read_to, READ_BYTES)
                .await
                .map_err(|e| Error::damaged(&e.to_string()))?;
            if read.is_empty() {
                return Ok(());
            }
            let limit = self.holds.limit(log);
            for stored in read.into_iter().take_while(|stored| stored.base < limit) {
                let batch = Batch::parse(stored.bytes).map_err(|error| Error::damaged(&error.to_string()))?;
                feed.take(log, stored.base, stored.commit, &batch, ttl_ms, self.shared.committer.verdicts());
                feed.newest = Some((stored.base, batch));
            }
        }
    }

    /// The batch that holds a message, and the message's place in it.
    pub(super) async fn batch_of(&mut self, log: LogId, offset: Offset) -> Result<(Batch, usize), Error> {
        if let Some((base, batch)) = self.feeds.get(&log).and_then(|feed| feed.newest.as_ref())
            && *base <= offset
            && offset < base + batch.len() as u64
        {
            return Ok((batch.clone(), (offset - base) as usize));
        }
        let (base, batch, index) = read_batch(&self.shared.store, log, offset).await?;
        if let Some(feed) = self.feeds.get_mut(&log) {
            feed.newest = Some((base, batch.clone()));
        }
        Ok((batch, index))
    }
}

/// Reads the batch that holds a message: its first offset, itself, and the message's place in it.
pub(super) async fn read_batch(store: &Store, log: LogId, offset: Offset) -> Result<(Offset, Batch, usize), Error> {
    let lost = || Error::damaged(&format!("message {offset} of log {} is not there", log.0));
    let read = store.read(log, offset, 1).await.map_err(|error| Error::damaged(&error.to_string()))?;
    let stored = read.into_iter().next().ok_or_else(lost)?;
    let batch = Batch::parse(stored.bytes).map_err(|error| Error::damaged(&error.to_string()))?;
    let index = offset.checked_sub(stored.base).filter(|index| *index < batch.len() as u64).ok_or_else(lost)?;
    Ok((stored.base, batch, index as usize))
}
