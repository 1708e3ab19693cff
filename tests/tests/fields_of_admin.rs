//! What each field of admin and operations does, where no other scenario shows it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::HashMap;

use ferrymq_client::v1::{
    DeadLetterPolicy, DeadLetterReason, DeleteBindingRequest, DeleteQueueRequest, DeleteTopicRequest, ErrorReason,
    GetQueueRequest, GetTopicRequest, ListBindingsRequest, ListQueuesRequest, ListTopicsRequest, LogEdge, LogPoint,
    NackMode, Ordering, PeekRequest, PurgeRequest, Queue, ResourceView, Retention, RetryPolicy, Topic,
    dead_letter_policy, log_point, peek_request, purge_request,
};
use ferrymq_client::{Client, Code, Error, v1};
use ferrymq_tests::{Broker, binding, create_queue, create_topic, message, payloads, publish, pull, pull_some};

async fn broker() -> (Broker, Client) {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, named("q"), &[("t", "#")]).await;
    (broker, client)
}

fn named(name: &str) -> Queue {
    Queue { name: name.into(), ..Queue::default() }
}

fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn earliest() -> Option<LogPoint> {
    Some(LogPoint { at: Some(log_point::At::Edge(LogEdge::Earliest.into())) })
}

#[tokio::test]
async fn settings_of_a_topic_come_back_as_given() {
    let (_broker, client) = broker().await;
    let retention = Retention { max_age: seconds(3_600), max_bytes: 1 << 20, max_messages: 7, ..Retention::default() };
    let labels = HashMap::from([("team".to_owned(), "a".to_owned())]);
    let topic = Topic { name: "x".into(), labels: labels.clone(), retention: Some(retention), ..Topic::default() };
    assert!(client.create_topic(topic.clone()).await.unwrap().created);
    let there = client.get_topic("x").await.unwrap();
    assert_eq!((there.labels, there.retention), (labels, Some(retention)));
    let forever = Retention { forever: true, ..Retention::default() };
    let other = Topic { retention: Some(forever), ..topic };
    assert_eq!(client.create_topic(other.clone()).await.unwrap_err().code(), Code::AlreadyExists);
    client.create_topic(Topic { name: "y".into(), ..other }).await.unwrap();
    assert_eq!(client.get_topic("y").await.unwrap().retention, Some(forever));
}

#[tokio::test]
async fn a_topic_keeps_as_much_as_its_retention_says() {
    let (_broker, client) = broker().await;
    let none = Retention::default();
    let kept = [
        ("forever", Retention { forever: true, ..none }, 9..=9),
        ("count", Retention { max_messages: 4, ..none }, 4..=4),
        ("bytes", Retention { max_bytes: 500, ..none }, 1..=5),
        ("age", Retention { max_age: seconds(1), ..none }, 0..=0),
    ];
    for (name, retention, _) in &kept {
        let topic = Topic { name: (*name).into(), retention: Some(*retention), ..Topic::default() };
        client.create_topic(topic).await.unwrap();
        for _ in 0..9 {
            publish(&client, name, vec![message("", vec![1; 100])]).await;
        }
    }
    let mut ask = tokio::time::interval(std::time::Duration::from_millis(50));
    let mut found = Vec::new();
    // The rules are applied from time to time: asked until each holds, but not for ever.
    for _ in 0..200 {
        ask.tick().await;
        found.clear();
        for (name, ..) in &kept {
            found.push(client.get_topic(*name).await.unwrap().stats.unwrap().messages);
        }
        if kept.iter().zip(&found).all(|((.., expected), found)| expected.contains(found)) {
            return;
        }
    }
    panic!("kept {found:?}");
}

#[tokio::test]
async fn settings_of_a_queue_come_back_as_given() {
    let (_broker, client) = broker().await;
    let retry =
        RetryPolicy { max_attempts: Some(3), min_backoff: seconds(1), max_backoff: seconds(4), multiplier: 1.5 };
    let queue = Queue {
        name: "x".into(),
        labels: HashMap::from([("team".to_owned(), "a".to_owned())]),
        ordering: Ordering::Key.into(),
        lease: seconds(5),
        max_lease: seconds(9),
        retry: Some(retry),
        ..Queue::default()
    };
    client.create_queue(queue.clone(), Vec::new()).await.unwrap();
    let there = client.get_queue("x").await.unwrap();
    let settings = |of: Queue| (of.labels, of.ordering, of.lease, of.max_lease, of.retry);
    assert_eq!(settings(there), settings(queue));
}

