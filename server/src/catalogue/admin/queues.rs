//! Making and deleting queues.

use std::sync::Arc;

use ferrymq_core::LogId;
use ferrymq_engine::store::Op;
use ferrymq_proto::server as pb;

use super::sway::Swayed;
use super::{NewQueue, QueueKind, Task, check_etag, differing, end_log, stamp, uid};
use crate::catalogue::record::{QueueRecord, binding_key, queue_key};
use crate::catalogue::{Queue, settings};
use crate::committer::{Change, Gate, Passage};
use crate::error::Error;
use crate::queue::Condition;

impl Task {
    pub(super) async fn create_queue(&mut self, new: Box<NewQueue>) -> Result<(Arc<Queue>, bool), Error> {
        let NewQueue { settings: given, bindings, kind } = *new;
        if kind == QueueKind::Named {
            settings::name("queue.name", &given.name)?;
        }
        let mut settings = settings::queue(given.clone())?;
        if kind == QueueKind::DeadLetters {
            settings.retry.get_or_insert_default().max_attempts = Some(0);
        }
        self.check_dead_letter_target(&settings)?;
        if let Some(queue) = self.catalogue.queues.get(settings.name.as_str()).cloned() {
            // A group that was made meanwhile is as it was made.
            if kind == QueueKind::Group {
                return Ok((queue, false));
            }
            return self.queue_is_there(queue, &given, &settings, bindings).await;
        }
        Self::check_count(self.catalogue.queues.len(), "queues")?;
        let (id, inbox) = (self.take_id(), self.take_id());
        settings.uid = uid(id);
        stamp(&mut settings.create_time, &mut settings.update_time);
        let record = QueueRecord { settings, id, inbox, is_dlq: kind == QueueKind::DeadLetters, changes: 0 };
        let bindings = self.new_bindings(bindings, &record)?;
        let swayed = self.swayed_by(bindings.iter().map(|binding| binding.record.log));
        let made = match self.commit_bindings(bindings, Some(&record), &swayed).await {
            Ok(made) => made,
            Err(error) => {
                self.let_go(swayed).await;
                return Err(error);
            }
        };
        for binding in made {
            self.catalogue.bindings.insert(Arc::new(binding));
        }
        let handle = (self.start_queue)(&record, self.catalogue.bindings_to(id), true);
        let queue = self.catalogue.add_queue(Queue::new(record, handle));
        self.route_all(id);
        self.let_go(swayed).await;
        queue.handle.recount().await;
        Ok((queue, true))
    }

