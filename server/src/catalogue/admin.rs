//! The one task that changes the catalogue: each command is one commit, then a new picture for the readers.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use ferrymq_core::LogId;
use ferrymq_core::name::dlq_name;
use ferrymq_engine::store::{Op, Store};
use ferrymq_proto::server as pb;
use ferrymq_proto::v1::ErrorReason;
use prost::Message as _;
use tokio::sync::{mpsc, oneshot};

use super::record::{BindingRecord, NEXT_KEY, QueueRecord, TopicRecord, binding_key, queue_key, topic_key};
use super::settings::{self, Edge};
use super::{Catalogue, Queue};
use crate::committer::{Change, Committer};
use crate::error::Error;
use crate::queue::QueueHandle;

/// Starts the task of a queue that has been made, or was there at the start.
pub type StartQueue = Arc<dyn Fn(&QueueRecord, Vec<Arc<BindingRecord>>, bool) -> QueueHandle + Send + Sync>;

/// The most queues, and the most topics, there can be.
pub const QUEUES_MAX: usize = 100_000;

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What can be asked of the catalogue.
pub enum Command {
    /// Make a topic; true if it was not there.
    CreateTopic(pb::Topic, Reply<(pb::Topic, bool)>),
    /// Delete a topic.
    DeleteTopic(pb::DeleteTopicRequest, Reply<bool>),
    /// Make a queue and bindings to it, in one commit.
    CreateQueue(Box<NewQueue>, Reply<(Arc<Queue>, bool)>),
    /// Delete a queue; how many messages went with it.
    DeleteQueue(pb::DeleteQueueRequest, Reply<Option<i64>>),
    /// Make a binding.
    CreateBinding(pb::Binding, Reply<(pb::Binding, bool)>),
    /// Delete a binding.
    DeleteBinding(pb::DeleteBindingRequest, Reply<bool>),
    /// Forget ended bindings that their queues have passed.
    Reap(Vec<u64>),
}

/// A queue to make.
pub struct NewQueue {
    /// Its settings.
    pub settings: pb::Queue,
    /// Bindings to it.
    pub bindings: Vec<pb::Binding>,
    /// The broker makes it for itself: a group's queue or a dead-letter queue, whose names users cannot take.
    pub kind: QueueKind,
}

/// Who a queue is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueKind {
    /// Made by a user under a name of its own.
    Named,
    /// Made by subscribing to a topic with a group.
    Group,
    /// Made for what another queue gives up.
    DeadLetters,
}

/// A handle to the catalogue's task.
#[derive(Clone)]
pub struct Admin {
    commands: mpsc::Sender<Command>,
}

impl Admin {
    /// Starts the task.
    pub fn start(
        store: Store,
        committer: Committer,
        picture: Arc<ArcSwap<Catalogue>>,
        catalogue: Catalogue,
        start_queue: StartQueue,
    ) -> Self {
        let (commands, receiver) = mpsc::channel(256);
        picture.store(Arc::new(catalogue.clone()));
        tokio::spawn(Task { store, committer, picture, catalogue, start_queue }.run(receiver));
        Self { commands }
    }

    /// Asks, and waits for the answer.
    pub async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Error::draining())?;
        answer.await.unwrap_or_else(|_| Err(Error::draining()))
    }

    /// Tells, without an answer; left out when the task is busy, as it will be told again.
    pub fn tell(&self, command: Command) {
        let _ = self.commands.try_send(command);
    }

    /// The dead-letter queue of `queue`, made if it is not there.
    pub async fn dead_letter_queue(&self, queue: &str) -> Result<Arc<Queue>, Error> {
        let settings = pb::Queue { name: dlq_name(queue), ..Default::default() };
        let new = NewQueue { settings, bindings: Vec::new(), kind: QueueKind::DeadLetters };
        Ok(self.ask(|reply| Command::CreateQueue(Box::new(new), reply)).await?.0)
    }
}

