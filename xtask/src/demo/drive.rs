//! The course of the demo: fan-out, publishing, kill -9 and restart in the middle, the death of consumers, the drain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrymq_client::v1::{
    Delivery, Ordering, PullRequest, Queue, QueueStats, SubscribeRequest, Topic, binding, pull_request,
};
use ferrymq_client::{Client, Error, group, queue, v1};
use ferrymq_tests::Broker;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::consume::Consumer;
use super::flights::{Flight, ROUTES, Route};
use super::ledger::SharedLedger;
use super::life::Life;
use super::progress::Progress;
use super::publish::{Publishing, TOPIC};

/// How often the broker is asked whether its queues are empty.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// What happened, apart from what the ledger has.
pub struct Course {
    /// Records published again, as the crash left them without a confirm.
    pub again: BTreeSet<usize>,
    /// Records that were confirmed when the broker was killed, at least.
    pub confirmed_at_kill: usize,
    /// From the start of the second life until it was ready.
    pub restart: Duration,
    /// What came out of each queue's dead-letter queue.
    pub letters: BTreeMap<&'static str, Vec<Delivery>>,
}

/// When things happen, in confirmed records.
struct Plan {
    kill_at: usize,
    first_life_upto: usize,
    die_at: usize,
}

impl Plan {
    fn new(records: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut share = |percent| records * random.random_range(percent) / 100;
        Self { kill_at: share(30..55), first_life_upto: records * 3 / 4, die_at: share(65..80) }
    }
}

/// Runs the demo to its end.
pub async fn drive(flights: Arc<Vec<Flight>>, seed: u64, ledger: SharedLedger) -> Result<Course, Error> {
    let plan = Plan::new(flights.len(), seed);
    let mut broker = tokio::task::block_in_place(Broker::start);
    fan_out(&broker.client().await).await?;
    let _progress = Progress::start(&flights, ledger.clone());
    let (lives, life) = watch::channel(Life { url: broker.url(), publish_upto: plan.first_life_upto });
    let (confirmed, mut confirmations) = watch::channel(0);
    let (dies, die) = watch::channel(false);

    let mut consumers = JoinSet::new();
    for (route, is_judge) in ROUTES.iter().flat_map(|route| [(route, true), (route, false)]) {
        let (flights, lives, die, ledger) = (flights.clone(), life.clone(), die.clone(), ledger.clone());
        consumers.spawn(Consumer { route, is_judge, flights, lives, die, ledger }.run());
    }
    let publishing = Publishing { flights: flights.clone(), lives: life, confirmed, ledger: ledger.clone() };
    let publisher = tokio::spawn(publishing.run());

    let mut until = async |records: usize| confirmations.wait_for(|confirmed| *confirmed >= records).await.map(|n| *n);
    let confirmed_at_kill = until(plan.kill_at).await.unwrap_or_default();
    let restart = tokio::task::block_in_place(|| kill_and_restart(&mut broker));
    // A receiver that is gone has seen its end.
    let _ = lives.send(Life { url: broker.url(), publish_upto: usize::MAX });
    let _ = until(plan.die_at).await;
    let _ = dies.send(true);

    let again = publisher.await.unwrap_or_default();
    let client = broker.client().await;
    drained(&client, &flights, &ledger).await?;
    consumers.shutdown().await;
    let mut letters = BTreeMap::new();
    for route in ROUTES.iter().filter(|route| route.rejects_late) {
        letters.insert(route.queue, dead_letters(&client, &format!("{}.dlq", route.queue)).await?);
    }
    Ok(Course { again, confirmed_at_kill, restart, letters })
}

fn kill_and_restart(broker: &mut Broker) -> Duration {
    broker.kill9();
    let start = Instant::now();
    broker.restart();
    start.elapsed()
}

async fn fan_out(client: &Client) -> Result<(), Error> {
    client.create_topic(Topic { name: TOPIC.to_owned(), ..Topic::default() }).await?;
    for route in &ROUTES {
        if !route.group.is_empty() {
            // Made by its first member, who has to be there before the first flight.
            client.subscribe_stream(request(route)).await?;
            continue;
        }
        let bound = v1::Binding {
            topic: TOPIC.to_owned(),
            target: Some(binding::Target::Queue(route.queue.to_owned())),
            pattern: route.pattern.to_owned(),
            filter: route.filter.to_owned(),
            ..v1::Binding::default()
        };
        let ordering = if route.keeps_order { Ordering::Key } else { Ordering::None };
        let queue = Queue { name: route.queue.to_owned(), ordering: ordering.into(), ..Queue::default() };
        client.create_queue(queue, vec![bound]).await?;
    }
    Ok(())
}

/// How a queue's consumers ask for it.
pub fn request(route: &Route) -> SubscribeRequest {
    if route.group.is_empty() {
        return queue(route.queue);
    }
    SubscribeRequest { pattern: route.pattern.to_owned(), ..group(TOPIC, route.group) }
}

/// Waits until all that the file says has come, and the broker says that nothing is left.
async fn drained(client: &Client, flights: &[Flight], ledger: &SharedLedger) -> Result<(), Error> {
    let expected: BTreeMap<_, _> = ROUTES.iter().map(|route| (route.queue, route.expected(flights))).collect();
    let all_came = || {
        let ledger = ledger.lock();
        let came = |queue, expected| ledger.queues.get(queue).is_some_and(|queue| queue.records.is_superset(expected));
        expected.iter().all(|(queue, expected)| expected.is_empty() || came(queue, expected))
    };
    let mut ask = tokio::time::interval(ASK_EVERY);
    loop {
        ask.tick().await;
        let mut left = 0;
        for route in &ROUTES {
            left += waiting(client, route.queue).await?;
        }
        if left == 0 && all_came() {
            return Ok(());
        }
    }
}

async fn waiting(client: &Client, queue: &str) -> Result<i64, Error> {
    let stats: QueueStats = client.get_queue(queue).await?.stats.unwrap_or_default();
    Ok(stats.ready + stats.unsettled + stats.backing_off)
}

/// Takes all that is in a dead-letter queue; it is not there if nothing was ever given up.
async fn dead_letters(client: &Client, queue: &str) -> Result<Vec<Delivery>, Error> {
    let mut letters = Vec::new();
    if client.list_queues(queue).await?.is_empty() {
        return Ok(letters);
    }
    let mut ask = tokio::time::interval(ASK_EVERY);
    while waiting(client, queue).await? > 0 {
        ask.tick().await;
        let source = Some(pull_request::Source::Queue(queue.to_owned()));
        let taken = client.pull(PullRequest { source, max_messages: 1000, ..PullRequest::default() }).await?.deliveries;
        client.ack(taken.iter().map(|delivery| delivery.ack_id.clone()).collect()).await?;
        letters.extend(taken);
    }
    Ok(letters)
}
