//! The broker: what every handler holds, and the publish path.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use ferrymq_core::batch::{self, Batch};
use ferrymq_core::{LogId, message};
use ferrymq_engine::store::Store;
use ferrymq_proto::v1::ErrorReason;
use tokio::sync::watch as channel;

use crate::ack_id::AckIds;
use crate::catalogue::admin::Admin;
use crate::catalogue::{Catalogue, Onward, Queue, Topic};
use crate::clock::Clock;
use crate::committer::{Append, Change, Committer, Patience, Stream, Verdicts};
use crate::depth::Load;
use crate::edge::{self, Places};
use crate::error::Error;
use crate::identity::Identity;
use crate::queue::{self, Held, SettleStatus, Settlement};
use crate::sync_time::Timed;
use crate::watch::LogWatch;

/// What clients may send.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest message, encoded.
    pub message_bytes_max: usize,
    /// Largest request.
    pub request_bytes_max: usize,
    /// Most items in one request.
    pub batch_items_max: usize,
}

/// Counters from the broker's start.
#[derive(Default)]
pub struct Counters {
    /// Messages confirmed.
    pub published: AtomicU64,
    /// Deliveries sent.
    pub delivered: AtomicU64,
    /// Deliveries acked.
    pub acked: AtomicU64,
    /// Consumers connected, broadcasts among them.
    pub consumers: AtomicU64,
}

/// Everything that a handler needs; shared.
pub struct Broker {
    pub(crate) store: Store,
    pub(crate) committer: Committer,
    pub(crate) catalogue: Arc<ArcSwap<Catalogue>>,
    pub(crate) admin: Admin,
    pub(crate) ack_ids: AckIds,
    pub(crate) identity: Identity,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) watch: Arc<LogWatch>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) limits: Limits,
    pub(crate) draining: channel::Receiver<bool>,
    pub(crate) places: Arc<Places>,
    pub(crate) roster: Arc<crate::roster::Roster>,
    pub(crate) filters: crate::shared_filters::SharedFilters,
    pub(crate) sync_times: Arc<Timed>,
    pub(crate) start_time: std::time::SystemTime,
}

