//! Making and deleting bindings.

use std::collections::BTreeSet;
use std::sync::Arc;

use ferrymq_core::{LogId, Offset, QueueId};
use ferrymq_engine::store::Op;
use ferrymq_proto::server as pb;
use prost::Message as _;
use tokio::sync::oneshot;

use super::sway::Swayed;
use super::{Task, differing, put};
use crate::catalogue::record::{BindingRecord, NO_QUEUE, QueueRecord, binding_key, queue_key};
use crate::catalogue::settings;
use crate::committer::Change;
use crate::error::Error;
use crate::points::{self, Point};

/// A binding that has been checked; where it begins is known when its commit is sealed.
pub(super) struct NewBinding {
    pub(super) record: BindingRecord,
    start: Point,
    /// Where the start stands in the request.
    field: String,
    /// Where a start in time is; none: that time has not come yet.
    by_time: Option<Offset>,
    /// Below it the queue may have read the log already, by its other bindings.
    read_to: Offset,
}

impl NewBinding {
    /// With the offset that it begins at, in a log that holds [first, end).
    fn begin(&self, first: Offset, end: Offset) -> Result<BindingRecord, Error> {
        let from = points::offset_of(&self.field, &self.start, self.record.log_id(), (first, end), self.by_time)?;
        let from = from.saturating_sub(u64::from(cfg!(feature = "planted-bind")));
        if from < self.read_to {
            let rule = "the queue reads this topic already, so a further binding cannot begin before what it has read: \
                        use LATEST (and Seek, to replay), or a queue of its own";
            return Err(Error::invalid(&self.field, rule));
        }
        Ok(BindingRecord { from, ..self.record.clone() })
    }
}

impl Task {
    pub(super) async fn create_binding(&mut self, given: pb::Binding) -> Result<(pb::Binding, bool), Error> {
        let queue = match &given.target {
            Some(pb::binding::Target::Queue(name)) => self.catalogue.queue(name)?.record.id,
            Some(pb::binding::Target::ToTopic(name)) => self.catalogue.topic(name).map(|_| NO_QUEUE)?,
            None => return Err(Error::invalid("binding.target", "exactly one of queue, to_topic must be set")),
        };
        if let Some(there) = self.same_binding(&given)? {
            return Ok((there.settings.clone(), false));
        }
        let mut binding = self.new_binding(given, queue, "binding")?;
        let log = binding.record.log_id();
        if self.has_read((queue, log)) {
            binding.read_to = self.store.end(log);
        }
        let mut new = vec![binding];
        self.add_paths(&mut new)?;
        let fed = fed(new.iter().map(|binding| &binding.record));
        self.hold(&fed);
        let swayed = self.swayed_by(fed.iter().map(|(_, log)| log.0));
        let made = self.commit_bindings(new, None, &swayed).await;
        self.keep_bindings(&fed, made.as_deref().unwrap_or_default());
        self.let_go(swayed).await;
        self.recount(&fed).await;
        let Some(binding) = made?.into_iter().next() else { return Err(Error::writes_stopped()) };
        Ok((binding.settings, true))
    }

    pub(super) async fn delete_binding(&mut self, request: pb::DeleteBindingRequest) -> Result<bool, Error> {
        let Some(binding) = self.catalogue.bindings.named(&request.name).cloned() else {
            return if request.allow_missing { Ok(false) } else { Err(Error::binding_not_found(&request.name)) };
        };
        let bound = self.catalogue.with_paths(&BTreeSet::from([binding.id]));
        self.end_bindings(bound, None).await?;
        Ok(true)
    }

    /// Adds the paths that new bindings make. They bring what comes next: where a binding starts is said of its own topic.
    fn add_paths(&mut self, new: &mut Vec<NewBinding>) -> Result<(), Error> {
        let mut paths = Vec::new();
        for binding in new.iter() {
            paths.extend(self.catalogue.paths_of(&binding.record)?);
        }
        for path in paths {
            let record = BindingRecord { id: self.take_id(), ..path };
            new.push(NewBinding { record, start: Point::Latest, field: String::new(), by_time: None, read_to: 0 });
        }
        Self::check_count((self.catalogue.bindings.len() + new.len()).saturating_sub(1), "bindings")
    }

