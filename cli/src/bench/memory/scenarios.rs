//! What there is very much of.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use ferrymq_client::streams::SubscribeStream;
use ferrymq_client::v1::log_point::At;
use ferrymq_client::v1::subscribe_request::Source;
use ferrymq_client::v1::{
    Delivery, LogEdge, LogPoint, Message, NackMode, Ordering, Queue, RetryPolicy, SubscribeRequest, Topic,
};
use ferrymq_client::{Client, Destination};
use tokio::task::JoinSet;

use super::{Finding, PAYLOAD_BYTES, Stage, queue};
use crate::bench::filling::{self, Messages};
use crate::bench::load;
use crate::failure::Failure;

pub const QUEUE: &str = "bench-memory";
/// In the order in which they are measured.
pub const SCENARIOS: [&str; 7] =
    ["queues", "backlog", "unsettled", "nacked for an hour", "nacked in waves", "keys", "slow broadcasts"];

const QUEUES: u64 = 10_000;
const MESSAGES_EACH: usize = 10;
const CALLS_IN_FLIGHT: usize = 64;
const BACKLOG: u64 = 10_000_000;
const UNSETTLED: u64 = 100_000;
const NACKED: u64 = 1_000_000;
/// How often each message is nacked in waves, before it is acked.
const WAVES: i32 = 2;
const KEYS: u64 = 1_000_000;
const BROADCASTS: u64 = 500;
const BROADCAST_MESSAGES: u64 = 200_000;
const BROADCAST_PAYLOAD_BYTES: usize = 1 << 10;
/// The largest prefetch.
const PREFETCH: i32 = 100_000;
const PREFETCH_BYTES: i64 = 256 << 20;
/// Ids in one ack or nack.
const IDS_MAX: usize = 1_000;
/// A delay that is not over before the measurement is.
const HOUR: Duration = Duration::from_secs(3_600);
/// After so long without a delivery no more are expected.
const STALLED: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// So often the same, and nothing moves any more.
const LOOKS: usize = 20;

/// Measures one of [`SCENARIOS`] on brokers of its own under `dir`.
pub async fn perform(scenario: &str, dir: &Path, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    match scenario {
        "queues" => findings.push(queues(dir).await?),
        "backlog" => backlog(dir, findings).await?,
        "unsettled" => findings.push(unsettled(dir).await?),
        "nacked for an hour" => findings.push(nacked_for_an_hour(dir).await?),
        "nacked in waves" => findings.push(nacked_in_waves(dir).await?),
        "keys" => keys(dir, findings).await?,
        _ => findings.push(slow_broadcasts(dir).await?),
    }
    Ok(())
}

/// Each queue with some messages.
async fn queues(dir: &Path) -> Result<Finding, Failure> {
    let stage = Stage::start(dir).await?;
    let mut calls = JoinSet::new();
    for number in 0..QUEUES {
        if calls.len() >= CALLS_IN_FLIGHT {
            ended(calls.join_next().await)?;
        }
        calls.spawn(one_queue(stage.client.clone(), format!("{QUEUE}-{number}")));
    }
    while let Some(done) = calls.join_next().await {
        ended(Some(done))?;
    }
    stage.finding("queues, 10 messages each", QUEUES).await
}

async fn one_queue(client: Client, name: String) -> Result<(), Failure> {
    client.create_queue(Queue { name: name.clone(), ..Queue::default() }, Vec::new()).await?;
    let payload = Bytes::from(vec![b'x'; PAYLOAD_BYTES]);
    let messages = vec![Message { payload, ..Message::default() }; MESSAGES_EACH];
    client.publish(Destination::Queue(name), messages).await?;
    Ok(())
}

/// Filled; then kill -9, a restart, and all of it taken and acked.
async fn backlog(dir: &Path, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let mut stage = Stage::filled(dir, queue(Ordering::None), Messages::plain(BACKLOG, PAYLOAD_BYTES)).await?;
    findings.push(stage.finding("backlog, published", BACKLOG).await?);
    stage.server.kill().await?;
    let stage = Stage::start(dir).await?;
    drain(&stage, BACKLOG).await?;
    findings.push(stage.finding("backlog, acked after kill -9", BACKLOG).await?);
    Ok(())
}

/// Delivered to one consumer, which keeps them.
async fn unsettled(dir: &Path) -> Result<Finding, Failure> {
    let stage = Stage::filled(dir, queue(Ordering::None), Messages::plain(UNSETTLED, PAYLOAD_BYTES)).await?;
    let mut subscriber = filling::open(&stage.client, QUEUE, PREFETCH, PREFETCH_BYTES).await?;
    let mut held = 0;
    while held < UNSETTLED {
        held += filling::take(&mut subscriber).await?.len() as u64;
    }
    stage.finding("unsettled deliveries", held).await
}

/// All that is delivered is to come again much later: as when a service is down that every message needs. Ends when no
/// more is delivered: the count is how many were nacked.
async fn nacked_for_an_hour(dir: &Path) -> Result<Finding, Failure> {
    let stage = Stage::filled(dir, patient(), Messages::plain(NACKED, PAYLOAD_BYTES)).await?;
    let mut subscriber = filling::open(&stage.client, QUEUE, PREFETCH, PREFETCH_BYTES).await?;
    let mut nacked = 0;
    while nacked < NACKED
        && let Ok(batch) = tokio::time::timeout(STALLED, filling::take(&mut subscriber)).await
    {
        nacked += nack(&stage.client, batch?, Some(HOUR)).await?;
    }
    stage.finding("nacked, due in an hour", nacked).await
}

