//! What each field of publishing and consuming does, where no other scenario shows it.

use std::collections::HashMap;
use std::time::Duration;

use ferrymq_client::v1::{
    AckRequest, ErrorReason, LeaseRenewal, LogEdge, LogPoint, Message, PublishConfirm, PublishRequest,
    PublishStreamRequest, PullRequest, SubscribeRequest, log_point, publish_confirm, pull_request, subscribe_request,
};
use ferrymq_client::{Code, Destination, queue};
use ferrymq_tests::{create_topic, deliveries, message, prepared, publish, pull_some, within};
use futures::StreamExt as _;

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

#[tokio::test]
async fn all_of_a_message_is_carried_through() {
    let (_broker, client) = prepared().await;
    let whole = Message {
        payload: "content".into(),
        attributes: HashMap::from([("traceparent".into(), "00".into()), ("b".into(), String::new())]),
        routing_key: "eu.de".into(),
        ordering_key: "customer".into(),
        message_id: "id".into(),
        content_type: "text/plain".into(),
        reply_to: "queue/answers".into(),
        correlation_id: "42".into(),
        ..Message::default()
    };
    publish(&client, "t", vec![whole.clone()]).await;
    assert_eq!(pull_some(&client, "q").await[0].message.as_ref(), Some(&whole));
}

#[tokio::test]
async fn a_batch_that_requires_a_route_is_refused_whole() {
    let (_broker, client) = prepared().await;
    create_topic(&client, "lonely").await;
    let request = |require_route| PublishRequest {
        destination: Some(Destination::Topic("lonely".into())),
        messages: vec![message("", "x")],
        require_route,
        ..PublishRequest::default()
    };
    let refused: ferrymq_client::Error = client.messaging().publish(request(true)).await.unwrap_err().into();
    assert_eq!((refused.code(), refused.reason()), (Code::FailedPrecondition, ErrorReason::NoRoute));
    let kept = client.messaging().publish(request(false)).await.unwrap().into_inner();
    assert_eq!(kept.results[0].position.unwrap().offset, 0, "nothing of the refused batch is there");
}

#[tokio::test]
async fn a_stream_confirms_each_batch_by_its_id() {
    let (_broker, client) = prepared().await;
    let batch = |destination| PublishRequest {
        destination: Some(destination),
        messages: vec![message("", "x")],
        ..PublishRequest::default()
    };
    let requests = [(7, Destination::Topic("t".into())), (3, Destination::Queue("none".into()))];
    let requests = requests.map(|(id, to)| PublishStreamRequest { id, batch: Some(batch(to)) });
    let answers = client.messaging().publish_stream(tokio_stream::iter(requests)).await.unwrap().into_inner();
    let answers: Vec<_> = within("the end of the stream", answers.collect()).await;
    let mut confirms: Vec<PublishConfirm> = answers.into_iter().flat_map(|answer| answer.unwrap().confirms).collect();
    confirms.sort_by_key(|confirm| confirm.id);
    assert_eq!(confirms.iter().map(|confirm| confirm.id).collect::<Vec<_>>(), [3, 7]);
    assert!(matches!(confirms[0].outcome, Some(publish_confirm::Outcome::Failure(_))), "{confirms:?}");
    assert!(matches!(confirms[1].outcome, Some(publish_confirm::Outcome::Confirmed(_))), "{confirms:?}");
}

#[tokio::test]
async fn a_subscription_says_how_long_its_leases_are_and_who_prolongs_them() {
    let (_broker, client) = prepared().await;
    let by = |lease_renewal: LeaseRenewal| SubscribeRequest {
        lease: seconds(2),
        lease_renewal: lease_renewal.into(),
        consumer: "host-1".into(),
        ..queue("q")
    };
    let consumer = client.subscribe_stream(by(LeaseRenewal::ByConsumer)).await.unwrap();
    assert_eq!(consumer.opened().lease, seconds(2));
    let broker = client.subscribe_stream(by(LeaseRenewal::ByBroker)).await.unwrap();
    assert_eq!(broker.opened().lease, seconds(30 * 60), "the queue's max_lease");
}

