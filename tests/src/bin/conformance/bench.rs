//! How fast the client is, beside the bare stubs of its gRPC library against a server that answers at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ferrymq_client::v1::{AckRequest, Message, PublishRequest, PublishStreamRequest, Queue, publish_confirm};
use ferrymq_client::{Client, Destination, message, queue, to_queue};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_stream::wrappers::ReceiverStream;

use crate::Failure;

const PAYLOAD_BYTES: usize = 1024;
/// What fits the client's default batch.
const BATCH_MESSAGES: usize = 240;
const UNCONFIRMED_BATCHES: usize = 64;

pub async fn run(url: &str, noop_url: &str, seconds: &str) -> Result<(), Failure> {
    let time = Duration::from_secs_f64(seconds.parse()?);
    let client = Client::connect(url).await?;
    for name in ["bench-publish", "bench-through"] {
        client.create_queue(Queue { name: name.to_owned(), ..Queue::default() }, vec![]).await?;
    }
    report("publish", publish(&client, time).await?);
    report("through", through(&client, time).await?);
    let noop = Client::connect(noop_url).await?;
    report("noop publish", counted(time, |count| bare_publish(noop.clone(), count)).await?);
    report("noop through", bare_through(&noop, time).await?);
    for name in ["bench-publish", "bench-through"] {
        client.delete_queue(name, true).await?;
    }
    Ok(())
}

fn report(name: &str, messages_per_second: f64) {
    println!("{}", json!({"name": name, "messages_per_second": messages_per_second.round()}));
}

fn payload() -> Message {
    message(vec![b'x'; PAYLOAD_BYTES])
}

async fn publish(client: &Client, time: Duration) -> Result<f64, Failure> {
    let publisher = client.publisher(to_queue("bench-publish"));
    let (message, begin) = (payload(), Instant::now());
    let mut count = 0_u32;
    while begin.elapsed() < time {
        publisher.publish(message.clone()).await?;
        count += 1;
    }
    publisher.flush().await?;
    let rate = f64::from(count) / begin.elapsed().as_secs_f64();
    publisher.close().await?;
    Ok(rate)
}

async fn through(client: &Client, time: Duration) -> Result<f64, Failure> {
    let mut request = queue("bench-through");
    request.prefetch = 10_000;
    request.prefetch_bytes = 64 << 20;
    let mut subscriber = client.subscribe(request).await?;
    let publisher = client.publisher(to_queue("bench-through"));
    let begin = Instant::now();
    let publishing = tokio::spawn(async move {
        let message = payload();
        let mut count = 0_u64;
        while begin.elapsed() < time {
            publisher.publish(message.clone()).await?;
            count += 1;
        }
        publisher.close().await?;
        Ok::<u64, Failure>(count)
    });
    let (mut received, mut published) = (0_u64, None);
    tokio::pin!(publishing);
    while published.is_none_or(|published| received < published) {
        tokio::select! {
            delivery = subscriber.next() => {
                delivery.ok_or("the stream has ended")??.ack();
                received += 1;
            }
            count = &mut publishing, if published.is_none() => published = Some(count??),
        }
    }
    subscriber.close().await?;
    Ok(received as f64 / begin.elapsed().as_secs_f64())
}

/// Runs `work`, which counts messages, for so long.
async fn counted<F>(time: Duration, work: impl Fn(Arc<AtomicU64>) -> F) -> Result<f64, Failure>
where
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let count = Arc::new(AtomicU64::new(0));
    let mut task = tokio::spawn(work(Arc::clone(&count)));
    tokio::select! {
        ended = &mut task => ended??,
        () = sleep(time) => task.abort(),
    }
    Ok(count.load(Ordering::Relaxed) as f64 / time.as_secs_f64())
}

async fn bare_through(client: &Client, time: Duration) -> Result<f64, Failure> {
    let publish = counted(time, |count| bare_publish(client.clone(), count));
    let consume = counted(time, |count| bare_consume(client.clone(), count));
    let (published, consumed) = tokio::try_join!(publish, consume)?;
    Ok(published.min(consumed))
}

async fn bare_publish(client: Client, count: Arc<AtomicU64>) -> Result<(), Failure> {
    let (requests, to_send) = mpsc::channel(UNCONFIRMED_BATCHES);
    let mut responses = client.messaging().publish_stream(ReceiverStream::new(to_send)).await?.into_inner();
    let destination = Some(Destination::Queue("noop".to_owned()));
    let batch = PublishRequest { destination, messages: vec![payload(); BATCH_MESSAGES], ..PublishRequest::default() };
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut id = 0;
        while requests.send(PublishStreamRequest { id, batch: Some(batch.clone()) }).await.is_ok() {
            id += 1;
        }
    });
    while let Some(response) = responses.message().await? {
        for confirm in response.confirms {
            if let Some(publish_confirm::Outcome::Confirmed(confirmed)) = confirm.outcome {
                count.fetch_add(confirmed.results.len() as u64, Ordering::Relaxed);
            }
        }
    }
    Ok(())
}

async fn bare_consume(client: Client, count: Arc<AtomicU64>) -> Result<(), Failure> {
    let mut responses = client.messaging().subscribe(queue(format!("noop-{PAYLOAD_BYTES}"))).await?.into_inner();
    while let Some(response) = responses.message().await? {
        let ack_ids: Vec<_> = response.deliveries.into_iter().map(|delivery| delivery.ack_id).collect();
        if !ack_ids.is_empty() {
            let acked = client.messaging().ack(AckRequest { ack_ids }).await?.into_inner();
            count.fetch_add(acked.statuses.len() as u64, Ordering::Relaxed);
        }
    }
    Ok(())
}
