//! What takes minutes and hours, in no time: broker and client in one runtime whose time is paused, so that it jumps to the
//! next timer whenever nothing else is left to do.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod paused;

use std::time::Duration;

use ferrymq_client::v1::{Binding, Message, NackMode, Queue, Retention, RetryPolicy, SettleStatus, Topic};
use ferrymq_client::{Client, Destination, queue};
use paused::{MINUTE, SECOND, broker, next, send, wire};
use tokio::time::Instant;

/// True if `waited` is `expected`, a fifth more or less (backoffs differ by so much at random) and a little for the way.
fn is_about(waited: Duration, expected: Duration) -> bool {
    (expected.mul_f64(0.8)..=expected.mul_f64(1.2) + SECOND).contains(&waited)
}

#[tokio::test(start_paused = true)]
async fn backoffs_double_up_to_their_limit_and_the_last_failure_is_a_dead_letter() {
    let (_server, client) = broker().await;
    let retry = RetryPolicy { max_attempts: Some(6), max_backoff: wire(6 * SECOND), ..RetryPolicy::default() };
    client.create_queue(Queue { name: "q".into(), retry: Some(retry), ..Queue::default() }, vec![]).await.unwrap();
    send(&client, 1).await;
    for (attempt, backoff) in [0, 1, 2, 4, 6, 6].into_iter().enumerate() {
        let (delivery, waited) = next(&client, "q").await;
        assert_eq!(delivery.attempt as usize, attempt + 1);
        assert!(is_about(waited, backoff * SECOND), "before attempt {}: {waited:?}", attempt + 1);
        client.nack(vec![delivery.ack_id], NackMode::Retry, None, "").await.unwrap();
    }
    let (dead, _) = next(&client, "q.dlq").await;
    assert_eq!(dead.dead_letter.unwrap().attempts, 6);
}

