//! Topics with limits: over all that they keep, for queues and for replay, whatever happens.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::v1::{
    DeadLetterPolicy, DeadLetterReason, ErrorReason, Limits, Message, Overflow, PublishRequest, Queue, Retention,
    Topic, TopicStats, dead_letter_policy,
};
use ferrymq_client::{Client, Code, Destination};
use ferrymq_tests::{Broker, acked, collect, create_queue, message, payloads, pull, pull_some, within};
use futures::FutureExt as _;

async fn topic(client: &Client, max_messages: i64, max_bytes: i64, overflow: Overflow, retention: Retention) {
    let limits = Some(Limits { max_messages, max_bytes, overflow: overflow.into() });
    let topic = Topic { name: "t".into(), limits, retention: Some(retention), ..Topic::default() };
    client.create_topic(topic).await.unwrap();
}

/// Nothing is kept that no queue needs.
fn nothing() -> Retention {
    Retention::default()
}

fn to_topic() -> Destination {
    Destination::Topic("t".into())
}

fn numbered(numbers: std::ops::Range<u32>) -> Vec<Message> {
    numbers.map(|number| message("k", number.to_string())).collect()
}

async fn queue(client: &Client) {
    create_queue(client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "")]).await;
}

async fn is_full(client: &Client, messages: Vec<Message>) {
    let error = client.publish(to_topic(), messages).await.unwrap_err();
    assert_eq!((error.code(), error.reason()), (Code::ResourceExhausted, ErrorReason::TopicFull), "{error:?}");
    assert_eq!(error.metadata().get("topic").map(String::as_str), Some("t"));
    assert!(error.retry_after().is_some());
}

/// As long as it takes for what no queue needs to be trimmed.
async fn publish_waiting(client: &Client, messages: Vec<Message>) {
    let request = PublishRequest {
        destination: Some(to_topic()),
        messages,
        wait_for_room: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }),
        ..PublishRequest::default()
    };
    let mut stub = client.messaging();
    within("room", stub.publish(request)).await.unwrap();
}

async fn stats(client: &Client) -> TopicStats {
    client.get_topic("t").await.unwrap().stats.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_topic_refuses_whole_batches_and_takes_them_once_its_queues_are_done() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    topic(&client, 5, 0, Overflow::Reject, nothing()).await;
    queue(&client).await;
    client.publish(to_topic(), numbered(0..3)).await.unwrap();
    is_full(&client, numbered(3..6)).await;
    client.publish(to_topic(), numbered(3..5)).await.unwrap();
    is_full(&client, numbered(5..6)).await;
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    is_full(&client, numbered(5..6)).await;
    assert_eq!(stats(&client).await.messages, 5);
    let held = pull_some(&client, "q").await;
    is_full(&client, numbered(5..6)).await;
    acked(&client, &held[..2]).await;
    publish_waiting(&client, numbered(5..7)).await;
    is_full(&client, numbered(7..8)).await;
    acked(&client, &held[2..]).await;
    assert_eq!(payloads(&collect(&client, "q", 2).await), ["5", "6"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_into_a_full_topic_waits_in_order_and_bytes_are_a_limit_too() {
    let broker = Broker::start();
    let client = broker.client().await;
    topic(&client, 0, 10_000, Overflow::Reject, nothing()).await;
    queue(&client).await;
    let large = |number: u32| vec![message("k", format!("{number:04000}"))];
    let publisher = client.publish_stream(to_topic());
    let mut confirms = Vec::new();
    for number in 0..10 {
        confirms.push(publisher.publish(large(number)).await.unwrap());
    }
    let rest = confirms.split_off(2);
    for confirm in confirms {
        within("a confirm", confirm).await.unwrap();
    }
    let mut rest: Vec<_> = rest.into_iter().map(Box::pin).collect();
    assert!(rest.iter_mut().all(|confirm| confirm.now_or_never().is_none()), "the stream waits");
    is_full(&client, large(99)).await;
    let got = collect(&client, "q", 10).await;
    assert_eq!(payloads(&got), (0..10).map(|number| format!("{number:04000}")).collect::<Vec<_>>());
    for confirm in rest {
        within("a confirm", confirm).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_kept_for_replay_counts() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    topic(&client, 2, 0, Overflow::Reject, Retention { forever: true, ..Retention::default() }).await;
    client.publish(to_topic(), numbered(0..2)).await.unwrap();
    is_full(&client, numbered(2..3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_goes_to_the_dead_letters_of_the_queues_that_have_yet_to_settle_it() {
    let broker = Broker::start();
    let client = broker.client().await;
    topic(&client, 5, 0, Overflow::DropOldest, Retention { forever: true, ..Retention::default() }).await;
    // It is there before the first dead letter is.
    create_queue(&client, Queue { name: "dead".into(), ..Queue::default() }, &[]).await;
    let target = Some(dead_letter_policy::Target::Queue("dead".into()));
    let dead_letter = Some(DeadLetterPolicy { target, ..DeadLetterPolicy::default() });
    create_queue(&client, Queue { name: "q".into(), dead_letter, ..Queue::default() }, &[("t", "")]).await;
    for number in 0..20 {
        client.publish(to_topic(), numbered(number..number + 1)).await.unwrap();
    }
    let letters = collect(&client, "dead", 15).await;
    assert_eq!(payloads(&letters), (0..15).map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(letters.iter().all(|it| it.dead_letter.as_ref().unwrap().reason() == DeadLetterReason::Overflow));
    let held = pull_some(&client, "q").await;
    assert_eq!(payloads(&held), ["15", "16", "17", "18", "19"]);
    // What a consumer holds stays its own.
    client.publish(to_topic(), numbered(20..27)).await.unwrap();
    acked(&client, &held).await;
    assert_eq!(payloads(&collect(&client, "dead", 2).await), ["20", "21"]);
    assert_eq!(payloads(&collect(&client, "q", 5).await), ["22", "23", "24", "25", "26"]);
    assert!(pull(&client, "q").await.is_empty());
    while stats(&client).await.messages > 5 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stats(&client).await.messages, 5, "it keeps as much as it may");
}

#[tokio::test]
async fn limits_of_a_topic_are_checked_and_are_settings() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    let of = |max_messages, overflow: Overflow| Topic {
        name: "t".into(),
        limits: Some(Limits { max_messages, overflow: overflow.into(), ..Limits::default() }),
        ..Topic::default()
    };
    let bad = client.create_topic(of(-1, Overflow::Reject)).await.unwrap_err();
    assert_eq!(bad.field_violations()[0].field, "topic.limits.max_messages");
    let made = client.create_topic(of(5, Overflow::Unspecified)).await.unwrap();
    assert_eq!(made.topic.unwrap().limits.unwrap().overflow(), Overflow::Reject);
    assert!(!client.create_topic(of(5, Overflow::Reject)).await.unwrap().created);
    let other = client.create_topic(of(6, Overflow::Reject)).await.unwrap_err();
    assert_eq!(other.metadata().get("fields").map(String::as_str), Some("limits"));
}
