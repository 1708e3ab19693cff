//! A purge: it drops what waits when it is asked for, and neither what consumers hold nor what comes behind it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ferrymq_client::v1::{
    ErrorReason, Limits, Message, NackMode, Ordering as Order, PurgeRequest, Queue, SettleStatus, purge_request,
};
use ferrymq_client::{Client, Destination};
use ferrymq_tests::{Broker, acked, create_queue, create_topic, message, payloads, publish, pull, pull_some, within};

async fn purge(client: &Client) -> i64 {
    let target = Some(purge_request::Target::Queue("q".into()));
    within("the answer to a purge", client.purge(PurgeRequest { target })).await.unwrap()
}

async fn crash(broker: &mut Broker) -> Client {
    broker.kill9();
    broker.restart();
    broker.client().await
}

/// What is in the queue, taken and acked.
async fn take_all(client: &Client) -> Vec<u32> {
    let mut all = Vec::new();
    loop {
        let some = pull(client, "q").await;
        if some.is_empty() {
            return all;
        }
        all.extend(payloads(&some).iter().map(|number| number.parse::<u32>().unwrap()));
        acked(client, &some).await;
    }
}

/// A purge, by the number of messages that were confirmed before it was asked for, and begun before it was answered.
struct Cut {
    confirmed: u32,
    begun: u32,
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_exactly_what_was_published_before_it_goes_and_is_counted() {
    const MESSAGES: u32 = 1_000;
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "")]).await;
    let (begun, confirmed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let publisher = broker.client().await;
    let publishing = tokio::spawn({
        let (begun, confirmed) = (begun.clone(), confirmed.clone());
        async move {
            for number in 0..MESSAGES {
                begun.store(number + 1, Ordering::SeqCst);
                publish(&publisher, "t", vec![message("", number.to_string())]).await;
                confirmed.store(number + 1, Ordering::SeqCst);
            }
        }
    });
    let (mut dropped, mut last) = (0, Cut { confirmed: 0, begun: 0 });
    while confirmed.load(Ordering::SeqCst) < MESSAGES / 2 {
        let before = confirmed.load(Ordering::SeqCst);
        dropped += purge(&client).await;
        last = Cut { confirmed: before, begun: begun.load(Ordering::SeqCst) };
    }
    publishing.await.unwrap();
    let client = crash(&mut broker).await;
    let left = take_all(&client).await;
    assert!(left.is_sorted_by(|a, b| a < b), "each once, in order");
    assert!(left.first().is_some_and(|first| *first >= last.confirmed), "it was purged, and came");
    let behind: Vec<u32> = left.iter().copied().filter(|number| *number >= last.begun).collect();
    assert_eq!(behind, (last.begun..MESSAGES).collect::<Vec<_>>(), "published behind the purge");
    assert_eq!(dropped + left.len() as i64, i64::from(MESSAGES), "dropped, or delivered");
}

#[tokio::test]
async fn what_comes_right_behind_a_purge_stays_in_each_log_of_the_queue() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "")]).await;
    for round in 0..2 {
        let number = |n: u32| vec![message("", (4 * round + n).to_string())];
        publish(&client, "t", number(0)).await;
        client.publish(Destination::Queue("q".into()), number(1)).await.unwrap();
        assert_eq!(purge(&client).await, 2);
        publish(&client, "t", number(2)).await;
        client.publish(Destination::Queue("q".into()), number(3)).await.unwrap();
        let came = take_all(&client).await;
        assert_eq!(came, [4 * round + 2, 4 * round + 3], "published behind the purge");
    }
    assert!(take_all(&crash(&mut broker).await).await.is_empty());
}

#[tokio::test]
async fn a_queue_with_limits_counts_what_goes_and_takes_as_many_again() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    let limits = Some(Limits { max_messages: 4, ..Limits::default() });
    create_queue(&client, Queue { name: "q".into(), limits, ..Queue::default() }, &[]).await;
    let send = |count| client.publish(Destination::Queue("q".into()), vec![message("", "7"); count]);
    send(1).await.unwrap();
    let held = pull_some(&client, "q").await;
    send(3).await.unwrap();
    assert_eq!(purge(&client).await, 3);
    assert_eq!(purge(&client).await, 0);
    send(3).await.unwrap();
    assert_eq!(send(1).await.unwrap_err().reason(), ErrorReason::QueueFull, "what a consumer held counts still");
    acked(&client, &held).await;
    assert_eq!(take_all(&client).await, [7; 3]);
}

#[tokio::test]
async fn a_key_goes_on_behind_what_was_held_when_its_queue_was_purged() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_queue(&client, Queue { name: "q".into(), ordering: Order::Key.into(), ..Queue::default() }, &[]).await;
    let send = async |client: &Client, numbers: std::ops::Range<u32>| {
        let keyed = |n: u32| Message { ordering_key: "k".into(), ..message("", n.to_string()) };
        client.publish(Destination::Queue("q".into()), numbers.map(keyed).collect()).await.unwrap();
    };
    send(&client, 0..3).await;
    let held = pull_some(&client, "q").await;
    assert_eq!(payloads(&held), ["0"]);
    assert_eq!(purge(&client).await, 2);
    send(&client, 3..5).await;
    assert!(pull(&client, "q").await.is_empty(), "the key's first is held still");

    let client = crash(&mut broker).await;
    let again = pull_some(&client, "q").await;
    assert_eq!(payloads(&again), ["0"], "what a consumer held comes again");
    let back = client.nack(vec![again[0].ack_id.clone()], NackMode::Release, None, "").await.unwrap();
    assert_eq!(back, [SettleStatus::Ok], "what a consumer held");
    // An ack from before the crash settles it still, and its key goes on.
    acked(&client, &held).await;
    assert_eq!(take_all(&client).await, [3, 4]);
}
