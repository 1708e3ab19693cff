//! Queues with limits behind filters: how full they are is exact, whatever becomes of their bindings and of the broker.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::VecDeque;

use ferrymq_client::v1::{
    Binding, ErrorReason, Limits, Message, NackMode, Overflow, PullRequest, PurgeRequest, Queue, pull_request,
    purge_request,
};
use ferrymq_client::{Client, Destination};
use ferrymq_tests::{Broker, acked, binding, collect, create_queue, create_topic, payloads, within};
use prost::Message as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

const MESSAGES_MAX: usize = 30;
const BYTES_MAX: usize = 800;
const STEPS: usize = 160;

/// A pattern, a filter, and what they mean.
type Rule = (&'static str, &'static str, fn(&str, u32) -> bool);

const RULES: [Rule; 4] = [
    ("#", "json.n % 2 == 0", |_, n| n.is_multiple_of(2)),
    ("a", "json.n % 3 == 0", |key, n| key == "a" && n.is_multiple_of(3)),
    ("#", "json.n % 5 < 2", |_, n| n % 5 < 2),
    ("b", "", |key, _| key == "b"),
];

fn limited(overflow: Overflow) -> Queue {
    let (max_messages, max_bytes) = (MESSAGES_MAX as i64, BYTES_MAX as i64);
    let limits = Some(Limits { max_messages, max_bytes, overflow: overflow.into() });
    Queue { name: "q".into(), limits, ..Queue::default() }
}

fn bound_by((pattern, filter, _): Rule) -> Binding {
    Binding { filter: filter.into(), ..binding("t", "q", pattern) }
}

/// What should be in the queue, by a few lines that know nothing of logs and cursors.
struct World {
    broker: Broker,
    client: Client,
    random: StdRng,
    next: u32,
    /// The names of those that hold, by rule.
    bound: [Option<String>; RULES.len()],
    /// Payloads and sizes.
    waiting: VecDeque<(String, usize)>,
    refused: usize,
}

impl World {
    async fn new(seed: u64) -> Self {
        let broker = Broker::start();
        let client = broker.client().await;
        create_topic(&client, "t").await;
        create_queue(&client, limited(Overflow::Reject), &[]).await;
        let random = StdRng::seed_from_u64(seed);
        let bound = std::array::from_fn(|_| None);
        Self { broker, client, random, next: 0, bound, waiting: VecDeque::new(), refused: 0 }
    }

    async fn step(&mut self) {
        match self.random.random_range(0..30) {
            0..14 => self.publish().await,
            14..20 => self.rebind().await,
            20..27 => self.take().await,
            27 => self.purge().await,
            28 => self.restart().await,
            _ => {}
        }
    }

