//! Deliveries that are settled before they are sent.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use bytes::Bytes;
use ferrymq_client::v1::{
    Delivery, Message, NackMode, Ordering, PullRequest, Queue, RetryPolicy, SettleStatus, SubscribeRequest,
    pull_request,
};
use ferrymq_client::{Client, queue};
use ferrymq_tests::{
    Broker, create_queue, create_topic, deliveries, message, payloads, publish, pull, pull_some, within,
};

async fn publish_three(client: &Client) {
    create_topic(client, "t").await;
    create_queue(client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "#")]).await;
    publish(client, "t", vec![message("", "1"), message("", "2"), message("", "3")]).await;
}

fn at_most_once() -> SubscribeRequest {
    SubscribeRequest { at_most_once: true, prefetch: 1, ..queue("q") }
}

#[tokio::test]
async fn a_message_is_settled_before_it_is_sent_and_never_comes_twice() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    publish_three(&client).await;
    let mut stream = client.subscribe_stream(at_most_once()).await.unwrap();
    let got = deliveries(&mut stream, 3).await;
    assert_eq!(payloads(&got), ["1", "2", "3"], "nothing has to be acked for the next to come");
    assert!(got.iter().all(|delivery| delivery.ack_id.is_empty() && delivery.attempt == 1));
    assert_eq!(client.ack(vec![Bytes::new()]).await.unwrap(), [SettleStatus::Invalid]);
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    assert!(pull(&client, "q").await.is_empty());
}

#[tokio::test]
async fn a_pull_takes_for_good_what_it_answers() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    publish_three(&client).await;
    let source = Some(pull_request::Source::Queue("q".into()));
    let request = PullRequest { source, max_messages: 2, at_most_once: true, ..PullRequest::default() };
    let pulled = within("a pull", client.pull(request)).await.unwrap().deliveries;
    assert_eq!(payloads(&pulled), ["1", "2"]);
    assert!(pulled.iter().all(|delivery| delivery.ack_id.is_empty()));
    let stats = client.get_queue("q").await.unwrap().stats.unwrap();
    assert_eq!((stats.ready, stats.unsettled, stats.delivered), (1, 0, 2));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_sent_without_end_and_what_it_had_not_been_sent_stays() {
    const MESSAGES: i64 = 200;
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[]).await;
    for _ in 0..MESSAGES / 10 {
        let batch = vec![message("", vec![0_u8; 128 << 10]); 10];
        client.publish(ferrymq_client::Destination::Queue("q".into()), batch).await.unwrap();
    }
    let mut stream = client.subscribe_stream(at_most_once()).await.unwrap();
    let first = within("a delivery", stream.next_batch()).await.unwrap().unwrap();
    assert!(!first.is_empty());
    drop(stream);
    let left = async {
        loop {
            let stats = client.get_queue("q").await.unwrap().stats.unwrap();
            if (stats.consumers, stats.unsettled) == (0, 0) {
                return stats.ready + stats.backing_off;
            }
        }
    };
    let left = within("the end of the consumer", left).await;
    assert!(left > 0 && left < MESSAGES, "{left} of {MESSAGES} are left");
}

fn keyed(key: &str, payload: &str) -> Message {
    Message { ordering_key: key.into(), ..message("", payload.to_owned()) }
}

fn ordered(ordering: Ordering) -> Queue {
    Queue { name: "q".into(), ordering: ordering.into(), ..Queue::default() }
}

async fn send(client: &Client, messages: Vec<Message>) {
    client.publish(ferrymq_client::Destination::Queue("q".into()), messages).await.unwrap();
}

/// Takes for good until `count` messages came.
async fn take(client: &Client, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        let source = Some(pull_request::Source::Queue("q".into()));
        let request = PullRequest { source, max_messages: 100, at_most_once: true, ..PullRequest::default() };
        let taken = within("a pull", client.pull(request)).await.unwrap().deliveries;
        assert!(!taken.is_empty(), "{} of {count} came", all.len());
        all.extend(taken);
    }
    all
}

