//! What exists: topics, queues and bindings.
//!
//! One task, [`admin`], owns it and changes it in commits. Everybody else reads an immutable picture of it.

pub mod admin;
mod alternates;
pub mod bindings;
mod filtered;
mod paths;
pub mod record;
pub mod rule;
pub mod settings;
pub mod shared_map;
mod similar;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use ferrymq_core::matcher::Matcher;
use ferrymq_core::{LogId, Offset, message};

use crate::committer::{Cap, Gate, Owner};
use crate::depth::{Depth, Load};
use crate::error::Error;
use crate::queue::QueueHandle;
pub use alternates::{ALTERNATES_MAX, Onward};
use bindings::Bindings;
use filtered::{Filtered, Tried};
use record::{BindingRecord, QueueRecord, SnapshotRecord, TopicRecord};
use rule::Rule;
use shared_map::SharedMap;
use similar::similar;

/// An immutable picture of everything there is. A clone costs next to nothing, and so does a change behind one: what is the
/// same in both is shared.
#[derive(Clone, Default)]
pub struct Catalogue {
    /// By name.
    pub topics: SharedMap<Arc<str>, Arc<Topic>>,
    /// The names of topics by their logs.
    topics_by_log: SharedMap<u64, Arc<str>>,
    /// The names of topics that have an alternate.
    with_alternate: SharedMap<Arc<str>, ()>,
    /// By name.
    pub queues: SharedMap<Arc<str>, Arc<Queue>>,
    /// The same queues by number.
    pub queues_by_id: SharedMap<u64, Arc<Queue>>,
    /// The ended ones too.
    pub bindings: Bindings,
    /// By name; those whose time is over too, until they are removed.
    pub snapshots: SharedMap<Arc<str>, Arc<SnapshotRecord>>,
    /// The next free number.
    pub next_id: u64,
    /// Counts the changes of what decides where a message goes, in this life of the broker.
    pub generation: u64,
}

/// A topic and what is bound to it.
pub struct Topic {
    /// As stored.
    pub record: TopicRecord,
    /// Its live bindings that are one pattern, compiled: routing key to queue numbers.
    pub matcher: Matcher<u64>,
    /// The queues with limits that its messages may reach.
    counted: Vec<(u64, Arc<Depth>)>,
    /// Its other live bindings: with filters, or several patterns.
    pub filtered: Filtered,
    /// How many queues are bound to it, not counting those that are reached over other topics.
    pub queues: usize,
    /// The same for as long as the topic exists.
    pub counters: Arc<TopicCounters>,
    /// The same for as long as the topic exists: what is published goes through it.
    pub gate: Arc<Gate>,
}

/// Counts messages of a topic from the broker's start.
#[derive(Debug, Default)]
pub struct TopicCounters {
    /// Confirmed.
    pub published: AtomicU64,
    /// Of those, the ones that reached no queue, over alternate topics either.
    pub unroutable: AtomicU64,
}

impl TopicCounters {
    /// A batch was confirmed; for each of its messages, how many queues it went to.
    pub fn add(&self, matched: &[u32]) {
        let unmatched = matched.iter().filter(|queues| **queues == 0).count();
        self.published.fetch_add(matched.len() as u64, Ordering::Relaxed);
        if unmatched > 0 {
            self.unroutable.fetch_add(unmatched as u64, Ordering::Relaxed);
        }
    }
}

impl Topic {
    /// The log behind it.
    pub fn log(&self) -> LogId {
        LogId(self.record.log)
    }
}

impl Topic {
    /// What a batch brings to the bound queues that have limits; nothing yet.
    pub fn no_loads(&self) -> Vec<Load> {
        self.counted.iter().map(|(_, depth)| Load { depth: depth.clone(), messages: 0, bytes: 0 }).collect()
    }

