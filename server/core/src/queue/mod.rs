//! The queue: competing consumers over several cursors, merged in commit order.
//!
//! [`QueueMachine`] is given `now` and commands and returns plain values. What must survive a crash leaves it as
//! [`SettleRecord`]s under a ticket; what depends on their being durable (a redelivery, a higher `sent` bound) waits until
//! the ticket is [committed](QueueMachine::committed).

mod consumer;
mod deliver;
mod expiry;
mod far;
mod floors;
mod keys;
mod lane;
mod late;
mod limits;
mod look;
mod machine;
mod ordered;
mod outbox;
mod rate;
mod seek;
mod settle;
mod strict;
#[cfg(test)]
mod tests;
mod view;

pub use consumer::ConsumerLoad;
pub use far::{FAR_MAX, LONG_MS, NEAR_MAX, Wanted};
pub use keys::{KeyHash, LANES_MAX, PARKED_KEY_MAX, PARKED_MAX};
pub use look::Look;
pub use machine::{Place, QueueMachine};
pub use rate::Rate;

use crate::batch::DeadLetterReason;
use crate::settle::SettleRecord;
use crate::{CommitNo, LogId, Millis, Offset};

/// Most headers of fresh messages in memory.
pub const WINDOW_MAX: usize = 4_096;
/// Most leased and retrying messages in memory; above, no fresh messages until some settle. Long delays do not count: see
/// [`FAR_MAX`].
pub const UNSETTLED_MAX: usize = 100_000;
/// The time at which a message without a time to live expires.
pub const NEVER: Millis = Millis::MAX;
/// How far ahead the `sent` bound is reserved.
pub const SENT_AHEAD: u64 = 8_192;

/// A consumer's number within its queue.
pub type ConsumerId = u64;

/// Names what goes to disk together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What is kept in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ordering {
    /// First in, first out as far as redelivery and several consumers allow.
    #[default]
    None,
    /// One unsettled delivery of each key at a time.
    Key,
    /// One after the other, to one consumer at a time.
    Strict,
}

/// Settings that the machine follows.
#[derive(Debug, Clone)]
pub struct QueueConfig {
    /// How long a delivery is one consumer's, in ms.
    pub lease_ms: u64,
    /// The longest a delivery can be held with renewals, in ms.
    pub max_lease_ms: u64,
    /// Failures before a message is dead-lettered; 0: without end.
    pub max_attempts: u32,
    /// Backoff after the first failure, in ms.
    pub min_backoff_ms: u64,
    /// The longest backoff, in ms.
    pub max_backoff_ms: u64,
    /// By how much it grows with each failure.
    pub multiplier: f64,
    /// Whether what expires is dead-lettered, or only counted.
    pub dead_letter_expired: bool,
    /// What is kept in order.
    pub ordering: Ordering,
    /// How fast it delivers; none: without a limit.
    pub rate: Option<Rate>,
}

/// How much a consumer takes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Most unsettled messages.
    pub messages: u32,
    /// Most unsettled bytes; one message is always delivered.
    pub bytes: u64,
}

/// Who prolongs a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseMode {
    /// The broker, while the stream lives, up to the queue's `max_lease`.
    Stream,
    /// The consumer.
    Timed,
}

/// How a consumer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It went away: a failure for all it held.
    Lost,
    /// The broker ended the stream: no failure.
    BrokerEnded,
}

/// What a nack means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NackMode {
    /// Not tried; no failure.
    Release,
    /// Tried and failed.
    Retry,
    /// Will never work.
    Reject,
}

/// What became of one settlement; as the API's `SettleStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleStatus {
    /// Done as asked.
    Ok,
    /// Settled before.
    AlreadySettled,
    /// The lease had ended.
    LeaseLost,
    /// The queue or the message is gone: deleted, or expired.
    Gone,
    /// Not an id of this broker.
    Invalid,
}

/// A fresh message, as the merge offers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its commit: the order of the queue.
    pub commit: CommitNo,
    /// Its log.
    pub log: LogId,
    /// Its place there.
    pub offset: Offset,
    /// Its size.
    pub bytes: u32,
    /// From when on it is not delivered any more; [`NEVER`] if it does not expire.
    pub expires: Millis,
    /// The number of its ordering key; 0: none, or the queue does not ask.
    pub key: u64,
}

impl Entry {
    /// Where it stands in the queue's order.
    #[must_use]
    pub fn place(&self) -> Place {
        (self.commit, self.log, self.offset)
    }
}

/// One delivery to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    /// To whom; 0 for a pull.
    pub consumer: ConsumerId,
    /// The log that holds the message.
    pub log: LogId,
    /// Its place there.
    pub offset: Offset,
    /// The delivery's number: never 0, unique while the machine lives.
    pub delivery: u64,
    /// From 1.
    pub attempt: u32,
}

/// A message to be dead-lettered in the same commit as the records it comes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterOut {
    /// The log that holds it.
    pub log: LogId,
    /// Its place there.
    pub offset: Offset,
    /// Why.
    pub reason: DeadLetterReason,
    /// How often it was delivered.
    pub attempts: u32,
    /// What the nack said.
    pub description: String,
}

/// What has to be committed as one.
#[derive(Debug)]
pub struct Outbox {
    /// To be given back when it is durable.
    pub ticket: Ticket,
    /// The progress.
    pub records: Vec<SettleRecord>,
    /// Messages given up.
    pub dead_letters: Vec<DeadLetterOut>,
    /// What leaves the queue with it.
    pub freed: Freed,
}

/// What leaves a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freed {
    /// Messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a message in a queue is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageState {
    /// May be delivered now.
    Ready,
    /// With a consumer.
    Unsettled,
    /// Waiting for another attempt, until then.
    BackingOff(Millis),
    /// Done with, or never of this queue.
    Settled,
}

/// Numbers; as the API's `QueueStats`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Gauge: may be delivered now.
    pub ready: i64,
    /// Gauge: with consumers.
    pub unsettled: i64,
    /// Gauge: waiting for another attempt.
    pub backing_off: i64,
    /// Gauge.
    pub consumers: i64,
    /// Counter: came in. Kept by whoever reads the logs.
    pub received: i64,
    /// Counter: deliveries.
    pub delivered: i64,
    /// Counter: deliveries with attempt > 1.
    pub redelivered: i64,
    /// Counter.
    pub acked: i64,
    /// Counter: RELEASE and RETRY.
    pub nacked: i64,
    /// Counter.
    pub leases_lost: i64,
    /// Counter: dead-lettered, or ended in a dead-letter queue, by REJECT.
    pub rejected: i64,
    /// Counter: dead-lettered after max_attempts.
    pub exhausted: i64,
    /// Counter: their time to live ended.
    pub expired: i64,
    /// Counter: given up because the queue was over a limit.
    pub overflowed: i64,
}