struct Task {
    store: Store,
    committer: Committer,
    picture: Arc<ArcSwap<Catalogue>>,
    catalogue: Catalogue,
    start_queue: StartQueue,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            self.handle(command).await;
            self.picture.store(Arc::new(self.catalogue.clone()));
        }
    }

    /// Answers after the new picture is out, so that a caller sees its own change.
    async fn handle(&mut self, command: Command) {
        match command {
            Command::CreateTopic(topic, reply) => {
                let answer = self.create_topic(topic).await;
                self.answer(reply, answer);
            }
            Command::DeleteTopic(request, reply) => {
                let answer = self.delete_topic(request).await;
                self.answer(reply, answer);
            }
            Command::CreateQueue(new, reply) => {
                let answer = self.create_queue(new).await;
                self.answer(reply, answer);
            }
            Command::DeleteQueue(request, reply) => {
                let answer = self.delete_queue(request).await;
                self.answer(reply, answer);
            }
            Command::CreateBinding(binding, reply) => {
                let answer = self.create_binding(binding).await;
                self.answer(reply, answer);
            }
            Command::DeleteBinding(request, reply) => {
                let answer = self.delete_binding(request).await;
                self.answer(reply, answer);
            }
            Command::Reap(ids) => self.reap(ids).await,
        }
    }

    fn answer<T>(&self, reply: Reply<T>, answer: Result<T, Error>) {
        self.picture.store(Arc::new(self.catalogue.clone()));
        let _ = reply.send(answer);
    }

    fn take_id(&mut self) -> u64 {
        let id = self.catalogue.next_id;
        self.catalogue.next_id += 1;
        id
    }

    fn next_op(&self) -> Op {
        put(Bytes::from_static(NEXT_KEY), Bytes::copy_from_slice(&self.catalogue.next_id.to_le_bytes()))
    }

    async fn commit(&self, ops: Vec<Op>) -> Result<(), Error> {
        let change = Change { at_ends: Some(Box::new(move |_| ops)), ..Change::default() };
        self.committer.settle(change).await?.wait().await.map(|_| ())
    }

    fn check_count(count: usize, what: &str) -> Result<(), Error> {
        if count >= QUEUES_MAX { Err(Error::limit_reached(what, QUEUES_MAX as u64)) } else { Ok(()) }
    }

    async fn create_topic(&mut self, given: pb::Topic) -> Result<(pb::Topic, bool), Error> {
        let mut settings = settings::topic(given.clone())?;
        if let Some(topic) = self.catalogue.topics.get(&settings.name) {
            let there = &topic.record.settings;
            let differ = differing(&[
                ("labels", !given.labels.is_empty() && given.labels != there.labels),
                ("retention", given.retention.is_some() && settings.retention != there.retention),
            ]);
            return match differ {
                None => Ok((there.clone(), false)),
                Some(fields) => Err(Error::settings_differ(&fields)),
            };
        }
        Self::check_count(self.catalogue.topics.len(), "topics")?;
        let log = self.take_id();
        settings.uid = uid(log);
        stamp(&mut settings.create_time, &mut settings.update_time);
        let record = TopicRecord { settings, log };
        let ops = vec![self.next_op(), put(topic_key(&record.settings.name), record.encode_to_vec().into())];
        self.commit(ops).await?;
        let settings = record.settings.clone();
        self.catalogue.route(record);
        Ok((settings, true))
    }

    async fn delete_topic(&mut self, request: pb::DeleteTopicRequest) -> Result<bool, Error> {
        let Some(topic) = self.catalogue.topics.get(&request.name).cloned() else {
            return if request.allow_missing { Ok(false) } else { Err(self.topic_not_found(&request.name)) };
        };
        check_etag(&request.etag, &topic.record.settings.uid)?;
        let bound: Vec<BindingRecord> =
            self.catalogue.bindings_of(topic.record.log).map(|binding| (**binding).clone()).collect();
        if !bound.is_empty() && !request.force {
            let names: Vec<&str> = bound.iter().map(|binding| binding_target(&binding.settings)).collect();
            return Err(Error::in_use(&format!("topic `{}`", request.name), &names.join(", ")));
        }
        let log = topic.log();
        let pinned = self.catalogue.bindings.values().any(|binding| binding.log == log.0);
        let mut ops = vec![Op::Delete { key: topic_key(&request.name) }];
        self.end_bindings(log, bound, move |end| {
            if !pinned {
                ops.push(Op::TrimTo { log, floor: end });
            }
            ops
        })
        .await?;
        self.catalogue.topics.remove(&request.name);
        Ok(true)
    }

    /// Ends `bound` (all of one log) at that log's end, in one commit with `more`, which is told the end.
    async fn end_bindings(
        &mut self,
        log: LogId,
        bound: Vec<BindingRecord>,
        more: impl FnOnce(u64) -> Vec<Op> + Send + 'static,
    ) -> Result<(), Error> {
        let (tell, told) = oneshot::channel();
        let at_ends = Box::new(move |end_of: &mut dyn FnMut(LogId) -> u64| {
            let end = end_of(log);
            let ended: Vec<BindingRecord> =
                bound.into_iter().map(|binding| BindingRecord { to: Some(end), ..binding }).collect();
            let mut ops: Vec<Op> = ended.iter().map(binding_op).collect();
            ops.extend(more(end));
            let _ = tell.send(ended);
            ops
        });
        let change = Change { at_ends: Some(at_ends), ..Change::default() };
        self.committer.settle(change).await?.wait().await?;
        for binding in told.await.unwrap_or_default() {
            self.keep_binding(binding);
        }
        Ok(())
    }

    async fn create_queue(&mut self, new: Box<NewQueue>) -> Result<(Arc<Queue>, bool), Error> {
        let NewQueue { settings: given, bindings, kind } = *new;
        if kind == QueueKind::Named {
            settings::name("queue.name", &given.name)?;
        }
        let mut settings = settings::queue(given.clone())?;
        if kind == QueueKind::DeadLetters {
            settings.retry.get_or_insert_default().max_attempts = Some(0);
        }
        self.check_dead_letter_target(&settings)?;
        if let Some(queue) = self.catalogue.queues.get(&settings.name).cloned() {
            return self.queue_is_there(queue, &given, &settings, bindings).await;
        }
        Self::check_count(self.catalogue.queues.len(), "queues")?;
        let (id, inbox) = (self.take_id(), self.take_id());
        settings.uid = uid(id);
        stamp(&mut settings.create_time, &mut settings.update_time);
        let record = QueueRecord { settings, id, inbox, is_dlq: kind == QueueKind::DeadLetters };
        let bindings = self.new_bindings(bindings, &record)?;
        let made = self.commit_bindings(bindings, Some(&record)).await?;
        for binding in made {
            self.catalogue.bindings.insert(binding.id, Arc::new(binding));
        }
        self.route_all(id);
        let handle = (self.start_queue)(&record, self.catalogue.bindings_to(id), true);
        Ok((self.catalogue.add_queue(Queue { record, handle }), true))
    }

    fn check_dead_letter_target(&self, settings: &pb::Queue) -> Result<(), Error> {
        match settings.dead_letter.as_ref().and_then(|policy| policy.target.as_ref()) {
            Some(pb::dead_letter_policy::Target::Queue(name)) if !self.catalogue.queues.contains_key(name) => {
                Err(self.queue_not_found(name))
            }
            Some(pb::dead_letter_policy::Target::Topic(name)) if !self.catalogue.topics.contains_key(name) => {
                Err(self.topic_not_found(name))
            }
            _ => Ok(()),
        }
    }

    async fn queue_is_there(
        &mut self,
        queue: Arc<Queue>,
        given: &pb::Queue,
        settings: &pb::Queue,
        bindings: Vec<pb::Binding>,
    ) -> Result<(Arc<Queue>, bool), Error> {
        let there = &queue.record.settings;
        let differ = differing(&[
            ("labels", !given.labels.is_empty() && given.labels != there.labels),
            ("lease", given.lease.is_some() && settings.lease != there.lease),
            ("max_lease", given.max_lease.is_some() && settings.max_lease != there.max_lease),
            ("retry", given.retry.is_some() && settings.retry != there.retry),
            ("dead_letter", given.dead_letter.is_some() && settings.dead_letter != there.dead_letter),
        ]);
        if let Some(fields) = differ {
            return Err(Error::settings_differ(&fields));
        }
        let missing = self.new_bindings(bindings, &queue.record)?.into_iter().any(|(_, known)| !known);
        if missing {
            return Err(Error::settings_differ("bindings"));
        }
        Ok((queue, false))
    }

    /// Checks bindings to a queue; for each whether it is there already.
    fn new_bindings(
        &mut self,
        bindings: Vec<pb::Binding>,
        queue: &QueueRecord,
    ) -> Result<Vec<(NewBinding, bool)>, Error> {
        let mut checked = Vec::with_capacity(bindings.len());
        for (index, mut binding) in bindings.into_iter().enumerate() {
            if binding.target.is_none() {
                binding.target = Some(pb::binding::Target::Queue(queue.settings.name.clone()));
            }
            let known = self.known_binding(&binding).is_some();
            checked.push((self.new_binding(binding, queue, &format!("bindings[{index}]"))?, known));
        }
        Ok(checked)
    }

    fn known_binding(&self, binding: &pb::Binding) -> Option<&Arc<BindingRecord>> {
        let name = if binding.name.is_empty() { derived_name(binding) } else { binding.name.clone() };
        self.catalogue.binding(&name)
    }

    fn new_binding(&mut self, given: pb::Binding, queue: &QueueRecord, field: &str) -> Result<NewBinding, Error> {
        if let Some(pb::binding::Target::ToTopic(_)) = given.target {
            return Err(Error::not_supported(format!("{field}.to_topic")));
        }
        settings::unsupported(!given.filter.is_empty(), &format!("{field}.filter"))?;
        settings::pattern(&format!("{field}.pattern"), &given.pattern)?;
        let start = settings::edge(&format!("{field}.start"), given.start.as_ref())?;
        let Some(topic) = self.catalogue.topics.get(&given.topic) else {
            return Err(self.topic_not_found(&given.topic));
        };
        let log = topic.record.log;
        let mut settings = pb::Binding { start: None, ..given };
        if settings.name.is_empty() {
            settings.name = derived_name(&settings);
        } else {
            settings::name(&format!("{field}.name"), &settings.name)?;
        }
        settings.create_time = Some(std::time::SystemTime::now().into());
        let record = BindingRecord { settings, id: self.take_id(), queue: queue.id, log, from: 0, to: None };
        Ok(NewBinding { record, start })
    }

    /// Commits bindings, and the queue they lead to if it is new, at the ends their topics then have.
    async fn commit_bindings(
        &mut self,
        bindings: Vec<(NewBinding, bool)>,
        queue: Option<&QueueRecord>,
    ) -> Result<Vec<BindingRecord>, Error> {
        let mut ops = vec![self.next_op()];
        ops.extend(queue.map(|queue| put(queue_key(&queue.settings.name), queue.encode_to_vec().into())));
        let store = self.store.clone();
        let (tell, told) = oneshot::channel();
        let at_ends = Box::new(move |end_of: &mut dyn FnMut(LogId) -> u64| {
            let made: Vec<BindingRecord> = bindings
                .into_iter()
                .map(|(NewBinding { mut record, start }, _)| {
                    record.from = match start {
                        Edge::Earliest => store.first(record.log_id()),
                        Edge::Latest => end_of(record.log_id()),
                    };
                    record
                })
                .collect();
            ops.extend(made.iter().map(binding_op));
            let _ = tell.send(made);
            ops
        });
        let change = Change { at_ends: Some(at_ends), ..Change::default() };
        self.committer.settle(change).await?.wait().await?;
        Ok(told.await.unwrap_or_default())
    }

    async fn create_binding(&mut self, given: pb::Binding) -> Result<(pb::Binding, bool), Error> {
        let name = match &given.target {
            Some(pb::binding::Target::Queue(name)) => name.clone(),
            Some(pb::binding::Target::ToTopic(_)) => return Err(Error::not_supported("binding.to_topic")),
            None => return Err(Error::invalid("binding.target", "exactly one of queue, to_topic must be set")),
        };
        let queue = self.catalogue.queues.get(&name).cloned().ok_or_else(|| self.queue_not_found(&name))?;
        if let Some(there) = self.known_binding(&given) {
            let there = &there.settings;
            let differ = differing(&[
                ("topic", given.topic != there.topic),
                ("queue", given.target != there.target),
                ("pattern", given.pattern != there.pattern),
                ("filter", given.filter != there.filter),
            ]);
            return match differ {
                None => Ok((there.clone(), false)),
                Some(fields) => Err(Error::settings_differ(&fields)),
            };
        }
        Self::check_count(self.catalogue.bindings.len(), "bindings")?;
        let binding = self.new_binding(given, &queue.record, "binding")?;
        let made = self.commit_bindings(vec![(binding, false)], None).await?;
        let Some(binding) = made.into_iter().next() else { return Err(Error::writes_stopped()) };
        let settings = binding.settings.clone();
        self.keep_binding(binding);
        Ok((settings, true))
    }

    async fn delete_binding(&mut self, request: pb::DeleteBindingRequest) -> Result<bool, Error> {
        let Some(binding) = self.catalogue.binding(&request.name).cloned() else {
            return if request.allow_missing { Ok(false) } else { Err(Error::binding_not_found(&request.name)) };
        };
        self.end_bindings(binding.log_id(), vec![(*binding).clone()], |_| Vec::new()).await?;
        Ok(true)
    }

    /// Puts a binding into the picture and tells its queue.
    fn keep_binding(&mut self, binding: BindingRecord) {
        let queue = binding.queue;
        let log = binding.log;
        self.catalogue.bindings.insert(binding.id, Arc::new(binding));
        self.route_log(log);
        if let Some(target) = self.catalogue.queues_by_id.get(&queue) {
            target.handle.rebind(self.catalogue.bindings_to(queue));
        }
    }

    fn route_log(&mut self, log: u64) {
        let record = self.catalogue.topics.values().find(|topic| topic.record.log == log).map(|t| t.record.clone());
        if let Some(record) = record {
            self.catalogue.route(record);
        }
    }

    fn route_all(&mut self, queue: u64) {
        let mut logs: Vec<u64> = self.catalogue.bindings_to(queue).iter().map(|binding| binding.log).collect();
        logs.dedup();
        for log in logs {
            self.route_log(log);
        }
    }

    async fn delete_queue(&mut self, request: pb::DeleteQueueRequest) -> Result<Option<i64>, Error> {
        let Some(queue) = self.catalogue.queues.get(&request.name).cloned() else {
            return if request.allow_missing { Ok(None) } else { Err(self.queue_not_found(&request.name)) };
        };
        check_etag(&request.etag, &queue.record.settings.uid)?;
        let stats = queue.handle.stats().await?;
        let waiting = stats.ready + stats.unsettled + stats.backing_off;
        if !request.force && (stats.consumers > 0 || waiting > 0) {
            let by = format!("{} consumers, {waiting} messages", stats.consumers);
            return Err(Error::in_use(&format!("queue `{}`", request.name), &by));
        }
        self.commit_queue_gone(&queue).await?;
        queue.handle.stop();
        let id = queue.record.id;
        let logs: Vec<u64> = self.catalogue.bindings_to(id).iter().map(|binding| binding.log).collect();
        self.catalogue.bindings.retain(|_, binding| binding.queue != id);
        self.catalogue.queues.remove(&request.name);
        self.catalogue.queues_by_id.remove(&id);
        for log in logs {
            self.route_log(log);
        }
        Ok(Some(waiting))
    }

    async fn commit_queue_gone(&self, queue: &Queue) -> Result<(), Error> {
        let mut ops = vec![Op::Delete { key: queue_key(&queue.record.settings.name) }];
        let bindings = self.catalogue.bindings_to(queue.record.id);
        ops.extend(bindings.iter().map(|binding| Op::Delete { key: binding_key(binding.id) }));
        ops.push(Op::Delete { key: ferrymq_engine::store::queue_key(ferrymq_core::QueueId(queue.record.id)) });
        let inbox = queue.inbox();
        let orphans: Vec<LogId> =
            bindings.iter().filter(|b| self.is_orphan_without(b.log, queue.record.id)).map(|b| b.log_id()).collect();
        let at_ends = Box::new(move |end_of: &mut dyn FnMut(LogId) -> u64| {
            for log in orphans.into_iter().chain([inbox]) {
                ops.push(Op::TrimTo { log, floor: end_of(log) });
            }
            ops
        });
        let change = Change { at_ends: Some(at_ends), ..Change::default() };
        self.committer.settle(change).await?.wait().await.map(|_| ())
    }

    /// True if nothing but `queue` needs the log: its topic is gone, and so is every other binding.
    fn is_orphan_without(&self, log: u64, queue: u64) -> bool {
        !self.catalogue.topics.values().any(|topic| topic.record.log == log)
            && !self.catalogue.bindings.values().any(|binding| binding.log == log && binding.queue != queue)
    }

    async fn reap(&mut self, ids: Vec<u64>) {
        let ids: Vec<u64> = ids.into_iter().filter(|id| self.catalogue.bindings.contains_key(id)).collect();
        let gone: Vec<Arc<BindingRecord>> = ids.iter().filter_map(|id| self.catalogue.bindings.remove(id)).collect();
        if gone.is_empty() {
            return;
        }
        let mut ops: Vec<Op> = gone.iter().map(|binding| Op::Delete { key: binding_key(binding.id) }).collect();
        for binding in &gone {
            if self.is_orphan_without(binding.log, 0) {
                ops.push(Op::TrimTo { log: binding.log_id(), floor: binding.to.unwrap_or(0) });
            }
        }
        if let Err(error) = self.commit(ops).await {
            tracing::warn!(%error, "ended bindings could not be forgotten");
        }
    }

    fn topic_not_found(&self, name: &str) -> Error {
        Error::topic_not_found(name, None)
    }

    fn queue_not_found(&self, name: &str) -> Error {
        Error::queue_not_found(name, None)
    }
}

