//! Order over kills: consumers that nack, go away and come back, while the broker is killed at any moment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ferrymq_client::v1::{Delivery, Message, NackMode, Ordering, Queue, RetryPolicy, SettleStatus};
use ferrymq_client::{Client, Destination, queue};
use ferrymq_tests::{Broker, create_queue, message, payloads, within};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

const CYCLES: u64 = 12;
const CONSUMERS: u64 = 3;
const KEYS: usize = 7;
/// More than a key parks, so that kills also fall where messages are read again.
const EACH: usize = 2_500;

/// For each key the number that came last, and how many are done with.
#[derive(Default)]
struct Ledger {
    last: BTreeMap<String, usize>,
    faults: Vec<String>,
    acked: usize,
}

impl Ledger {
    /// The same again, or the next: nothing else is in order.
    fn receive(&mut self, key: &str, number: usize) {
        let last = self.last.get(key).copied();
        let is_next = last.map_or(number == 0, |last| number == last || number == last + 1);
        if !is_next {
            self.faults.push(format!("{key}: {number} came after {last:?}"));
        }
        self.last.insert(key.to_owned(), number);
    }

    fn is_done(&self) -> bool {
        self.last.len() == KEYS && self.last.values().all(|last| *last == EACH - 1)
    }
}

type Shared = Arc<Mutex<Ledger>>;

fn with<T>(ledger: &Shared, change: impl FnOnce(&mut Ledger) -> T) -> T {
    change(&mut ledger.lock().expect("no thread of the test has panicked"))
}

fn receive(ledger: &Shared, batch: &[Delivery]) {
    for (delivery, payload) in batch.iter().zip(payloads(batch)) {
        let key = delivery.message.as_ref().map(|message| message.ordering_key.clone()).unwrap_or_default();
        with(ledger, |ledger| ledger.receive(&key, payload.parse().expect("payloads are numbers")));
    }
}

/// Acks most, gives some back, and goes away now and then; until the broker is gone.
async fn consumer(client: Client, ledger: Shared, mut random: StdRng) {
    while let Ok(mut subscriber) = client.subscribe_stream(queue("q")).await {
        for _ in 0..random.random_range(5..60) {
            let Ok(Some(batch)) = subscriber.next_batch().await else { return };
            receive(&ledger, &batch);
            let (back, done): (Vec<_>, Vec<_>) = batch.into_iter().partition(|_| random.random_range(0..20) == 0);
            let mode = [NackMode::Retry, NackMode::Release][random.random_range(0..2)];
            let ids = |of: Vec<Delivery>| of.into_iter().map(|delivery| delivery.ack_id).collect::<Vec<_>>();
            if !back.is_empty() && client.nack(ids(back), mode, None, "").await.is_err() {
                return;
            }
            if !done.is_empty() {
                let Ok(statuses) = client.ack(ids(done)).await else { return };
                let taken = statuses.iter().filter(|status| **status == SettleStatus::Ok).count();
                with(&ledger, |ledger| ledger.acked += taken);
            }
        }
    }
}

async fn prepare(broker: &Broker) {
    let client = broker.client().await;
    let backoff = Some(prost_types::Duration { seconds: 0, nanos: 1_000_000 });
    let retry =
        RetryPolicy { max_attempts: Some(0), min_backoff: backoff, max_backoff: backoff, ..RetryPolicy::default() };
    let ordering = Ordering::Key.into();
    create_queue(&client, Queue { name: "q".into(), ordering, retry: Some(retry), ..Queue::default() }, &[]).await;
    for number in 0..EACH {
        let keyed = |key: usize| Message { ordering_key: format!("key{key}"), ..message("", number.to_string()) };
        let to = Destination::Queue("q".into());
        client.publish(to, (0..KEYS).map(keyed).collect()).await.expect("the broker confirms");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_stay_in_order_over_kills_at_any_moment() {
    let mut broker = Broker::start();
    prepare(&broker).await;
    let ledger = Shared::default();
    let mut random = StdRng::seed_from_u64(11);
    for cycle in 0..CYCLES {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..CONSUMERS {
            let seeded = StdRng::seed_from_u64(cycle * CONSUMERS + number);
            tasks.spawn(consumer(broker.client().await, ledger.clone(), seeded));
        }
        // When the kill falls is what varies; nothing waits for this time to be enough.
        tokio::time::sleep(Duration::from_millis(random.random_range(50..400))).await;
        broker.kill9();
        within("clients notice that the broker is gone", async { while tasks.join_next().await.is_some() {} }).await;
        broker.restart();
    }
    let acked = with(&ledger, |ledger| ledger.acked);
    let client = broker.client().await;
    let mut subscriber = client.subscribe_stream(queue("q")).await.expect("a stream opens");
    while !with(&ledger, |ledger| ledger.is_done()) {
        let batch =
            within("a delivery", subscriber.next_batch()).await.expect("the stream is whole").expect("it is open");
        receive(&ledger, &batch);
        let ids = batch.into_iter().map(|delivery| delivery.ack_id).collect();
        client.ack(ids).await.expect("acks are answered");
    }
    let faults = with(&ledger, |ledger| std::mem::take(&mut ledger.faults));
    assert!(faults.is_empty(), "{} faults: {faults:#?}", faults.len());
    assert!(acked > 500, "only {acked} were acked between the kills");
}
