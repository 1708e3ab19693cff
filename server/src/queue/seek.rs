//! Seeks: a queue's progress is moved once nothing is under way that would settle messages of the old one.

use ferrymq_core::{LogId, Offset};

use super::task::Task;
use super::{Held, Reply, SettleStatus, Settlement};
use crate::committer::Pin;
use crate::error::Error;

/// Where the progress over one log goes.
#[derive(Debug, Clone)]
pub struct Target {
    /// The log.
    pub log: LogId,
    /// To where in it.
    pub to: To,
}

/// A place in a log.
#[derive(Debug, Clone)]
pub enum To {
    /// Here, if the log goes so far.
    Offset(Offset),
    /// To its end.
    End,
    /// To where a cursor stood.
    Stood {
        /// All below was settled.
        floor: Offset,
        /// The settled ranges above it, in order.
        settled: Vec<(Offset, Offset)>,
    },
}

/// A seek that waits until nothing is under way.
pub(crate) struct Seeking {
    pub(crate) targets: Vec<Target>,
    /// What it needs is not trimmed until it is durable.
    pub(crate) pin: Pin,
    pub(crate) reply: Reply<i64>,
}

impl Task {
    /// Makes the seeks that wait, unless dead letters are being written: their settlements are of the old progress.
    pub(super) async fn seek_when_quiet(&mut self) {
        while !self.seeking.is_empty() {
            self.commit().await;
            if !self.giving.is_empty() && self.failed.is_none() {
                return;
            }
            let Some(seeking) = self.seeking.pop_front() else { return };
            self.seek(seeking).await;
        }
    }

    async fn seek(&mut self, Seeking { targets, pin, reply }: Seeking) {
        if let Some(error) = &self.failed {
            let _ = reply.send(Err(error.clone()));
            return;
        }
        for target in targets {
            self.seek_log(target);
        }
        let ready = self.stats().ready;
        let answer = move |result: Result<(), Error>| {
            drop(pin);
            let _ = reply.send(result.map(|()| ready));
        };
        self.when_durable(Box::new(answer)).await;
        self.recount().await;
    }

    fn seek_log(&mut self, Target { log, to }: Target) {
        let end = self.shared.store.end(log);
        self.again = None;
        let Some(feed) = self.feeds.get_mut(&log) else { return };
        let (floor, settled) = match to {
            To::Offset(offset) => (offset.min(end), Vec::new()),
            To::End => (end, Vec::new()),
            To::Stood { floor, settled } => (floor.min(end), settled),
        };
        // What is passed over has been received all the same, and what is read again is not received twice.
        let unread = floor.saturating_sub(feed.read_to.max(feed.began_at));
        feed.received += feed.may_match(unread, floor);
        feed.began_at = feed.began_at.max(feed.read_to).max(floor);
        feed.ahead.clear();
        feed.tally.clear();
        feed.read_to = floor;
        // What was being read again was of the old progress.
        self.again = None;
        self.machine.seek(log, floor, &settled);
    }

    /// Settles what consumers name. Deliveries that were made before a seek are theirs no more.
    pub(super) fn settle_held(&mut self, held: &[Held], settlement: &Settlement, now: u64) -> Vec<SettleStatus> {
        let is_stale = |task: &Self, held: &Held| held.generation != task.machine.generation(held.log);
        if !held.iter().any(|held| is_stale(self, held)) {
            return self.settle_all(held, settlement, now);
        }
        let fresh: Vec<Held> = held.iter().filter(|held| !is_stale(self, held)).copied().collect();
        let stale: Vec<bool> = held.iter().map(|held| is_stale(self, held)).collect();
        let mut settled = self.settle_all(&fresh, settlement, now).into_iter();
        let lost = SettleStatus::LeaseLost;
        stale.into_iter().map(|stale| if stale { lost } else { settled.next().unwrap_or(lost) }).collect()
    }
}
