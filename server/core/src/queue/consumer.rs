//! A consumer while it lives: its window may change, and it may go away for a while and come back.

use std::collections::HashSet;

use super::machine::QueueMachine;
use super::{Assignment, ConsumerId, LeaseMode, Window};
use crate::Millis;

/// How much a consumer takes and holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerLoad {
    /// Its number.
    pub id: ConsumerId,
    /// Its window.
    pub window: Window,
    /// Deliveries that it holds.
    pub unsettled: u32,
    /// When the oldest of them was made.
    pub oldest: Option<Millis>,
}

impl QueueMachine {
    /// Changes how much a consumer takes from now on; no messages: nothing more. What it holds stays with it. False if there
    /// is no such consumer.
    pub fn set_window(&mut self, id: ConsumerId, window: Window) -> bool {
        let Some(consumer) = self.consumers.get_mut(&id) else { return false };
        consumer.window = window;
        true
    }

    /// Takes a consumer up again, as it wants it now. Of what it holds, `held` (the numbers of deliveries) stays with it; the
    /// others were lost on the way and go back without a failure. False if there is no such consumer.
    pub fn resume_consumer(
        &mut self,
        id: ConsumerId,
        (window, lease_ms, mode): (Window, u64, LeaseMode),
        held: &HashSet<u64>,
        now: Millis,
    ) -> bool {
        let Some(consumer) = self.consumers.get_mut(&id) else { return false };
        (consumer.window, consumer.lease_ms, consumer.mode) = (window, lease_ms, mode);
        let stays = |delivery: &u64| held.contains(delivery) && !cfg!(feature = "planted-resume");
        for key in self.held_in_order(|of| of.consumer == id && !stays(&of.delivery)) {
            self.give_back(key, now);
        }
        true
    }

    /// Deliveries that reached nobody go back without a failure.
    pub fn take_back(&mut self, assigned: &[Assignment], now: Millis) {
        for Assignment { log, offset, delivery, .. } in assigned {
            let key = (*log, *offset);
            if self.held.get(&key).is_some_and(|held| held.delivery == *delivery) {
                self.give_back(key, now);
            }
        }
    }

    /// The load of each of `ids` that is a consumer. It looks through all that is held.
    #[must_use]
    pub fn loads(&self, ids: &[ConsumerId]) -> Vec<ConsumerLoad> {
        let of = |id: &ConsumerId| {
            let consumer = self.consumers.get(id)?;
            Some((*id, ConsumerLoad { id: *id, window: consumer.window, unsettled: consumer.messages, oldest: None }))
        };
        let mut loads: std::collections::BTreeMap<ConsumerId, ConsumerLoad> = ids.iter().filter_map(of).collect();
        for held in self.held.values() {
            if let Some(load) = loads.get_mut(&held.consumer) {
                load.oldest = Some(load.oldest.map_or(held.since, |oldest| oldest.min(held.since)));
            }
        }
        loads.into_values().collect()
    }
}
