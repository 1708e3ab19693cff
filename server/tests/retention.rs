//! What topics keep, by age, bytes and count, and for whom: in no time, as broker and client run where time is paused.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod paused;

use std::time::Duration;

use ferrymq_client::v1::{
    Binding, Delivery, LogEdge, LogPoint, Message, PullRequest, Queue, Retention, SeekRequest, Snapshot, Topic,
    TopicStats, log_point, pull_request,
};
use ferrymq_client::{Client, Destination};

use self::paused::{MINUTE, SECOND, broker};

const DAY: Duration = Duration::from_secs(86_400);
/// What the clock shows when a test begins, in seconds.
const BEGAN_S: i64 = 1_700_000_000;

async fn topic(client: &Client, name: &str, retention: Option<Retention>) {
    client.create_topic(Topic { name: name.into(), retention, ..Topic::default() }).await.unwrap();
}

async fn publish(client: &Client, topic: &str, key: &str, count: usize) {
    for _ in 0..count {
        let message = Message { routing_key: key.into(), payload: vec![b'x'; 500].into(), ..Message::default() };
        client.publish(Destination::Topic(topic.into()), vec![message]).await.unwrap();
    }
}

async fn bind(client: &Client, topic: &str, queue: &str, pattern: &str) {
    let binding = Binding { topic: topic.into(), pattern: pattern.into(), ..Binding::default() };
    client.create_queue(Queue { name: queue.into(), ..Queue::default() }, vec![binding]).await.unwrap();
}

async fn kept(client: &Client, topic: &str) -> TopicStats {
    client.get_topic(topic).await.unwrap().stats.unwrap()
}

async fn take(client: &Client, queue: &str) -> Vec<Delivery> {
    let source = Some(pull_request::Source::Queue(queue.to_owned()));
    let wait = Some(prost_types::Duration::default());
    let pulled =
        client.pull(PullRequest { source, max_messages: 1_000, wait, ..PullRequest::default() }).await.unwrap();
    let ids: Vec<_> = pulled.deliveries.iter().map(|delivery| delivery.ack_id.clone()).collect();
    if !ids.is_empty() {
        client.ack(ids).await.unwrap();
    }
    pulled.deliveries
}

fn age(age: Duration) -> Retention {
    Retention { max_age: Some(age.try_into().unwrap()), ..Retention::default() }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_kept_while_every_limit_that_is_set_holds() {
    let (_server, client) = broker().await;
    topic(&client, "measure", Some(Retention { forever: true, ..Retention::default() })).await;
    publish(&client, "measure", "", 1).await;
    let bytes = kept(&client, "measure").await.bytes;
    let limits = |max_messages, max_bytes| Retention { max_messages, max_bytes, ..Retention::default() };
    let cases = [
        ("forever", Some(Retention { forever: true, ..Retention::default() }), 20),
        ("unset", None, 20),
        ("nothing", Some(Retention::default()), 0),
        ("count", Some(limits(7, 0)), 7),
        ("bytes", Some(limits(0, 9 * bytes + 1)), 9),
        ("count-first", Some(limits(7, 9 * bytes)), 7),
        ("bytes-first", Some(limits(15, 9 * bytes)), 9),
        ("all-three", Some(Retention { max_age: age(DAY).max_age, ..limits(12, 16 * bytes) }), 12),
        ("age", Some(age(90 * SECOND)), 5),
        ("age-first", Some(Retention { max_age: age(90 * SECOND).max_age, ..limits(12, 16 * bytes) }), 5),
        ("parts-of-seconds", Some(age(Duration::from_millis(61_500))), 5),
    ];
    for (name, retention, _) in &cases {
        topic(&client, name, *retention).await;
        publish(&client, name, "", 15).await;
    }
    tokio::time::sleep(MINUTE).await;
    for (name, ..) in &cases {
        publish(&client, name, "", 5).await;
    }
    tokio::time::sleep(MINUTE - SECOND).await;
    for (name, _, expected) in &cases {
        assert_eq!(kept(&client, name).await.messages, *expected, "{name}");
    }
    tokio::time::sleep(DAY).await;
    assert_eq!((kept(&client, "unset").await.messages, kept(&client, "forever").await.messages), (0, 20));
}

#[tokio::test(start_paused = true)]
async fn what_a_bound_queue_has_yet_to_settle_is_kept_whatever_the_limits_say() {
    let (_server, client) = broker().await;
    for (name, retention) in [
        ("nothing", Retention::default()),
        ("count", Retention { max_messages: 1, ..Retention::default() }),
        ("bytes", Retention { max_bytes: 1, ..Retention::default() }),
        ("age", age(SECOND)),
    ] {
        topic(&client, name, Some(retention)).await;
        bind(&client, name, &format!("q-{name}"), "#").await;
        publish(&client, name, "", 10).await;
        tokio::time::sleep(MINUTE).await;
        assert_eq!(kept(&client, name).await.messages, 10, "{name}");
        assert_eq!(take(&client, &format!("q-{name}")).await.len(), 10);
        tokio::time::sleep(MINUTE).await;
        assert!(kept(&client, name).await.messages <= 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_nothing_matches_does_not_pin_the_log() {
    let (_server, client) = broker().await;
    topic(&client, "t", Some(Retention::default())).await;
    bind(&client, "t", "q", "never").await;
    publish(&client, "t", "other", 10).await;
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(kept(&client, "t").await.messages, 0);
    publish(&client, "t", "never", 1).await;
    publish(&client, "t", "other", 10).await;
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(kept(&client, "t").await.messages, 11, "what matches is kept until it is settled");
    assert_eq!(take(&client, "q").await.len(), 1);
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(kept(&client, "t").await.messages, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_seek_asked_for_again_is_kept() {
    let (_server, client) = broker().await;
    topic(&client, "t", Some(age(10 * MINUTE))).await;
    bind(&client, "t", "q", "#").await;
    publish(&client, "t", "", 5).await;
    assert_eq!(take(&client, "q").await.len(), 5);
    let earliest = Some(LogPoint { at: Some(log_point::At::Edge(LogEdge::Earliest.into())) });
    let seek = || SeekRequest { queue: "q".into(), to: earliest.clone(), ..SeekRequest::default() };
    assert_eq!(client.seek(seek()).await.unwrap().ready, 5);
    tokio::time::sleep(20 * MINUTE).await;
    assert_eq!(kept(&client, "t").await.messages, 5);
    assert_eq!(take(&client, "q").await.len(), 5);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(kept(&client, "t").await.messages, 0);
    assert_eq!(client.seek(seek()).await.unwrap().ready, 0);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_keeps_what_it_needs_until_it_expires() {
    let (_server, client) = broker().await;
    topic(&client, "t", Some(Retention::default())).await;
    bind(&client, "t", "q", "#").await;
    publish(&client, "t", "", 5).await;
    for name in ["short", "other"] {
        let two_hours = Some(prost_types::Timestamp { seconds: BEGAN_S + 7_200, nanos: 0 });
        let snapshot = Snapshot { name: name.into(), queue: "q".into(), expire_time: two_hours, ..Snapshot::default() };
        client.create_snapshot(snapshot).await.unwrap();
    }
    assert_eq!(take(&client, "q").await.len(), 5);
    client.delete_snapshot("other").await.unwrap();
    tokio::time::sleep(115 * MINUTE).await;
    assert_eq!(kept(&client, "t").await.messages, 5);
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(kept(&client, "t").await.messages, 0);
    assert!(client.list_snapshots("").await.unwrap().is_empty() && client.get_snapshot("short").await.is_err());
}
