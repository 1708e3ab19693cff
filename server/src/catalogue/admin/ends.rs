//! Ending bindings, with the paths that they are part of, and forgetting those that their queues have passed.

use std::collections::BTreeSet;
use std::sync::Arc;

use ferrymq_core::{LogId, QueueId};
use ferrymq_engine::store::Op;
use tokio::sync::oneshot;

use super::bindings::{binding_op, fed};
use super::{Task, end_log};
use crate::catalogue::Topic;
use crate::catalogue::record::{BindingRecord, binding_key, topic_key};
use crate::committer::{Change, Passage};
use crate::error::Error;

impl Task {
    /// Ends `bound` at the ends of their logs, in one commit with the `topic` that goes, if one does.
    pub(super) async fn end_bindings(
        &mut self,
        bound: Vec<BindingRecord>,
        topic: Option<&Arc<Topic>>,
    ) -> Result<(), Error> {
        let (tell, told) = oneshot::channel();
        let fed = fed(&bound);
        let swayed = self.swayed_by(fed.iter().map(|(_, log)| log.0).chain(topic.map(|topic| topic.record.log)));
        // The gate that ends stands last: it is one of those that are held, if its topic has an alternate itself.
        let ends = topic.map(|topic| (topic.gate.clone(), Passage::Ended));
        let gates = swayed.held().chain(ends).collect();
        let more = topic.map(|topic| self.end_topic(topic)).unwrap_or_default();
        self.hold(&fed);
        let at_ends = Box::new(move |end_of: &mut dyn FnMut(LogId) -> u64| {
            let end = |binding: BindingRecord| BindingRecord { to: Some(end_of(binding.log_id())), ..binding };
            let ended: Vec<BindingRecord> = bound.into_iter().map(end).collect();
            let mut ops: Vec<Op> = ended.iter().map(end_op).collect();
            ops.extend(more);
            let _ = tell.send(ended);
            ops
        });
        let change = Change { at_ends: Some(at_ends), gates, ..Change::default() };
        let done = match self.committer.settle(change).await {
            Ok(pending) => pending.wait().await.map(|_| ()),
            Err(error) => Err(error),
        };
        let ended = if done.is_ok() { told.await.unwrap_or_default() } else { Vec::new() };
        self.keep_bindings(&fed, &ended);
        if let Some(topic) = topic.filter(|_| done.is_ok()) {
            self.catalogue.remove_topic(topic);
        }
        self.let_go(swayed).await;
        self.recount(&fed).await;
        done
    }

    /// A topic goes; its log stays as long as a queue has yet to pass it.
    fn end_topic(&self, topic: &Topic) -> Vec<Op> {
        let log = topic.log();
        let pinned = self.catalogue.bindings.over(log.0).any(|binding| !binding.is_link());
        let mut ops = vec![Op::Delete { key: topic_key(&topic.record.settings.name) }];
        ops.extend((!pinned).then(|| end_log(log)));
        ops
    }

    /// True if nothing but `queue` needs the log: its topic is gone, and so is every other binding.
    pub(super) fn is_orphan_without(&self, log: u64, queue: u64) -> bool {
        self.catalogue.topic_of(log).is_none()
            && !self.catalogue.bindings.over(log).any(|binding| binding.queue != queue)
    }

    fn is_over(&self, binding: &BindingRecord) -> bool {
        let passed = self.store.cursors(QueueId(binding.queue)).into_iter().find(|(log, _)| *log == binding.log_id());
        crate::retention::is_over(&self.catalogue, binding, passed.map_or(0, |(_, cursor)| cursor.floor()))
    }

    pub(super) async fn reap(&mut self, ids: Vec<u64>) {
        // A snapshot may have been taken, or the queue moved back, since they were found.
        let is_over = |id: &u64| self.catalogue.bindings.get(*id).is_some_and(|b| self.is_over(b));
        let ids: Vec<u64> = ids.into_iter().filter(is_over).collect();
        let gone: Vec<Arc<BindingRecord>> = ids.iter().filter_map(|id| self.catalogue.bindings.remove(*id)).collect();
        if gone.is_empty() {
            return;
        }
        let mut ops: Vec<Op> = gone.iter().map(|binding| Op::Delete { key: binding_key(binding.id) }).collect();
        let orphans = gone.iter().filter(|binding| self.is_orphan_without(binding.log, 0));
        ops.extend(orphans.map(|binding| end_log(binding.log_id())));
        if let Err(error) = self.commit(ops).await {
            tracing::warn!(%error, "ended bindings could not be forgotten");
        }
        // Their queues need not read on for them.
        for queue in gone.iter().map(|binding| binding.queue).collect::<BTreeSet<u64>>() {
            if let Some(target) = self.catalogue.queues_by_id.get(&queue) {
                target.handle.rebind(self.catalogue.bindings_to(queue));
            }
        }
    }
}

/// Nobody reads by a binding from topic to topic: nothing of it is kept.
fn end_op(ended: &BindingRecord) -> Op {
    if ended.is_link() { Op::Delete { key: binding_key(ended.id) } } else { binding_op(ended) }
}
