//! Kills the broker under load while every feature of queues is in use, and holds each to its promise.
//!
//! One topic feeds queues that each promise something else. What was not answered before a kill may or may not have happened;
//! what was answered has to hold.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod ledger;
mod roles;

use std::time::Duration;

use ferrymq_client::Client;
use ferrymq_client::v1::{
    Binding, DeadLetterPolicy, ErrorReason, Limits, LogPoint, Ordering, Overflow, Queue, RateLimit, SeekRequest,
    Snapshot, log_point::At,
};
use ferrymq_tests::{Broker, binding, create_topic, pull, within};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use self::ledger::{
    BACK, BRIEF, BURST, DROPS, EVEN, KEYED, MOST, ONCE, QUEUES, REJECTS, ROOM, SLOW, STILL, Seen, Shared, TTL,
};

const CYCLES: u64 = 12;
const SNAPSHOT_AT: u64 = 3;
const SEEK_AT: u64 = 8;

fn settings(name: &str) -> Queue {
    let limits = |overflow: Overflow| Some(Limits { max_messages: ROOM, max_bytes: 0, overflow: overflow.into() });
    let queue = Queue { name: name.to_owned(), ..Queue::default() };
    match name {
        ONCE => Queue { exactly_once: true, ..queue },
        REJECTS => Queue { limits: limits(Overflow::Reject), ..queue },
        DROPS => Queue { limits: limits(Overflow::DropOldest), ..queue },
        KEYED => Queue { ordering: Ordering::Key.into(), ..queue },
        BRIEF => {
            let message_ttl = Some(prost_types::Duration { seconds: 0, nanos: TTL.as_nanos() as i32 });
            let dead_letter = Some(DeadLetterPolicy { expired: true, ..DeadLetterPolicy::default() });
            Queue { message_ttl, dead_letter, ..queue }
        }
        SLOW => Queue { rate_limit: Some(RateLimit { messages_per_second: 0.001, burst: BURST as i32 }), ..queue },
        _ => queue,
    }
}

async fn prepare(client: &Client) {
    create_topic(client, "t").await;
    for name in QUEUES {
        let filter = if name == EVEN { "json.n % 2 == 0".to_owned() } else { String::new() };
        let bound = if name == REJECTS { vec![] } else { vec![Binding { filter, ..binding("t", name, "#") }] };
        client.create_queue(settings(name), bound).await.unwrap();
    }
    client.pause(STILL).await.unwrap();
}

async fn cycle(broker: &mut Broker, ledger: &Shared, random: &mut StdRng) {
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(roles::publisher(broker.client().await, ledger.clone()));
    tasks.spawn(roles::pusher(broker.client().await, ledger.clone(), StdRng::seed_from_u64(random.random())));
    // What matters most has two that compete.
    for name in QUEUES.into_iter().chain([ONCE, KEYED, REJECTS]) {
        let seeded = StdRng::seed_from_u64(random.random());
        tasks.spawn(roles::consumer(broker.client().await, ledger.clone(), name, seeded));
    }
    // When the kill falls is what varies; nothing waits for this time to be enough.
    tokio::time::sleep(Duration::from_millis(random.random_range(30..250))).await;
    kill(broker);
    within("clients notice that the broker is gone", async { while tasks.join_next().await.is_some() {} }).await;
    ledger.with(ledger::Ledger::begin_life);
    restart(broker);
}

fn kill(broker: &mut Broker) {
    tokio::task::block_in_place(|| broker.kill9());
}

fn restart(broker: &mut Broker) {
    tokio::task::block_in_place(|| broker.restart());
}

async fn waiting(client: &Client, name: &str) -> i64 {
    let stats = client.get_queue(name).await.unwrap().stats.unwrap();
    stats.ready + stats.unsettled + stats.backing_off
}

