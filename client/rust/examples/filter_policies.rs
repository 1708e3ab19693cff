//! Filter policies, as SNS gives them to each SQS queue of a topic, in CEL: over attributes or over the JSON of the body.
//!
//!     cargo run -p ferrymq-client --example filter_policies

mod shared;

use std::collections::BTreeMap;

use ferrymq_client::v1::{Binding, Message};
use ferrymq_client::{Client, DeliveryExt as _, binding, message, queue};

use crate::shared::{Failure, Names, attributes, named, promise, take, to_topic, topic};

/// A queue, the policy it would have in SNS, and the same here.
const POLICIES: [(&str, &str, &str); 5] = [
    ("sales", r#"{"event": ["placed", "cancelled"]}"#, "attributes.event in ['placed', 'cancelled']"),
    (
        "changes",
        r#"{"event": [{"anything-but": ["placed"]}]}"#,
        "has(attributes.event) && !(attributes.event in ['placed'])",
    ),
    (
        "mid_price",
        r#"{"price": [{"numeric": [">=", 100, "<", 200]}]}"#,
        "double(attributes.price) >= 100.0 && double(attributes.price) < 200.0",
    ),
    ("no_tests", r#"{"test": [{"exists": false}]}"#, "!has(attributes.test)"),
    ("bulky", r#"{"items": [{"numeric": [">", 10]}]} (MessageBody)"#, "json.items > 10"),
];

/// What is published, and the queues that are to get it.
struct Event {
    id: &'static str,
    attributes: &'static [(&'static str, &'static str)],
    body: &'static str,
    to: &'static [&'static str],
}

const EVENTS: [Event; 5] = [
    Event {
        id: "lamp",
        attributes: &[("event", "placed"), ("price", "150")],
        body: r#"{"items": 1}"#,
        to: &["sales", "mid_price", "no_tests"],
    },
    Event {
        id: "desk",
        attributes: &[("event", "placed"), ("price", "200")],
        body: r#"{"items": 11}"#,
        to: &["sales", "no_tests", "bulky"],
    },
    Event {
        id: "sofa",
        attributes: &[("event", "cancelled"), ("price", "n/a")],
        body: r#"{"items": 2}"#,
        to: &["sales", "changes", "no_tests"],
    },
    Event { id: "probe", attributes: &[("event", "placed"), ("test", "yes")], body: "this is no JSON", to: &["sales"] },
    Event { id: "noise", attributes: &[("test", "yes")], body: "{}", to: &[] },
];

#[tokio::main]
async fn main() -> Result<(), Failure> {
    shared::play("filter_policies", filter_policies).await
}

async fn filter_policies(client: &Client, names: &Names) -> Result<(), Failure> {
    let shop = topic(client, names.of("shop")).await?;
    for (name, policy, filter) in POLICIES {
        println!("{name}: {policy} is {filter}");
        let queue = names.of(name);
        let filtered = Binding { filter: filter.to_owned(), ..binding(&shop, &queue) };
        client.create_queue(named(&queue), vec![filtered]).await?;
    }

    let confirm = client.publish(to_topic(&shop), EVENTS.iter().map(message_of).collect()).await?;
    let mut expected: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (Event { id, to, .. }, result) in EVENTS.iter().zip(&confirm.results) {
        println!("{id} goes to {} queues", result.queues_matched);
        promise("the confirm counts the queues", usize::try_from(result.queues_matched) == Ok(to.len()))?;
        to.iter().for_each(|&queue| expected.entry(queue).or_default().push(id));
    }

    for (name, ids) in expected {
        let mut stream = client.subscribe_stream(queue(names.of(name))).await?;
        let taken = take(client, &mut stream, ids.len()).await?;
        let got: Vec<&str> = taken.iter().map(|delivery| delivery.content().message_id.as_str()).collect();
        println!("{name} got {}", got.join(", "));
        promise("exactly what its policy lets through", got == ids && is_empty(client, &names.of(name)).await?)?;
    }
    Ok(())
}

fn message_of(event: &Event) -> Message {
    Message {
        message_id: event.id.to_owned(),
        attributes: attributes(event.attributes),
        content_type: "application/json".to_owned(),
        ..message(event.body)
    }
}

async fn is_empty(client: &Client, queue: &str) -> Result<bool, Failure> {
    let stats = client.get_queue(queue).await?.stats.unwrap_or_default();
    Ok(stats.ready == 0 && stats.unsettled == 0)
}