async fn is_empty(client: &Client) {
    assert!(pull(client, "q").await.is_empty());
    assert!(client.get_queue("q.dlq").await.is_err(), "nothing was given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_behind_its_key_is_not_taken_for_sent_after_a_kill() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_queue(&client, ordered(Ordering::Key), &[]).await;
    send(&client, ["a1", "b1", "a2", "a3", "b2"].map(|payload| keyed(&payload[..1], payload)).to_vec()).await;
    let source = Some(pull_request::Source::Queue("q".into()));
    let one = PullRequest { source, max_messages: 1, ..PullRequest::default() };
    let held = within("a pull", client.pull(one)).await.unwrap().deliveries;
    assert_eq!(payloads(&held), ["a1"]);
    // All stand below the bound of what may have been sent; those of `a` never were.
    assert_eq!(payloads(&take(&client, 2).await), ["b1", "b2"]);
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    assert_eq!(payloads(&take(&client, 3).await), ["a1", "a2", "a3"]);
    broker.kill9();
    broker.restart();
    is_empty(&broker.client().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_queue_goes_on_in_order_after_a_kill_and_nothing_comes_twice() {
    const MESSAGES: usize = 100;
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_queue(&client, ordered(Ordering::Strict), &[]).await;
    let number = |number: usize| message("", [&[0; 100 << 10][..], format!("{number:03}").as_bytes()].concat());
    for from in (0..MESSAGES).step_by(10) {
        send(&client, (from..from + 10).map(number).collect()).await;
    }
    let mut stream = client.subscribe_stream(at_most_once()).await.unwrap();
    let mut seen = within("a delivery", stream.next_batch()).await.unwrap().unwrap();
    broker.kill9();
    while let Ok(Some(more)) = within("the end", stream.next_batch()).await {
        seen.extend(more);
    }
    broker.restart();
    let client = broker.client().await;
    let left = client.get_queue("q").await.unwrap().stats.unwrap().ready as usize;
    assert!(left > 0 && seen.len() + left <= MESSAGES, "{} came and {left} are left", seen.len());
    let numbers =
        |of: &[Delivery]| payloads(of).iter().map(|p| p[p.len() - 3..].parse().unwrap()).collect::<Vec<usize>>();
    let after = numbers(&take(&client, left).await);
    assert_eq!(numbers(&seen), (0..seen.len()).collect::<Vec<_>>());
    assert_eq!(after, (MESSAGES - left..MESSAGES).collect::<Vec<_>>());
    is_empty(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_failed_before_is_taken_once_and_its_failures_are_kept() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    let retry = RetryPolicy { max_attempts: Some(2), ..RetryPolicy::default() };
    create_queue(&client, Queue { retry: Some(retry), ..ordered(Ordering::None) }, &[]).await;
    send(&client, vec![message("", "1"), message("", "2")]).await;
    let held = pull_some(&client, "q").await;
    let ids = held.iter().map(|delivery| delivery.ack_id.clone()).collect();
    client.nack(ids, NackMode::Retry, Some(std::time::Duration::from_millis(1)), "").await.unwrap();
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    let taken = take(&client, 2).await;
    assert!(taken.iter().all(|delivery| delivery.attempt > 1), "{taken:?}");
    broker.kill9();
    broker.restart();
    is_empty(&broker.client().await).await;
}

#[tokio::test]
async fn what_nobody_was_sent_has_not_failed_however_often_consumers_go_away() {
    const MESSAGES: i64 = 40;
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    let retry = RetryPolicy { max_attempts: Some(1), ..RetryPolicy::default() };
    create_queue(&client, Queue { retry: Some(retry), ..ordered(Ordering::None) }, &[]).await;
    for _ in 0..MESSAGES / 10 {
        send(&client, vec![message("", vec![0_u8; 400 << 10]); 10]).await;
    }
    let mut stream = client.subscribe_stream(SubscribeRequest { prefetch: 100, ..at_most_once() }).await.unwrap();
    within("a delivery", stream.next_batch()).await.unwrap();
    drop(stream);
    let back = async {
        loop {
            let stats = client.get_queue("q").await.unwrap().stats.unwrap();
            if (stats.consumers, stats.unsettled, stats.backing_off) == (0, 0, 0) {
                return stats;
            }
        }
    };
    let stats = within("the end of the consumer", back).await;
    assert!(stats.ready > 0 && stats.ready + stats.acked == MESSAGES, "{stats:?}");
    assert_eq!(stats.exhausted, 0);
}
