//! One after the other, to one consumer at a time.
//!
//! The consumer that came first is the active one, and may hold several messages. A message that is given back takes back
//! what is outstanding behind it, and nothing behind it goes out before it does. So deliveries go on from where order was
//! broken, and what a consumer gets after that is in order again.

use super::machine::{Key, Place, QueueMachine, Waiting};
use super::{ConsumerId, Ordering};

/// What a STRICT queue remembers beside its messages.
#[derive(Debug, Default)]
pub(super) struct Strict {
    /// Who got the last delivery: all that is outstanding is its own.
    pub holder: Option<ConsumerId>,
    /// Dead letters that are not on disk yet.
    pub giving_up: usize,
}

impl QueueMachine {
    pub(super) fn is_strict(&self) -> bool {
        self.config.ordering == Ordering::Strict
    }

    /// Who gets the message at `place` now, if it is its turn.
    pub(super) fn pick_active(&self, place: Place, bytes: u32) -> Option<ConsumerId> {
        let is_behind = |(key, waiting): (&Key, &Waiting)| (waiting.item.commit, key.0, key.1) < place;
        if self.strict.giving_up > 0 || self.waiting.iter().any(is_behind) {
            return None;
        }
        let (id, consumer) = self.consumers.first_key_value()?;
        let is_free = self.held.is_empty() || self.strict.holder == Some(*id);
        (is_free && consumer.takes(bytes)).then_some(*id)
    }

    /// A message was given up: no floor passes it until that is on disk, and in a STRICT queue nothing follows.
    pub(super) fn await_dead_letter(&mut self, key: Key) {
        self.letters.insert(key);
        self.effects.letters.push(key);
        if self.is_strict() {
            self.strict.giving_up += 1;
            self.effects.given_up += 1;
        }
    }

    /// A message was given back: what is outstanding behind it comes after it again. No failure.
    pub(super) fn take_back_behind(&mut self, place: Place) {
        if !self.is_strict() {
            return;
        }
        let held = self.held.iter().map(|(key, held)| (held.item.commit, key.0, key.1));
        let mut behind: Vec<Place> = held.filter(|of| *of > place).collect();
        behind.sort_unstable();
        for (_, log, offset) in behind {
            if let Some(held) = self.let_go((log, offset)) {
                self.wait((log, offset), Waiting { item: held.item, due: 0, durable: false });
            }
        }
    }
}
