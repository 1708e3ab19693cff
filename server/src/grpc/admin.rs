//! `AdminService`: create, get, list and delete of topics, queues and bindings.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ferrymq_proto::server as pb;
use ferrymq_proto::v1::ErrorReason;
use futures::{StreamExt as _, TryStreamExt as _};
use tonic::{Request, Response, Status};

use super::{Api, Paging};
use crate::catalogue::admin::{Command, NewQueue, QueueKind};
use crate::catalogue::record::BindingRecord;
use crate::catalogue::settings::duration;
use crate::catalogue::{Queue, Topic};
use crate::edge::note;
use crate::error::Error;
use crate::queue::Numbers;

/// Queues that are asked for their numbers at a time.
const ASKED_MAX: usize = 32;

type Answer<T> = Result<Response<T>, Status>;

pub(super) fn required<T>(field: &str, value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| Error::invalid(field, "is required"))
}

fn is_full(view: i32, default: bool) -> Result<bool, Error> {
    match pb::ResourceView::try_from(view) {
        Ok(pb::ResourceView::Unspecified) => Ok(default),
        Ok(view) => Ok(view == pb::ResourceView::Full),
        Err(_) => Err(Error::not_supported("view")),
    }
}

impl Api {
    pub(crate) fn topic_of(&self, topic: &Topic, full: bool) -> pb::Topic {
        let mut settings = topic.record.settings.clone();
        settings.etag = settings.uid.clone();
        settings.stats = full.then(|| self.topic_stats(topic));
        settings
    }

    pub(crate) fn topic_stats(&self, topic: &Topic) -> pb::TopicStats {
        let store = &self.broker.store;
        pb::TopicStats {
            messages: (store.end(topic.log()) - store.first(topic.log())) as i64,
            bytes: store.bytes(topic.log()) as i64,
            queues: topic.queues as i64,
            published: topic.counters.published.load(Ordering::Relaxed) as i64,
            unroutable: topic.counters.unroutable.load(Ordering::Relaxed) as i64,
            ..Default::default()
        }
    }

    pub(crate) async fn queue_of(&self, queue: &Queue, full: bool) -> Result<pb::Queue, Error> {
        let mut settings = queue.record.settings.clone();
        settings.etag = queue.record.etag();
        if full {
            let bindings = self.broker.catalogue().bindings_to(queue.record.id);
            settings.bindings =
                bindings.iter().filter(|b| b.is_alive() && !b.is_path()).map(|b| b.settings.clone()).collect();
            settings.stats = Some(self.queue_stats(queue).await?);
        }
        Ok(settings)
    }

    pub(crate) async fn queue_stats(&self, queue: &Queue) -> Result<pb::QueueStats, Error> {
        let Numbers { stats, ready_bytes, oldest } = queue.handle.numbers().await?;
        let now = self.broker.clock.now_ms();
        Ok(pb::QueueStats {
            oldest_age: oldest.map(|since| duration(now.saturating_sub(since))),
            ready: stats.ready,
            ready_bytes,
            unsettled: stats.unsettled,
            backing_off: stats.backing_off,
            consumers: stats.consumers,
            received: stats.received,
            delivered: stats.delivered,
            redelivered: stats.redelivered,
            acked: stats.acked,
            nacked: stats.nacked,
            leases_lost: stats.leases_lost,
            rejected: stats.rejected,
            exhausted: stats.exhausted,
            expired: stats.expired,
            overflowed: stats.overflowed,
            ..Default::default()
        })
    }
}

#[tonic::async_trait]
impl pb::admin_service_server::AdminService for Api {
    async fn create_topic(&self, request: Request<pb::CreateTopicRequest>) -> Answer<pb::CreateTopicResponse> {
        self.broker.check_serving()?;
        let topic = required("topic", request.into_inner().topic)?;
        note("topic", &topic.name);
        let name = topic.name.clone();
        let (_, created) = self.broker.admin.ask(|reply| Command::CreateTopic(topic, reply)).await?;
        let topic = self.topic_of(&*self.broker.topic(&name)?, false);
        Ok(Response::new(pb::CreateTopicResponse { topic: Some(topic), created }))
    }

