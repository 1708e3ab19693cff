//! Alternate topics: where messages go that match no queue of their topic.
//!
//! What goes on is appended to the alternate's log too, in the commit of its own topic's: from there on it is as if it had
//! been published to the alternate.

use std::sync::Arc;

use bytes::Bytes;
use ferrymq_core::batch::{self, Batch};

use super::{Catalogue, Topic};
use crate::committer::{Append, Change, Owner};
use crate::depth::{self, Load};
use crate::error::Error;

/// How many topics a message that matches nothing goes on to, one after the other.
pub const ALTERNATES_MAX: usize = 8;

/// What of a batch goes on to one topic.
pub struct Onward {
    /// Where to.
    pub topic: Arc<Topic>,
    /// The places in the batch of what goes there.
    pub places: Vec<usize>,
    /// The same as a batch of that topic's log.
    pub append: Append,
}

impl Catalogue {
    /// The alternate of a topic, if it is there.
    pub fn alternate_of(&self, topic: &Topic) -> Option<&Arc<Topic>> {
        let name = &topic.record.settings.alternate_topic;
        if name.is_empty() { None } else { self.topics.get(name.as_str()) }
    }

    /// The alternate of a topic, the alternate of that, and so on.
    pub fn alternates(&self, topic: &Topic) -> impl Iterator<Item = &Arc<Topic>> {
        let first = self.alternate_of(topic);
        std::iter::successors(first, |topic| self.alternate_of(topic)).take(ALTERNATES_MAX)
    }

    /// FAILED_PRECONDITION if the alternates of a topic of that name lead back to it, and at most [`ALTERNATES_MAX`] of them.
    pub(super) fn check_alternates(&self, name: &str, alternate: &str) -> Result<(), Error> {
        if alternate.is_empty() {
            return Ok(());
        }
        // By name: one that is missing may be the one that is to be made.
        let mut path = vec![name.to_owned(), alternate.to_owned()];
        let mut at = if name == alternate { None } else { Some(self.topic(alternate)?) };
        while let Some(next) = at.as_ref().map(|topic| topic.record.settings.alternate_topic.clone()) {
            at = self.topics.get(next.as_str()).cloned();
            if !next.is_empty() {
                path.push(next);
            }
            if path.last().is_some_and(|last| last == name) {
                break;
            }
            if path.len() > ALTERNATES_MAX + 1 {
                return Err(Error::limit_reached("alternate topics one after the other", ALTERNATES_MAX as u64));
            }
        }
        if path.last().is_some_and(|last| last == name) {
            Err(Error::binding_loop("topic.alternate_topic", &path))
        } else {
            Ok(())
        }
    }

    /// What of a batch goes on to other topics: what matched nothing, to the alternates, as far as the first where it matches.
    /// Counts in `matched` and `loads` what it then matches.
    pub fn go_on(&self, topic: &Topic, batch: &Batch, matched: &mut [u32], loads: &mut Vec<Load>) -> Vec<Onward> {
        let mut onward = Vec::new();
        let goes_on = |index: &usize| matched[*index] == 0 || cfg!(feature = "planted-alternate");
        let mut places: Vec<usize> = (0..batch.len()).filter(goes_on).collect();
        let mut queues = Vec::new();
        for topic in self.alternates(topic) {
            if places.is_empty() {
                break;
            }
            let mut more = topic.no_loads();
            for place in &places {
                let message = batch.message(*place);
                topic.queues_of(&message, &mut queues);
                topic.count(&queues, &message, &mut more);
                matched[*place] = queues.len() as u32;
            }
            depth::merge(loads, more);
            let rest = places.iter().copied().filter(|place| matched[*place] == 0).collect();
            let append = self.append_of(topic, batch, &places);
            onward.push(Onward { topic: topic.clone(), places: std::mem::replace(&mut places, rest), append });
        }
        onward
    }

    fn append_of(&self, topic: &Topic, from: &Batch, places: &[usize]) -> Append {
        let records = places.iter().map(|place| from.parts(*place));
        let batch = batch::encode(from.publish_time_ms(), from.has_ttl(), records);
        let (gate, generation) = (topic.gate.clone(), self.generation);
        Append { gate, count: places.len() as u32, batch, loads: Vec::new(), generation }
    }

    /// Routes a change anew, if that was done by an older picture: the first of its appends is what was handed in, what goes
    /// on from there stands behind it.
    /// What has to be matched for that is taken off `budget`; without any left it stays as it was.
    pub fn refresh(&self, change: &mut Change, budget: &mut usize) {
        let Some(append) = change.appends.first_mut().filter(|append| append.generation != self.generation) else {
            return;
        };
        if self.has_to_be_matched(append) {
            if *budget == 0 {
                return;
            }
            *budget = budget.saturating_sub(append.count as usize);
        }
        append.generation = self.generation;
        let (loads, onward) = self.route_again(append);
        append.loads = loads;
        change.appends.truncate(1);
        change.appends.extend(onward.into_iter().map(|onward| onward.append));
    }

    /// True if it depends on the messages where they go and what they bring.
    fn has_to_be_matched(&self, append: &Append) -> bool {
        let Owner::Topic(name) = append.gate.owner() else { return false };
        let decides = |topic: &Arc<Topic>| !topic.counted.is_empty() || self.alternate_of(topic).is_some();
        self.topics.get(name.as_str()).is_some_and(decides)
    }

    fn route_again(&self, append: &Append) -> (Vec<Load>, Vec<Onward>) {
        match append.gate.owner() {
            Owner::Topic(name) => {
                let topic = self.topics.get(name.as_str()).filter(|topic| Arc::ptr_eq(&topic.gate, &append.gate));
                topic.map(|topic| self.route_batch(topic, &append.batch)).unwrap_or_default()
            }
            Owner::Queue(name) => {
                let queue = self.queues.get(name.as_str()).filter(|queue| Arc::ptr_eq(&queue.gate, &append.gate));
                let limited = queue.filter(|queue| queue.handle.depth().is_some());
                (limited.map(|queue| queue.load(&messages(&append.batch))).unwrap_or_default(), Vec::new())
            }
        }
    }

    fn route_batch(&self, topic: &Topic, batch: &Bytes) -> (Vec<Load>, Vec<Onward>) {
        let goes_on = self.alternate_of(topic).is_some();
        if topic.counted.is_empty() && !goes_on {
            return Default::default();
        }
        let Ok(batch) = Batch::parse(batch.clone()) else { return Default::default() };
        let (mut loads, mut queues) = (topic.no_loads(), Vec::new());
        let mut matched: Vec<u32> = Vec::with_capacity(batch.len());
        for message in (0..batch.len()).map(|index| batch.message(index)) {
            topic.queues_of(&message, &mut queues);
            topic.count(&queues, &message, &mut loads);
            matched.push(queues.len() as u32);
        }
        let onward = if goes_on { self.go_on(topic, &batch, &mut matched, &mut loads) } else { Vec::new() };
        (loads, onward)
    }
}

fn messages(batch: &Bytes) -> Vec<Bytes> {
    let batch = Batch::parse(batch.clone());
    batch.map(|batch| (0..batch.len()).map(|index| batch.message(index)).collect()).unwrap_or_default()
}
