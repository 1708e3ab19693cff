//! Queues with limits: what does not fit is refused, waits, or pushes the oldest out; the count is exact, whatever happens.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::v1::{
    ErrorReason, Limits, Message, NackMode, Overflow, PublishRequest, PurgeRequest, Queue, purge_request,
};
use ferrymq_client::{Client, Code, Destination};
use ferrymq_tests::{
    Broker, acked, binding, collect, create_queue, create_topic, message, payloads, pull_some, within,
};
use futures::FutureExt as _;

fn limited(max_messages: i64, max_bytes: i64, overflow: Overflow) -> Queue {
    let limits = Limits { max_messages, max_bytes, overflow: overflow.into() };
    Queue { name: "q".into(), limits: Some(limits), ..Queue::default() }
}

fn numbered(numbers: std::ops::Range<u32>) -> Vec<Message> {
    numbers.map(|number| message("k", number.to_string())).collect()
}

fn to_queue() -> Destination {
    Destination::Queue("q".into())
}

fn to_topic() -> Destination {
    Destination::Topic("t".into())
}

async fn ready(client: &Client) -> i64 {
    client.get_queue("q").await.unwrap().stats.unwrap().ready
}

async fn is_full(client: &Client, to: Destination, messages: Vec<Message>) {
    let error = client.publish(to, messages).await.unwrap_err();
    assert_eq!((error.code(), error.reason()), (Code::ResourceExhausted, ErrorReason::QueueFull), "{error:?}");
    assert_eq!(error.metadata().get("queue").map(String::as_str), Some("q"));
    assert!(error.retry_after().is_some());
}

#[tokio::test]
async fn a_batch_that_does_not_fit_is_refused_whole_and_fits_once_there_is_room() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_queue(&client, limited(5, 0, Overflow::Reject), &[]).await;
    client.publish(to_queue(), numbered(0..3)).await.unwrap();
    is_full(&client, to_queue(), numbered(3..6)).await;
    client.publish(to_queue(), numbered(3..5)).await.unwrap();
    is_full(&client, to_queue(), numbered(5..6)).await;
    let held = pull_some(&client, "q").await;
    is_full(&client, to_queue(), numbered(5..6)).await;
    acked(&client, &held[..1]).await;
    client.publish(to_queue(), numbered(5..6)).await.unwrap();
    is_full(&client, to_queue(), numbered(6..7)).await;
}

#[tokio::test]
async fn bytes_are_a_limit_too() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_queue(&client, limited(0, 10_000, Overflow::Reject), &[]).await;
    let large = || vec![message("", vec![1; 4_000])];
    client.publish(to_queue(), large()).await.unwrap();
    client.publish(to_queue(), large()).await.unwrap();
    is_full(&client, to_queue(), large()).await;
    client.publish(to_queue(), numbered(0..1)).await.unwrap();
    acked(&client, &pull_some(&client, "q").await[..1]).await;
    client.publish(to_queue(), large()).await.unwrap();
}

#[tokio::test]
async fn a_full_queue_refuses_what_matches_it_and_nothing_else() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, limited(2, 0, Overflow::Reject), &[("t", "a.*")]).await;
    create_queue(&client, Queue { name: "other".into(), ..Queue::default() }, &[("t", "#")]).await;
    let both = || vec![message("a.1", "x"), message("b.1", "y")];
    client.publish(to_topic(), both()).await.unwrap();
    client.publish(to_topic(), both()).await.unwrap();
    is_full(&client, to_topic(), both()).await;
    client.publish(to_topic(), vec![message("b.2", "z")]).await.unwrap();
    assert_eq!(collect(&client, "other", 5).await.len(), 5, "a refused batch goes to no queue");
    assert_eq!(ready(&client).await, 2);
}

#[tokio::test]
async fn a_stream_into_a_full_queue_waits_in_order_and_holds_nobody_else_up() {
    let broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, limited(10, 0, Overflow::Reject), &[("t", "a")]).await;
    create_queue(&client, Queue { name: "free".into(), ..Queue::default() }, &[("t", "b")]).await;
    let publisher = client.publish_stream(to_topic());
    let mut confirms = Vec::new();
    for number in 0..30 {
        confirms.push(publisher.publish(vec![message("a", number.to_string())]).await.unwrap());
    }
    let first: Vec<_> = confirms.drain(..10).collect();
    for confirm in first {
        within("a confirm", confirm).await.unwrap();
    }
    assert!(confirms.iter_mut().all(|confirm| confirm.now_or_never().is_none()), "the stream waits");
    client.publish(to_topic(), vec![message("b", "free")]).await.unwrap();
    is_full(&client, to_topic(), vec![message("a", "refused")]).await;

    let mut seen = Vec::new();
    while seen.len() < 30 {
        let held = pull_some(&client, "q").await;
        assert!(held.len() <= 10);
        acked(&client, &held).await;
        seen.extend(payloads(&held));
    }
    assert_eq!(seen, (0..30).map(|number| number.to_string()).collect::<Vec<_>>());
    for confirm in confirms {
        within("a confirm", confirm).await.unwrap();
    }
}

#[tokio::test]
async fn a_unary_publish_waits_as_long_as_it_says() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_queue(&client, limited(1, 0, Overflow::Reject), &[]).await;
    client.publish(to_queue(), numbered(0..1)).await.unwrap();
    let request = PublishRequest {
        destination: Some(to_queue()),
        messages: numbered(1..2),
        wait_for_room: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }),
        ..PublishRequest::default()
    };
    let mut stub = client.messaging();
    let waiting = tokio::spawn(async move { stub.publish(request).await });
    acked(&client, &pull_some(&client, "q").await).await;
    within("room", waiting).await.unwrap().unwrap();
    assert_eq!(payloads(&pull_some(&client, "q").await), ["1"]);
}

