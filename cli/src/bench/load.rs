//! The one load generator, for the broker and for the server that does nothing. Every confirm is checked.

use std::time::{Duration, Instant};

use ferrymq_client::streams::{BatchConfirm, PublishStreamOptions, SubscribeStream};
use ferrymq_client::v1::{Message, PublishResponse, SettleStatus};
use ferrymq_client::{Client, Destination};
use hdrhistogram::Histogram;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::failure::Failure;

/// Messages in each batch of a publish stream, and ids in each ack.
pub const BATCH_MESSAGES: usize = 100;
const UNCONFIRMED_BATCHES_MAX: usize = 64;
const ACKS_IN_FLIGHT_MAX: usize = 16;
/// How long after its load a scenario may take to come to its end.
const SETTLING: Duration = Duration::from_secs(60);
/// How often a limited rate sends what is due.
const PACE: Duration = Duration::from_micros(250);
/// Longer latencies count as this.
const LATENCY_MAX_US: u64 = 600_000_000;

/// What one scenario did.
pub struct Outcome {
    pub messages: u64,
    pub seconds: f64,
    /// In microseconds, one for each request (for each message end to end).
    pub latency: Histogram<u64>,
}

/// Where the load goes.
#[derive(Clone)]
pub struct Target {
    pub client: Client,
    pub topic: String,
    pub payload_bytes: usize,
    /// How many ordering keys the messages have in turn; 0: none.
    pub keys: u64,
    /// How many queues each message must reach.
    pub queues: i32,
    pub duration: Duration,
}

/// Names end in the payload's size, so that a server which keeps nothing can tell.
pub fn payload_bytes_of(name: &str) -> usize {
    name.rsplit('-').next().and_then(|size| size.parse().ok()).unwrap_or(0).min(1 << 20)
}

/// Single messages, each caller waiting for its confirm before the next.
pub async fn unary(target: &Target, callers: usize) -> Result<Outcome, Failure> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        tasks.spawn(one_caller(target.clone(), start));
    }
    let mut total = Outcome::new();
    while let Some(done) = tasks.join_next().await {
        total.merge(done.map_err(|e| Failure::other(e.to_string()))??);
    }
    total.ended(start)
}

async fn one_caller(target: Target, start: Instant) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::new();
    while start.elapsed() < target.duration {
        let sent = Instant::now();
        let destination = Destination::Topic(target.topic.clone());
        let response = target.client.publish(destination, vec![target.message(start, 0)]).await?;
        check(&response, 1, target.queues)?;
        outcome.record(sent.elapsed(), 1);
    }
    Ok(outcome)
}

/// Batches of [`BATCH_MESSAGES`], pipelined on one stream.
pub async fn stream(target: &Target) -> Result<Outcome, Failure> {
    publish(target, Instant::now(), None).await
}

/// Publishes for the target's duration, as fast as confirms allow or at `rate` messages each second.
async fn publish(target: &Target, start: Instant, rate: Option<f64>) -> Result<Outcome, Failure> {
    let options =
        PublishStreamOptions { unconfirmed_batches_max: UNCONFIRMED_BATCHES_MAX, ..PublishStreamOptions::default() };
    let publisher = target.client.publish_stream_with(Destination::Topic(target.topic.clone()), options);
    let (confirms, receiver) = mpsc::channel(UNCONFIRMED_BATCHES_MAX);
    let counting = tokio::spawn(count(receiver, target.queues));
    let mut ticks = rate.map(|_| pace());
    let mut sent = 0_usize;
    while start.elapsed() < target.duration {
        let due = rate.map_or(BATCH_MESSAGES, |rate| {
            let due = (start.elapsed().as_secs_f64() * rate) as usize;
            due.saturating_sub(sent).min(BATCH_MESSAGES)
        });
        if due == 0 {
            if let Some(ticks) = &mut ticks {
                ticks.recv().await;
            }
            continue;
        }
        let batch = (sent..sent + due).map(|n| target.message(start, n as u64)).collect();
        let at = Instant::now();
        let confirm = publisher.publish(batch).await?;
        sent += due;
        if confirms.send((confirm, at, due)).await.is_err() {
            break;
        }
    }
    drop(confirms);
    let outcome = counting.await.map_err(|e| Failure::other(e.to_string()))??;
    publisher.finish().await?;
    outcome.ended(start)
}

/// Ticks every [`PACE`], so that a rate is even: the runtime's own timer is too coarse. Ends with its receiver.
fn pace() -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        while !matches!(sender.try_send(()), Err(mpsc::error::TrySendError::Closed(()))) {
            std::thread::sleep(PACE);
        }
    });
    receiver
}

async fn count(mut confirms: mpsc::Receiver<(BatchConfirm, Instant, usize)>, queues: i32) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::new();
    while let Some((confirm, sent, messages)) = confirms.recv().await {
        check(&confirm.await?, messages, queues)?;
        outcome.record(sent.elapsed(), messages as u64);
    }
    Ok(outcome)
}

/// Publishes, receives from every queue of the topic and acks; ends when all that was confirmed was acked everywhere.
/// Counts deliveries; latency is from publish to receipt.
pub async fn end_to_end(target: &Target, rate: Option<f64>) -> Result<Outcome, Failure> {
    let whole = tokio::time::timeout(target.duration + SETTLING, round(target, rate));
    whole.await.unwrap_or_else(|_| Err(Failure::other("some confirmed messages were not delivered")))
}

