//! What a queue has committed: settlements, dead letters, and the answers that wait for them.

use bytes::Bytes;
use ferrymq_core::batch::{self, DeadLetterHeader};
use ferrymq_core::queue::{DeadLetterOut, Outbox, Ticket};
use ferrymq_core::settle::{Progress, SettleRecord};
use ferrymq_core::{LogId, QueueId};
use ferrymq_proto::server as pb;

use super::Event;
use super::task::{Shared, Task};
use crate::committer::{Append, Change};
use crate::error::Error;

/// Sends an answer once what it depends on is durable.
pub(super) type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;

impl Task {
    pub(super) async fn commit(&mut self) {
        while let Some(outbox) = self.machine.take_outbox() {
            let ticket = outbox.ticket;
            self.in_flight.insert(ticket);
            if outbox.dead_letters.is_empty() {
                let change = Change { settles: outbox.records, ..Change::default() };
                let pending = self.shared.committer.settle(change).await;
                self.committing.push(Box::pin(async move {
                    let result = match pending {
                        Ok(pending) => pending.wait().await.map(|_| ()),
                        Err(error) => Err(error),
                    };
                    (ticket, result)
                }));
            } else {
                let letters = self.letters(&outbox).await;
                let (shared, name) = (self.shared.clone(), self.record.settings.name.clone());
                let (id, target) = (QueueId(self.record.id), self.dead_letter_target());
                self.committing.push(Box::pin(async move {
                    (ticket, give_up(&shared, (&name, id), target, outbox, letters).await)
                }));
            }
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

    async fn letters(&mut self, outbox: &Outbox) -> Vec<(DeadLetterHeader, Bytes)> {
        let mut letters = Vec::with_capacity(outbox.dead_letters.len());
        for letter in &outbox.dead_letters {
            match self.letter(letter).await {
                Ok(letter) => letters.push(letter),
                Err(error) => {
                    tracing::error!(queue = %self.record.settings.name, %error, "a dead letter cannot be read")
                }
            }
        }
        letters
    }

    async fn letter(&mut self, letter: &DeadLetterOut) -> Result<(DeadLetterHeader, Bytes), Error> {
        let (batch, index) = self.batch_of(letter.log, letter.offset).await?;
        let header = DeadLetterHeader {
            queue: self.record.settings.name.clone(),
            reason: letter.reason,
            attempts: letter.attempts,
            description: letter.description.clone(),
            time_ms: self.shared.clock.now_ms(),
            topic: self.feeds.get(&letter.log).map(super::feed::Feed::topic_name).unwrap_or_default(),
            log: letter.log,
            offset: letter.offset,
            publish_time_ms: batch.publish_time_ms(),
        };
        Ok((header, batch.message(index)))
    }

    pub(super) fn committed(&mut self, ticket: Ticket, result: Result<(), Error>) {
        self.in_flight.remove(&ticket);
        match &result {
            Ok(()) => self.machine.committed(ticket, self.shared.clock.now_ms()),
            Err(error) => self.fail(error),
        }
        let oldest = self.in_flight.first().copied();
        let (done, waiting) = std::mem::take(&mut self.answers)
            .into_iter()
            .partition(|(upto, _)| oldest.is_none_or(|oldest| oldest > *upto));
        self.answers = waiting;
        let done: Vec<(Ticket, Answer)> = done;
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
        match (self.in_flight.last(), &self.failed) {
            (_, Some(error)) => answer(Err(error.clone())),
            (None, None) => answer(Ok(())),
            (Some(newest), None) => self.answers.push((*newest, answer)),
        }
    }

    /// After a failed commit nothing is delivered any more.
    pub(super) fn fail(&mut self, error: &Error) {
        self.failed.get_or_insert_with(|| error.clone());
        for (_, channel) in self.consumers.drain() {
            let _ = channel.try_send(Event::End(error.clone()));
        }
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

/// Appended where dead letters go and settled here, each letter in one commit with its own settlement. All else that the
/// outbox holds goes with the last of them.
async fn give_up(
    shared: &Shared,
    queue: (&str, QueueId),
    target: Option<Target>,
    outbox: Outbox,
    letters: Vec<(DeadLetterHeader, Bytes)>,
) -> Result<(), Error> {
    let log = target_log(shared, queue.0, target).await?;
    let mut rest = &letters[..];
    loop {
        let (now, later) = rest.split_at(one_commit(rest));
        let append = log.filter(|_| !now.is_empty()).map(|log| append(shared, log, now));
        let mut change = Change { appends: append.into_iter().collect(), ..Change::default() };
        if later.is_empty() {
            change.settles = outbox.records;
            return shared.committer.settle(change).await?.wait().await.map(|_| ());
        }
        change.settles = now.iter().map(|(header, _)| settled(queue.1, header)).collect();
        shared.committer.settle(change).await?.wait().await?;
        rest = later;
    }
}

/// How many of these letters go into one commit.
fn one_commit(letters: &[(DeadLetterHeader, Bytes)]) -> usize {
    let mut bytes = 0;
    let fits = letters.iter().take_while(|(header, message)| {
        bytes += message.len() + header.description.len() + header.queue.len() + header.topic.len() + 64;
        bytes <= LETTERS_BYTES_MAX
    });
    fits.count().max(1).min(letters.len())
}

fn append(shared: &Shared, log: LogId, letters: &[(DeadLetterHeader, Bytes)]) -> Append {
    let headers: Vec<Vec<u8>> = letters.iter().map(|(header, _)| header.encode()).collect();
    let records = headers.iter().zip(letters).map(|(header, (_, message))| (&header[..], &message[..]));
    let batch = batch::encode(shared.clock.now_ms(), records);
    Append { log, count: letters.len() as u32, batch }
}

/// Written again with the rest of the outbox, which changes nothing.
fn settled(queue: QueueId, letter: &DeadLetterHeader) -> SettleRecord {
    let change = Progress::Settled { from: letter.offset, to: letter.offset + 1 };
    SettleRecord { queue, log: letter.log, change }
}

async fn target_log(shared: &Shared, queue: &str, target: Option<Target>) -> Result<Option<LogId>, Error> {
    let catalogue = shared.catalogue.load_full();
    let log = match target {
        None => return Ok(None),
        Some(Target::Queue(name)) => catalogue.queues.get(&name).map(|queue| queue.inbox()),
        Some(Target::Topic(name)) => catalogue.topics.get(&name).map(|topic| topic.log()),
        Some(Target::Own) => catalogue.queues.get(&ferrymq_core::name::dlq_name(queue)).map(|queue| queue.inbox()),
    };
    if log.is_some() {
        return Ok(log);
    }
    // Its own is made when first needed; it also stands in for a target that was deleted, so that nothing is lost.
    let admin = shared.admin.get().ok_or_else(Error::draining)?;
    Ok(Some(admin.dead_letter_queue(queue).await?.inbox()))
}
