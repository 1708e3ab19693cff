//! What comes to whom, how often, and in what order.

use std::collections::BTreeSet;
use std::time::Duration;

use ferrymq_client::v1::log_point::At;
use ferrymq_client::v1::subscribe_request::Source;
use ferrymq_client::v1::{
    DeadLetterReason, ErrorReason, LogEdge, LogPoint, Message, NackMode, Queue, RetryPolicy, SettleStatus,
    SubscribeRequest,
};
use ferrymq_client::{Client, Code, Destination, group, queue};
use ferrymq_tests::{
    Broker, acked, collect, create_queue, create_topic, deliveries, message, payloads, publish, pull, pull_some, within,
};

fn named(name: &str) -> Queue {
    Queue { name: name.to_owned(), ..Queue::default() }
}

fn numbered(count: usize) -> Vec<Message> {
    (0..count).map(|number| message("k", number.to_string())).collect()
}

fn from(topic: &str, group: &str, edge: LogEdge) -> SubscribeRequest {
    SubscribeRequest {
        source: Some(Source::Topic(topic.to_owned())),
        group: group.to_owned(),
        create_if_missing: !group.is_empty(),
        start: Some(LogPoint { at: Some(At::Edge(edge.into())) }),
        ..SubscribeRequest::default()
    }
}

async fn with_topic(name: &str) -> (Broker, Client) {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, name).await;
    (broker, client)
}

#[tokio::test]
async fn an_acked_message_is_gone_and_its_credit_is_back() {
    let (_broker, client) = with_topic("t").await;
    let request = SubscribeRequest { prefetch: 1, ..group("t", "g") };
    let mut subscriber = client.subscribe_stream(request).await.unwrap();
    publish(&client, "t", numbered(5)).await;
    for number in 0..5 {
        let one = deliveries(&mut subscriber, 1).await;
        assert_eq!(payloads(&one), [number.to_string()]);
        assert_eq!((one[0].attempt, one[0].topic.as_str()), (1, "t"));
        acked(&client, &one).await;
    }
    drop(subscriber);
    assert!(pull(&client, "t/g").await.is_empty());
}

#[tokio::test]
async fn patterns_choose_which_queues_get_a_copy() {
    let (_broker, client) = with_topic("t").await;
    for (name, pattern) in [("all", "#"), ("one", "eu.*"), ("deep", "eu.#"), ("exact", "eu.de")] {
        create_queue(&client, named(name), &[("t", pattern)]).await;
    }
    let keys = ["eu", "eu.de", "eu.de.x", "us.de"];
    let confirmed = publish(&client, "t", keys.map(|key| message(key, key)).to_vec()).await;
    let matched: Vec<i32> = confirmed.results.iter().map(|result| result.queues_matched).collect();
    assert_eq!(matched, [2, 4, 2, 1]);
    assert_eq!(payloads(&collect(&client, "all", 4).await), keys);
    assert_eq!(payloads(&collect(&client, "one", 1).await), ["eu.de"]);
    assert_eq!(payloads(&collect(&client, "deep", 3).await), ["eu", "eu.de", "eu.de.x"]);
    assert_eq!(payloads(&collect(&client, "exact", 1).await), ["eu.de"]);
}

#[tokio::test]
async fn a_queue_merges_its_sources_in_commit_order() {
    let (_broker, client) = with_topic("a").await;
    create_topic(&client, "b").await;
    create_queue(&client, named("q"), &[("a", "#"), ("b", "#")]).await;
    for number in 0..30 {
        let to = [Destination::Topic("a".into()), Destination::Topic("b".into()), Destination::Queue("q".into())];
        let batch = vec![message("", number.to_string())];
        client.publish(to[number % 3].clone(), batch).await.unwrap();
    }
    let expected: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    assert_eq!(payloads(&collect(&client, "q", 30).await), expected);
}

#[tokio::test]
async fn a_busy_consumer_does_not_hoard() {
    let (_broker, client) = with_topic("t").await;
    let request = SubscribeRequest { prefetch: 2, ..group("t", "g") };
    let mut busy = client.subscribe_stream(request.clone()).await.unwrap();
    let mut free = client.subscribe_stream(request).await.unwrap();
    publish(&client, "t", numbered(10)).await;
    let held = deliveries(&mut busy, 2).await;
    let mut seen: BTreeSet<String> = payloads(&held).into_iter().collect();
    while seen.len() < 10 {
        let batch = within("the rest", free.next_batch()).await.unwrap().unwrap();
        seen.extend(payloads(&batch));
        acked(&client, &batch).await;
    }
    acked(&client, &held).await;
}