/// Each is nacked again and again, comes back after the queue's backoff, and is acked at last.
async fn nacked_in_waves(dir: &Path) -> Result<Finding, Failure> {
    let stage = Stage::filled(dir, patient(), Messages::plain(NACKED, PAYLOAD_BYTES)).await?;
    let mut subscriber = filling::open(&stage.client, QUEUE, PREFETCH, PREFETCH_BYTES).await?;
    let mut acked = 0;
    while acked < NACKED
        && let Ok(batch) = tokio::time::timeout(STALLED, filling::take(&mut subscriber)).await
    {
        let (again, done): (Vec<_>, Vec<_>) = batch?.into_iter().partition(|delivery| delivery.attempt <= WAVES);
        nack(&stage.client, again, None).await?;
        acked += ack(&stage.client, done).await?;
    }
    stage.finding(format!("nacked {WAVES} times, then acked"), acked).await
}

/// Each message has a key of its own. As many as can be are with a consumer before the first is acked.
async fn keys(dir: &Path, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let keyed = Messages { key: |n| format!("key-{n}"), ..Messages::plain(KEYS, PAYLOAD_BYTES) };
    let stage = Stage::filled(dir, queue(Ordering::Key), keyed).await?;
    findings.push(stage.finding("keys, published", KEYS).await?);
    let mut subscriber = filling::open(&stage.client, QUEUE, PREFETCH, PREFETCH_BYTES).await?;
    let mut held = Vec::new();
    while held.len() < PREFETCH as usize {
        held.extend(filling::take(&mut subscriber).await?);
    }
    findings.push(stage.finding("keys, unsettled", held.len() as u64).await?);
    let settled = ack(&stage.client, held).await?;
    filling::drain(&stage.client, &mut subscriber, KEYS - settled, |_| true).await?;
    findings.push(stage.finding("keys, acked", KEYS).await?);
    Ok(())
}

/// Replays that nobody reads, each on a connection of its own.
async fn slow_broadcasts(dir: &Path) -> Result<Finding, Failure> {
    let stage = Stage::start(dir).await?;
    let topic = Topic { name: QUEUE.to_owned(), ..Topic::default() };
    stage.client.create_topic(topic).await?;
    let messages = Messages::plain(BROADCAST_MESSAGES, BROADCAST_PAYLOAD_BYTES);
    filling::fill(&stage.client, Destination::Topic(QUEUE.to_owned()), messages).await?;
    let mut slow = Vec::new();
    for _ in 0..BROADCASTS {
        slow.push(replay(&stage.server.url).await?);
    }
    let (mut delivered, mut same) = (-1, 0);
    while same < LOOKS {
        tokio::time::sleep(LOOK_EVERY).await;
        let stats = stage.client.stats(Vec::new(), Vec::new()).await?.broker.unwrap_or_default();
        same = if stats.delivered == delivered { same + 1 } else { 0 };
        delivered = stats.delivered;
    }
    stage.finding("broadcasts that are not read", slow.len() as u64).await
}

async fn replay(url: &str) -> Result<SubscribeStream, Failure> {
    let client = Client::builder(url).connections(1).connect().await?;
    let request = SubscribeRequest {
        source: Some(Source::Topic(QUEUE.to_owned())),
        start: Some(LogPoint { at: Some(At::Edge(LogEdge::Earliest.into())) }),
        ..SubscribeRequest::default()
    };
    Ok(client.subscribe_stream(request).await?)
}

/// A queue that never gives a message up.
fn patient() -> Queue {
    let retry = RetryPolicy { max_attempts: Some(0), ..RetryPolicy::default() };
    Queue { retry: Some(retry), ..queue(Ordering::None) }
}

async fn drain(stage: &Stage, count: u64) -> Result<(), Failure> {
    let mut subscriber = filling::open(&stage.client, QUEUE, PREFETCH / 10, 0).await?;
    filling::drain(&stage.client, &mut subscriber, count, |_| true).await?;
    Ok(())
}

async fn ack(client: &Client, batch: Vec<Delivery>) -> Result<u64, Failure> {
    let ids: Vec<Bytes> = batch.into_iter().map(|delivery| delivery.ack_id).collect();
    for part in ids.chunks(IDS_MAX) {
        load::settled(Some(Ok(client.ack(part.to_vec()).await)))?;
    }
    Ok(ids.len() as u64)
}

async fn nack(client: &Client, batch: Vec<Delivery>, delay: Option<Duration>) -> Result<u64, Failure> {
    let ids: Vec<Bytes> = batch.into_iter().map(|delivery| delivery.ack_id).collect();
    for part in ids.chunks(IDS_MAX) {
        load::settled(Some(Ok(client.nack(part.to_vec(), NackMode::Retry, delay, "the service is down").await)))?;
    }
    Ok(ids.len() as u64)
}

fn ended(done: Option<Result<Result<(), Failure>, tokio::task::JoinError>>) -> Result<(), Failure> {
    done.map_or(Ok(Ok(())), |done| done).map_err(|e| Failure::other(e.to_string()))?
}
