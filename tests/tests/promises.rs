//! Promises at the seams: a binding made while the queue is busy, a clean stop after a crash, a stream that catches up.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use ferrymq_client::streams::SubscribeStream;
use ferrymq_client::v1::{PeekRequest, PurgeRequest, Queue, SubscribeRequest, peek_request, purge_request};
use ferrymq_client::{Destination, group, queue};
use ferrymq_tests::{
    Broker, acked, binding, collect, create_queue, create_topic, deliveries, message, payloads, publish, pull_some,
    within,
};
use futures::StreamExt as _;

fn named(name: &str) -> Queue {
    Queue { name: name.to_owned(), ..Queue::default() }
}

// The client has to go on while the test waits for the process.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_in_doubt_is_still_in_doubt_after_a_clean_stop() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_queue(&client, named("q"), &[]).await;
    client.publish(Destination::Queue("q".into()), vec![message("", "one")]).await.unwrap();
    assert_eq!(pull_some(&client, "q").await[0].attempt, 1);
    broker.kill9();
    broker.restart();
    broker.sigterm();
    assert!(broker.wait().success());
    broker.restart();
    let again = pull_some(&broker.client().await, "q").await;
    assert!(again[0].attempt > 1, "it was delivered before, and says attempt {}", again[0].attempt);
}

// The client has to go on while the test waits for the process.
#[tokio::test(flavor = "multi_thread")]
async fn a_clean_stop_leaves_no_doubt_about_what_was_never_delivered() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_queue(&client, named("q"), &[]).await;
    let to = Destination::Queue("q".into());
    client.publish(to.clone(), vec![message("", "one")]).await.unwrap();
    let held = pull_some(&client, "q").await;
    broker.sigterm();
    assert!(broker.wait().success());
    broker.restart();
    let client = broker.client().await;
    client.publish(to, vec![message("", "two")]).await.unwrap();
    let both = collect(&client, "q", 2).await;
    assert_eq!((held[0].attempt, both[0].attempt, both[1].attempt), (1, 2, 1));
}

/// Waits until a stream says that it caught up; how many deliveries came until then.
async fn caught_up(subscriber: &mut SubscribeStream) -> usize {
    let mut count = 0;
    loop {
        let response = within("the mark", subscriber.next()).await.unwrap().unwrap();
        count += response.deliveries.len();
        if response.caught_up {
            return count;
        }
    }
}

#[tokio::test]
async fn a_stream_catches_up_with_what_was_there_though_more_waits_behind() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, named("q"), &[("t", "#")]).await;
    publish(&client, "t", vec![message("", "one"), message("", "two")]).await;
    let mut stream = client.subscribe_stream(SubscribeRequest { prefetch: 1, ..queue("q") }).await.unwrap();
    let one = deliveries(&mut stream, 1).await;
    publish(&client, "t", vec![message("", "three"); 5]).await;
    acked(&client, &one).await;
    assert_eq!(caught_up(&mut stream).await, 1);
}

#[tokio::test]
async fn a_purge_does_not_turn_the_count_of_what_came_in_back() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_queue(&client, named("q"), &[]).await;
    for _ in 0..3 {
        client.publish(Destination::Queue("q".into()), vec![message("", "x"); 3_000]).await.unwrap();
    }
    let received = async || client.get_queue("q").await.unwrap().stats.unwrap().received;
    assert_eq!(received().await, 9_000);
    assert_eq!(
        client.purge(PurgeRequest { target: Some(purge_request::Target::Queue("q".into())) }).await.unwrap(),
        9_000
    );
    assert_eq!(received().await, 9_000);
}

/// Asks so much of a queue's task that it learns late of what comes behind: more than it takes from its mailbox at once.
async fn keep_busy(broker: &Broker, queue: &str) -> Vec<tokio::task::JoinHandle<()>> {
    let source = Some(peek_request::Source::Queue(queue.to_owned()));
    let request = PeekRequest { source, page_size: 1_000, max_payload_bytes: 1, ..PeekRequest::default() };
    let mut peeks = Vec::new();
    for _ in 0..8 {
        let client = broker.client().await;
        let peek = |_| {
            let (client, request) = (client.clone(), request.clone());
            tokio::spawn(async move { drop(client.peek(request).await.unwrap()) })
        };
        peeks.extend((0..75).map(peek));
    }
    peeks
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_holds_from_its_answer_to_its_end_however_busy_the_queue_is() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, named("q"), &[("t", "a")]).await;
    publish(&client, "t", vec![message("a", "old"); 600]).await;
    let peeks = keep_busy(&broker, "q").await;
    within("the first peek", async {
        while !peeks.iter().any(|peek| peek.is_finished()) {
            tokio::task::yield_now().await
        }
    })
    .await;
    let made = client.create_binding(binding("t", "q", "b")).await.unwrap().binding.unwrap();
    publish(&client, "t", vec![message("b", "meant")]).await;
    client.delete_binding(made.name).await.unwrap();
    publish(&client, "t", vec![message("b", "not meant"), message("a", "last")]).await;
    for peek in peeks {
        within("a peek", peek).await.unwrap();
    }
    let all = payloads(&collect(&client, "q", 602).await);
    assert_eq!(all[600..], ["meant", "last"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_second_to_a_group_joins_it_whatever_it_asked_for() {
    let broker = Broker::ephemeral();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    for round in 0..30 {
        let ask = |pattern: &str| SubscribeRequest { pattern: pattern.into(), ..group("t", format!("g{round}")) };
        let (one, two) = tokio::join!(client.subscribe_stream(ask("a")), client.subscribe_stream(ask("b")));
        let made = [one.unwrap(), two.unwrap()].iter().filter(|stream| stream.opened().created).count();
        assert_eq!(made, 1);
    }
}
