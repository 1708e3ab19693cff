//! Bindings that come and go under load: exactly what is published between the two commits goes to the queue.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ferrymq_client::v1::binding::Target;
use ferrymq_client::v1::{Binding, Message, Queue};
use ferrymq_client::{Client, Destination};
use ferrymq_tests::{Broker, acked, binding, create_queue, create_topic, message, pull, within};

const PUBLISHERS: u64 = 3;
const BATCHES: u64 = 250;
const BATCH: u64 = 8;
const TOTAL: u64 = PUBLISHERS * BATCHES * BATCH;

/// How far the log is known to reach, in messages: confirmed at least, and begun at most.
#[derive(Default)]
struct Log {
    confirmed: AtomicU64,
    begun: AtomicU64,
}

/// When a binding was made or ended: somewhere from `earliest` to `latest`.
struct Cut {
    earliest: u64,
    latest: u64,
}

impl Log {
    /// Waits until some are confirmed that have not been begun.
    async fn some_more(&self) {
        let enough = (self.begun.load(Ordering::SeqCst) + 5).min(TOTAL);
        within("more messages", async {
            while self.confirmed.load(Ordering::SeqCst) < enough {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    async fn cut<T>(&self, change: impl Future<Output = T>) -> (Cut, T) {
        let earliest = self.confirmed.load(Ordering::SeqCst);
        let made = change.await;
        (Cut { earliest, latest: self.begun.load(Ordering::SeqCst) }, made)
    }
}

/// Where each message stands, and to how many queues its confirm says that it goes.
type Confirmed = Vec<(u64, i32)>;

/// Keeps two batches on their way, so that changes of bindings fall among them.
async fn publisher(client: Client, log: Arc<Log>) -> Confirmed {
    let mut all = Vec::new();
    for _ in 0..BATCHES / 2 {
        log.begun.fetch_add(2 * BATCH, Ordering::SeqCst);
        let batch = || -> Vec<Message> { (0..BATCH).map(|n| message(["a", "b"][n as usize % 2], "x")).collect() };
        let publish = || client.publish(Destination::Topic("t".into()), batch());
        let (one, two) = tokio::join!(publish(), publish());
        log.confirmed.fetch_add(2 * BATCH, Ordering::SeqCst);
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
async fn take_all(client: &Client, queue: &str) -> Vec<u64> {
    let mut all = Vec::new();
    loop {
        let some = pull(client, queue).await;
        if some.is_empty() {
            assert!(all.is_sorted_by(|a, b| a < b), "each once, in order");
            return all;
        }
        all.extend(some.iter().map(|delivery| delivery.position.unwrap().offset as u64));
        acked(client, &some).await;
    }
}

/// Between a binding and its end all that it matches came, and between its end and the next one nothing.
fn is_exact(cuts: &[Cut], came: &BTreeSet<u64>, matches: impl Fn(u64) -> bool) {
    let mut checked = [0, 0];
    for (index, pair) in cuts.windows(2).enumerate() {
        let expected = index % 2 == 0;
        for offset in (pair[0].latest..pair[1].earliest).filter(|offset| matches(*offset)) {
            assert_eq!(came.contains(&offset), expected, "{offset} of interval {index}");
            checked[index % 2] += 1;
        }
    }
    assert!(checked.iter().all(|count| *count > 20), "{checked:?} messages stood between two changes");
    // Where a call was under way the queue began or ended once: it is at most one turn for each.
    let all: Vec<bool> = (0..TOTAL).filter(|offset| matches(*offset)).map(|offset| came.contains(&offset)).collect();
    let turns = all.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(turns <= cuts.len(), "{turns} turns by {} changes", cuts.len());
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
    let log = Arc::new(Log::default());
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
    while log.confirmed.load(Ordering::SeqCst) < TOTAL {
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
        let got: BTreeSet<u64> = take_all(&client, queue).await.into_iter().collect();
        let matches = |offset: u64| queue == "every" || offset % 2 == 1;
        assert!(got.iter().all(|offset| matches(*offset)), "only what the rule matches");
        is_exact(cuts, &got, matches);
        came += got.len();
    }
    assert!(came > 0 && (came as u64) < 2 * TOTAL, "{came} came");
}
