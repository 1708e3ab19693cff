//! The task that owns a queue's state machine: reads its logs, hands out deliveries, commits what the machine tells.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ferrymq_core::queue::{KeyHash, Ordering, QueueConfig, QueueMachine, QueueStats, Rate, SettleStatus, Ticket};
use ferrymq_core::{LogId, Offset, QueueId};
use ferrymq_engine::store::Store;
use ferrymq_proto::server as pb;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::again::Again;
use super::commit::Answer;
use super::consumers::Consumers;
use super::deliver::CatchingUp;
use super::feed::Feed;
use super::holds::Holds;
use super::idle::Idle;
use super::limits::Limited;
use super::pulls::{Leavers, PullWaiting};
use super::seek::Seeking;
use super::tally::Asking;
use super::{Held, MAILBOX, Message, QueueHandle, Reply, Settlement};
use crate::ack_id::AckIds;
use crate::catalogue::admin::Admin;
use crate::catalogue::record::{BindingRecord, QueueRecord};
use crate::clock::Clock;
use crate::committer::Committer;
use crate::depth::Depth;
use crate::error::Error;
use crate::watch::LogWatch;

/// Most messages of the mailbox handled before deliveries are made.
const BURST: usize = 256;

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
    /// Set once the catalogue is there as well: until then no queue does anything.
    pub admin: tokio::sync::SetOnce<Admin>,
}

/// The task. Its parts: `feed`, `again`, `far`, `deliver`, `commit`, `peek`.
pub(super) struct Task {
    pub(super) record: QueueRecord,
    pub(super) shared: Arc<Shared>,
    pub(super) machine: QueueMachine,
    pub(super) feeds: BTreeMap<LogId, Feed>,
    /// Where keys are kept in order.
    pub(super) keys: Option<KeyHash>,
    /// What is being read again for keys.
    pub(super) again: Option<Again>,
    pub(super) consumers: Consumers,
    /// Consumers that have not been told yet that they caught up.
    pub(super) catching_up: Vec<CatchingUp>,
    pub(super) pulls: VecDeque<PullWaiting>,
    pub(super) leavers: Arc<Leavers>,
    /// Who wants to consume while it is decided whether the queue ends; none: it is not.
    pub(super) newcomers: Option<Vec<Message>>,
    pub(super) committing: FuturesUnordered<BoxFuture<'static, (Ticket, Result<(), Error>)>>,
    pub(super) in_flight: BTreeSet<Ticket>,
    /// Of those, the ones that write dead letters.
    pub(super) giving: BTreeSet<Ticket>,
    /// Seeks that wait until none of these is left.
    pub(super) seeking: VecDeque<Seeking>,
    pub(super) answers: Vec<(Ticket, Answer)>,
    /// Who waits for numbers, until a part of what has not been read is counted.
    pub(super) asking: Vec<Asking>,
    /// If the queue has limits.
    pub(super) limited: Option<Limited>,
    pub(super) notify: Arc<Notify>,
    pub(super) holds: Arc<Holds>,
    /// The number of the bindings that it follows.
    pub(super) rules: u64,
    pub(super) failed: Option<Error>,
    /// When floors that have risen are to be recorded.
    pub(super) floors_due: Option<Instant>,
    /// Not before this is read on, if many keys have a next message.
    pub(super) fill_due: Option<Instant>,
    /// The first commit that failed.
    pub(super) uncommitted: Option<Error>,
    /// The feeds of the start are there: further ones are new.
    pub(super) started: bool,
    pub(super) stopped: bool,
    pub(super) idle: Idle,
}

/// Starts the task of a queue.
pub(crate) fn start(
    record: QueueRecord,
    bindings: &[Arc<BindingRecord>],
    shared: Arc<Shared>,
    is_new: bool,
) -> QueueHandle {
    let (mailbox, receiver) = mpsc::channel(MAILBOX);
    let mut config = config(&record);
    if cfg!(feature = "planted-rate") && !is_new {
        config.rate = None;
    }
    let keys = (config.ordering == Ordering::Key).then(KeyHash::default);
    let machine = QueueMachine::new(QueueId(record.id), config, record.id ^ shared.epoch);
    let notify = Arc::new(Notify::new());
    let depth = Depth::of(&record.settings, notify.clone());
    let mut task = Task {
        limited: depth.clone().map(Limited::new),
        record,
        machine,
        feeds: BTreeMap::new(),
        keys,
        again: None,
        consumers: Consumers::default(),
        catching_up: Vec::new(),
        pulls: VecDeque::new(),
        leavers: Arc::new(Leavers::of(notify.clone())),
        newcomers: None,
        committing: FuturesUnordered::new(),
        in_flight: BTreeSet::new(),
        giving: BTreeSet::new(),
        seeking: VecDeque::new(),
        answers: Vec::new(),
        asking: Vec::new(),
        notify,
        holds: Arc::default(),
        rules: 0,
        failed: None,
        floors_due: None,
        fill_due: None,
        uncommitted: None,
        started: is_new,
        stopped: false,
        idle: Idle::default(),
        shared,
    };
    task.feed_all(bindings, !is_new);
    task.started = true;
    let (holds, leavers) = (task.holds.clone(), task.leavers.clone());
    tokio::spawn(task.run(receiver));
    QueueHandle { mailbox, holds, depth, leavers }
}

