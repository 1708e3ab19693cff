//! Queues on which only the newest delivery can be acked.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::Client;
use ferrymq_client::v1::{NackMode, Queue, SettleStatus};
use ferrymq_tests::{Broker, acked, create_queue, create_topic, message, publish, pull_some};

async fn publish_one(client: &Client) {
    create_topic(client, "t").await;
    create_queue(client, Queue { name: "q".into(), exactly_once: true, ..Queue::default() }, &[("t", "#")]).await;
    publish(client, "t", vec![message("", "one")]).await;
}

#[tokio::test]
async fn a_late_ack_does_not_settle() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    publish_one(&client).await;
    let first = pull_some(&client, "q").await.remove(0);
    client.nack(vec![first.ack_id.clone()], NackMode::Release, None, "").await.unwrap();
    let late = vec![first.ack_id.clone()];
    assert_eq!(client.ack(late.clone()).await.unwrap(), [SettleStatus::LeaseLost]);
    let second = pull_some(&client, "q").await;
    assert_eq!(client.ack(late.clone()).await.unwrap(), [SettleStatus::LeaseLost]);
    acked(&client, &second).await;
    assert_eq!(client.ack(late).await.unwrap(), [SettleStatus::AlreadySettled]);
    assert_eq!(client.get_queue("q").await.unwrap().stats.unwrap().acked, 1);
}

#[tokio::test]
async fn after_a_crash_an_old_delivery_cannot_be_acked() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    publish_one(&client).await;
    let old = pull_some(&client, "q").await.remove(0);
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    assert_eq!(client.ack(vec![old.ack_id]).await.unwrap(), [SettleStatus::LeaseLost]);
    let again = pull_some(&client, "q").await;
    assert_eq!(again[0].attempt, 2);
    acked(&client, &again).await;
}
