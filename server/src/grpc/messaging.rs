//! `MessagingService`: publish, consume, settle.

use std::time::Duration;

use ferrymq_core::name;
use ferrymq_proto::raw::RawPublishRequest;
use ferrymq_proto::{server as pb, v1};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use super::Api;
use super::deliver::Caller;
use crate::catalogue::admin::{Command, NewQueue, QueueKind};
use crate::catalogue::settings::{millis, non_negative};
use crate::error::Error;
use crate::queue::{NackMode, SettleStatus, Settlement, Take};

type Answer<T> = Result<Response<T>, Status>;

const HOUR_MS: u64 = 3_600_000;
/// Pull answers so long before the call's own deadline.
const PULL_MARGIN: Duration = Duration::from_millis(500);

/// As they are on the wire.
pub(super) fn statuses(statuses: Vec<SettleStatus>) -> Vec<i32> {
    let number = |status| match status {
        SettleStatus::Ok => pb::SettleStatus::Ok,
        SettleStatus::AlreadySettled => pb::SettleStatus::AlreadySettled,
        SettleStatus::LeaseLost => pb::SettleStatus::LeaseLost,
        SettleStatus::Gone => pb::SettleStatus::Gone,
        SettleStatus::Invalid => pb::SettleStatus::Invalid,
    };
    statuses.into_iter().map(|status| number(status) as i32).collect()
}

/// True if a group's queue was deleted while somebody came to it who may make it: it is to be made anew.
pub(super) fn is_to_be_made(group: &GroupWish<'_>, error: &Error) -> bool {
    group.create && error.reason() == v1::ErrorReason::QueueNotFound
}

impl Api {
    /// Takes messages out of a queue, unless the broker stops meanwhile.
    async fn take(&self, queue: &crate::catalogue::Queue, take: Take) -> Result<crate::queue::Taken, Error> {
        let mut draining = self.broker.draining.clone();
        tokio::select! {
            biased;
            taken = queue.handle.pull(take) => taken,
            () = crate::edge::stopped(&mut draining) => Err(Error::draining()),
        }
    }

    /// The queue that a request names; a group's queue is made if it may be.
    pub(crate) async fn group(
        &self,
        group: &GroupWish<'_>,
    ) -> Result<(std::sync::Arc<crate::catalogue::Queue>, bool), Error> {
        name::check_group(group.group).map_err(|error| {
            Error::new(v1::ErrorReason::NameInvalid, format!("group: {error}")).field("group", error.to_string())
        })?;
        self.broker.topic(group.topic)?;
        let queue = name::group_queue(group.topic, group.group);
        if let Some(queue) = self.broker.catalogue().queues.get(queue.as_str()) {
            return Ok((queue.clone(), false));
        }
        if !group.create {
            let error = Error::queue_not_found(&queue, None);
            return Err(error.meta("hint", "set create_if_missing to make the group"));
        }
        self.make_group(group).await
    }

    /// A group's queue, made unless it is there. Comes behind a deletion that has begun.
    pub(crate) async fn make_group(
        &self,
        group: &GroupWish<'_>,
    ) -> Result<(std::sync::Arc<crate::catalogue::Queue>, bool), Error> {
        let binding = pb::Binding {
            topic: group.topic.to_owned(),
            pattern: group.pattern.to_owned(),
            filter: group.filter.to_owned(),
            start: group.start.clone(),
            ..Default::default()
        };
        let settings = pb::Queue { name: name::group_queue(group.topic, group.group), ..Default::default() };
        let new = NewQueue { settings, bindings: vec![binding], kind: QueueKind::Group };
        self.broker.admin.ask(|reply| Command::CreateQueue(Box::new(new), reply)).await
    }
}

/// A group that a consumer asks for.
pub(crate) struct GroupWish<'a> {
    pub topic: &'a str,
    pub group: &'a str,
    pub create: bool,
    pub pattern: &'a str,
    pub filter: &'a str,
    pub start: Option<pb::LogPoint>,
}

