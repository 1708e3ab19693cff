//! Many messages that were given back with long delays, over a crash.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::time::Duration;

use ferrymq_client::v1::{Message, NackMode, PurgeRequest, Queue, QueueStats, SettleStatus, purge_request};
use ferrymq_client::{Client, Destination};
use ferrymq_tests::{Broker, create_queue, payloads, pull, pull_some, within};

/// More than a queue keeps waiting in memory.
const MANY: usize = 6_000;
const HOUR: Duration = Duration::from_secs(3_600);

async fn send(client: &Client, payload: &'static str, count: usize) {
    let messages = vec![Message { payload: payload.into(), ..Message::default() }; count];
    client.publish(Destination::Queue("q".into()), messages).await.unwrap();
}

/// Gives all back for an hour; one of the ack ids.
async fn nack_all(client: &Client) -> bytes::Bytes {
    let (mut count, mut last) = (0, bytes::Bytes::new());
    while count < MANY {
        let ids: Vec<_> = pull_some(client, "q").await.into_iter().map(|delivery| delivery.ack_id).collect();
        count += ids.len();
        last = ids[0].clone();
        client.nack(ids, NackMode::Retry, Some(HOUR), "later").await.unwrap();
    }
    last
}

async fn stats(client: &Client) -> QueueStats {
    client.get_queue("q").await.unwrap().stats.unwrap()
}

/// Waits until so many are known to wait.
async fn waiting(client: &Client, count: usize) {
    within("what waits", async { while stats(client).await.backing_off != count as i64 {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_long_delays_outlive_a_crash_and_hold_up_nothing() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[]).await;
    send(&client, "waits", MANY).await;
    let late = nack_all(&client).await;
    waiting(&client, MANY).await;

    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    send(&client, "fresh", 1).await;
    let fresh = pull_some(&client, "q").await;
    assert_eq!(payloads(&fresh), ["fresh"]);
    assert_eq!(client.ack(vec![fresh[0].ack_id.clone()]).await.unwrap(), [SettleStatus::Ok]);
    waiting(&client, MANY).await;

    assert_eq!(client.ack(vec![late.clone()]).await.unwrap(), [SettleStatus::Ok], "a late ack still settles");
    waiting(&client, MANY - 1).await;
    assert!(pull(&client, "q").await.is_empty());

    let of_queue = PurgeRequest { target: Some(purge_request::Target::Queue("q".into())) };
    assert_eq!(client.purge(of_queue).await.unwrap(), MANY as i64 - 1);
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    let stats = stats(&client).await;
    assert_eq!((stats.ready, stats.unsettled, stats.backing_off), (0, 0, 0));
    assert_eq!(client.ack(vec![late]).await.unwrap(), [SettleStatus::AlreadySettled]);
}
