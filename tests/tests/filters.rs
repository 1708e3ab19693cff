//! Filters: CEL over what a message says of itself, on bindings, groups and broadcasts.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::HashMap;

use ferrymq_client::v1::{
    Binding, ErrorReason, LogEdge, LogPoint, Message, PublishRequest, Queue, SubscribeRequest, log_point::At,
    subscribe_request::Source,
};
use ferrymq_client::{Client, Code, Destination, Error};
use ferrymq_tests::{
    Broker, binding, collect, create_queue, create_topic, deliveries, payloads, publish, pull, within,
};

fn named(name: &str) -> Queue {
    Queue { name: name.to_owned(), ..Queue::default() }
}

/// A message of these attributes; its payload is its name.
fn of(name: &str, attributes: &[(&str, &str)]) -> Message {
    let attributes: HashMap<String, String> =
        attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Message { attributes, payload: name.to_owned().into(), ..Message::default() }
}

fn json(payload: &str) -> Message {
    Message { content_type: "application/json".into(), payload: payload.to_owned().into(), ..Message::default() }
}

fn filtered(queue: &str, pattern: &str, filter: &str) -> Binding {
    Binding { filter: filter.to_owned(), ..binding("t", queue, pattern) }
}

async fn bound(client: &Client, queue: &str, filter: &str) {
    client.create_queue(named(queue), vec![filtered(queue, "", filter)]).await.unwrap();
}

async fn broker() -> (Broker, Client) {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    (broker, client)
}

async fn matched(client: &Client, messages: Vec<Message>) -> Vec<i32> {
    publish(client, "t", messages).await.results.iter().map(|result| result.queues_matched).collect()
}

#[tokio::test]
async fn a_binding_takes_what_its_pattern_and_its_filter_match() {
    let (_broker, client) = broker().await;
    let filter = r#"attributes.country in ["DE", "AT"] && !("test" in attributes)"#;
    client.create_queue(named("q"), vec![filtered("q", "order.#", filter)]).await.unwrap();
    create_queue(&client, named("all"), &[("t", "#")]).await;
    let keyed = |message: Message| Message { routing_key: "order.created".into(), ..message };
    let messages = vec![
        keyed(of("german", &[("country", "DE")])),
        keyed(of("french", &[("country", "FR")])),
        keyed(of("a test", &[("country", "AT"), ("test", "")])),
        of("no order", &[("country", "DE")]),
        keyed(of("without a country", &[])),
        keyed(of("austrian", &[("country", "AT")])),
    ];
    assert_eq!(matched(&client, messages).await, [2, 1, 1, 1, 1, 2], "queues_matched counts filters too");
    assert_eq!(payloads(&pull(&client, "q").await), ["german", "austrian"]);
}

