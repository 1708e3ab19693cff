//! Kills the broker under load, again and again, and holds what it confirmed against what comes out.
//!
//! Each cycle publishes, consumes, acks and calls the admin service at once until the kill. What is not known to have been
//! done (no answer before the kill) may or may not have happened; what was answered has to hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ferrymq_client::v1::{Queue, SettleStatus, Topic};
use ferrymq_client::{Client, Destination, queue};
use ferrymq_tests::{Broker, collect, create_queue, create_topic, message, pull};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

const SEED: u64 = 7;
const CYCLES: u32 = 50;
const PUBLISHERS: u32 = 2;

/// What the clients know, by payload.
#[derive(Debug, Default)]
struct Ledger {
    sent: BTreeSet<String>,
    confirmed: BTreeSet<String>,
    received: BTreeMap<String, u32>,
    acked: BTreeSet<String>,
    faults: Vec<String>,
}

type Shared = Arc<Mutex<Ledger>>;

impl Ledger {
    fn receive(&mut self, payload: &str, attempt: i32) {
        if self.acked.contains(payload) {
            self.faults.push(format!("{payload} came back after its ack"));
        }
        if !self.sent.contains(payload) {
            self.faults.push(format!("{payload} was never published"));
        }
        let before = self.received.entry(payload.to_owned()).or_default();
        if *before > 0 && attempt == 1 {
            self.faults.push(format!("{payload} came twice as attempt 1"));
        }
        *before += 1;
    }

    fn lost(&self) -> Vec<&String> {
        self.confirmed.iter().filter(|payload| !self.received.contains_key(*payload)).collect()
    }
}

fn with<T>(ledger: &Shared, change: impl FnOnce(&mut Ledger) -> T) -> T {
    change(&mut ledger.lock().expect("no thread of the test has panicked"))
}

async fn publisher(client: Client, ledger: Shared, name: String) {
    for number in 0.. {
        let payloads: Vec<String> = (0..5).map(|part| format!("{name}-{number}-{part}")).collect();
        with(&ledger, |ledger| ledger.sent.extend(payloads.iter().cloned()));
        let batch = payloads.iter().map(|payload| message("k", payload.clone())).collect();
        if client.publish(Destination::Topic("t".into()), batch).await.is_err() {
            return;
        }
        with(&ledger, |ledger| ledger.confirmed.extend(payloads));
    }
}

async fn consumer(client: Client, ledger: Shared) {
    let Ok(mut subscriber) = client.subscribe_stream(queue("q")).await else { return };
    while let Ok(Some(batch)) = subscriber.next_batch().await {
        let mut payloads = Vec::new();
        for delivery in &batch {
            let payload = delivery.message.as_ref().map(|message| message.payload.clone()).unwrap_or_default();
            let payload = String::from_utf8_lossy(&payload).into_owned();
            with(&ledger, |ledger| ledger.receive(&payload, delivery.attempt));
            payloads.push(payload);
        }
        // One of each batch stays unsettled, so that each kill leaves something to redeliver.
        let ids = batch.iter().skip(1).map(|delivery| delivery.ack_id.clone()).collect();
        let Ok(statuses) = client.ack(ids).await else { return };
        let settled = payloads.into_iter().skip(1).zip(statuses).filter(|(_, status)| *status == SettleStatus::Ok);
        with(&ledger, |ledger| ledger.acked.extend(settled.map(|(payload, _)| payload)));
    }
}

async fn administrator(client: Client) {
    for number in 0.. {
        let name = format!("extra{}", number % 3);
        let made = client.create_topic(Topic { name: name.clone(), ..Topic::default() }).await;
        if made.is_err() || client.delete_topic(name, true).await.is_err() {
            return;
        }
    }
}

async fn cycle(broker: &mut Broker, ledger: &Shared, cycle: u32, random: &mut StdRng) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..PUBLISHERS {
        tasks.spawn(publisher(broker.client().await, ledger.clone(), format!("{cycle}-{number}")));
    }
    for _ in 0..2 {
        tasks.spawn(consumer(broker.client().await, ledger.clone()));
    }
    tasks.spawn(administrator(broker.client().await));
    // When the kill falls is what varies; nothing waits for this time to be enough.
    tokio::time::sleep(Duration::from_millis(random.random_range(5..120))).await;
    broker.kill9();
    let ended = async { while tasks.join_next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("clients notice that the broker is gone");
    broker.restart();
}

/// Takes all that is left. Each pull either brings something or proves the queue empty.
async fn drain(broker: &Broker, ledger: &Shared) {
    let client = broker.client().await;
    // A sentinel goes in last, and the queue is in order of commits, except for what is redelivered.
    with(ledger, |ledger| ledger.sent.insert("sentinel".into()));
    client.publish(Destination::Topic("t".into()), vec![message("k", "sentinel")]).await.expect("a confirm");
    while !with(ledger, |ledger| ledger.received.contains_key("sentinel") && ledger.lost().is_empty()) {
        let some = collect(&client, "q", 1).await;
        for (payload, delivery) in ferrymq_tests::payloads(&some).into_iter().zip(&some) {
            with(ledger, |ledger| ledger.receive(&payload, delivery.attempt));
        }
    }
    let rest = pull(&client, "q").await;
    for (payload, delivery) in ferrymq_tests::payloads(&rest).into_iter().zip(&rest) {
        with(ledger, |ledger| ledger.receive(&payload, delivery.attempt));
    }
}

fn cycles() -> u32 {
    let given = std::env::var("TORTURE_CYCLES").ok();
    given.map_or(CYCLES, |text| text.parse().expect("TORTURE_CYCLES is a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_comes_back_over_kills() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    create_queue(&client, Queue { name: "q".into(), ..Queue::default() }, &[("t", "#")]).await;
    let ledger = Shared::default();
    let mut random = StdRng::seed_from_u64(SEED);
    for number in 0..cycles() {
        cycle(&mut broker, &ledger, number, &mut random).await;
    }
    drain(&broker, &ledger).await;
    with(&ledger, |ledger| {
        println!("{} confirmed, {} acked, {} cycles", ledger.confirmed.len(), ledger.acked.len(), cycles());
        assert!(ledger.faults.is_empty(), "{} faults: {:#?}", ledger.faults.len(), ledger.faults);
        assert!(ledger.confirmed.len() > 100, "the cycles hardly published anything");
    });
}

/// The checker itself: each kind of fault is seen, and what is allowed is not taken for one.
#[test]
fn the_ledger_sees_each_kind_of_fault() {
    let mut ledger = Ledger::default();
    ledger.sent.extend(["a", "b", "c"].map(String::from));
    ledger.confirmed.extend(["a", "b"].map(String::from));
    assert_eq!(ledger.lost(), ["a", "b"]);
    ledger.receive("a", 1);
    ledger.receive("a", 2);
    ledger.receive("c", 1);
    assert_eq!((ledger.lost(), ledger.faults.len()), (vec![&"b".to_owned()], 0));
    ledger.receive("c", 1);
    ledger.receive("never", 1);
    ledger.acked.insert("a".into());
    ledger.receive("a", 3);
    let faults = ["c came twice as attempt 1", "never was never published", "a came back after its ack"];
    assert_eq!(ledger.faults, faults);
}
