//! The task that owns a queue's state machine: reads its logs, hands out deliveries, commits what the machine tells.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ferrymq_core::batch::{Batch, BatchBuilder, DeadLetterHeader};
use ferrymq_core::cursor::Cursor;
use ferrymq_core::queue::{
    Assignment, DeadLetterOut, End, Entry, LeaseMode, MessageState, Outbox, QueueConfig, QueueMachine, SettleStatus,
    Ticket,
};
use ferrymq_core::{LogId, Offset, QueueId};
use ferrymq_engine::store::Store;
use ferrymq_proto::raw::RawDelivery;
use ferrymq_proto::{server as pb, v1};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::{
    Event, Held, Interval, MAILBOX, Message, Peeked, QueueHandle, Reply, Settlement, Subscription, Take, Taken,
};
use crate::ack_id::{AckId, AckIds};
use crate::catalogue::admin::Admin;
use crate::catalogue::record::{BindingRecord, QueueRecord};
use crate::clock::Clock;
use crate::committer::{Append, Change, Committer};
use crate::error::Error;
use crate::watch::LogWatch;

/// Bytes read from one log at a time.
const READ_BYTES: usize = 1 << 20;
/// Most messages of the mailbox handled before deliveries are made.
const BURST: usize = 256;
/// Space in a consumer's channel beyond its prefetch, for what is not a delivery.
const CHANNEL_EXTRA: usize = 16;

/// Sends an answer once what it depends on is durable.
type Answer = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// What all queues share.
pub(crate) struct Shared {
    pub store: Store,
    pub committer: Committer,
    pub ack_ids: AckIds,
    pub epoch: u64,
    pub clock: Arc<dyn Clock>,
    pub watch: Arc<LogWatch>,
    pub counters: Arc<crate::broker::Counters>,
    pub catalogue: Arc<arc_swap::ArcSwap<crate::catalogue::Catalogue>>,
    pub admin: std::sync::OnceLock<Admin>,
    /// The last stop was not a clean one: what had been sent counts one attempt more.
    pub unclean: bool,
}

/// One log that feeds the queue.
struct Feed {
    /// Empty for the inbox.
    topic: String,
    /// None: everything (the inbox).
    intervals: Option<Vec<Interval>>,
    /// The batch that was read last: most messages stand beside each other.
    newest: Option<(Offset, Batch)>,
    /// Read, matched, not yet taken by the machine.
    ahead: VecDeque<Entry>,
    /// All below has been read.
    read_to: Offset,
    /// Where the log ended when the task began: what stands from here on has come in since.
    began_at: Offset,
    /// Messages that matched since then.
    received: u64,
}

struct PullWaiting {
    take: Take,
    reply: Reply<Taken>,
    until: Instant,
}

struct Task {
    record: QueueRecord,
    shared: Arc<Shared>,
    machine: QueueMachine,
    feeds: BTreeMap<LogId, Feed>,
    consumers: HashMap<u64, mpsc::Sender<Event>>,
    /// Consumers that have not been told yet that they caught up, with the ends of the logs when they came.
    catching_up: Vec<(u64, Vec<(LogId, Offset)>)>,
    pulls: VecDeque<PullWaiting>,
    committing: FuturesUnordered<BoxFuture<'static, (Ticket, Result<(), Error>)>>,
    in_flight: std::collections::BTreeSet<Ticket>,
    answers: Vec<(Ticket, Answer)>,
    notify: Arc<Notify>,
    failed: Option<Error>,
    /// The feeds of the start are there: further ones are new.
    started: bool,
    stopped: bool,
}

/// Starts the task of a queue.
pub(crate) fn start(
    record: QueueRecord,
    bindings: &[Arc<BindingRecord>],
    shared: Arc<Shared>,
    is_new: bool,
) -> QueueHandle {
    let (mailbox, receiver) = mpsc::channel(MAILBOX);
    let machine = QueueMachine::new(QueueId(record.id), config(&record), record.id ^ shared.epoch);
    let mut task = Task {
        record,
        machine,
        feeds: BTreeMap::new(),
        consumers: HashMap::new(),
        catching_up: Vec::new(),
        pulls: VecDeque::new(),
        committing: FuturesUnordered::new(),
        in_flight: std::collections::BTreeSet::new(),
        answers: Vec::new(),
        notify: Arc::new(Notify::new()),
        failed: None,
        started: is_new,
        stopped: false,
        shared,
    };
    task.feed_all(bindings, !is_new);
    task.started = true;
    tokio::spawn(task.run(receiver));
    QueueHandle { mailbox }
}

