//! Publishing message after message, batched, confirmed, over reconnects.

mod buffer;
mod confirm;
mod options;
mod sender;

use std::sync::Arc;

use ferrymq_proto::v1::{Message, PublishRequest};
use prost::Message as _;
use tokio::task::JoinHandle;

use crate::messaging::wire_duration;
use crate::{Client, Destination, Error};
use buffer::Buffer;
pub use confirm::Confirm;
pub use options::PublisherOptions;
use sender::Sender;

impl Client {
    /// A publisher to a topic, or to a queue with [`to_queue`](crate::to_queue). Must be called within a Tokio runtime.
    pub fn publisher(&self, destination: impl Into<Destination>) -> Publisher {
        self.publisher_with(destination, PublisherOptions::default())
    }

    /// As [`Client::publisher`], with other settings.
    pub fn publisher_with(&self, destination: impl Into<Destination>, options: PublisherOptions) -> Publisher {
        let options = options.clamped();
        let head = PublishRequest {
            destination: Some(destination.into()),
            require_route: options.require_route,
            wait_for_room: options.wait_for_room.and_then(|wait| wire_duration(wait).ok()),
            ..PublishRequest::default()
        };
        let buffer = Arc::new(Buffer::new(options.clone(), head.encode_to_vec().into()));
        let sender = Sender::new(self.clone(), options.publish_timeout, Arc::clone(&buffer));
        Publisher { sender: tokio::spawn(sender.run()), bytes_max: options.unconfirmed_bytes, buffer }
    }
}

/// Publishes to one destination: batches by itself, keeps order, and sends again what was not confirmed when its connection
/// broke, so that a message may then be stored twice. Dropping it lets what was published go on; [`Publisher::close`] waits.
///
/// A [`Confirm`] that fails with another code than UNAVAILABLE says that its message is not stored: the broker refused the batch, or
/// it was never sent. With UNAVAILABLE that is not known: its stream ended, however, before the answer came.
#[derive(Debug)]
pub struct Publisher {
    buffer: Arc<Buffer>,
    bytes_max: usize,
    sender: JoinHandle<Result<(), Error>>,
}

impl Publisher {
    /// Takes a message, waiting only while too much is unconfirmed. The [`Confirm`] need not be awaited at once, or at all: a
    /// refused batch nobody waits for is a line of log. Fails once the publisher has come to an end.
    pub async fn publish(&self, message: Message) -> Result<Confirm, Error> {
        #[cfg(feature = "opentelemetry")]
        let message = crate::trace::with_current(message);
        let encoded_len = message.encoded_len();
        let room = self.buffer.room.acquire_many(self.buffer.room_for(encoded_len) as u32).await;
        // Given back with the confirm.
        room.map_err(|_| self.buffer.end_reason())?.forget();
        self.buffer.push(&message, encoded_len)
    }

    /// Waits until everything published so far is confirmed or refused; says nothing of which.
    pub async fn flush(&self) -> Result<(), Error> {
        self.buffer.hurry();
        // All room is free only when nothing is unconfirmed, and room is given in the order it is asked for.
        let all = self.buffer.room.acquire_many(self.bytes_max as u32).await;
        all.map(drop).map_err(|_| self.buffer.end_reason())
    }

    /// Waits until everything is confirmed or refused, and ends.
    pub async fn close(mut self) -> Result<(), Error> {
        self.buffer.close();
        (&mut self.sender).await.map_err(|e| Error::unavailable(&format!("the publisher broke off: {e}")))?
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.buffer.close();
    }
}
