//! Seek: a queue's progress is moved, back and forward.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::v1::{
    Delivery, ErrorReason, LogEdge, LogPoint, Message, NackMode, Ordering, Position, PublishRequest, PurgeRequest,
    Queue, SeekRequest, SeekResponse, SettleStatus, log_point::At, purge_request,
};
use ferrymq_client::{Client, Code, Destination, Error, queue};
use ferrymq_tests::{
    Broker, acked, binding, collect, create_queue, create_topic, deliveries, message, payloads, publish, pull,
    pull_some, within,
};

/// A queue `q` bound to the topic `t`, which holds the messages 0 to 9, and where each of them stands.
async fn ten(client: &Client) -> Vec<Position> {
    create_topic(client, "t").await;
    create_queue(client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "#")]).await;
    let confirm = publish(client, "t", (0..10).map(|number| message("k", number.to_string())).collect()).await;
    confirm.results.iter().map(|result| result.position.unwrap()).collect()
}

fn edge(edge: LogEdge) -> At {
    At::Edge(edge.into())
}

async fn seek_topic(client: &Client, topic: &str, to: At) -> Result<SeekResponse, Error> {
    let request = SeekRequest { queue: "q".into(), to: Some(LogPoint { at: Some(to) }), topic: topic.into() };
    within("the answer to a seek", client.seek(request)).await
}

async fn seek(client: &Client, to: At) -> Result<SeekResponse, Error> {
    seek_topic(client, "", to).await
}

fn attempts(deliveries: &[Delivery]) -> Vec<i32> {
    deliveries.iter().map(|delivery| delivery.attempt).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn a_seek_back_delivers_again_and_says_so_and_a_seek_forward_skips() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    let positions = ten(&client).await;
    collect(&client, "q", 10).await;
    let back = seek(&client, At::Position(positions[4])).await.unwrap();
    assert_eq!(back, SeekResponse { ready: 6, trimmed: false });
    let again = pull_some(&client, "q").await;
    assert_eq!((payloads(&again), attempts(&again)), (numbers(4..10), vec![2; 6]));
    acked(&client, &again).await;
    let time = prost_types::Timestamp { seconds: 1, nanos: 0 };
    for to in [edge(LogEdge::Earliest), At::Time(time)] {
        assert_eq!(seek(&client, to).await.unwrap(), SeekResponse { ready: 10, trimmed: false });
        assert_eq!(seek(&client, At::Position(positions[8])).await.unwrap().ready, 2);
        let last = collect(&client, "q", 2).await;
        assert_eq!(payloads(&last), numbers(8..10), "what is before the position counts as settled");
    }
    seek(&client, edge(LogEdge::Earliest)).await.unwrap();
    assert_eq!(seek(&client, edge(LogEdge::Latest)).await.unwrap().ready, 0);
    assert!(pull(&client, "q").await.is_empty());
    publish(&client, "t", vec![message("k", "10")]).await;
    let new = pull_some(&client, "q").await;
    assert_eq!((payloads(&new), attempts(&new)), (numbers(10..11), vec![1]), "it had not been delivered before");
    assert_eq!(client.get_queue("q").await.unwrap().stats.unwrap().received, 11, "a replay is not received anew");
}

#[tokio::test]
async fn what_consumers_hold_is_theirs_no_more_also_after_a_restart() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    ten(&client).await;
    let mut stream = client.subscribe_stream(queue("q")).await.unwrap();
    let held = deliveries(&mut stream, 10).await;
    let ids = |of: &[Delivery]| of.iter().map(|delivery| delivery.ack_id.clone()).collect::<Vec<_>>();
    seek(&client, edge(LogEdge::Earliest)).await.unwrap();
    let again = deliveries(&mut stream, 10).await;
    assert_eq!(attempts(&again), vec![2; 10], "the credit of what was lost is back");
    let lost = vec![SettleStatus::LeaseLost; 3];
    assert_eq!(client.ack(ids(&held[..3])).await.unwrap(), lost, "a late ack does not reach behind the seek");
    assert_eq!(client.nack(ids(&held[..3]), NackMode::Reject, None, "").await.unwrap(), lost);
    assert_eq!(client.extend(ids(&held[..3]), None).await.unwrap(), lost);
    acked(&client, &again[..5]).await;
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    assert_eq!(client.ack(ids(&held[7..])).await.unwrap(), lost);
    acked(&client, &again[5..6]).await;
    let rest = pull_some(&client, "q").await;
    assert_eq!(payloads(&rest), numbers(6..10));
    assert!(rest.iter().all(|delivery| delivery.attempt > 1));
}

#[tokio::test]
async fn a_seek_that_was_answered_survives_kill_9() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    let positions = ten(&client).await;
    collect(&client, "q", 10).await;
    seek(&client, At::Position(positions[7])).await.unwrap();
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    let again = collect(&client, "q", 3).await;
    assert_eq!(payloads(&again), numbers(7..10));
    assert!(again.iter().all(|delivery| delivery.attempt > 1));
    seek(&client, edge(LogEdge::Earliest)).await.unwrap();
    seek(&client, At::Position(positions[9])).await.unwrap();
    broker.kill9();
    broker.restart();
    assert_eq!(payloads(&collect(&broker.client().await, "q", 1).await), numbers(9..10));
}