fn ms(duration: Option<&prost_types::Duration>) -> u64 {
    duration.map_or(0, |d| d.seconds as u64 * 1_000 + d.nanos as u64 / 1_000_000)
}

fn config(record: &QueueRecord) -> QueueConfig {
    let settings = &record.settings;
    let retry = settings.retry.unwrap_or_default();
    QueueConfig {
        lease_ms: ms(settings.lease.as_ref()),
        max_lease_ms: ms(settings.max_lease.as_ref()),
        max_attempts: retry.max_attempts.unwrap_or(10) as u32,
        min_backoff_ms: ms(retry.min_backoff.as_ref()),
        max_backoff_ms: ms(retry.max_backoff.as_ref()),
        multiplier: retry.multiplier,
    }
}

impl Task {
    async fn run(mut self, mut mailbox: mpsc::Receiver<Message>) {
        while !self.stopped {
            self.work().await;
            let timer = self.next_wake();
            tokio::select! {
                message = mailbox.recv() => {
                    let Some(message) = message else { return };
                    self.handle(message).await;
                    for _ in 0..BURST {
                        let Ok(message) = mailbox.try_recv() else { break };
                        self.handle(message).await;
                    }
                }
                Some((ticket, result)) = self.committing.next() => self.committed(ticket, result),
                () = self.notify.notified() => {}
                () = tokio::time::sleep(timer), if timer < Duration::MAX => {}
            }
        }
    }

    /// Everything that can be done now.
    async fn work(&mut self) {
        let now = self.shared.clock.now_ms();
        self.machine.tick(now);
        if self.failed.is_none() && !self.shared.committer.is_stopped() {
            if let Err(error) = self.fill().await {
                tracing::error!(queue = %self.record.settings.name, %error, "the queue cannot be read");
                self.fail(&error);
            }
            self.hand_out(now).await;
            self.serve_pulls(now).await;
            self.tell_caught_up();
        }
        self.commit().await;
        self.end_pulls();
    }

    fn next_wake(&self) -> Duration {
        let now = self.shared.clock.now_ms();
        let machine = self.machine.next_timer().map(|due| Duration::from_millis(due.saturating_sub(now).max(1)));
        let pulls = self.pulls.iter().map(|pull| pull.until.saturating_duration_since(Instant::now()));
        machine.into_iter().chain(pulls).min().unwrap_or(Duration::MAX)
    }

    // --- what feeds the queue

    fn feed_all(&mut self, bindings: &[Arc<BindingRecord>], from_disk: bool) {
        let mut cursors: BTreeMap<LogId, Cursor> = if from_disk {
            self.shared.store.cursors(QueueId(self.record.id)).into_iter().collect()
        } else {
            BTreeMap::new()
        };
        let inbox = LogId(self.record.inbox);
        let cursor = cursors.remove(&inbox).unwrap_or_default();
        self.add_feed(inbox, String::new(), None, cursor);
        self.rebind(bindings, &mut cursors);
    }

    fn add_feed(&mut self, log: LogId, topic: String, intervals: Option<Vec<Interval>>, cursor: Cursor) {
        let read_to = cursor.floor();
        self.machine.add_source(log, cursor, self.shared.unclean);
        let began_at = if self.started { read_to } else { self.shared.store.end(log) };
        let feed = Feed { topic, intervals, newest: None, ahead: VecDeque::new(), read_to, began_at, received: 0 };
        self.feeds.insert(log, feed);
        self.shared.watch.watch(log, &self.notify);
        self.notify.notify_one();
    }

