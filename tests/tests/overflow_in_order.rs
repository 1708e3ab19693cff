//! Limits at which the oldest goes, of queues that keep order and of topics that feed them: what goes is the oldest, each key
//! and each STRICT queue goes on in order, and every message is delivered or a dead letter, once, also over kill -9.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::v1::{
    DeadLetterPolicy, DeadLetterReason, Delivery, Limits, Message, NackMode, Ordering, Overflow, PullRequest, Queue,
    QueueStats, Retention, SettleStatus, SubscribeRequest, Topic, dead_letter_policy, pull_request,
};
use ferrymq_client::{Client, Destination, queue};
use ferrymq_tests::{
    Broker, acked, binding, collect, create_queue, deliveries, message, payloads, pull, pull_some, within,
};

/// So many messages of a key wait in memory behind its first one.
const PARKED: usize = 1_024;

fn oldest_goes(max_messages: i64) -> Option<Limits> {
    Some(Limits { max_messages, overflow: Overflow::DropOldest.into(), ..Limits::default() })
}

/// The queue `q`, whose dead letters go to `dead`, which is there.
async fn ordered(client: &Client, ordering: Ordering, limits: Option<Limits>) {
    create_queue(client, Queue { name: "dead".into(), ..Queue::default() }, &[]).await;
    let target = Some(dead_letter_policy::Target::Queue("dead".into()));
    let dead_letter = Some(DeadLetterPolicy { target, ..DeadLetterPolicy::default() });
    let queue = Queue { name: "q".into(), ordering: ordering.into(), limits, dead_letter, ..Queue::default() };
    create_queue(client, queue, &[]).await;
}

/// The same, fed by the topic `t`, which keeps so many messages.
async fn fed_by_topic(client: &Client, ordering: Ordering, max_messages: i64) {
    let retention = Some(Retention { forever: true, ..Retention::default() });
    let topic = Topic { name: "t".into(), limits: oldest_goes(max_messages), retention, ..Topic::default() };
    client.create_topic(topic).await.unwrap();
    ordered(client, ordering, None).await;
    client.create_binding(binding("t", "q", "#")).await.unwrap();
}

fn to_topic() -> Destination {
    Destination::Topic("t".into())
}

fn to_queue() -> Destination {
    Destination::Queue("q".into())
}

fn keyed(key: &str, numbers: std::ops::Range<usize>) -> Vec<Message> {
    let one = |n| Message { ordering_key: key.to_owned(), ..message("", format!("{key}{n}")) };
    numbers.map(one).collect()
}

fn named(key: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| format!("{key}{n}")).collect()
}

/// The next dead letters: so many, with the reason OVERFLOW.
async fn letters(client: &Client, count: usize) -> Vec<String> {
    let letters = collect(client, "dead", count).await;
    let reason = |letter: &Delivery| letter.dead_letter.as_ref().map(|why| why.reason());
    assert!(letters.iter().all(|letter| reason(letter) == Some(DeadLetterReason::Overflow)));
    payloads(&letters)
}

async fn stats(client: &Client, queue: &str) -> QueueStats {
    client.get_queue(queue).await.unwrap().stats.unwrap()
}

async fn nacked(client: &Client, delivery: &Delivery) {
    let statuses = client.nack(vec![delivery.ack_id.clone()], NackMode::Release, None, "").await;
    assert_eq!(statuses.unwrap(), [SettleStatus::Ok]);
}

/// Takes and acks the next messages, and there are no more.
async fn last(client: &Client, count: usize) -> Vec<String> {
    let last = collect(client, "q", count).await;
    assert!(pull(client, "q").await.is_empty());
    payloads(&last)
}

/// Some of the next messages.
async fn a_few(client: &Client) -> Vec<Delivery> {
    let request = PullRequest {
        source: Some(pull_request::Source::Queue("q".into())),
        max_messages: 20,
        wait: Some(prost_types::Duration { seconds: 10, nanos: 0 }),
        ..PullRequest::default()
    };
    within("a message", client.pull(request)).await.unwrap().deliveries
}

#[tokio::test]
async fn a_full_queue_drops_the_oldest_though_they_wait_behind_others_of_their_key() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    ordered(&client, Ordering::Key, oldest_goes(5)).await;
    client.publish(to_queue(), keyed("a", 0..5)).await.unwrap();
    client.publish(to_queue(), keyed("b", 0..3)).await.unwrap();
    assert_eq!(letters(&client, 3).await, named("a", 0..3));
    assert_eq!(stats(&client, "q").await.overflowed, 3);
    assert_eq!(payloads(&collect(&client, "q", 5).await), ["a3", "b0", "a4", "b1", "b2"]);
}

#[tokio::test]
async fn a_full_queue_whose_only_key_is_stuck_drops_what_waits_behind_it_beyond_memory_too() {
    let broker = Broker::start();
    let client = broker.client().await;
    ordered(&client, Ordering::Key, oldest_goes(3 * PARKED as i64)).await;
    client.publish(to_queue(), keyed("a", 0..3 * PARKED)).await.unwrap();
    let held = pull_some(&client, "q").await;
    assert_eq!(payloads(&held), ["a0"]);
    client.publish(to_queue(), keyed("a", 3 * PARKED..5 * PARKED)).await.unwrap();
    assert_eq!(letters(&client, 2 * PARKED).await, named("a", 1..2 * PARKED + 1));
    let now = stats(&client, "q").await;
    assert_eq!((now.ready, now.unsettled, now.overflowed), (3 * PARKED as i64 - 1, 1, 2 * PARKED as i64));
    acked(&client, &held).await;
    let next = pull_some(&client, "q").await;
    assert_eq!(payloads(&next), named("a", 2 * PARKED + 1..2 * PARKED + 2));
}

