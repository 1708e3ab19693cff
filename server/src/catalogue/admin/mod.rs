//! The one task that changes the catalogue: each command is one commit, then a new picture for the readers.

mod bindings;
mod ends;
mod pause;
mod queues;
mod snapshots;
mod sway;
mod topics;

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use ferrymq_core::name::dlq_name;
use ferrymq_core::{LogId, Offset};
use ferrymq_engine::store::{Op, Store};
use ferrymq_proto::server as pb;
use ferrymq_proto::v1::ErrorReason;
use tokio::sync::{mpsc, oneshot};

use super::record::{BindingRecord, NEXT_KEY, QueueRecord};
use super::{Catalogue, Queue};
use crate::clock::Clock;
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
    /// Stop a queue's deliveries, or start them again.
    PauseQueue(String, bool, Reply<()>),
    /// Delete a queue; how many messages went with it.
    DeleteQueue(pb::DeleteQueueRequest, Reply<Option<i64>>),
    /// Make a binding.
    CreateBinding(pb::Binding, Reply<(pb::Binding, bool)>),
    /// Delete a binding.
    DeleteBinding(pb::DeleteBindingRequest, Reply<bool>),
    /// Take a snapshot.
    CreateSnapshot(pb::Snapshot, Reply<pb::Snapshot>),
    /// Delete a snapshot.
    DeleteSnapshot(pb::DeleteSnapshotRequest, Reply<bool>),
    /// Remove the snapshots whose time is over.
    ExpireSnapshots,
    /// Delete this queue, which has not been used for its `idle_expiry`, unless it is now.
    DeleteIdle(u64),
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
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (commands, receiver) = mpsc::channel(256);
        let catalogue = Catalogue { generation: 1, ..catalogue };
        picture.store(Arc::new(catalogue.clone()));
        let queues: Vec<Arc<Queue>> = catalogue.queues.values().cloned().collect();
        tokio::spawn(async move {
            for queue in queues {
                queue.handle.recount().await;
            }
        });
        tokio::spawn(Task { store, committer, picture, catalogue, start_queue, clock }.run(receiver));
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
    clock: Arc<dyn Clock>,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            self.handle(command).await;
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
            Command::PauseQueue(name, paused, reply) => {
                let answer = self.pause_queue(&name, paused).await;
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
            Command::CreateSnapshot(snapshot, reply) => {
                let answer = self.create_snapshot(snapshot).await;
                self.answer(reply, answer);
            }
            Command::DeleteSnapshot(request, reply) => {
                let answer = self.delete_snapshot(request).await;
                self.answer(reply, answer);
            }
            Command::ExpireSnapshots => {
                self.expire_snapshots().await;
                self.show();
            }
            Command::DeleteIdle(id) => {
                self.delete_idle(id).await;
                self.show();
            }
            Command::Reap(ids) => {
                self.reap(ids).await;
                self.show();
            }
        }
    }

    /// Puts the new picture out.
    fn show(&mut self) {
        self.picture.store(Arc::new(self.catalogue.clone()));
    }

    fn answer<T>(&mut self, reply: Reply<T>, answer: Result<T, Error>) {
        self.show();
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
}

fn put(key: Bytes, value: Bytes) -> Op {
    Op::Put { key, value }
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

/// A topic never changes yet, so its etag is its uid.
fn check_etag(given: &str, etag: &str) -> Result<(), Error> {
    if given.is_empty() || given == etag {
        return Ok(());
    }
    Err(Error::new(ErrorReason::EtagMismatch, "the resource is another one than the etag was read of, or has changed")
        .meta("etag", etag))
}

/// Nobody reads the log any more, and nothing comes to it.
fn end_log(log: LogId) -> Op {
    Op::TrimTo { log, floor: Offset::MAX }
}