    fn message(&mut self) -> Message {
        let n = self.next;
        self.next += 1;
        let routing_key = if self.random.random() { "a" } else { "b" };
        let payload = format!(r#"{{"n":{n}}}"#);
        Message {
            routing_key: routing_key.into(),
            content_type: "application/json".into(),
            payload: payload.into(),
            ..Message::default()
        }
    }

    async fn publish(&mut self) {
        let first = self.next;
        let batch: Vec<Message> = (0..self.random.random_range(1..7)).map(|_| self.message()).collect();
        let live: Vec<Rule> =
            RULES.into_iter().zip(&self.bound).filter(|(_, name)| name.is_some()).map(|(rule, _)| rule).collect();
        let matches = |(n, message): &(u32, &Message)| live.iter().any(|rule| rule.2(&message.routing_key, *n));
        let numbered = (first..).zip(&batch);
        let fresh: Vec<(String, usize)> = numbered
            .filter(matches)
            .map(|(_, message)| (String::from_utf8_lossy(&message.payload).into_owned(), message.encoded_len()))
            .collect();
        let bytes = |of: &[(String, usize)]| of.iter().map(|(_, bytes)| bytes).sum::<usize>();
        let fits = self.waiting.len() + fresh.len() <= MESSAGES_MAX
            && bytes(self.waiting.make_contiguous()) + bytes(&fresh) <= BYTES_MAX;
        let published = within("a confirm", self.client.publish(Destination::Topic("t".into()), batch)).await;
        match published {
            Ok(_) => {
                assert!(fits || fresh.is_empty(), "it did not fit, and was taken");
                self.waiting.extend(fresh);
            }
            Err(error) => {
                assert_eq!(error.reason(), ErrorReason::QueueFull, "{error:?}");
                assert!(!fits && !fresh.is_empty(), "it fits, and was refused");
                self.refused += 1;
            }
        }
    }

    async fn rebind(&mut self) {
        let place = self.random.random_range(0..RULES.len());
        match self.bound[place].take() {
            Some(name) => drop(self.client.delete_binding(&name).await.unwrap()),
            None => {
                let made = self.client.create_binding(bound_by(RULES[place])).await.unwrap();
                self.bound[place] = Some(made.binding.unwrap().name);
            }
        }
    }

    /// Takes some, acks most of them, and gives the others back.
    async fn take(&mut self) {
        let source = Some(pull_request::Source::Queue("q".into()));
        let max_messages = self.random.random_range(1..12);
        let wait = Some(prost_types::Duration { seconds: i64::from(!self.waiting.is_empty()) * 10, nanos: 0 });
        let request = PullRequest { source, max_messages, wait, ..PullRequest::default() };
        let taken = within("a pull", self.client.pull(request)).await.unwrap().deliveries;
        assert_eq!(taken.is_empty(), self.waiting.is_empty());
        let expected: Vec<String> = self.waiting.iter().take(taken.len()).map(|(payload, _)| payload.clone()).collect();
        assert_eq!(payloads(&taken), expected);
        let done = taken.len() - taken.len() / 4;
        if !taken.is_empty() {
            acked(&self.client, &taken[..done]).await;
        }
        let back: Vec<_> = taken[done..].iter().map(|delivery| delivery.ack_id.clone()).collect();
        if !back.is_empty() {
            self.client.nack(back, NackMode::Release, None, "").await.unwrap();
        }
        self.waiting.drain(..done);
    }

    async fn purge(&mut self) {
        let purge = PurgeRequest { target: Some(purge_request::Target::Queue("q".into())) };
        self.client.purge(purge).await.unwrap();
        self.waiting.clear();
    }

    async fn restart(&mut self) {
        self.broker.kill9();
        self.broker.restart();
        self.client = self.broker.client().await;
    }

    async fn is_exact(&self) {
        let expected = self.waiting.len() as i64;
        within("the count", async {
            loop {
                let stats = self.client.get_queue("q").await.unwrap().stats.unwrap();
                if stats.ready + stats.backing_off + stats.unsettled == expected {
                    return;
                }
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_count_is_exact_over_filters_that_come_and_go_and_over_kills() {
    for seed in 0..2 {
        let mut world = World::new(seed).await;
        for _ in 0..STEPS {
            world.step().await;
        }
        world.is_exact().await;
        world.restart().await;
        world.is_exact().await;
        while !world.waiting.is_empty() {
            world.take().await;
        }
        assert!(world.refused > 0, "the limit was never met");
    }
}

/// What is on its way when bindings change is counted by the bindings that hold when it is committed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_while_filters_change_is_counted_as_it_is_delivered() {
    const BATCHES: u32 = 300;
    let broker = Broker::ephemeral();
    let (client, other) = (broker.client().await, broker.client().await);
    create_topic(&client, "t").await;
    let limits = Some(Limits { max_messages: 1_000_000, ..Limits::default() });
    create_queue(&client, Queue { limits, ..limited(Overflow::Reject) }, &[]).await;
    let publisher = client.publish_stream(Destination::Topic("t".into()));
    let publishes = async {
        let mut confirms = Vec::new();
        for number in 0..BATCHES {
            let payload = |n: u32| format!(r#"{{"n":{n}}}"#);
            let message = |n: u32| Message {
                content_type: "application/json".into(),
                payload: payload(n).into(),
                ..Message::default()
            };
            let batch = (0..10).map(|index| message(number * 10 + index)).collect();
            confirms.push(publisher.publish(batch).await.unwrap());
        }
        for confirm in confirms {
            within("a confirm", confirm).await.unwrap();
        }
    };
    let rebinds = async {
        for round in 0..30 {
            let made = other.create_binding(bound_by(RULES[round % 2 * 2])).await.unwrap().binding.unwrap();
            other.delete_binding(&made.name).await.unwrap();
        }
    };
    tokio::join!(publishes, rebinds);
    let counted = client.get_queue("q").await.unwrap().stats.unwrap().ready;
    let mut taken = 0;
    while taken < counted {
        let source = Some(pull_request::Source::Queue("q".into()));
        let request = PullRequest { source, max_messages: 1_000, ..PullRequest::default() };
        let some = within("what was counted", client.pull(request)).await.unwrap().deliveries;
        assert!(!some.is_empty(), "{taken} of {counted} came");
        acked(&client, &some).await;
        taken += some.len() as i64;
    }
    let left = client.get_queue("q").await.unwrap().stats.unwrap();
    assert_eq!((taken - counted, left.ready, left.unsettled), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_of_what_a_filter_matched_make_room_over_kills() {
    const LEFT: usize = 5;
    let mut broker = Broker::start();
    let mut client = broker.client().await;
    create_topic(&client, "t").await;
    let limits = Limits { max_messages: LEFT as i64, max_bytes: 0, overflow: Overflow::DropOldest.into() };
    let queue = Queue { limits: Some(limits), ..limited(Overflow::DropOldest) };
    client.create_queue(queue, vec![bound_by(RULES[0])]).await.unwrap();
    let json = |n: u32| Message {
        content_type: "application/json".into(),
        payload: format!(r#"{{"n":{n}}}"#).into(),
        ..Message::default()
    };
    for from in (0..40).step_by(4) {
        client.publish(Destination::Topic("t".into()), (from..from + 4).map(json).collect()).await.unwrap();
        if from % 16 == 8 {
            broker.kill9();
            broker.restart();
            client = broker.client().await;
        }
    }
    within("the others to go", async {
        while client.get_queue("q").await.unwrap().stats.unwrap().ready != LEFT as i64 {}
    })
    .await;
    let expected: Vec<String> = (0..40).step_by(2).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
    let (gone, left) = expected.split_at(expected.len() - LEFT);
    assert_eq!(payloads(&collect(&client, "q", LEFT).await), left);
    assert_eq!(payloads(&collect(&client, "q.dlq", gone.len()).await), gone);
}
