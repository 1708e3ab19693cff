//! A delivery, and what is done with it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use ferrymq_proto::v1::{self, DeadLetter, Message, NackMode, Position};
use serde::de::DeserializeOwned;

use super::gather::{Action, Gatherer};
use super::held::Slot;
use super::settling::Settling;
use crate::{DeliveryExt as _, Error};

/// What was delivered, apart from settling it.
#[derive(Clone, Debug, Default)]
pub struct Received(pub(crate) v1::Delivery);

impl Received {
    /// The message as it was published.
    pub fn message(&self) -> &Message {
        self.0.content()
    }

    /// The payload.
    pub fn payload(&self) -> &Bytes {
        &self.message().payload
    }

    /// The payload as text; bytes that are no UTF-8 are replaced.
    pub fn text(&self) -> Cow<'_, str> {
        self.0.text()
    }

    /// The payload read as JSON. INVALID_ARGUMENT (field `payload`) if it is none, or another kind of value.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(self.payload()).map_err(|e| Error::invalid("payload", &e.to_string()))
    }

    /// 1 for the first delivery; above, it may have been delivered before.
    pub fn attempt(&self) -> i32 {
        self.0.attempt
    }

    /// The topic it was published to; empty if it was sent straight to the queue.
    pub fn topic(&self) -> &str {
        &self.0.topic
    }

    /// Where it stands in the log: the identity of the message.
    pub fn position(&self) -> Position {
        self.0.position.unwrap_or_default()
    }

    /// When the broker took it, by the broker's clock.
    pub fn publish_time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.0.publish_time_ms.unsigned_abs())
    }

    /// In a dead-letter queue: where it comes from and why.
    pub fn dead_letter(&self) -> Option<&DeadLetter> {
        self.0.dead_letter.as_ref()
    }

    /// As the protocol has it.
    pub fn as_inner(&self) -> &v1::Delivery {
        &self.0
    }

    /// The same, without the rest.
    pub fn into_inner(self) -> v1::Delivery {
        self.0
    }
}

impl From<v1::Delivery> for Received {
    fn from(delivery: v1::Delivery) -> Self {
        Self(delivery)
    }
}

/// A delivery that waits to be settled. Dropping it settles nothing: it is held until its subscriber is closed or its lease ends.
#[derive(Debug)]
pub struct Delivery {
    received: Received,
    settler: Settler,
}

/// Settles one delivery.
#[derive(Debug)]
pub struct Settler {
    slot: Slot,
    gatherer: Arc<Gatherer>,
}

impl Delivery {
    /// Its ack id is held at `slot`.
    pub(crate) fn new(delivery: v1::Delivery, slot: Slot, gatherer: Arc<Gatherer>) -> Self {
        Self { received: Received(delivery), settler: Settler { slot, gatherer } }
    }

    /// The content by itself, for where it is worked on, and what settles it afterwards.
    pub fn split(self) -> (Received, Settler) {
        (self.received, self.settler)
    }

    /// Done. The [`Settling`] need not be awaited.
    pub fn ack(self) -> Settling {
        self.settler.ack()
    }

    /// Failed, as [`Settler::retry`].
    pub fn retry(self, reason: impl Into<String>) -> Settling {
        self.settler.retry(reason)
    }

    /// Will never work, as [`Settler::reject`].
    pub fn reject(self, reason: impl Into<String>) -> Settling {
        self.settler.reject(reason)
    }

    /// Not tried, as [`Settler::release`].
    pub fn release(self) -> Settling {
        self.settler.release()
    }

    /// Needs longer, as [`Settler::extend`].
    pub fn extend(&self, lease: Option<Duration>) -> Settling {
        self.settler.extend(lease)
    }

    /// What settles it.
    pub fn settler(self) -> Settler {
        self.settler
    }
}

impl std::ops::Deref for Delivery {
    type Target = Received;

    fn deref(&self) -> &Received {
        &self.received
    }
}

impl Settler {
    /// Done: it never comes back.
    pub fn ack(self) -> Settling {
        self.send(Action::Ack)
    }

    /// Failed: it comes again after the queue's backoff, or goes to the dead-letter queue after too many failures. The reason, at most
    /// 1,024 bytes, is for whoever looks there.
    pub fn retry(self, reason: impl Into<String>) -> Settling {
        self.nack(NackMode::Retry, None, reason)
    }

    /// As [`Settler::retry`], to come again after `delay` (up to 366 days).
    pub fn retry_after(self, delay: Duration, reason: impl Into<String>) -> Settling {
        self.nack(NackMode::Retry, Some(delay), reason)
    }

    /// Will never work: it goes to the dead-letter queue now.
    pub fn reject(self, reason: impl Into<String>) -> Settling {
        self.nack(NackMode::Reject, None, reason)
    }

    /// Not tried: it goes back to its place without a failure.
    pub fn release(self) -> Settling {
        self.nack(NackMode::Release, None, "")
    }

    /// Needs longer: the lease runs anew from now, for the queue's lease or this one (1 s to the queue's `max_lease`). A subscriber's
    /// leases are prolonged by the broker; this is for who asked otherwise.
    pub fn extend(&self, lease: Option<Duration>) -> Settling {
        self.send(Action::Extend(lease))
    }

    fn nack(self, mode: NackMode, delay: Option<Duration>, reason: impl Into<String>) -> Settling {
        self.send(Action::Nack(mode, delay, reason.into()))
    }

    fn send(&self, action: Action) -> Settling {
        self.gatherer.add(self.slot, action)
    }
}