struct NewBinding {
    record: BindingRecord,
    start: Edge,
}

fn put(key: Bytes, value: Bytes) -> Op {
    Op::Put { key, value }
}

fn binding_op(binding: &BindingRecord) -> Op {
    put(binding_key(binding.id), binding.encode_to_vec().into())
}

fn binding_target(binding: &pb::Binding) -> &str {
    match &binding.target {
        Some(pb::binding::Target::Queue(name) | pb::binding::Target::ToTopic(name)) => name,
        None => "",
    }
}

/// The name of a binding that was given none: the same rule gets the same name.
fn derived_name(binding: &pb::Binding) -> String {
    let parts = [binding.topic.as_str(), binding_target(binding), binding.pattern.as_str(), binding.filter.as_str()];
    let mut hasher = siphasher::sip::SipHasher24::new();
    std::hash::Hash::hash(&parts, &mut hasher);
    format!("binding-{:016x}", std::hash::Hasher::finish(&hasher))
}

/// The names of the fields that differ, if any.
fn differing(fields: &[(&str, bool)]) -> Option<String> {
    let names: Vec<&str> = fields.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn uid(id: u64) -> String {
    format!("{id:x}")
}

fn stamp(create: &mut Option<prost_types::Timestamp>, update: &mut Option<prost_types::Timestamp>) {
    let now = Some(prost_types::Timestamp::from(std::time::SystemTime::now()));
    (*create, *update) = (now, now);
}

/// A resource never changes yet, so its etag is its uid.
fn check_etag(given: &str, uid: &str) -> Result<(), Error> {
    if given.is_empty() || given == uid {
        return Ok(());
    }
    Err(Error::new(ErrorReason::EtagMismatch, "the resource is another one than the etag was read of")
        .meta("etag", uid))
}
