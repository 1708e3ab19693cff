//! One stream's way out: deliveries gathered into responses, heartbeats, and the end.

mod broadcast;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ferrymq_proto::raw::RawDelivery;
use ferrymq_proto::{server as pb, v1};
use tokio::sync::mpsc;
use tonic::Status;

use super::at_most_once::settle_first;
use super::response::{Phase, Phases, Response};
use crate::broker::Broker;
use crate::edge::Connection;
use crate::error::Error;
use crate::queue::{Event, NackMode, Settlement, Subscription};
pub(super) use broadcast::{BROADCAST_RESPONSE_BYTES, Broadcast};

pub(super) type Out<R> = mpsc::Sender<Result<R, Status>>;

/// Responses that wait for a stream; gRPC's own flow control holds behind them.
pub(super) const RESPONSES_MAX: usize = 4;
/// Deliveries are gathered into responses of about so many bytes.
pub(super) const RESPONSE_BYTES: usize = 256 << 10;
/// What a response has beyond its deliveries, at most.
const RESPONSE_EXTRA: usize = 64;

/// At least what a delivery takes in a response: tags, lengths and numbers take less than the constant.
fn size(delivery: &RawDelivery) -> usize {
    const NUMBERS: usize = 80;
    let letter = delivery.dead_letter.as_ref().map_or(0, prost::Message::encoded_len);
    delivery.message.len() + delivery.ack_id.len() + delivery.topic.len() + letter + NUMBERS
}

/// How a stream wants its responses.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) response_bytes_max: usize,
    /// Deliveries are gathered up to about so many bytes.
    pub(super) gather_bytes: usize,
    pub(super) heartbeat: Duration,
    /// Deliveries of a queue are settled before they are sent.
    pub(super) at_most_once: bool,
}

/// Counts a consumer while its stream lives.
struct Counted(Arc<Broker>);