    fn rebind(&mut self, bindings: &[Arc<BindingRecord>], cursors: &mut BTreeMap<LogId, Cursor>) {
        let mut by_log: BTreeMap<LogId, Vec<&Arc<BindingRecord>>> = BTreeMap::new();
        for binding in bindings {
            by_log.entry(binding.log_id()).or_default().push(binding);
        }
        for (log, bindings) in by_log {
            let intervals: Vec<Interval> = bindings.iter().filter_map(|binding| interval(binding)).collect();
            if let Some(feed) = self.feeds.get_mut(&log) {
                feed.intervals = Some(intervals);
                continue;
            }
            let from = bindings.iter().map(|binding| binding.from).min().unwrap_or(0);
            let mut cursor = cursors.remove(&log).unwrap_or_default();
            // What is before the first binding was never this queue's.
            cursor.apply(&ferrymq_core::settle::Progress::Settled { from: 0, to: from });
            let topic = bindings.first().map(|binding| binding.settings.topic.clone()).unwrap_or_default();
            self.add_feed(log, topic, Some(intervals), cursor);
        }
    }

    // --- reading and merging

    /// Reads on where the machine has room, and offers what matched in the order of commits.
    async fn fill(&mut self) -> Result<(), Error> {
        loop {
            if self.machine.room() == 0 {
                return Ok(());
            }
            // All that is below this commit is in the logs' ends; what comes later sorts behind it.
            let visible = self.shared.store.visible();
            let logs: Vec<LogId> = self.feeds.keys().copied().collect();
            for log in logs {
                self.read_ahead(log).await?;
            }
            let next = self
                .feeds
                .iter()
                .filter_map(|(log, feed)| feed.ahead.front().map(|entry| (entry.commit, *log)))
                .min()
                .filter(|(commit, _)| *commit <= visible);
            let Some((_, log)) = next else { return Ok(()) };
            self.offer_from(log);
        }
    }

    /// Offers one log's next entries, as long as they are of the commit that is next.
    fn offer_from(&mut self, log: LogId) {
        let Some(feed) = self.feeds.get_mut(&log) else { return };
        let Some(commit) = feed.ahead.front().map(|entry| entry.commit) else { return };
        while let Some(entry) = feed.ahead.front().copied()
            && entry.commit == commit
            && self.machine.room() > 0
        {
            self.machine.offer(entry);
            feed.ahead.pop_front();
        }
    }

    /// Makes sure that a log's next entry is known, if there is one.
    async fn read_ahead(&mut self, log: LogId) -> Result<(), Error> {
        loop {
            let end = self.shared.store.end(log);
            let first = self.shared.store.first(log);
            let Some(feed) = self.feeds.get_mut(&log) else { return Ok(()) };
            if !feed.ahead.is_empty() {
                return Ok(());
            }
            feed.read_to = feed.read_to.max(first);
            // Nothing is held back here, so all that was read and not offered did not match.
            self.machine.passed(log, feed.read_to);
            if feed.read_to >= end {
                return Ok(());
            }
            let read = self
                .shared
                .store
                .read(log, feed.read_to, READ_BYTES)
                .await
                .map_err(|e| Error::damaged(&e.to_string()))?;
            if read.is_empty() {
                return Ok(());
            }
            for stored in read {
                let batch = Batch::parse(stored.bytes).map_err(|error| Error::damaged(&error.to_string()))?;
                feed.take(log, stored.base, stored.commit, &batch);
                feed.newest = Some((stored.base, batch));
            }
        }
    }

    /// The batch that holds a message, and the message's place in it.
    async fn batch_of(&mut self, log: LogId, offset: Offset) -> Result<(Batch, usize), Error> {
        let lost = || Error::damaged(&format!("message {offset} of log {} is not there", log.0));
        if let Some((base, batch)) = self.feeds.get(&log).and_then(|feed| feed.newest.as_ref())
            && *base <= offset
            && offset < base + batch.len() as u64
        {
            return Ok((batch.clone(), (offset - base) as usize));
        }
        let read = self.shared.store.read(log, offset, 1).await.map_err(|error| Error::damaged(&error.to_string()))?;
        let stored = read.into_iter().next().ok_or_else(lost)?;
        let batch = Batch::parse(stored.bytes).map_err(|error| Error::damaged(&error.to_string()))?;
        let index = offset.checked_sub(stored.base).filter(|index| *index < batch.len() as u64).ok_or_else(lost)?;
        if let Some(feed) = self.feeds.get_mut(&log) {
            feed.newest = Some((stored.base, batch.clone()));
        }
        Ok((batch, index as usize))
    }

