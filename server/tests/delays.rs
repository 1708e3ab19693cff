//! Long delays of many messages, in no time: see `time.rs`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod paused;

use std::time::Duration;

use ferrymq_client::v1::{Delivery, Message, NackMode, Ordering, PullRequest, Queue, QueueStats, pull_request};
use ferrymq_client::{Client, Destination};
use paused::{MINUTE, SECOND, broker, next, send, wire};
use tokio::time::Instant;

/// More than a queue keeps waiting in memory.
const MANY: usize = 20_000;

/// Pulls until nothing comes for `patience`.
async fn pull_all(client: &Client, patience: Duration, mut each: impl AsyncFnMut(Vec<Delivery>)) -> usize {
    let mut count = 0;
    loop {
        let source = Some(pull_request::Source::Queue("q".to_owned()));
        let request = PullRequest { source, max_messages: 1_000, wait: wire(patience), ..PullRequest::default() };
        let pulled = client.pull(request).await.unwrap().deliveries;
        if pulled.is_empty() {
            return count;
        }
        count += pulled.len();
        each(pulled).await;
    }
}

fn ids(deliveries: Vec<Delivery>) -> Vec<bytes::Bytes> {
    deliveries.into_iter().map(|delivery| delivery.ack_id).collect()
}

async fn nack_all(client: &Client, delay: Duration) -> usize {
    pull_all(client, Duration::ZERO, async |pulled| {
        client.nack(ids(pulled), NackMode::Retry, Some(delay), "not now").await.unwrap();
    })
    .await
}

async fn stats(client: &Client) -> QueueStats {
    client.get_queue("q").await.unwrap().stats.unwrap()
}

#[tokio::test(start_paused = true)]
async fn many_messages_wait_for_hours_while_others_are_delivered_and_all_come_back() {
    let (_server, client) = broker().await;
    client.create_queue(Queue { name: "q".into(), ..Queue::default() }, vec![]).await.unwrap();
    for _ in 0..MANY / 5_000 {
        send(&client, 5_000).await;
        assert_eq!(nack_all(&client, 120 * MINUTE).await, 5_000);
    }
    assert_eq!(stats(&client).await.backing_off, MANY as i64);
    send(&client, 1).await;
    let (other, waited) = next(&client, "q").await;
    assert!(other.attempt == 1 && waited < MINUTE, "{waited:?}");
    client.ack(vec![other.ack_id]).await.unwrap();

    tokio::time::sleep(118 * MINUTE).await;
    assert_eq!(stats(&client).await.backing_off, MANY as i64);
    let came = pull_all(&client, 4 * MINUTE, async |pulled| {
        assert!(pulled.iter().all(|delivery| delivery.attempt == 2));
        client.ack(ids(pulled)).await.unwrap();
    });
    assert_eq!(came.await, MANY);
    let stats = stats(&client).await;
    assert_eq!((stats.ready, stats.unsettled, stats.backing_off), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn delays_of_different_lengths_end_when_they_should() {
    let (_server, client) = broker().await;
    client.create_queue(Queue { name: "q".into(), ..Queue::default() }, vec![]).await.unwrap();
    let began = Instant::now();
    for minutes in 1..=10 {
        send(&client, 1_000).await;
        assert_eq!(nack_all(&client, minutes * MINUTE).await, 1_000);
    }
    for minute in 1..=10 {
        assert_eq!(stats(&client).await.backing_off, (11 - i64::from(minute)) * 1_000);
        tokio::time::sleep_until(began + minute * MINUTE - 10 * SECOND).await;
        assert_eq!(pull_all(&client, Duration::ZERO, async |_| {}).await, 0, "before minute {minute}");
        tokio::time::sleep_until(began + minute * MINUTE + 10 * SECOND).await;
        let acked = async |pulled: Vec<Delivery>| drop(client.ack(ids(pulled)).await.unwrap());
        assert_eq!(pull_all(&client, Duration::ZERO, acked).await, 1_000, "in minute {minute}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_expires_before_its_delay_ends_is_gone_then() {
    let (_server, client) = broker().await;
    let settings = Queue { name: "q".into(), message_ttl: wire(30 * MINUTE), ..Queue::default() };
    client.create_queue(settings, vec![]).await.unwrap();
    send(&client, 6_000).await;
    assert_eq!(nack_all(&client, 60 * MINUTE).await, 6_000);
    tokio::time::sleep(29 * MINUTE).await;
    assert_eq!(stats(&client).await.backing_off, 6_000);
    tokio::time::sleep(MINUTE + 2 * SECOND).await;
    let stats = stats(&client).await;
    assert_eq!((stats.backing_off, stats.expired), (0, 6_000));
}

#[tokio::test(start_paused = true)]
async fn a_key_stays_blocked_behind_its_message_that_waits_and_others_go_on() {
    let (_server, client) = broker().await;
    let settings = Queue { name: "q".into(), ordering: Ordering::Key.into(), ..Queue::default() };
    client.create_queue(settings, vec![]).await.unwrap();
    let of = |key: usize| Message { ordering_key: key.to_string(), payload: "x".into(), ..Message::default() };
    client.publish(Destination::Queue("q".into()), (0..6_000).map(of).collect()).await.unwrap();
    assert_eq!(nack_all(&client, 60 * MINUTE).await, 6_000);
    client.publish(Destination::Queue("q".into()), vec![of(5_999), of(9_999)]).await.unwrap();
    let (other, _) = next(&client, "q").await;
    assert_eq!(other.message.unwrap().ordering_key, "9999");
    client.ack(vec![other.ack_id]).await.unwrap();
    let mut last = Vec::new();
    tokio::time::sleep(58 * MINUTE).await;
    let came = pull_all(&client, 4 * MINUTE, async |pulled| {
        last.extend(
            pulled.iter().filter(|of| of.message.as_ref().unwrap().ordering_key == "5999").map(|of| of.attempt),
        );
        client.ack(ids(pulled)).await.unwrap();
    });
    assert_eq!(came.await, 6_001);
    assert_eq!(last, [2, 1], "in order");
}
