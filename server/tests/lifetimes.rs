//! Messages that expire, in no time: see `time.rs`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod paused;

use ferrymq_client::v1::{
    Binding, DeadLetterPolicy, DeadLetterReason, Message, NackMode, PullRequest, Queue, SettleStatus, SubscribeRequest,
    Topic, pull_request,
};
use ferrymq_client::{Client, Destination, queue};
use paused::{MINUTE, SECOND, broker, next, send, wire};

async fn send_for(client: &Client, payload: &'static str, ttl_ms: i64) {
    let message = Message { payload: payload.into(), ttl_ms, ..Message::default() };
    client.publish(Destination::Queue("q".into()), vec![message]).await.unwrap();
}

async fn expired(client: &Client) -> i64 {
    client.get_queue("q").await.unwrap().stats.unwrap().expired
}

fn settings() -> Queue {
    Queue { name: "q".into(), message_ttl: wire(10 * MINUTE), ..Queue::default() }
}

#[tokio::test(start_paused = true)]
async fn a_message_lives_as_long_as_it_says_and_else_as_long_as_the_queue_says() {
    let (_server, client) = broker().await;
    client.create_queue(settings(), vec![]).await.unwrap();
    send_for(&client, "as the queue", 0).await;
    send_for(&client, "short", 60_000).await;
    send_for(&client, "long", 3_600_000).await;
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(expired(&client).await, 1);
    tokio::time::sleep(9 * MINUTE).await;
    assert_eq!(expired(&client).await, 2);
    let (left, _) = next(&client, "q").await;
    assert_eq!(left.message.unwrap().payload, "long");
}

#[tokio::test(start_paused = true)]
async fn a_redelivery_has_no_more_time_than_the_message_and_what_is_held_may_still_be_acked() {
    let (_server, client) = broker().await;
    client.create_queue(settings(), vec![]).await.unwrap();
    send(&client, 2).await;
    let (given_back, _) = next(&client, "q").await;
    let (held, _) = next(&client, "q").await;
    let ids = vec![given_back.ack_id.clone()];
    client.nack(ids, NackMode::Release, Some(9 * MINUTE), "").await.unwrap();
    client.extend(vec![held.ack_id.clone()], Some(20 * MINUTE)).await.unwrap();
    tokio::time::sleep(9 * MINUTE + 30 * SECOND).await;
    let (again, _) = next(&client, "q").await;
    assert_eq!((again.attempt, expired(&client).await), (2, 0));
    client.nack(vec![again.ack_id.clone()], NackMode::Release, Some(MINUTE), "").await.unwrap();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(expired(&client).await, 1);
    assert_eq!(client.ack(vec![again.ack_id, held.ack_id]).await.unwrap(), [SettleStatus::Gone, SettleStatus::Ok]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_message_that_is_dead_lettered_does_not_expire_again() {
    let (_server, client) = broker().await;
    let dead_letter = Some(DeadLetterPolicy { expired: true, ..DeadLetterPolicy::default() });
    client.create_queue(Queue { dead_letter, ..settings() }, vec![]).await.unwrap();
    send_for(&client, "x", 60_000).await;
    tokio::time::sleep(120 * MINUTE).await;
    let (dead, _) = next(&client, "q.dlq").await;
    let why = dead.dead_letter.unwrap();
    assert_eq!((why.reason(), why.attempts), (DeadLetterReason::Expired, 0));
}

#[tokio::test(start_paused = true)]
async fn a_long_backlog_that_has_expired_is_passed_without_a_consumer() {
    let (_server, client) = broker().await;
    client.create_queue(settings(), vec![]).await.unwrap();
    for _ in 0..5 {
        send(&client, 5_000).await;
    }
    tokio::time::sleep(11 * MINUTE).await;
    assert_eq!(expired(&client).await, 25_000);
    let stats = client.get_queue("q").await.unwrap().stats.unwrap();
    assert_eq!((stats.ready, stats.unsettled, stats.backing_off), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_idle_queue_is_deleted_on_time_and_one_that_is_used_is_not() {
    let (_server, client) = broker().await;
    let settings = Queue { name: "q".into(), idle_expiry: wire(10 * MINUTE), ..Queue::default() };
    client.create_queue(settings, vec![]).await.unwrap();
    let consumer = client.subscribe_stream(queue("q")).await.unwrap();
    tokio::time::sleep(60 * MINUTE).await;
    drop(consumer);
    send(&client, 1).await;
    tokio::time::sleep(60 * MINUTE).await;
    let (message, _) = next(&client, "q").await;
    client.ack(vec![message.ack_id]).await.unwrap();
    tokio::time::sleep(9 * MINUTE).await;
    assert!(client.get_queue("q").await.is_ok());
    tokio::time::sleep(2 * MINUTE).await;
    assert!(client.get_queue("q").await.is_err());
}

fn idle() -> Queue {
    Queue { name: "q".into(), idle_expiry: wire(10 * MINUTE), ..Queue::default() }
}

#[tokio::test(start_paused = true)]
async fn what_no_binding_matches_does_not_keep_an_idle_queue() {
    let (_server, client) = broker().await;
    client.create_topic(Topic { name: "t".into(), ..Topic::default() }).await.unwrap();
    let binding = Binding { topic: "t".into(), pattern: "never".into(), ..Binding::default() };
    client.create_queue(idle(), vec![binding]).await.unwrap();
    for _ in 0..11 * 12 {
        let other = Message { routing_key: "other".into(), ..Message::default() };
        client.publish(Destination::Topic("t".into()), vec![other]).await.unwrap();
        tokio::time::sleep(5 * SECOND).await;
    }
    assert!(client.get_queue("q").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_waits_keeps_an_idle_queue_and_one_whose_caller_has_gone_does_not() {
    let (_server, client) = broker().await;
    let settings = Queue { idle_expiry: wire(MINUTE), ..idle() };
    client.create_queue(settings, vec![]).await.unwrap();
    let source = || Some(pull_request::Source::Queue("q".into()));
    let request = |wait| PullRequest { source: source(), wait: wire(wait), ..PullRequest::default() };
    client.pull(request(5 * MINUTE)).await.unwrap();
    let live = client.pull(request(2 * MINUTE));
    let gone =
        tokio::time::timeout(SECOND, futures::future::join_all((0..100).map(|_| client.pull(request(5 * MINUTE)))));
    let (live, gone) = tokio::join!(live, gone);
    assert!(gone.is_err());
    live.unwrap();
    tokio::time::sleep(MINUTE - SECOND).await;
    assert!(client.get_queue("q").await.is_ok());
    tokio::time::sleep(3 * SECOND).await;
    assert!(client.get_queue("q").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_may_come_back_keeps_an_idle_queue() {
    let (_server, client) = broker().await;
    let settings = Queue { idle_expiry: wire(10 * SECOND), ..idle() };
    client.create_queue(settings, vec![]).await.unwrap();
    let request = SubscribeRequest { resume_within: wire(40 * SECOND), ..queue("q") };
    let stream = client.subscribe_stream(request.clone()).await.unwrap();
    let resume_token = stream.opened().resume_token.clone();
    drop(stream);
    tokio::time::sleep(35 * SECOND).await;
    let again = client.subscribe_stream(SubscribeRequest { resume_token, ..request }).await.unwrap();
    drop(again);
    tokio::time::sleep(55 * SECOND).await;
    assert!(client.get_queue("q").await.is_err());
}