    async fn get_topic(&self, request: Request<pb::GetTopicRequest>) -> Answer<pb::GetTopicResponse> {
        let request = request.into_inner();
        let topic = self.broker.topic(&request.name)?;
        let topic = self.topic_of(&topic, is_full(request.view, true)?);
        Ok(Response::new(pb::GetTopicResponse { topic: Some(topic) }))
    }

    async fn list_topics(&self, request: Request<pb::ListTopicsRequest>) -> Answer<pb::ListTopicsResponse> {
        let request = request.into_inner();
        let full = is_full(request.view, false)?;
        let catalogue = self.broker.catalogue();
        let all: Vec<(Arc<str>, Arc<Topic>)> = catalogue
            .topics
            .iter()
            .filter(|(name, _)| name.starts_with(request.prefix.as_str()))
            .map(|(name, topic)| (name.clone(), topic.clone()))
            .collect();
        let total_size = all.len() as i32;
        let (page, next_page_token) = Paging::new(request.page_size, request.page_token)?.page(all);
        let topics = page.iter().map(|topic| self.topic_of(topic, full)).collect();
        Ok(Response::new(pb::ListTopicsResponse { topics, next_page_token, total_size }))
    }

    async fn delete_topic(&self, request: Request<pb::DeleteTopicRequest>) -> Answer<pb::DeleteTopicResponse> {
        self.broker.check_serving()?;
        let request = request.into_inner();
        note("topic", &request.name);
        let deleted = self.broker.admin.ask(|reply| Command::DeleteTopic(request, reply)).await?;
        Ok(Response::new(pb::DeleteTopicResponse { deleted }))
    }

    async fn create_queue(&self, request: Request<pb::CreateQueueRequest>) -> Answer<pb::CreateQueueResponse> {
        self.broker.check_serving()?;
        let request = request.into_inner();
        let settings = required("queue", request.queue)?;
        note("queue", &settings.name);
        let new = NewQueue { settings, bindings: request.bindings, kind: QueueKind::Named };
        let (queue, created) = self.broker.admin.ask(|reply| Command::CreateQueue(Box::new(new), reply)).await?;
        let queue = self.queue_of(&queue, true).await?;
        Ok(Response::new(pb::CreateQueueResponse { queue: Some(queue), created }))
    }

    async fn get_queue(&self, request: Request<pb::GetQueueRequest>) -> Answer<pb::GetQueueResponse> {
        let request = request.into_inner();
        let queue = self.broker.queue(&request.name)?;
        let queue = self.queue_of(&queue, is_full(request.view, true)?).await?;
        Ok(Response::new(pb::GetQueueResponse { queue: Some(queue) }))
    }

    async fn list_queues(&self, request: Request<pb::ListQueuesRequest>) -> Answer<pb::ListQueuesResponse> {
        let request = request.into_inner();
        let full = is_full(request.view, false)?;
        let catalogue = self.broker.catalogue();
        let bound = |queue: &Queue| {
            request.topic.is_empty()
                || catalogue
                    .bindings
                    .to_queue(queue.record.id)
                    .any(|b| b.is_alive() && !b.is_path() && b.settings.topic == request.topic)
        };
        let all: Vec<(Arc<str>, Arc<Queue>)> = catalogue
            .queues
            .iter()
            .filter(|(name, queue)| name.starts_with(request.prefix.as_str()) && bound(queue))
            .map(|(name, queue)| (name.clone(), queue.clone()))
            .collect();
        let total_size = all.len() as i32;
        let (page, next_page_token) = Paging::new(request.page_size, request.page_token)?.page(all);
        // Each queue is asked by itself, and some may have to count: several at a time, in order.
        let asked = page.into_iter().map(|queue| async move {
            match self.queue_of(&queue, full).await {
                // Deleted meanwhile.
                Err(error) if error.reason() == ErrorReason::QueueNotFound => Ok(None),
                other => other.map(Some),
            }
        });
        let asked = futures::stream::iter(asked).buffered(ASKED_MAX);
        let queues = asked.try_filter_map(|queue| std::future::ready(Ok(queue))).try_collect().await?;
        Ok(Response::new(pb::ListQueuesResponse { queues, next_page_token, total_size }))
    }

