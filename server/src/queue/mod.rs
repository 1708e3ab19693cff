//! A queue: one task that owns its state machine, and the handle that everybody else holds.

mod again;
mod closing;
mod commit;
mod consumers;
mod deliver;
mod expiry;
mod far;
mod feed;
mod floors;
mod holds;
mod idle;
mod limits;
mod numbers;
mod peek;
mod pulls;
mod seek;
mod sharing;
mod sources;
mod tally;
mod task;

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use ferrymq_core::queue::{Look, Place};
use ferrymq_core::{LogId, Offset};
use ferrymq_proto::raw::RawDelivery;
use tokio::sync::{mpsc, oneshot};

use crate::catalogue::record::BindingRecord;
use crate::committer::Pin;
use crate::depth::Depth;
use crate::error::Error;

pub use closing::Condition;
pub(crate) use deliver::delivery;
pub use ferrymq_core::queue::{ConsumerLoad, End, LeaseMode, NackMode, QueueStats, SettleStatus, Window};
pub use numbers::Numbers;
pub(crate) use peek::OpenLog;
pub use seek::{Target, To};
pub(crate) use task::{Shared, start};

/// Most messages that wait in a queue task's mailbox.
const MAILBOX: usize = 1_024;

/// One delivery that a client names in a settlement.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// The log that holds the message.
    pub log: LogId,
    /// Its place there.
    pub offset: Offset,
    /// The delivery; 0 if it was made before the broker's last start, so that its lease is gone.
    pub delivery: u64,
    /// Which seek of its log the delivery was made after.
    pub generation: u64,
}

/// What is done to deliveries.
#[derive(Debug, Clone)]
pub enum Settlement {
    /// Done.
    Ack,
    /// Done, if it is still the newest delivery and its lease has not ended.
    Take,
    /// Given back, or up.
    Nack {
        /// What it means.
        mode: NackMode,
        /// When it may come again.
        delay_ms: Option<u64>,
        /// Why.
        reason: Arc<str>,
    },
    /// Longer, by so many milliseconds from now, or the queue's lease again.
    Extend(Option<u64>),
}

/// What a consumer's stream gets.
#[derive(Debug)]
pub enum Event {
    /// Messages, leased to it.
    Deliveries(Vec<RawDelivery>),
    /// All that was there when it came has been sent.
    CaughtUp,
    /// The end of the stream.
    End(Error),
}

/// How a consumer wants its deliveries.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Most unsettled at once.
    pub window: Window,
    /// The lease it asks for; none: the queue's.
    pub lease_ms: Option<u64>,
    /// Who prolongs it.
    pub mode: LeaseMode,
    /// Shown in stats and logs.
    pub name: String,
    /// How long what it holds is kept for it when its stream breaks; 0: not at all.
    pub resume_within_ms: u64,
    /// Whom it was before.
    pub resume: Option<Resume>,
}

/// A consumer that comes back after its stream broke.
#[derive(Debug, Clone)]
pub struct Resume {
    /// Its number within the queue.
    pub consumer: u64,
    /// The deliveries that it still works on, by number.
    pub held: HashSet<u64>,
}

/// A consumer's side of its subscription. Dropping it gives its deliveries back.
pub struct Subscription {
    /// Its number within the queue.
    pub consumer: u64,
    /// The length of each lease in milliseconds.
    pub lease_ms: u64,
    /// What it gets.
    pub events: mpsc::Receiver<Event>,
    end: End,
    stream: u64,
    mailbox: mpsc::Sender<Message>,
}

impl Subscription {
    /// The broker ends the stream: what the consumer holds goes back without a failure.
    pub fn end_by_broker(&mut self) {
        self.end = End::BrokerEnded;
    }

    /// What changes its window.
    pub fn valve(&self) -> Valve {
        Valve { consumer: self.consumer, stream: self.stream, mailbox: self.mailbox.clone() }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let message = Message::Gone { consumer: self.consumer, stream: self.stream, end: self.end };
        if let Err(mpsc::error::TrySendError::Full(message)) = self.mailbox.try_send(message) {
            let mailbox = self.mailbox.clone();
            tokio::spawn(async move { mailbox.send(message).await });
        }
    }
}

