//! Deliveries and their settlements on one stream.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use ferrymq_proto::raw::{EncodedConsumeRequest, RawConsumeResponse};
use ferrymq_proto::v1::settlement::Action;
use ferrymq_proto::v1::{
    AckRequest, Delivery, ExtendLeaseRequest, NackMode, NackRequest, Opened, Prefetch, SettleStatus, Settlement,
    SettlementResult, SubscribeRequest,
};
use prost::Message as _;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tonic::Streaming;

use crate::consuming::{Consuming, batches_max, decode, is_broadcast, open};
use crate::messaging::{statuses, wire_duration};
use crate::{Client, Error};

/// Requests that wait for the connection.
const REQUESTS_MAX: usize = 256;

impl Client {
    /// Opens a stream of deliveries and settlements, and waits until the broker says that it is open.
    pub async fn consume_stream(&self, request: SubscribeRequest) -> Result<ConsumeStream, Error> {
        let batches_max = batches_max(is_broadcast(&request));
        let (opened, Consuming { requests, responses, first }) = open(self, request, REQUESTS_MAX).await?;
        let pending = Pending { requests: Some(requests), ..Pending::default() };
        let shared = Arc::new(Shared(Mutex::new(pending)));
        let (sender, batches) = mpsc::channel(batches_max);
        let reader = tokio::spawn(read(first, responses, sender, Arc::clone(&shared)));
        Ok(ConsumeStream { opened, batches, settler: Settler(shared), reader })
    }
}

/// Deliveries for as long as it lives, settled on the same stream. [`ConsumeStream::finish`] ends it in order; dropping it is
/// like going away: what is not settled goes back, perhaps with a failure counted.
#[derive(Debug)]
pub struct ConsumeStream {
    opened: Opened,
    /// Each an encoded `Delivery`.
    batches: mpsc::Receiver<Vec<Bytes>>,
    settler: Settler,
    reader: JoinHandle<Result<(), Error>>,
}

impl ConsumeStream {
    /// What was opened, with every default filled in.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// For `SubscribeRequest.resume_token`, to take up what this consumer holds after its connection broke. Empty unless
    /// `resume_within` was asked for.
    pub fn resume_token(&self) -> &Bytes {
        &self.opened.resume_token
    }

    /// What settles its deliveries, for the tasks that work on them.
    pub fn settler(&self) -> Settler {
        self.settler.clone()
    }

    /// The next deliveries, never empty; `None` once the stream has ended in order.
    pub async fn next_batch(&mut self) -> Result<Option<Vec<Delivery>>, Error> {
        match self.batches.recv().await {
            Some(batch) => {
                let decoded = batch.into_iter().map(decode).collect::<Result<_, _>>().map(Some);
                if decoded.is_err() {
                    // Nobody would settle what came with it.
                    self.cut_off();
                }
                decoded
            }
            None => self.settler.0.lock().ended.clone().map_or(Ok(None), |end| end.map(|()| None)),
        }
    }

    /// As [`Settler::ack`].
    pub async fn ack(&self, ack_ids: Vec<Bytes>) -> Result<Settled, Error> {
        self.settler.ack(ack_ids).await
    }

    /// As [`Settler::nack`].
    pub async fn nack(
        &self,
        ack_ids: Vec<Bytes>,
        mode: NackMode,
        delay: Option<Duration>,
        reason: impl Into<String>,
    ) -> Result<Settled, Error> {
        self.settler.nack(ack_ids, mode, delay, reason).await
    }

    /// Changes how much it may hold from now on: 0 messages pause it, 0 bytes mean as it was.
    pub async fn set_prefetch(&self, messages: i32, bytes: i64) -> Result<(), Error> {
        let prefetch = Some(Prefetch { messages, bytes });
        self.settler.0.send(EncodedConsumeRequest { prefetch, ..EncodedConsumeRequest::default() }).await
    }

    /// Nothing more is to come; settlements go on. What was on its way may still arrive.
    pub async fn drain(&self) -> Result<(), Error> {
        self.settler.0.send(EncodedConsumeRequest { drain: true, ..EncodedConsumeRequest::default() }).await
    }

    /// Ends the stream: every settlement that was sent is answered, and what is still held goes back without a failure.
    pub async fn finish(mut self) -> Result<(), Error> {
        self.settler.0.lock().requests = None;
        // Deliveries on their way must not hold up the results behind them.
        while self.batches.recv().await.is_some() {}
        let end = self.settler.0.lock().ended.clone();
        end.unwrap_or_else(|| Err(ended_early()))
    }
}

impl ConsumeStream {
    fn cut_off(&mut self) {
        self.settler.0.end(&Err(ended_early()));
        self.reader.abort();
    }
}

impl Drop for ConsumeStream {
    fn drop(&mut self) {
        self.cut_off();
    }
}

/// Settles deliveries on a [`ConsumeStream`]'s stream, one settlement behind the other without waiting. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Settler(Arc<Shared>);