#[tokio::test]
async fn a_seek_forgets_failures_and_dead_letters_come_again() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    ten(&client).await;
    let held = pull_some(&client, "q").await;
    let ids: Vec<_> = held.iter().map(|delivery| delivery.ack_id.clone()).collect();
    client.nack(ids[..5].to_vec(), NackMode::Reject, None, "broken").await.unwrap();
    client.nack(ids[5..].to_vec(), NackMode::Retry, Some(std::time::Duration::from_secs(600)), "").await.unwrap();
    assert_eq!(seek(&client, edge(LogEdge::Earliest)).await.unwrap().ready, 10);
    let again = collect(&client, "q", 10).await;
    assert_eq!((payloads(&again), attempts(&again)), (numbers(0..10), vec![2; 10]));
    assert_eq!(collect(&client, "q.dlq", 5).await.len(), 5, "what was dead-lettered before is there all the same");
}

#[tokio::test]
async fn each_log_moves_or_only_the_one_that_is_named() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    let positions = ten(&client).await;
    create_topic(&client, "u").await;
    client.create_binding(binding("u", "q", "#")).await.unwrap();
    let there = publish(&client, "u", vec![message("", "u0"), message("", "u1")]).await.results[1].position.unwrap();
    let inbox = PublishRequest {
        destination: Some(Destination::Queue("q".into())),
        messages: vec![message("", "straight")],
        ..PublishRequest::default()
    };
    // It stays in the inbox, as long as nothing of it is trimmed: the purge below waits for nothing.
    client.messaging().publish(inbox).await.unwrap();
    let held = pull_some(&client, "q").await;
    assert_eq!(held.len(), 13);
    assert_eq!(seek_topic(&client, "u", edge(LogEdge::Earliest)).await.unwrap().ready, 2);
    assert_eq!(payloads(&collect(&client, "q", 2).await), ["u0", "u1"]);
    seek(&client, At::Position(there)).await.unwrap();
    assert_eq!(payloads(&collect(&client, "q", 1).await), ["u1"]);
    assert_eq!(seek(&client, edge(LogEdge::Earliest)).await.unwrap().ready, 13);
    assert_eq!(collect(&client, "q", 13).await.len(), 13, "the inbox moves too");
    create_topic(&client, "other").await;
    let refused = [
        (seek_topic(&client, "other", edge(LogEdge::Earliest)).await, ErrorReason::FieldInvalid),
        (seek_topic(&client, "none", edge(LogEdge::Earliest)).await, ErrorReason::TopicNotFound),
        (seek_topic(&client, "u", At::Position(positions[0])).await, ErrorReason::PositionUnknown),
        (seek(&client, At::Position(Position { log: 1, offset: 0 })).await, ErrorReason::PositionUnknown),
        (seek(&client, At::Position(Position { offset: 11, ..positions[0] })).await, ErrorReason::PositionUnknown),
    ];
    for (answer, reason) in refused {
        assert_eq!(answer.unwrap_err().reason(), reason);
    }
    assert!(pull(&client, "q").await.is_empty(), "what is refused moves nothing");
}

#[tokio::test]
async fn a_seek_to_what_is_kept_no_more_says_so() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    let positions = ten(&client).await;
    collect(&client, "q", 10).await;
    let purge = PurgeRequest { target: Some(purge_request::Target::Topic("t".into())) };
    assert_eq!(client.purge(purge.clone()).await.unwrap(), 10);
    publish(&client, "t", vec![message("", "10")]).await;
    let error = seek(&client, At::Position(positions[3])).await.unwrap_err();
    assert_eq!((error.code(), error.reason()), (Code::OutOfRange, ErrorReason::PositionTrimmed));
    let long_ago = At::Time(prost_types::Timestamp { seconds: 1, nanos: 0 });
    assert_eq!(seek(&client, long_ago).await.unwrap(), SeekResponse { ready: 1, trimmed: true });
    collect(&client, "q", 1).await;
    seek(&client, edge(LogEdge::Earliest)).await.unwrap();
    assert_eq!(client.purge(purge).await.unwrap(), 0, "what a seek asked for again is needed");
    assert_eq!(payloads(&collect(&client, "q", 1).await), ["10"]);
}

#[tokio::test]
async fn only_what_was_the_queues_comes_again() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    publish(&client, "t", vec![message("a", "before")]).await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "a")]).await;
    publish(&client, "t", vec![message("a", "one"), message("b", "not"), message("a", "two")]).await;
    collect(&client, "q", 2).await;
    seek(&client, edge(LogEdge::Earliest)).await.unwrap();
    assert_eq!(payloads(&collect(&client, "q", 2).await), ["one", "two"]);
    assert!(pull(&client, "q").await.is_empty());
}

#[tokio::test]
async fn a_replay_keeps_the_order_of_keys() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    let settings = Queue { name: "q".into(), ordering: Ordering::Key.into(), ..Queue::default() };
    create_queue(&client, settings, &[("t", "#")]).await;
    let keyed = |number: usize| Message { ordering_key: (number % 2).to_string(), ..message("", number.to_string()) };
    publish(&client, "t", (0..10).map(keyed).collect()).await;
    collect(&client, "q", 6).await;
    let held = pull_some(&client, "q").await;
    assert_eq!(payloads(&held), ["6", "7"], "one of each key");
    assert_eq!(seek(&client, edge(LogEdge::Earliest)).await.unwrap().ready, 10);
    let again = payloads(&collect(&client, "q", 10).await);
    for key in 0..2 {
        let of_key: Vec<_> = again.iter().filter(|text| text.parse::<usize>().unwrap() % 2 == key).cloned().collect();
        let expected: Vec<_> = numbers(0..10).into_iter().skip(key).step_by(2).collect();
        assert_eq!(of_key, expected);
    }
}