/// Fills the queue that rejects to its brim: as many are there as it has room for, no more and no fewer.
async fn the_depth_is_exact(client: &Client, ledger: &Shared) {
    let full = loop {
        if let Err(error) = within("room or a refusal", roles::push(client, ledger, 1, false)).await {
            break error;
        }
    };
    assert_eq!(full.reason(), ErrorReason::QueueFull, "{full:?}");
    assert_eq!(waiting(client, REJECTS).await, ROOM, "a full queue holds what it has room for");
}

async fn snapshot(client: &Client, ledger: &Shared) -> Seen {
    let snapshot = Snapshot { name: "s".into(), queue: BACK.into(), ..Snapshot::default() };
    client.create_snapshot(snapshot).await.unwrap();
    ledger.with(|ledger| ledger.queue(BACK).clone())
}

/// Back to the snapshot; killed as soon as that is answered.
async fn seek(broker: &mut Broker, client: &Client, ledger: &Shared, then: Seen) {
    let to = Some(LogPoint { at: Some(At::Snapshot("s".into())) });
    client.seek(SeekRequest { queue: BACK.into(), to, ..SeekRequest::default() }).await.unwrap();
    kill(broker);
    ledger.with(|ledger| ledger.queue(BACK).go_back(then));
    restart(broker);
}

/// Takes all that is left of a queue.
async fn drain(client: &Client, ledger: &Shared, name: &'static str) {
    while waiting(client, name).await > 0 {
        let some = pull(client, name).await;
        for (number, delivery) in roles::numbers(&some).into_iter().zip(&some) {
            ledger.with(|ledger| ledger.receive(name, number, delivery.attempt));
        }
        roles::ack(client, ledger, name, &some).await.unwrap();
    }
}

async fn drain_letters(client: &Client, ledger: &Shared, name: &'static str) {
    let letters = format!("{name}.dlq");
    while waiting(client, &letters).await > 0 {
        let some = pull(client, &letters).await;
        for (number, letter) in roles::numbers(&some).into_iter().zip(&some) {
            let why = letter.dead_letter.as_ref().unwrap();
            ledger.with(|ledger| ledger.died(name, number, why.reason()));
        }
        client.ack(some.into_iter().map(|letter| letter.ack_id).collect()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_feature_keeps_its_promise_over_kills() {
    let mut broker = Broker::start();
    prepare(&broker.client().await).await;
    let ledger = Shared::new();
    let mut random = StdRng::seed_from_u64(5);
    let mut stood = Seen::default();
    for number in 0..CYCLES {
        cycle(&mut broker, &ledger, &mut random).await;
        let client = broker.client().await;
        the_depth_is_exact(&client, &ledger).await;
        if number == SNAPSHOT_AT {
            stood = snapshot(&client, &ledger).await;
        } else if number == SEEK_AT {
            seek(&mut broker, &client, &ledger, std::mem::take(&mut stood)).await;
        }
    }
    let client = broker.client().await;
    ledger.with(|ledger| ledger.is_paused = false);
    client.resume(STILL).await.unwrap();
    for name in QUEUES.into_iter().filter(|name| *name != SLOW) {
        within(name, drain(&client, &ledger, name)).await;
    }
    for name in [DROPS, BRIEF] {
        within("dead letters", drain_letters(&client, &ledger, name)).await;
    }
    ledger.with(|ledger| {
        let faults = &ledger.faults;
        assert!(faults.is_empty(), "{} faults: {:#?}", faults.len(), &faults[..faults.len().min(20)]);
        // What is taken at most once may be lost on its way, and what has a rate is still there.
        for name in QUEUES.into_iter().filter(|name| ![MOST, SLOW].contains(name)) {
            assert_eq!(ledger.lost(name), [0; 0], "lost in {name}");
        }
        let dead = [DROPS, BRIEF].map(|name| ledger.queues[name].dead.len());
        println!("{} to the topic, {} to the full queue, dead {dead:?}", ledger.topic.len(), ledger.direct.len());
        assert!(ledger.topic.len() > 100 && ledger.direct.len() > 100 && dead[0] > 0, "hardly anything happened");
    });
}