impl Settler {
    /// Done. The [`Settled`] need not be awaited at once, or at all.
    pub async fn ack(&self, ack_ids: Vec<Bytes>) -> Result<Settled, Error> {
        self.0.settle(Action::Ack(AckRequest { ack_ids })).await
    }

    /// Given back (RELEASE, RETRY) or up (REJECT). Without `delay`: at once for RELEASE, the queue's backoff for RETRY.
    pub async fn nack(
        &self,
        ack_ids: Vec<Bytes>,
        mode: NackMode,
        delay: Option<Duration>,
        reason: impl Into<String>,
    ) -> Result<Settled, Error> {
        let delay = delay.map(wire_duration).transpose()?;
        let nack = NackRequest { ack_ids, mode: mode.into(), delay, reason: reason.into() };
        self.0.settle(Action::Nack(nack)).await
    }

    /// Longer, from now. Without `lease`: by the queue's lease.
    pub async fn extend(&self, ack_ids: Vec<Bytes>, lease: Option<Duration>) -> Result<Settled, Error> {
        let lease = lease.map(wire_duration).transpose()?;
        self.0.settle(Action::Extend(ExtendLeaseRequest { ack_ids, lease })).await
    }
}

/// Resolves when the settlement is on disk: a status for each id, in order.
#[derive(Debug)]
pub struct Settled(oneshot::Receiver<Result<Vec<SettleStatus>, Error>>);

impl Future for Settled {
    type Output = Result<Vec<SettleStatus>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or_else(|_| Err(ended_early())))
    }
}

/// What the settling side and the reader share.
#[derive(Debug)]
struct Shared(Mutex<Pending>);

#[derive(Debug, Default)]
struct Pending {
    /// None once the stream is ended from this side.
    requests: Option<mpsc::Sender<EncodedConsumeRequest>>,
    last_id: i64,
    waiting: HashMap<i64, oneshot::Sender<Result<Vec<SettleStatus>, Error>>>,
    /// How the stream ended.
    ended: Option<Result<(), Error>>,
}

impl Shared {
    async fn settle(&self, action: Action) -> Result<Settled, Error> {
        let (answer, settled) = oneshot::channel();
        let id = {
            let mut pending = self.lock();
            if let Some(Err(error)) = &pending.ended {
                return Err(error.clone());
            }
            pending.last_id += 1;
            let id = pending.last_id;
            pending.waiting.insert(id, answer);
            id
        };
        let settlements = vec![Settlement { id, action: Some(action) }.encode_to_vec().into()];
        self.send(EncodedConsumeRequest { settlements, ..EncodedConsumeRequest::default() }).await?;
        Ok(Settled(settled))
    }

    async fn send(&self, request: EncodedConsumeRequest) -> Result<(), Error> {
        let requests = self.lock().requests.clone();
        let sent = match requests {
            Some(requests) => requests.send(request).await.is_ok(),
            None => false,
        };
        if sent { Ok(()) } else { Err(self.end_reason()) }
    }

    fn answer(&self, result: &SettlementResult) {
        let waiting = self.lock().waiting.remove(&result.id);
        if let Some(waiting) = waiting {
            // The caller may have dropped its Settled: then nobody wants to know.
            let _ = waiting.send(Ok(statuses(&result.statuses)));
        }
    }

    /// Fails what is still open; the first end counts.
    fn end(&self, end: &Result<(), Error>) {
        let waiting = {
            let mut pending = self.lock();
            pending.requests = None;
            pending.ended.get_or_insert_with(|| end.clone());
            std::mem::take(&mut pending.waiting)
        };
        let error = end.as_ref().err().cloned().unwrap_or_else(ended_early);
        for waiting in waiting.into_values() {
            let _ = waiting.send(Err(error.clone()));
        }
    }

    fn end_reason(&self) -> Error {
        self.lock().ended.clone().and_then(Result::err).unwrap_or_else(ended_early)
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        // Each critical section leaves the map whole, so a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(
    first: RawConsumeResponse,
    responses: Streaming<RawConsumeResponse>,
    batches: mpsc::Sender<Vec<Bytes>>,
    shared: Arc<Shared>,
) -> Result<(), Error> {
    let end = pass_on(first, responses, &batches, &shared).await;
    shared.end(&end);
    end
}

async fn pass_on(
    first: RawConsumeResponse,
    mut responses: Streaming<RawConsumeResponse>,
    batches: &mpsc::Sender<Vec<Bytes>>,
    shared: &Shared,
) -> Result<(), Error> {
    let mut next = Some(first);
    while let Some(response) = next.take() {
        response.settled.iter().for_each(|result| shared.answer(result));
        if !response.deliveries.is_empty() {
            // Nobody takes deliveries any more, but results are still waited for.
            let _ = batches.send(response.deliveries).await;
        }
        next = responses.message().await?;
    }
    Ok(())
}

fn ended_early() -> Error {
    Error::unavailable("the stream ended before that was answered")
}
