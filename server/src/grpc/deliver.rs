//! Subscribe: what a consumer's stream, or a broadcast's, is made of.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ferrymq_core::message;
use ferrymq_proto::raw::RawDelivery;
use ferrymq_proto::{server as pb, v1};
use tokio::sync::{Notify, mpsc};
use tonic::Status;

use super::Api;
use super::messaging::{GroupWish, lease, unsupported_with_queue};
use crate::broker::Broker;
use crate::catalogue::Queue;
use crate::catalogue::settings::{Edge, duration, edge, millis, pattern, unsupported};
use crate::error::Error;
use crate::queue::{Event, LeaseMode, NackMode, Settlement, Subscription, Window, Wish};

type Out = mpsc::Sender<Result<pb::SubscribeResponse, Status>>;
type In = mpsc::Receiver<Result<pb::SubscribeResponse, Status>>;

/// Responses that wait for a stream; gRPC's own flow control holds behind them.
const RESPONSES_MAX: usize = 4;
/// Deliveries are gathered into responses of about so many bytes.
const RESPONSE_BYTES: usize = 256 << 10;
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
struct Shape {
    response_bytes_max: usize,
    heartbeat: Duration,
}

fn range(field: &str, value: i64, default: i64, min: i64, max: i64) -> Result<i64, Error> {
    match value {
        0 => Ok(default),
        value if (min..=max).contains(&value) => Ok(value),
        value => Err(Error::invalid(field, format!("must be from {min} to {max}, and is {value}"))),
    }
}

fn shape(request: &pb::SubscribeRequest) -> Result<Shape, Error> {
    let bytes = range("max_response_bytes", request.max_response_bytes.into(), 4 << 20, 64 << 10, 256 << 20)?;
    let heartbeat = millis("heartbeat", request.heartbeat.as_ref(), 30_000, 1_000, 3_600_000)?;
    Ok(Shape { response_bytes_max: bytes as usize, heartbeat: Duration::from_millis(heartbeat) })
}

fn window(request: &pb::SubscribeRequest) -> Result<Window, Error> {
    let messages = range("prefetch", request.prefetch.into(), 256, 1, 100_000)?;
    let bytes = range("prefetch_bytes", request.prefetch_bytes, 8 << 20, 1, 256 << 20)?;
    Ok(Window { messages: messages as u32, bytes: bytes as u64 })
}

fn refuse_unsupported(request: &pb::SubscribeRequest) -> Result<(), Error> {
    unsupported(request.stop.is_some(), "stop")?;
    unsupported(!request.filter.is_empty(), "filter")?;
    unsupported(request.at_most_once, "at_most_once")?;
    unsupported(request.resume_within.is_some(), "resume_within")?;
    unsupported(!request.resume_token.is_empty(), "resume_token")?;
    unsupported(!request.held_ack_ids.is_empty(), "held_ack_ids")?;
    if request.consumer.len() > 128 {
        return Err(Error::invalid("consumer", "must be at most 128 bytes long"));
    }
    Ok(())
}

fn mode(request: &pb::SubscribeRequest) -> Result<LeaseMode, Error> {
    match pb::LeaseRenewal::try_from(request.lease_renewal) {
        Ok(pb::LeaseRenewal::Unspecified | pb::LeaseRenewal::ByBroker) => Ok(LeaseMode::Stream),
        Ok(pb::LeaseRenewal::ByConsumer) => Ok(LeaseMode::Timed),
        Err(_) => Err(Error::not_supported("lease_renewal")),
    }
}