/// The time left until the deadline that the caller sent along.
fn time_left<T>(request: &Request<T>) -> Option<Duration> {
    let value = request.metadata().get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount.saturating_mul(3_600)),
        "M" => Duration::from_secs(amount.saturating_mul(60)),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[tonic::async_trait]
impl pb::messaging_service_server::MessagingService for Api {
    async fn get_server_info(&self, _: Request<pb::GetServerInfoRequest>) -> Answer<pb::GetServerInfoResponse> {
        let limits = self.broker.limits;
        Ok(Response::new(pb::GetServerInfoResponse {
            version: env!("CARGO_PKG_VERSION").into(),
            broker_id: self.broker.identity.broker_id.clone(),
            features: crate::features::FEATURES.iter().map(|&name| name.to_owned()).collect(),
            max_message_bytes: limits.message_bytes_max as i64,
            max_request_bytes: limits.request_bytes_max as i64,
            max_batch_items: limits.batch_items_max as i32,
            time: Some(std::time::SystemTime::now().into()),
        }))
    }

    async fn publish(&self, request: Request<RawPublishRequest>) -> Answer<pb::PublishResponse> {
        Ok(Response::new(self.publish_one(request.into_inner()).await?))
    }

    async fn publish_stream(
        &self,
        request: Request<Streaming<pb::PublishStreamRequest>>,
    ) -> Answer<BoxStream<pb::PublishStreamResponse>> {
        Ok(Response::new(Box::pin(ReceiverStream::new(self.take_batches(request.into_inner())?))))
    }

    async fn subscribe(&self, request: Request<pb::SubscribeRequest>) -> Answer<BoxStream<pb::SubscribeResponse>> {
        self.broker.check_serving()?;
        let caller = Caller::of(&request);
        Ok(Response::new(Box::pin(ReceiverStream::new(self.subscribe_to(request.into_inner(), caller).await?))))
    }

    async fn consume(&self, request: Request<Streaming<pb::ConsumeRequest>>) -> Answer<BoxStream<pb::ConsumeResponse>> {
        self.broker.check_serving()?;
        let caller = Caller::of(&request);
        Ok(Response::new(Box::pin(ReceiverStream::new(self.take_requests(request.into_inner(), caller)))))
    }

    async fn pull(&self, request: Request<pb::PullRequest>) -> Answer<pb::PullResponse> {
        self.broker.check_serving()?;
        let left = time_left(&request);
        let request = request.into_inner();
        non_negative("max_messages", request.max_messages.into())?;
        non_negative("max_bytes", request.max_bytes.into())?;
        if request.consumer.len() > 128 {
            return Err(Error::invalid("consumer", "must be at most 128 bytes long").into());
        }
        let max = self.broker.limits.batch_items_max;
        if request.max_messages as usize > max {
            return Err(Error::invalid("max_messages", format!("must be from 1 to {max}")).into());
        }
        let (mut queue, group) = match &request.source {
            Some(pb::pull_request::Source::Queue(name)) => {
                unsupported_with_queue(!request.group.is_empty(), "group")?;
                (self.broker.queue(name)?, None)
            }
            Some(pb::pull_request::Source::Topic(topic)) => {
                let (group, create) = (request.group.as_str(), request.create_if_missing);
                let wish = GroupWish { topic, group, create, pattern: "", filter: "", start: None };
                (self.group(&wish).await?.0, Some(wish))
            }
            None => return Err(Error::invalid("source", "exactly one of queue, topic must be set").into()),
        };
        let mut wait_ms = millis("wait", request.wait.as_ref(), 10_000, 0, 300_000)?;
        if let Some(left) = left {
            wait_ms = wait_ms.min(left.saturating_sub(PULL_MARGIN).as_millis() as u64);
        }
        let lease_ms = lease(&queue, request.lease.as_ref())?;
        let take = Take {
            messages_max: request.max_messages.max(1) as u32,
            bytes_max: if request.max_bytes == 0 { 1 << 20 } else { request.max_bytes as u64 },
            lease_ms,
            wait_ms,
        };
        let mut taken = self.take(&queue, take.clone()).await;
        if let (Err(error), Some(wish)) = (&taken, &group)
            && is_to_be_made(wish, error)
        {
            queue = self.make_group(wish).await?.0;
            taken = self.take(&queue, take).await;
        }
        let (mut deliveries, lease_ms) = taken?;
        if request.at_most_once && !deliveries.is_empty() {
            deliveries = super::at_most_once::settle_first(&self.broker, deliveries).await?;
        }
        let lease = Some(crate::catalogue::settings::duration(lease_ms));
        Ok(Response::new(pb::PullResponse { deliveries, queue: queue.record.settings.name.clone(), lease }))
    }

