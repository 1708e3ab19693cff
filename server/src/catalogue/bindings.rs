//! All bindings, and who needs which of them: no look at them depends on how many others there are.

use std::sync::Arc;

use super::record::BindingRecord;
use super::shared_map::SharedMap;

type Record = Arc<BindingRecord>;
/// By something, and within that by number.
type Index<K> = SharedMap<(K, u64), Record>;

/// Bindings, alive and ended. Cheap to clone.
#[derive(Clone, Default)]
pub struct Bindings {
    by_id: SharedMap<u64, Record>,
    by_queue: Index<u64>,
    by_log: Index<u64>,
    /// Those from topic to topic, by the topic that they lead to.
    by_target: Index<Arc<str>>,
    /// Paths, by each of the bindings that they are made of.
    by_part: Index<u64>,
    /// Those that users see, while they live.
    by_name: SharedMap<Arc<str>, Record>,
}

impl Bindings {
    /// How many there are, the ended ones too.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// One of them, by its number.
    pub fn get(&self, id: u64) -> Option<&Record> {
        self.by_id.get(&id)
    }

    /// All, by number.
    pub fn values(&self) -> impl Iterator<Item = &Record> {
        self.by_id.values()
    }

    /// The live ones that users see, by name.
    pub fn shown(&self) -> impl Iterator<Item = &Record> {
        self.by_name.values()
    }

    /// A live one that users see.
    pub fn named(&self, name: &str) -> Option<&Record> {
        self.by_name.get(name)
    }

    /// Those that lead to a queue, by number.
    pub fn to_queue(&self, queue: u64) -> impl Iterator<Item = &Record> {
        of(&self.by_queue, queue)
    }

    /// Those over a log, by number.
    pub fn over(&self, log: u64) -> impl Iterator<Item = &Record> {
        of(&self.by_log, log)
    }

    /// Those that lead from other topics to a topic, by number.
    pub fn to_topic(&self, topic: &str) -> impl Iterator<Item = &Record> {
        of(&self.by_target, Arc::<str>::from(topic))
    }

    /// The paths that a binding is a part of, by number.
    pub fn paths_over(&self, part: u64) -> impl Iterator<Item = &Record> {
        of(&self.by_part, part)
    }

    /// Adds a binding, or puts it in the place of the one of its number.
    pub fn insert(&mut self, binding: Record) {
        let id = binding.id;
        self.remove(id);
        self.by_queue.insert((binding.queue, id), binding.clone());
        self.by_log.insert((binding.log, id), binding.clone());
        if let Some(topic) = binding.to_topic() {
            self.by_target.insert((topic.into(), id), binding.clone());
        }
        for part in &binding.via {
            self.by_part.insert((*part, id), binding.clone());
        }
        if is_shown(&binding) {
            self.by_name.insert(binding.settings.name.as_str().into(), binding.clone());
        }
        self.by_id.insert(id, binding);
    }

    /// Takes a binding out.
    pub fn remove(&mut self, id: u64) -> Option<Record> {
        let binding = self.by_id.remove(&id)?;
        self.by_queue.remove(&(binding.queue, id));
        self.by_log.remove(&(binding.log, id));
        if let Some(topic) = binding.to_topic() {
            self.by_target.remove(&(Arc::from(topic), id));
        }
        for part in &binding.via {
            self.by_part.remove(&(*part, id));
        }
        if is_shown(&binding) {
            self.by_name.remove(binding.settings.name.as_str());
        }
        Some(binding)
    }
}

fn is_shown(binding: &BindingRecord) -> bool {
    binding.is_alive() && !binding.is_path()
}

fn of<K: Clone + Ord>(index: &Index<K>, key: K) -> impl Iterator<Item = &Record> {
    let first = (key.clone(), 0);
    index.from(&first).take_while(move |((of, _), _)| *of == key).map(|(_, binding)| binding)
}
