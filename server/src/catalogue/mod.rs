//! What exists: topics, queues and bindings.
//!
//! One task, [`admin`], owns it and changes it in commits. Everybody else reads an immutable picture of it.

pub mod admin;
pub mod record;
pub mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;

use ferrymq_core::LogId;
use ferrymq_core::matcher::Matcher;
use ferrymq_core::pattern::Pattern;

use crate::queue::QueueHandle;
use record::{BindingRecord, QueueRecord, TopicRecord};

/// An immutable picture of everything there is. Cheap to clone: its parts are shared.
#[derive(Clone, Default)]
pub struct Catalogue {
    /// By name.
    pub topics: BTreeMap<String, Arc<Topic>>,
    /// By name.
    pub queues: BTreeMap<String, Arc<Queue>>,
    /// The same queues by number.
    pub queues_by_id: BTreeMap<u64, Arc<Queue>>,
    /// By number, the ended ones too.
    pub bindings: BTreeMap<u64, Arc<BindingRecord>>,
    /// Logs whose topic is gone, until the last cursor has passed them.
    pub next_id: u64,
}

/// A topic and what is bound to it.
pub struct Topic {
    /// As stored.
    pub record: TopicRecord,
    /// Its live bindings, compiled: routing key to queue numbers.
    pub matcher: Matcher<u64>,
    /// How many queues are bound.
    pub queues: usize,
}

impl Topic {
    /// The log behind it.
    pub fn log(&self) -> LogId {
        LogId(self.record.log)
    }
}

/// A queue and the handle to its task.
pub struct Queue {
    /// As stored.
    pub record: QueueRecord,
    /// To its task.
    pub handle: QueueHandle,
}

impl Queue {
    /// The log of what was sent straight to it.
    pub fn inbox(&self) -> LogId {
        LogId(self.record.inbox)
    }
}

impl Catalogue {
    /// The bindings, alive and ended, that feed a queue.
    pub fn bindings_to(&self, queue: u64) -> Vec<Arc<BindingRecord>> {
        self.bindings.values().filter(|binding| binding.queue == queue).cloned().collect()
    }

    /// The live bindings of a topic's log.
    pub fn bindings_of(&self, log: u64) -> impl Iterator<Item = &Arc<BindingRecord>> {
        self.bindings.values().filter(move |binding| binding.log == log && binding.is_alive())
    }

    /// A live binding by name.
    pub fn binding(&self, name: &str) -> Option<&Arc<BindingRecord>> {
        self.bindings.values().find(|binding| binding.is_alive() && binding.settings.name == name)
    }

    /// Compiles a topic's live bindings anew.
    pub fn route(&mut self, record: TopicRecord) {
        let pairs: Vec<(Pattern, u64)> = self
            .bindings_of(record.log)
            .filter_map(|binding| Some((Pattern::parse(&binding.settings.pattern).ok()?, binding.queue)))
            .collect();
        let mut queues: Vec<u64> = pairs.iter().map(|(_, queue)| *queue).collect();
        queues.sort_unstable();
        queues.dedup();
        let topic = Topic { matcher: Matcher::new(pairs), queues: queues.len(), record };
        self.topics.insert(topic.record.settings.name.clone(), Arc::new(topic));
    }

    /// Adds a queue.
    pub fn add_queue(&mut self, queue: Queue) -> Arc<Queue> {
        let queue = Arc::new(queue);
        self.queues.insert(queue.record.settings.name.clone(), queue.clone());
        self.queues_by_id.insert(queue.record.id, queue.clone());
        queue
    }
}
