//! Queues that keep order: by key, and as a whole.

use std::collections::BTreeMap;

use ferrymq_client::streams::SubscribeStream;
use ferrymq_client::v1::{
    Delivery, ErrorReason, Message, NackMode, Ordering, Queue, RetryPolicy, SettleStatus, SubscribeRequest,
};
use ferrymq_client::{Client, Destination, queue};
use ferrymq_tests::{
    Broker, acked, create_queue, create_topic, deliveries, message, payloads, publish, pull, pull_some, within,
};

/// Backs off for so short that nobody waits for it.
fn at_once(max_attempts: i32) -> RetryPolicy {
    let backoff = Some(prost_types::Duration { seconds: 0, nanos: 1_000_000 });
    RetryPolicy {
        max_attempts: Some(max_attempts),
        min_backoff: backoff,
        max_backoff: backoff,
        ..RetryPolicy::default()
    }
}

async fn ordered(client: &Client, ordering: Ordering) {
    create_topic(client, "t").await;
    let queue = Queue { name: "q".into(), ordering: ordering.into(), retry: Some(at_once(3)), ..Queue::default() };
    create_queue(client, queue, &[("t", "#")]).await;
}

fn keyed(key: &str, payload: impl Into<bytes::Bytes>) -> Message {
    Message { ordering_key: key.to_owned(), ..message("", payload) }
}

/// `a0 b0 a1 b1 ...`: so many of each key.
fn two_keys(each: usize) -> Vec<Message> {
    let pair = |n: usize| [keyed("a", format!("a{n}")), keyed("b", format!("b{n}"))];
    (0..each).flat_map(pair).collect()
}

async fn nacked(client: &Client, delivery: &Delivery, mode: NackMode) {
    let statuses = client.nack(vec![delivery.ack_id.clone()], mode, None, "no").await;
    assert_eq!(statuses.expect("a nack is answered"), [SettleStatus::Ok]);
}

async fn one(subscriber: &mut SubscribeStream) -> Delivery {
    deliveries(subscriber, 1).await.remove(0)
}

fn text(delivery: &Delivery) -> String {
    payloads(std::slice::from_ref(delivery)).remove(0)
}

fn with_prefetch(messages: i32) -> SubscribeRequest {
    SubscribeRequest { prefetch: messages, ..queue("q") }
}

#[tokio::test]
async fn a_key_has_one_delivery_at_a_time_and_others_do_not_wait() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    ordered(&client, Ordering::Key).await;
    let mut messages = two_keys(2);
    messages.extend([message("", "free1"), message("", "free2")]);
    publish(&client, "t", messages).await;
    let first = pull_some(&client, "q").await;
    assert_eq!(payloads(&first), ["a0", "b0", "free1", "free2"]);
    assert!(pull(&client, "q").await.is_empty());
    let stats = client.get_queue("q").await.unwrap().stats.unwrap();
    assert_eq!((stats.ready, stats.unsettled), (2, 4));
    acked(&client, &first[1..2]).await;
    assert_eq!(payloads(&pull(&client, "q").await), ["b1"]);
    acked(&client, &first[..1]).await;
    assert_eq!(payloads(&pull(&client, "q").await), ["a1"]);
}

#[tokio::test]
async fn what_is_given_back_comes_again_before_the_rest_of_its_key() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    ordered(&client, Ordering::Key).await;
    publish(&client, "t", two_keys(2)).await;
    let mut consumer = client.subscribe_stream(queue("q")).await.unwrap();
    let first = deliveries(&mut consumer, 2).await;
    for mode in [NackMode::Release, NackMode::Retry] {
        let held = if mode == NackMode::Release { first[0].clone() } else { one(&mut consumer).await };
        assert_eq!(text(&held), "a0");
        nacked(&client, &held, mode).await;
    }
    let again = one(&mut consumer).await;
    assert_eq!((text(&again), again.attempt), ("a0".into(), 3));
    acked(&client, &[again]).await;
    assert_eq!(text(&one(&mut consumer).await), "a1");
}

#[tokio::test]
async fn a_poison_message_lets_its_key_go_on_as_a_dead_letter() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    ordered(&client, Ordering::Key).await;
    publish(&client, "t", (0..4).map(|n| keyed("a", n.to_string())).collect()).await;
    let mut consumer = client.subscribe_stream(queue("q")).await.unwrap();
    nacked(&client, &one(&mut consumer).await, NackMode::Reject).await;
    for attempt in 1..=3 {
        let failing = one(&mut consumer).await;
        assert_eq!((text(&failing).as_str(), failing.attempt), ("1", attempt));
        nacked(&client, &failing, NackMode::Retry).await;
    }
    for payload in ["2", "3"] {
        let next = one(&mut consumer).await;
        assert_eq!(text(&next), payload);
        acked(&client, &[next]).await;
    }
    assert_eq!(payloads(&pull_some(&client, "q.dlq").await), ["0", "1"]);
}

