//! Messages whose time to live ends before anybody takes them.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::v1::{DeadLetterPolicy, DeadLetterReason, ErrorReason, Message, Queue};
use ferrymq_client::{Client, Destination};
use ferrymq_tests::{Broker, create_queue, create_topic, message, payloads, publish, pull, pull_some, within};

fn lives(payload: &'static str, ttl_ms: i64) -> Message {
    Message { payload: payload.into(), ttl_ms, ..Message::default() }
}

async fn send(client: &Client, queue: &str, messages: Vec<Message>) {
    client.publish(Destination::Queue(queue.into()), messages).await.expect("the broker confirms");
}

/// Waits until so many have expired.
async fn expired(client: &Client, queue: &str, count: i64) {
    let all = async { while client.get_queue(queue).await.unwrap().stats.unwrap().expired < count {} };
    within("what is due to expire", all).await;
}

fn short_lived(name: &str, dead_letter_expired: bool) -> Queue {
    Queue {
        name: name.into(),
        message_ttl: Some(prost_types::Duration { seconds: 0, nanos: 1_000_000 }),
        dead_letter: Some(DeadLetterPolicy { expired: dead_letter_expired, ..DeadLetterPolicy::default() }),
        ..Queue::default()
    }
}

#[tokio::test]
async fn a_message_expires_by_its_own_time_or_the_queues_over_a_crash_too() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_queue(&client, short_lived("q", false), &[]).await;
    send(&client, "q", vec![lives("own", 3_600_000), lives("shorter", 1), lives("the queue's", 0)]).await;
    expired(&client, "q", 2).await;
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    assert_eq!(client.get_queue("q").await.unwrap().message_ttl, short_lived("q", false).message_ttl);
    assert_eq!(payloads(&pull_some(&client, "q").await), ["own"]);
    send(&client, "q", vec![lives("the queue's", 0)]).await;
    expired(&client, "q", 1).await;
    assert!(pull(&client, "q").await.is_empty());
}

/// Queues begin with it at once, each on a thread of its own: there has to be all that they need for it.
#[tokio::test(flavor = "multi_thread")]
async fn what_expired_while_the_broker_was_down_is_a_dead_letter_and_its_queue_goes_on() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    let names: Vec<_> = (0..40).map(|number| format!("q{number}")).collect();
    for name in &names {
        let message_ttl = Some(prost_types::Duration { seconds: 0, nanos: 100_000_000 });
        create_queue(&client, Queue { message_ttl, ..short_lived(name, true) }, &[("t", "#")]).await;
    }
    publish(&client, "t", vec![message("", "x")]).await;
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    for name in &names {
        let letters = format!("{name}.dlq");
        within(name, async { while client.get_queue(&letters).await.is_err() {} }).await;
        assert_eq!(payloads(&pull_some(&client, &letters).await), ["x"], "{name}");
        assert!(pull(&client, name).await.is_empty());
    }
}

#[tokio::test]
async fn what_expires_is_dead_lettered_only_where_the_policy_asks() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    for (name, asks) in [("kept", true), ("gone", false)] {
        create_queue(&client, short_lived(name, asks), &[]).await;
        send(&client, name, vec![lives("x", 0)]).await;
        expired(&client, name, 1).await;
    }
    let dead = pull_some(&client, "kept.dlq").await;
    assert_eq!(dead[0].dead_letter.as_ref().map(|letter| letter.reason()), Some(DeadLetterReason::Expired));
    assert!(client.get_queue("gone.dlq").await.is_err(), "nothing was dead-lettered");
}

#[tokio::test]
async fn a_time_to_live_out_of_range_is_refused_by_name() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[]).await;
    for ttl_ms in [-1, 31_622_400_001] {
        let error = client.publish(Destination::Queue("q".into()), vec![lives("x", ttl_ms)]).await.unwrap_err();
        assert_eq!(error.field_violations()[0].field, "messages[0].ttl_ms");
    }
    for seconds in [-1, 0, 31_622_401] {
        let message_ttl = Some(prost_types::Duration { seconds, nanos: 0 });
        let queue = Queue { name: "x".into(), message_ttl, ..Queue::default() };
        let error = client.create_queue(queue, vec![]).await.unwrap_err();
        assert_eq!(error.field_violations()[0].field, "queue.message_ttl");
    }
    let other = client.create_queue(short_lived("q", false), vec![]).await.unwrap_err();
    assert_eq!(other.reason(), ErrorReason::SettingsDiffer);
}