/// Where a batch goes.
#[derive(Debug, Clone, Copy)]
pub enum Destination<'a> {
    /// To every queue whose binding matches.
    Topic(&'a str),
    /// Straight into a queue's inbox.
    Queue(&'a str),
}

/// A confirmed batch.
#[derive(Debug)]
pub struct Published {
    /// Where it stands.
    pub log: LogId,
    /// The first message's place.
    pub base: u64,
    /// For each message, how many queues it goes to.
    pub matched: Vec<u32>,
}

/// What is known of a batch once each of its messages was looked at.
struct Checked {
    /// For each message, how many queues it goes to.
    matched: Vec<u32>,
    /// Some message has a time to live of its own.
    has_ttl: bool,
    /// What they bring to queues with limits.
    loads: Vec<Load>,
    /// What filters said, where there are any.
    verdicts: Option<Verdicts>,
}

/// A publish that has been handed in.
pub struct Publishing {
    pending: crate::committer::Pending,
    log: LogId,
    matched: Vec<u32>,
    topic: Option<Arc<Topic>>,
    /// For each topic that some of it goes on to, the places of what does.
    onward: Vec<(Arc<Topic>, Vec<usize>)>,
    counters: Arc<Counters>,
}

impl Publishing {
    /// Waits for the confirm.
    pub async fn confirmed(self) -> Result<Published, Error> {
        let committed = self.pending.wait().await?;
        self.counters.published.fetch_add(self.matched.len() as u64, Ordering::Relaxed);
        if let Some(topic) = &self.topic {
            topic.counters.add(&self.matched);
        }
        for (topic, places) in &self.onward {
            let matched: Vec<u32> = places.iter().map(|place| self.matched[*place]).collect();
            topic.counters.add(&matched);
        }
        let base = committed.bases.first().copied().unwrap_or(0);
        Ok(Published { log: self.log, base, matched: self.matched })
    }
}

impl Broker {
    /// The picture of what exists.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.load_full()
    }

    /// UNAVAILABLE once the broker stops.
    pub fn check_serving(&self) -> Result<(), Error> {
        if *self.draining.borrow() { Err(Error::draining()) } else { Ok(()) }
    }

    /// A topic by name.
    pub fn topic(&self, name: &str) -> Result<Arc<Topic>, Error> {
        edge::note("topic", name);
        self.catalogue.load().topic(name)
    }

    /// A queue by name.
    pub fn queue(&self, name: &str) -> Result<Arc<Queue>, Error> {
        edge::note("queue", name);
        self.catalogue.load().queue(name)
    }

    /// Checks a batch, routes it once, and hands it to the committer. The order of calls is the order of confirms.
    pub async fn publish(
        &self,
        to: Destination<'_>,
        messages: &[Bytes],
        require_route: bool,
        field: &str,
        (patience, stream): (Patience, Option<&Stream>),
    ) -> Result<Publishing, Error> {
        self.check_serving()?;
        self.check_items(&format!("{field}messages"), messages.len())?;
        let catalogue = self.catalogue.load();
        let generation = catalogue.generation;
        let (gate, Checked { mut matched, has_ttl, mut loads, verdicts }, topic) = match to {
            Destination::Topic(name) => {
                edge::note("topic", name);
                let topic = catalogue.topic(name)?;
                let checked = self.route(messages, field, Some(&topic))?;
                (topic.gate.clone(), checked, Some(topic))
            }
            Destination::Queue(name) => {
                edge::note("queue", name);
                let queue = catalogue.queue(name)?;
                let checked = self.route(messages, field, None)?;
                (queue.gate.clone(), Checked { loads: queue.load(messages), ..checked }, None)
            }
        };
        let batch = batch::encode(self.clock.now_ms(), has_ttl, messages.iter().map(|message| (&[][..], &message[..])));
        let mut onward = Vec::new();
        if let Some(topic) = topic.as_ref().filter(|topic| catalogue.alternate_of(topic).is_some())
            && matched.contains(&0)
            && let Ok(batch) = Batch::parse(batch.clone())
        {
            onward = catalogue.go_on(topic, &batch, &mut matched, &mut loads);
        }
        drop(catalogue);
        if require_route && let Some(index) = matched.iter().position(|count| *count == 0) {
            return Err(Error::new(ErrorReason::NoRoute, format!("messages[{index}] matches no queue")));
        }
        let count = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        let log = gate.log();
        let mut appends = vec![Append { gate, count, batch, loads, generation }];
        let part = |Onward { topic, places, append }| (append, (topic, places));
        let (goes_on, onward): (Vec<Append>, Vec<_>) = onward.into_iter().map(part).unzip();
        appends.extend(goes_on);
        let stream = stream.cloned();
        let change = Change { appends, patience, stream, verdicts, ..Change::default() };
        let pending = self.committer.publish(change).await?;
        Ok(Publishing { pending, log, matched, topic, onward, counters: self.counters.clone() })
    }

    /// Checks each message and counts the queues it goes to, and what it brings to those that have limits; with that, what filters said.
    fn route(&self, messages: &[Bytes], field: &str, topic: Option<&Topic>) -> Result<Checked, Error> {
        let mut loads = topic.map(Topic::no_loads).unwrap_or_default();
        let mut matched = Vec::with_capacity(messages.len());
        let mut verdicts = topic.and_then(|topic| topic.filtered.verdicts(messages.len()));
        let mut queues = Vec::new();
        let mut has_ttl = false;
        for (index, message) in messages.iter().enumerate() {
            let head = message::scan(message, self.limits.message_bytes_max).map_err(|error| {
                message_error(&error, &format!("{field}messages[{index}]"), message.len(), self.limits)
            })?;
            has_ttl |= head.ttl_ms > 0;
            let count = match topic {
                None => 1,
                Some(topic) => {
                    queues.clear();
                    topic.matcher.matches(head.routing_key, &mut queues);
                    if let Some(verdicts) = &mut verdicts {
                        topic.filtered.route(message, &mut queues, |place| verdicts.note(index, place));
                    }
                    topic.count(&queues, message, &mut loads);
                    queues.len() as u32
                }
            };
            matched.push(count);
        }
        Ok(Checked { matched, has_ttl, loads, verdicts })
    }

    /// 1 to `batch_items_max` items.
    pub fn check_items(&self, field: &str, count: usize) -> Result<(), Error> {
        if count == 0 {
            return Err(Error::invalid(field, "must not be empty"));
        }
        let max = self.limits.batch_items_max;
        if count <= max {
            return Ok(());
        }
        let rule = format!("at most {max} items, and there are {count}");
        Err(Error::new(ErrorReason::BatchTooLarge, format!("{field}: {rule}")).field(field, rule))
    }

    /// Settles deliveries of any queues; a status for each, in order.
    pub async fn settle(&self, ids: &[Bytes], settlement: &Settlement) -> Result<Vec<SettleStatus>, Error> {
        self.begin_settle(ids, settlement).await?.done().await
    }

    /// Hands settlements in: the order of these calls is the order in which they take effect.
    pub(crate) async fn begin_settle(&self, ids: &[Bytes], settlement: &Settlement) -> Result<Settling, Error> {
        self.check_items("ack_ids", ids.len())?;
        let mut by_queue: BTreeMap<u64, (Vec<usize>, Vec<Held>)> = BTreeMap::new();
        for (index, id) in ids.iter().enumerate() {
            let Some(id) = self.ack_ids.open(id) else { continue };
            let delivery = if id.epoch == self.identity.epoch { id.delivery } else { 0 };
            let (indices, held) = by_queue.entry(id.queue).or_default();
            indices.push(index);
            held.push(Held { log: id.log, offset: id.offset, delivery, generation: id.generation });
        }
        let catalogue = self.catalogue();
        let mut parts = Vec::with_capacity(by_queue.len());
        for (queue, (indices, held)) in by_queue {
            let answer = match catalogue.queues_by_id.get(&queue) {
                Some(queue) => queue.handle.begin_settle(held, settlement.clone()).await.ok(),
                None => None,
            };
            parts.push((indices, answer));
        }
        Ok(Settling { count: ids.len(), parts })
    }
}