    /// Checks bindings to a queue; those that are not there yet, each once.
    pub(super) fn new_bindings(
        &mut self,
        bindings: Vec<pb::Binding>,
        queue: &QueueRecord,
    ) -> Result<Vec<NewBinding>, Error> {
        let mut new: Vec<NewBinding> = Vec::new();
        for (index, mut binding) in bindings.into_iter().enumerate() {
            if let Some(pb::binding::Target::ToTopic(_)) = binding.target {
                let rule = "the bindings of a queue lead to it: make this one with CreateBinding";
                return Err(Error::invalid(format!("bindings[{index}].to_topic"), rule));
            }
            if binding.target.is_none() {
                binding.target = Some(pb::binding::Target::Queue(queue.settings.name.clone()));
            }
            if self.same_binding(&binding)?.is_some() {
                continue;
            }
            let binding = self.new_binding(binding, queue.id, &format!("bindings[{index}]"))?;
            let twin = new.iter().find(|other| other.record.settings.name == binding.record.settings.name);
            match twin.map(|twin| differing_settings(&binding.record.settings, &twin.record.settings)) {
                None => new.push(binding),
                Some(None) => {}
                Some(Some(fields)) => return Err(Error::settings_differ(&fields)),
            }
        }
        self.add_paths(&mut new)?;
        Ok(new)
    }

    /// The binding of that name, if there is one; ALREADY_EXISTS if it is another than this.
    fn same_binding(&self, given: &pb::Binding) -> Result<Option<&Arc<BindingRecord>>, Error> {
        let name = if given.name.is_empty() { derived_name(given) } else { given.name.clone() };
        let Some(there) = self.catalogue.bindings.named(&name) else { return Ok(None) };
        match differing_settings(given, &there.settings) {
            None => Ok(Some(there)),
            Some(fields) => Err(Error::settings_differ(&fields)),
        }
    }

    fn new_binding(&mut self, given: pb::Binding, queue: u64, field: &str) -> Result<NewBinding, Error> {
        settings::pattern(&format!("{field}.pattern"), &given.pattern)?;
        settings::filter(&format!("{field}.filter"), &given.filter)?;
        let field = format!("{field}.start");
        let start = points::point_of_log(&field, given.start.as_ref())?;
        let log = self.catalogue.topic(&given.topic)?.record.log;
        if let Some(pb::binding::Target::ToTopic(to)) = &given.target {
            self.catalogue.check_link(&given.topic, to)?;
            if start != Point::Latest {
                return Err(Error::invalid(field, "a binding to a topic brings what comes next: LATEST, or unset"));
            }
        }
        let mut settings = pb::Binding { start: None, ..given };
        if settings.name.is_empty() {
            settings.name = derived_name(&settings);
        } else {
            settings::name(&format!("{field}.name"), &settings.name)?;
        }
        settings.create_time = Some(std::time::SystemTime::now().into());
        let (via, through) = (Vec::new(), Vec::new());
        let record = BindingRecord { settings, id: self.take_id(), queue, log, from: 0, to: None, via, through };
        Ok(NewBinding { record, start, field, by_time: None, read_to: 0 })
    }

    /// Commits bindings, and the queue they lead to if it is new, at the ends their topics then have. What is `swayed` stays
    /// held.
    pub(super) async fn commit_bindings(
        &mut self,
        mut bindings: Vec<NewBinding>,
        queue: Option<&QueueRecord>,
        swayed: &Swayed,
    ) -> Result<Vec<BindingRecord>, Error> {
        let _pin = self.committer.pins().pin(bindings.iter().map(|binding| binding.record.log_id()).collect());
        for binding in &mut bindings {
            let (log, now) = (binding.record.log_id(), self.clock.now_ms());
            binding.by_time = points::look_up(&self.store, &binding.start, log, now).await;
        }
        let mut ops = vec![self.next_op()];
        ops.extend(queue.map(|queue| put(queue_key(&queue.settings.name), queue.encode_to_vec().into())));
        let store = self.store.clone();
        let (tell, told) = oneshot::channel();
        let at_ends = Box::new(move |end_of: &mut dyn FnMut(LogId) -> u64| {
            let begin = |binding: NewBinding| {
                let log = binding.record.log_id();
                binding.begin(store.first(log), end_of(log))
            };
            let made: Result<Vec<BindingRecord>, Error> = bindings.into_iter().map(begin).collect();
            match &made {
                Ok(made) => ops.extend(made.iter().filter(|binding| !is_forgotten(binding)).map(binding_op)),
                Err(_) => ops.clear(),
            }
            let _ = tell.send(made);
            ops
        });
        let change = Change { at_ends: Some(at_ends), gates: swayed.held().collect(), ..Change::default() };
        self.committer.settle(change).await?.wait().await?;
        told.await.unwrap_or_else(|_| Err(Error::writes_stopped()))
    }

