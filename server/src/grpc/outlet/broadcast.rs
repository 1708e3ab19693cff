//! A broadcast's way out: a topic's log as it is read, paced by its reader.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BytesMut;
use ferrymq_core::message;
use ferrymq_proto::raw::RawDelivery;
use ferrymq_proto::server as pb;
use tokio::sync::{Notify, mpsc};
use tonic::Status;

use super::{Counted, Outlet, RESPONSE_EXTRA, Unsent, closed, size, too_small};
use crate::broker::Broker;
use crate::committer::Gate;
use crate::error::Error;
use crate::grpc::Api;
use crate::grpc::response::{Phase, Response};
use crate::points::Stop;
use crate::shared_filters::SharedFilter;

/// The same for broadcasts: hundreds of them may not be read, and each holds a few responses.
pub(in crate::grpc) const BROADCAST_RESPONSE_BYTES: usize = 64 << 10;

/// How long what was read waits for its reader. Then it is given up, and read again once the reader takes something.
const PATIENCE: Duration = Duration::from_millis(100);

/// Messages of a log and their offsets.
type Found = Vec<(RawDelivery, u64)>;

/// What a broadcast reads, and how far it has.
pub(in crate::grpc) struct Broadcast {
    pub(in crate::grpc) api: Api,
    pub(in crate::grpc) topic: String,
    pub(in crate::grpc) log: ferrymq_core::LogId,
    pub(in crate::grpc) gate: Arc<Gate>,
    pub(in crate::grpc) at: u64,
    pub(in crate::grpc) stop: Stop,
    pub(in crate::grpc) caught_up_at: u64,
    pub(in crate::grpc) pattern: ferrymq_core::pattern::Pattern,
    pub(in crate::grpc) filter: Option<Arc<SharedFilter>>,
}

impl Broadcast {
    /// What of `read` stands before the end.
    fn until_stop(&mut self, mut read: Found) -> Found {
        let stop = self.stop;
        if let Some(index) = read.iter().position(|(d, offset)| stop.is_before(*offset, d.publish_time_ms)) {
            self.stop = Stop::Before(read[index].1);
            read.truncate(index);
        }
        read
    }

    /// What of `read` it asked for.
    fn wanted(&self, read: Found) -> Found {
        let has_pattern = |delivery: &RawDelivery| {
            self.pattern.is_all() || self.pattern.matches(message::routing_key(&delivery.message))
        };
        let mut asking = self.filter.as_ref().map(|filter| filter.ask(self.log));
        let mut passes = |delivery: &RawDelivery, offset| {
            asking.as_mut().is_none_or(|asking| asking.matches(offset, &delivery.message))
        };
        read.into_iter().filter(|(delivery, offset)| has_pattern(delivery) && passes(delivery, *offset)).collect()
    }

    /// True if its end is reached.
    fn is_over(&self, broker: &Broker) -> bool {
        let now = broker.clock.now_ms();
        self.stop.is_reached(self.at, self.at >= broker.store.end(self.log), now)
    }
}