#[tokio::test]
async fn no_more_bytes_are_with_a_consumer_than_it_asked_for() {
    let (_broker, client) = prepared().await;
    let mut subscriber = client.subscribe_stream(SubscribeRequest { prefetch_bytes: 10, ..queue("q") }).await.unwrap();
    assert_eq!(subscriber.opened().prefetch_bytes, 10);
    publish(&client, "t", vec![message("", vec![1; 100]); 2]).await;
    let first = deliveries(&mut subscriber, 1).await;
    assert_eq!(client.get_queue("q").await.unwrap().stats.unwrap().unsettled, 1, "a large one passes alone");
    client.messaging().ack(AckRequest { ack_ids: vec![first[0].ack_id.clone()] }).await.unwrap();
    deliveries(&mut subscriber, 1).await;
}

#[tokio::test]
async fn a_silent_stream_has_a_heartbeat() {
    let (_broker, client) = prepared().await;
    let request = SubscribeRequest { heartbeat: seconds(1), ..queue("q") };
    let mut subscriber = client.subscribe_stream(request).await.unwrap();
    let mut empty = 0;
    // The first may say that the stream caught up; those after it say nothing.
    while empty < 2 {
        let response = within("a heartbeat", subscriber.next()).await.unwrap().unwrap();
        assert!(response.deliveries.is_empty(), "{response:?}");
        empty += u32::from(!response.caught_up);
    }
}

#[tokio::test]
async fn a_group_is_made_with_its_pattern_and_start() {
    let (_broker, client) = prepared().await;
    publish(&client, "t", vec![message("a", "no"), message("b", "old")]).await;
    let request = SubscribeRequest {
        source: Some(subscribe_request::Source::Topic("t".into())),
        group: "g".into(),
        pattern: "b".into(),
        start: Some(LogPoint { at: Some(log_point::At::Edge(LogEdge::Earliest.into())) }),
        create_if_missing: true,
        ..SubscribeRequest::default()
    };
    let mut subscriber = client.subscribe_stream(request).await.unwrap();
    assert_eq!(ferrymq_tests::payloads(&deliveries(&mut subscriber, 1).await), ["old"]);
}

fn pull(source: pull_request::Source) -> PullRequest {
    PullRequest { source: Some(source), max_messages: 10, wait: seconds(10), ..PullRequest::default() }
}

#[tokio::test]
async fn a_pull_takes_no_more_than_it_asks_for() {
    let (_broker, client) = prepared().await;
    publish(&client, "t", vec![message("", vec![1; 100]); 5]).await;
    let from_queue = || pull(pull_request::Source::Queue("q".into()));
    let two = PullRequest { max_messages: 2, consumer: "cron".into(), ..from_queue() };
    assert_eq!(client.pull(two).await.unwrap().deliveries.len(), 2);
    assert_eq!(client.pull(PullRequest { max_bytes: 150, ..from_queue() }).await.unwrap().deliveries.len(), 1);
    assert_eq!(client.pull(from_queue()).await.unwrap().deliveries.len(), 2);
}

#[tokio::test]
async fn a_pull_of_a_group_makes_it_only_if_asked() {
    let (_broker, client) = prepared().await;
    let of_group = |create_if_missing| PullRequest {
        group: "g".into(),
        create_if_missing,
        wait: seconds(0),
        ..pull(pull_request::Source::Topic("t".into()))
    };
    assert_eq!(client.pull(of_group(false)).await.unwrap_err().code(), Code::NotFound);
    assert!(client.pull(of_group(true)).await.unwrap().deliveries.is_empty());
    publish(&client, "t", vec![message("", "x")]).await;
    let taken = client.pull(PullRequest { wait: seconds(10), ..of_group(false) }).await.unwrap();
    assert_eq!((taken.queue.as_str(), taken.deliveries.len()), ("t/g", 1));
}

#[tokio::test]
async fn an_extension_is_as_long_as_it_says() {
    let (_broker, client) = prepared().await;
    publish(&client, "t", vec![message("", "x")]).await;
    let request = PullRequest { lease: seconds(1), ..pull(pull_request::Source::Queue("q".into())) };
    let held = client.pull(request).await.unwrap();
    assert_eq!(held.lease, seconds(1));
    let ids = vec![held.deliveries[0].ack_id.clone()];
    client.extend(ids.clone(), Some(Duration::from_secs(60))).await.unwrap();
    let waiting = PullRequest { wait: seconds(2), ..pull(pull_request::Source::Queue("q".into())) };
    assert!(client.pull(waiting).await.unwrap().deliveries.is_empty(), "the first lease would have ended");
}