    async fn delete_queue(&self, request: Request<pb::DeleteQueueRequest>) -> Answer<pb::DeleteQueueResponse> {
        self.broker.check_serving()?;
        let request = request.into_inner();
        note("queue", &request.name);
        let dropped = self.broker.admin.ask(|reply| Command::DeleteQueue(request, reply)).await?;
        let (deleted, messages_dropped) = (dropped.is_some(), dropped.unwrap_or(0));
        Ok(Response::new(pb::DeleteQueueResponse { deleted, messages_dropped }))
    }

    async fn create_binding(&self, request: Request<pb::CreateBindingRequest>) -> Answer<pb::CreateBindingResponse> {
        self.broker.check_serving()?;
        let binding = required("binding", request.into_inner().binding)?;
        note("topic", &binding.topic);
        let (binding, created) = self.broker.admin.ask(|reply| Command::CreateBinding(binding, reply)).await?;
        Ok(Response::new(pb::CreateBindingResponse { binding: Some(binding), created }))
    }

    async fn get_binding(&self, request: Request<pb::GetBindingRequest>) -> Answer<pb::GetBindingResponse> {
        let name = request.into_inner().name;
        let catalogue = self.broker.catalogue();
        let binding = catalogue.bindings.named(&name).ok_or_else(|| Error::binding_not_found(&name))?;
        Ok(Response::new(pb::GetBindingResponse { binding: Some(binding.settings.clone()) }))
    }

    async fn list_bindings(&self, request: Request<pb::ListBindingsRequest>) -> Answer<pb::ListBindingsResponse> {
        let request = request.into_inner();
        let catalogue = self.broker.catalogue();
        let wanted = |binding: &pb::Binding| {
            let to_queue = matches!(&binding.target, Some(pb::binding::Target::Queue(name)) if *name == request.queue);
            (request.topic.is_empty() || binding.topic == request.topic) && (request.queue.is_empty() || to_queue)
        };
        let live = catalogue.bindings.shown().filter(|binding| wanted(&binding.settings));
        let all: Vec<(Arc<str>, Arc<BindingRecord>)> =
            live.map(|binding| (binding.settings.name.as_str().into(), binding.clone())).collect();
        let total_size = all.len() as i32;
        let (bindings, next_page_token) = Paging::new(request.page_size, request.page_token)?.page(all);
        let bindings = bindings.into_iter().map(|binding| binding.settings.clone()).collect();
        Ok(Response::new(pb::ListBindingsResponse { bindings, next_page_token, total_size }))
    }

    async fn delete_binding(&self, request: Request<pb::DeleteBindingRequest>) -> Answer<pb::DeleteBindingResponse> {
        self.broker.check_serving()?;
        let request = request.into_inner();
        let deleted = self.broker.admin.ask(|reply| Command::DeleteBinding(request, reply)).await?;
        Ok(Response::new(pb::DeleteBindingResponse { deleted }))
    }

    async fn create_snapshot(&self, request: Request<pb::CreateSnapshotRequest>) -> Answer<pb::CreateSnapshotResponse> {
        Ok(Response::new(self.take_snapshot(request.into_inner()).await?))
    }

    async fn get_snapshot(&self, request: Request<pb::GetSnapshotRequest>) -> Answer<pb::GetSnapshotResponse> {
        Ok(Response::new(self.show_snapshot(&request.into_inner().name)?))
    }

    async fn list_snapshots(&self, request: Request<pb::ListSnapshotsRequest>) -> Answer<pb::ListSnapshotsResponse> {
        Ok(Response::new(self.show_snapshots(request.into_inner())?))
    }

    async fn delete_snapshot(&self, request: Request<pb::DeleteSnapshotRequest>) -> Answer<pb::DeleteSnapshotResponse> {
        Ok(Response::new(self.end_snapshot(request.into_inner()).await?))
    }
}