/// Settlements that were handed in, by queue; without an answer to wait for where the queue is gone.
pub(crate) struct Settling {
    count: usize,
    parts: Vec<(Vec<usize>, Option<queue::Settled>)>,
}

impl Settling {
    /// Waits until they are on disk; a status for each id, in order.
    pub(crate) async fn done(self) -> Result<Vec<SettleStatus>, Error> {
        let mut statuses = vec![SettleStatus::Invalid; self.count];
        for (indices, answer) in self.parts {
            let gone = || Ok(vec![SettleStatus::Gone; indices.len()]);
            let answer = match answer {
                Some(answer) => gone_if_deleted(queue::settled(answer).await, indices.len()),
                None => gone(),
            };
            for (index, status) in indices.into_iter().zip(answer?) {
                statuses[index] = status;
            }
        }
        Ok(statuses)
    }
}

/// A queue that was deleted while it was asked has lost its messages: that is a status, not an error of the call.
fn gone_if_deleted(answer: Result<Vec<SettleStatus>, Error>, count: usize) -> Result<Vec<SettleStatus>, Error> {
    match answer {
        Err(error) if error.reason() == ErrorReason::QueueNotFound => Ok(vec![SettleStatus::Gone; count]),
        other => other,
    }
}

fn message_error(error: &message::MessageError, at: &str, len: usize, limits: Limits) -> Error {
    let field = if error.field.is_empty() { at.to_owned() } else { format!("{at}.{}", error.field) };
    match error.kind {
        message::MessageErrorKind::TooLarge => Error::too_large(&field, limits.message_bytes_max as u64, len as u64),
        message::MessageErrorKind::NotSupported => Error::not_supported(field),
        message::MessageErrorKind::Invalid => Error::invalid(field, error.rule.clone()),
    }
}
