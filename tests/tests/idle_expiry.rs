//! Queues that are deleted when nobody has used them for long enough.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::v1::{ErrorReason, Queue};
use ferrymq_client::{Client, Code};
use ferrymq_tests::{Broker, create_queue, create_topic, message, publish, pull_some, within};

fn idle(name: &str, seconds: i64) -> Queue {
    let idle_expiry = Some(prost_types::Duration { seconds, nanos: 0 });
    Queue { name: name.into(), idle_expiry, ..Queue::default() }
}

async fn gone(client: &Client, name: &str) {
    let error = async {
        loop {
            if let Err(error) = client.get_queue(name).await {
                return error;
            }
        }
    };
    assert_eq!(within("the queue's end", error).await.code(), Code::NotFound);
}

#[tokio::test]
async fn a_queue_that_nobody_uses_is_deleted() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, idle("unused", 1), &[("t", "a")]).await;
    create_queue(&client, idle("waiting", 1), &[("t", "b")]).await;
    publish(&client, "t", vec![message("b", "x")]).await;
    gone(&client, "unused").await;
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    gone(&client, "unused").await;
    assert_eq!(client.list_queues("").await.unwrap().len(), 1);
    let held = pull_some(&client, "waiting").await;
    client.ack(vec![held[0].ack_id.clone()]).await.unwrap();
    gone(&client, "waiting").await;
}

#[tokio::test]
async fn an_idle_expiry_out_of_range_or_another_one_is_refused() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    for seconds in [-1, 0, 366 * 86_400 + 1] {
        let error = client.create_queue(idle("q", seconds), vec![]).await.unwrap_err();
        assert_eq!(error.field_violations()[0].field, "queue.idle_expiry");
    }
    create_queue(&client, idle("q", 3_600), &[]).await;
    let other = client.create_queue(idle("q", 60), vec![]).await.unwrap_err();
    assert_eq!(other.reason(), ErrorReason::SettingsDiffer);
}
