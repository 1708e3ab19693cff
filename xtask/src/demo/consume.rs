//! The two competing consumers of each queue.
//!
//! The judge acks what was on time and rejects what was late, where its queue rejects at all. The other one acks what was on
//! time, holds on to what was late, as only the judge may reject it, and dies midway with all that it holds, or with what it
//! gets next: that goes back, and to the judge.

use std::sync::Arc;

use ferrymq_client::streams::SubscribeStream;
use ferrymq_client::v1::{Delivery, NackMode, SettleStatus};
use ferrymq_client::{Client, Error};
use tokio::sync::watch;

use super::drive::request;
use super::flights::{Flight, Route};
use super::ledger::SharedLedger;
use super::life::Life;

/// What the reject says.
pub const REASON: &str = "more than an hour late";

/// Why a stream is not read on.
enum Ended {
    /// Its consumer died.
    Died,
    /// The broker has another life.
    Outlived,
}

/// One consumer of a queue.
#[derive(Clone)]
pub struct Consumer {
    /// Its queue.
    pub route: &'static Route,
    /// It rejects; otherwise it holds what is late, and dies.
    pub is_judge: bool,
    /// The file.
    pub flights: Arc<Vec<Flight>>,
    /// Where the broker is, from time to time.
    pub lives: watch::Receiver<Life>,
    /// Becomes true when those that die are to die.
    pub die: watch::Receiver<bool>,
    /// What it sees.
    pub ledger: SharedLedger,
}

impl Consumer {
    /// Consumes until it dies or is stopped, over all lives of the broker.
    pub async fn run(mut self) {
        loop {
            let life = self.lives.borrow_and_update().clone();
            match self.session(&life).await {
                Ok(Ended::Died) => return,
                Ok(Ended::Outlived) => {}
                Err(error) => {
                    let name = if self.is_judge { "judge" } else { "other" };
                    self.ledger.lock().notes.insert(format!("{} of {}", name, self.route.queue), error.to_string());
                }
            }
            if self.lives.changed().await.is_err() {
                return;
            }
        }
    }

    /// One stream, until it ends.
    async fn session(&mut self, life: &Life) -> Result<Ended, Error> {
        let client = Client::connect(&life.url).await?;
        let mut subscriber = client.subscribe_stream(request(self.route)).await?;
        let mut holds = 0;
        while let Some(batch) = self.next(&mut subscriber, holds).await? {
            let Some((late, on_time)) = self.receive(batch) else { return Ok(Ended::Outlived) };
            if self.dies_now() {
                holds += late.len() + on_time.len();
                break;
            }
            self.ack(&client, &on_time).await?;
            if self.is_judge {
                self.reject(&client, &late).await?;
            } else {
                holds += late.len();
            }
        }
        self.ledger.lock().dropped += holds as u64;
        Ok(Ended::Died)
    }

    fn dies_now(&self) -> bool {
        !self.is_judge && *self.die.borrow()
    }

    /// The next deliveries; none when it is time to die and there is something to die with.
    async fn next(&mut self, subscriber: &mut SubscribeStream, holds: usize) -> Result<Option<Vec<Delivery>>, Error> {
        if self.is_judge || holds == 0 {
            return subscriber.next_batch().await;
        }
        tokio::select! {
            batch = subscriber.next_batch() => batch,
            _ = self.die.wait_for(|die| *die) => Ok(None),
        }
    }

    /// Notes deliveries; returns those to be rejected, and the others. None once the broker has another life: what was on its
    /// way before may have gone to others since, so it comes too late to tell in which order it came.
    fn receive(&self, batch: Vec<Delivery>) -> Option<(Vec<Delivery>, Vec<Delivery>)> {
        let mut ledger = self.ledger.lock();
        // With the ledger in hand: nobody has noted anything of the next life yet.
        if self.lives.has_changed().unwrap_or(true) {
            return None;
        }
        let mut known = |delivery: &Delivery| ledger.receive(self.route.queue, delivery, &self.flights);
        let batch: Vec<_> = batch.into_iter().map(|delivery| (known(&delivery), delivery)).collect();
        let is_rejected =
            |record: &Option<usize>| record.is_some_and(|record| self.route.rejects(&self.flights[record]));
        let (late, on_time): (Vec<_>, Vec<_>) = batch.into_iter().partition(|(record, _)| is_rejected(record));
        let deliveries = |of: Vec<(_, Delivery)>| of.into_iter().map(|(_, delivery)| delivery).collect();
        Some((deliveries(late), deliveries(on_time)))
    }

    async fn ack(&self, client: &Client, deliveries: &[Delivery]) -> Result<(), Error> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let statuses = client.ack(ids(deliveries)).await?;
        self.settled(deliveries, &statuses);
        Ok(())
    }

    async fn reject(&self, client: &Client, deliveries: &[Delivery]) -> Result<(), Error> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let statuses = client.nack(ids(deliveries), NackMode::Reject, None, REASON).await?;
        self.settled(deliveries, &statuses);
        Ok(())
    }

    fn settled(&self, deliveries: &[Delivery], statuses: &[SettleStatus]) {
        let mut ledger = self.ledger.lock();
        for (delivery, status) in deliveries.iter().zip(statuses) {
            ledger.settled(self.route.queue, delivery, *status);
        }
    }
}

fn ids(deliveries: &[Delivery]) -> Vec<bytes::Bytes> {
    deliveries.iter().map(|delivery| delivery.ack_id.clone()).collect()
}
