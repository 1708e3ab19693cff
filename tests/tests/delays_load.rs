//! A million messages given back in waves, by hand: `cargo test -p ferrymq-tests --test delays_load -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::time::{Duration, Instant};

use ferrymq_client::v1::{Message, NackMode, PullRequest, Queue, QueueStats, pull_request};
use ferrymq_client::{Client, Destination, queue};
use ferrymq_tests::{Broker, create_queue, payloads, pull_some};

const MESSAGES: usize = 1_000_000;
const BATCH: usize = 5_000;
/// Workers that nack.
const WORKERS: usize = 4;
const DELAY: Duration = Duration::from_secs(150);

/// The broker's peak of resident memory until now, and what it has now, in MiB.
fn memory(broker: &Broker) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", broker.pid())).unwrap();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').split_whitespace().next().unwrap().parse::<u64>().unwrap() >> 10
    };
    (of("VmHWM"), of("VmRSS"))
}

async fn pull(client: &Client, wait: Duration) -> Vec<ferrymq_client::v1::Delivery> {
    let source = Some(pull_request::Source::Queue("q".to_owned()));
    let wait = Some(wait.try_into().unwrap());
    let request = PullRequest { source, max_messages: 1_000, wait, ..PullRequest::default() };
    client.pull(request).await.unwrap().deliveries
}

/// Gives back all first deliveries; how many.
async fn nack_wave(client: Client) -> usize {
    let mut count = 0;
    loop {
        let ids: Vec<_> = pull(&client, Duration::ZERO).await.into_iter().map(|delivery| delivery.ack_id).collect();
        if ids.is_empty() {
            return count;
        }
        count += ids.len();
        client.nack(ids, NackMode::Retry, Some(DELAY), "later").await.unwrap();
    }
}

async fn stats(client: &Client) -> QueueStats {
    client.get_queue("q").await.unwrap().stats.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn a_million_messages_nacked_in_waves_wait_in_bounded_memory() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[]).await;
    println!("empty: {:?} MiB (peak, now)", memory(&broker));
    let began = Instant::now();
    for wave in 1..=10 {
        for _ in 0..MESSAGES / 10 / BATCH {
            let messages = vec![Message { payload: vec![b'x'; 100].into(), ..Message::default() }; BATCH];
            client.publish(Destination::Queue("q".into()), messages).await.unwrap();
        }
        let waves = futures::future::join_all((0..WORKERS).map(|_| tokio::spawn(nack_wave(client.clone()))));
        let nacked: usize = waves.await.into_iter().map(Result::unwrap).sum();
        let waiting = stats(&client).await.backing_off;
        println!("wave {wave}: {nacked} nacked, {waiting} wait, {:?}, {:?} MiB", began.elapsed(), memory(&broker));
    }
    let fresh = Message { payload: "fresh".into(), ..Message::default() };
    client.publish(Destination::Queue("q".into()), vec![fresh.clone()]).await.unwrap();
    let taken = pull_some(&client, "q").await;
    assert_eq!(payloads(&taken), ["fresh"], "others go on");
    client.ack(vec![taken[0].ack_id.clone()]).await.unwrap();

    broker.kill9();
    let killed = Instant::now();
    broker.restart();
    let client = broker.client().await;
    // On a slow machine the first delays end before all has been read again.
    while stats(&client).await.backing_off < MESSAGES as i64 && killed.elapsed() < Duration::from_secs(60) {}
    let waiting = stats(&client).await.backing_off;
    println!("restarted: {waiting} wait again after {:?}, {:?} MiB", killed.elapsed(), memory(&broker));

    let (mut came, mut first) = (0, None);
    let mut consumer = client.subscribe_stream(queue("q")).await.unwrap();
    while came < MESSAGES {
        let deliveries = consumer.next_batch().await.unwrap().unwrap();
        assert!(deliveries.iter().all(|delivery| delivery.attempt > 1));
        came += deliveries.len();
        let first = first.get_or_insert_with(Instant::now);
        client.ack(deliveries.into_iter().map(|delivery| delivery.ack_id).collect()).await.unwrap();
        if came % 100_000 < 256 {
            println!("{came} came back in {:?}, {:?} MiB", first.elapsed(), memory(&broker));
        }
    }
    let stats = stats(&client).await;
    assert_eq!((stats.ready, stats.unsettled, stats.backing_off), (0, 0, 0));
    println!("all acked: {:?} MiB", memory(&broker));
}
