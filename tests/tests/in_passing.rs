//! What docs/semantics.md says in passing, where no other test holds it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::v1::{Delivery, NackMode, Queue, RateLimit, SettleStatus, SubscribeRequest};
use ferrymq_client::{Client, Code, Destination, group, queue};
use ferrymq_tests::{
    Broker, acked, create_queue, create_topic, deliveries, message, payloads, publish, pull, pull_some, within,
};

fn named(name: &str) -> Queue {
    Queue { name: name.to_owned(), ..Queue::default() }
}

/// A broker on disk with a topic `t`.
async fn broker() -> (Broker, Client) {
    let broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    (broker, client)
}

async fn nacked(client: &Client, held: &[Delivery], mode: NackMode) {
    let ids = held.iter().map(|delivery| delivery.ack_id.clone()).collect();
    let statuses = within("the answer to a nack", client.nack(ids, mode, None, "no")).await.unwrap();
    assert_eq!(statuses, vec![SettleStatus::Ok; held.len()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_several_bindings_of_a_queue_match_is_there_once_though_one_of_them_ends() {
    let (_broker, client) = broker().await;
    create_queue(&client, named("q"), &[("t", "eu.#"), ("t", "*.de")]).await;
    let keys = ["eu.de", "eu.fr", "us.de", "us.ny"];
    let confirm = publish(&client, "t", keys.map(|key| message(key, key)).to_vec()).await;
    assert_eq!(confirm.results.iter().map(|result| result.queues_matched).collect::<Vec<_>>(), [1, 1, 1, 0]);
    let bindings = client.list_bindings("t", "q").await.unwrap();
    let ended = bindings.into_iter().find(|binding| binding.pattern == "*.de").unwrap();
    assert!(client.delete_binding(ended.name).await.unwrap());
    publish(&client, "t", vec![message("us.de", "too late"), message("eu.de", "in time")]).await;

    let mut stream = client.subscribe_stream(queue("q")).await.unwrap();
    let all = deliveries(&mut stream, 4).await;
    assert_eq!(payloads(&all), ["eu.de", "eu.fr", "us.de", "in time"]);
    acked(&client, &all).await;
    assert!(pull(&client, "q").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_queue_gives_nothing_up_and_a_reject_there_ends_the_message() {
    let (_broker, client) = broker().await;
    create_queue(&client, named("q"), &[("t", "")]).await;
    publish(&client, "t", vec![message("", "bad")]).await;
    nacked(&client, &pull_some(&client, "q").await, NackMode::Reject).await;

    let dead = client.get_queue("q.dlq").await.unwrap();
    assert_eq!(dead.retry.unwrap().max_attempts, Some(0), "without end");
    nacked(&client, &pull_some(&client, "q.dlq").await, NackMode::Reject).await;
    let stats = client.get_queue("q.dlq").await.unwrap().stats.unwrap();
    assert_eq!((stats.rejected, stats.ready, stats.unsettled, stats.backing_off), (1, 0, 0, 0));
    assert!(client.get_queue("q.dlq.dlq").await.is_err(), "a dead-letter queue has none of its own");
}

/// One message in a thousand seconds: nothing but the burst comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_given_back_takes_nothing_off_the_count_of_a_rate() {
    let (_broker, client) = broker().await;
    let rate_limit = Some(RateLimit { messages_per_second: 0.001, burst: 2 });
    create_queue(&client, Queue { rate_limit, ..named("q") }, &[("t", "")]).await;
    publish(&client, "t", vec![message("", "a"), message("", "b"), message("", "c")]).await;
    let held = pull_some(&client, "q").await;
    assert_eq!(payloads(&held), ["a", "b"]);
    nacked(&client, &held, NackMode::Release).await;
    assert!(pull(&client, "q").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_queue_has_yet_to_take_of_a_deleted_topic_stays_over_a_crash_too() {
    let (mut broker, client) = broker().await;
    create_queue(&client, named("q"), &[("t", "")]).await;
    publish(&client, "t", vec![message("", "a"), message("", "b")]).await;
    assert!(client.delete_topic("t", true).await.unwrap());
    let late = client.publish(Destination::Topic("t".into()), vec![message("", "c")]).await;
    assert_eq!(late.unwrap_err().code(), Code::NotFound);

    // A new topic of that name is another one: nothing of it goes to the queue.
    create_topic(&client, "t").await;
    publish(&client, "t", vec![message("", "d")]).await;
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    let left = pull_some(&client, "q").await;
    assert_eq!(payloads(&left), ["a", "b"]);
    acked(&client, &left).await;
    assert!(pull(&client, "q").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_a_queue_that_stays_without_members_and_can_be_deleted() {
    let (_broker, client) = broker().await;
    drop(client.subscribe_stream(group("t", "g")).await.unwrap());
    let confirm = publish(&client, "t", vec![message("", "a")]).await;
    assert_eq!(confirm.results[0].queues_matched, 1);
    assert_eq!(payloads(&pull_some(&client, "t/g").await), ["a"]);
    assert_eq!(client.delete_queue("t/g", true).await.unwrap().messages_dropped, 1);
    let gone = client.subscribe_stream(SubscribeRequest { create_if_missing: false, ..group("t", "g") }).await;
    assert_eq!(gone.unwrap_err().code(), Code::NotFound);
}