    /// True if what stands in the log may have been read for the queue: it has, or had, a binding to it.
    fn has_read(&self, (queue, log): (u64, LogId)) -> bool {
        let has_cursor = || self.store.cursors(QueueId(queue)).iter().any(|(of, _)| *of == log);
        self.catalogue.bindings.to_queue(queue).any(|binding| binding.log_id() == log) || has_cursor()
    }

    /// Before bindings change: their queues read no further until they are told.
    pub(super) fn hold(&self, fed: &[(u64, LogId)]) {
        for (queue, log) in fed {
            if let Some(queue) = self.catalogue.queues_by_id.get(queue) {
                queue.handle.hold(*log, self.store.end(*log));
            }
        }
    }

    /// Puts what was committed, if anything, into the picture, and tells the queues that were held.
    pub(super) fn keep_bindings(&mut self, fed: &[(u64, LogId)], bindings: &[BindingRecord]) {
        for binding in bindings {
            match binding.is_link() && !binding.is_alive() {
                true => drop(self.catalogue.bindings.remove(binding.id)),
                false => self.catalogue.bindings.insert(Arc::new(binding.clone())),
            }
        }
        let logs: BTreeSet<u64> = bindings.iter().map(|binding| binding.log).collect();
        logs.into_iter().for_each(|log| self.route_log(log));
        for queue in queues(fed) {
            if let Some(target) = self.catalogue.queues_by_id.get(&queue) {
                target.handle.rebind(self.catalogue.bindings_to(queue));
            }
        }
    }

    /// The bindings of these queues have changed: what they hold is counted by the new picture.
    pub(super) async fn recount(&mut self, fed: &[(u64, LogId)]) {
        self.show();
        for queue in queues(fed) {
            if let Some(queue) = self.catalogue.queues_by_id.get(&queue) {
                queue.handle.recount().await;
            }
        }
    }

    pub(super) fn route_log(&mut self, log: u64) {
        if let Some(topic) = self.catalogue.topic_of(log).cloned() {
            self.catalogue.route(topic.record.clone());
        }
    }

    pub(super) fn route_all(&mut self, queue: u64) {
        let logs: BTreeSet<u64> = self.catalogue.bindings.to_queue(queue).map(|binding| binding.log).collect();
        for log in logs {
            self.route_log(log);
        }
    }
}

pub(super) fn binding_op(binding: &BindingRecord) -> Op {
    put(binding_key(binding.id), binding.encode_to_vec().into())
}

/// A planted bug.
fn is_forgotten(binding: &BindingRecord) -> bool {
    cfg!(feature = "planted-route-lost") && binding.is_path()
}

/// The queues that bindings lead to, with the logs that they bring there.
pub(super) fn fed<'a>(bindings: impl IntoIterator<Item = &'a BindingRecord>) -> Vec<(u64, LogId)> {
    bindings.into_iter().map(|binding| (binding.queue, binding.log_id())).collect()
}

/// Each of them once.
fn queues(fed: &[(u64, LogId)]) -> BTreeSet<u64> {
    fed.iter().map(|(queue, _)| *queue).collect()
}

/// What two bindings of one name differ in, if anything.
fn differing_settings(given: &pb::Binding, there: &pb::Binding) -> Option<String> {
    differing(&[
        ("topic", given.topic != there.topic),
        ("queue", given.target != there.target),
        ("pattern", given.pattern != there.pattern),
        ("filter", given.filter != there.filter),
    ])
}

/// Where a binding leads to.
pub(super) fn target(binding: &pb::Binding) -> &str {
    match &binding.target {
        Some(pb::binding::Target::Queue(name) | pb::binding::Target::ToTopic(name)) => name,
        None => "",
    }
}

/// The name of a binding that was given none: the same rule gets the same name.
fn derived_name(binding: &pb::Binding) -> String {
    let parts = [binding.topic.as_str(), target(binding), binding.pattern.as_str(), binding.filter.as_str()];
    let mut hasher = siphasher::sip::SipHasher24::new();
    std::hash::Hash::hash(&parts, &mut hasher);
    if let Some(pb::binding::Target::ToTopic(_)) = binding.target {
        std::hash::Hash::hash("to_topic", &mut hasher);
    }
    format!("binding-{:016x}", std::hash::Hasher::finish(&hasher))
}
