//! Subscribe: what a consumer's stream, or a broadcast's, is made of.

use std::time::Duration;

use ferrymq_proto::server as pb;
use ferrymq_proto::server::subscribe_request::Source;
use tokio::sync::mpsc;

use super::Api;
use super::messaging::{GroupWish, lease, unsupported_with_queue};
use super::outlet::{BROADCAST_RESPONSE_BYTES, Broadcast, In, Out, Outlet, RESPONSE_BYTES, RESPONSES_MAX, Shape};
use crate::catalogue::Queue;
use crate::catalogue::settings::{duration, filter, millis, pattern, unsupported};
use crate::error::Error;
use crate::points::{self, Stop, point_of_log};
use crate::queue::{LeaseMode, Window, Wish};

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
    let gather_bytes = if is_broadcast(request) { BROADCAST_RESPONSE_BYTES } else { RESPONSE_BYTES };
    Ok(Shape { response_bytes_max: bytes as usize, gather_bytes, heartbeat: Duration::from_millis(heartbeat) })
}

fn window(request: &pb::SubscribeRequest) -> Result<Window, Error> {
    let messages = range("prefetch", request.prefetch.into(), 256, 1, 100_000)?;
    let bytes = range("prefetch_bytes", request.prefetch_bytes, 8 << 20, 1, 256 << 20)?;
    Ok(Window { messages: messages as u32, bytes: bytes as u64 })
}

fn refuse_unsupported(request: &pb::SubscribeRequest) -> Result<(), Error> {
    if request.stop.is_some() && !is_broadcast(request) {
        return Err(Error::invalid("stop", "only for a broadcast: a topic without group"));
    }
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
        let waiting = if is_broadcast(&request) { 1 } else { RESPONSES_MAX };
        let (out, responses) = mpsc::channel(waiting);
        match &request.source {
            None => return Err(Error::invalid("source", "exactly one of queue, topic must be set")),
            Some(pb::subscribe_request::Source::Queue(name)) => {
                unsupported_with_queue(!request.group.is_empty(), "group")?;
                unsupported_with_queue(request.start.is_some(), "start")?;
                unsupported_with_queue(!request.pattern.is_empty(), "pattern")?;
                unsupported_with_queue(!request.filter.is_empty(), "filter")?;
                unsupported_with_queue(request.create_if_missing, "create_if_missing")?;
                let queue = self.broker.queue(name)?;
                self.consume(&request, &queue, false, peer, out).await?;
            }
            Some(pb::subscribe_request::Source::Topic(topic)) if !request.group.is_empty() => {
                point_of_log("start", request.start.as_ref())?;
                pattern("pattern", &request.pattern)?;
                filter("filter", &request.filter)?;
                let wish = GroupWish {
                    topic,
                    group: &request.group,
                    create: request.create_if_missing,
                    pattern: &request.pattern,
                    filter: &request.filter,
                    start: request.start.clone(),
                };
                let (queue, created) = self.group(wish).await?;
                self.consume(&request, &queue, created, peer, out).await?;
            }
            Some(pb::subscribe_request::Source::Topic(topic)) => self.broadcast(&request, topic, out).await?,
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

    async fn broadcast(&self, request: &pb::SubscribeRequest, topic: &str, out: Out) -> Result<(), Error> {
        unsupported_with_group(request.create_if_missing, "create_if_missing")?;
        let shape = shape(request)?;
        window(request)?;
        let pattern = pattern("pattern", &request.pattern)?;
        let filter = filter("filter", &request.filter)?;
        let start = point_of_log("start", request.start.as_ref())?;
        let gate = self.broker.topic(topic)?.gate.clone();
        let (log, now) = (gate.log(), self.broker.clock.now_ms());
        let stop = Stop::resolve(&self.broker.store, request.stop.as_ref(), log)?;
        let end = self.broker.store.end(log);
        let at = points::resolve(&self.broker.store, "start", &start, log, now).await?;
        let topic = topic.to_owned();
        let reader = Broadcast { api: self.clone(), topic, log, gate, at, stop, caught_up_at: end, pattern, filter };
        let stream = Outlet { out, shape, broker: self.broker.clone() };
        tokio::spawn(stream.run_broadcast(reader));
        Ok(())
    }
}

fn is_broadcast(request: &pb::SubscribeRequest) -> bool {
    request.group.is_empty() && matches!(request.source, Some(Source::Topic(_)))
}

fn unsupported_with_group(set: bool, field: &str) -> Result<(), Error> {
    if set { Err(Error::invalid(field, "only with group")) } else { Ok(()) }
}
