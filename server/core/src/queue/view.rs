//! What can be seen of a queue from outside.

use super::machine::QueueMachine;
use super::{MessageState, QueueStats};
use crate::{CommitNo, LogId, Offset};

impl QueueMachine {
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

    /// Up to where a log has been read.
    #[must_use]
    pub fn read_to(&self, log: LogId) -> Offset {
        self.sources.get(&log).map_or(0, |source| source.read_to)
    }

    /// Numbers; `ready` is what the window holds and what waits for another message of its key.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        QueueStats {
            ready: self.ready.len() as i64 + self.sources.values().map(|source| source.behind).sum::<i64>(),
            unsettled: self.held.len() as i64,
            backing_off: self.waiting.len() as i64,
            consumers: self.consumers.len() as i64,
            ..self.stats
        }
    }
}