#[tokio::test(start_paused = true)]
async fn a_pulled_lease_ends_by_time_and_not_before() {
    let (_server, client) = broker().await;
    let settings = Queue { name: "q".into(), lease: wire(40 * SECOND), ..Queue::default() };
    client.create_queue(settings, vec![]).await.unwrap();
    send(&client, 1).await;
    let (first, _) = next(&client, "q").await;
    tokio::time::sleep(30 * SECOND).await;
    assert_eq!(client.extend(vec![first.ack_id.clone()], Some(MINUTE)).await.unwrap(), [SettleStatus::Ok]);
    let (second, waited) = next(&client, "q").await;
    assert_eq!(second.attempt, 2);
    // The lease, and the backoff of one failure.
    assert!(is_about(waited, 61 * SECOND), "{waited:?}");
    assert_eq!(client.extend(vec![first.ack_id], None).await.unwrap(), [SettleStatus::LeaseLost]);
    assert_eq!(client.get_queue("q").await.unwrap().stats.unwrap().leases_lost, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_holds_its_deliveries_up_to_max_lease() {
    let (_server, client) = broker().await;
    let settings = Queue { name: "q".into(), max_lease: wire(10 * MINUTE), ..Queue::default() };
    client.create_queue(settings, vec![]).await.unwrap();
    let mut holder = client.subscribe_stream(queue("q")).await.unwrap();
    send(&client, 1).await;
    assert_eq!(holder.next_batch().await.unwrap().unwrap()[0].attempt, 1);
    let began = Instant::now();
    let again = holder.next_batch().await.unwrap().unwrap();
    assert_eq!(again[0].attempt, 2);
    assert!(is_about(began.elapsed(), 10 * MINUTE), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_delay_of_hours_is_kept() {
    let (_server, client) = broker().await;
    client.create_queue(Queue { name: "q".into(), ..Queue::default() }, vec![]).await.unwrap();
    send(&client, 1).await;
    let (first, _) = next(&client, "q").await;
    client.nack(vec![first.ack_id], NackMode::Release, Some(120 * MINUTE), "").await.unwrap();
    let (second, waited) = next(&client, "q").await;
    assert_eq!(second.attempt, 2);
    assert!((119 * MINUTE..=121 * MINUTE).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_topic_forgets_by_age_what_no_queue_needs() {
    let (_server, client) = broker().await;
    let retention = Some(Retention { max_age: wire(10 * MINUTE), ..Retention::default() });
    for name in ["free", "bound"] {
        client.create_topic(Topic { name: name.into(), retention, ..Topic::default() }).await.unwrap();
    }
    let binding = Binding { topic: "bound".into(), ..Binding::default() };
    client.create_queue(Queue { name: "q".into(), ..Queue::default() }, vec![binding]).await.unwrap();
    for name in ["free", "bound"] {
        client.publish(Destination::Topic(name.into()), vec![Message::default()]).await.unwrap();
    }
    let kept = async |name: &str| client.get_topic(name).await.unwrap().stats.unwrap().messages;
    tokio::time::sleep(9 * MINUTE).await;
    assert_eq!((kept("free").await, kept("bound").await), (1, 1));
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!((kept("free").await, kept("bound").await), (0, 1), "a queue has yet to settle what is bound to it");
    let (delivery, _) = next(&client, "q").await;
    client.ack(vec![delivery.ack_id]).await.unwrap();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(kept("bound").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_queue_bound_later_holds_a_topic_up_only_until_it_has_settled() {
    let (_server, client) = broker().await;
    let retention = Some(Retention::default());
    client.create_topic(Topic { name: "t".into(), retention, ..Topic::default() }).await.unwrap();
    let publish = async || client.publish(Destination::Topic("t".into()), vec![Message::default()]).await.unwrap();
    publish().await;
    let binding = Binding { topic: "t".into(), ..Binding::default() };
    client.create_queue(Queue { name: "q".into(), ..Queue::default() }, vec![binding]).await.unwrap();
    publish().await;
    let kept = async || client.get_topic("t").await.unwrap().stats.unwrap().messages;
    tokio::time::sleep(MINUTE).await;
    assert_eq!(kept().await, 1);
    let (delivery, _) = next(&client, "q").await;
    client.ack(vec![delivery.ack_id]).await.unwrap();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(kept().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_stops_in_order_within_its_own_process() {
    let (server, client) = broker().await;
    client.create_queue(Queue { name: "q".into(), ..Queue::default() }, vec![]).await.unwrap();
    let mut stream = client.subscribe_stream(queue("q")).await.unwrap();
    let addr = server.addr();
    server.stop().await;
    assert!(stream.next_batch().await.unwrap_err().retry_after().is_some());
    assert!(Client::connect(format!("http://{addr}")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_oldest_age_is_that_of_the_first_message_that_is_not_settled() {
    let (_server, client) = broker().await;
    client.create_queue(Queue { name: "q".into(), ..Queue::default() }, vec![]).await.unwrap();
    let age = async || {
        let age = client.get_queue("q").await.unwrap().stats.unwrap().oldest_age;
        age.map(|age| Duration::try_from(age).unwrap())
    };
    assert_eq!(age().await, None);
    for _ in 0..3 {
        send(&client, 1).await;
        tokio::time::sleep(10 * MINUTE).await;
    }
    assert!(is_about(age().await.unwrap(), 30 * MINUTE));
    let first = next(&client, "q").await.0;
    assert!(is_about(age().await.unwrap(), 30 * MINUTE), "what is held is not settled");
    client.ack(vec![first.ack_id]).await.unwrap();
    assert!(is_about(age().await.unwrap(), 20 * MINUTE));
    let (second, third) = (next(&client, "q").await.0, next(&client, "q").await.0);
    client.ack(vec![third.ack_id]).await.unwrap();
    assert!(is_about(age().await.unwrap(), 20 * MINUTE), "settled out of order");
    client.ack(vec![second.ack_id]).await.unwrap();
    assert_eq!(age().await, None);
}
