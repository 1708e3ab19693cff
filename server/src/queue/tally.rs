//! How many of the messages that a queue has not read yet are its own.
//!
//! Where a binding takes everything that is the distance to the log's end. Where patterns and filters choose, it is counted
//! by reading: beside the queue's task, only when somebody asks for numbers, each message at most once, and slowly. What the
//! task reads later it takes off the count again.

use std::time::Instant;

use ferrymq_core::batch::Batch;
use ferrymq_core::{LogId, Millis, Offset};
use ferrymq_engine::store::Store;
use tokio::sync::mpsc;

use super::feed::{READ_BYTES, matches};
use super::task::Task;
use super::{Interval, Message, Numbers, Reply};
use crate::error::Error;

/// Bytes that are read before the count is told.
const STEP_BYTES: usize = 4 << 20;
/// After a step the counting rests for so many times as long: it takes a quarter of a processor at most.
const REST: u32 = 3;

/// What is known of the messages of one log that have not been read.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// From where the queue has read to up to here, so many of them match.
    to: Offset,
    messages: u64,
    bytes: u64,
    /// Up to here somebody wants to know.
    wanted: Offset,
    counting: Option<Pace>,
    /// What was counted for an earlier one is of no use.
    era: u64,
    /// The first message that was not settled when somebody last asked, and its time.
    pub(super) oldest: Option<(Offset, Millis)>,
}

/// How a step is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// At once: somebody waits for it.
    AtOnce,
    /// After a rest: it is one of many.
    InTime,
}

/// Who waits for numbers, and for which logs' counts.
pub(super) struct Asking {
    reply: Reply<Numbers>,
    logs: Vec<LogId>,
}

/// What a batch has for the queue.
#[derive(Debug)]
struct Share {
    base: Offset,
    end: Offset,
    messages: u64,
    bytes: u64,
}

/// What a step found.
pub(crate) struct Counted {
    log: LogId,
    era: u64,
    shares: Result<Vec<Share>, Error>,
    mailbox: mpsc::Sender<Message>,
}

impl Tally {
    /// A message has been read that may have been counted before.
    pub(super) fn read(&mut self, offset: Offset, bytes: u32) {
        if offset < self.to {
            self.messages = self.messages.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(bytes.into());
        }
    }

    /// Nothing is known any more: the queue reads elsewhere, or other messages.
    pub(super) fn clear(&mut self) {
        *self = Self { era: self.era + 1, ..Self::default() };
    }

    /// What matches from `read_to` on, and up to where that is known.
    pub(super) fn known(&self, read_to: Offset) -> (u64, u64, Offset) {
        if read_to >= self.to { (0, 0, read_to) } else { (self.messages, self.bytes, self.to) }
    }

    /// Takes what was counted behind what is known; what was read meanwhile is left out.
    fn add(&mut self, shares: Vec<Share>, read_to: Offset) {
        let (messages, bytes, to) = self.known(read_to);
        (self.messages, self.bytes, self.to) = (messages, bytes, to);
        for share in shares {
            if share.base == self.to {
                self.messages += share.messages;
                self.bytes += share.bytes;
                self.to = share.end;
            }
        }
    }
}

/// A log's part that is to be counted.
struct Part {
    store: Store,
    log: LogId,
    intervals: Vec<Interval>,
    from: Offset,
    to: Offset,
}

impl Part {
    async fn count(&self) -> Result<Vec<Share>, Error> {
        let damaged = |what: &dyn std::fmt::Display| Error::damaged(&what.to_string());
        let (mut at, mut bytes, mut shares) = (self.from, 0, Vec::new());
        while at < self.to && bytes < STEP_BYTES {
            let read = self.store.read(self.log, at, READ_BYTES).await.map_err(|error| damaged(&error))?;
            if read.is_empty() {
                break;
            }
            for stored in read {
                bytes += stored.bytes.len();
                let batch = Batch::parse(stored.bytes).map_err(|error| damaged(&error))?;
                let end = stored.base + u64::from(stored.count);
                shares.push(self.share(at, end.max(at), stored.base, &batch));
                at = at.max(end);
            }
            tokio::task::yield_now().await;
        }
        Ok(shares)
    }

    /// What lies between two batches is nobody's, and counts as part of the later one.
    fn share(&self, from: Offset, end: Offset, base: Offset, batch: &Batch) -> Share {
        let mut share = Share { base: from, end, messages: 0, bytes: 0 };
        for index in 0..batch.len() {
            let offset = base + index as u64;
            if offset >= from && matches(Some(&self.intervals), offset, batch, index) {
                share.messages += 1;
                share.bytes += u64::from(batch.message_len(index));
            }
        }
        share
    }
}