/// What became of a message that a queue of this policy rejected.
async fn rejected(client: &Client, target: dead_letter_policy::Target) -> i64 {
    let policy = DeadLetterPolicy { target: Some(target), ..DeadLetterPolicy::default() };
    create_queue(client, Queue { dead_letter: Some(policy), ..named("x") }, &[("t", "#")]).await;
    publish(client, "t", vec![message("", "bad")]).await;
    let ids = pull_some(client, "x").await.into_iter().map(|delivery| delivery.ack_id).collect();
    client.nack(ids, NackMode::Reject, None, "no").await.unwrap();
    client.get_queue("x").await.unwrap().stats.unwrap().rejected
}

#[tokio::test]
async fn dead_letters_go_where_the_policy_says() {
    let (_broker, client) = broker().await;
    create_queue(&client, named("dead"), &[]).await;
    assert_eq!(rejected(&client, dead_letter_policy::Target::Queue("dead".into())).await, 1);
    let letter = &pull_some(&client, "dead").await[0];
    assert_eq!(letter.dead_letter.as_ref().unwrap().reason(), DeadLetterReason::Rejected);

    client.delete_queue("x", true).await.unwrap();
    create_topic(&client, "buried").await;
    create_queue(&client, named("yard"), &[("buried", "#")]).await;
    rejected(&client, dead_letter_policy::Target::Topic("buried".into())).await;
    assert_eq!(payloads(&pull_some(&client, "yard").await), ["bad"]);

    client.delete_queue("x", true).await.unwrap();
    assert_eq!(rejected(&client, dead_letter_policy::Target::Discard(true)).await, 1);
    assert!(client.list_queues("x.dlq").await.unwrap().is_empty());
}

#[tokio::test]
async fn topics_and_queues_are_listed_page_by_page_by_prefix_and_view() {
    let (_broker, client) = broker().await;
    for name in ["a1", "a2", "b1"] {
        create_topic(&client, name).await;
        create_queue(&client, named(name), &[(name, "#")]).await;
    }
    let full = ResourceView::Full.into();
    let mut request = ListTopicsRequest { page_size: 1, prefix: "a".into(), view: full, ..Default::default() };
    let first = client.admin().list_topics(request.clone()).await.unwrap().into_inner();
    assert_eq!((first.topics[0].name.as_str(), first.total_size), ("a1", 2));
    assert!(first.topics[0].stats.is_some());
    request = ListTopicsRequest { page_token: first.next_page_token, view: ResourceView::Basic.into(), ..request };
    let last = client.admin().list_topics(request).await.unwrap().into_inner();
    assert_eq!((last.topics[0].name.as_str(), last.topics[0].stats), ("a2", None));
    assert!(last.next_page_token.is_empty());

    let mut request = ListQueuesRequest { page_size: 1, prefix: "a".into(), view: full, ..Default::default() };
    let first = client.admin().list_queues(request.clone()).await.unwrap().into_inner();
    assert!(first.queues[0].name == "a1" && first.queues[0].stats.is_some());
    request = ListQueuesRequest { page_token: first.next_page_token, view: 0, ..request };
    let last = client.admin().list_queues(request).await.unwrap().into_inner();
    assert!(last.queues[0].name == "a2" && last.queues[0].stats.is_none() && last.next_page_token.is_empty());
    let of_topic = ListQueuesRequest { topic: "b1".into(), ..Default::default() };
    let bound = client.admin().list_queues(of_topic).await.unwrap().into_inner().queues;
    assert_eq!(bound.iter().map(|queue| queue.name.as_str()).collect::<Vec<_>>(), ["b1"]);
}

#[tokio::test]
async fn a_look_at_one_topic_or_queue_has_the_view_that_it_asks_for() {
    let (_broker, client) = broker().await;
    let view = ResourceView::Basic.into();
    let topic = client.admin().get_topic(GetTopicRequest { name: "t".into(), view }).await.unwrap().into_inner();
    assert_eq!(topic.topic.unwrap().stats, None);
    let queue = client.admin().get_queue(GetQueueRequest { name: "q".into(), view }).await.unwrap().into_inner();
    assert!(queue.queue.is_some_and(|queue| queue.stats.is_none() && queue.bindings.is_empty()));
}

#[tokio::test]
async fn bindings_are_listed_page_by_page_by_topic_and_queue() {
    let (_broker, client) = broker().await;
    create_queue(&client, named("r"), &[]).await;
    let own = v1::Binding { name: "mine".into(), start: earliest(), ..binding("t", "r", "a.*") };
    publish(&client, "t", vec![message("a.b", "old")]).await;
    assert_eq!(client.create_binding(own).await.unwrap().binding.unwrap().name, "mine");
    assert_eq!(payloads(&pull_some(&client, "r").await), ["old"], "it starts at the earliest message");
    client.create_binding(binding("t", "r", "b.*")).await.unwrap();
    let mut request = ListBindingsRequest { page_size: 1, topic: "t".into(), queue: "r".into(), ..Default::default() };
    let first = client.admin().list_bindings(request.clone()).await.unwrap().into_inner();
    assert_eq!((first.bindings.len(), first.total_size), (1, 2));
    request.page_token = first.next_page_token;
    let last = client.admin().list_bindings(request.clone()).await.unwrap().into_inner();
    assert!(last.bindings.len() == 1 && last.bindings != first.bindings && last.next_page_token.is_empty());
    request = ListBindingsRequest { topic: "none".into(), ..Default::default() };
    assert!(client.admin().list_bindings(request).await.unwrap().into_inner().bindings.is_empty());
}

