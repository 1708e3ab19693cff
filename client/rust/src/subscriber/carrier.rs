//! The task that owns a subscriber's stream, what is held and what is being settled, over reconnects.

use std::time::SystemTime;

use bytes::Bytes;
use ferrymq_proto::raw::{EncodedConsumeRequest, RawConsumeResponse};
use ferrymq_proto::v1::log_point::At;
use ferrymq_proto::v1::{Delivery, LogPoint, Position, SubscribeRequest};
use tokio::sync::mpsc;

use super::encoding::ack_id;
use super::gather::Gathered;
use super::held::{Held, Slot};
use super::settlements::Settlements;
use crate::backoff::Backoff;
use crate::consuming::{Consuming, decode, open};
use crate::{Client, Error};

/// Requests that wait for the connection. The first is the one that opens the stream.
pub(super) const REQUESTS_MAX: usize = 1;

/// What a subscriber's program gets.
pub(super) type Batch = Result<Vec<Arrived>, Error>;

/// A delivery as it came: it is decoded where the program takes it.
#[derive(Debug)]
pub(super) struct Arrived {
    /// Where its ack id is held.
    pub(super) slot: Slot,
    pub(super) encoded: Bytes,
}

pub(super) struct Carrier {
    pub(super) client: Client,
    pub(super) request: SubscribeRequest,
    pub(super) is_broadcast: bool,
    /// A broadcast that has delivered nothing yet goes on from here: the broker's time when it was opened.
    pub(super) since: Option<SystemTime>,
    pub(super) gathered: Gathered,
    pub(super) batches: mpsc::Sender<Batch>,
    /// Set once the program wants no more.
    pub(super) close: tokio::sync::watch::Receiver<bool>,
    pub(super) held: Held,
    pub(super) settlements: Settlements,
    pub(super) last: Option<Position>,
    pub(super) backoff: Backoff,
}

impl Carrier {
    /// Until the program closes it, the broker ends it, or trying again cannot help.
    pub(super) async fn run(mut self, mut stream: Consuming) -> Result<(), Error> {
        loop {
            let error = match self.carry(stream).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            match self.again(error).await {
                Ok(next) => stream = next,
                Err(error) => {
                    self.settlements.fail(&error);
                    // The program may be gone: then nobody wants to know.
                    let _ = self.batches.send(Err(error.clone())).await;
                    return Err(error);
                }
            }
        }
    }

    /// One stream to its end; Ok if it ended in order.
    async fn carry(&mut self, stream: Consuming) -> Result<(), Error> {
        let Consuming { requests, mut responses, first } = stream;
        let mut requests = Some(requests);
        self.settlements.start_again();
        self.take(first).await?;
        loop {
            let is_closing = *self.close.borrow();
            let has_unsent = self.settlements.has_unsent() || self.gathered.has_some();
            if is_closing && !has_unsent {
                // What was settled before it was closed has been sent. Half-closed: the broker answers what is open, takes back
                // what is held, and ends the stream.
                requests = None;
            }
            let is_open = requests.is_some();
            tokio::select! {
                response = responses.message() => match response? {
                    Some(response) => self.take(response).await?,
                    None => return self.ended(),
                },
                room = room(requests.as_ref()), if has_unsent && is_open => {
                    // Only now: meanwhile more has come.
                    self.settlements.add(self.gathered.take());
                    let settlements = self.settlements.unsent(&self.held);
                    room?.send(EncodedConsumeRequest { settlements, ..EncodedConsumeRequest::default() });
                }
                _ = self.gathered.wait(), if is_open && !is_closing && !has_unsent => {}
                _ = self.close.changed(), if !is_closing => {}
            }
        }
    }

    fn ended(&mut self) -> Result<(), Error> {
        let is_over = *self.close.borrow() || self.is_broadcast || self.batches.is_closed();
        if is_over { Ok(()) } else { Err(ended_early()) }
    }

    async fn take(&mut self, response: RawConsumeResponse) -> Result<(), Error> {
        self.backoff.reset();
        for result in &response.settled {
            self.settlements.answered(result, &mut self.held);
        }
        let Some(last) = response.deliveries.last() else { return Ok(()) };
        if self.is_broadcast {
            self.last = decode::<Delivery>(last.clone())?.position;
        }
        let mut batch = Vec::with_capacity(response.deliveries.len());
        for encoded in response.deliveries {
            batch.push(Arrived { slot: self.held.add(ack_id(&encoded)?), encoded });
        }
        // Where there is something to settle the prefetch bounds it and this never waits. A broadcast that is not read waits
        // here, and gRPC's flow control holds the broker back. Whoever has closed it wants no more: what is held goes back.
        tokio::select! {
            _ = self.batches.send(Ok(batch)) => {}
            _ = self.close.wait_for(|closed| *closed) => {}
        }
        Ok(())
    }

    /// After a break: waits and opens again, for as long as it can help.
    async fn again(&mut self, error: Error) -> Result<Consuming, Error> {
        let mut error = error;
        loop {
            if *self.close.borrow() || !error.is_passing() {
                return Err(error);
            }
            let pause = self.backoff.next(error.retry_after());
            tracing::warn!(target: "ferrymq", "stream of deliveries broke off, opening again in {pause:?}: {error}");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.close.changed() => return Err(error),
            }
            match open(&self.client, self.resuming(), REQUESTS_MAX).await {
                Ok((opened, stream)) => {
                    self.request.resume_token = opened.resume_token;
                    return Ok(stream);
                }
                Err(next) => error = next,
            }
        }
    }

    /// The request that goes on where this stream broke off.
    fn resuming(&self) -> SubscribeRequest {
        let mut request = self.request.clone();
        if !self.is_broadcast {
            request.held_ack_ids = self.held.ack_ids().cloned().collect();
        } else if let Some(last) = self.last {
            let next = Position { log: last.log, offset: last.offset + 1 };
            request.start = Some(LogPoint { at: Some(At::Position(next)) });
        } else if let Some(since) = self.since {
            request.start = Some(LogPoint { at: Some(At::Time(since.into())) });
        }
        request
    }
}

async fn room(
    requests: Option<&mpsc::Sender<EncodedConsumeRequest>>,
) -> Result<mpsc::Permit<'_, EncodedConsumeRequest>, Error> {
    match requests {
        Some(requests) => requests.reserve().await.map_err(|_| ended_early()),
        None => std::future::pending().await,
    }
}

fn ended_early() -> Error {
    Error::unavailable("the stream of deliveries ended")
}