pub(super) fn ms(duration: Option<&prost_types::Duration>) -> u64 {
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
        rate: settings.rate_limit.map(|rate| Rate { per_second: rate.messages_per_second, burst: rate.burst as u32 }),
        dead_letter_expired: settings.dead_letter.as_ref().is_some_and(|policy| policy.expired),
        ordering: match settings.ordering() {
            pb::Ordering::Unspecified | pb::Ordering::None => Ordering::None,
            pb::Ordering::Key => Ordering::Key,
            pb::Ordering::Strict => Ordering::Strict,
        },
    }
}

impl Task {
    async fn run(mut self, mut mailbox: mpsc::Receiver<Message>) {
        // At the start queues are there before the catalogue is, and a dead letter, say, needs it.
        let shared = self.shared.clone();
        shared.admin.wait().await;
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
        self.end_kept(now);
        self.forget_leavers();
        if self.shared.committer.is_stopped() {
            self.fail(&Error::writes_stopped());
        }
        self.seek_when_quiet().await;
        if self.can_deliver() {
            self.read_on().await;
        }
        self.watch_idleness(now);
        if self.can_deliver() {
            self.drop_overflow();
            self.drop_given_up();
            let was_full = self.machine.room() == 0;
            if !self.record.settings.paused {
                self.hand_out(now).await;
                self.serve_pulls(now).await;
            }
            // Nothing else may come that would make the task read on: who holds much need not settle any of it.
            if was_full && self.machine.room() > 0 {
                self.notify.notify_one();
            }
            self.tell_caught_up();
        }
        self.record_floors_in_time();
        self.commit().await;
        self.end_pulls();
        // The last of them may have ended here, and nothing else wakes the task.
        self.watch_idleness(now);
    }

    fn can_deliver(&self) -> bool {
        self.failed.is_none() && self.seeking.is_empty()
    }

    async fn read_on(&mut self) {
        let read = match self.fill_in_time().await {
            Ok(()) => self.read_again().await,
            failed => failed,
        };
        let read = match read {
            Ok(()) => self.read_far(self.shared.clock.now_ms()).await,
            failed => failed,
        };
        if let Err(error) = read {
            tracing::error!(queue = %self.record.settings.name, %error, "the queue cannot be read");
            self.fail(&error);
        }
    }

    fn next_wake(&self) -> Duration {
        let now = self.shared.clock.now_ms();
        let due = self.machine.next_timer().into_iter().chain(self.consumers.next_end()).chain(self.idle.next()).min();
        let machine = due.map(|due| Duration::from_millis(due.saturating_sub(now).max(1)));
        let instant = Instant::now();
        // Those whose time is over are answered after a commit, which wakes the task by itself.
        let waiting = self.pulls.iter().filter(|pull| pull.until > instant);
        let pulls = waiting.map(|pull| pull.until.duration_since(instant));
        let fill_due = self.fill_due.filter(|_| self.can_deliver());
        let timed = self.floors_due.into_iter().chain(fill_due);
        let timed = timed.map(|due| due.saturating_duration_since(instant).max(Duration::from_millis(1)));
        machine.into_iter().chain(pulls).chain(timed).min().unwrap_or(Duration::MAX)
    }

    // --- the mailbox

