//! Leases that end, and acks that come too late, where order or settling once depends on them: in no time. See `time.rs`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod paused;

use ferrymq_client::v1::{Message, Ordering, PullRequest, Queue, RetryPolicy, SettleStatus, pull_request};
use ferrymq_client::{Client, Destination};
use paused::{MINUTE, SECOND, broker, next, send, wire};

fn short() -> Queue {
    let retry = Some(RetryPolicy { min_backoff: wire(SECOND), max_backoff: wire(SECOND), ..RetryPolicy::default() });
    Queue { name: "q".into(), lease: wire(MINUTE), retry, ..Queue::default() }
}

async fn keyed(client: &Client, payloads: &[&'static str]) {
    client.create_queue(Queue { ordering: Ordering::Key.into(), ..short() }, vec![]).await.unwrap();
    let message = |payload: &&'static str| Message {
        ordering_key: payload[..1].to_owned(),
        payload: (*payload).into(),
        ..Message::default()
    };
    client.publish(Destination::Queue("q".into()), payloads.iter().map(message).collect()).await.unwrap();
}

/// What is ready now: payloads, attempts and ack ids.
async fn pull(client: &Client) -> Vec<(String, i32, bytes::Bytes)> {
    let source = Some(pull_request::Source::Queue("q".into()));
    let wait = Some(prost_types::Duration::default());
    let request = PullRequest { source, wait, max_messages: 100, ..PullRequest::default() };
    let text = |message: Option<Message>| String::from_utf8(message.unwrap().payload.to_vec()).unwrap();
    let pulled = client.pull(request).await.unwrap().deliveries;
    pulled.into_iter().map(|delivery| (text(delivery.message), delivery.attempt, delivery.ack_id)).collect()
}

fn named(pulled: &[(String, i32, bytes::Bytes)]) -> Vec<(&str, i32)> {
    pulled.iter().map(|(payload, attempt, _)| (payload.as_str(), *attempt)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_lease_ended_goes_on_with_the_same_message() {
    let (_server, client) = broker().await;
    keyed(&client, &["a0", "a1", "b0", "b1"]).await;
    let first = pull(&client).await;
    assert_eq!(named(&first), [("a0", 1), ("b0", 1)]);
    client.ack(vec![first[1].2.clone()]).await.unwrap();
    assert_eq!(named(&pull(&client).await), [("b1", 1)], "another key does not wait");
    tokio::time::sleep(MINUTE + 3 * SECOND).await;
    assert_eq!(named(&pull(&client).await), [("a0", 2), ("b1", 2)]);
    assert!(pull(&client).await.is_empty(), "nothing of a key while one of it is held");
}

#[tokio::test(start_paused = true)]
async fn a_late_ack_lets_its_key_go_on_once_wherever_its_message_is() {
    let (_server, client) = broker().await;
    keyed(&client, &["a0", "a1", "a2", "a3"]).await;
    // While it waits for its next attempt, and while another consumer holds it.
    for (round, waits) in [MINUTE, MINUTE + 3 * SECOND].into_iter().enumerate() {
        let first = pull(&client).await.remove(0);
        assert_eq!(first.0, format!("a{round}"));
        tokio::time::sleep(waits).await;
        let again = pull(&client).await;
        assert_eq!(again.len(), round, "it came again only in the second round");
        assert_eq!(client.ack(vec![first.2]).await.unwrap(), [SettleStatus::Ok]);
        for other in again {
            assert_eq!(client.ack(vec![other.2]).await.unwrap(), [SettleStatus::AlreadySettled]);
        }
    }
    assert_eq!(named(&pull(&client).await), [("a2", 1)], "one of a key at a time");
    let stats = client.get_queue("q").await.unwrap().stats.unwrap();
    assert_eq!((stats.acked, stats.ready, stats.unsettled), (2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_exactly_once_delivery_cannot_be_acked_when_its_lease_has_ended() {
    let (_server, client) = broker().await;
    client.create_queue(Queue { exactly_once: true, ..short() }, vec![]).await.unwrap();
    send(&client, 1).await;
    let (first, _) = next(&client, "q").await;
    tokio::time::sleep(MINUTE + SECOND / 2).await;
    assert_eq!(client.ack(vec![first.ack_id.clone()]).await.unwrap(), [SettleStatus::LeaseLost]);
    let (second, _) = next(&client, "q").await;
    assert_eq!(second.attempt, 2);
    let ids = vec![first.ack_id, second.ack_id];
    assert_eq!(client.ack(ids).await.unwrap(), [SettleStatus::LeaseLost, SettleStatus::Ok]);
}
