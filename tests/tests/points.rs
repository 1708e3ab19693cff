//! Readers that begin and end anywhere in a log: broadcasts, groups, bindings and peeks.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::time::{SystemTime, UNIX_EPOCH};

use ferrymq_client::v1::{
    Binding, Delivery, ErrorReason, LogEdge, LogPoint, PeekRequest, Position, PurgeRequest, Queue, SubscribeRequest,
    log_point::At, peek_request, purge_request, subscribe_request::Source,
};
use ferrymq_client::{Client, Code, Error};
use ferrymq_tests::{
    Broker, acked, binding, collect, create_queue, create_topic, deliveries, message, payloads, publish, pull,
    pull_some, within,
};

/// A broker with the topic `t`, which holds the messages 0 to 9, each in a batch and a millisecond of its own; and where
/// each of them stands.
async fn ten() -> (Broker, Client, Vec<Position>) {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    let mut positions = Vec::new();
    for number in 0..10 {
        let key = if number % 2 == 0 { "even" } else { "odd" };
        let confirm = publish(&client, "t", vec![message(key, number.to_string())]).await;
        positions.push(confirm.results[0].position.unwrap());
        next_millisecond();
    }
    (broker, client, positions)
}

/// Goes on in another millisecond of the clock, which this process shares with the broker.
fn next_millisecond() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let began = now();
    while now() == began {
        std::hint::spin_loop();
    }
}

fn edge(edge: LogEdge) -> Option<LogPoint> {
    Some(LogPoint { at: Some(At::Edge(edge.into())) })
}

fn at(position: Position) -> Option<LogPoint> {
    Some(LogPoint { at: Some(At::Position(position)) })
}

/// The time at which a message was published.
fn time_of(delivery: &Delivery) -> Option<LogPoint> {
    let (seconds, nanos) = (delivery.publish_time_ms / 1_000, (delivery.publish_time_ms % 1_000) as i32 * 1_000_000);
    Some(LogPoint { at: Some(At::Time(prost_types::Timestamp { seconds, nanos })) })
}

fn broadcast(start: Option<LogPoint>, stop: Option<LogPoint>) -> SubscribeRequest {
    SubscribeRequest { source: Some(Source::Topic("t".into())), start, stop, ..SubscribeRequest::default() }
}

