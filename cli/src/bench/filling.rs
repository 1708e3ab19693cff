//! Filling a queue with so many messages, and emptying it again.

use std::time::Instant;

use bytes::Bytes;
use ferrymq_client::streams::{BatchConfirm, PublishStream, SubscribeStream};
use ferrymq_client::v1::{Delivery, Message};
use ferrymq_client::{Client, Destination};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::load::{self, BATCH_MESSAGES, Outcome};
use crate::failure::Failure;

const CONFIRMS_MAX: usize = 256;
const ACKS_IN_FLIGHT_MAX: usize = 16;

/// Messages that are alike, but for the ordering key of the n-th.
#[derive(Clone, Copy)]
pub struct Messages {
    pub count: u64,
    pub payload_bytes: usize,
    pub key: fn(u64) -> String,
}

impl Messages {
    /// Without ordering keys.
    pub fn plain(count: u64, payload_bytes: usize) -> Self {
        Self { count, payload_bytes, key: |_| String::new() }
    }
}

/// Publishes them; returns when all are confirmed.
pub async fn fill(client: &Client, to: Destination, messages: Messages) -> Result<(), Failure> {
    let publisher = client.publish_stream(to);
    let (confirms, mut waiting) = mpsc::channel::<BatchConfirm>(CONFIRMS_MAX);
    let checking = async move {
        while let Some(confirm) = waiting.recv().await {
            confirm.await?;
        }
        Ok::<(), Failure>(())
    };
    let (sent, checked) = tokio::join!(send(&publisher, &messages, confirms), checking);
    sent.and(checked)?;
    Ok(publisher.finish().await?)
}

async fn send(
    publisher: &PublishStream,
    messages: &Messages,
    confirms: mpsc::Sender<BatchConfirm>,
) -> Result<(), Failure> {
    let payload = Bytes::from(vec![b'x'; messages.payload_bytes]);
    let one = |n| Message { payload: payload.clone(), ordering_key: (messages.key)(n), ..Message::default() };
    for from in (0..messages.count).step_by(BATCH_MESSAGES) {
        let batch = (from..messages.count.min(from + BATCH_MESSAGES as u64)).map(one).collect();
        let confirm = publisher.publish(batch).await?;
        if confirms.send(confirm).await.is_err() {
            return Err(Failure::other("a confirm failed"));
        }
    }
    Ok(())
}

/// Opens a stream of a queue that holds so many messages at once, and so many bytes; 0: as many bytes as by default.
pub async fn open(
    client: &Client,
    queue: &str,
    prefetch: i32,
    prefetch_bytes: i64,
) -> Result<SubscribeStream, Failure> {
    let mut request = ferrymq_client::queue(queue);
    request.prefetch = prefetch;
    request.prefetch_bytes = prefetch_bytes;
    Ok(client.subscribe_stream(request).await?)
}

/// The next deliveries; that there are none is a failure.
pub async fn take(subscriber: &mut SubscribeStream) -> Result<Vec<Delivery>, Failure> {
    let batch = subscriber.next_batch().await?;
    batch.ok_or_else(|| Failure::other("the broker ended the subscription"))
}

/// Takes and acks `count` of the messages that are `wanted`; the others it keeps. Latency is the wait for each batch.
pub async fn drain(
    client: &Client,
    subscriber: &mut SubscribeStream,
    count: u64,
    wanted: impl Fn(&Delivery) -> bool,
) -> Result<Outcome, Failure> {
    let (start, mut outcome) = (Instant::now(), Outcome::new());
    let mut acks = JoinSet::new();
    while outcome.messages < count {
        let waited = Instant::now();
        let batch = take(subscriber).await?;
        let ids: Vec<Bytes> = batch.into_iter().filter(&wanted).map(|delivery| delivery.ack_id).collect();
        if ids.is_empty() {
            continue;
        }
        outcome.record(waited.elapsed(), ids.len() as u64);
        if acks.len() >= ACKS_IN_FLIGHT_MAX {
            load::settled(acks.join_next().await)?;
        }
        let client = client.clone();
        acks.spawn(async move { client.ack(ids).await });
    }
    while let Some(done) = acks.join_next().await {
        load::settled(Some(done))?;
    }
    outcome.ended(start)
}
