//! Subscribe: what a consumer's stream, or a broadcast's, is made of.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ferrymq_proto::server as pb;
use ferrymq_proto::server::subscribe_request::Source;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tonic::Status;

use super::Api;
use super::messaging::{GroupWish, is_to_be_made, lease, unsupported_with_queue};
use super::outlet::{BROADCAST_RESPONSE_BYTES, Broadcast, Out, Outlet, RESPONSE_BYTES, RESPONSES_MAX, Shape};
use super::response::{Phase, Phases, Response};
use crate::ack_id::ResumeToken;
use crate::catalogue::Queue;
use crate::catalogue::settings::{duration, filter, millis, pattern};
use crate::edge::Connection;
use crate::error::Error;
use crate::points::{self, Stop, point_of_log};
use crate::queue::{LeaseMode, Resume, Valve, Window, Wish};
use crate::roster::{self, Member};

/// The longest that what a consumer holds is kept for it.
const RESUME_WITHIN_MAX_MS: u64 = 60_000;

pub(super) fn range(field: &str, value: i64, default: i64, min: i64, max: i64) -> Result<i64, Error> {
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
    Ok(Shape {
        response_bytes_max: bytes as usize,
        gather_bytes,
        heartbeat: Duration::from_millis(heartbeat),
        at_most_once: request.at_most_once,
    })
}

fn window(request: &pb::SubscribeRequest) -> Result<Window, Error> {
    let messages = range("prefetch", request.prefetch.into(), 256, 1, 100_000)?;
    let bytes = range("prefetch_bytes", request.prefetch_bytes, 8 << 20, 1, 256 << 20)?;
    Ok(Window { messages: messages as u32, bytes: bytes as u64 })
}

