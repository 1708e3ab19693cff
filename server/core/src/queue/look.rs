//! What one message is doing, for who looks into a queue.

use super::machine::{Place, QueueMachine};
use super::{ConsumerId, MessageState};
use crate::{LogId, Millis, Offset};

/// How a message stands in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// What it is doing.
    pub state: MessageState,
    /// How often it was, or may have been, delivered; 0: never.
    pub attempts: u32,
    /// How many of those failed.
    pub failures: u32,
    /// Who holds it, if that is a consumer whose stream is open.
    pub consumer: Option<ConsumerId>,
}

impl QueueMachine {
    /// How a message stands that one of the queue's bindings matches. What has not been read yet is ready, unless a record
    /// says otherwise; so is what waits for another message of its key.
    #[must_use]
    pub fn look(&self, place: Place, now: Millis) -> Look {
        let key = (place.1, place.2);
        if let Some(held) = self.held.get(&key) {
            let consumer = self.consumers.contains_key(&held.consumer).then_some(held.consumer);
            let (attempts, failures) = (held.item.attempts, held.item.failures);
            return Look { state: MessageState::Unsettled, attempts, failures, consumer };
        }
        let waiting = self.waiting.get(&key).map(|waiting| (waiting.item, MessageState::BackingOff(waiting.due)));
        let known = waiting.or_else(|| self.ready.get(&place).map(|item| (*item, MessageState::Ready)));
        match known {
            Some((item, state)) => Look { state, attempts: item.attempts, failures: item.failures, consumer: None },
            None => self.look_on_record(key, now),
        }
    }

    fn look_on_record(&self, (log, offset): (LogId, Offset), now: Millis) -> Look {
        let settled = Look { state: MessageState::Settled, attempts: 0, failures: 0, consumer: None };
        let Some(source) = self.sources.get(&log) else { return settled };
        if source.cursor.is_settled(offset) {
            return settled;
        }
        let retry = source.cursor.retry(offset).unwrap_or_default();
        let is_due = retry.not_before_ms <= now;
        let state = if is_due { MessageState::Ready } else { MessageState::BackingOff(retry.not_before_ms) };
        let is_doubted = self.far.doubt((log, offset)).unwrap_or(offset < source.maybe_sent);
        let attempts = retry.attempts.saturating_add(is_doubted.into());
        Look { state, attempts, failures: retry.failures, consumer: None }
    }

    /// All of a log that is with a consumer, or waits for another attempt, stands below.
    #[must_use]
    pub fn busy_to(&self, log: LogId) -> Offset {
        self.sources.get(&log).map_or(0, |source| source.read_to.max(source.cursor.known_to()))
    }
}
