//! The publisher: pipelined, and sending again what a crash left without a confirm.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use ferrymq_client::streams::{BatchConfirm, PublishStreamOptions};
use ferrymq_client::{Client, Destination, Error, v1};
use tokio::sync::watch;

use super::flights::Flight;
use super::ledger::{SharedLedger, routing_key};
use super::life::Life;

/// The topic.
pub const TOPIC: &str = "flights";
const BATCH_MAX: usize = 50;
const UNCONFIRMED_BATCHES_MAX: usize = 16;

/// Publishes every flight of the file.
pub struct Publishing {
    /// What to publish.
    pub flights: Arc<Vec<Flight>>,
    /// Where to, from time to time.
    pub lives: watch::Receiver<Life>,
    /// How many records are confirmed.
    pub confirmed: watch::Sender<usize>,
    /// For what went wrong.
    pub ledger: SharedLedger,
}

/// What is on its way to one life of the broker, and what it left without a confirm.
#[derive(Default)]
struct Session {
    open: VecDeque<(Range<usize>, BatchConfirm)>,
    unconfirmed: Vec<Range<usize>>,
}

impl Publishing {
    /// Publishes until all is confirmed; returns the records that had to be published again.
    pub async fn run(mut self) -> BTreeSet<usize> {
        let mut left = batches(self.flights.len());
        let mut again = BTreeSet::new();
        loop {
            let life = self.lives.borrow_and_update().clone();
            let (unconfirmed, error) = self.session(&life, &mut left).await;
            again.extend(unconfirmed.iter().flat_map(Range::clone));
            for range in unconfirmed.into_iter().rev() {
                left.push_front(range);
            }
            if left.is_empty() {
                return again;
            }
            if let Some(error) = error {
                self.ledger.lock().notes.insert("publisher".into(), error.to_string());
            }
            if self.lives.changed().await.is_err() {
                return again;
            }
        }
    }

    /// Publishes to one life of the broker as much as it may; returns what was sent and not confirmed.
    async fn session(&self, life: &Life, left: &mut VecDeque<Range<usize>>) -> (Vec<Range<usize>>, Option<Error>) {
        let mut session = Session::default();
        let mut error = self.pipeline(life, left, &mut session).await.err();
        while !session.open.is_empty() {
            error = self.confirm_oldest(&mut session).await.err().or(error);
        }
        (session.unconfirmed, error)
    }

    async fn pipeline(
        &self,
        life: &Life,
        left: &mut VecDeque<Range<usize>>,
        session: &mut Session,
    ) -> Result<(), Error> {
        let options = PublishStreamOptions { unconfirmed_batches_max: UNCONFIRMED_BATCHES_MAX, ..Default::default() };
        let publisher =
            Client::connect(&life.url).await?.publish_stream_with(Destination::Topic(TOPIC.to_owned()), options);
        while let Some(range) = left.front().filter(|range| range.start < life.publish_upto).cloned() {
            // An error here means that it was not sent: it stays where it is.
            let confirm = publisher.publish(self.messages(&range)).await?;
            left.pop_front();
            session.open.push_back((range, confirm));
            if session.open.len() >= UNCONFIRMED_BATCHES_MAX {
                self.confirm_oldest(session).await?;
            }
        }
        while !session.open.is_empty() {
            self.confirm_oldest(session).await?;
        }
        Ok(())
    }

    async fn confirm_oldest(&self, session: &mut Session) -> Result<(), Error> {
        let Some((range, confirm)) = session.open.pop_front() else { return Ok(()) };
        match confirm.await {
            Ok(_) => self.confirm(&range),
            Err(error) => {
                session.unconfirmed.push(range);
                return Err(error);
            }
        }
        Ok(())
    }

    fn confirm(&self, range: &Range<usize>) {
        self.confirmed.send_modify(|confirmed| *confirmed += range.len());
    }

    fn messages(&self, range: &Range<usize>) -> Vec<v1::Message> {
        let message = |record: usize| v1::Message {
            payload: self.flights[record].payload.clone().into(),
            routing_key: routing_key(&self.flights[record]),
            message_id: record.to_string(),
            ordering_key: self.flights[record].origin.clone(),
            content_type: "application/json".to_owned(),
            ..v1::Message::default()
        };
        range.clone().map(message).collect()
    }
}

/// Small enough that a kill in the middle finds some on their way.
fn batches(records: usize) -> VecDeque<Range<usize>> {
    let size = (records / 100).clamp(1, BATCH_MAX);
    (0..records).step_by(size).map(|from| from..records.min(from + size)).collect()
}
