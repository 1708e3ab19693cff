//! One stream's way out: deliveries gathered into responses, heartbeats, and the end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ferrymq_core::filter::{Filter, MessageView};
use ferrymq_core::message;
use ferrymq_proto::raw::RawDelivery;
use ferrymq_proto::{server as pb, v1};
use tokio::sync::{Notify, mpsc};
use tonic::Status;

use super::Api;
use crate::broker::Broker;
use crate::committer::Gate;
use crate::error::Error;
use crate::points::Stop;
use crate::queue::{Event, NackMode, Settlement, Subscription};

pub(super) type Out = mpsc::Sender<Result<pb::SubscribeResponse, Status>>;
pub(super) type In = mpsc::Receiver<Result<pb::SubscribeResponse, Status>>;

/// Responses that wait for a stream; gRPC's own flow control holds behind them.
pub(super) const RESPONSES_MAX: usize = 4;
/// Deliveries are gathered into responses of about so many bytes.
pub(super) const RESPONSE_BYTES: usize = 256 << 10;
/// The same for broadcasts: hundreds of them may not be read, and each holds a few responses.
pub(super) const BROADCAST_RESPONSE_BYTES: usize = 64 << 10;
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
}

/// What a broadcast reads, and how far it has.
pub(super) struct Broadcast {
    pub(super) api: Api,
    pub(super) topic: String,
    pub(super) log: ferrymq_core::LogId,
    pub(super) gate: Arc<Gate>,
    pub(super) at: u64,
    pub(super) stop: Stop,
    pub(super) caught_up_at: u64,
    pub(super) pattern: ferrymq_core::pattern::Pattern,
    pub(super) filter: Option<Filter>,
}

impl Broadcast {
    /// What of `read` stands before the end.
    fn until_stop(&mut self, mut read: Vec<(RawDelivery, u64)>) -> Vec<(RawDelivery, u64)> {
        let stop = self.stop;
        if let Some(index) = read.iter().position(|(d, offset)| stop.is_before(*offset, d.publish_time_ms)) {
            self.stop = Stop::Before(read[index].1);
            read.truncate(index);
        }
        read
    }

    /// True if it asked for the message.
    fn matches(&self, message: &[u8]) -> bool {
        (self.pattern.is_all() || self.pattern.matches(message::routing_key(message)))
            && self.filter.as_ref().is_none_or(|filter| filter.matches(&MessageView::new(message)))
    }

    /// True if its end is reached.
    fn is_over(&self, broker: &Broker) -> bool {
        let now = broker.clock.now_ms();
        self.stop.is_reached(self.at, self.at >= broker.store.end(self.log), now)
    }
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
}

/// One stream's way out.
pub(super) struct Outlet {
    pub(super) out: Out,
    pub(super) shape: Shape,
    pub(super) broker: Arc<Broker>,
}

impl Outlet {
    /// Passes on what a queue hands out until either side ends.
    pub(super) async fn run_queue(self, opened: pb::Opened, mut subscription: Subscription) {
        let _counted = Counted::new(&self.broker);
        let mut draining = self.broker.draining.clone();
        let first = pb::SubscribeResponse { opened: Some(opened), ..Default::default() };
        if self.out.send(Ok(first)).await.is_err() {
            return;
        }
        loop {
            let event = tokio::select! {
                event = subscription.events.recv() => event,
                () = self.out.closed() => return,
                () = crate::edge::stopped(&mut draining) => Some(Event::End(Error::draining())),
                () = tokio::time::sleep(self.shape.heartbeat) => Some(Event::Deliveries(Vec::new())),
            };
            let event = event.unwrap_or_else(|| {
                Event::End(Error::new(
                    v1::ErrorReason::ConsumerTooSlow,
                    "the consumer did not read for too long; its deliveries went back",
                ))
            });
            if self.pass_on(event, &mut subscription).await.is_err() {
                return;
            }
        }
    }

