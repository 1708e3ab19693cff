//! Topic-to-topic bindings: what they bring to queues.
//!
//! A message is written once, to the log of the topic that it was published to. A binding from one topic to another makes, for
//! each way over such bindings to a binding of a queue, one *path*: a binding record of that queue over the first topic's
//! log, with the conditions of the whole way. It begins and ends in the commits that make and delete the bindings on the way.
//! So all that holds for bindings holds for paths, and a queue that several of them lead to still reads each message once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ferrymq_proto::server as pb;

use super::Catalogue;
use super::record::{BindingRecord, Step};
use crate::error::Error;

/// Most topic-to-topic bindings one after the other.
pub const LINKS_MAX: usize = 8;
/// Most paths that one binding may make.
pub const PATHS_MAX: usize = 4_096;

/// Most bytes of them, encoded: conditions may be long.
const PATHS_BYTES_MAX: usize = 8 << 20;

/// The topic-to-topic bindings on a way, in its order.
type Way = Vec<Arc<BindingRecord>>;

impl Catalogue {
    /// FAILED_PRECONDITION if a binding from `topic` on to `to` would close a loop; at most [`LINKS_MAX`] one after the other.
    pub(super) fn check_link(&self, topic: &str, to: &str) -> Result<(), Error> {
        if topic == to {
            return Err(Error::binding_loop("binding.to_topic", &[topic.into(), to.into()]));
        }
        if cfg!(feature = "planted-route-loop") {
            return Ok(());
        }
        let before = self.ways_to(topic)?;
        if let Some(way) = before.iter().find(|way| way.first().is_some_and(|link| link.settings.topic == to)) {
            let mut path = vec![topic.to_owned()];
            path.extend(way.iter().map(|link| link.settings.topic.clone()));
            path.push(topic.to_owned());
            return Err(Error::binding_loop("binding.to_topic", &path));
        }
        let longest = before.iter().map(Vec::len).max().unwrap_or(0);
        if longest + 1 + self.links_behind(to, LINKS_MAX) > LINKS_MAX {
            return Err(Error::limit_reached("topic-to-topic bindings one after the other", LINKS_MAX as u64));
        }
        Ok(())
    }

    /// All ways over topic-to-topic bindings that lead to a topic; the first of them has none.
    fn ways_to(&self, topic: &str) -> Result<Vec<Way>, Error> {
        let mut ways: Vec<Way> = vec![Vec::new()];
        let mut at = 0;
        while let Some(way) = ways.get(at).cloned() {
            let begin = way.first().map_or(topic, |link| link.settings.topic.as_str());
            for link in self.bindings.to_topic(begin) {
                ways.push([std::slice::from_ref(link), &way[..]].concat());
            }
            if ways.len() > PATHS_MAX {
                return if cfg!(feature = "planted-route-loop") { Ok(ways) } else { Err(too_many()) };
            }
            at += 1;
        }
        Ok(ways)
    }

    /// The most topic-to-topic bindings one after the other behind a topic, counted up to `max`.
    fn links_behind(&self, topic: &str, max: usize) -> usize {
        let mut at = BTreeSet::from([topic]);
        for count in 0..max {
            let logs = at.iter().filter_map(|topic| self.topics.get(*topic)).map(|topic| topic.record.log);
            at = logs.flat_map(|log| self.bindings.over(log)).filter_map(|link| link.to_topic()).collect();
            if at.is_empty() {
                return count;
            }
        }
        max
    }

    /// The paths that a new binding makes, beside itself. Their numbers and places are not given yet.
    pub(super) fn paths_of(&self, new: &BindingRecord) -> Result<Vec<BindingRecord>, Error> {
        let ways = self.ways_to(&new.settings.topic)?;
        let behind: Vec<&BindingRecord> = match new.to_topic() {
            None => vec![new],
            Some(to) => {
                let log = self.topic(to)?.record.log;
                self.bindings_of(log).filter(|binding| !binding.is_link()).map(|binding| &**binding).collect()
            }
        };
        // A binding of a queue is no path of itself.
        let ways: Vec<Way> = ways.into_iter().filter(|way| new.is_link() || !way.is_empty()).collect();
        if ways.len() * behind.len() > PATHS_MAX {
            return Err(too_many());
        }
        let (mut paths, mut bytes) = (Vec::with_capacity(ways.len() * behind.len()), 0);
        for way in &ways {
            let mut links: Vec<&BindingRecord> = way.iter().map(|link| &**link).collect();
            links.extend(Some(new).filter(|new| new.is_link()));
            let more: Vec<BindingRecord> = behind.iter().filter_map(|last| path(&links, last)).collect();
            bytes += more.iter().map(prost::Message::encoded_len).sum::<usize>();
            if bytes > PATHS_BYTES_MAX {
                return Err(too_many());
            }
            paths.extend(more);
        }
        Ok(paths)
    }

    /// The live bindings of these numbers, and the paths that they are part of.
    pub(super) fn with_paths(&self, ids: &BTreeSet<u64>) -> Vec<BindingRecord> {
        let paths_over = |id: &u64| self.bindings.paths_over(*id).filter(|_| !cfg!(feature = "planted-route-end"));
        let meant = ids.iter().flat_map(|id| self.bindings.get(*id).into_iter().chain(paths_over(id)));
        let alive: BTreeMap<u64, &Arc<BindingRecord>> =
            meant.filter(|binding| binding.is_alive()).map(|binding| (binding.id, binding)).collect();
        alive.into_values().map(|binding| (**binding).clone()).collect()
    }
}

/// The path over `links` to a binding of a queue, which may be a path itself.
fn path(links: &[&BindingRecord], last: &BindingRecord) -> Option<BindingRecord> {
    let first = links.first()?;
    let mut via: Vec<u64> = links.iter().map(|link| link.id).collect();
    if last.is_path() {
        via.extend(&last.via);
    } else {
        via.push(last.id);
    }
    let step =
        |link: &&BindingRecord| Step { pattern: link.settings.pattern.clone(), filter: link.settings.filter.clone() };
    let steps = links.iter().map(step).chain(last.through.iter().cloned());
    let through = steps.filter(|step| !(step.pattern.is_empty() || step.pattern == "#") || !step.filter.is_empty());
    let settings = pb::Binding { name: String::new(), topic: first.settings.topic.clone(), ..last.settings.clone() };
    let (queue, log, through) = (last.queue, first.log, through.collect());
    Some(BindingRecord { settings, id: 0, queue, log, from: 0, to: None, via, through })
}

fn too_many() -> Error {
    Error::limit_reached("ways over topic-to-topic bindings that one binding makes", PATHS_MAX as u64)
}