    // --- deliveries

    async fn hand_out(&mut self, now: u64) {
        let mut assigned = Vec::new();
        self.machine.deliver(now, &mut assigned);
        let mut by_consumer: BTreeMap<u64, Vec<Assignment>> = BTreeMap::new();
        for assignment in assigned {
            by_consumer.entry(assignment.consumer).or_default().push(assignment);
        }
        for (consumer, assigned) in by_consumer {
            match self.deliveries(&assigned).await {
                Ok(deliveries) => self.send(consumer, Event::Deliveries(deliveries), now),
                Err(error) => {
                    tracing::error!(queue = %self.record.settings.name, %error, "deliveries cannot be read");
                    self.send(consumer, Event::End(error), now);
                    self.machine.remove_consumer(consumer, End::BrokerEnded, now);
                    self.consumers.remove(&consumer);
                }
            }
        }
    }

    fn send(&mut self, consumer: u64, event: Event, now: u64) {
        let Some(channel) = self.consumers.get(&consumer) else { return };
        match channel.try_send(event) {
            // Gone: its end is in the mailbox.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            // It does not read, and its leases have come back: it holds more than its credit.
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.consumers.remove(&consumer);
                self.machine.remove_consumer(consumer, End::BrokerEnded, now);
            }
        }
    }

    async fn deliveries(&mut self, assigned: &[Assignment]) -> Result<Vec<RawDelivery>, Error> {
        let mut deliveries = Vec::with_capacity(assigned.len());
        for assignment in assigned {
            let (batch, index) = self.batch_of(assignment.log, assignment.offset).await?;
            let id = AckId {
                partition: 0,
                epoch: self.shared.epoch,
                queue: self.record.id,
                log: assignment.log,
                offset: assignment.offset,
                delivery: assignment.delivery,
            };
            let mut delivery = self.delivery(assignment.log, assignment.offset, &batch, index)?;
            delivery.ack_id = self.shared.ack_ids.seal(&id);
            delivery.attempt = assignment.attempt as i32;
            deliveries.push(delivery);
        }
        let count = deliveries.len() as u64;
        self.shared.counters.delivered.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
        Ok(deliveries)
    }

    fn delivery(&self, log: LogId, offset: Offset, batch: &Batch, index: usize) -> Result<RawDelivery, Error> {
        let record = batch.record(index).map_err(|error| Error::damaged(&error.to_string()))?;
        Ok(RawDelivery {
            message: record.message,
            ack_id: Bytes::new(),
            topic: self.feeds.get(&log).map(|feed| feed.topic.clone()).unwrap_or_default(),
            position: Some(v1::Position { log: log.0 as i64, offset: offset as i64 }),
            publish_time_ms: batch.publish_time_ms() as i64,
            attempt: 0,
            dead_letter: record.dead_letter.map(dead_letter),
        })
    }

    async fn serve_pulls(&mut self, now: u64) {
        while let Some(pull) = self.pulls.front() {
            if pull.reply.is_closed() {
                self.pulls.pop_front();
                continue;
            }
            let lease_ms = pull.take.lease_ms.unwrap_or(ms(self.record.settings.lease.as_ref()));
            let mut assigned = Vec::new();
            self.machine.pull(pull.take.messages_max, pull.take.bytes_max, lease_ms, now, &mut assigned);
            if assigned.is_empty() {
                return;
            }
            let answer = self.deliveries(&assigned).await.map(|deliveries| (deliveries, lease_ms));
            if let Some(pull) = self.pulls.pop_front() {
                let _ = pull.reply.send(answer);
            }
        }
    }

    /// Answers those that have waited long enough.
    fn end_pulls(&mut self) {
        let now = Instant::now();
        let lease_ms = ms(self.record.settings.lease.as_ref());
        let (over, waiting) = std::mem::take(&mut self.pulls).into_iter().partition(|pull| pull.until <= now);
        self.pulls = waiting;
        let over: VecDeque<PullWaiting> = over;
        for pull in over {
            let _ = pull.reply.send(Ok((Vec::new(), pull.take.lease_ms.unwrap_or(lease_ms))));
        }
    }

    fn tell_caught_up(&mut self) {
        let now = self.shared.clock.now_ms();
        let (done, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.catching_up).into_iter().partition(|(_, ends)| {
                ends.iter().all(|(log, end)| self.machine.read_to(*log) >= *end) && self.machine.stats().ready == 0
            });
        self.catching_up = waiting;
        for (consumer, _) in done {
            self.send(consumer, Event::CaughtUp, now);
        }
    }

    // --- commits

    async fn commit(&mut self) {
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
                let target = self.dead_letter_target();
                self.committing
                    .push(Box::pin(async move { (ticket, give_up(&shared, &name, target, outbox, letters).await) }));
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
            topic: self.feeds.get(&letter.log).map(|feed| feed.topic.clone()).unwrap_or_default(),
            log: letter.log,
            offset: letter.offset,
            publish_time_ms: batch.publish_time_ms(),
        };
        Ok((header, batch.message(index)))
    }

    fn committed(&mut self, ticket: Ticket, result: Result<(), Error>) {
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
    async fn when_durable(&mut self, answer: Answer) {
        self.commit().await;
        match (self.in_flight.last(), &self.failed) {
            (_, Some(error)) => answer(Err(error.clone())),
            (None, None) => answer(Ok(())),
            (Some(newest), None) => self.answers.push((*newest, answer)),
        }
    }

    /// After a failed commit nothing is delivered any more.
    fn fail(&mut self, error: &Error) {
        self.failed.get_or_insert_with(|| error.clone());
        for (_, channel) in self.consumers.drain() {
            let _ = channel.try_send(Event::End(error.clone()));
        }
    }

    // --- the mailbox

    async fn handle(&mut self, message: Message) {
        let now = self.shared.clock.now_ms();
        match message {
            Message::Subscribe { wish, mailbox, reply } => {
                let answer = self.subscribe(&wish, mailbox);
                let _ = reply.send(answer);
            }
            Message::Gone { consumer, end } => {
                self.consumers.remove(&consumer);
                self.catching_up.retain(|(waiting, _)| *waiting != consumer);
                self.machine.remove_consumer(consumer, end, now);
            }
            Message::Pull { take, reply } => {
                let until = Instant::now() + Duration::from_millis(take.wait_ms);
                self.pulls.push_back(PullWaiting { take, reply, until });
            }
            Message::Settle { held, settlement, reply } => self.settle(&held, &settlement, reply, now).await,
            Message::Rebind(bindings) => self.rebind(&bindings, &mut BTreeMap::new()),
            Message::Purge(reply) => self.purge(reply).await,
            Message::Peek { from, max, reply } => {
                let answer = self.peek(from, max).await;
                let _ = reply.send(answer);
            }
            Message::Stats(reply) => drop(reply.send(Ok(self.stats()))),
            Message::Drain(reply) => {
                self.failed.get_or_insert_with(Error::draining);
                for (_, channel) in self.consumers.drain() {
                    let _ = channel.try_send(Event::End(Error::draining()));
                }
                self.machine.release_all(now);
                self.drain(reply).await;
            }
            Message::Stop => {
                self.stopped = true;
                self.fail(&Error::queue_not_found(&self.record.settings.name, None));
            }
        }
    }

    async fn drain(&mut self, reply: oneshot::Sender<()>) {
        self.commit().await;
        while let Some((ticket, result)) = self.committing.next().await {
            self.committed(ticket, result);
        }
        let _ = reply.send(());
    }

    fn subscribe(&mut self, wish: &super::Wish, mailbox: mpsc::Sender<Message>) -> Result<Subscription, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let max = ms(self.record.settings.max_lease.as_ref());
        let lease_ms = wish.lease_ms.unwrap_or(ms(self.record.settings.lease.as_ref()));
        if lease_ms > max {
            return Err(Error::invalid("lease", format!("must be at most the queue's max_lease, {max} ms")));
        }
        let consumer = self.machine.add_consumer(wish.window, lease_ms, wish.mode);
        let (sender, events) = mpsc::channel(wish.window.messages as usize + CHANNEL_EXTRA);
        self.consumers.insert(consumer, sender);
        let ends = self.feeds.keys().map(|log| (*log, self.shared.store.end(*log))).collect();
        self.catching_up.push((consumer, ends));
        let lease_ms = if wish.mode == LeaseMode::Stream { max } else { lease_ms };
        Ok(Subscription { consumer, lease_ms, events, end: End::Lost, mailbox })
    }

    async fn settle(&mut self, held: &[Held], settlement: &Settlement, reply: Reply<Vec<SettleStatus>>, now: u64) {
        if let Some(error) = &self.failed
            && self.shared.committer.is_stopped()
        {
            let _ = reply.send(Err(error.clone()));
            return;
        }
        self.machine.tick(now);
        let mut statuses = Vec::with_capacity(held.len());
        for Held { log, offset, delivery } in held.iter().copied() {
            statuses.push(match settlement {
                Settlement::Ack => self.machine.ack(log, offset),
                Settlement::Nack { mode, delay_ms, reason } => {
                    self.machine.nack((log, offset), delivery, *mode, *delay_ms, reason, now)
                }
                Settlement::Extend(lease_ms) => self.machine.extend(log, offset, delivery, *lease_ms, now),
            });
        }
        if let Settlement::Extend(_) = settlement {
            let _ = reply.send(Ok(statuses));
            return;
        }
        if let Settlement::Ack = settlement {
            let acked = statuses.iter().filter(|status| **status == SettleStatus::Ok).count() as u64;
            self.shared.counters.acked.fetch_add(acked, std::sync::atomic::Ordering::Relaxed);
        }
        self.when_durable(Box::new(move |result| drop(reply.send(result.map(|()| statuses))))).await;
    }

    async fn purge(&mut self, reply: Reply<u64>) {
        let before = self.stats();
        let logs: Vec<LogId> = self.feeds.keys().copied().collect();
        for log in logs {
            let end = self.shared.store.end(log);
            self.machine.purge(log, end);
            if let Some(feed) = self.feeds.get_mut(&log) {
                feed.ahead.clear();
                feed.read_to = feed.read_to.max(end);
            }
        }
        let after = self.stats();
        let dropped = (before.ready + before.backing_off - after.ready - after.backing_off).max(0) as u64;
        self.when_durable(Box::new(move |result| drop(reply.send(result.map(|()| dropped))))).await;
    }

    /// Ready counts what the window has, and all beyond it that may match.
    fn stats(&self) -> super::QueueStats {
        let mut stats = self.machine.stats();
        for (log, feed) in &self.feeds {
            let end = self.shared.store.end(*log);
            let unread = end.saturating_sub(feed.read_to);
            let unread_new = end.saturating_sub(feed.read_to.max(feed.began_at));
            stats.received += feed.received as i64 + feed.may_match(unread_new, end) as i64;
            stats.ready += feed.ahead.len() as i64 + feed.may_match(unread, end) as i64;
        }
        stats
    }

    async fn peek(&mut self, from: Option<(LogId, Offset)>, max: usize) -> Result<Vec<Peeked>, Error> {
        let logs: Vec<LogId> = self.feeds.keys().copied().collect();
        let mut found: Vec<(ferrymq_core::CommitNo, LogId, Offset, Peeked)> = Vec::new();
        for log in logs {
            let floor = self.machine.cursor(log).map_or(0, Cursor::floor);
            let start = from.filter(|(of, _)| *of == log).map_or(floor, |(_, offset)| offset.max(floor));
            self.peek_log(log, start, max, &mut found).await?;
        }
        found.sort_by_key(|(commit, log, offset, _)| (*commit, *log, *offset));
        let after = |(log, offset): (LogId, Offset)| {
            found.iter().position(|(_, of, at, _)| (*of, *at) >= (log, offset) && *of == log)
        };
        let skip = from.and_then(after).unwrap_or(0);
        Ok(found.into_iter().skip(skip).take(max).map(|(.., peeked)| peeked).collect())
    }

    async fn peek_log(
        &mut self,
        log: LogId,
        mut at: Offset,
        max: usize,
        found: &mut Vec<(ferrymq_core::CommitNo, LogId, Offset, Peeked)>,
    ) -> Result<(), Error> {
        let enough = found.len() + max;
        while found.len() < enough && at < self.shared.store.end(log) {
            let read = self.shared.store.read(log, at, READ_BYTES).await.map_err(|e| Error::damaged(&e.to_string()))?;
            if read.is_empty() {
                return Ok(());
            }
            for stored in read {
                let batch = Batch::parse(stored.bytes).map_err(|error| Error::damaged(&error.to_string()))?;
                for index in 0..batch.len() {
                    let offset = stored.base + index as u64;
                    if offset < at || found.len() >= enough || !self.is_open(log, offset, &batch, index) {
                        continue;
                    }
                    let state = self.machine.state_of(log, offset).unwrap_or(MessageState::Ready);
                    let delivery = self.delivery(log, offset, &batch, index)?;
                    found.push((stored.commit, log, offset, Peeked { delivery, state }));
                }
                at = at.max(stored.base + u64::from(stored.count));
            }
        }
        Ok(())
    }

    fn is_open(&self, log: LogId, offset: Offset, batch: &Batch, index: usize) -> bool {
        let settled = self.machine.state_of(log, offset) == Some(MessageState::Settled);
        !settled && self.feeds.get(&log).is_some_and(|feed| feed.matches(offset, batch, index))
    }
}

