//! Changes under load: as a log is published to, it is known of each change between which two messages it took effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ferrymq_client::Client;

use crate::words::{message, publish, within};

/// How far a log is known to reach, in messages: confirmed at least, and begun at most.
pub struct Log {
    total: u64,
    confirmed: AtomicU64,
    begun: AtomicU64,
}

/// When a change took effect: somewhere from `earliest` to `latest`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cut {
    /// So many messages were confirmed before the change was asked for.
    pub earliest: u64,
    /// So many were begun before it was answered.
    pub latest: u64,
}

impl Log {
    /// One to which `total` messages will be published.
    pub fn of(total: u64) -> Arc<Self> {
        Arc::new(Self { total, confirmed: AtomicU64::new(0), begun: AtomicU64::new(0) })
    }

    /// So many more are about to be published.
    pub fn begin(&self, count: u64) {
        self.begun.fetch_add(count, Ordering::SeqCst);
    }

    /// So many more are confirmed.
    pub fn confirm(&self, count: u64) {
        self.confirmed.fetch_add(count, Ordering::SeqCst);
    }

    /// How many are confirmed.
    pub fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::SeqCst)
    }

    /// Waits until some are confirmed that have not been begun.
    pub async fn some_more(&self) {
        let enough = (self.begun.load(Ordering::SeqCst) + 5).min(self.total);
        within("more messages", async {
            while self.confirmed() < enough {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Makes a change, and says when that was.
    pub async fn cut<T>(&self, change: impl Future<Output = T>) -> (Cut, T) {
        let earliest = self.confirmed();
        let made = change.await;
        (Cut { earliest, latest: self.begun.load(Ordering::SeqCst) }, made)
    }

    /// Publishes the numbers below the total to a topic, one after the other, as payload and with the routing key `k`.
    pub async fn publish_numbers(self: Arc<Self>, client: Client, topic: &'static str) {
        for number in 0..self.total {
            self.begin(1);
            publish(&client, topic, vec![message("k", number.to_string())]).await;
            self.confirm(1);
        }
    }

    /// Checks cuts that begin something and end it, in turn: of the messages that count, all between a begin and its end came,
    /// and none between an end and the next begin.
    pub fn check(&self, cuts: &[Cut], came: impl Fn(u64) -> bool, counts: impl Fn(u64) -> bool) {
        let mut checked = [0, 0];
        for (index, pair) in cuts.windows(2).enumerate() {
            let expected = index % 2 == 0;
            for number in (pair[0].latest..pair[1].earliest).filter(|number| counts(*number)) {
                assert_eq!(came(number), expected, "{number} of interval {index}");
                checked[index % 2] += 1;
            }
        }
        assert!(checked.iter().all(|count| *count > 20), "{checked:?} messages stood between two changes");
        // Where a call was under way it took effect once: that is at most one turn for each.
        let all: Vec<bool> = (0..self.total).filter(|number| counts(*number)).map(came).collect();
        let turns = all.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(turns <= cuts.len(), "{turns} turns by {} changes", cuts.len());
    }
}