#[tokio::test]
async fn what_a_lost_consumer_held_comes_again_and_says_so() {
    let (_broker, client) = with_topic("t").await;
    let mut first = client.subscribe_stream(group("t", "g")).await.unwrap();
    publish(&client, "t", numbered(3)).await;
    let held = deliveries(&mut first, 3).await;
    assert!(held.iter().all(|delivery| delivery.attempt == 1));
    drop(first);
    let mut second = client.subscribe_stream(group("t", "g")).await.unwrap();
    let again = deliveries(&mut second, 3).await;
    assert!(again.iter().all(|delivery| delivery.attempt == 2), "{again:?}");
    acked(&client, &again).await;
}

#[tokio::test]
async fn release_gives_back_at_once_and_is_no_failure() {
    let (_broker, client) = with_topic("t").await;
    let retry = RetryPolicy { max_attempts: Some(2), ..RetryPolicy::default() };
    create_queue(&client, Queue { retry: Some(retry), ..named("q") }, &[("t", "#")]).await;
    publish(&client, "t", numbered(1)).await;
    for attempt in 1..=5 {
        let one = pull_some(&client, "q").await;
        assert_eq!(one[0].attempt, attempt);
        let ids = vec![one[0].ack_id.clone()];
        assert_eq!(client.nack(ids, NackMode::Release, None, "").await.unwrap(), [SettleStatus::Ok]);
    }
}

#[tokio::test]
async fn retries_back_off_and_end_as_a_dead_letter() {
    let (_broker, client) = with_topic("t").await;
    let backoff = prost_types::Duration { seconds: 0, nanos: 20_000_000 };
    let retry = RetryPolicy {
        max_attempts: Some(3),
        min_backoff: Some(backoff),
        max_backoff: Some(backoff),
        ..RetryPolicy::default()
    };
    create_queue(&client, Queue { retry: Some(retry), ..named("q") }, &[("t", "#")]).await;
    publish(&client, "t", numbered(1)).await;
    for attempt in 1..=3 {
        let one = pull_some(&client, "q").await;
        assert_eq!(one[0].attempt, attempt);
        client.nack(vec![one[0].ack_id.clone()], NackMode::Retry, None, "broken").await.unwrap();
    }
    let dead = pull_some(&client, "q.dlq").await.remove(0);
    let letter = dead.dead_letter.unwrap();
    assert_eq!(letter.reason(), DeadLetterReason::MaxAttempts);
    assert_eq!((letter.queue.as_str(), letter.topic.as_str(), letter.attempts), ("q", "t", 3));
    assert!(pull(&client, "q").await.is_empty());
}

#[tokio::test]
async fn a_nack_with_a_delay_waits() {
    let (_broker, client) = with_topic("t").await;
    create_queue(&client, named("q"), &[("t", "#")]).await;
    publish(&client, "t", numbered(1)).await;
    let one = pull_some(&client, "q").await;
    let ids = vec![one[0].ack_id.clone()];
    client.nack(ids, NackMode::Retry, Some(Duration::from_secs(3600)), "later").await.unwrap();
    assert!(pull(&client, "q").await.is_empty());
    assert_eq!(client.get_queue("q").await.unwrap().stats.unwrap().backing_off, 1);
}

#[tokio::test]
async fn a_rejected_message_is_a_dead_letter_with_its_reason() {
    let (_broker, client) = with_topic("t").await;
    create_queue(&client, named("q"), &[("t", "#")]).await;
    publish(&client, "t", numbered(1)).await;
    let one = pull_some(&client, "q").await.remove(0);
    client.nack(vec![one.ack_id.clone()], NackMode::Reject, None, "cannot read it").await.unwrap();
    let dead = pull_some(&client, "q.dlq").await.remove(0);
    let letter = dead.dead_letter.unwrap();
    assert_eq!(letter.reason(), DeadLetterReason::Rejected);
    assert_eq!(letter.description, "cannot read it");
    assert_eq!(letter.position, one.position);
    assert_eq!(dead.message, one.message);
}

#[tokio::test]
async fn more_dead_letters_at_once_than_a_frame_of_the_log_holds_all_arrive() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, named("q"), &[("t", "#")]).await;
    for _ in 0..24 {
        publish(&client, "t", vec![message("", vec![7; 500_000])]).await;
    }
    let mut held = Vec::new();
    while held.len() < 24 {
        held.extend(pull_some(&client, "q").await.into_iter().map(|delivery| delivery.ack_id));
    }
    let rejected = client.nack(held, NackMode::Reject, None, "").await.unwrap();
    assert_eq!(rejected, [SettleStatus::Ok; 24]);
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    assert_eq!(collect(&client, "q.dlq", 24).await.len(), 24);
    assert!(pull(&client, "q").await.is_empty());
    publish(&client, "t", numbered(1)).await;
}

