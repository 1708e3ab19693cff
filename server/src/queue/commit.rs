//! What a queue has committed: settlements, dead letters, and the answers that wait for them.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use ferrymq_core::batch::{self, Batch, DeadLetterHeader};
use ferrymq_core::queue::{DeadLetterOut, Outbox, Ticket};
use ferrymq_core::settle::{Progress, SettleRecord};
use ferrymq_core::{LogId, Offset, QueueId};
use ferrymq_proto::server as pb;
use ferrymq_proto::v1::ErrorReason;

use super::feed::read_batch;
use super::task::{Shared, Task};
use crate::committer::{Append, Change, Gate};
use crate::depth::Settled;
use crate::error::Error;

/// Sends an answer once what it depends on is durable.
pub(super) type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;

impl Task {
    pub(super) async fn commit(&mut self) {
        while let Some(outbox) = self.machine.take_outbox() {
            let ticket = outbox.ticket;
            self.in_flight.insert(ticket);
            let settled = self.taken_off(&outbox);
            if outbox.dead_letters.is_empty() {
                let change = Change { settles: outbox.records, settled, ..Change::default() };
                let pending = self.shared.committer.settle(change).await;
                self.committing.push(Box::pin(async move {
                    let result = match pending {
                        Ok(pending) => pending.wait().await.map(|_| ()),
                        Err(error) => Err(error),
                    };
                    (ticket, result)
                }));
            } else {
                self.giving.insert(ticket);
                let giving = self.give_up(outbox, settled).await;
                self.committing.push(Box::pin(async move { (ticket, giving.await) }));
            }
        }
    }

    /// Commits an outbox with dead letters, which have to be read first. Its bounds of what may have been sent do not wait
    /// for that: a later one must not be followed by an earlier one.
    async fn give_up(
        &mut self,
        mut outbox: Outbox,
        settled: Option<Settled>,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        let is_bound = |record: &SettleRecord| matches!(record.change, Progress::Sent { .. });
        let (settles, records): (Vec<_>, Vec<_>) = std::mem::take(&mut outbox.records).into_iter().partition(is_bound);
        outbox.records = records;
        let bounds = match settles.is_empty() {
            true => None,
            false => Some(self.shared.committer.settle(Change { settles, ..Change::default() }).await),
        };
        let giving = Giving {
            shared: self.shared.clone(),
            queue: self.record.settings.name.clone(),
            id: QueueId(self.record.id),
            topics: self.feeds.iter().map(|(log, feed)| (*log, feed.topic_name())).collect(),
            newest: None,
        };
        let target = self.dead_letter_target();
        async move {
            if let Some(bounds) = bounds {
                bounds?.wait().await?;
            }
            giving.run(target, outbox, settled).await
        }
    }

    /// Where dead letters go; none: they end here.
    fn dead_letter_target(&self) -> Option<Target> {
        if self.record.is_dlq {
            return None;
        }
        match self.record.settings.dead_letter.as_ref().and_then(|policy| policy.target.clone()) {
            None => Some(Target::Own),
            Some(pb::dead_letter_policy::Target::Queue(name)) => Some(Target::Queue(name)),
            Some(pb::dead_letter_policy::Target::Topic(name)) => Some(Target::Topic(name)),
            Some(pb::dead_letter_policy::Target::Discard(_)) => None,
        }
    }

    pub(super) fn committed(&mut self, ticket: Ticket, result: Result<(), Error>) {
        self.in_flight.remove(&ticket);
        if let Some(limited) = &mut self.limited {
            limited.durable(ticket);
        }
        self.giving.remove(&ticket);
        match &result {
            Ok(()) => self.machine.committed(ticket, self.shared.clock.now_ms()),
            Err(error) => {
                self.uncommitted.get_or_insert_with(|| error.clone());
                self.fail(error);
            }
        }
        let oldest = self.in_flight.first().copied();
        let (done, waiting) = std::mem::take(&mut self.answers)
            .into_iter()
            .partition(|(upto, _)| oldest.is_none_or(|oldest| oldest > *upto));
        self.answers = waiting;
        let done: Vec<(Ticket, Answer)> = done;
        // Tickets end in any order: once one has failed, no later answer may rest on those before it.
        let result = self.uncommitted.clone().map_or(Ok(()), Err);
        for (_, answer) in done {
            answer(result.clone());
        }
    }

    /// Answers once all that the machine has told until now is durable.
    pub(super) async fn when_durable(&mut self, answer: Answer) {
        self.commit().await;
        if cfg!(feature = "planted-early-ack") {
            return answer(Ok(()));
        }
        match (self.in_flight.last(), self.uncommitted.as_ref().or(self.failed.as_ref())) {
            (_, Some(error)) => answer(Err(error.clone())),
            (None, None) => answer(Ok(())),
            (Some(newest), None) => self.answers.push((*newest, answer)),
        }
    }

    /// After a failed commit nothing is delivered any more.
    pub(super) fn fail(&mut self, error: &Error) {
        self.failed.get_or_insert_with(|| error.clone());
        self.consumers.end_all(error);
    }
}

enum Target {
    /// The queue's own dead-letter queue.
    Own,
    Queue(String),
    Topic(String),
}