#[tokio::test]
async fn fields_of_json_are_read_where_the_content_type_says_json() {
    let (_broker, client) = broker().await;
    bound(&client, "late", "json.delay > 60 && has(json.carrier.code)").await;
    let late = r#"{"delay": 61, "carrier": {"code": "LH"}}"#;
    let messages = vec![
        json(late),
        json(r#"{"delay": 60.5, "carrier": {"code": null}}"#),
        json(r#"{"delay": 60, "carrier": {"code": "LH"}}"#),
        json(r#"{"delay": "61", "carrier": {"code": "LH"}}"#),
        json(r#"{"delay": 61}"#),
        json(r#"{"delay": 61, "carrier": {"code": "LH"}"#),
        Message { content_type: "text/plain".into(), ..json(late) },
        Message { content_type: "application/cloudevents+json; charset=utf-8".into(), ..json(late) },
    ];
    assert_eq!(matched(&client, messages).await, [1, 1, 0, 0, 0, 0, 0, 1]);
    assert_eq!(pull(&client, "late").await.len(), 3);
}

#[tokio::test]
async fn a_bad_filter_is_refused_with_its_place() {
    let (_broker, client) = broker().await;
    create_queue(&client, named("q"), &[]).await;
    let check = |refused: Error, field: &str, position: &str| {
        assert_eq!((refused.code(), refused.reason()), (Code::InvalidArgument, ErrorReason::FilterInvalid));
        assert_eq!(refused.metadata()["position"], position, "{refused:?}");
        let violation = &refused.field_violations()[0];
        let place = format!("at character {position}");
        assert!(violation.field == field && violation.rule.contains(&place), "{violation:?}");
    };
    let refused = client.create_binding(filtered("q", "", "a = 'b'")).await.unwrap_err();
    check(refused, "binding.filter", "1");
    let bindings = vec![filtered("x", "", "true"), filtered("x", "", "routing_key == ")];
    let refused = client.create_queue(named("x"), bindings).await.unwrap_err();
    check(refused, "bindings[1].filter", "16");
    let large = format!("true {}", " ".repeat(4_096));
    let refused = client.create_binding(filtered("q", "", &large)).await.unwrap_err();
    check(refused, "binding.filter", "4097");
    let deep = format!("{}true", "!".repeat(3_000));
    assert!(client.create_binding(filtered("q", "", &deep)).await.is_err());
    for group in ["", "g"] {
        let request = SubscribeRequest {
            source: Some(Source::Topic("t".into())),
            group: group.into(),
            create_if_missing: !group.is_empty(),
            filter: "json.".into(),
            ..SubscribeRequest::default()
        };
        check(client.subscribe_stream(request).await.err().unwrap(), "filter", "6");
    }
}

#[tokio::test]
async fn the_same_rule_with_another_filter_is_another_binding() {
    let (_broker, client) = broker().await;
    create_queue(&client, named("q"), &[]).await;
    let make = async |filter| client.create_binding(filtered("q", "", filter)).await.unwrap();
    let first = make("attributes.a == '1'").await;
    let second = make("attributes.a == '2'").await;
    assert!(first.created && second.created && !make("attributes.a == '1'").await.created);
    let messages = ["1", "2", "3"].map(|value| of(value, &[("a", value)])).to_vec();
    assert_eq!(matched(&client, messages.clone()).await, [1, 1, 0]);
    client.delete_binding(&first.binding.unwrap().name).await.unwrap();
    assert_eq!(matched(&client, messages).await, [0, 1, 0]);
    assert_eq!(payloads(&pull(&client, "q").await), ["1", "2", "2"], "what had matched stays");
}

#[tokio::test]
async fn a_batch_that_requires_a_route_needs_one_through_the_filters() {
    let (_broker, client) = broker().await;
    bound(&client, "q", "attributes.a == '1'").await;
    let request = |value| PublishRequest {
        destination: Some(Destination::Topic("t".into())),
        messages: vec![of("x", &[("a", value)])],
        require_route: true,
        ..PublishRequest::default()
    };
    let refused: Error = client.messaging().publish(request("2")).await.unwrap_err().into();
    assert_eq!(refused.reason(), ErrorReason::NoRoute);
    client.messaging().publish(request("1")).await.unwrap();
}

// The client has to go on while the test waits for the process.
#[tokio::test(flavor = "multi_thread")]
async fn filters_hold_over_kills_for_what_came_before_and_after() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    bound(&client, "q", "json.n % 2 == 0").await;
    let numbers = |from: i32| (from..from + 4).map(|n| json(&format!(r#"{{"n": {n}}}"#))).collect::<Vec<_>>();
    publish(&client, "t", numbers(0)).await;
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    assert_eq!(matched(&client, numbers(4)).await, [1, 0, 1, 0]);
    let got = collect(&client, "q", 4).await;
    let expected = [0, 2, 4, 6].map(|n| format!(r#"{{"n": {n}}}"#));
    assert_eq!(payloads(&got), expected, "what the filter matches, and nothing else");
    assert_eq!(client.get_queue("q").await.unwrap().bindings[0].filter, "json.n % 2 == 0");
}

#[tokio::test]
async fn a_group_and_a_broadcast_take_what_their_filter_matches() {
    let (_broker, client) = broker().await;
    let start = Some(LogPoint { at: Some(At::Edge(LogEdge::Earliest.into())) });
    publish(&client, "t", vec![of("one", &[("a", "1")]), of("two", &[]), of("three", &[("a", "1")])]).await;
    let request = |group: &str| SubscribeRequest {
        source: Some(Source::Topic("t".into())),
        group: group.into(),
        create_if_missing: !group.is_empty(),
        start: start.clone(),
        filter: "attributes.a == '1'".into(),
        ..SubscribeRequest::default()
    };
    for group in ["", "g"] {
        let mut stream = within("a stream", client.subscribe_stream(request(group))).await.unwrap();
        assert_eq!(payloads(&deliveries(&mut stream, 2).await), ["one", "three"], "{group}");
    }
    let of_queue = SubscribeRequest { source: Some(Source::Queue("t/g".into())), ..request("") };
    let refused = client.subscribe_stream(SubscribeRequest { start: None, ..of_queue }).await.err().unwrap();
    assert_eq!((refused.reason(), refused.field_violations()[0].field.as_str()), (ErrorReason::FieldInvalid, "filter"));
}

/// Header matching as RabbitMQ has it, and filter policies as SNS has them, as docs/filters.md shows them.
#[tokio::test]
async fn headers_and_policies_of_other_brokers_can_be_said() {
    let (_broker, client) = broker().await;
    for (queue, filter) in [
        ("headers-all", "attributes.format == 'pdf' && attributes.type == 'report'"),
        ("headers-any", "attributes.format == 'pdf' || attributes.type == 'log'"),
        ("policy-values", "attributes.event in ['placed', 'cancelled']"),
        ("policy-not", "has(attributes.event) && !(attributes.event in ['placed'])"),
        ("policy-prefix", "attributes.event.startsWith('can')"),
        ("policy-exists", "has(attributes.event)"),
        ("policy-missing", "!has(attributes.event)"),
        ("policy-number", "double(attributes.price) >= 100.0 && double(attributes.price) < 200.0"),
        ("policy-case", "attributes.event.matches('(?i)^PLACED$')"),
        ("policy-payload", "json.store in ['a', 'b'] && json.lines.exists(line, line.price > 100)"),
    ] {
        bound(&client, queue, filter).await;
    }
    let messages = vec![
        of("pdf report", &[("format", "pdf"), ("type", "report")]),
        of("zip log", &[("format", "zip"), ("type", "log")]),
        of("placed", &[("event", "placed"), ("price", "150")]),
        of("cancelled", &[("event", "cancelled"), ("price", "200")]),
        json(r#"{"store": "a", "lines": [{"price": 5}, {"price": 101}]}"#),
    ];
    publish(&client, "t", messages).await;
    for (queue, expected) in [
        ("headers-all", &["pdf report"][..]),
        ("headers-any", &["pdf report", "zip log"]),
        ("policy-values", &["placed", "cancelled"]),
        ("policy-not", &["cancelled"]),
        ("policy-prefix", &["cancelled"]),
        ("policy-exists", &["placed", "cancelled"]),
        ("policy-number", &["placed"]),
        ("policy-case", &["placed"]),
        ("policy-payload", &[r#"{"store": "a", "lines": [{"price": 5}, {"price": 101}]}"#]),
    ] {
        assert_eq!(payloads(&pull(&client, queue).await), expected, "{queue}");
    }
    assert_eq!(pull(&client, "policy-missing").await.len(), 3);
}
