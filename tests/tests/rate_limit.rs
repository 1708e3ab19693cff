//! Queues that deliver no faster than they are told.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::v1::{ErrorReason, Queue, RateLimit};
use ferrymq_client::{Client, queue};
use ferrymq_tests::{Broker, create_queue, create_topic, deliveries, message, publish, pull, pull_some};

fn limited(messages_per_second: f64, burst: i32) -> Queue {
    let rate_limit = Some(RateLimit { messages_per_second, burst });
    Queue { name: "q".into(), rate_limit, ..Queue::default() }
}

async fn publish_ten(client: &Client, queue: Queue) {
    create_topic(client, "t").await;
    create_queue(client, queue, &[("t", "#")]).await;
    publish(client, "t", vec![message("", "x"); 10]).await;
}

/// One message in a thousand seconds: nothing but the burst comes while a test runs.
#[tokio::test]
async fn a_queue_delivers_a_burst_and_then_no_faster_than_its_rate() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    publish_ten(&client, limited(0.001, 4)).await;
    let mut stream = client.subscribe_stream(queue("q")).await.unwrap();
    deliveries(&mut stream, 4).await;
    assert!(pull(&client, "q").await.is_empty());
    let stats = client.get_queue("q").await.unwrap().stats.unwrap();
    assert_eq!((stats.delivered, stats.ready), (4, 6));
}

#[tokio::test]
async fn what_the_rate_holds_back_comes_by_itself() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    publish_ten(&client, limited(200.0, 1)).await;
    let mut stream = client.subscribe_stream(queue("q")).await.unwrap();
    deliveries(&mut stream, 10).await;
}

#[tokio::test]
async fn a_rate_has_a_range_and_a_burst_of_a_second_unless_it_says_so() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    for (rate, burst, field) in [
        (0.0, 1, "messages_per_second"),
        (-1.0, 1, "messages_per_second"),
        (f64::NAN, 1, "messages_per_second"),
        (1_000_001.0, 1, "messages_per_second"),
        (1.0, -1, "burst"),
        (1.0, 100_001, "burst"),
    ] {
        let error = client.create_queue(limited(rate, burst), vec![]).await.unwrap_err();
        assert_eq!(error.field_violations()[0].field, format!("queue.rate_limit.{field}"));
    }
    create_queue(&client, limited(50.5, 0), &[]).await;
    let rate_limit = client.get_queue("q").await.unwrap().rate_limit.unwrap();
    assert_eq!((rate_limit.messages_per_second, rate_limit.burst), (50.5, 50));
    assert_eq!(client.create_queue(limited(50.5, 0), vec![]).await.map(|answer| answer.created).ok(), Some(false));
    let other = client.create_queue(limited(51.0, 50), vec![]).await.unwrap_err();
    assert_eq!(other.reason(), ErrorReason::SettingsDiffer);
}

// The client has to go on while the test waits for the process.
#[tokio::test(flavor = "multi_thread")]
async fn a_rate_holds_over_a_kill_from_a_full_burst() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    publish_ten(&client, limited(0.001, 4)).await;
    assert_eq!(pull_some(&client, "q").await.len(), 4);
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    assert_eq!(pull_some(&client, "q").await.len(), 4, "a queue delivers faster than its rate after a restart");
    assert!(pull(&client, "q").await.is_empty());
}
