//! A purge: it drops what waits when it is asked for, and neither what consumers hold nor what comes behind it.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::v1::{
    ErrorReason, Limits, Message, NackMode, Ordering as Order, PurgeRequest, Queue, SettleStatus, purge_request,
};
use ferrymq_client::{Client, Destination};
use ferrymq_tests::{
    Broker, Cut, Log, acked, create_queue, create_topic, message, payloads, publish, pull, pull_some, take_all, within,
};

async fn purge(client: &Client) -> i64 {
    let target = Some(purge_request::Target::Queue("q".into()));
    within("the answer to a purge", client.purge(PurgeRequest { target })).await.unwrap()
}

async fn crash(broker: &mut Broker) -> Client {
    broker.kill9();
    broker.restart();
    broker.client().await
}

/// The numbers that are in the queue, taken and acked.
async fn take_numbers(client: &Client) -> Vec<u64> {
    payloads(&take_all(client, "q").await).iter().map(|number| number.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_exactly_what_was_published_before_it_goes_and_is_counted() {
    const MESSAGES: u64 = 1_000;
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "")]).await;
    let log = Log::of(MESSAGES);
    let publishing = tokio::spawn(log.clone().publish_numbers(broker.client().await, "t"));
    let (mut dropped, mut last) = (0, Cut::default());
    while log.confirmed() < MESSAGES / 2 {
        let (cut, count) = log.cut(purge(&client)).await;
        (dropped, last) = (dropped + count, cut);
    }
    publishing.await.unwrap();
    let client = crash(&mut broker).await;
    let left = take_numbers(&client).await;
    assert!(left.is_sorted_by(|a, b| a < b), "each once, in order");
    assert!(left.first().is_some_and(|first| *first >= last.earliest), "it was purged, and came");
    let behind: Vec<u64> = left.iter().copied().filter(|number| *number >= last.latest).collect();
    assert_eq!(behind, (last.latest..MESSAGES).collect::<Vec<_>>(), "published behind the purge");
    assert_eq!(dropped + left.len() as i64, MESSAGES as i64, "dropped, or delivered");
}

#[tokio::test]
async fn what_comes_right_behind_a_purge_stays_in_each_log_of_the_queue() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "")]).await;
    for round in 0..2 {
        let number = |n: u64| vec![message("", (4 * round + n).to_string())];
        publish(&client, "t", number(0)).await;
        client.publish(Destination::Queue("q".into()), number(1)).await.unwrap();
        assert_eq!(purge(&client).await, 2);
        publish(&client, "t", number(2)).await;
        client.publish(Destination::Queue("q".into()), number(3)).await.unwrap();
        let came = take_numbers(&client).await;
        assert_eq!(came, [4 * round + 2, 4 * round + 3], "published behind the purge");
    }
    assert!(take_numbers(&crash(&mut broker).await).await.is_empty());
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
    assert_eq!(take_numbers(&client).await, [7; 3]);
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
    assert_eq!(take_numbers(&client).await, [3, 4]);
}