#[tokio::test]
async fn a_key_stays_in_order_over_the_loss_of_consumers() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    ordered(&client, Ordering::Key).await;
    publish(&client, "t", two_keys(3)).await;
    for _ in 0..2 {
        let mut consumer = client.subscribe_stream(queue("q")).await.unwrap();
        assert_eq!(payloads(&deliveries(&mut consumer, 2).await), ["a0", "b0"]);
    }
    let mut consumer = client.subscribe_stream(queue("q")).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 6 {
        let next = within("a delivery", consumer.next_batch()).await.unwrap().expect("the stream is open");
        acked(&client, &next).await;
        seen.extend(payloads(&next));
    }
    for key in ["a", "b"] {
        let of_key: Vec<&String> = seen.iter().filter(|payload| payload.starts_with(key)).collect();
        assert!(of_key.is_sorted(), "{seen:?}");
    }
}

/// Takes and acks all there is, some of it twice, in each of several lives of the broker.
#[tokio::test]
async fn keys_stay_in_order_over_kills_with_many_parked() {
    const EACH: usize = 3_000;
    let mut broker = Broker::start();
    ordered(&broker.client().await, Ordering::Key).await;
    let client = broker.client().await;
    for from in (0..EACH).step_by(500) {
        let part = (from..from + 500).flat_map(|n| (0..3).map(move |key| keyed(&key.to_string(), n.to_string())));
        publish(&client, "t", part.collect()).await;
    }
    let mut done: BTreeMap<String, usize> = BTreeMap::new();
    for life in 0..4 {
        let client = broker.client().await;
        let mut consumer = client.subscribe_stream(queue("q")).await.unwrap();
        for _ in 0..if life == 3 { usize::MAX } else { 150 } {
            let batch = within("a delivery", consumer.next_batch()).await.unwrap().expect("the stream is open");
            for delivery in &batch {
                let key = delivery.message.as_ref().unwrap().ordering_key.clone();
                let expected = done.get(&key).copied().unwrap_or(0);
                assert_eq!(text(delivery), expected.to_string(), "key {key}");
            }
            acked(&client, &batch).await;
            for delivery in batch {
                *done.entry(delivery.message.unwrap().ordering_key).or_default() += 1;
            }
            if done.values().sum::<usize>() == 3 * EACH {
                return;
            }
        }
        broker.kill9();
        broker.restart();
    }
    panic!("not all came: {done:?}");
}

#[tokio::test]
async fn a_stuck_key_with_thousands_behind_it_does_not_stop_others_and_goes_on_when_it_is_let_go() {
    const STUCK: usize = 10_000;
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    ordered(&client, Ordering::Key).await;
    for from in (0..STUCK).step_by(1_000) {
        let part = (from..from + 1_000).flat_map(|n| [keyed("stuck", n.to_string()), message("", "free")]);
        publish(&client, "t", part.collect()).await;
    }
    let mut consumer = client.subscribe_stream(queue("q")).await.unwrap();
    let (mut stuck, mut free) = (None, 0);
    while free < STUCK {
        let mut batch = within("a delivery", consumer.next_batch()).await.unwrap().expect("the stream is open");
        if let Some(at) = batch.iter().position(|delivery| text(delivery) == "0") {
            stuck = Some(batch.remove(at));
        }
        assert!(payloads(&batch).iter().all(|payload| payload == "free"));
        acked(&client, &batch).await;
        free += batch.len();
    }
    let stats = client.get_queue("q").await.unwrap().stats.unwrap();
    assert_eq!((stats.ready, stats.unsettled), (STUCK as i64 - 1, 1));
    acked(&client, &[stuck.expect("the first of the key went out")]).await;
    for n in 1..STUCK {
        let next = one(&mut consumer).await;
        assert_eq!(text(&next), n.to_string());
        acked(&client, &[next]).await;
    }
    let stats = client.get_queue("q").await.unwrap().stats.unwrap();
    assert_eq!((stats.ready, stats.unsettled), (0, 0));
}

/// So many are parked that the rest is read at a pace: nothing but time brings on what stands behind them.
#[tokio::test]
async fn what_stands_behind_many_stuck_keys_is_found() {
    const KEYS: usize = 20;
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    ordered(&client, Ordering::Key).await;
    for n in 0..20 {
        let part = (0..1_000).map(|m| keyed(&(m % KEYS).to_string(), n.to_string()));
        publish(&client, "t", part.collect()).await;
    }
    publish(&client, "t", vec![message("", "free")]).await;
    let mut consumer = client.subscribe_stream(with_prefetch(100)).await.unwrap();
    let came = deliveries(&mut consumer, KEYS + 1).await;
    assert_eq!(payloads(&came[..KEYS]), ["0"; KEYS]);
    assert_eq!(text(&came[KEYS]), "free");
}