impl Api {
    /// Opens a stream of deliveries.
    pub(super) async fn open(&self, request: pb::SubscribeRequest, peer: String) -> Result<In, Error> {
        refuse_unsupported(&request)?;
        let (out, responses) = mpsc::channel(RESPONSES_MAX);
        match &request.source {
            None => return Err(Error::invalid("source", "exactly one of queue, topic must be set")),
            Some(pb::subscribe_request::Source::Queue(name)) => {
                unsupported_with_queue(!request.group.is_empty(), "group")?;
                unsupported_with_queue(request.start.is_some(), "start")?;
                unsupported_with_queue(!request.pattern.is_empty(), "pattern")?;
                unsupported_with_queue(request.create_if_missing, "create_if_missing")?;
                let queue = self.broker.queue(name)?;
                self.consume(&request, &queue, false, peer, out).await?;
            }
            Some(pb::subscribe_request::Source::Topic(topic)) if !request.group.is_empty() => {
                edge("start", request.start.as_ref())?;
                pattern("pattern", &request.pattern)?;
                let wish = GroupWish {
                    topic,
                    group: &request.group,
                    create: request.create_if_missing,
                    pattern: &request.pattern,
                    start: request.start.clone(),
                };
                let (queue, created) = self.group(wish).await?;
                self.consume(&request, &queue, created, peer, out).await?;
            }
            Some(pb::subscribe_request::Source::Topic(topic)) => self.broadcast(&request, topic, out)?,
        }
        Ok(responses)
    }

    async fn consume(
        &self,
        request: &pb::SubscribeRequest,
        queue: &Queue,
        created: bool,
        peer: String,
        out: Out,
    ) -> Result<(), Error> {
        let shape = shape(request)?;
        let window = window(request)?;
        let name = if request.consumer.is_empty() { peer } else { request.consumer.clone() };
        let wish = Wish { window, lease_ms: lease(queue, request.lease.as_ref())?, mode: mode(request)?, name };
        let subscription = queue.handle.subscribe(wish).await?;
        let opened = pb::Opened {
            queue: queue.record.settings.name.clone(),
            created,
            consumer_id: format!("{:x}-{:x}", queue.record.id, subscription.consumer),
            lease: Some(duration(subscription.lease_ms)),
            prefetch: window.messages as i32,
            prefetch_bytes: window.bytes as i64,
            resume_token: bytes::Bytes::new(),
        };
        let stream = Outlet { out, shape, broker: self.broker.clone() };
        tokio::spawn(stream.run_queue(opened, subscription));
        Ok(())
    }

    fn broadcast(&self, request: &pb::SubscribeRequest, topic: &str, out: Out) -> Result<(), Error> {
        unsupported_with_group(request.create_if_missing, "create_if_missing")?;
        let shape = shape(request)?;
        window(request)?;
        let pattern = pattern("pattern", &request.pattern)?;
        let start = edge("start", request.start.as_ref())?;
        let log = self.broker.topic(topic)?.log();
        let end = self.broker.store.end(log);
        let at = if start == Edge::Earliest { self.broker.store.first(log) } else { end };
        let reader = Broadcast { api: self.clone(), topic: topic.to_owned(), log, at, caught_up_at: end, pattern };
        let stream = Outlet { out, shape, broker: self.broker.clone() };
        tokio::spawn(stream.run_broadcast(reader));
        Ok(())
    }
}

fn unsupported_with_group(set: bool, field: &str) -> Result<(), Error> {
    if set { Err(Error::invalid(field, "only with group")) } else { Ok(()) }
}

struct Broadcast {
    api: Api,
    topic: String,
    log: ferrymq_core::LogId,
    at: u64,
    caught_up_at: u64,
    pattern: ferrymq_core::pattern::Pattern,
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
struct Outlet {
    out: Out,
    shape: Shape,
    broker: Arc<Broker>,
}

impl Outlet {
    async fn run_queue(self, opened: pb::Opened, mut subscription: Subscription) {
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
            if bytes + len > self.shape.response_bytes_max.min(RESPONSE_BYTES) && !response.deliveries.is_empty() {
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

    async fn run_broadcast(self, mut reader: Broadcast) {
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
            tokio::select! {
                () = notify.notified() => {}
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
        while reader.at < self.broker.store.end(reader.log) {
            reader.at = reader.at.max(self.broker.store.first(reader.log));
            let read = reader.api.read_log(&reader.topic, reader.log, &mut reader.at).await?;
            let matching: Vec<RawDelivery> = read
                .into_iter()
                .map(|(delivery, _)| delivery)
                .filter(|d| reader.pattern.is_all() || reader.pattern.matches(message::routing_key(&d.message)))
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
