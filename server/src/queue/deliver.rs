//! The way out of a queue: deliveries for consumers' streams and for pulls.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use ferrymq_core::batch::{Batch, DeadLetterHeader};
use ferrymq_core::queue::{Assignment, End};
use ferrymq_core::{CommitNo, LogId, Offset};
use ferrymq_proto::raw::RawDelivery;
use ferrymq_proto::v1;

use super::Event;
use super::sharing::Sharing;
use super::task::Task;
use crate::ack_id::{self, AckId};
use crate::error::Error;

/// A consumer that has not been told yet that it caught up, and what was there when it came.
pub(super) struct CatchingUp {
    pub(super) consumer: u64,
    pub(super) newest: CommitNo,
    pub(super) ends: Vec<(LogId, Offset)>,
}

impl Task {
    pub(super) async fn hand_out(&mut self, now: u64) {
        let mut assigned = Vec::new();
        self.machine.deliver(now, &mut assigned);
        let mut by_consumer: BTreeMap<u64, Vec<Assignment>> = BTreeMap::new();
        for assignment in assigned {
            by_consumer.entry(assignment.consumer).or_default().push(assignment);
        }
        for (consumer, assigned) in by_consumer {
            match self.deliveries(&assigned).await {
                Ok(deliveries) => self.send(consumer, Event::Deliveries(deliveries), now),
                Err(error) => {
                    tracing::error!(queue = %self.record.settings.name, %error, "deliveries cannot be read");
                    self.send(consumer, Event::End(error), now);
                    self.machine.remove_consumer(consumer, End::BrokerEnded, now);
                    self.consumers.remove(consumer);
                }
            }
        }
    }

    pub(super) fn send(&mut self, consumer: u64, event: Event, now: u64) {
        // It does not read, and its leases have come back: it holds more than its credit.
        if !self.consumers.pass(consumer, event) {
            self.consumers.remove(consumer);
            self.machine.remove_consumer(consumer, End::BrokerEnded, now);
        }
    }

    /// What is there now is what the consumer is told of when it has it.
    pub(super) fn will_tell_caught_up(&mut self, consumer: u64) {
        let newest = self.shared.store.visible();
        let ends = self.feeds.keys().map(|log| (*log, self.shared.store.end(*log))).collect();
        self.catching_up.retain(|waiting| waiting.consumer != consumer);
        self.catching_up.push(CatchingUp { consumer, newest, ends });
    }

    pub(super) async fn deliveries(&mut self, assigned: &[Assignment]) -> Result<Vec<RawDelivery>, Error> {
        let mut deliveries = Vec::with_capacity(assigned.len());
        let mut ids = BytesMut::with_capacity(assigned.len() * ack_id::BYTES_MAX);
        let mut sharing = Sharing::default();
        for (at, assignment) in assigned.iter().enumerate() {
            let (batch, index) = self.batch_of(assignment.log, assignment.offset).await?;
            let id = AckId {
                partition: 0,
                epoch: self.shared.epoch,
                queue: self.record.id,
                log: assignment.log,
                offset: assignment.offset,
                delivery: assignment.delivery,
                generation: self.machine.generation(assignment.log),
            };
            let topic = self.feeds.get(&assignment.log).map(|feed| feed.topic.clone()).unwrap_or_default();
            let mut delivery = delivery(topic, (assignment.log, assignment.offset), &batch, index)?;
            delivery.ack_id = self.shared.ack_ids.seal(&id, &mut ids);
            delivery.attempt = assignment.attempt as i32;
            delivery.message = sharing.message(delivery.message, &assigned[at..], &batch, index);
            deliveries.push(delivery);
        }
        let count = deliveries.len() as u64;
        self.shared.counters.delivered.fetch_add(count, Ordering::Relaxed);
        Ok(deliveries)
    }

    pub(super) fn tell_caught_up(&mut self) {
        let now = self.shared.clock.now_ms();
        if self.catching_up.is_empty() {
            return;
        }
        let first_ready = self.machine.first_ready_commit();
        let (done, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.catching_up).into_iter().partition(|upto| {
            upto.ends.iter().all(|(log, end)| self.machine.read_to(*log) >= *end)
                && first_ready.is_none_or(|first| first > upto.newest)
                && !self.machine.is_parked_upto(upto.newest)
        });
        self.catching_up = waiting;
        for upto in done {
            self.send(upto.consumer, Event::CaughtUp, now);
        }
    }
}

/// A message as it stands in its log: without an ack id and an attempt.
pub(crate) fn delivery(
    topic: Bytes,
    (log, offset): (LogId, Offset),
    batch: &Batch,
    index: usize,
) -> Result<RawDelivery, Error> {
    let record = batch.record(index).map_err(|error| Error::damaged(&error.to_string()))?;
    Ok(RawDelivery {
        message: record.message,
        ack_id: Bytes::new(),
        topic,
        position: Some(v1::Position { log: log.0 as i64, offset: offset as i64 }),
        publish_time_ms: batch.publish_time_ms() as i64,
        attempt: 0,
        dead_letter: record.dead_letter.map(dead_letter),
    })
}

fn dead_letter(header: DeadLetterHeader) -> v1::DeadLetter {
    v1::DeadLetter {
        queue: header.queue,
        reason: header.reason as i32,
        attempts: header.attempts as i32,
        description: header.description,
        time_ms: header.time_ms as i64,
        topic: header.topic,
        position: Some(v1::Position { log: header.log.0 as i64, offset: header.offset as i64 }),
    }
}
