//! What the consumers saw, message by message. A message is known by its position, a record of the file by its message id:
//! so a message that the broker delivers again is told from a record that was published again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferrymq_client::v1::{Delivery, SettleStatus};

use super::flights::Flight;

/// Most faults that are kept to be shown; all are counted.
const SHOWN_MAX: usize = 20;

/// Log and offset.
pub type Place = (i64, i64);

/// One message of one queue.
#[derive(Debug)]
pub struct Seen {
    /// The record that it carries.
    pub record: usize,
    /// How often it came.
    pub deliveries: u64,
    /// A consumer was told that its ack or reject holds.
    pub settled: bool,
}

/// What came out of one queue.
#[derive(Debug, Default)]
pub struct QueueLedger {
    /// Each message that came.
    pub messages: BTreeMap<Place, Seen>,
    /// The records that came.
    pub records: BTreeSet<usize>,
    /// Every delivery, as they came.
    pub came: Vec<(Place, usize)>,
    /// Deliveries of what had come before with attempt 1, which says that it had not.
    pub unmarked: u64,
    /// Deliveries after the message's ack or reject was answered.
    pub came_back: u64,
}

impl QueueLedger {
    /// Deliveries beyond each message's first.
    pub fn duplicates(&self) -> u64 {
        self.messages.values().map(|seen| seen.deliveries - 1).sum()
    }
}

/// All that is wrong, as far as it is shown.
#[derive(Debug, Default)]
pub struct Faults {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub shown: Vec<String>,
}

impl Faults {
    /// Notes one.
    pub fn push(&mut self, fault: String) {
        self.count += 1;
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(fault);
        }
    }
}

/// What all consumers share.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By queue.
    pub queues: BTreeMap<&'static str, QueueLedger>,
    /// What is wrong beyond what a table can count.
    pub faults: Faults,
    /// The last thing that ended each stream; shown if the demo does not end.
    pub notes: BTreeMap<String, String>,
    /// Deliveries that the dying consumers took with them.
    pub dropped: u64,
}

/// A ledger in many hands.
#[derive(Clone, Debug, Default)]
pub struct SharedLedger(Arc<Mutex<Ledger>>);

impl SharedLedger {
    /// The ledger, for a moment.
    pub fn lock(&self) -> MutexGuard<'_, Ledger> {
        // Every entry is whole after each statement: a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// Notes one delivery; returns the record it carries, if it is one of the file's, byte for byte.
    pub fn receive(&mut self, queue: &'static str, delivery: &Delivery, flights: &[Flight]) -> Option<usize> {
        let Some(record) = record_of(delivery, flights) else {
            self.faults.push(format!("{queue}: a message that nobody published: {delivery:?}"));
            return None;
        };
        let ledger = self.queues.entry(queue).or_default();
        let seen = ledger.messages.entry(place(delivery)).or_insert(Seen { record, deliveries: 0, settled: false });
        ledger.records.insert(record);
        ledger.came.push((place(delivery), record));
        ledger.came_back += u64::from(seen.settled);
        ledger.unmarked += u64::from(seen.deliveries > 0 && delivery.attempt <= 1);
        seen.deliveries += 1;
        if seen.record != record {
            self.faults.push(format!("{queue}: two records at one position: {delivery:?}"));
        }
        Some(record)
    }

    /// Notes the answer to an ack or reject.
    pub fn settled(&mut self, queue: &'static str, delivery: &Delivery, status: SettleStatus) {
        if status != SettleStatus::Ok {
            self.faults.push(format!("{queue}: a delivery that was held settles as {status:?}: {delivery:?}"));
            return;
        }
        let ledger = self.queues.entry(queue).or_default();
        if let Some(seen) = ledger.messages.get_mut(&place(delivery)) {
            seen.settled = true;
        }
    }
}

/// The record that a delivery carries, if all of it is as it was published.
pub fn record_of(delivery: &Delivery, flights: &[Flight]) -> Option<usize> {
    let message = delivery.message.as_ref()?;
    let record: usize = message.message_id.parse().ok()?;
    let flight = flights.get(record)?;
    let same_keys = message.routing_key == routing_key(flight) && message.ordering_key == flight.origin;
    (same_keys && message.payload == flight.payload.as_bytes()).then_some(record)
}

/// `flights.ORIGIN.DESTINATION`.
pub fn routing_key(flight: &Flight) -> String {
    format!("flights.{}.{}", flight.origin, flight.destination)
}

fn place(delivery: &Delivery) -> Place {
    delivery.position.map(|position| (position.log, position.offset)).unwrap_or_default()
}
