//! The two competing consumers of each queue.
//!
//! The judge acks what was on time and rejects what was late. The other one acks what was on time, holds on to what was
//! late, as only the judge may reject it, and dies midway with all that it holds: that goes back, and to the judge.

use std::sync::Arc;

use ferrymq_client::v1::{Delivery, NackMode, SettleStatus};
use ferrymq_client::{Client, Error, Subscriber, queue};
use tokio::sync::watch;

use super::flights::Flight;
use super::ledger::SharedLedger;
use super::life::Life;

/// What the reject says.
pub const REASON: &str = "more than an hour late";

/// One consumer of a queue.
#[derive(Clone)]
pub struct Consumer {
    /// The queue.
    pub queue: &'static str,
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
            let Err(error) = self.session(&life).await else { return };
            let name = if self.is_judge { "judge" } else { "other" };
            self.ledger.lock().notes.insert(format!("{} of {}", name, self.queue), error.to_string());
            if self.lives.changed().await.is_err() {
                return;
            }
        }
    }

    /// One stream. Returns when it dies.
    async fn session(&mut self, life: &Life) -> Result<(), Error> {
        let client = Client::connect(&life.url).await?;
        let mut subscriber = client.subscribe(queue(self.queue)).await?;
        let mut holds = 0;
        while let Some(batch) = self.next(&mut subscriber, holds).await? {
            let (late, on_time) = self.receive(batch);
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
        Ok(())
    }

    fn dies_now(&self) -> bool {
        !self.is_judge && *self.die.borrow()
    }

    /// The next deliveries; none when it is time to die and there is something to die with.
    async fn next(&mut self, subscriber: &mut Subscriber, holds: usize) -> Result<Option<Vec<Delivery>>, Error> {
        if self.is_judge || holds == 0 {
            return subscriber.next_batch().await;
        }
        tokio::select! {
            batch = subscriber.next_batch() => batch,
            _ = self.die.wait_for(|die| *die) => Ok(None),
        }
    }

    /// Notes deliveries; returns those of late flights, and the others.
    fn receive(&self, batch: Vec<Delivery>) -> (Vec<Delivery>, Vec<Delivery>) {
        let mut ledger = self.ledger.lock();
        let mut known = |delivery: &Delivery| ledger.receive(self.queue, delivery, &self.flights);
        let batch: Vec<_> = batch.into_iter().map(|delivery| (known(&delivery), delivery)).collect();
        let is_late = |record: &Option<usize>| record.is_some_and(|record| self.flights[record].is_late());
        let (late, on_time): (Vec<_>, Vec<_>) = batch.into_iter().partition(|(record, _)| is_late(record));
        let deliveries = |of: Vec<(_, Delivery)>| of.into_iter().map(|(_, delivery)| delivery).collect();
        (deliveries(late), deliveries(on_time))
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
            ledger.settled(self.queue, delivery, *status);
        }
    }
}

fn ids(deliveries: &[Delivery]) -> Vec<bytes::Bytes> {
    deliveries.iter().map(|delivery| delivery.ack_id.clone()).collect()
}