/// All that a broadcast delivers until it ends with OK.
async fn replay(client: &Client, request: SubscribeRequest) -> Result<Vec<Delivery>, Error> {
    let mut stream = client.subscribe_stream(request).await?;
    let mut all = Vec::new();
    while let Some(batch) = within("the end of a replay", stream.next_batch()).await? {
        all.extend(batch);
    }
    Ok(all)
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn a_bounded_replay_begins_and_ends_where_it_is_asked_to() {
    let (_broker, client, positions) = ten().await;
    let (earliest, latest) = (edge(LogEdge::Earliest), edge(LogEdge::Latest));
    let all = replay(&client, broadcast(earliest.clone(), latest.clone())).await.unwrap();
    assert_eq!(payloads(&all), numbers(0..10));
    let time = |number: usize| time_of(&all[number]);
    for (start, stop, expected) in [
        (latest.clone(), latest.clone(), 10..10),
        (at(positions[3]), latest.clone(), 3..10),
        (earliest.clone(), at(positions[6]), 0..7),
        (at(positions[6]), at(positions[3]), 0..0),
        (time(4), latest.clone(), 4..10),
        (earliest, time(4), 0..4),
        (time(2), time(5), 2..5),
    ] {
        let found = replay(&client, broadcast(start.clone(), stop.clone())).await.unwrap();
        assert_eq!(payloads(&found), numbers(expected), "{start:?} to {stop:?}");
    }
    let odd = SubscribeRequest { pattern: "odd".into(), ..broadcast(at(positions[2]), at(positions[7])) };
    assert_eq!(payloads(&replay(&client, odd).await.unwrap()), ["3", "5", "7"]);
}

#[tokio::test]
async fn a_replay_can_end_at_a_message_or_a_time_that_is_yet_to_come() {
    let (_broker, client, positions) = ten().await;
    let last = positions[9];
    let next = Position { offset: last.offset + 1, ..last };
    let mut stream = client.subscribe_stream(broadcast(at(last), at(next))).await.unwrap();
    let soon = SystemTime::now() + std::time::Duration::from_millis(300);
    let soon = Some(LogPoint { at: Some(At::Time(soon.into())) });
    let mut until = client.subscribe_stream(broadcast(edge(LogEdge::Latest), soon)).await.unwrap();
    publish(&client, "t", vec![message("", "10"), message("", "11")]).await;
    let mut both = within("what is there", stream.next_batch()).await.unwrap().unwrap();
    while let Some(more) = within("the end", stream.next_batch()).await.unwrap() {
        both.extend(more);
    }
    assert_eq!(payloads(&both), ["9", "10"]);
    assert_eq!(within("a message", until.next_batch()).await.unwrap().unwrap().len(), 2);
    assert!(within("the end in time", until.next_batch()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_position_that_names_nothing_here_is_refused_and_says_why() {
    let (_broker, client, positions) = ten().await;
    let here = positions[9];
    create_topic(&client, "other").await;
    let other = publish(&client, "other", vec![message("", "x")]).await.results[0].position.unwrap();
    let purge = PurgeRequest { target: Some(purge_request::Target::Topic("t".into())) };
    assert_eq!(client.purge(purge).await.unwrap(), 10);
    let beyond = Position { offset: here.offset + 2, ..here };
    let group = |start| SubscribeRequest { group: "g".into(), create_if_missing: true, ..broadcast(start, None) };
    for (request, code, reason) in [
        (broadcast(at(other), None), Code::InvalidArgument, ErrorReason::PositionUnknown),
        (broadcast(at(beyond), None), Code::InvalidArgument, ErrorReason::PositionUnknown),
        (broadcast(None, at(beyond)), Code::InvalidArgument, ErrorReason::PositionUnknown),
        (broadcast(at(positions[3]), None), Code::OutOfRange, ErrorReason::PositionTrimmed),
        (group(at(positions[3])), Code::OutOfRange, ErrorReason::PositionTrimmed),
        (group(at(other)), Code::InvalidArgument, ErrorReason::PositionUnknown),
        (broadcast(at(Position { offset: -1, ..here }), None), Code::InvalidArgument, ErrorReason::FieldInvalid),
        (
            broadcast(Some(LogPoint { at: Some(At::Snapshot("s".into())) }), None),
            Code::InvalidArgument,
            ErrorReason::FieldInvalid,
        ),
        (
            SubscribeRequest { stop: edge(LogEdge::Latest), ..group(None) },
            Code::InvalidArgument,
            ErrorReason::FieldInvalid,
        ),
    ] {
        let error = client.subscribe_stream(request.clone()).await.expect_err("it is refused");
        assert_eq!((error.code(), error.reason()), (code, reason), "{request:?}: {error}");
        if reason == ErrorReason::PositionTrimmed {
            assert_eq!(error.metadata().get("first").map(String::as_str), Some("10"), "the first that is kept");
        }
    }
    assert!(client.list_queues("").await.unwrap().is_empty(), "a refused group was not made");
}

#[tokio::test]
async fn a_group_that_is_made_now_begins_where_it_is_asked_to_and_one_that_exists_goes_on() {
    let (_broker, client, positions) = ten().await;
    let all = replay(&client, broadcast(edge(LogEdge::Earliest), edge(LogEdge::Latest))).await.unwrap();
    for (group, start, expected) in [("position", at(positions[7]), 7..10), ("time", time_of(&all[8]), 8..10)] {
        let wish = |start| SubscribeRequest { group: group.into(), create_if_missing: true, ..broadcast(start, None) };
        let mut first = client.subscribe_stream(wish(start)).await.unwrap();
        assert!(first.opened().created);
        let found = deliveries(&mut first, expected.len()).await;
        assert_eq!(payloads(&found), numbers(expected));
        acked(&client, &found).await;
        let second = client.subscribe_stream(wish(edge(LogEdge::Earliest))).await.unwrap();
        assert!(!second.opened().created);
        drop((first, second));
        let queue = format!("t/{group}");
        assert!(pull(&client, &queue).await.is_empty(), "it goes on where it was");
    }
}

#[tokio::test]
async fn a_further_binding_takes_all_from_its_commit_on_and_cannot_begin_earlier() {
    let (_broker, client, positions) = ten().await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "even")]).await;
    publish(&client, "t", vec![message("even", "10"), message("odd", "11")]).await;
    for start in [edge(LogEdge::Earliest), at(positions[5])] {
        let early = Binding { start, ..binding("t", "q", "odd") };
        let error = client.create_binding(early).await.unwrap_err();
        assert_eq!((error.code(), error.reason()), (Code::InvalidArgument, ErrorReason::FieldInvalid));
        assert_eq!(error.field_violations()[0].field, "binding.start");
    }
    let now = Position { offset: 12, ..positions[0] };
    client.create_binding(Binding { start: at(now), ..binding("t", "q", "odd") }).await.unwrap();
    publish(&client, "t", vec![message("even", "12"), message("odd", "13")]).await;
    assert_eq!(payloads(&collect(&client, "q", 3).await), ["10", "12", "13"]);
    // A queue that is made now may have bindings that begin at different places.
    let bindings = vec![
        Binding { start: at(positions[8]), ..binding("t", "r", "even") },
        Binding { start: at(positions[5]), ..binding("t", "r", "odd") },
    ];
    client.create_queue(Queue { name: "r".into(), ..Queue::default() }, bindings).await.unwrap();
    assert_eq!(payloads(&collect(&client, "r", 8).await), ["5", "7", "8", "9", "10", "11", "12", "13"]);
}

#[tokio::test]
async fn a_peek_begins_where_it_is_asked_to() {
    let (_broker, client, positions) = ten().await;
    let seen = async |source, start| {
        let request = PeekRequest { source: Some(source), start, ..PeekRequest::default() };
        let page = client.peek(request).await?.messages;
        Ok::<_, Error>(page.into_iter().map(|message| message.delivery.unwrap()).collect::<Vec<_>>())
    };
    let topic = || peek_request::Source::Topic("t".into());
    let all = seen(topic(), None).await.unwrap();
    assert_eq!(payloads(&seen(topic(), at(positions[6])).await.unwrap()), numbers(6..10));
    assert_eq!(payloads(&seen(topic(), time_of(&all[7])).await.unwrap()), numbers(7..10));
    assert!(seen(topic(), edge(LogEdge::Latest)).await.unwrap().is_empty());
    let binding = Binding { start: edge(LogEdge::Earliest), ..binding("t", "q", "#") };
    client.create_queue(Queue { name: "q".into(), ..Queue::default() }, vec![binding]).await.unwrap();
    let queue = || peek_request::Source::Queue("q".into());
    let first = pull_some(&client, "q").await;
    acked(&client, &first[..2]).await;
    assert_eq!(payloads(&seen(queue(), at(positions[0])).await.unwrap()), numbers(2..10));
    assert_eq!(payloads(&seen(queue(), at(positions[8])).await.unwrap()), numbers(8..10));
    assert_eq!(payloads(&seen(queue(), time_of(&all[9])).await.unwrap()), numbers(9..10));
    let other = Position { log: positions[0].log + 1_000, offset: 0 };
    let error = seen(queue(), at(other)).await.unwrap_err();
    assert_eq!(error.reason(), ErrorReason::PositionUnknown);
}
