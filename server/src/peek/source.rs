//! What is looked into: a queue, or a topic with the queues that it feeds.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use ferrymq_core::queue::{ConsumerId, Look, MessageState, Place};
use ferrymq_core::{LogId, Millis, Offset};
use ferrymq_proto::server as pb;

use super::lines::Candidate;
use crate::broker::Broker;
use crate::catalogue::Queue;
use crate::error::Error;
use crate::queue::OpenLog;

/// How a message stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub state: pb::MessageState,
    /// When it comes again.
    pub due: Option<Millis>,
    pub attempts: u32,
    pub failures: u32,
    /// The queue and the consumer that has it.
    pub consumer: Option<(u64, ConsumerId)>,
}

/// Where messages are looked at.
pub(crate) enum Source {
    Queue(Arc<Queue>),
    Topic { name: String, log: LogId, queues: Vec<Bound> },
}

/// A queue that is fed by a topic, and what it takes of that.
pub(crate) struct Bound {
    queue: Arc<Queue>,
    open: OpenLog,
}

impl Source {
    /// The topic of that name. Queues that were bound and have not passed all that matched count too.
    pub(crate) async fn topic(broker: &Broker, name: &str) -> Result<Self, Error> {
        let log = broker.topic(name)?.log();
        let catalogue = broker.catalogue();
        let ids: BTreeSet<u64> = catalogue.bindings.over(log.0).map(|binding| binding.queue).collect();
        let mut queues = Vec::with_capacity(ids.len());
        for queue in ids.iter().filter_map(|id| catalogue.queues_by_id.get(id)) {
            // One that is being deleted takes nothing any more.
            let open = queue.handle.open_logs(Some(log)).await.unwrap_or_default();
            queues.extend(open.into_iter().map(|open| Bound { queue: queue.clone(), open }));
        }
        Ok(Self::Topic { name: name.to_owned(), log, queues })
    }

    /// What tells it from all others.
    pub(super) fn id(&self) -> (u8, u64) {
        match self {
            Self::Queue(queue) => (1, queue.record.id),
            Self::Topic { log, .. } => (2, log.0),
        }
    }

    /// True if a message there can be in that state.
    pub(super) fn has(&self, state: pb::MessageState) -> bool {
        match state {
            pb::MessageState::Ready | pb::MessageState::Unsettled | pb::MessageState::BackingOff => true,
            pb::MessageState::Kept => matches!(self, Self::Topic { .. }),
            pb::MessageState::Scheduled | pb::MessageState::Unspecified => false,
        }
    }

    /// The logs that its messages are in.
    pub(super) async fn logs(&self) -> Result<Vec<OpenLog>, Error> {
        match self {
            Self::Queue(queue) => queue.handle.open_logs(None).await,
            Self::Topic { name, log, queues } => {
                let busy_to = queues.iter().map(|bound| bound.open.busy_to).max().unwrap_or(0);
                let (topic, ranges) = (Bytes::from(name.clone()), vec![(0, Offset::MAX)]);
                Ok(vec![OpenLog { log: *log, topic, intervals: None, ranges, busy_to }])
            }
        }
    }

    /// How messages stand; none for one that is settled meanwhile.
    pub(super) async fn look(&self, candidates: &[Candidate]) -> Result<Vec<Option<Seen>>, Error> {
        let places = || candidates.iter().map(|candidate| candidate.place).collect();
        match self {
            Self::Queue(queue) => {
                let looks = queue.handle.look(places()).await?;
                Ok(looks.into_iter().map(|look| seen(queue.record.id, look)).collect())
            }
            Self::Topic { queues, .. } => {
                let mut all = vec![Some(KEPT); candidates.len()];
                for bound in queues {
                    bound.add(candidates, &mut all).await;
                }
                Ok(all)
            }
        }
    }
}

/// Of a topic, and of no use to any queue.
const KEPT: Seen = Seen { state: pb::MessageState::Kept, due: None, attempts: 0, failures: 0, consumer: None };

impl Bound {
    /// Adds how this queue sees messages. The least far of all queues is what counts.
    async fn add(&self, candidates: &[Candidate], all: &mut [Option<Seen>]) {
        let takes = |candidate: &Candidate| self.open.takes(candidate.place.2, &candidate.batch, candidate.index);
        let taken: Vec<usize> = (0..candidates.len()).filter(|at| takes(&candidates[*at])).collect();
        if taken.is_empty() {
            return;
        }
        let places: Vec<Place> = taken.iter().map(|at| candidates[*at].place).collect();
        // One that is gone has nothing to say.
        let looks = self.queue.handle.look(places).await.unwrap_or_default();
        for (at, look) in taken.into_iter().zip(looks) {
            let seen = seen(self.queue.record.id, look);
            let is_less_far = |one: &Seen| all[at].is_none_or(|other| rank(one.state) < rank(other.state));
            if let Some(seen) = seen.filter(is_less_far) {
                all[at] = Some(seen);
            }
        }
    }
}

fn rank(state: pb::MessageState) -> u8 {
    match state {
        pb::MessageState::Ready => 0,
        pb::MessageState::BackingOff => 1,
        pb::MessageState::Unsettled => 2,
        _ => 3,
    }
}

fn seen(queue: u64, look: Look) -> Option<Seen> {
    let (state, due) = match look.state {
        MessageState::Ready => (pb::MessageState::Ready, None),
        MessageState::Unsettled => (pb::MessageState::Unsettled, None),
        MessageState::BackingOff(due) => (pb::MessageState::BackingOff, Some(due)),
        MessageState::Settled => return None,
    };
    let consumer = look.consumer.map(|consumer| (queue, consumer));
    Some(Seen { state, due, attempts: look.attempts, failures: look.failures, consumer })
}