/// Changes how much a stream's consumer takes.
#[derive(Clone)]
pub struct Valve {
    consumer: u64,
    stream: u64,
    mailbox: mpsc::Sender<Message>,
}

impl Valve {
    /// From now on; no messages: nothing more. What is out stays out.
    pub async fn set(&self, window: Window) {
        let message = Message::SetWindow { consumer: self.consumer, stream: self.stream, window };
        // A queue that is gone ends the stream by itself.
        let _ = self.mailbox.send(message).await;
    }
}

/// What Pull takes.
#[derive(Debug, Clone)]
pub struct Take {
    /// Most messages.
    pub messages_max: u32,
    /// Most bytes, but always one message.
    pub bytes_max: u64,
    /// The lease it asks for; none: the queue's.
    pub lease_ms: Option<u64>,
    /// How long to wait for the first message.
    pub wait_ms: u64,
}

/// Messages taken, and the length of their leases in milliseconds.
pub type Taken = (Vec<RawDelivery>, u64);

/// The answer to a settlement that was handed in.
pub(crate) type Settled = oneshot::Receiver<Result<Vec<SettleStatus>, Error>>;

/// Waits until a settlement is on disk.
pub(crate) async fn settled(answer: Settled) -> Result<Vec<SettleStatus>, Error> {
    answer.await.unwrap_or_else(|_| Err(Error::queue_not_found("", None)))
}

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the task is told.
pub(crate) enum Message {
    Subscribe { wish: Wish, mailbox: mpsc::Sender<Message>, reply: Reply<Subscription> },
    Gone { consumer: u64, stream: u64, end: End },
    OpenWindow { consumer: u64, stream: u64 },
    SetWindow { consumer: u64, stream: u64, window: Window },
    Pull { take: Take, reply: Reply<Taken> },
    Settle { held: Vec<Held>, settlement: Settlement, reply: Reply<Vec<SettleStatus>> },
    Rebind { bindings: Vec<Arc<BindingRecord>>, rules: u64 },
    Recount,
    GiveUp { log: LogId, below: Offset },
    Purge(Reply<u64>),
    Pause(bool, Reply<()>),
    Seek(seek::Seeking),
    OpenLogs { only: Option<LogId>, reply: Reply<Vec<peek::OpenLog>> },
    Look { places: Vec<Place>, reply: Reply<Vec<Look>> },
    Stats(Reply<QueueStats>),
    Close { condition: Condition, reply: Reply<QueueStats> },
    Reopen,
    Numbers(Reply<Numbers>, mpsc::Sender<Message>),
    Counted(tally::Counted),
    Loads { consumers: Vec<u64>, reply: Reply<Vec<ConsumerLoad>> },
    Drain(oneshot::Sender<()>),
    Stop,
}

/// A cheap handle to a queue's task.
#[derive(Clone)]
pub struct QueueHandle {
    mailbox: mpsc::Sender<Message>,
    holds: Arc<holds::Holds>,
    depth: Option<Arc<Depth>>,
    leavers: Arc<pulls::Leavers>,
}

