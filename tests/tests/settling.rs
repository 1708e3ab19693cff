//! What an ack id is still good for once its lease has ended: a status each, as the protocol says.

use ferrymq_client::Client;
use ferrymq_client::v1::{NackMode, Queue, SettleStatus};
use ferrymq_tests::{Broker, create_queue, create_topic, message, publish, pull, pull_some};

/// A message that was delivered, given back, and delivered again: the first ack id and the second.
async fn delivered_twice(client: &Client) -> (bytes::Bytes, bytes::Bytes) {
    create_topic(client, "t").await;
    create_queue(client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "#")]).await;
    publish(client, "t", vec![message("", "one")]).await;
    let first = pull_some(client, "q").await.remove(0);
    let released = client.nack(vec![first.ack_id.clone()], NackMode::Release, None, "").await;
    assert_eq!(released.expect("a nack is answered"), [SettleStatus::Ok]);
    let second = pull_some(client, "q").await.remove(0);
    assert_eq!((second.attempt, &second.position), (2, &first.position));
    (first.ack_id, second.ack_id)
}

#[tokio::test]
async fn a_stale_nack_or_extend_does_nothing_and_says_lease_lost() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    let (stale, fresh) = delivered_twice(&client).await;
    for mode in [NackMode::Release, NackMode::Retry, NackMode::Reject] {
        assert_eq!(client.nack(vec![stale.clone()], mode, None, "").await.unwrap(), [SettleStatus::LeaseLost]);
    }
    assert_eq!(client.extend(vec![stale], None).await.unwrap(), [SettleStatus::LeaseLost]);
    let stats = client.get_queue("q").await.unwrap().stats.unwrap();
    assert_eq!((stats.unsettled, stats.rejected), (1, 0), "the second holder has it still");
    assert_eq!(client.extend(vec![fresh.clone()], None).await.unwrap(), [SettleStatus::Ok]);
    assert_eq!(client.ack(vec![fresh]).await.unwrap(), [SettleStatus::Ok]);
}

#[tokio::test]
async fn a_stale_ack_settles_even_while_another_holds_the_message() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    let (stale, fresh) = delivered_twice(&client).await;
    assert_eq!(client.ack(vec![stale]).await.unwrap(), [SettleStatus::Ok]);
    assert_eq!(client.ack(vec![fresh.clone()]).await.unwrap(), [SettleStatus::AlreadySettled]);
    let nacked = client.nack(vec![fresh.clone()], NackMode::Retry, None, "").await.unwrap();
    assert_eq!(nacked, [SettleStatus::AlreadySettled]);
    assert_eq!(client.extend(vec![fresh], None).await.unwrap(), [SettleStatus::AlreadySettled]);
    assert!(pull(&client, "q").await.is_empty());
}

#[tokio::test]
async fn after_a_restart_old_ids_ack_but_neither_nack_nor_extend() {
    let mut broker = Broker::start();
    let (stale, old) = delivered_twice(&broker.client().await).await;
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    let again = pull_some(&client, "q").await.remove(0);
    assert_eq!(again.attempt, 3);
    for id in [stale, old.clone()] {
        let nacked = client.nack(vec![id.clone()], NackMode::Reject, None, "").await.unwrap();
        assert_eq!(nacked, [SettleStatus::LeaseLost]);
        assert_eq!(client.extend(vec![id], None).await.unwrap(), [SettleStatus::LeaseLost]);
    }
    assert_eq!(client.ack(vec![old]).await.unwrap(), [SettleStatus::Ok]);
    assert_eq!(client.ack(vec![again.ack_id]).await.unwrap(), [SettleStatus::AlreadySettled]);
}

#[tokio::test]
async fn one_call_that_gives_up_many_large_messages_is_done_whole() {
    let broker = Broker::start();
    let client = broker.client().await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[]).await;
    for _ in 0..6 {
        let to = ferrymq_client::Destination::Queue("q".into());
        client.publish(to, vec![message("", vec![7; 1 << 20 >> 1]); 4]).await.unwrap();
    }
    let mut held = Vec::new();
    while held.len() < 24 {
        held.extend(pull_some(&client, "q").await.into_iter().map(|delivery| delivery.ack_id));
    }
    let statuses = client.nack(held, NackMode::Reject, None, "too large").await.unwrap();
    assert_eq!(statuses, vec![SettleStatus::Ok; 24]);
    let mut dead = 0;
    while dead < 24 {
        dead += pull_some(&client, "q.dlq").await.len();
    }
    assert_eq!(dead, 24);
}