#[tokio::test]
async fn a_strict_queue_has_one_active_consumer_and_the_next_takes_over() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    ordered(&client, Ordering::Strict).await;
    let mut active = client.subscribe_stream(with_prefetch(2)).await.unwrap();
    let mut standby = client.subscribe_stream(with_prefetch(2)).await.unwrap();
    publish(&client, "t", (0..5).map(|n| message("", n.to_string())).collect()).await;
    let held = deliveries(&mut active, 2).await;
    assert_eq!(payloads(&held), ["0", "1"]);
    assert!(pull(&client, "q").await.is_empty(), "a pull takes nothing from the active consumer");
    acked(&client, &held[..1]).await;
    assert_eq!(text(&one(&mut active).await), "2");
    drop(active);
    let again = deliveries(&mut standby, 2).await;
    assert_eq!(payloads(&again), ["1", "2"]);
    assert!(again.iter().all(|delivery| delivery.attempt == 2));
    acked(&client, &again).await;
    assert_eq!(payloads(&deliveries(&mut standby, 2).await), ["3", "4"]);
}

#[tokio::test]
async fn a_nack_in_a_strict_queue_takes_back_what_is_outstanding_behind_it() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    ordered(&client, Ordering::Strict).await;
    publish(&client, "t", (0..6).map(|n| message("", n.to_string())).collect()).await;
    let mut consumer = client.subscribe_stream(with_prefetch(4)).await.unwrap();
    let held = deliveries(&mut consumer, 4).await;
    nacked(&client, &held[1], NackMode::Retry).await;
    let late = client.nack(vec![held[2].ack_id.clone()], NackMode::Retry, None, "").await.unwrap();
    assert_eq!(late, [SettleStatus::LeaseLost]);
    let again = deliveries(&mut consumer, 3).await;
    assert_eq!(payloads(&again), ["1", "2", "3"]);
    nacked(&client, &again[0], NackMode::Reject).await;
    assert_eq!(payloads(&deliveries(&mut consumer, 1).await), ["4"]);
}

#[tokio::test]
async fn a_strict_queue_is_pulled_by_one_at_a_time() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    ordered(&client, Ordering::Strict).await;
    publish(&client, "t", vec![message("", "0"), message("", "1")]).await;
    let held = pull_some(&client, "q").await;
    assert_eq!(payloads(&held), ["0", "1"]);
    publish(&client, "t", vec![message("", "2")]).await;
    assert!(pull(&client, "q").await.is_empty());
    acked(&client, &held).await;
    assert_eq!(payloads(&pull_some(&client, "q").await), ["2"]);
}

#[tokio::test]
async fn ordering_is_shown_and_cannot_be_another() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    ordered(&client, Ordering::Key).await;
    assert_eq!(client.get_queue("q").await.unwrap().ordering(), Ordering::Key);
    for (ordering, refused) in [
        (i32::from(Ordering::Strict), Some(ErrorReason::SettingsDiffer)),
        (i32::from(Ordering::None), Some(ErrorReason::SettingsDiffer)),
        (i32::from(Ordering::Key), None),
        (0, None),
        (77, Some(ErrorReason::FieldNotSupported)),
    ] {
        let queue = Queue { name: "q".into(), ordering, ..Queue::default() };
        let answer = client.create_queue(queue, Vec::new()).await;
        assert_eq!(answer.err().map(|error| error.reason()), refused, "ordering {ordering}");
    }
    let features = client.server_info().await.unwrap().features;
    assert!(features.contains(&"ordering_key".to_owned()) && features.contains(&"ordering_strict".to_owned()));
}

/// Straight to the queue, beside a topic: one order over both.
#[tokio::test]
async fn a_key_is_one_over_all_that_feeds_the_queue() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    ordered(&client, Ordering::Key).await;
    for n in 0..6 {
        let to = if n % 2 == 0 { Destination::Topic("t".into()) } else { Destination::Queue("q".into()) };
        client.publish(to, vec![keyed("a", n.to_string())]).await.unwrap();
    }
    let mut consumer = client.subscribe_stream(queue("q")).await.unwrap();
    for n in 0..6 {
        let next = one(&mut consumer).await;
        assert_eq!(text(&next), n.to_string());
        acked(&client, &[next]).await;
    }
}
