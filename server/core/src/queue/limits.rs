//! What leaves a queue that has limits, and how room is made in one.

use super::machine::{Item, Key, QueueMachine};
use super::{DeadLetterOut, Freed, Place};
use crate::batch::DeadLetterReason;
use crate::{LogId, Offset};

impl QueueMachine {
    /// A message was settled that is known here.
    pub(super) fn free(&mut self, item: &Item) {
        self.freed.messages += 1;
        self.freed.bytes += u64::from(item.bytes);
    }

    /// A message was settled that has not been read yet: its bytes are known once it is.
    pub(super) fn free_later(&mut self, key: Key) {
        self.settled_unread.insert(key);
    }

    /// A settled message was read.
    pub(super) fn free_if_due(&mut self, key: Key, bytes: u32) {
        if self.settled_unread.remove(&key) && !cfg!(feature = "planted-count") {
            self.freed.messages += 1;
            self.freed.bytes += u64::from(bytes);
        }
    }

    /// What was settled since the last outbox: it goes with the next one.
    #[must_use]
    pub fn freed(&self) -> Freed {
        self.freed
    }

    /// What was not read yet is counted anew.
    pub fn forget_unread(&mut self) {
        self.settled_unread.clear();
    }

    /// Gives up the oldest message that nobody holds and that may be delivered; its bytes, if there is one.
    pub fn drop_oldest(&mut self) -> Option<u32> {
        let (&place, &item) = self.ready.first_key_value()?;
        Some(self.overflow(place, item))
    }

    /// Gives up the oldest message of a log before `below` that nobody holds and that may be delivered; false if there is none.
    pub fn drop_oldest_of(&mut self, log: LogId, below: Offset) -> bool {
        let found = self.ready.iter().find(|((_, of, offset), _)| *of == log && *offset < below);
        let Some((place, item)) = found.map(|(place, item)| (*place, *item)) else { return false };
        self.overflow(place, item);
        true
    }

    fn overflow(&mut self, (_, log, offset): Place, item: Item) -> u32 {
        self.stats.overflowed += 1;
        self.await_dead_letter();
        let (reason, attempts) = (DeadLetterReason::Overflow, item.attempts);
        self.dead_letters.push(DeadLetterOut { log, offset, reason, attempts, description: String::new() });
        self.settle((log, offset));
        item.bytes
    }
}