#[tokio::test]
async fn a_broadcast_sees_all_from_earliest_and_only_what_is_new_from_latest() {
    let (_broker, client) = with_topic("t").await;
    publish(&client, "t", numbered(2)).await;
    let mut early = client.subscribe_stream(from("t", "", LogEdge::Earliest)).await.unwrap();
    let mut late = client.subscribe_stream(from("t", "", LogEdge::Latest)).await.unwrap();
    publish(&client, "t", vec![message("", "new")]).await;
    assert_eq!(payloads(&deliveries(&mut early, 3).await), ["0", "1", "new"]);
    assert_eq!(payloads(&deliveries(&mut late, 1).await), ["new"]);
}

#[tokio::test]
async fn a_group_is_made_only_if_asked_and_may_look_back() {
    let (_broker, client) = with_topic("t").await;
    publish(&client, "t", numbered(2)).await;
    let typo = SubscribeRequest { create_if_missing: false, ..group("t", "typo") };
    assert_eq!(client.subscribe_stream(typo).await.unwrap_err().code(), Code::NotFound);
    let mut late = client.subscribe_stream(from("t", "late", LogEdge::Earliest)).await.unwrap();
    assert!(late.opened().created);
    assert_eq!(late.opened().queue, "t/late");
    acked(&client, &deliveries(&mut late, 2).await).await;
    let second = client.subscribe_stream(queue("t/late")).await.unwrap();
    assert!(!second.opened().created);
}

#[tokio::test]
async fn a_pulled_lease_can_be_extended_and_a_lost_one_cannot() {
    let (_broker, client) = with_topic("t").await;
    create_queue(&client, named("q"), &[("t", "#")]).await;
    publish(&client, "t", numbered(1)).await;
    let ids = vec![pull_some(&client, "q").await[0].ack_id.clone()];
    let extended = client.extend(ids.clone(), Some(Duration::from_secs(60))).await.unwrap();
    assert_eq!(extended, [SettleStatus::Ok]);
    client.nack(ids.clone(), NackMode::Release, None, "").await.unwrap();
    assert_eq!(client.extend(ids.clone(), None).await.unwrap(), [SettleStatus::LeaseLost]);
    assert_eq!(client.ack(ids.clone()).await.unwrap(), [SettleStatus::Ok], "a late ack still settles");
    assert_eq!(client.ack(ids).await.unwrap(), [SettleStatus::AlreadySettled]);
    assert!(pull(&client, "q").await.is_empty());
}

#[tokio::test]
async fn a_message_too_large_for_a_consumer_fails_alone() {
    let (_broker, client) = with_topic("t").await;
    let soon = Some(Duration::from_millis(1).try_into().unwrap());
    let retry = RetryPolicy { max_attempts: Some(2), min_backoff: soon, max_backoff: soon, ..RetryPolicy::default() };
    create_queue(&client, Queue { retry: Some(retry), ..named("q") }, &[("t", "#")]).await;
    publish(&client, "t", vec![message("", "before"), message("", vec![7; 100_000]), message("", "after")]).await;
    for _ in 0..2 {
        let request = SubscribeRequest { max_response_bytes: 64 << 10, ..queue("q") };
        let mut subscriber = client.subscribe_stream(request).await.unwrap();
        let ended = loop {
            match within("deliveries or the end", subscriber.next_batch()).await {
                Ok(batch) => {
                    assert!(
                        batch
                            .is_some_and(|batch| batch.iter().all(|d| payloads(std::slice::from_ref(d))[0].len() < 10))
                    )
                }
                Err(ended) => break ended,
            }
        };
        assert_eq!((ended.code(), ended.reason()), (Code::FailedPrecondition, ErrorReason::ResponseTooSmall));
    }
    let dead = collect(&client, "q.dlq", 1).await;
    assert_eq!(dead[0].dead_letter.as_ref().unwrap().reason(), DeadLetterReason::MaxAttempts);
    let mut rest = payloads(&collect(&client, "q", 2).await);
    rest.sort();
    assert_eq!(rest, ["after", "before"], "what went with it has not failed");
}

#[tokio::test]
async fn a_binding_begins_exactly_where_it_was_made() {
    let (_broker, client) = with_topic("t").await;
    publish(&client, "t", numbered(3)).await;
    create_queue(&client, named("q"), &[("t", "#")]).await;
    publish(&client, "t", vec![message("k", "after")]).await;
    publish(&client, "t", vec![message("k", "last")]).await;
    let first = collect(&client, "q", 1).await;
    assert_eq!(payloads(&first)[0], "after", "the first message after the binding");
}