impl Task {
    /// Answers at once if all is known, or else after one step of counting. What is beyond that is counted on.
    pub(super) async fn tell_numbers(&mut self, reply: Reply<Numbers>, mailbox: &mpsc::Sender<Message>) {
        self.catch_up().await;
        let is_exact = self.exact_depth().is_some();
        let mut logs: Vec<LogId> = self.feeds.keys().copied().filter(|_| !is_exact).collect();
        logs.retain(|log| self.count_to_end(*log, mailbox) == Some(Pace::AtOnce));
        if !logs.is_empty() {
            return self.asking.push(Asking { reply, logs });
        }
        let numbers = self.numbers().await;
        let _ = reply.send(Ok(numbers));
    }

    /// Lets a log be counted up to where it ends now, if that is not known; how it is.
    fn count_to_end(&mut self, log: LogId, mailbox: &mpsc::Sender<Message>) -> Option<Pace> {
        let end = self.shared.store.end(log);
        let feed = self.feeds.get_mut(&log)?;
        if feed.takes_all() || feed.tally.known(feed.read_to).2 >= end {
            return None;
        }
        feed.tally.wanted = feed.tally.wanted.max(end);
        if feed.tally.counting.is_none() {
            self.count_on(log, mailbox.clone(), Pace::AtOnce);
        }
        self.feeds.get(&log)?.tally.counting
    }

    /// Makes one step, up to where somebody wants to know.
    fn count_on(&mut self, log: LogId, mailbox: mpsc::Sender<Message>, pace: Pace) {
        let Some(feed) = self.feeds.get_mut(&log) else { return };
        let ((_, _, from), to) = (feed.tally.known(feed.read_to), feed.tally.wanted);
        let Some(intervals) = feed.intervals.clone().filter(|_| from < to) else { return };
        feed.tally.counting = Some(pace);
        let part = Part { store: self.shared.store.clone(), log, intervals, from, to };
        let era = feed.tally.era;
        tokio::spawn(async move {
            let begun = Instant::now();
            let shares = part.count().await;
            if pace == Pace::InTime {
                tokio::time::sleep(begun.elapsed() * REST).await;
            }
            let counted = Counted { log, era, shares, mailbox: mailbox.clone() };
            // A queue that is gone has nothing to count.
            let _ = mailbox.send(Message::Counted(counted)).await;
        });
    }

    /// Takes what a step has found, goes on, and answers who waited for it.
    pub(super) async fn counted(&mut self, Counted { log, era, shares, mailbox }: Counted) {
        if let Some(feed) = self.feeds.get_mut(&log).filter(|feed| feed.tally.era == era) {
            feed.tally.counting = None;
            // Without what cannot be read the numbers stay an estimate.
            if let Ok(shares) = shares
                && !shares.is_empty()
            {
                feed.tally.add(shares, feed.read_to);
                self.count_on(log, mailbox, Pace::InTime);
            }
        }
        for mut asking in std::mem::take(&mut self.asking) {
            asking.logs.retain(|waited| *waited != log);
            if asking.logs.is_empty() {
                let numbers = self.numbers().await;
                let _ = asking.reply.send(Ok(numbers));
            } else {
                self.asking.push(asking);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(base: Offset, end: Offset, messages: u64) -> Share {
        Share { base, end, messages, bytes: messages * 10 }
    }

    #[test]
    fn what_is_read_is_taken_off_and_what_was_read_meanwhile_is_left_out() {
        let mut tally = Tally::default();
        tally.add(vec![share(5, 10, 3), share(10, 20, 4)], 5);
        assert_eq!(tally.known(5), (7, 70, 20));
        (5..8).for_each(|offset| tally.read(offset, 10));
        assert_eq!(tally.known(10), (4, 40, 20));
        tally.add(vec![share(20, 30, 1), share(30, 40, 1)], 30);
        assert_eq!(tally.known(30), (1, 10, 40), "the reader was beyond the first of them");
        tally.read(40, 10);
        assert_eq!(tally.known(30), (1, 10, 40), "beyond what was counted");
        assert_eq!(tally.known(40), (0, 0, 40));
        tally.clear();
        assert_eq!((tally.known(0), tally.era), ((0, 0, 0), 1));
    }
}