    async fn ack(&self, request: Request<pb::AckRequest>) -> Answer<pb::AckResponse> {
        let settled = self.broker.settle(&request.into_inner().ack_ids, &Settlement::Ack).await?;
        Ok(Response::new(pb::AckResponse { statuses: statuses(settled) }))
    }

    async fn nack(&self, request: Request<pb::NackRequest>) -> Answer<pb::NackResponse> {
        let request = request.into_inner();
        let settlement = nack(&request)?;
        let settled = self.broker.settle(&request.ack_ids, &settlement).await?;
        Ok(Response::new(pb::NackResponse { statuses: statuses(settled) }))
    }

    async fn extend_lease(&self, request: Request<pb::ExtendLeaseRequest>) -> Answer<pb::ExtendLeaseResponse> {
        let request = request.into_inner();
        let settled = self.broker.settle(&request.ack_ids, &extend(&request)?).await?;
        Ok(Response::new(pb::ExtendLeaseResponse { statuses: statuses(settled) }))
    }
}

/// What a nack asks for.
pub(super) fn nack(request: &pb::NackRequest) -> Result<Settlement, Error> {
    let mode = match pb::NackMode::try_from(request.mode) {
        Ok(pb::NackMode::Unspecified | pb::NackMode::Retry) => NackMode::Retry,
        Ok(pb::NackMode::Release) => NackMode::Release,
        Ok(pb::NackMode::Reject) => NackMode::Reject,
        Err(_) => return Err(Error::not_supported("mode")),
    };
    if mode == NackMode::Reject && request.delay.is_some() {
        return Err(Error::invalid("delay", "may not be set together with REJECT"));
    }
    if request.reason.len() > 1_024 {
        return Err(Error::invalid("reason", "must be at most 1024 bytes long"));
    }
    let delay_ms = match &request.delay {
        None => None,
        Some(delay) => Some(millis("delay", Some(delay), 0, 0, 366 * 24 * HOUR_MS)?),
    };
    Ok(Settlement::Nack { mode, delay_ms, reason: request.reason.as_str().into() })
}

/// What an extension asks for.
pub(super) fn extend(request: &pb::ExtendLeaseRequest) -> Result<Settlement, Error> {
    let lease_ms = match &request.lease {
        None => None,
        Some(lease) => Some(millis("lease", Some(lease), 0, 1_000, 12 * HOUR_MS)?),
    };
    Ok(Settlement::Extend(lease_ms))
}

pub(super) fn unsupported_with_queue(set: bool, field: &str) -> Result<(), Error> {
    if set { Err(Error::invalid(field, "only with topic")) } else { Ok(()) }
}

/// The lease that a consumer asks for, within the queue's max_lease.
pub(super) fn lease(
    queue: &crate::catalogue::Queue,
    asked: Option<&prost_types::Duration>,
) -> Result<Option<u64>, Error> {
    let max = queue.record.settings.max_lease.as_ref().map_or(0, |lease| lease.seconds as u64 * 1_000);
    match asked {
        None => Ok(None),
        Some(lease) => Ok(Some(millis("lease", Some(lease), 0, 1_000, max.max(1_000))?)),
    }
}
