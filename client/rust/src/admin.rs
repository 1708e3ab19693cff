//! Topics, queues, bindings, and a look at a running broker.

use ferrymq_proto::v1::{
    Binding, CreateBindingRequest, CreateBindingResponse, CreateQueueRequest, CreateQueueResponse,
    CreateSnapshotRequest, CreateTopicRequest, CreateTopicResponse, DeleteBindingRequest, DeleteQueueRequest,
    DeleteQueueResponse, DeleteSnapshotRequest, DeleteTopicRequest, GetBindingRequest, GetQueueRequest,
    GetSnapshotRequest, GetStatsRequest, GetStatsResponse, GetTopicRequest, ListBindingsRequest, ListQueuesRequest,
    ListSnapshotsRequest, ListTopicsRequest, PauseRequest, PeekRequest, PeekResponse, PurgeRequest, Queue,
    ResourceView, ResumeRequest, SeekRequest, SeekResponse, Snapshot, Topic, binding,
};

use crate::{Client, Error};

/// The most that the broker puts on one page.
pub(crate) const PAGE_SIZE: i32 = 1000;

/// The binding of all that comes to `topic` to `queue`; less is `Binding { pattern: "eu.#".into(), ..binding("orders", "billing") }`.
pub fn binding(topic: impl Into<String>, queue: impl Into<String>) -> Binding {
    let target = Some(binding::Target::Queue(queue.into()));
    Binding { topic: topic.into(), target, ..Binding::default() }
}

impl Client {
    /// Makes a topic; `created` is false if it had been there, the same.
    pub async fn create_topic(&self, topic: Topic) -> Result<CreateTopicResponse, Error> {
        let request = CreateTopicRequest { topic: Some(topic) };
        self.call(request, async |call| self.admin().create_topic(call).await).await
    }

    /// A topic with its settings and stats.
    pub async fn get_topic(&self, name: impl Into<String>) -> Result<Topic, Error> {
        let request = GetTopicRequest { name: name.into(), view: ResourceView::Full.into() };
        let response = self.call(request, async |call| self.admin().get_topic(call).await).await?;
        Ok(response.topic.unwrap_or_default())
    }

    /// All topics whose names begin with `prefix`, by name, with their settings.
    pub async fn list_topics(&self, prefix: &str) -> Result<Vec<Topic>, Error> {
        self.list_topics_in(prefix, ResourceView::Basic).await
    }

