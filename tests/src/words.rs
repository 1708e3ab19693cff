//! Short words for what scenarios do over and over.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use ferrymq_client::streams::SubscribeStream;
use ferrymq_client::v1::{
    Binding, Delivery, Message, PublishResponse, PullRequest, Queue, SettleStatus, Topic, binding, pull_request,
};
use ferrymq_client::{Client, Destination};

use crate::Broker;

/// A bound for every wait: long enough for a slow machine, short enough to see what hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `future`, but not for ever.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

/// A message of this routing key and payload.
pub fn message(routing_key: &str, payload: impl Into<Bytes>) -> Message {
    Message { routing_key: routing_key.to_owned(), payload: payload.into(), ..Message::default() }
}

/// A broker in memory with the topic `t`, and the queue `q` bound to all of it.
pub async fn prepared() -> (Broker, Client) {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "#")]).await;
    (broker, client)
}

/// Makes a topic with the default settings.
pub async fn create_topic(client: &Client, name: &str) {
    let topic = Topic { name: name.to_owned(), ..Topic::default() };
    client.create_topic(topic).await.expect("a topic can be made");
}

/// Makes a queue with these settings, bound to `(topic, pattern)`.
pub async fn create_queue(client: &Client, queue: Queue, bound: &[(&str, &str)]) {
    let bindings = bound.iter().map(|(topic, pattern)| binding(topic, &queue.name, pattern)).collect();
    client.create_queue(queue, bindings).await.expect("a queue can be made");
}

/// The binding of a queue to what a pattern matches of a topic.
pub fn binding(topic: &str, queue: &str, pattern: &str) -> Binding {
    Binding {
        topic: topic.to_owned(),
        target: Some(binding::Target::Queue(queue.to_owned())),
        pattern: pattern.to_owned(),
        ..Binding::default()
    }
}

/// Publishes one batch to a topic and waits for its confirm.
pub async fn publish(client: &Client, topic: &str, messages: Vec<Message>) -> PublishResponse {
    let published = client.publish(Destination::Topic(topic.to_owned()), messages);
    within("a confirm", published).await.expect("the broker confirms")
}

/// Waits for `count` deliveries of a stream; more than that is a failure.
pub async fn deliveries(subscriber: &mut SubscribeStream, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        let next = within("a delivery", subscriber.next_batch()).await.expect("the stream is whole");
        all.extend(next.expect("the stream is open"));
    }
    assert_eq!(all.len(), count, "more deliveries than expected");
    all
}

/// Pulls once, without waiting, what is ready in a queue.
pub async fn pull(client: &Client, queue: &str) -> Vec<Delivery> {
    let request = PullRequest {
        source: Some(pull_request::Source::Queue(queue.to_owned())),
        max_messages: 1000,
        wait: Some(prost_types::Duration::default()),
        ..PullRequest::default()
    };
    within("the answer to a pull", client.pull(request)).await.expect("a queue can be pulled").deliveries
}

/// Pulls until there is something in a queue.
pub async fn pull_some(client: &Client, queue: &str) -> Vec<Delivery> {
    let request = PullRequest {
        source: Some(pull_request::Source::Queue(queue.to_owned())),
        max_messages: 1000,
        wait: Some(prost_types::Duration { seconds: 10, nanos: 0 }),
        ..PullRequest::default()
    };
    let some = within("a message in the queue", client.pull(request)).await.expect("a queue can be pulled");
    assert!(!some.deliveries.is_empty(), "nothing came into {queue}");
    some.deliveries
}

/// Pulls and acks until `count` messages came, in the order they came.
pub async fn collect(client: &Client, queue: &str, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        let some = pull_some(client, queue).await;
        acked(client, &some).await;
        all.extend(some);
    }
    all
}

/// Pulls and acks all that is ready, in the order it comes.
pub async fn take_all(client: &Client, queue: &str) -> Vec<Delivery> {
    let mut all = Vec::new();
    loop {
        let some = pull(client, queue).await;
        if some.is_empty() {
            return all;
        }
        acked(client, &some).await;
        all.extend(some);
    }
}

/// Acks deliveries; every one has to be taken.
pub async fn acked(client: &Client, deliveries: &[Delivery]) {
    let ids = deliveries.iter().map(|delivery| delivery.ack_id.clone()).collect();
    let statuses = within("the answer to an ack", client.ack(ids)).await.expect("acks are answered");
    assert_eq!(statuses, vec![SettleStatus::Ok; deliveries.len()]);
}

/// The payloads of deliveries, as text.
pub fn payloads(deliveries: &[Delivery]) -> Vec<String> {
    let text = |delivery: &Delivery| {
        let payload = delivery.message.as_ref().map(|message| message.payload.clone()).unwrap_or_default();
        String::from_utf8_lossy(&payload).into_owned()
    };
    deliveries.iter().map(text).collect()
}