impl QueueHandle {
    async fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> Message) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.mailbox.send(message(reply)).await.map_err(|_| Error::queue_not_found("", None))?;
        answer.await.unwrap_or_else(|_| Err(Error::queue_not_found("", None)))
    }

    /// How full it is, if it has limits.
    pub fn depth(&self) -> Option<Arc<Depth>> {
        self.depth.clone()
    }

    /// Counts anew how full it is, if it has limits: after the picture that it is to be routed by is out.
    pub async fn recount(&self) {
        if self.depth.is_some() {
            // A queue that has ended has nothing to count.
            let _ = self.mailbox.send(Message::Recount).await;
        }
    }

    /// What stands in `log` before `below` is dead-lettered, as the log is over its limits. Left out when the task is busy:
    /// it will be told again.
    pub fn give_up(&self, log: LogId, below: Offset) {
        let _ = self.mailbox.try_send(Message::GiveUp { log, below });
    }

    /// Opens a consumer.
    pub async fn subscribe(&self, wish: Wish) -> Result<Subscription, Error> {
        let mailbox = self.mailbox.clone();
        self.ask(|reply| Message::Subscribe { wish, mailbox, reply }).await
    }

    /// Takes messages, waiting for the first. A caller that goes away takes none, and nobody waits behind it.
    pub async fn pull(&self, take: Take) -> Result<Taken, Error> {
        let caller = pulls::Caller::new(&self.leavers);
        let taken = self.ask(|reply| Message::Pull { take, reply }).await;
        caller.answered();
        taken
    }

    /// Settles deliveries, and answers once that is on disk.
    pub async fn settle(&self, held: Vec<Held>, settlement: Settlement) -> Result<Vec<SettleStatus>, Error> {
        settled(self.begin_settle(held, settlement).await?).await
    }

    /// Hands a settlement in: the order of these calls is the order in which they take effect.
    pub(crate) async fn begin_settle(&self, held: Vec<Held>, settlement: Settlement) -> Result<Settled, Error> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Settle { held, settlement, reply };
        self.mailbox.send(message).await.map_err(|_| Error::queue_not_found("", None))?;
        Ok(answer)
    }

    /// Before a commit that changes which bindings hold for what stands in `log` from `from` on: the queue does not read
    /// it until it is told the next bindings.
    pub fn hold(&self, log: LogId, from: Offset) {
        self.holds.hold(log, from);
    }

    /// Tells the queue what feeds it from now on.
    pub fn rebind(&self, bindings: Vec<Arc<BindingRecord>>) {
        let message = Message::Rebind { bindings, rules: self.holds.next_rules() };
        if let Err(mpsc::error::TrySendError::Full(message)) = self.mailbox.try_send(message) {
            let mailbox = self.mailbox.clone();
            tokio::spawn(async move { mailbox.send(message).await });
        }
    }

    /// Hands out nothing from now on, or all again. The catalogue's record tells the next start.
    pub async fn pause(&self, paused: bool) -> Result<(), Error> {
        self.ask(|reply| Message::Pause(paused, reply)).await
    }

    /// Drops all that waits; how many that were.
    pub async fn purge(&self) -> Result<u64, Error> {
        self.ask(Message::Purge).await
    }

    /// Moves the progress over logs, and answers once that is on disk: how many messages are ready then. Until then `pin`
    /// keeps what it needs.
    pub async fn seek(&self, targets: Vec<Target>, pin: Pin) -> Result<i64, Error> {
        self.ask(|reply| Message::Seek(seek::Seeking { targets, pin, reply })).await
    }

    /// Before the queue is deleted, with the gates of its logs held: its numbers, if it may be deleted. Who wants to consume
    /// then waits for [`stop`](Self::stop), or for [`reopen`](Self::reopen).
    pub async fn close(&self, condition: Condition) -> Result<QueueStats, Error> {
        self.ask(|reply| Message::Close { condition, reply }).await
    }

    /// It is not deleted after all.
    pub async fn reopen(&self) {
        // A queue that has ended lets nobody in.
        let _ = self.mailbox.send(Message::Reopen).await;
    }

    /// What each of these consumers takes and holds.
    pub async fn loads(&self, consumers: Vec<u64>) -> Result<Vec<ConsumerLoad>, Error> {
        self.ask(|reply| Message::Loads { consumers, reply }).await
    }

    /// Gives all deliveries back without failures and writes what a clean restart needs; answers once it is on disk.
    pub async fn drain(&self) {
        let (reply, done) = oneshot::channel();
        if self.mailbox.send(Message::Drain(reply)).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Ends the task: the queue is gone.
    pub fn stop(&self) {
        if let Err(mpsc::error::TrySendError::Full(message)) = self.mailbox.try_send(Message::Stop) {
            let mailbox = self.mailbox.clone();
            tokio::spawn(async move { mailbox.send(message).await });
        }
    }
}

/// A rule over an interval of one log: what one binding matches.
#[derive(Debug, Clone)]
pub(crate) struct Interval {
    pub binding: u64,
    pub from: Offset,
    pub to: Option<Offset>,
    pub rule: Arc<crate::catalogue::rule::Rule>,
}

impl Interval {
    /// True if the message lies in it and has the patterns; its filters are another question.
    pub(crate) fn covers(&self, offset: Offset, message: &Bytes) -> bool {
        self.from + u64::from(cfg!(feature = "planted-interval")) <= offset
            && self.to.is_none_or(|to| offset < to)
            && (self.rule.takes_every_key() || self.rule.takes_key(ferrymq_core::message::routing_key(message)))
    }
}