    async fn pass_on(&self, event: Event, subscription: &mut Subscription) -> Result<(), ()> {
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
                    Some(Event::End(error)) => self.end(error, subscription).await,
                    _ => Ok(()),
                }
            }
            Event::CaughtUp => self.caught_up().await,
            Event::End(error) => self.end(error, subscription).await,
        }
    }

    async fn caught_up(&self) -> Result<(), ()> {
        self.out.send(Ok(pb::SubscribeResponse { caught_up: true, ..Default::default() })).await.map_err(|_| ())
    }

    async fn end(&self, error: Error, subscription: &mut Subscription) -> Result<(), ()> {
        subscription.end_by_broker();
        let _ = self.out.send(Err(error.into())).await;
        Err(())
    }

    /// Sends deliveries of a queue. One that never fits has failed, or it would come back to this consumer for ever; the
    /// others that it held go back as they are.
    async fn send_held(&self, deliveries: Vec<RawDelivery>, subscription: &mut Subscription) -> Result<(), ()> {
        let Err(unsent) = self.send(deliveries).await else { return Ok(()) };
        if let Unsent::TooLarge(delivery) = unsent {
            let reason = "larger than the consumer's max_response_bytes".into();
            let failed = Settlement::Nack { mode: NackMode::Retry, delay_ms: None, reason };
            // If that cannot be written, nothing can: the stream ends anyway.
            let _ = self.broker.settle(std::slice::from_ref(&delivery.ack_id), &failed).await;
            subscription.end_by_broker();
            self.too_small(&delivery).await;
        }
        Err(())
    }

    /// Sends deliveries in responses that the client takes.
    async fn send(&self, deliveries: Vec<RawDelivery>) -> Result<(), Unsent> {
        let mut response = pb::SubscribeResponse::default();
        let mut bytes = RESPONSE_EXTRA;
        for delivery in deliveries {
            let len = size(&delivery);
            if len + RESPONSE_EXTRA > self.shape.response_bytes_max {
                return Err(Unsent::TooLarge(Box::new(delivery)));
            }
            if bytes + len > self.shape.response_bytes_max.min(self.shape.gather_bytes)
                && !response.deliveries.is_empty()
            {
                self.out.send(Ok(std::mem::take(&mut response))).await.map_err(|_| Unsent::Gone)?;
                bytes = RESPONSE_EXTRA;
            }
            bytes += len;
            response.deliveries.push(delivery);
        }
        self.out.send(Ok(response)).await.map_err(|_| Unsent::Gone)
    }

    async fn too_small(&self, delivery: &RawDelivery) {
        let bytes = size(delivery);
        let message = format!("a message takes {bytes} bytes, more than this stream's max_response_bytes");
        let error = Error::new(v1::ErrorReason::ResponseTooSmall, message).meta("bytes", bytes.to_string());
        let _ = self.out.send(Err(error.into())).await;
    }

    /// Passes on what a topic has, and what comes, until either side ends.
    pub(super) async fn run_broadcast(self, mut reader: Broadcast) {
        let _counted = Counted::new(&self.broker);
        let notify = Arc::new(Notify::new());
        self.broker.watch.watch(reader.log, &notify);
        let mut draining = self.broker.draining.clone();
        let mut told = false;
        let first = pb::SubscribeResponse { opened: Some(pb::Opened::default()), ..Default::default() };
        if self.out.send(Ok(first)).await.is_err() {
            return;
        }
        loop {
            if let Err(error) = self.read_on(&mut reader).await {
                let _ = self.out.send(Err(error.into())).await;
                return;
            }
            if !told && reader.at >= reader.caught_up_at {
                told = true;
                if self.caught_up().await.is_err() {
                    return;
                }
            }
            if reader.is_over(&self.broker) {
                return;
            }
            if reader.gate.has_ended() && reader.at >= self.broker.store.end(reader.log) {
                let _ = self.out.send(Err(reader.gate.gone().into())).await;
                return;
            }
            let wait = reader.stop.wait(self.broker.clock.now_ms());
            tokio::select! {
                () = notify.notified() => {}
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
                () = self.out.closed() => return,
                () = crate::edge::stopped(&mut draining) => {
                    let _ = self.out.send(Err(Error::draining().into())).await;
                    return;
                }
                () = tokio::time::sleep(self.shape.heartbeat) => {
                    if self.send(Vec::new()).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Sends all that the log has; paced by the reader.
    async fn read_on(&self, reader: &mut Broadcast) -> Result<(), Error> {
        while reader.at < self.broker.store.end(reader.log) && !reader.is_over(&self.broker) {
            reader.at = reader.at.max(self.broker.store.first(reader.log));
            let read = reader.api.read_log(&reader.topic, reader.log, &mut reader.at).await?;
            let matching: Vec<RawDelivery> = reader
                .until_stop(read)
                .into_iter()
                .map(|(delivery, _)| delivery)
                .filter(|delivery| reader.matches(&delivery.message))
                .collect();
            self.broker.counters.delivered.fetch_add(matching.len() as u64, Ordering::Relaxed);
            if matching.is_empty() {
                continue;
            }
            if let Err(unsent) = self.send(matching).await {
                if let Unsent::TooLarge(delivery) = unsent {
                    self.too_small(&delivery).await;
                }
                return Err(Error::draining());
            }
        }
        Ok(())
    }
}