    /// Counts a message that goes to `queues`.
    pub fn count(&self, queues: &[u64], message: &[u8], loads: &mut [Load]) {
        for ((queue, _), load) in self.counted.iter().zip(loads) {
            if queues.contains(queue) {
                load.messages += 1;
                load.bytes += message.len() as u64;
            }
        }
    }

    /// The queues that a message goes to, in place of what `queues` had.
    pub fn queues_of(&self, message: &[u8], queues: &mut Vec<u64>) {
        queues.clear();
        self.matcher.matches(message::routing_key(message), queues);
        self.filtered.route(message, queues, |_| {});
    }
}

/// A queue and the handle to its task.
pub struct Queue {
    /// As stored.
    pub record: QueueRecord,
    /// To its task.
    pub handle: QueueHandle,
    /// What is sent straight to it goes through here.
    pub gate: Arc<Gate>,
}

impl Queue {
    /// A queue whose task runs.
    pub fn new(record: QueueRecord, handle: QueueHandle) -> Self {
        let gate = Arc::new(Gate::new(LogId(record.inbox), Owner::Queue(record.settings.name.clone()), None));
        Self { record, handle, gate }
    }

    /// What a batch brings that is sent straight to it, if it has limits.
    pub fn load(&self, messages: &[Bytes]) -> Vec<Load> {
        let bytes = || messages.iter().map(|message| message.len() as u64).sum();
        let load = |depth| Load { depth, messages: messages.len() as u32, bytes: bytes() };
        self.handle.depth().map(load).into_iter().collect()
    }

    /// The log of what was sent straight to it.
    pub fn inbox(&self) -> LogId {
        LogId(self.record.inbox)
    }
}

impl Catalogue {
    /// Of nothing yet.
    pub fn empty(next_id: u64) -> Self {
        Self { next_id, ..Self::default() }
    }

    /// A topic by name. NOT_FOUND, with the name that was probably meant.
    pub fn topic(&self, name: &str) -> Result<Arc<Topic>, Error> {
        let topic = self.topics.get(name).cloned();
        topic.ok_or_else(|| Error::topic_not_found(name, similar(name, self.topics.keys())))
    }

    /// A queue by name. NOT_FOUND, with the name that was probably meant.
    pub fn queue(&self, name: &str) -> Result<Arc<Queue>, Error> {
        let queue = self.queues.get(name).cloned();
        queue.ok_or_else(|| Error::queue_not_found(name, similar(name, self.queues.keys())))
    }

    /// The bindings, alive and ended, that feed a queue.
    pub fn bindings_to(&self, queue: u64) -> Vec<Arc<BindingRecord>> {
        self.bindings.to_queue(queue).cloned().collect()
    }

    /// The logs that feed a queue: its inbox first.
    pub fn logs_of(&self, queue: &Queue) -> Vec<LogId> {
        let mut logs: Vec<LogId> = self.bindings.to_queue(queue.record.id).map(|binding| binding.log_id()).collect();
        logs.sort_unstable();
        logs.dedup();
        logs.insert(0, queue.inbox());
        logs
    }

    /// The first offset of a log that some binding of the queue takes; 0 for its inbox.
    pub fn begin_of(&self, queue: &Queue, log: LogId) -> Offset {
        let bindings = self.bindings.to_queue(queue.record.id);
        bindings.filter(|binding| binding.log_id() == log).map(|binding| binding.from).min().unwrap_or(0)
    }

    /// A snapshot by name, unless its time is over.
    pub fn snapshot(&self, name: &str, now_ms: u64) -> Result<Arc<SnapshotRecord>, Error> {
        let there = self.snapshots.get(name).filter(|snapshot| snapshot.expire_ms > now_ms);
        there.cloned().ok_or_else(|| Error::snapshot_not_found(name))
    }

    /// The snapshots of a queue.
    pub fn snapshots_of(&self, queue: u64) -> impl Iterator<Item = &Arc<SnapshotRecord>> {
        self.snapshots.values().filter(move |snapshot| snapshot.queue == queue)
    }