impl Feed {
    fn matches(&self, offset: Offset, batch: &Batch, index: usize) -> bool {
        match &self.intervals {
            None => true,
            Some(intervals) => {
                let message = batch.message(index);
                intervals.iter().any(|interval| interval.matches(offset, &message))
            }
        }
    }

    fn take(&mut self, log: LogId, base: Offset, commit: ferrymq_core::CommitNo, batch: &Batch) {
        for index in 0..batch.len() {
            let offset = base + index as u64;
            if offset >= self.read_to && self.matches(offset, batch, index) {
                self.received += u64::from(offset >= self.began_at);
                self.ahead.push_back(Entry { commit, log, offset, bytes: batch.message_len(index) });
            }
        }
        self.read_to = self.read_to.max(base + batch.len() as u64);
    }

    /// How many of the last `unread` messages before `end` lie in some interval.
    fn may_match(&self, unread: u64, end: Offset) -> u64 {
        let Some(intervals) = &self.intervals else { return unread };
        let from = end - unread;
        let last = intervals.iter().map(|interval| interval.to.unwrap_or(end).min(end)).max().unwrap_or(from);
        last.saturating_sub(from)
    }
}

fn interval(binding: &BindingRecord) -> Option<Interval> {
    let pattern = ferrymq_core::pattern::Pattern::parse(&binding.settings.pattern).ok()?;
    Some(Interval { from: binding.from, to: binding.to, pattern })
}