impl<R: Response> Outlet<R> {
    /// Passes on what a topic has, and what comes, until either side ends. An error is what the stream ends with.
    pub(in crate::grpc) async fn run_broadcast(
        mut self,
        opened: pb::Opened,
        mut reader: Broadcast,
    ) -> Result<(), Error> {
        let _counted = Counted::new(&self.broker);
        let notify = Arc::new(Notify::new());
        self.broker.watch.watch(reader.log, &notify);
        let mut draining = self.broker.draining.clone();
        let mut told = false;
        if self.out.send(Ok(R::opened(opened))).await.is_err() {
            return Ok(());
        }
        loop {
            match self.read_on(&mut reader).await {
                Ok(()) => {}
                Err(Unsent::Gone) => return Ok(()),
                Err(Unsent::Ended(error)) => return Err(error),
                Err(Unsent::TooLarge(delivery)) => return Err(too_small(&delivery)),
            }
            if !told && reader.at >= reader.caught_up_at {
                told = true;
                if self.caught_up().await.is_err() {
                    return Ok(());
                }
            }
            if reader.is_over(&self.broker) || self.phases.now() == Phase::Over {
                return Ok(());
            }
            if reader.gate.has_ended() && reader.at >= self.broker.store.end(reader.log) {
                return Err(reader.gate.gone());
            }
            // Who takes no more does not come to its end by waiting for it.
            let wait = reader.stop.wait(self.broker.clock.now_ms()).filter(|_| self.phases.now() == Phase::Open);
            tokio::select! {
                () = notify.notified() => {}
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
                () = self.out.closed() => return Ok(()),
                error = closed(self.connection.as_ref()) => return Err(error),
                () = crate::edge::stopped(&mut draining) => return Err(Error::draining()),
                _ = self.phases.change() => {}
                () = tokio::time::sleep(self.shape.heartbeat) => {
                    if self.send(Vec::new()).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Sends all that the log has; paced by the reader.
    async fn read_on(&self, reader: &mut Broadcast) -> Result<(), Unsent> {
        while reader.at < self.broker.store.end(reader.log)
            && !reader.is_over(&self.broker)
            && self.phases.now() == Phase::Open
        {
            reader.at = reader.at.max(self.broker.store.first(reader.log));
            let read = reader.api.read_log(&reader.topic, reader.log, &mut reader.at).await.map_err(Unsent::Ended)?;
            let found = reader.until_stop(read.found);
            let matching = reader.wanted(found);
            if let Some(unsent) = self.send_read(matching, read.bytes).await? {
                reader.at = unsent;
                self.reserve().await?;
            }
        }
        Ok(())
    }

    /// Sends what was read of `bytes`. If the reader takes nothing for a while: the offset of the first that was not sent, and
    /// nothing of it is held any more.
    async fn send_read(&self, matching: Found, bytes: usize) -> Result<Option<u64>, Unsent> {
        let mut left = matching.into_iter().peekable();
        while let Some((first, offset)) = left.next() {
            if size(&first) + RESPONSE_EXTRA > self.shape.response_bytes_max {
                return Err(Unsent::TooLarge(Box::new(first)));
            }
            let Ok(place) = tokio::time::timeout(PATIENCE, self.reserve()).await else { return Ok(Some(offset)) };
            let place = place?;
            let mut room = self.shape.response_bytes_max.min(self.shape.gather_bytes);
            room = room.saturating_sub(RESPONSE_EXTRA + size(&first));
            let mut deliveries = vec![first];
            while let Some((delivery, _)) = left.next_if(|(delivery, _)| size(delivery) <= room) {
                room -= size(&delivery);
                deliveries.push(delivery);
            }
            self.broker.counters.delivered.fetch_add(deliveries.len() as u64, Ordering::Relaxed);
            let mut response = R::default();
            *response.deliveries() = on_their_own(deliveries, bytes);
            place.send(Ok(response));
        }
        Ok(None)
    }

    /// A place for a response, once all that were sent before are on their way.
    async fn reserve(&self) -> Result<mpsc::Permit<'_, Result<R, Status>>, Unsent> {
        let mut places = self.out.reserve_many(self.out.max_capacity()).await.map_err(|_| Unsent::Gone)?;
        places.next().ok_or(Unsent::Gone)
    }
}

/// Copies messages, if they are few of the `bytes` that they keep in memory.
fn on_their_own(mut deliveries: Vec<RawDelivery>, bytes: usize) -> Vec<RawDelivery> {
    let taken = deliveries.iter().map(|delivery| delivery.message.len()).sum::<usize>();
    if 2 * taken >= bytes {
        return deliveries;
    }
    let mut copies = BytesMut::with_capacity(taken);
    for delivery in &mut deliveries {
        copies.extend_from_slice(&delivery.message);
        delivery.message = copies.split().freeze();
    }
    deliveries
}