    /// The live bindings of a topic's log.
    pub fn bindings_of(&self, log: u64) -> impl Iterator<Item = &Arc<BindingRecord>> {
        self.bindings.over(log).filter(|binding| binding.is_alive())
    }

    /// The topic of a log, unless it is gone.
    pub fn topic_of(&self, log: u64) -> Option<&Arc<Topic>> {
        self.topics.get(self.topics_by_log.get(&log)?)
    }

    /// The topics that have an alternate.
    pub fn with_alternate(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.with_alternate.keys().filter_map(|name| self.topics.get(name))
    }

    /// Compiles a topic's live bindings anew.
    pub fn route(&mut self, record: TopicRecord) {
        let before = self.topics.get(record.settings.name.as_str()).filter(|topic| topic.record.log == record.log);
        let (mut pairs, mut tried, mut queues) = (Vec::new(), Vec::new(), BTreeSet::new());
        let mut bound = BTreeSet::new();
        for binding in self.bindings_of(record.log).filter(|binding| !binding.is_link()) {
            let known = before.and_then(|topic| topic.filtered.rule_of(binding.id));
            let Some(rule) = known.or_else(|| Rule::of(binding)) else { continue };
            queues.insert(binding.queue);
            if !binding.is_path() {
                bound.insert(binding.queue);
            }
            match rule.only_pattern() {
                Some(pattern) => pairs.push((pattern, binding.queue)),
                None => tried.push(Tried { binding: binding.id, queue: binding.queue, rule }),
            }
        }
        let filtered = Filtered::new(tried);
        let (counters, gate) = before.map(|topic| (topic.counters.clone(), topic.gate.clone())).unwrap_or_else(|| {
            let owner = Owner::Topic(record.settings.name.clone());
            (Arc::default(), Arc::new(Gate::new(LogId(record.log), owner, Cap::of(&record.settings))))
        });
        let depth_of = |queue: &u64| self.queues_by_id.get(queue).and_then(|queue| queue.handle.depth());
        let counted = queues.iter().filter_map(|queue| Some((*queue, depth_of(queue)?))).collect();
        let topic =
            Topic { counted, matcher: Matcher::new(pairs), filtered, queues: bound.len(), record, counters, gate };
        let name: Arc<str> = topic.record.settings.name.as_str().into();
        self.topics_by_log.insert(topic.record.log, name.clone());
        if !topic.record.settings.alternate_topic.is_empty() {
            self.with_alternate.insert(name.clone(), ());
        }
        self.topics.insert(name, Arc::new(topic));
        self.generation += 1;
    }

    /// Takes a topic out.
    pub fn remove_topic(&mut self, topic: &Topic) {
        let name = topic.record.settings.name.as_str();
        self.topics.remove(name);
        self.topics_by_log.remove(&topic.record.log);
        self.with_alternate.remove(name);
        self.generation += 1;
    }

    /// Takes a queue out, with its bindings and snapshots; the logs of topics that it was bound to.
    pub fn remove_queue(&mut self, queue: &Queue) -> BTreeSet<u64> {
        let id = queue.record.id;
        let bindings = self.bindings_to(id);
        bindings.iter().for_each(|binding| drop(self.bindings.remove(binding.id)));
        let snapshots: Vec<String> = self.snapshots_of(id).map(|snapshot| snapshot.settings.name.clone()).collect();
        snapshots.iter().for_each(|name| drop(self.snapshots.remove(name.as_str())));
        self.queues.remove(queue.record.settings.name.as_str());
        self.queues_by_id.remove(&id);
        self.generation += 1;
        bindings.iter().map(|binding| binding.log).collect()
    }

    /// Adds a queue.
    pub fn add_queue(&mut self, queue: Queue) -> Arc<Queue> {
        let queue = Arc::new(queue);
        self.queues.insert(queue.record.settings.name.as_str().into(), queue.clone());
        self.queues_by_id.insert(queue.record.id, queue.clone());
        self.generation += 1;
        queue
    }
}
