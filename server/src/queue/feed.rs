//! How a queue reads the logs that feed it: ahead, and merged by commit number.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use ferrymq_core::batch::Batch;
use ferrymq_core::filter::MessageView;
use ferrymq_core::queue::{Entry, KeyHash, WINDOW_MAX};
use ferrymq_core::{CommitNo, LogId, Offset};
use ferrymq_engine::store::Store;
use tokio::time::Instant;

use super::Interval;
use super::expiry::expires;
use super::tally::Tally;
use super::task::{Task, ms};
use crate::committer::{NewestVerdicts, Verdicts};
use crate::error::Error;

/// Bytes read from one log at a time.
pub(super) const READ_BYTES: usize = 1 << 20;
/// Most messages taken at a time: where keys are kept in order, what is parked fills no window.
const FILL_MAX: usize = 4_096;
/// Where so many keys have a next message in memory there is enough to do. Reading on, for keys that are far behind, keeps a
/// pace then: what is read much too early is out of the cache when it is sent, and is read twice.
const KEYS_ENOUGH: usize = WINDOW_MAX / 2;
/// The pace: [`FILL_MAX`] messages within this.
const FILL_WITHIN: Duration = Duration::from_millis(10);

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
        let key = self.keys.as_ref().map_or(0, |keys| keys.of(batch.message_bytes(index)));
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

impl Task {
    /// Reads on, unless it is too early for that.
    pub(super) async fn fill_in_time(&mut self) -> Result<(), Error> {
        let is_early = self.fill_due.is_some_and(|due| due > Instant::now());
        if is_early && self.machine.keys_with_next() >= KEYS_ENOUGH {
            return Ok(());
        }
        self.fill_due = None;
        self.fill().await
    }

    /// There is more to read than is taken at a time.
    fn go_on_filling(&mut self) {
        if self.machine.keys_with_next() >= KEYS_ENOUGH {
            self.fill_due = Some(Instant::now() + FILL_WITHIN);
        } else {
            self.notify.notify_one();
        }
    }

    /// Reads on where the machine has room, and offers what matched in the order of commits.
    pub(super) async fn fill(&mut self) -> Result<(), Error> {
        let mut taken = 0;
        loop {
            if self.machine.room() == 0 {
                return Ok(());
            }
            if taken >= FILL_MAX {
                self.go_on_filling();
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ferrymq_core::batch;
    use ferrymq_proto::server as pb;

    use super::*;
    use crate::catalogue::record::BindingRecord;
    use crate::catalogue::rule::Rule;

    fn interval(binding: u64, filter: &str) -> Interval {
        let settings = pb::Binding { filter: filter.to_owned(), ..pb::Binding::default() };
        let rule = Rule::of(&BindingRecord { settings, ..BindingRecord::default() }).unwrap();
        Interval { binding, from: 0, to: None, rule }
    }

    #[test]
    fn what_filters_said_at_the_publish_is_not_asked_again() {
        let records = [(&[][..], &[][..]); 2];
        let batch = Batch::parse(batch::encode(0, false, records.into_iter())).unwrap();
        let intervals = [interval(3, "false"), interval(7, "true")];
        let mut said = Verdicts::new(Arc::from([3, 7]), 2);
        said.note(1, 0);
        let asked = |index, said| matches_by(Some(&intervals), index as u64, &batch, index, said);
        assert_eq!([0, 1].map(|index| asked(index, Some(&said))), [false, true], "other than the filters would say");
        assert_eq!([0, 1].map(|index| asked(index, None)), [true, true], "nothing is known: they are tried");
        let others = Verdicts::new(Arc::from([4]), 2);
        assert_eq!([0, 1].map(|index| asked(index, Some(&others))), [true, true], "of other bindings");
    }
}