impl Counted {
    fn new(broker: &Arc<Broker>) -> Self {
        broker.counters.consumers.fetch_add(1, Ordering::Relaxed);
        Self(broker.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.counters.consumers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why deliveries were not sent.
enum Unsent {
    /// The client is.
    Gone,
    /// This one does not fit into a response.
    TooLarge(Box<RawDelivery>),
    /// The stream ends with this.
    Ended(Error),
}

fn too_small(delivery: &RawDelivery) -> Error {
    let bytes = size(delivery);
    let message = format!("a message takes {bytes} bytes, more than this stream's max_response_bytes");
    Error::new(v1::ErrorReason::ResponseTooSmall, message).meta("bytes", bytes.to_string())
}

/// One stream's way out.
pub(super) struct Outlet<R> {
    pub(super) out: Out<R>,
    pub(super) phases: Phases,
    pub(super) shape: Shape,
    pub(super) broker: Arc<Broker>,
    pub(super) connection: Option<Arc<Connection>>,
}

impl<R> Clone for Outlet<R> {
    fn clone(&self) -> Self {
        Self {
            out: self.out.clone(),
            phases: self.phases.clone(),
            shape: self.shape,
            broker: self.broker.clone(),
            connection: self.connection.clone(),
        }
    }
}

/// Waits until an operator closes the connection.
async fn closed(connection: Option<&Arc<Connection>>) -> Error {
    match connection {
        None => std::future::pending().await,
        Some(connection) => Error::connection_closed(&connection.closed().await),
    }
}

impl<R: Response> Outlet<R> {
    /// Passes on what a queue hands out until either side ends. An error is what the stream ends with.
    pub(super) async fn run_queue(mut self, opened: pb::Opened, mut subscription: Subscription) -> Result<(), Error> {
        let _counted = Counted::new(&self.broker);
        let mut draining = self.broker.draining.clone();
        if self.shape.at_most_once {
            // What it holds is what has not been sent: nobody has failed with it.
            subscription.end_by_broker();
        }
        if self.out.send(Ok(R::opened(opened))).await.is_err() {
            return Ok(());
        }
        loop {
            let event = tokio::select! {
                event = subscription.events.recv() => event,
                () = self.out.closed() => break,
                error = closed(self.connection.as_ref()) => Some(Event::End(error)),
                () = crate::edge::stopped(&mut draining) => Some(Event::End(Error::draining())),
                phase = self.phases.change() => match phase {
                    Phase::Over => {
                        subscription.end_by_broker();
                        return Ok(());
                    }
                    _ => continue,
                },
                () = tokio::time::sleep(self.shape.heartbeat) => Some(Event::Deliveries(Vec::new())),
            };
            let event = event.unwrap_or_else(|| {
                Event::End(Error::new(
                    v1::ErrorReason::ConsumerTooSlow,
                    "the consumer did not read for too long; its deliveries went back",
                ))
            });
            match self.pass_on(event, &mut subscription).await {
                Ok(()) => {}
                Err(Unsent::Gone) => break,
                Err(Unsent::Ended(error)) => {
                    subscription.end_by_broker();
                    return Err(error);
                }
                Err(Unsent::TooLarge(delivery)) => return Err(too_small(&delivery)),
            }
        }
        // Whose connection was closed by request does not come back for what it held.
        if self.connection.as_ref().is_some_and(|connection| connection.is_closed()) {
            subscription.end_by_broker();
        }
        Ok(())
    }

    async fn pass_on(&self, event: Event, subscription: &mut Subscription) -> Result<(), Unsent> {
        match event {
            Event::Deliveries(mut deliveries) => {
                let mut bytes: usize = deliveries.iter().map(size).sum();
                let mut after = None;
                // What else is ready goes into the same response.
                while bytes < RESPONSE_BYTES && after.is_none() {
                    match subscription.events.try_recv() {
                        Ok(Event::Deliveries(more)) => {
                            bytes += more.iter().map(size).sum::<usize>();
                            deliveries.extend(more);
                        }
                        Ok(other) => after = Some(other),
                        Err(_) => break,
                    }
                }
                self.send_held(deliveries, subscription).await?;
                match after {
                    Some(Event::CaughtUp) => self.caught_up().await,
                    Some(Event::End(error)) => Err(Unsent::Ended(error)),
                    _ => Ok(()),
                }
            }
            Event::CaughtUp => self.caught_up().await,
            Event::End(error) => Err(Unsent::Ended(error)),
        }
    }

    async fn caught_up(&self) -> Result<(), Unsent> {
        self.out.send(Ok(R::caught_up())).await.map_err(|_| Unsent::Gone)
    }

    /// Sends deliveries of a queue, unless the client wants no more. One that never fits has failed, or it would come back
    /// to this consumer for ever; the others that it held go back as they are.
    async fn send_held(&self, deliveries: Vec<RawDelivery>, subscription: &mut Subscription) -> Result<(), Unsent> {
        if self.phases.now() != Phase::Open && !deliveries.is_empty() {
            return self.give_back(&deliveries).await;
        }
        let sent = match self.shape.at_most_once {
            true => self.send_settled(deliveries).await,
            false => self.send(deliveries).await,
        };
        if let Err(Unsent::TooLarge(delivery)) = &sent {
            let reason = "larger than the consumer's max_response_bytes".into();
            let failed = Settlement::Nack { mode: NackMode::Retry, delay_ms: None, reason };
            // If that cannot be written, nothing can: the stream ends anyway.
            let _ = self.broker.settle(std::slice::from_ref(&delivery.ack_id), &failed).await;
            subscription.end_by_broker();
        }
        sent
    }

    /// The same, each settled before it is sent. One that never fits is not.
    async fn send_settled(&self, mut deliveries: Vec<RawDelivery>) -> Result<(), Unsent> {
        let fits = |delivery: &RawDelivery| size(delivery) + RESPONSE_EXTRA <= self.shape.response_bytes_max;
        let fitting = deliveries.iter().take_while(|delivery| fits(delivery)).count();
        let too_large = deliveries.split_off(fitting).into_iter().next();
        if !deliveries.is_empty() {
            deliveries = settle_first(&self.broker, deliveries).await.map_err(Unsent::Ended)?;
        }
        // Also if none is left: an empty response is a heartbeat.
        self.send(deliveries).await?;
        too_large.map_or(Ok(()), |delivery| Err(Unsent::TooLarge(Box::new(delivery))))
    }

    /// Nobody has seen them.
    async fn give_back(&self, deliveries: &[RawDelivery]) -> Result<(), Unsent> {
        let release = Settlement::Nack { mode: NackMode::Release, delay_ms: None, reason: "".into() };
        let ids: Vec<bytes::Bytes> = deliveries.iter().map(|delivery| delivery.ack_id.clone()).collect();
        for ids in ids.chunks(self.broker.limits.batch_items_max.max(1)) {
            self.broker.settle(ids, &release).await.map_err(Unsent::Ended)?;
        }
        Ok(())
    }

    /// Sends deliveries in responses that the client takes.
    async fn send(&self, deliveries: Vec<RawDelivery>) -> Result<(), Unsent> {
        let mut response = R::default();
        let mut bytes = RESPONSE_EXTRA;
        for delivery in deliveries {
            let len = size(&delivery);
            if len + RESPONSE_EXTRA > self.shape.response_bytes_max {
                return Err(Unsent::TooLarge(Box::new(delivery)));
            }
            if bytes + len > self.shape.response_bytes_max.min(self.shape.gather_bytes)
                && !response.deliveries().is_empty()
            {
                self.out.send(Ok(std::mem::take(&mut response))).await.map_err(|_| Unsent::Gone)?;
                bytes = RESPONSE_EXTRA;
            }
            bytes += len;
            response.deliveries().push(delivery);
        }
        self.out.send(Ok(response)).await.map_err(|_| Unsent::Gone)
    }
}
