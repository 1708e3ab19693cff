//! Bindings that come and go under load: exactly what is published between the two commits goes to the queue.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeSet;
use std::sync::Arc;

use ferrymq_client::v1::binding::Target;
use ferrymq_client::v1::{Binding, Message, Queue};
use ferrymq_client::{Client, Destination};
use ferrymq_tests::{Broker, Cut, Log, binding, create_queue, create_topic, message, take_all};

const PUBLISHERS: u64 = 3;
const BATCHES: u64 = 250;
const BATCH: u64 = 8;
const TOTAL: u64 = PUBLISHERS * BATCHES * BATCH;

/// Where each message stands, and to how many queues its confirm says that it goes.
type Confirmed = Vec<(u64, i32)>;

/// Keeps two batches on their way, so that changes of bindings fall among them.
async fn publisher(client: Client, log: Arc<Log>) -> Confirmed {
    let mut all = Vec::new();
    for _ in 0..BATCHES / 2 {
        log.begin(2 * BATCH);
        let batch = || -> Vec<Message> { (0..BATCH).map(|n| message(["a", "b"][n as usize % 2], "x")).collect() };
        let publish = || client.publish(Destination::Topic("t".into()), batch());
        let (one, two) = tokio::join!(publish(), publish());
        log.confirm(2 * BATCH);
        for result in [one.unwrap(), two.unwrap()].into_iter().flat_map(|confirm| confirm.results) {
            all.push((result.position.unwrap().offset as u64, result.queues_matched));
        }
    }
    all
}

fn name_of(rule: &Binding) -> &str {
    match &rule.target {
        Some(Target::Queue(name)) => name,
        other => panic!("no queue: {other:?}"),
    }
}

/// The offsets that a queue got, each once and in order.
async fn offsets(client: &Client, queue: &str) -> Vec<u64> {
    let taken = take_all(client, queue).await;
    let all: Vec<u64> = taken.iter().map(|delivery| delivery.position.unwrap().offset as u64).collect();
    assert!(all.is_sorted_by(|a, b| a < b), "each once, in order");
    all
}

async fn bind_and_unbind(client: &Client, log: &Log, rule: Binding, cuts: &mut Vec<Cut>) {
    let (cut, made) = log.cut(client.create_binding(rule)).await;
    cuts.push(cut);
    log.some_more().await;
    let (cut, gone) = log.cut(client.delete_binding(made.unwrap().binding.unwrap().name)).await;
    assert!(gone.unwrap());
    cuts.push(cut);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_bound_and_unbound_gets_exactly_what_is_published_between() {
    let mut broker = Broker::start();
    let client = broker.client().await;
    create_topic(&client, "t").await;
    for name in ["every", "some", "filtered"] {
        create_queue(&client, Queue { name: name.into(), ..Queue::default() }, &[]).await;
    }
    let log = Log::of(TOTAL);
    let mut publishers = tokio::task::JoinSet::new();
    for _ in 0..PUBLISHERS {
        publishers.spawn(publisher(broker.client().await, log.clone()));
    }
    let rules = [
        binding("t", "every", ""),
        binding("t", "some", "b"),
        Binding { filter: "routing_key == 'b'".into(), ..binding("t", "filtered", "#") },
    ];
    let mut cuts: [Vec<Cut>; 3] = Default::default();
    while log.confirmed() < TOTAL {
        for (rule, cuts) in rules.iter().zip(&mut cuts) {
            bind_and_unbind(&client, &log, rule.clone(), cuts).await;
        }
    }
    let confirmed: Vec<(u64, i32)> = publishers.join_all().await.into_iter().flatten().collect();
    assert_eq!(confirmed.iter().map(|(offset, _)| *offset).collect::<BTreeSet<u64>>(), (0..TOTAL).collect());
    broker.kill9();
    broker.restart();
    let client = broker.client().await;
    let mut came = 0;
    // Each batch lies in the log as it was published: its second, fourth ... message is a `b`.
    for (rule, cuts) in rules.iter().zip(&cuts) {
        let queue = name_of(rule);
        let got: BTreeSet<u64> = offsets(&client, queue).await.into_iter().collect();
        let matches = |offset: u64| queue == "every" || offset % 2 == 1;
        assert!(got.iter().all(|offset| matches(*offset)), "only what the rule matches");
        log.check(cuts, |offset| got.contains(&offset), matches);
        came += got.len();
    }
    assert!(came > 0 && (came as u64) < 2 * TOTAL, "{came} came");
}
