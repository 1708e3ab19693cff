//! A queue that is bound and unbound over and over, in no time.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod paused;

use ferrymq_client::v1::{
    Binding, LogEdge, LogPoint, Message, PullRequest, Queue, SeekRequest, SettleStatus, Topic, binding, log_point,
    pull_request,
};
use ferrymq_client::{Client, Destination};
use paused::{SECOND, broker, wire};

/// Longer than it takes until a binding that has ended is forgotten.
const FORGOTTEN: std::time::Duration = SECOND.saturating_mul(30);

async fn publish(client: &Client, topic: &str, payload: &str) {
    let message = Message { payload: payload.to_owned().into(), ..Message::default() };
    client.publish(Destination::Topic(topic.into()), vec![message]).await.unwrap();
}

async fn bind(client: &Client, topic: &str) -> String {
    let target = Some(binding::Target::Queue("q".into()));
    let made = client.create_binding(Binding { topic: topic.into(), target, ..Binding::default() }).await.unwrap();
    made.binding.unwrap().name
}

async fn pull(client: &Client) -> Vec<(String, i32, bytes::Bytes)> {
    let source = Some(pull_request::Source::Queue("q".into()));
    let request = PullRequest { source, max_messages: 100, wait: wire(5 * SECOND), ..PullRequest::default() };
    let pulled = client.pull(request).await.unwrap().deliveries;
    let of = |payload: bytes::Bytes| String::from_utf8(payload.to_vec()).unwrap();
    pulled.into_iter().map(|d| (of(d.message.unwrap().payload), d.attempt, d.ack_id)).collect()
}

async fn take(client: &Client) -> Vec<(String, i32)> {
    let pulled = pull(client).await;
    client.ack(pulled.iter().map(|(.., id)| id.clone()).collect()).await.unwrap();
    pulled.into_iter().map(|(payload, attempt, _)| (payload, attempt)).collect()
}

async fn prepare(topics: &[&str]) -> (ferrymq_server::Server, Client) {
    let (server, client) = broker().await;
    for topic in topics {
        client.create_topic(Topic { name: (*topic).into(), ..Topic::default() }).await.unwrap();
    }
    client.create_queue(Queue { name: "q".into(), ..Queue::default() }, vec![]).await.unwrap();
    (server, client)
}

#[tokio::test(start_paused = true)]
async fn what_is_bound_again_brings_what_comes_then_and_nothing_from_between() {
    let (_server, client) = prepare(&["a", "b"]).await;
    for round in 0..5 {
        for topic in ["a", "b"] {
            let name = bind(&client, topic).await;
            publish(&client, topic, &format!("{topic}{round}")).await;
            if round % 2 == 0 {
                assert_eq!(take(&client).await, [(format!("{topic}{round}"), 1)]);
            }
            client.delete_binding(&name).await.unwrap();
            publish(&client, topic, "between").await;
            tokio::time::sleep(FORGOTTEN).await;
            if round % 2 == 1 {
                assert_eq!(take(&client).await, [(format!("{topic}{round}"), 1)], "what had matched stays");
            }
        }
    }
    let stats = client.get_queue("q").await.unwrap().stats.unwrap();
    assert_eq!((stats.ready, stats.received, stats.acked), (0, 10, 10));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_from_before_a_seek_stays_lost_though_its_topic_was_unbound_meanwhile() {
    let (_server, client) = prepare(&["a"]).await;
    let earliest = || SeekRequest {
        queue: "q".into(),
        to: Some(LogPoint { at: Some(log_point::At::Edge(LogEdge::Earliest.into())) }),
        topic: String::new(),
    };
    let name = bind(&client, "a").await;
    publish(&client, "a", "one").await;
    client.seek(earliest()).await.unwrap();
    let before = pull(&client).await.remove(0);
    client.seek(earliest()).await.unwrap();
    assert_eq!(take(&client).await, [("one".to_owned(), 2)]);
    client.delete_binding(&name).await.unwrap();
    tokio::time::sleep(FORGOTTEN).await;
    bind(&client, "a").await;
    publish(&client, "a", "two").await;
    assert_eq!(client.ack(vec![before.2]).await.unwrap(), [SettleStatus::LeaseLost]);
    assert_eq!(take(&client).await, [("two".to_owned(), 1)]);
}