fn check_request(request: &pb::SubscribeRequest) -> Result<(), Error> {
    if request.stop.is_some() && !is_broadcast(request) {
        return Err(Error::invalid("stop", "only for a broadcast: a topic without group"));
    }
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

/// How long what a consumer holds is kept for it, and whom it was before.
fn resume(api: &Api, request: &pb::SubscribeRequest, queue: u64) -> Result<(u64, Option<Resume>), Error> {
    let within_ms = millis("resume_within", request.resume_within.as_ref(), 0, 0, RESUME_WITHIN_MAX_MS)?;
    if request.resume_token.is_empty() && !request.held_ack_ids.is_empty() {
        return Err(Error::invalid("held_ack_ids", "only with resume_token"));
    }
    let ids = &api.broker.ack_ids;
    let token = ids.open_token(&request.resume_token);
    let Some(token) = token.filter(|of| (of.epoch, of.queue) == (api.broker.identity.epoch, queue)) else {
        return Ok((within_ms, None));
    };
    let held = request.held_ack_ids.iter().filter_map(|id| ids.open(id));
    let held = held.filter(|id| (id.epoch, id.queue) == (token.epoch, queue)).map(|id| id.delivery);
    Ok((within_ms, Some(Resume { consumer: token.consumer, held: held.collect() })))
}

/// Who asks for a stream.
#[derive(Clone)]
pub(super) struct Caller {
    /// Address and port.
    pub(super) peer: String,
    /// The connection that it came on.
    pub(super) connection: Option<Arc<Connection>>,
}

impl Caller {
    /// Who made a request.
    pub(super) fn of<T>(request: &tonic::Request<T>) -> Self {
        let peer = request.remote_addr().map(|peer| peer.to_string()).unwrap_or_default();
        Self { peer, connection: request.extensions().get().cloned() }
    }

    fn connection_id(&self) -> String {
        self.connection.as_ref().map(|connection| connection.id()).unwrap_or_default()
    }
}

/// A stream that was opened: what passes its deliveries on, and what it ends with.
pub(super) struct Opening {
    /// To be run; an error is what the stream ends with.
    pub(super) run: BoxFuture<'static, Result<(), Error>>,
    /// What changes its window, as it is now; none for a broadcast, where nothing is settled.
    pub(super) window: Option<(Valve, Window)>,
}

impl Api {
    /// A stream of deliveries alone.
    pub(super) async fn subscribe_to(
        &self,
        request: pb::SubscribeRequest,
        caller: Caller,
    ) -> Result<mpsc::Receiver<Result<pb::SubscribeResponse, Status>>, Error> {
        let waiting = if is_broadcast(&request) { 1 } else { RESPONSES_MAX };
        let (out, responses) = mpsc::channel(waiting);
        let opening = self.open(request, caller, out.clone(), Phases::default()).await?;
        tokio::spawn(async move {
            if let Err(error) = opening.run.await {
                let _ = out.send(Err(error.into())).await;
            }
        });
        Ok(responses)
    }

    /// Opens a stream of deliveries.
    pub(super) async fn open<R: Response>(
        &self,
        request: pb::SubscribeRequest,
        caller: Caller,
        out: Out<R>,
        phases: Phases,
    ) -> Result<Opening, Error> {
        check_request(&request)?;
        let shape = shape(&request)?;
        let connection = caller.connection.clone();
        let outlet = Outlet { out, phases, shape, broker: self.broker.clone(), connection };
        match &request.source {
            None => Err(Error::invalid("source", "exactly one of queue, topic must be set")),
            Some(pb::subscribe_request::Source::Queue(name)) => {
                unsupported_with_queue(!request.group.is_empty(), "group")?;
                unsupported_with_queue(request.start.is_some(), "start")?;
                unsupported_with_queue(!request.pattern.is_empty(), "pattern")?;
                unsupported_with_queue(!request.filter.is_empty(), "filter")?;
                unsupported_with_queue(request.create_if_missing, "create_if_missing")?;
                let queue = self.broker.queue(name)?;
                self.open_queue(&request, (&queue, false), caller, outlet).await
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
                let (queue, created) = self.group(&wish).await?;
                match self.open_queue(&request, (&queue, created), caller.clone(), outlet.clone()).await {
                    Err(error) if is_to_be_made(&wish, &error) => {
                        let (queue, created) = self.make_group(&wish).await?;
                        self.open_queue(&request, (&queue, created), caller, outlet).await
                    }
                    opening => opening,
                }
            }
            Some(pb::subscribe_request::Source::Topic(topic)) => {
                self.open_broadcast(&request, topic, caller, outlet).await
            }
        }
    }

    async fn open_queue<R: Response>(
        &self,
        request: &pb::SubscribeRequest,
        (queue, created): (&Queue, bool),
        caller: Caller,
        outlet: Outlet<R>,
    ) -> Result<Opening, Error> {
        let mut window = window(request)?;
        if outlet.phases.now() != Phase::Open {
            // It has come to end: also what goes back as it resumes is not for it.
            window.messages = 0;
        }
        let connection = caller.connection_id();
        let name = if request.consumer.is_empty() { caller.peer } else { request.consumer.clone() };
        let lease_ms = lease(queue, request.lease.as_ref())?;
        let (resume_within_ms, resume) = resume(self, request, queue.record.id)?;
        let wish = Wish { window, lease_ms, mode: mode(request)?, name: name.clone(), resume_within_ms, resume };
        let subscription = queue.handle.subscribe(wish).await?;
        let (id, consumer) = (queue.record.id, subscription.consumer);
        let token = ResumeToken { epoch: self.broker.identity.epoch, queue: id, consumer };
        let opened = pb::Opened {
            queue: queue.record.settings.name.clone(),
            created,
            consumer_id: consumer_id(id, consumer),
            lease: Some(duration(subscription.lease_ms)),
            prefetch: window.messages as i32,
            prefetch_bytes: window.bytes as i64,
            resume_token: if resume_within_ms == 0 { Bytes::new() } else { self.broker.ack_ids.seal_token(&token) },
        };
        let window = Some((subscription.valve(), window));
        let from = roster::From::Queue(opened.queue.clone(), queue.handle.clone(), consumer);
        let start_time = std::time::SystemTime::now();
        let member = Member { id: opened.consumer_id.clone(), name, from, connection, start_time };
        let joined = self.broker.roster.join(member);
        let run = async move {
            let _joined = joined;
            outlet.run_queue(opened, subscription).await
        };
        Ok(Opening { run: Box::pin(run), window })
    }

    async fn open_broadcast<R: Response>(
        &self,
        request: &pb::SubscribeRequest,
        topic: &str,
        caller: Caller,
        outlet: Outlet<R>,
    ) -> Result<Opening, Error> {
        unsupported_with_group(request.create_if_missing, "create_if_missing")?;
        let nothing_held = "only for a queue or a group: a broadcast holds nothing";
        for (is_set, field) in [
            (request.resume_within.is_some(), "resume_within"),
            (!request.resume_token.is_empty(), "resume_token"),
            (!request.held_ack_ids.is_empty(), "held_ack_ids"),
        ] {
            if is_set {
                return Err(Error::invalid(field, nothing_held));
            }
        }
        window(request)?;
        let pattern = pattern("pattern", &request.pattern)?;
        let filter = filter("filter", &request.filter)?;
        let filter = filter.map(|filter| self.broker.filters.share(&request.filter, filter));
        let start = point_of_log("start", request.start.as_ref())?;
        let gate = self.broker.topic(topic)?.gate.clone();
        let (log, now) = (gate.log(), self.broker.clock.now_ms());
        let stop = Stop::resolve(&self.broker.store, request.stop.as_ref(), log)?;
        let end = self.broker.store.end(log);
        let at = points::resolve(&self.broker.store, "start", &start, log, now).await?;
        let topic = topic.to_owned();
        let reader = Broadcast { api: self.clone(), topic, log, gate, at, stop, caught_up_at: end, pattern, filter };
        let id = self.broker.roster.broadcast_id();
        let connection = caller.connection_id();
        let name = if request.consumer.is_empty() { caller.peer } else { request.consumer.clone() };
        let from = roster::From::Topic(reader.topic.clone());
        let start_time = std::time::SystemTime::now();
        let joined = self.broker.roster.join(Member { id: id.clone(), name, from, connection, start_time });
        let run = async move {
            let _joined = joined;
            let opened = pb::Opened { consumer_id: id, ..pb::Opened::default() };
            outlet.run_broadcast(opened, reader).await
        };
        Ok(Opening { run: Box::pin(run), window: None })
    }
}

fn is_broadcast(request: &pb::SubscribeRequest) -> bool {
    request.group.is_empty() && matches!(request.source, Some(Source::Topic(_)))
}

fn unsupported_with_group(set: bool, field: &str) -> Result<(), Error> {
    if set { Err(Error::invalid(field, "only with group")) } else { Ok(()) }
}

/// How a queue's consumer is named to clients.
pub(super) fn consumer_id(queue: u64, consumer: u64) -> String {
    format!("{queue:x}-{consumer:x}")
}
