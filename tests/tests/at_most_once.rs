//! Deliveries that are settled before they are sent.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use bytes::Bytes;
use ferrymq_client::v1::{PullRequest, Queue, SettleStatus, SubscribeRequest, pull_request};
use ferrymq_client::{Client, queue};
use ferrymq_tests::{Broker, create_queue, create_topic, deliveries, message, payloads, publish, pull, within};

async fn publish_three(client: &Client) {
    create_topic(client, "t").await;
    create_queue(client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "#")]).await;
    publish(client, "t", vec![message("", "1"), message("", "2"), message("", "3")]).await;
}

fn at_most_once() -> SubscribeRequest {
    SubscribeRequest { at_most_once: true, prefetch: 1, ..queue("q") }
}

#[tokio::test]
async fn a_message_is_settled_before_it_is_sent_and_never_comes_twice() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    publish_three(&client).await;
    let mut stream = client.subscribe(at_most_once()).await.unwrap();
    let got = deliveries(&mut stream, 3).await;
    assert_eq!(payloads(&got), ["1", "2", "3"], "nothing has to be acked for the next to come");
    assert!(got.iter().all(|delivery| delivery.ack_id.is_empty() && delivery.attempt == 1));
    assert_eq!(client.ack(vec![Bytes::new()]).await.unwrap(), [SettleStatus::Invalid]);
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    assert!(pull(&client, "q").await.is_empty());
}

#[tokio::test]
async fn a_pull_takes_for_good_what_it_answers() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    publish_three(&client).await;
    let source = Some(pull_request::Source::Queue("q".into()));
    let request = PullRequest { source, max_messages: 2, at_most_once: true, ..PullRequest::default() };
    let pulled = within("a pull", client.pull(request)).await.unwrap().deliveries;
    assert_eq!(payloads(&pulled), ["1", "2"]);
    assert!(pulled.iter().all(|delivery| delivery.ack_id.is_empty()));
    let stats = client.get_queue("q").await.unwrap().stats.unwrap();
    assert_eq!((stats.ready, stats.unsettled, stats.delivered), (1, 0, 2));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_sent_without_end_and_what_it_had_not_been_sent_stays() {
    const MESSAGES: i64 = 200;
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[]).await;
    for _ in 0..MESSAGES / 10 {
        let batch = vec![message("", vec![0_u8; 128 << 10]); 10];
        client.publish(ferrymq_client::Destination::Queue("q".into()), batch).await.unwrap();
    }
    let mut stream = client.subscribe(at_most_once()).await.unwrap();
    let first = within("a delivery", stream.next_batch()).await.unwrap().unwrap();
    assert!(!first.is_empty());
    drop(stream);
    let left = async {
        loop {
            let stats = client.get_queue("q").await.unwrap().stats.unwrap();
            if (stats.consumers, stats.unsettled) == (0, 0) {
                return stats.ready + stats.backing_off;
            }
        }
    };
    let left = within("the end of the consumer", left).await;
    assert!(left > 0 && left < MESSAGES, "{left} of {MESSAGES} are left");
}