#[tokio::test]
async fn a_full_topic_takes_the_oldest_from_a_key_that_goes_on_with_its_next_message() {
    let broker = Broker::start();
    let client = broker.client().await;
    fed_by_topic(&client, Ordering::Key, 4).await;
    client.publish(to_topic(), keyed("a", 0..4)).await.unwrap();
    let held = pull_some(&client, "q").await;
    assert_eq!(payloads(&held), ["a0"]);
    client.publish(to_topic(), keyed("a", 4..6)).await.unwrap();
    // What is held stays with its consumer, and may be acked; what waits behind it goes.
    assert_eq!(letters(&client, 1).await, ["a1"]);
    acked(&client, &held).await;
    assert_eq!(last(&client, 4).await, named("a", 2..6));
    let now = stats(&client, "q").await;
    assert_eq!((now.ready, now.unsettled, now.overflowed), (0, 0, 1));
}

#[tokio::test]
async fn what_a_consumer_held_goes_when_it_comes_back_and_its_key_goes_on() {
    for ordering in [Ordering::Key, Ordering::Strict] {
        let broker = Broker::ephemeral();
        let client = broker.client().await;
        fed_by_topic(&client, ordering, 4).await;
        client.publish(to_topic(), keyed("a", 0..1)).await.unwrap();
        let held = pull_some(&client, "q").await;
        client.publish(to_topic(), keyed("a", 1..8)).await.unwrap();
        assert_eq!(letters(&client, 3).await, named("a", 1..4));
        nacked(&client, &held[0]).await;
        assert_eq!(letters(&client, 1).await, ["a0"]);
        assert_eq!(last(&client, 4).await, named("a", 4..8));
    }
}

#[tokio::test]
async fn a_strict_queue_goes_on_in_order_while_its_oldest_messages_go() {
    let broker = Broker::start();
    let client = broker.client().await;
    fed_by_topic(&client, Ordering::Strict, 10).await;
    let mut consumer = client.subscribe_stream(SubscribeRequest { prefetch: 2, ..queue("q") }).await.unwrap();
    client.publish(to_topic(), keyed("a", 0..10)).await.unwrap();
    let held = deliveries(&mut consumer, 2).await;
    assert_eq!(payloads(&held), ["a0", "a1"]);
    client.publish(to_topic(), keyed("a", 10..15)).await.unwrap();
    assert_eq!(letters(&client, 3).await, named("a", 2..5));
    acked(&client, &held).await;
    let mut rest = Vec::new();
    while rest.len() < 10 {
        let next = within("a delivery", consumer.next_batch()).await.unwrap().expect("the stream is open");
        acked(&client, &next).await;
        rest.extend(payloads(&next));
    }
    assert_eq!(rest, named("a", 5..15));
    let now = stats(&client, "q").await;
    assert_eq!((now.ready, now.unsettled, now.overflowed), (0, 0, 3));
}

/// Every message is delivered and acked, or a dead letter, and never both; of each key in order.
#[tokio::test(flavor = "multi_thread")]
async fn every_message_comes_out_once_in_order_though_the_oldest_go_and_the_broker_is_killed() {
    const KEYS: usize = 5;
    const EACH: usize = 1_000;
    const KEPT: i64 = 700;
    for ordering in [Ordering::Key, Ordering::Strict] {
        let mut broker = Broker::start();
        let mut client = broker.client().await;
        fed_by_topic(&client, ordering, KEPT).await;
        let mut done: Vec<String> = Vec::new();
        for wave in 0..5 {
            let of = wave * EACH / 5..(wave + 1) * EACH / 5;
            let all = of.flat_map(|n| (0..KEYS).flat_map(move |key| keyed(&format!("k{key}-"), n..n + 1)));
            client.publish(to_topic(), all.collect()).await.unwrap();
            for _ in 0..5 {
                let some = a_few(&client).await;
                acked(&client, &some).await;
                done.extend(payloads(&some));
            }
            // Some are with a consumer, others on their way to the dead letters.
            a_few(&client).await;
            broker.kill9();
            broker.restart();
            client = broker.client().await;
        }
        while client.get_topic("t").await.unwrap().stats.unwrap().messages > KEPT {
            tokio::task::yield_now().await;
        }
        while stats(&client, "q").await.ready > 0 {
            let some = pull_some(&client, "q").await;
            acked(&client, &some).await;
            done.extend(payloads(&some));
        }
        for key in 0..KEYS {
            let of_key = format!("k{key}-");
            let numbers = done.iter().filter_map(|one| one.strip_prefix(&of_key)).map(|n| n.parse().unwrap());
            assert!(numbers.is_sorted_by(|one: &usize, next| one < next), "{of_key} in {ordering:?}");
        }
        let dead = KEYS * EACH - done.len();
        assert!(dead >= KEYS * EACH / 2, "only {dead} went");
        done.extend(letters(&client, dead).await);
        done.sort();
        done.dedup();
        assert_eq!(done.len(), KEYS * EACH);
        assert_eq!((stats(&client, "dead").await.ready, stats(&client, "q").await.ready), (0, 0));
    }
}