fn dead_letter(header: DeadLetterHeader) -> v1::DeadLetter {
    v1::DeadLetter {
        queue: header.queue,
        reason: header.reason as i32,
        attempts: header.attempts as i32,
        description: header.description,
        time_ms: header.time_ms as i64,
        topic: header.topic,
        position: Some(v1::Position { log: header.log.0 as i64, offset: header.offset as i64 }),
    }
}

enum Target {
    /// The queue's own dead-letter queue.
    Own,
    Queue(String),
    Topic(String),
}

/// One commit: appended where dead letters go, settled here.
async fn give_up(
    shared: &Shared,
    queue: &str,
    target: Option<Target>,
    outbox: Outbox,
    letters: Vec<(DeadLetterHeader, Bytes)>,
) -> Result<(), Error> {
    let log = target_log(shared, queue, target).await?;
    let mut appends = Vec::new();
    if let Some(log) = log
        && !letters.is_empty()
    {
        let mut batch = BatchBuilder::new(shared.clock.now_ms());
        letters.iter().for_each(|(header, message)| batch.push(Some(header), message));
        appends.push(Append { log, count: letters.len() as u32, batch: batch.finish() });
    }
    let change = Change { appends, settles: outbox.records, ..Change::default() };
    shared.committer.settle(change).await?.wait().await.map(|_| ())
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
