//! Pause and Resume.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::v1::{DeleteQueueRequest, ErrorReason, Queue, SubscribeRequest};
use ferrymq_client::{Client, Code, queue};
use ferrymq_tests::{
    Broker, acked, create_queue, create_topic, deliveries, message, payloads, publish, pull, pull_some,
};

async fn bound(client: &Client) {
    create_topic(client, "t").await;
    create_queue(client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "#")]).await;
}

#[tokio::test]
async fn a_paused_queue_delivers_nothing_and_takes_all_else_over_a_crash_too() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    bound(&client).await;
    publish(&client, "t", vec![message("", "before")]).await;
    let held = pull_some(&client, "q").await;
    client.pause("q").await.unwrap();
    publish(&client, "t", vec![message("", "while")]).await;
    acked(&client, &held).await;
    assert!(pull(&client, "q").await.is_empty());
    assert!(client.get_queue("q").await.unwrap().paused);
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    assert!(client.get_queue("q").await.unwrap().paused && pull(&client, "q").await.is_empty());
    client.resume("q").await.unwrap();
    assert_eq!(payloads(&pull_some(&client, "q").await), ["while"]);
    assert!(!client.get_queue("q").await.unwrap().paused);
}

#[tokio::test]
async fn a_stream_and_a_waiting_pull_go_on_when_the_queue_is_resumed() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    bound(&client).await;
    let mut stream = client.subscribe_stream(SubscribeRequest { prefetch: 1, ..queue("q") }).await.unwrap();
    client.pause("q").await.unwrap();
    publish(&client, "t", vec![message("", "one"), message("", "two")]).await;
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { pull_some(&client, "q").await }
    });
    assert!(pull(&client, "q").await.is_empty());
    client.resume("q").await.unwrap();
    assert_eq!(deliveries(&mut stream, 1).await[0].attempt, 1);
    assert_eq!(waiting.await.unwrap().len(), 1);
}

#[tokio::test]
async fn pausing_is_a_change_of_the_queue_and_twice_is_once() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    bound(&client).await;
    let etag = async || client.get_queue("q").await.unwrap().etag;
    let before = etag().await;
    client.pause("q").await.unwrap();
    let paused = etag().await;
    client.pause("q").await.unwrap();
    assert_eq!(etag().await, paused);
    client.resume("q").await.unwrap();
    let after = etag().await;
    assert!(before != paused && paused != after && before != after);
    let request = DeleteQueueRequest { name: "q".into(), etag: before, ..DeleteQueueRequest::default() };
    let stale = client.admin().delete_queue(request).await.map(|_| ()).unwrap_err();
    assert_eq!(ferrymq_client::Error::from(stale).reason(), ErrorReason::EtagMismatch);
    let missing = client.pause("x").await.unwrap_err();
    assert_eq!((missing.code(), missing.reason()), (Code::NotFound, ErrorReason::QueueNotFound));
}
