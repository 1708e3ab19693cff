//! Consumers that may hold more than the queue reads ahead.

use ferrymq_client::v1::{Queue, SubscribeRequest};
use ferrymq_client::{Client, Destination, queue};
use ferrymq_tests::{Broker, create_queue, deliveries, message, within};

const BATCH: usize = 1_000;

async fn filled(client: &Client, name: &str, count: usize) {
    create_queue(client, Queue { name: name.to_owned(), ..Queue::default() }, &[]).await;
    for from in (0..count).step_by(BATCH) {
        let batch = (from..from + BATCH).map(|number| message("", number.to_string())).collect();
        let to = Destination::Queue(name.to_owned());
        within("a confirm", client.publish(to, batch)).await.expect("the broker confirms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_gets_as_much_as_it_may_hold_without_settling_any() {
    let broker = Broker::start();
    let client = broker.client().await;
    filled(&client, "q", 30_000).await;
    let request = SubscribeRequest { prefetch: 25_000, ..queue("q") };
    let mut subscriber = client.subscribe_stream(request).await.expect("a stream opens");
    let held = deliveries(&mut subscriber, 25_000).await;
    let order = held.iter().map(|delivery| delivery.message.as_ref().map_or(&[][..], |message| &message.payload[..]));
    assert!(order.eq((0..25_000).map(|number| number.to_string()).collect::<Vec<_>>().iter().map(String::as_bytes)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_some_consumers_hold_keeps_nothing_from_the_others() {
    let broker = Broker::start();
    let client = broker.client().await;
    filled(&client, "q", 10_000).await;
    let mut open = Vec::new();
    for _ in 0..10 {
        let request = SubscribeRequest { prefetch: 1_000, ..queue("q") };
        let mut subscriber = client.subscribe_stream(request).await.expect("a stream opens");
        deliveries(&mut subscriber, 1_000).await;
        open.push(subscriber);
    }
}
