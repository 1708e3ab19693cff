//! What keeping keys in order costs with very many messages and keys: run by hand, with `--ignored --nocapture`, best in
//! a release build.

use std::time::{Duration, Instant};

use ferrymq_client::v1::{Message, Ordering, Queue, SubscribeRequest};
use ferrymq_client::{Client, Destination, queue};
use ferrymq_tests::{Broker, acked, create_queue, message, within};

const BATCH: usize = 1_000;

async fn fill(client: &Client, name: &str, count: usize, key: impl Fn(usize) -> String) {
    for from in (0..count).step_by(BATCH) {
        let keyed = |n: usize| Message { ordering_key: key(n), ..message("", n.to_string()) };
        let batch = (from..from + BATCH).map(keyed).collect();
        let to = Destination::Queue(name.to_owned());
        within("a confirm", client.publish(to, batch)).await.expect("the broker confirms");
    }
}

async fn prepared(client: &Client, name: &str, ordering: Ordering) {
    let queue = Queue { name: name.to_owned(), ordering: ordering.into(), ..Queue::default() };
    create_queue(client, queue, &[]).await;
}

/// Acks `count` messages; those of the key `stuck` stay as they are.
async fn drain(client: &Client, name: &str, count: usize) -> Duration {
    let request = SubscribeRequest { prefetch: 4_000, ..queue(name) };
    let mut consumer = client.subscribe_stream(request).await.expect("a stream opens");
    let (began, mut done) = (Instant::now(), 0);
    while done < count {
        let mut batch = within("a delivery", consumer.next_batch()).await.expect("the stream is whole").expect("open");
        batch.retain(|delivery| delivery.message.as_ref().is_some_and(|message| message.ordering_key != "stuck"));
        acked(client, &batch).await;
        done += batch.len();
    }
    began.elapsed()
}

fn memory_mib(broker: &Broker) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", broker.pid())).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1_024
}

#[tokio::test]
#[ignore = "takes minutes, and its numbers depend on the machine"]
async fn half_of_it_stuck() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    for (name, ordering) in [("unkeyed", Ordering::None), ("keyed", Ordering::Key)] {
        prepared(&client, name, ordering).await;
        let half = |n: usize| if n.is_multiple_of(2) { "stuck".to_owned() } else { format!("k{}", n % 10_000) };
        let all = |n: usize| format!("k{}", n % 10_000);
        match ordering {
            Ordering::Key => fill(&client, name, 200_000, half).await,
            _ => fill(&client, name, 100_000, all).await,
        }
        let took = drain(&client, name, 100_000).await;
        println!("{name}: 100,000 in {took:?}; {} MiB", memory_mib(&broker));
    }
    let began = Instant::now();
    broker.kill9();
    broker.restart();
    println!("start with 100,000 settled ranges: {:?}; {} MiB", began.elapsed(), memory_mib(&broker));
    let client = broker.client().await;
    let began = Instant::now();
    fill(&client, "keyed", 1_000, |n| format!("new{n}")).await;
    drain(&client, "keyed", 1_000).await;
    println!("1,000 more behind it all: {:?}; {} MiB", began.elapsed(), memory_mib(&broker));
}

#[tokio::test]
#[ignore = "takes minutes, and its numbers depend on the machine"]
async fn a_million_keys() {
    let broker = Broker::start();
    let client = broker.client().await;
    prepared(&client, "q", Ordering::Key).await;
    let before = memory_mib(&broker);
    fill(&client, "q", 1_000_000, |n| format!("key-{n}")).await;
    println!("{before} MiB before; {} MiB with 1,000,000 keys waiting", memory_mib(&broker));
    let took = drain(&client, "q", 1_000_000).await;
    println!("1,000,000 keys in {took:?}; {} MiB", memory_mib(&broker));
}

/// More than fits: 100 stuck keys of 20,000 messages each, and others between them.
#[tokio::test]
#[ignore = "takes minutes, and its numbers depend on the machine"]
async fn two_million_behind_a_hundred_stuck_keys() {
    let broker = Broker::start();
    let client = broker.client().await;
    prepared(&client, "q", Ordering::Key).await;
    fill(&client, "q", 2_000_000, |n| format!("key-{}", n % 100)).await;
    let mut consumer =
        client.subscribe_stream(SubscribeRequest { prefetch: 4_000, ..queue("q") }).await.expect("a stream");
    let mut held = Vec::new();
    while held.len() < 100 {
        held.extend(within("a delivery", consumer.next_batch()).await.expect("the stream is whole").expect("open"));
    }
    fill(&client, "q", 1_000, |_| String::new()).await;
    let mut free = 0;
    while free < 1_000 {
        free += within("a free one", consumer.next_batch()).await.expect("the stream is whole").expect("open").len();
    }
    println!("all read, the free ones came; {} MiB", memory_mib(&broker));
}