    async fn handle(&mut self, message: Message) {
        let now = self.shared.clock.now_ms();
        match message {
            Message::Subscribe { .. } | Message::Pull { .. } => self.let_in(message).await,
            Message::Gone { consumer, stream, end } => self.gone(consumer, stream, end, now),
            Message::OpenWindow { consumer, stream } => self.open_window(consumer, stream),
            Message::SetWindow { consumer, stream, window } => self.set_window(consumer, stream, window),
            Message::Settle { held, settlement, reply } => self.settle(&held, &settlement, reply, now).await,
            // One that was overtaken on its way knows less.
            Message::Rebind { rules, .. } if rules <= self.rules => {}
            Message::Rebind { bindings, rules } => {
                self.rebind(&bindings, &mut BTreeMap::new());
                self.rules = rules;
                self.holds.let_go(rules);
            }
            Message::Recount => self.recount().await,
            Message::GiveUp { log, below } => self.machine.give_up_below(log, below),
            Message::Purge(reply) => self.purge(reply).await,
            Message::Pause(paused, reply) => {
                self.record.settings.paused = paused;
                let _ = reply.send(Ok(()));
            }
            Message::Seek(seeking) => self.seeking.push_back(seeking),
            Message::OpenLogs { only, reply } => drop(reply.send(Ok(self.open_logs(only)))),
            Message::Look { places, reply } => drop(reply.send(Ok(self.look(&places)))),
            Message::Loads { consumers, reply } => drop(reply.send(Ok(self.machine.loads(&consumers)))),
            Message::Close { condition, reply } => self.close(condition, reply).await,
            Message::Reopen => self.reopen().await,
            Message::Stats(reply) => {
                self.catch_up().await;
                let _ = reply.send(Ok(self.stats()));
            }
            Message::Numbers(reply, mailbox) => self.tell_numbers(reply, &mailbox).await,
            Message::Counted(counted) => self.counted(counted).await,
            Message::Drain(reply) => {
                let is_whole = self.failed.is_none();
                self.failed.get_or_insert_with(Error::draining);
                self.consumers.end_all(&Error::draining());
                self.machine.release_all(now);
                self.drain(is_whole, reply).await;
            }
            Message::Stop => self.stop(),
        }
    }

    /// Writes what the next start has to know. That nothing more is in doubt can be written only behind all else.
    async fn drain(&mut self, is_whole: bool, reply: oneshot::Sender<()>) {
        if self.commit_all().await && is_whole {
            self.machine.lower_sent();
            self.commit_all().await;
        }
        let _ = reply.send(());
    }

    /// Commits all there is, and waits for it; true if nothing of it failed.
    async fn commit_all(&mut self) -> bool {
        self.commit().await;
        let mut is_whole = true;
        while let Some((ticket, result)) = self.committing.next().await {
            is_whole &= result.is_ok();
            self.committed(ticket, result);
        }
        is_whole
    }

    async fn settle(&mut self, held: &[Held], settlement: &Settlement, reply: Reply<Vec<SettleStatus>>, now: u64) {
        if let Some(error) = &self.failed
            && self.shared.committer.is_stopped()
        {
            let _ = reply.send(Err(error.clone()));
            return;
        }
        self.machine.tick(now);
        let statuses = self.settle_held(held, settlement, now);
        if let Settlement::Extend(_) = settlement {
            let _ = reply.send(Ok(statuses));
            return;
        }
        if let Settlement::Ack | Settlement::Take = settlement {
            let acked = statuses.iter().filter(|status| **status == SettleStatus::Ok).count() as u64;
            self.shared.counters.acked.fetch_add(acked, std::sync::atomic::Ordering::Relaxed);
        }
        self.when_durable(Box::new(move |result| drop(reply.send(result.map(|()| statuses))))).await;
    }

    pub(super) fn settle_all(&mut self, held: &[Held], settlement: &Settlement, now: u64) -> Vec<SettleStatus> {
        let each = held.iter().copied();
        let machine = &mut self.machine;
        match settlement {
            Settlement::Take => each.map(|h| machine.ack_newest((h.log, h.offset), h.delivery)).collect(),
            Settlement::Ack if self.record.settings.exactly_once => {
                each.map(|h| machine.ack_newest((h.log, h.offset), h.delivery)).collect()
            }
            Settlement::Ack => machine.ack_all(each.map(|held| (held.log, held.offset))),
            Settlement::Nack { mode, delay_ms, reason } => {
                each.map(|h| machine.nack((h.log, h.offset), h.delivery, *mode, *delay_ms, reason, now)).collect()
            }
            Settlement::Extend(lease_ms) => {
                each.map(|h| machine.extend(h.log, h.offset, h.delivery, *lease_ms, now)).collect()
            }
        }
    }

    async fn purge(&mut self, reply: Reply<u64>) {
        // What comes in meanwhile is not counted either.
        let ends: BTreeMap<LogId, Offset> = self.feeds.keys().map(|log| (*log, self.shared.store.end(*log))).collect();
        let upto = |log| ends.get(&log).copied().unwrap_or(0);
        let waiting = |stats: QueueStats| stats.ready + stats.backing_off;
        let before = waiting(self.stats()).min(waiting(self.stats_upto(upto)));
        for (&log, &end) in &ends {
            self.machine.purge(log, end + u64::from(cfg!(feature = "planted-purge-fresh")));
            if let Some(feed) = self.feeds.get_mut(&log) {
                let unread = end.saturating_sub(feed.read_to.max(feed.began_at));
                feed.received += feed.may_match(unread, end);
                feed.ahead.clear();
                feed.read_to = feed.read_to.max(end);
            }
        }
        let dropped = (before - waiting(self.stats_upto(upto))).max(0) as u64;
        self.when_durable(Box::new(move |result| drop(reply.send(result.map(|()| dropped))))).await;
        self.recount().await;
    }
}