/// Most bytes of dead letters in one commit, if there is more than one: a group of commits has a largest size.
const LETTERS_BYTES_MAX: usize = 1 << 20;

/// What it takes to give messages up.
struct Giving {
    shared: Arc<Shared>,
    queue: String,
    id: QueueId,
    topics: HashMap<LogId, String>,
    /// The batch that was read last: letters mostly stand beside each other.
    newest: Option<(LogId, Offset, Batch)>,
}

impl Giving {
    /// Appended where dead letters go and settled here, each letter in one commit with its own settlement. All else that
    /// the outbox holds goes with the last of them. A letter that cannot be read is not settled: all fails.
    async fn run(mut self, target: Option<Target>, outbox: Outbox, settled: Option<Settled>) -> Result<(), Error> {
        let target = target.as_ref();
        let (mut letters, mut bytes) = (Vec::new(), 0);
        for letter in outbox.dead_letters.iter().filter(|_| target.is_some()) {
            let (header, message) = self.letter(letter).await?;
            let more = message.len() + header.description.len() + header.queue.len() + header.topic.len() + 64;
            if bytes + more > LETTERS_BYTES_MAX && !letters.is_empty() {
                let settles = letters.iter().map(|(header, _)| settled_letter(self.id, header)).collect();
                self.commit(target, &std::mem::take(&mut letters), settles, None).await?;
                bytes = 0;
            }
            bytes += more;
            letters.push((header, message));
        }
        self.commit(target, &letters, outbox.records, settled).await
    }

    /// Once more, to where they then go, if the target is deleted meanwhile.
    async fn commit(
        &self,
        target: Option<&Target>,
        letters: &[(DeadLetterHeader, Bytes)],
        settles: Vec<SettleRecord>,
        settled: Option<Settled>,
    ) -> Result<(), Error> {
        loop {
            let appends = match target.filter(|_| !letters.is_empty()) {
                None => Vec::new(),
                Some(target) => vec![append(&self.shared, self.gate(target).await?, letters)],
            };
            let change = Change { appends, settles: settles.clone(), settled: settled.clone(), ..Change::default() };
            match self.shared.committer.settle(change).await?.wait().await {
                Err(error) if matches!(error.reason(), ErrorReason::QueueNotFound | ErrorReason::TopicNotFound) => {}
                other => return other.map(|_| ()),
            }
        }
    }

    async fn gate(&self, target: &Target) -> Result<Arc<Gate>, Error> {
        let catalogue = self.shared.catalogue.load_full();
        let of_queue = |name: &str| catalogue.queues.get(name).map(|queue| queue.gate.clone());
        let gate = match target {
            Target::Queue(name) => of_queue(name),
            Target::Topic(name) => catalogue.topics.get(name.as_str()).map(|topic| topic.gate.clone()),
            Target::Own => of_queue(&ferrymq_core::name::dlq_name(&self.queue)),
        };
        if let Some(gate) = gate.filter(|gate| !gate.has_ended()) {
            return Ok(gate);
        }
        // Its own is made when first needed; it also stands in for a target that was deleted, so that nothing is lost.
        let admin = self.shared.admin.wait().await;
        Ok(admin.dead_letter_queue(&self.queue).await?.gate.clone())
    }

    async fn letter(&mut self, letter: &DeadLetterOut) -> Result<(DeadLetterHeader, Bytes), Error> {
        let (batch, index) = self.batch_of(letter.log, letter.offset).await?;
        let header = DeadLetterHeader {
            queue: self.queue.clone(),
            reason: letter.reason,
            attempts: letter.attempts,
            description: letter.description.clone(),
            time_ms: self.shared.clock.now_ms(),
            topic: self.topics.get(&letter.log).cloned().unwrap_or_default(),
            log: letter.log,
            offset: letter.offset,
            publish_time_ms: batch.publish_time_ms(),
        };
        Ok((header, batch.message(index)))
    }

    async fn batch_of(&mut self, log: LogId, offset: Offset) -> Result<(Batch, usize), Error> {
        if let Some((of, base, batch)) = &self.newest
            && *of == log
            && (*base..base + batch.len() as u64).contains(&offset)
        {
            return Ok((batch.clone(), (offset - base) as usize));
        }
        let (base, batch, index) = read_batch(&self.shared.store, log, offset).await?;
        self.newest = Some((log, base, batch.clone()));
        Ok((batch, index))
    }
}

fn append(shared: &Shared, gate: Arc<Gate>, letters: &[(DeadLetterHeader, Bytes)]) -> Append {
    let headers: Vec<Vec<u8>> = letters.iter().map(|(header, _)| header.encode()).collect();
    let records = headers.iter().zip(letters).map(|(header, (_, message))| (&header[..], &message[..]));
    let batch = batch::encode(shared.clock.now_ms(), false, records);
    // It is routed where its group is sealed.
    Append { gate, count: letters.len() as u32, batch, loads: Vec::new(), generation: 0 }
}

/// Written again with the rest of the outbox, which changes nothing.
fn settled_letter(queue: QueueId, letter: &DeadLetterHeader) -> SettleRecord {
    let change = Progress::Settled { from: letter.offset, to: letter.offset + 1 };
    SettleRecord { queue, log: letter.log, change }
}
