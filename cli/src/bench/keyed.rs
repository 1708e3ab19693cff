//! What order by key costs: the same load with and without it, and a key that is stuck.

use std::time::Duration;

use ferrymq_client::Destination;
use ferrymq_client::v1::{Delivery, Ordering, Queue};

use super::Bench;
use super::filling::{self, Messages};
use super::load::{self, Outcome};
use super::report::{Report, Row};
use crate::failure::Failure;

/// Ordering keys of the messages that go through, in turn.
const KEYS: u64 = 10_000;
/// Messages that wait when a backlog is drained, and what its consumer may hold.
const BACKLOG: u64 = 200_000;
const PREFETCH: i32 = 10_000;
/// The key of every other message where one is stuck.
const STUCK: &str = "stuck";

impl Bench {
    /// Publish, deliver and ack at once, from a queue that keeps [`KEYS`] keys in order.
    pub(super) async fn through_keyed(&self, payload_bytes: usize, report: &mut Report) -> Result<(), Failure> {
        let mut target = self.made_with("keyed", payload_bytes, 1, Ordering::Key).await?;
        target.keys = KEYS;
        self.measure("through, keyed", &target, report, load::end_to_end(&target, None)).await?;
        self.unmade(&target).await
    }

    /// Takes and acks a backlog: one without keys, and the half of one whose other half waits for its first message. Again and
    /// again with new backlogs, in turn, until the time of each is over; only the draining is counted.
    pub(super) async fn drains(&self, payload_bytes: usize, report: &mut Report) -> Result<(), Failure> {
        let plain = Messages::plain(BACKLOG, payload_bytes);
        let stuck = Messages { key: |n| if n % 2 == 0 { STUCK.to_owned() } else { format!("k{}", n % KEYS) }, ..plain };
        let scenarios =
            [("drain", Ordering::None, plain, BACKLOG), ("drain, one stuck key", Ordering::Key, stuck, BACKLOG / 2)];
        let mut wanted: Vec<_> = scenarios
            .into_iter()
            .filter(|(name, ..)| name.contains(&self.only))
            .map(|scenario| (scenario, Outcome::new()))
            .collect();
        while wanted.iter().any(|(_, total)| Duration::from_secs_f64(total.seconds) < self.slice) {
            for ((_, ordering, messages, free), total) in &mut wanted {
                let round = self.drain_once(*ordering, *messages, *free).await?;
                let seconds = total.seconds + round.seconds;
                total.merge(round);
                total.seconds = seconds;
            }
        }
        for ((name, ..), total) in wanted {
            let mut row = Row::new(self.name, name, payload_bytes, total);
            row.peak_memory_bytes = self.server.peak_memory_bytes();
            report.add(row);
        }
        Ok(())
    }

    async fn drain_once(&self, ordering: Ordering, messages: Messages, free: u64) -> Result<Outcome, Failure> {
        let name = format!("bench-drain-{}", self.run);
        let queue = Queue { name: name.clone(), ordering: ordering.into(), ..Queue::default() };
        self.client.create_queue(queue, Vec::new()).await?;
        filling::fill(&self.client, Destination::Queue(name.clone()), messages).await?;
        let mut subscriber = filling::open(&self.client, &name, PREFETCH, 0).await?;
        let outcome = filling::drain(&self.client, &mut subscriber, free, is_free).await?;
        drop(subscriber);
        self.client.delete_queue(name, true).await?;
        Ok(outcome)
    }
}

fn is_free(delivery: &Delivery) -> bool {
    delivery.message.as_ref().is_some_and(|message| message.ordering_key != STUCK)
}
