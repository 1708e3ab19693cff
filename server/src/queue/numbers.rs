//! A queue's numbers. None of them costs publishers or consumers anything: what is not known is found out when asked for.

use ferrymq_core::batch::Batch;
use ferrymq_core::cursor::Cursor;
use ferrymq_core::queue::QueueStats;
use ferrymq_core::{LogId, Millis, Offset};
use ferrymq_engine::store::Store;
use tokio::sync::oneshot;

use super::feed::Feed;
use super::task::Task;
use super::{Message, QueueHandle};
use crate::error::Error;

/// What a record takes beside its message, in bytes.
const RECORD_BYTES: u64 = 8;

/// Numbers of a queue.
#[derive(Debug, Clone, Copy)]
pub struct Numbers {
    /// Counts.
    pub stats: QueueStats,
    /// Bytes of what is ready.
    pub ready_bytes: i64,
    /// When the first message was published that is not settled.
    pub oldest: Option<Millis>,
}

impl QueueHandle {
    /// Counts as the queue's task knows them now.
    pub async fn stats(&self) -> Result<QueueStats, Error> {
        self.ask(Message::Stats).await
    }

    /// All numbers. May wait until a part of what has not been read is counted.
    pub async fn numbers(&self) -> Result<Numbers, Error> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Numbers(reply, self.mailbox.clone());
        self.mailbox.send(message).await.map_err(|_| Error::queue_not_found("", None))?;
        answer.await.unwrap_or_else(|_| Err(Error::queue_not_found("", None)))
    }
}

impl Feed {
    /// True if all that has not been read is the queue's.
    pub(super) fn takes_all(&self) -> bool {
        let Some(intervals) = &self.intervals else { return true };
        intervals.iter().any(|interval| {
            let is_all = interval.rule.takes_every_key() && !interval.rule.has_filters();
            is_all && interval.from <= self.read_to && interval.to.is_none()
        })
    }
}

impl Task {
    /// Reads what the window has room for: that is known exactly then.
    pub(super) async fn catch_up(&mut self) {
        if self.failed.is_none() && self.seeking.is_empty() {
            // A failure shows when the task goes on reading.
            let _ = self.fill().await;
        }
    }

    /// Ready counts what the window has, and all beyond it that matches or, as far as that was not counted, may match.
    pub(super) fn stats(&self) -> QueueStats {
        let mut stats = self.stats_upto(|log| self.shared.store.end(log));
        if let Some(depth) = self.exact_depth() {
            stats.ready = (depth - stats.unsettled - stats.backing_off).max(0);
        }
        stats
    }

    /// The same without what limits know, as if each log ended where `end_of` says.
    pub(super) fn stats_upto(&self, end_of: impl Fn(LogId) -> Offset) -> QueueStats {
        let mut stats = self.machine.stats();
        stats.consumers -= self.consumers.kept() as i64;
        for (log, feed) in &self.feeds {
            let end = end_of(*log);
            let unread_new = end.saturating_sub(feed.read_to.max(feed.began_at));
            stats.received += feed.received as i64 + feed.may_match(unread_new, end) as i64;
            stats.ready += feed.ahead.len() as i64 + self.unread(*log, feed, end);
        }
        stats
    }

    /// How much of a log is the queue's, not settled and not read.
    fn unread(&self, log: LogId, feed: &Feed, end: Offset) -> i64 {
        let (counted, _, from) = feed.tally.known(feed.read_to);
        let settled = self.machine.cursor(log).map_or(0, |cursor| cursor.settled_from(feed.read_to));
        let uncounted = feed.may_match(end.saturating_sub(from), end);
        (counted + uncounted).saturating_sub(settled) as i64
    }

    pub(super) async fn numbers(&mut self) -> Numbers {
        let stats = self.stats();
        let is_empty = stats.ready + stats.unsettled + stats.backing_off == 0;
        let oldest = if is_empty { None } else { self.oldest().await };
        Numbers { stats, ready_bytes: self.ready_bytes(&stats), oldest }
    }

    fn ready_bytes(&self, stats: &QueueStats) -> i64 {
        if let Some(bytes) = self.exact_bytes() {
            return (bytes - self.machine.busy_bytes() as i64).max(0);
        }
        let (mut messages, mut bytes) = (self.machine.ready_len() as i64, self.machine.ready_bytes() as i64);
        let (mut rest, mut rest_bytes) = (0.0, 0.0);
        for (log, feed) in &self.feeds {
            messages += feed.ahead.len() as i64;
            bytes += feed.ahead.iter().map(|entry| i64::from(entry.bytes)).sum::<i64>();
            let end = self.shared.store.end(*log);
            let (counted, counted_bytes, from) = feed.tally.known(feed.read_to);
            let uncounted = feed.may_match(end.saturating_sub(from), end) + self.machine.behind(*log);
            rest += (counted + uncounted) as f64;
            rest_bytes += counted_bytes as f64 + uncounted as f64 * self.mean_bytes(*log);
        }
        // Of what has not been read some may be settled: its size is not known.
        let left = (stats.ready - messages).max(0) as f64;
        let share = if rest > 0.0 { (left / rest).min(1.0) } else { 0.0 };
        bytes + (rest_bytes * share).round() as i64
    }

    /// Of a message in a log.
    fn mean_bytes(&self, log: LogId) -> f64 {
        let store = &self.shared.store;
        let messages = store.end(log).saturating_sub(store.first(log));
        let bytes = store.bytes(log).saturating_sub(messages * RECORD_BYTES);
        if messages == 0 { 0.0 } else { bytes as f64 / messages as f64 }
    }

    /// When the first message came in that is not settled. A log's batch is read when another message has become the first.
    async fn oldest(&mut self) -> Option<Millis> {
        let logs: Vec<LogId> = self.feeds.keys().copied().collect();
        let mut oldest: Option<Millis> = None;
        for log in logs {
            let Some(first) = self.first_open(log) else { continue };
            let known = self.feeds.get(&log).and_then(|feed| feed.tally.oldest);
            let time = match known.filter(|(offset, _)| *offset == first) {
                Some((_, time)) => Some(time),
                None => batch_time(&self.shared.store, log, first).await,
            };
            // What cannot be read has no time; a consumer will be told.
            let Some(time) = time else { continue };
            if let Some(feed) = self.feeds.get_mut(&log) {
                feed.tally.oldest = Some((first, time));
            }
            oldest = Some(oldest.map_or(time, |oldest| oldest.min(time)));
        }
        oldest
    }

    /// What has been read and is not settled is this queue's.
    fn first_open(&self, log: LogId) -> Option<Offset> {
        let floor = self.machine.cursor(log).map_or(0, Cursor::floor);
        let ahead = || self.feeds.get(&log)?.ahead.front().map(|entry| entry.offset);
        if floor < self.machine.read_to(log) { Some(floor) } else { ahead() }
    }
}

async fn batch_time(store: &Store, log: LogId, offset: Offset) -> Option<Millis> {
    let read = store.read(log, offset, 1).await.ok()?;
    let batch = Batch::parse(read.into_iter().next()?.bytes).ok()?;
    Some(batch.publish_time_ms())
}
