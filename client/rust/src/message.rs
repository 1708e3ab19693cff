//! Making messages, and reading what was delivered.

use std::borrow::Cow;
use std::sync::LazyLock;

use bytes::Bytes;
use ferrymq_proto::v1::{Delivery, Message};
use serde::Serialize;

use crate::{Destination, Error};

static EMPTY: LazyLock<Message> = LazyLock::new(Message::default);

/// A message of this payload and nothing else; more is set as in `Message { ordering_key: "a".into(), ..message("hello") }`.
pub fn message(payload: impl Into<Bytes>) -> Message {
    Message { payload: payload.into(), ..Message::default() }
}

/// A message of this value as JSON, and the content type that says so. INVALID_ARGUMENT (field `payload`) if it cannot be written so.
pub fn json(value: &impl Serialize) -> Result<Message, Error> {
    let payload = serde_json::to_vec(value).map_err(|e| Error::invalid("payload", &e.to_string()))?;
    Ok(Message { content_type: "application/json".to_owned(), ..message(payload) })
}

/// Straight into a queue, for [`Client::publisher`](crate::Client::publisher) and [`Client::publish`](crate::Client::publish).
pub fn to_queue(name: impl Into<String>) -> Destination {
    Destination::Queue(name.into())
}

/// What settles these deliveries, in their order.
pub fn ack_ids(deliveries: &[Delivery]) -> Vec<Bytes> {
    deliveries.iter().map(|delivery| delivery.ack_id.clone()).collect()
}

/// What a [`Delivery`] brings. (`Delivery.message` is an Option, as every message within a message is in protobuf; the broker
/// always sets it.)
pub trait DeliveryExt {
    /// The message; an empty one if there is none.
    fn content(&self) -> &Message;

    /// The payload as text; bytes that are no UTF-8 are replaced.
    fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.content().payload)
    }
}

impl DeliveryExt for Delivery {
    fn content(&self) -> &Message {
        self.message.as_ref().unwrap_or(&EMPTY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_can_be_read() {
        let made = Message { ordering_key: "a".into(), ..message("hello") };
        let delivery = Delivery { message: Some(made), ..Delivery::default() };
        assert_eq!((delivery.text().as_ref(), delivery.content().ordering_key.as_str()), ("hello", "a"));
        assert_eq!(Delivery::default().text(), "");
    }
}
