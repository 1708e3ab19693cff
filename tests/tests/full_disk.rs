//! A full disk: publishes wait or are refused, everything else goes on, and it recovers by itself.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::v1::{ErrorReason, Message, PeekRequest, PublishRequest, Queue, peek_request};
use ferrymq_client::{Client, Code, Destination};
use ferrymq_tests::{Broker, acked, collect, create_queue, message, payloads, pull_some, within};
use futures::FutureExt as _;

const LIMIT_BYTES: u64 = 128 << 20;

fn to(queue: &str) -> Destination {
    Destination::Queue(queue.to_owned())
}

fn large() -> Vec<Message> {
    vec![message("", vec![7; 1 << 19]); 2]
}

async fn full_broker() -> (Broker, Client) {
    let broker = Broker::start_with(&["--disk-limit", &LIMIT_BYTES.to_string()]);
    let client = broker.client().await;
    for name in ["q", "ballast"] {
        create_queue(&client, Queue { name: name.into(), ..Queue::default() }, &[]).await;
    }
    let small = (0..6).map(|n| message("", n.to_string())).collect();
    client.publish(to("q"), small).await.unwrap();
    let mut refused = None;
    for _ in 0..LIMIT_BYTES >> 20 {
        let answer = within("an answer", client.publish(to("ballast"), large())).await;
        refused = answer.err();
        if refused.is_some() {
            break;
        }
    }
    let refused = refused.expect("the limit is reached");
    assert_eq!((refused.code(), refused.reason()), (Code::ResourceExhausted, ErrorReason::DiskFull));
    assert!(refused.retry_after().is_some(), "{refused:?}");
    (broker, client)
}

#[tokio::test]
async fn while_it_is_full_only_publishes_are_held_up_and_room_ends_that() {
    let (mut broker, client) = full_broker().await;

    let publisher = client.publish_stream(to("q"));
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(publisher.publish(large()).await.unwrap());
    }

    let held = pull_some(&client, "q").await;
    assert_eq!(held.len(), 6);
    acked(&client, &held[..3]).await;
    let source = Some(peek_request::Source::Queue("ballast".into()));
    let seen = client.peek(PeekRequest { source, max_payload_bytes: 1, ..PeekRequest::default() }).await.unwrap();
    assert!(!seen.messages.is_empty());
    let stats = client.stats(vec![], vec!["q".into()]).await.unwrap();
    assert!(stats.broker.unwrap().disk_used_bytes <= LIMIT_BYTES as i64);
    create_queue(&client, Queue { name: "made-while-full".into(), ..Queue::default() }, &[]).await;
    acked(&client, &held[3..]).await;
    let again = client.publish(to("q"), large()).await.unwrap_err();
    assert_eq!(again.reason(), ErrorReason::DiskFull);
    assert!(waiting.iter_mut().all(|confirm| confirm.now_or_never().is_none()), "the stream waits");

    client.delete_queue("ballast", true).await.unwrap();
    let confirmed = within("the confirms of what waited", futures::future::join_all(waiting)).await;
    let offsets: Vec<i64> =
        confirmed.into_iter().map(|confirm| confirm.unwrap().results[0].position.unwrap().offset).collect();
    assert!(offsets.is_sorted(), "in the order in which they were sent: {offsets:?}");
    publisher.finish().await.unwrap();
    client.publish(to("q"), vec![message("", "after")]).await.unwrap();

    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    let kept = collect(&client, "q", 9).await;
    assert_eq!(payloads(&kept[8..]), ["after"], "what was confirmed is there, what was acked is not");
    client.get_queue("made-while-full").await.unwrap();
}

// The client has to go on while the test waits for the process.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_waits_for_room_does_not_hold_up_the_stop() {
    let (mut broker, client) = full_broker().await;
    let publisher = client.publish_stream(to("q"));
    let mut waiting = publisher.publish(large()).await.unwrap();
    let refused = client.publish(to("q"), large()).await.unwrap_err();
    assert_eq!(refused.reason(), ErrorReason::DiskFull);
    assert!(futures::poll!(&mut waiting).is_pending(), "the stream waits");
    broker.sigterm();
    let refused = within("an answer", waiting).await.unwrap_err();
    assert!(matches!(refused.reason(), ErrorReason::DiskFull | ErrorReason::Draining), "{refused:?}");
    assert!(broker.wait().success());
}

#[tokio::test]
async fn acks_alone_make_room_for_a_publish_that_waits_for_it() {
    let (_broker, client) = full_broker().await;
    let request = PublishRequest {
        destination: Some(to("q")),
        messages: large(),
        wait_for_room: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }),
        ..PublishRequest::default()
    };
    let mut stub = client.messaging();
    let waiting = tokio::spawn(async move { stub.publish(request).await });
    while client.get_queue("ballast").await.unwrap().stats.unwrap().ready > 0 {
        acked(&client, &pull_some(&client, "ballast").await).await;
    }
    within("room", waiting).await.unwrap().unwrap();
    assert_eq!(collect(&client, "q", 8).await.len(), 8);
}
