//! Publishing batch after batch without waiting for each confirm.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use ferrymq_proto::v1::publish_confirm::Outcome;
use ferrymq_proto::v1::{Message, PublishConfirm, PublishRequest, PublishResponse, PublishStreamRequest};
use prost::Message as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use crate::client::Messaging;
use crate::{Client, Destination, Error};

/// How much may be on its way. Both limits hold.
#[derive(Clone, Debug)]
pub struct PublishStreamOptions {
    /// Unconfirmed batches. Default 1,024.
    pub unconfirmed_batches_max: usize,
    /// Unconfirmed bytes. Default 16 MiB. One batch always passes, however large.
    pub unconfirmed_bytes_max: u32,
    /// Sent with each batch; its destination and messages are replaced. For `require_route` and `wait_for_room`.
    pub template: PublishRequest,
}

impl Default for PublishStreamOptions {
    fn default() -> Self {
        Self { unconfirmed_batches_max: 1024, unconfirmed_bytes_max: 16 << 20, template: PublishRequest::default() }
    }
}

impl Client {
    /// A publish stream to one destination. Must be called within a Tokio runtime.
    pub fn publish_stream(&self, destination: Destination) -> PublishStream {
        self.publish_stream_with(destination, PublishStreamOptions::default())
    }

    /// As [`Client::publish_stream`], with other limits.
    pub fn publish_stream_with(&self, destination: Destination, options: PublishStreamOptions) -> PublishStream {
        let batches_max = options.unconfirmed_batches_max.clamp(1, Semaphore::MAX_PERMITS);
        let (sender, receiver) = mpsc::channel(batches_max.min(1024));
        let shared = Arc::new(Shared {
            pending: Mutex::new(Pending::default()),
            batches: Arc::new(Semaphore::new(batches_max)),
            bytes: Arc::new(Semaphore::new(options.unconfirmed_bytes_max.max(1) as usize)),
        });
        PublishStream {
            reader: tokio::spawn(read_confirms(self.messaging(), receiver, Arc::clone(&shared))),
            shared,
            sender,
            destination,
            template: options.template,
            bytes_max: options.unconfirmed_bytes_max.max(1),
        }
    }
}

/// A stream of batches to one destination. Dropping it lets what was sent go on; [`PublishStream::finish`] waits for it.
#[derive(Debug)]
pub struct PublishStream {
    shared: Arc<Shared>,
    sender: mpsc::Sender<PublishStreamRequest>,
    destination: Destination,
    template: PublishRequest,
    bytes_max: u32,
    reader: JoinHandle<Result<(), Error>>,
}

impl PublishStream {
    /// Sends one batch, waiting only while too much is unconfirmed. The [`BatchConfirm`] need not be awaited at once, or at all.
    pub async fn publish(&self, messages: Vec<Message>) -> Result<BatchConfirm, Error> {
        let batch = PublishRequest { destination: Some(self.destination.clone()), messages, ..self.template.clone() };
        let held = self.shared.room(batch.encoded_len(), self.bytes_max).await?;
        let (id, confirm) = self.shared.expect(held)?;
        let request = PublishStreamRequest { id, batch: Some(batch) };
        if self.sender.send(request).await.is_err() {
            return Err(self.shared.end_reason());
        }
        Ok(BatchConfirm(confirm))
    }

    /// Ends the stream and waits until the broker has answered every batch.
    pub async fn finish(self) -> Result<(), Error> {
        drop(self.sender);
        self.reader.await.map_err(|e| Error::unavailable(&format!("the publish stream broke off: {e}")))?
    }
}

/// Resolves when the batch is on disk, or was refused: then its error has a reason, and nothing of it is stored. Fails too, and it is
/// not known whether it is stored, with what the stream ended with before the answer came.
#[derive(Debug)]
pub struct BatchConfirm(oneshot::Receiver<Result<PublishResponse, Error>>);

impl Future for BatchConfirm {
    type Output = Result<PublishResponse, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or_else(|_| Err(ended_early())))
    }
}

/// What the publishing side and the reader of confirms share.
#[derive(Debug)]
struct Shared {
    pending: Mutex<Pending>,
    batches: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Pending {
    last_id: i64,
    waiting: HashMap<i64, Waiting>,
    /// Set once the stream is over; nothing is added to `waiting` after that.
    ended: Option<Error>,
}

#[derive(Debug)]
struct Waiting {
    answer: oneshot::Sender<Result<PublishResponse, Error>>,
    /// Room is given back when this is dropped, with the confirm.
    _held: Held,
}

type Held = (OwnedSemaphorePermit, OwnedSemaphorePermit);

impl Shared {
    async fn room(&self, bytes: usize, bytes_max: u32) -> Result<Held, Error> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(bytes_max);
        let batch = Arc::clone(&self.batches).acquire_owned().await;
        let batch = batch.map_err(|_| self.end_reason())?;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(bytes).await;
        Ok((batch, bytes.map_err(|_| self.end_reason())?))
    }

    fn expect(&self, held: Held) -> Result<(i64, oneshot::Receiver<Result<PublishResponse, Error>>), Error> {
        let mut pending = self.lock();
        if let Some(error) = &pending.ended {
            return Err(error.clone());
        }
        let (answer, confirm) = oneshot::channel();
        pending.last_id += 1;
        let id = pending.last_id;
        pending.waiting.insert(id, Waiting { answer, _held: held });
        Ok((id, confirm))
    }

    fn answer(&self, confirm: PublishConfirm) {
        let waiting = self.lock().waiting.remove(&confirm.id);
        if let Some(waiting) = waiting {
            let answer = match confirm.outcome {
                Some(Outcome::Confirmed(response)) => Ok(response),
                Some(Outcome::Failure(failure)) => Err(failure.into()),
                None => Err(Error::unavailable("the broker sent a confirm without an outcome")),
            };
            // The caller may have dropped its BatchConfirm: then nobody wants to know.
            let _ = waiting.answer.send(answer);
        }
    }

    /// Fails what is still open and lets nothing more in. True if nothing was open.
    fn end(&self, error: &Error) -> bool {
        let waiting = {
            let mut pending = self.lock();
            pending.ended = Some(error.clone());
            std::mem::take(&mut pending.waiting)
        };
        self.batches.close();
        self.bytes.close();
        let none_open = waiting.is_empty();
        for waiting in waiting.into_values() {
            let _ = waiting.answer.send(Err(error.clone()));
        }
        none_open
    }

    fn end_reason(&self) -> Error {
        self.lock().ended.clone().unwrap_or_else(ended_early)
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        // Each critical section leaves the map whole, so a panic elsewhere does not spoil it.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read_confirms(
    mut stub: Messaging,
    batches: mpsc::Receiver<PublishStreamRequest>,
    shared: Arc<Shared>,
) -> Result<(), Error> {
    let over = match stub.publish_stream(ReceiverStream::new(batches)).await {
        Ok(responses) => pass_on(responses.into_inner(), &shared).await,
        Err(status) => Err(status.into()),
    };
    let reason = over.as_ref().err().cloned().unwrap_or_else(ended_early);
    let none_open = shared.end(&reason);
    if none_open { over } else { Err(reason) }
}

async fn pass_on(
    mut responses: tonic::Streaming<ferrymq_proto::v1::PublishStreamResponse>,
    shared: &Shared,
) -> Result<(), Error> {
    while let Some(response) = responses.message().await? {
        response.confirms.into_iter().for_each(|confirm| shared.answer(confirm));
    }
    Ok(())
}

fn ended_early() -> Error {
    Error::unavailable("the publish stream ended before the batch was confirmed")
}