fn assert_status(status: tonic::Status, code: Code, reason: ErrorReason) {
    let error = Error::from(status);
    assert_eq!((error.code(), error.reason()), (code, reason), "{error:?}");
}

#[tokio::test]
async fn an_etag_of_another_one_keeps_it_from_being_deleted() {
    let (_broker, client) = broker().await;
    let etag = "of-another".to_owned();
    let queue = DeleteQueueRequest { name: "q".into(), etag: etag.clone(), force: true, ..Default::default() };
    let topic = DeleteTopicRequest { name: "t".into(), etag, force: true, ..Default::default() };
    let refused = client.admin().delete_queue(queue.clone()).await.unwrap_err();
    assert_status(refused, Code::Aborted, ErrorReason::EtagMismatch);
    let refused = client.admin().delete_topic(topic.clone()).await.unwrap_err();
    assert_status(refused, Code::Aborted, ErrorReason::EtagMismatch);
    let etag = client.get_queue("q").await.unwrap().etag;
    assert!(client.admin().delete_queue(DeleteQueueRequest { etag, ..queue }).await.unwrap().into_inner().deleted);
    let etag = client.get_topic("t").await.unwrap().etag;
    assert!(client.admin().delete_topic(DeleteTopicRequest { etag, ..topic }).await.unwrap().into_inner().deleted);
}

#[tokio::test]
async fn deleting_what_is_not_there_is_fine_only_if_it_may_be_missing() {
    let (_broker, client) = broker().await;
    let mut admin = client.admin();
    for allow_missing in [false, true] {
        let name = || "none".to_owned();
        let topic = DeleteTopicRequest { name: name(), allow_missing, ..Default::default() };
        let queue = DeleteQueueRequest { name: name(), allow_missing, ..Default::default() };
        let binding = DeleteBindingRequest { name: name(), allow_missing };
        let answers = [
            admin.delete_topic(topic).await.map(|answer| answer.into_inner().deleted),
            admin.delete_queue(queue).await.map(|answer| answer.into_inner().deleted),
            admin.delete_binding(binding).await.map(|answer| answer.into_inner().deleted),
        ];
        for answer in answers {
            match answer {
                Ok(deleted) => assert!(allow_missing && !deleted),
                Err(status) => assert!(!allow_missing && status.code() == Code::NotFound, "{status:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_peek_is_as_long_as_it_asks_and_cuts_payloads() {
    let (_broker, client) = broker().await;
    publish(&client, "t", vec![message("", "one"), message("", "two")]).await;
    for source in [peek_request::Source::Queue("q".into()), peek_request::Source::Topic("t".into())] {
        let request = PeekRequest {
            source: Some(source),
            start: earliest(),
            page_size: 1,
            max_payload_bytes: 2,
            ..PeekRequest::default()
        };
        let seen = client.peek(request).await.unwrap().messages;
        let shown: Vec<_> = seen.into_iter().filter_map(|peeked| peeked.delivery).collect();
        assert_eq!(payloads(&shown), ["on"]);
    }
}

#[tokio::test]
async fn a_purged_topic_keeps_nothing_for_those_that_come_later() {
    let (_broker, client) = broker().await;
    publish(&client, "t", vec![message("", "old")]).await;
    client.delete_queue("q", true).await.unwrap();
    let target = Some(purge_request::Target::Topic("t".into()));
    client.purge(PurgeRequest { target }).await.unwrap();
    create_queue(&client, named("late"), &[]).await;
    client.create_binding(v1::Binding { start: earliest(), ..binding("t", "late", "#") }).await.unwrap();
    assert!(pull(&client, "late").await.is_empty());
}

#[tokio::test]
async fn stats_are_of_the_topics_and_queues_that_are_named() {
    let (_broker, client) = broker().await;
    create_topic(&client, "other").await;
    let stats = client.stats(vec!["t".into()], vec!["q".into()]).await.unwrap();
    assert_eq!(stats.topics.keys().collect::<Vec<_>>(), ["t"]);
    assert_eq!(stats.queues.keys().collect::<Vec<_>>(), ["q"]);
}
