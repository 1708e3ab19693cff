//! Hundreds of broadcasts that are not read cost the broker little memory, and hold nobody up.

use bytes::Bytes;
use ferrymq_client::Client;
use ferrymq_client::streams::SubscribeStream;
use ferrymq_client::v1::{LogEdge, LogPoint, SubscribeRequest, log_point::At, subscribe_request::Source};
use ferrymq_tests::{Broker, create_topic, message, publish, within};

/// Each on a connection of its own: those of one connection share its flow control window.
const STREAMS: usize = 300;
const BATCHES: usize = 64;
const BATCH: usize = 32;
const MESSAGE_BYTES: usize = 32 << 10;

/// Most memory that one broadcast may take, in bytes, measured over all of them.
const BROADCAST_BYTES_MAX: i64 = 512 << 10;

async fn numbers(client: &Client) -> (i64, i64) {
    let broker = client.stats(Vec::new(), Vec::new()).await.expect("stats are there").broker.unwrap_or_default();
    (broker.memory_bytes, broker.delivered)
}

/// Memory of the broker, once it delivers no more.
async fn memory_at_rest(client: &Client) -> i64 {
    let (mut same, mut delivered) = (0, -1);
    let at_rest = async {
        loop {
            let (memory, now) = numbers(client).await;
            same = if now == delivered { same + 1 } else { 0 };
            delivered = now;
            if same == 200 {
                return memory;
            }
        }
    };
    within("the broker to rest", at_rest).await
}

async fn fill(client: &Client) {
    let payload = Bytes::from(vec![b'x'; MESSAGE_BYTES]);
    for _ in 0..BATCHES {
        publish(client, "t", (0..BATCH).map(|_| message("", payload.clone())).collect()).await;
    }
}

async fn replay(client: &Client, stop: LogEdge) -> SubscribeStream {
    let edge = |edge: LogEdge| Some(LogPoint { at: Some(At::Edge(edge.into())) });
    let request = SubscribeRequest {
        source: Some(Source::Topic("t".into())),
        start: edge(LogEdge::Earliest),
        stop: edge(stop),
        ..SubscribeRequest::default()
    };
    within("an open stream", client.subscribe_stream(request)).await.expect("a broadcast can be opened")
}

async fn count(stream: &mut SubscribeStream) -> usize {
    let mut all = 0;
    while let Some(batch) = within("a delivery", stream.next_batch()).await.expect("the stream is whole") {
        all += batch.len();
    }
    all
}

#[tokio::test]
async fn hundreds_of_broadcasts_that_are_not_read_take_little_memory() {
    let broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    fill(&client).await;
    // The caches are as full as they get.
    assert_eq!(count(&mut replay(&client, LogEdge::Latest).await).await, BATCHES * BATCH);
    let before = memory_at_rest(&client).await;
    let mut slow = Vec::new();
    for _ in 0..STREAMS {
        slow.push(replay(&broker.client().await, LogEdge::Latest).await);
    }
    let grown = memory_at_rest(&client).await - before;
    let each = grown / STREAMS as i64;
    assert!(each <= BROADCAST_BYTES_MAX, "{each} bytes for each of {STREAMS} broadcasts");
    // Others get on, and one that reads again has missed nothing.
    assert_eq!(count(&mut replay(&client, LogEdge::Latest).await).await, BATCHES * BATCH);
    slow.truncate(1);
    assert_eq!(count(&mut slow[0]).await, BATCHES * BATCH);
}
