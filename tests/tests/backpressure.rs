//! A producer that sends faster than its destination takes is slowed down: it is not refused, it does not fill the broker, and it
//! holds up nobody else.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ferrymq_client::v1::publish_confirm::Outcome;
use ferrymq_client::v1::{Limits, Message, PublishRequest, PublishStreamRequest, Queue};
use ferrymq_client::{Client, Destination};
use ferrymq_tests::{Broker, acked, create_queue, message, payloads, pull_some, within};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

const BATCH_BYTES: usize = 64 << 10;
/// More than the broker takes of all publishers together.
const BATCHES: usize = 2_000;
/// What one stream may have in the broker that waits for room, and what flow control lets a client send ahead of that.
const TAKEN_BYTES_MAX: usize = 8 << 20;

async fn limited(client: &Client, name: &str, max_messages: i64) {
    let limits = Some(Limits { max_messages, ..Limits::default() });
    create_queue(client, Queue { name: name.to_owned(), limits, ..Queue::default() }, &[]).await;
}

/// A large message that begins with its number.
fn large(number: usize) -> Message {
    let mut payload = number.to_string().into_bytes();
    payload.resize(BATCH_BYTES, b' ');
    message("", payload)
}

/// Sends as fast as it is let; counts what has left. Its batches are confirmed in their order, or the test fails.
async fn flood(client: Client, queue: &str, sent: Arc<AtomicUsize>) -> tokio::task::JoinHandle<()> {
    let (requests, stream) = mpsc::channel(1);
    let destination = Some(Destination::Queue(queue.to_owned()));
    tokio::spawn(async move {
        for id in 0..BATCHES {
            let (destination, messages) = (destination.clone(), vec![large(id)]);
            let batch = Some(PublishRequest { destination, messages, ..PublishRequest::default() });
            if requests.send(PublishStreamRequest { id: id as i64, batch }).await.is_err() {
                return;
            }
            sent.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut confirms = client.messaging().publish_stream(ReceiverStream::new(stream)).await.unwrap().into_inner();
    tokio::spawn(async move {
        let mut next = 0;
        while let Ok(Some(response)) = confirms.message().await {
            for confirm in response.confirms {
                assert!(matches!(confirm.outcome, Some(Outcome::Confirmed(_))), "refused: {confirm:?}");
                assert_eq!(confirm.id, next);
                next += 1;
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_slows_its_producer_down_and_no_other() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    limited(&client, "full", 10).await;
    limited(&client, "other", 1_000_000).await;
    let sent = Arc::new(AtomicUsize::new(0));
    let confirms = flood(broker.client().await, "full", sent.clone()).await;
    // Others go on; once nothing more has left the producer during many of their confirms, it waits.
    let (mut same, mut before) = (0, 0);
    while same < 300 {
        let publish = client.publish(Destination::Queue("other".into()), vec![message("", "x")]);
        within("a confirm of another queue", publish).await.unwrap();
        let now = sent.load(Ordering::SeqCst);
        same = if now == before && now > 0 { same + 1 } else { 0 };
        before = now;
    }
    assert!(before * BATCH_BYTES <= TAKEN_BYTES_MAX, "{before} batches were taken");
    let full = client.get_queue("full").await.unwrap().stats.unwrap();
    assert_eq!(full.ready, 10, "what waits is not in the queue");
    // It goes on where it stood, in order.
    let mut taken = 0;
    while taken < before {
        let some = pull_some(&client, "full").await;
        assert!(some.len() <= 10);
        acked(&client, &some).await;
        for payload in payloads(&some) {
            assert_eq!(payload.trim_end(), taken.to_string());
            taken += 1;
        }
    }
    within("more of the producer", async {
        while sent.load(Ordering::SeqCst) == before {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(broker);
    within("the end of the stream", confirms).await.unwrap();
}