    fn check_dead_letter_target(&self, settings: &pb::Queue) -> Result<(), Error> {
        match settings.dead_letter.as_ref().and_then(|policy| policy.target.as_ref()) {
            Some(pb::dead_letter_policy::Target::Queue(name)) => self.catalogue.queue(name).map(|_| ()),
            Some(pb::dead_letter_policy::Target::Topic(name)) => self.catalogue.topic(name).map(|_| ()),
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
            ("ordering", given.ordering != 0 && settings.ordering != there.ordering),
            ("lease", given.lease.is_some() && settings.lease != there.lease),
            ("max_lease", given.max_lease.is_some() && settings.max_lease != there.max_lease),
            ("message_ttl", given.message_ttl.is_some() && settings.message_ttl != there.message_ttl),
            ("retry", given.retry.is_some() && settings.retry != there.retry),
            ("rate_limit", given.rate_limit.is_some() && settings.rate_limit != there.rate_limit),
            ("idle_expiry", given.idle_expiry.is_some() && settings.idle_expiry != there.idle_expiry),
            ("exactly_once", given.exactly_once && !there.exactly_once),
            ("limits", given.limits.is_some() && settings.limits != there.limits),
            ("dead_letter", given.dead_letter.is_some() && settings.dead_letter != there.dead_letter),
        ]);
        if let Some(fields) = differ {
            return Err(Error::settings_differ(&fields));
        }
        if !self.new_bindings(bindings, &queue.record)?.is_empty() {
            return Err(Error::settings_differ("bindings"));
        }
        Ok((queue, false))
    }

    pub(super) async fn delete_queue(&mut self, request: pb::DeleteQueueRequest) -> Result<Option<i64>, Error> {
        let queue = match self.catalogue.queue(&request.name) {
            Err(_) if request.allow_missing => return Ok(None),
            found => found?,
        };
        check_etag(&request.etag, &queue.record.etag())?;
        let condition = if request.force { Condition::Forced } else { Condition::Unused };
        self.remove_queue(&queue, condition).await.map(Some)
    }

    /// Deletes a queue, if it may be deleted; how many messages went with it.
    async fn remove_queue(&mut self, queue: &Queue, condition: Condition) -> Result<i64, Error> {
        let waiting = self.last_count(queue, condition).await?;
        let swayed = self.swayed_by(self.catalogue.bindings.to_queue(queue.record.id).map(|binding| binding.log));
        if let Err(error) = self.commit_queue_gone(queue, &swayed).await {
            self.let_go(swayed).await;
            self.keep_queue(queue).await?;
            return Err(error);
        }
        queue.handle.stop();
        for log in self.catalogue.remove_queue(queue) {
            self.route_log(log);
        }
        self.let_go(swayed).await;
        Ok(waiting)
    }

    pub(super) async fn delete_idle(&mut self, id: u64) {
        let Some(queue) = self.catalogue.queues_by_id.get(&id).cloned() else { return };
        let name = queue.record.settings.name.clone();
        match self.remove_queue(&queue, Condition::Idle).await {
            Ok(_) => tracing::info!(queue = %name, "deleted: it was idle for its idle_expiry"),
            Err(error) => tracing::debug!(queue = %name, %error, "not deleted though it was idle"),
        }
    }

    /// Messages that go with the queue: none comes to it any more between this and the commit that ends it, and no consumer.
    /// Fails, with everything as it was, if it may not be deleted.
    async fn last_count(&self, queue: &Queue, condition: Condition) -> Result<i64, Error> {
        self.turn_gates(queue, Passage::Held).await?;
        match queue.handle.close(condition).await {
            Ok(stats) => Ok(stats.ready + stats.unsettled + stats.backing_off),
            Err(error) => {
                self.turn_gates(queue, Passage::Open).await?;
                Err(error)
            }
        }
    }

    /// The queue could not be deleted.
    async fn keep_queue(&self, queue: &Queue) -> Result<(), Error> {
        queue.handle.reopen().await;
        self.turn_gates(queue, Passage::Open).await
    }

    /// Of all logs that live bindings bring to the queue, and of its inbox.
    async fn turn_gates(&self, queue: &Queue, to: Passage) -> Result<(), Error> {
        let gates = self.topic_gates(queue).chain([queue.gate.clone()]).map(|gate| (gate, to)).collect();
        let change = Change { gates, ..Change::default() };
        self.committer.settle(change).await?.wait().await.map(|_| ())
    }

    fn topic_gates(&self, queue: &Queue) -> impl Iterator<Item = Arc<Gate>> {
        let bindings = self.catalogue.bindings_to(queue.record.id);
        let alive = bindings.into_iter().filter(|binding| binding.is_alive());
        alive.filter_map(|binding| {
            self.catalogue.topics.get(binding.settings.topic.as_str()).map(|topic| topic.gate.clone())
        })
    }

    async fn commit_queue_gone(&self, queue: &Queue, swayed: &Swayed) -> Result<(), Error> {
        let mut ops = vec![Op::Delete { key: queue_key(&queue.record.settings.name) }];
        let bindings = self.catalogue.bindings_to(queue.record.id);
        ops.extend(self.end_snapshots(queue.record.id));
        ops.extend(bindings.iter().map(|binding| Op::Delete { key: binding_key(binding.id) }));
        ops.push(Op::Delete { key: ferrymq_engine::store::queue_key(ferrymq_core::QueueId(queue.record.id)) });
        let inbox = queue.inbox();
        let open = self.topic_gates(queue).filter(|gate| !swayed.contains(gate)).map(|gate| (gate, Passage::Open));
        let gates = open.chain(swayed.held()).chain([(queue.gate.clone(), Passage::Ended)]).collect();
        let orphans: Vec<LogId> =
            bindings.iter().filter(|b| self.is_orphan_without(b.log, queue.record.id)).map(|b| b.log_id()).collect();
        ops.extend(orphans.into_iter().chain([inbox]).map(end_log));
        let change = Change { at_ends: Some(Box::new(move |_| ops)), gates, ..Change::default() };
        self.committer.settle(change).await?.wait().await.map(|_| ())
    }
}