#[tokio::test]
async fn the_oldest_goes_to_the_dead_letters_when_it_is_to_be_dropped() {
    let broker = Broker::start();
    let client = broker.client().await;
    create_queue(&client, limited(5, 0, Overflow::DropOldest), &[]).await;
    for number in 0..20 {
        client.publish(to_queue(), numbered(number..number + 1)).await.unwrap();
    }
    let letters = collect(&client, "q.dlq", 15).await;
    assert_eq!(payloads(&letters), (0..15).map(|number| number.to_string()).collect::<Vec<_>>());
    let why = letters[0].dead_letter.clone().unwrap();
    assert_eq!(why.reason(), ferrymq_client::v1::DeadLetterReason::Overflow);
    assert_eq!(client.get_queue("q").await.unwrap().stats.unwrap().overflowed, 15);
    assert_eq!(payloads(&collect(&client, "q", 5).await), ["15", "16", "17", "18", "19"]);
}

#[tokio::test]
async fn the_count_is_exact_after_kills_settlements_and_changes_of_bindings() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    let mixed = || (0..40).map(|n| message(if n % 4 == 0 { "a" } else { "b" }, n.to_string())).collect::<Vec<_>>();
    client.publish(to_topic(), mixed()).await.unwrap();
    create_queue(&client, limited(25, 0, Overflow::Reject), &[("t", "a")]).await;
    client.publish(to_topic(), mixed()).await.unwrap();
    assert_eq!(ready(&client).await, 10);
    let held = pull_some(&client, "q").await;
    acked(&client, &held[..3]).await;
    client.nack(vec![held[3].ack_id.clone()], NackMode::Reject, None, "").await.unwrap();

    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    // Old ids still ack, before the queue has read so far.
    acked(&client, &held[4..5]).await;
    client.publish(to_topic(), mixed()).await.unwrap();
    is_full(&client, to_topic(), (0..11).map(|_| message("a", "too many")).collect()).await;
    client.publish(to_queue(), numbered(0..10)).await.unwrap();
    is_full(&client, to_queue(), numbered(0..1)).await;
    assert_eq!(collect(&client, "q.dlq", 1).await.len(), 1);

    let name = client.list_bindings("t", "q").await.unwrap()[0].name.clone();
    client.delete_binding(name).await.unwrap();
    client.publish(to_topic(), mixed()).await.unwrap();
    client.create_binding(binding("t", "q", "b")).await.unwrap();
    is_full(&client, to_topic(), vec![message("b", "x")]).await;
    assert_eq!(collect(&client, "q", 25).await.len(), 25);
    client.publish(to_topic(), (0..25).map(|_| message("b", "y")).collect()).await.unwrap();
    is_full(&client, to_topic(), vec![message("b", "z")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_count_is_exact_though_messages_come_and_go_while_it_is_made() {
    const MESSAGES: u32 = 600;
    let broker = Broker::start();
    let (client, other) = (broker.client().await, broker.client().await);
    create_topic(&client, "t").await;
    create_queue(&client, limited(1_000, 0, Overflow::Reject), &[]).await;
    client.publish(to_queue(), numbered(0..MESSAGES)).await.unwrap();
    let held = pull_some(&client, "q").await;
    assert_eq!(held.len(), MESSAGES as usize);
    let acks = async {
        for pair in held.chunks(2).take(250) {
            acked(&client, pair).await;
            client.publish(to_queue(), numbered(0..1)).await.unwrap();
        }
    };
    let recounts = async {
        for _ in 0..40 {
            // Every change of its bindings has the queue counted anew.
            let made = other.create_binding(binding("t", "q", "never")).await.unwrap().binding.unwrap();
            other.delete_binding(made.name).await.unwrap();
        }
    };
    tokio::join!(acks, recounts);
    let stats = client.get_queue("q").await.unwrap().stats.unwrap();
    assert_eq!((stats.unsettled, stats.ready), (100, 250));
    is_full(&client, to_queue(), numbered(0..651)).await;
    client.publish(to_queue(), numbered(0..650)).await.unwrap();
    is_full(&client, to_queue(), numbered(0..1)).await;
}

#[tokio::test]
async fn a_purge_makes_room_for_all_that_is_not_held() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_queue(&client, limited(8, 0, Overflow::Reject), &[]).await;
    client.publish(to_queue(), numbered(0..8)).await.unwrap();
    let request = ferrymq_client::v1::PullRequest {
        source: Some(ferrymq_client::v1::pull_request::Source::Queue("q".into())),
        max_messages: 2,
        ..Default::default()
    };
    assert_eq!(client.pull(request).await.unwrap().deliveries.len(), 2);
    let purge = PurgeRequest { target: Some(purge_request::Target::Queue("q".into())) };
    client.purge(purge).await.unwrap();
    is_full(&client, to_queue(), numbered(0..7)).await;
    client.publish(to_queue(), numbered(0..6)).await.unwrap();
    is_full(&client, to_queue(), numbered(0..1)).await;
}

#[tokio::test]
async fn limits_are_checked_and_are_settings() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    let bad = client.create_queue(limited(-1, 0, Overflow::Reject), vec![]).await.unwrap_err();
    assert_eq!(bad.field_violations()[0].field, "queue.limits.max_messages");
    create_queue(&client, limited(5, 0, Overflow::Unspecified), &[]).await;
    let same = client.create_queue(limited(5, 0, Overflow::Reject), vec![]).await.unwrap();
    assert!(!same.created);
    let other = client.create_queue(limited(6, 0, Overflow::Reject), vec![]).await.unwrap_err();
    assert_eq!(other.metadata().get("fields").map(String::as_str), Some("limits"));
}
