//! Publishing message after message, batched, confirmed, over reconnects.

mod buffer;
mod options;
mod sender;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ferrymq_proto::v1::{Message, PublishRequest, PublishResult};
use prost::Message as _;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::messaging::wire_duration;
use crate::{Client, Destination, Error};
use buffer::Buffer;
pub use options::PublisherOptions;
use sender::Sender;

/// What a message takes of the buffer beside its bytes.
const OVERHEAD_BYTES: usize = 64;

impl Client {
    /// A publisher to a topic, or to a queue with [`to_queue`](crate::to_queue). Must be called within a Tokio runtime.
    pub fn publisher(&self, destination: impl Into<Destination>) -> Publisher {
        self.publisher_with(destination, PublisherOptions::default())
    }

    /// As [`Client::publisher`], with other settings.
    pub fn publisher_with(&self, destination: impl Into<Destination>, options: PublisherOptions) -> Publisher {
        let options = options.clamped();
        let buffer = Arc::new(Buffer::new(options.clone()));
        let template = PublishRequest {
            destination: Some(destination.into()),
            require_route: options.require_route,
            wait_for_room: options.wait_for_room.and_then(|wait| wire_duration(wait).ok()),
            ..PublishRequest::default()
        };
        let sender = Sender::new(self.clone(), template, options.clone(), Arc::clone(&buffer));
        Publisher { sender: tokio::spawn(sender.run()), bytes_max: options.unconfirmed_bytes, buffer }
    }
}

/// Publishes to one destination: batches by itself, keeps order, and sends again what was not confirmed when its connection
/// broke, so that a message may then be stored twice. Dropping it lets what was published go on; [`Publisher::close`] waits.
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
        let bytes = (message.encoded_len() + OVERHEAD_BYTES).min(self.bytes_max);
        let room = self.buffer.room.acquire_many(bytes as u32).await;
        // Given back with the confirm.
        room.map_err(|_| self.buffer.end_reason())?.forget();
        let (answer, confirm) = oneshot::channel();
        self.buffer.push(message, bytes, answer)?;
        Ok(Confirm(confirm))
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

/// Resolves when the message is on disk, or was refused with its batch.
#[derive(Debug)]
pub struct Confirm(oneshot::Receiver<Result<PublishResult, Error>>);

impl Future for Confirm {
    type Output = Result<PublishResult, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = |_| Err(Error::unavailable("the publisher ended before the message was confirmed"));
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or_else(ended))
    }
}