async fn round(target: &Target, rate: Option<f64>) -> Result<Outcome, Failure> {
    let start = Instant::now();
    let (published, is_published) = tokio::sync::watch::channel(None);
    let mut consumers = JoinSet::new();
    for number in 0..target.queues {
        let mut request = ferrymq_client::queue(format!("{}.{number}", target.topic));
        request.prefetch = 10_000;
        let subscriber = target.client.subscribe_stream(request).await?;
        consumers.spawn(consume(target.client.clone(), subscriber, start, is_published.clone()));
    }
    let messages = publish(target, start, rate).await?.messages;
    let _ = published.send(Some(messages));
    let mut total = Outcome::new();
    while let Some(done) = consumers.join_next().await {
        total.merge(done.map_err(|e| Failure::other(e.to_string()))??);
    }
    total.ended(start)
}

/// Takes and acks until it has had as many as were published.
async fn consume(
    client: Client,
    mut subscriber: SubscribeStream,
    start: Instant,
    mut published: watch::Receiver<Option<u64>>,
) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::new();
    let mut acks = JoinSet::new();
    while *published.borrow_and_update() != Some(outcome.messages) {
        let batch = tokio::select! {
            Ok(()) = published.changed() => continue,
            batch = subscriber.next_batch() => batch?,
        };
        let batch = batch.ok_or_else(|| Failure::other("the broker ended the subscription"))?;
        let mut ids = Vec::with_capacity(batch.len());
        for delivery in batch {
            if delivery.attempt > 1 {
                return Err(Failure::other("a message came twice"));
            }
            outcome.record(age(delivery.message.as_ref(), start), 1);
            ids.push(delivery.ack_id);
        }
        if acks.len() >= ACKS_IN_FLIGHT_MAX {
            settled(acks.join_next().await)?;
        }
        let client = client.clone();
        acks.spawn(async move { client.ack(ids).await });
    }
    while let Some(done) = acks.join_next().await {
        settled(Some(done))?;
    }
    Ok(outcome)
}

type Acked = Result<Result<Vec<SettleStatus>, ferrymq_client::Error>, tokio::task::JoinError>;

pub fn settled(done: Option<Acked>) -> Result<(), Failure> {
    let Some(done) = done else { return Ok(()) };
    let statuses = done.map_err(|e| Failure::other(e.to_string()))??;
    match statuses.iter().find(|status| **status != SettleStatus::Ok) {
        Some(status) => Err(Failure::other(format!("an ack was answered {}", status.as_str_name()))),
        None => Ok(()),
    }
}

/// Takes deliveries without end and settles none: only for the server that does nothing.
pub async fn deliver(target: &Target) -> Result<Outcome, Failure> {
    let mut subscriber = target.client.subscribe_stream(ferrymq_client::queue(&target.topic)).await?;
    let start = Instant::now();
    let mut outcome = Outcome::new();
    while start.elapsed() < target.duration {
        let waited = Instant::now();
        let batch = subscriber.next_batch().await?.unwrap_or_default();
        outcome.record(waited.elapsed(), batch.len() as u64);
    }
    outcome.ended(start)
}

/// Acks of [`BATCH_MESSAGES`] ids, some in flight: only for the server that does nothing.
pub async fn ack(target: &Target) -> Result<Outcome, Failure> {
    let start = Instant::now();
    let mut outcome = Outcome::new();
    let mut acks = JoinSet::new();
    let ids = vec![bytes::Bytes::from_static(&[7; 20]); BATCH_MESSAGES];
    while start.elapsed() < target.duration {
        let (client, ids) = (target.client.clone(), ids.clone());
        let sent = Instant::now();
        acks.spawn(async move { client.ack(ids).await });
        if acks.len() >= ACKS_IN_FLIGHT_MAX {
            settled(acks.join_next().await)?;
            outcome.record(sent.elapsed(), BATCH_MESSAGES as u64);
        }
    }
    while let Some(done) = acks.join_next().await {
        settled(Some(done))?;
        outcome.messages += BATCH_MESSAGES as u64;
    }
    outcome.ended(start)
}

fn check(response: &PublishResponse, messages: usize, queues: i32) -> Result<(), Failure> {
    let right = response.results.iter().all(|r| r.queues_matched == queues && r.position.is_some());
    if response.results.len() == messages && right {
        return Ok(());
    }
    Err(Failure::other("a confirm did not say what was published"))
}

/// How long ago the message was made; its first bytes say when.
fn age(message: Option<&Message>, start: Instant) -> Duration {
    let stamp = message.and_then(|message| message.payload.first_chunk::<8>());
    let made = stamp.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    start.elapsed().saturating_sub(Duration::from_nanos(made))
}

impl Target {
    fn message(&self, start: Instant, n: u64) -> Message {
        let mut payload = vec![b'x'; self.payload_bytes];
        if let Some(stamp) = payload.first_chunk_mut::<8>() {
            *stamp = (start.elapsed().as_nanos() as u64).to_le_bytes();
        }
        let ordering_key = if self.keys == 0 { String::new() } else { format!("k{}", n % self.keys) };
        Message { payload: payload.into(), ordering_key, ..Message::default() }
    }
}

impl Outcome {
    pub fn new() -> Self {
        // Bounded: recording saturates at the bounds, and a histogram without them begins with 2 ms.
        let latency = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).expect("the bounds are allowed");
        Self { messages: 0, seconds: 0.0, latency }
    }

    pub fn record(&mut self, latency: Duration, messages: u64) {
        self.latency.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        self.messages += messages;
    }

    pub fn merge(&mut self, other: Self) {
        self.messages += other.messages;
        // Both grow as needed, so that adding cannot fail.
        self.latency += other.latency;
    }

    pub fn ended(mut self, start: Instant) -> Result<Self, Failure> {
        self.seconds = start.elapsed().as_secs_f64();
        Ok(self)
    }

    /// Messages each second.
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.seconds.max(1e-9)
    }
}
