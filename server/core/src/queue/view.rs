//! What can be seen of a queue from outside.

use super::QueueStats;
use super::machine::QueueMachine;
use crate::{CommitNo, LogId, Offset};

impl QueueMachine {
    /// Where in the queue's order the first message stands that may be delivered now.
    #[must_use]
    pub fn first_ready_commit(&self) -> Option<CommitNo> {
        self.ready.first_key_value().map(|((commit, ..), _)| *commit)
    }

    /// True if a pull would get something, once what it waits for is on disk.
    #[must_use]
    pub fn can_be_pulled(&self) -> bool {
        let is_taken = self.is_strict() && !(self.consumers.is_empty() && self.held.is_empty());
        !self.ready.is_empty() && !is_taken
    }

    /// True if something up to a commit waits for another message of its key.
    #[must_use]
    pub fn is_parked_upto(&self, commit: CommitNo) -> bool {
        self.keys.waits_upto(commit)
    }

    /// So many messages came in over logs that are not read any more.
    pub fn count_received(&mut self, messages: u64) {
        self.stats.received += messages as i64;
    }

    /// Up to where a log has been read.
    #[must_use]
    pub fn read_to(&self, log: LogId) -> Offset {
        self.sources.get(&log).map_or(0, |source| source.read_to)
    }

    /// How many messages the window holds.
    #[must_use]
    pub fn ready_len(&self) -> usize {
        self.ready.len()
    }

    /// Their bytes.
    #[must_use]
    pub fn ready_bytes(&self) -> u64 {
        self.ready.values().map(|item| u64::from(item.bytes)).sum()
    }

    /// Bytes of what is with consumers or waits for another attempt: about, where some of it is out of memory.
    #[must_use]
    pub fn busy_bytes(&self) -> u64 {
        let held = self.held.values().map(|held| held.item.bytes);
        let near = held.chain(self.waiting.values().map(|waiting| waiting.item.bytes));
        self.far.bytes() + near.map(u64::from).sum::<u64>()
    }

    /// Messages of a log that wait for another one of their key.
    #[must_use]
    pub fn behind(&self, log: LogId) -> u64 {
        self.sources.get(&log).map_or(0, |source| source.behind.max(0) as u64)
    }

    /// Numbers; `ready` is what the window holds and what waits for another message of its key.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        QueueStats {
            ready: self.ready.len() as i64 + self.sources.values().map(|source| source.behind).sum::<i64>(),
            unsettled: self.held.len() as i64,
            backing_off: (self.waiting.len() + self.far.len()) as i64,
            consumers: self.consumers.len() as i64,
            ..self.stats
        }
    }
}