    /// The same, with as much of each as `view` says.
    pub async fn list_topics_in(&self, prefix: &str, view: ResourceView) -> Result<Vec<Topic>, Error> {
        let mut stub = self.admin();
        let mut request = ListTopicsRequest {
            page_size: PAGE_SIZE,
            prefix: prefix.to_owned(),
            view: view.into(),
            ..ListTopicsRequest::default()
        };
        let mut topics = Vec::new();
        loop {
            let page = self.call(request.clone(), async |call| stub.list_topics(call).await).await?;
            topics.extend(page.topics);
            if page.next_page_token.is_empty() {
                return Ok(topics);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Deletes a topic, `force` also while queues are bound; false if it was not there.
    pub async fn delete_topic(&self, name: impl Into<String>, force: bool) -> Result<bool, Error> {
        let request = DeleteTopicRequest { name: name.into(), force, ..DeleteTopicRequest::default() };
        Ok(self.call(request, async |call| self.admin().delete_topic(call).await).await?.deleted)
    }

    /// Makes a queue and its bindings in one commit.
    pub async fn create_queue(&self, queue: Queue, bindings: Vec<Binding>) -> Result<CreateQueueResponse, Error> {
        let request = CreateQueueRequest { queue: Some(queue), bindings };
        self.call(request, async |call| self.admin().create_queue(call).await).await
    }

    /// A queue with its settings, bindings and stats.
    pub async fn get_queue(&self, name: impl Into<String>) -> Result<Queue, Error> {
        let request = GetQueueRequest { name: name.into(), view: ResourceView::Full.into() };
        let response = self.call(request, async |call| self.admin().get_queue(call).await).await?;
        Ok(response.queue.unwrap_or_default())
    }

    /// All queues whose names begin with `prefix`, by name, with their settings.
    pub async fn list_queues(&self, prefix: &str) -> Result<Vec<Queue>, Error> {
        self.list_queues_in(prefix, ResourceView::Basic).await
    }

    /// The same, with as much of each as `view` says.
    pub async fn list_queues_in(&self, prefix: &str, view: ResourceView) -> Result<Vec<Queue>, Error> {
        let mut stub = self.admin();
        let mut request = ListQueuesRequest {
            page_size: PAGE_SIZE,
            prefix: prefix.to_owned(),
            view: view.into(),
            ..ListQueuesRequest::default()
        };
        let mut queues = Vec::new();
        loop {
            let page = self.call(request.clone(), async |call| stub.list_queues(call).await).await?;
            queues.extend(page.queues);
            if page.next_page_token.is_empty() {
                return Ok(queues);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Deletes a queue, `force` also with consumers or messages.
    pub async fn delete_queue(&self, name: impl Into<String>, force: bool) -> Result<DeleteQueueResponse, Error> {
        let request = DeleteQueueRequest { name: name.into(), force, ..DeleteQueueRequest::default() };
        self.call(request, async |call| self.admin().delete_queue(call).await).await
    }

    /// Makes a binding from a topic to a queue.
    pub async fn create_binding(&self, binding: Binding) -> Result<CreateBindingResponse, Error> {
        let request = CreateBindingRequest { binding: Some(binding) };
        self.call(request, async |call| self.admin().create_binding(call).await).await
    }

    /// A binding by its name.
    pub async fn get_binding(&self, name: impl Into<String>) -> Result<Binding, Error> {
        let request = GetBindingRequest { name: name.into() };
        let response = self.call(request, async |call| self.admin().get_binding(call).await).await?;
        Ok(response.binding.unwrap_or_default())
    }

    /// All bindings from `topic` to `queue`; empty means any.
    pub async fn list_bindings(&self, topic: &str, queue: &str) -> Result<Vec<Binding>, Error> {
        let mut stub = self.admin();
        let mut request = ListBindingsRequest {
            page_size: PAGE_SIZE,
            topic: topic.to_owned(),
            queue: queue.to_owned(),
            ..ListBindingsRequest::default()
        };
        let mut bindings = Vec::new();
        loop {
            let page = self.call(request.clone(), async |call| stub.list_bindings(call).await).await?;
            bindings.extend(page.bindings);
            if page.next_page_token.is_empty() {
                return Ok(bindings);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Deletes a binding; what the queue had received through it stays.
    pub async fn delete_binding(&self, name: impl Into<String>) -> Result<bool, Error> {
        let request = DeleteBindingRequest { name: name.into(), ..DeleteBindingRequest::default() };
        Ok(self.call(request, async |call| self.admin().delete_binding(call).await).await?.deleted)
    }

    /// Takes a snapshot of a queue's progress, to seek to.
    pub async fn create_snapshot(&self, snapshot: Snapshot) -> Result<Snapshot, Error> {
        let request = CreateSnapshotRequest { snapshot: Some(snapshot) };
        Ok(self
            .call(request, async |call| self.admin().create_snapshot(call).await)
            .await?
            .snapshot
            .unwrap_or_default())
    }

    /// A snapshot by its name.
    pub async fn get_snapshot(&self, name: impl Into<String>) -> Result<Snapshot, Error> {
        let request = GetSnapshotRequest { name: name.into() };
        Ok(self.call(request, async |call| self.admin().get_snapshot(call).await).await?.snapshot.unwrap_or_default())
    }

    /// All snapshots of `queue`, by name; empty means of any.
    pub async fn list_snapshots(&self, queue: &str) -> Result<Vec<Snapshot>, Error> {
        let mut stub = self.admin();
        let mut request =
            ListSnapshotsRequest { page_size: PAGE_SIZE, queue: queue.to_owned(), ..ListSnapshotsRequest::default() };
        let mut snapshots = Vec::new();
        loop {
            let page = self.call(request.clone(), async |call| stub.list_snapshots(call).await).await?;
            snapshots.extend(page.snapshots);
            if page.next_page_token.is_empty() {
                return Ok(snapshots);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Deletes a snapshot; what only it needed is kept no more.
    pub async fn delete_snapshot(&self, name: impl Into<String>) -> Result<bool, Error> {
        let request = DeleteSnapshotRequest { name: name.into(), ..DeleteSnapshotRequest::default() };
        Ok(self.call(request, async |call| self.admin().delete_snapshot(call).await).await?.deleted)
    }

    /// Looks at messages without taking them: one page.
    pub async fn peek(&self, request: PeekRequest) -> Result<PeekResponse, Error> {
        self.call(request, async |call| self.operations().peek(call).await).await
    }

    /// Drops what waits in a queue, or what a topic keeps; how many messages that were.
    pub async fn purge(&self, request: PurgeRequest) -> Result<i64, Error> {
        Ok(self.call(request, async |call| self.operations().purge(call).await).await?.messages)
    }

    /// Stops deliveries of a queue; publishing and settling go on.
    pub async fn pause(&self, queue: impl Into<String>) -> Result<(), Error> {
        let request = PauseRequest { queue: queue.into() };
        self.call(request, async |call| self.operations().pause(call).await).await.map(drop)
    }

    /// Starts them again.
    pub async fn resume(&self, queue: impl Into<String>) -> Result<(), Error> {
        let request = ResumeRequest { queue: queue.into() };
        self.call(request, async |call| self.operations().resume(call).await).await.map(drop)
    }

    /// Moves a queue's progress, back (replay) or forward (skip).
    pub async fn seek(&self, request: SeekRequest) -> Result<SeekResponse, Error> {
        self.call(request, async |call| self.operations().seek(call).await).await
    }

    /// Numbers of the broker, and of the topics and queues that are named.
    pub async fn stats(&self, topics: Vec<String>, queues: Vec<String>) -> Result<GetStatsResponse, Error> {
        let request = GetStatsRequest { topics, queues };
        self.call(request, async |call| self.operations().get_stats(call).await).await
    }
}
