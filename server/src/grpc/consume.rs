//! Consume: deliveries as in Subscribe, with the settlements on the same stream.

use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use ferrymq_proto::server as pb;
use ferrymq_proto::server::settlement::Action;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt as _;
use tonic::{Status, Streaming};

use super::Api;
use super::deliver::{Caller, Opening, range};
use super::messaging::{extend, nack, statuses};
use super::outlet::{Out, RESPONSES_MAX};
use super::response::{Phase, Phases};
use crate::broker::Settling;
use crate::error::Error;
use crate::queue::{Settlement, Valve, Window};

/// Settlements of one stream that are on their way to the disk.
const SETTLEMENTS_MAX: usize = 1_024;
/// Ids in them.
const IDS_MAX: usize = 100_000;
/// Results in one response, and statuses in them: a client may take responses of no more than 64 KiB.
const RESULTS_MAX: usize = 256;
const STATUSES_MAX: usize = 16_384;

type Responses = mpsc::Receiver<Result<pb::ConsumeResponse, Status>>;

impl Api {
    /// Takes what a client sends until it ends its side: then come the results of all that it sent, then the end.
    pub(super) fn take_requests(&self, requests: Streaming<pb::ConsumeRequest>, caller: Caller) -> Responses {
        let (out, responses) = mpsc::channel(RESPONSES_MAX);
        let api = self.clone();
        tokio::spawn(async move {
            if let Err(error) = api.consume_all(requests, caller, &out).await {
                let _ = out.send(Err(error)).await;
            }
        });
        responses
    }

    async fn consume_all(
        &self,
        mut requests: Streaming<pb::ConsumeRequest>,
        caller: Caller,
        out: &Out<pb::ConsumeResponse>,
    ) -> Result<(), Status> {
        let mut draining = self.broker.draining.clone();
        let first = tokio::select! {
            first = requests.next() => first,
            () = out.closed() => return Ok(()),
            () = crate::edge::stopped(&mut draining) => return Err(Error::draining().into()),
        };
        let mut first = first.transpose().map_err(crate::edge::decode_status)?.unwrap_or_default();
        let open = first.open.take().ok_or_else(|| Error::invalid("open", "is required in the first request"))?;
        let (phase, phases) = watch::channel(if first.drain { Phase::Draining } else { Phase::Open });
        let Opening { run, window } = self.open(open, caller, out.clone(), Phases::follow(phases)).await?;
        let (settlements, in_flight) = mpsc::channel(SETTLEMENTS_MAX);
        let intake = Intake { api: self.clone(), phase, window, settlements, ids: Arc::new(Semaphore::new(IDS_MAX)) };
        let stream = Stream {
            deliveries: tokio::spawn(run),
            results: tokio::spawn(answer_all(in_flight, out.clone())),
            out: out.clone(),
        };
        stream.run(intake, first, requests).await
    }
}

/// The two ways out of a stream.
struct Stream {
    deliveries: JoinHandle<Result<(), Error>>,
    results: JoinHandle<Result<(), Error>>,
    out: Out<pb::ConsumeResponse>,
}

/// How a stream came to its end.
enum End {
    /// The client ended its side.
    HalfClosed,
    /// What it sent cannot be done.
    Refused(Error),
    /// Nothing more comes for it.
    Delivered(Result<(), Error>),
    /// Settlements cannot be written.
    Unwritten(Error),
    /// Its connection broke, or what it sent cannot be read.
    Broken(Status),
    /// It does not listen any more.
    Gone,
}

impl Stream {
    async fn run(
        mut self,
        mut intake: Intake,
        first: pb::ConsumeRequest,
        requests: Streaming<pb::ConsumeRequest>,
    ) -> Result<(), Status> {
        let end = self.follow(&mut intake, first, requests).await;
        let end = match end {
            // What it held is dealt with by whoever passes its deliveries on: it hears of that too.
            End::Gone => return Ok(()),
            End::Broken(status) => return Err(status),
            End::Unwritten(error) => return Err(error.into()),
            End::HalfClosed => Ok(()),
            End::Refused(error) => Err(error),
            End::Delivered(end) => end,
        };
        // What is held goes back at once, and what was handed in is answered before the end.
        let _ = intake.phase.send(Phase::Over);
        drop(intake);
        ended(self.results.await)?;
        if !self.deliveries.is_finished() {
            let _ = self.deliveries.await;
        }
        Ok(end?)
    }

    async fn follow(
        &mut self,
        intake: &mut Intake,
        first: pb::ConsumeRequest,
        mut requests: Streaming<pb::ConsumeRequest>,
    ) -> End {
        let mut next = Some(first);
        loop {
            if let Some(request) = next.take()
                && let Err(error) = tokio::select! {
                    taken = intake.take(request) => taken,
                    () = self.out.closed() => return End::Gone,
                }
            {
                return End::Refused(error);
            }
            let request = tokio::select! {
                request = requests.next() => request,
                end = &mut self.deliveries => return End::Delivered(ended(end)),
                end = &mut self.results => match ended(end) {
                    Ok(()) => return End::Gone,
                    Err(error) => return End::Unwritten(error),
                },
                () = self.out.closed() => return End::Gone,
            };
            match request {
                None => return End::HalfClosed,
                Some(Err(status)) => return End::Broken(crate::edge::decode_status(status)),
                Some(Ok(request)) if request.open.is_some() => {
                    return End::Refused(Error::invalid("open", "only in the first request"));
                }
                Some(Ok(request)) => next = Some(request),
            }
        }
    }
}

fn ended(end: Result<Result<(), Error>, tokio::task::JoinError>) -> Result<(), Error> {
    end.unwrap_or_else(|_| Err(Error::draining()))
}

/// A settlement that was handed in.
struct InFlight {
    id: i64,
    settling: Settling,
    _room: OwnedSemaphorePermit,
}

/// What takes a client's requests.
struct Intake {
    api: Api,
    phase: watch::Sender<Phase>,
    window: Option<(Valve, Window)>,
    settlements: mpsc::Sender<InFlight>,
    ids: Arc<Semaphore>,
}

impl Intake {
    async fn take(&mut self, request: pb::ConsumeRequest) -> Result<(), Error> {
        for (index, settlement) in request.settlements.into_iter().enumerate() {
            let path = match &settlement.action {
                Some(Action::Ack(_)) => format!("settlements[{index}].ack."),
                Some(Action::Nack(_)) => format!("settlements[{index}].nack."),
                Some(Action::Extend(_)) => format!("settlements[{index}].extend."),
                None => format!("settlements[{index}]."),
            };
            self.settle(settlement).await.map_err(|error| error.under(&path))?;
        }
        if let Some(prefetch) = request.prefetch {
            self.set_window(prefetch).await?;
        }
        if request.drain {
            self.drain().await;
        }
        Ok(())
    }

    async fn settle(&mut self, settlement: pb::Settlement) -> Result<(), Error> {
        let (ids, what): (Vec<Bytes>, Settlement) = match settlement.action {
            Some(Action::Ack(ack)) => (ack.ack_ids, Settlement::Ack),
            Some(Action::Nack(request)) => {
                let what = nack(&request)?;
                (request.ack_ids, what)
            }
            Some(Action::Extend(request)) => {
                let what = extend(&request)?;
                (request.ack_ids, what)
            }
            None => return Err(Error::invalid("action", "exactly one of ack, nack, extend must be set")),
        };
        let permits = ids.len().min(IDS_MAX) as u32;
        let Ok(room) = self.ids.clone().acquire_many_owned(permits).await else { return Ok(()) };
        let settling = self.api.broker.begin_settle(&ids, &what).await?;
        let in_flight = InFlight { id: settlement.id, settling, _room: room };
        // If nobody answers any more the stream ends.
        let _ = self.settlements.send(in_flight).await;
        Ok(())
    }

    async fn set_window(&mut self, prefetch: pb::Prefetch) -> Result<(), Error> {
        let Some((valve, window)) = &mut self.window else {
            return Err(Error::invalid("prefetch", "only for a queue or a group: a broadcast has no window"));
        };
        let messages = range("prefetch.messages", prefetch.messages.into(), 0, 0, 100_000)?;
        let bytes = range("prefetch.bytes", prefetch.bytes, window.bytes as i64, 1, 256 << 20)?;
        *window = Window { messages: messages as u32, bytes: bytes as u64 };
        if *self.phase.borrow() == Phase::Open {
            valve.set(*window).await;
        }
        Ok(())
    }

    async fn drain(&mut self) {
        // In this order, so that what is on its way to the stream goes back only once nothing more is sent after it.
        if let Some((valve, window)) = &self.window {
            valve.set(Window { messages: 0, ..*window }).await;
        }
        let _ = self.phase.send(Phase::Draining);
    }
}

/// Sends results in the order of their settlements, as many at once as are ready.
async fn answer_all(mut in_flight: mpsc::Receiver<InFlight>, out: Out<pb::ConsumeResponse>) -> Result<(), Error> {
    while let Some(next) = in_flight.recv().await {
        let mut results = Results::default();
        results.push(next.result().await?);
        while results.has_room() {
            let Ok(next) = in_flight.try_recv() else { break };
            let mut adding = Box::pin(next.result());
            match futures::poll!(adding.as_mut()) {
                Poll::Ready(result) => results.push(result?),
                Poll::Pending => {
                    if results.send(&out).await.is_err() {
                        return Ok(());
                    }
                    results.push(adding.await?);
                }
            }
        }
        if results.send(&out).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

impl InFlight {
    async fn result(self) -> Result<pb::SettlementResult, Error> {
        let settled = self.settling.done().await?;
        Ok(pb::SettlementResult { id: self.id, statuses: statuses(settled) })
    }
}

/// Results that go into one response.
#[derive(Default)]
struct Results {
    results: Vec<pb::SettlementResult>,
    statuses: usize,
}

impl Results {
    /// Those without an id are waited for like the others, and not told.
    fn push(&mut self, result: pb::SettlementResult) {
        if result.id != 0 {
            self.statuses += result.statuses.len();
            self.results.push(result);
        }
    }

    fn has_room(&self) -> bool {
        self.results.len() < RESULTS_MAX && self.statuses < STATUSES_MAX
    }

    async fn send(&mut self, out: &Out<pb::ConsumeResponse>) -> Result<(), ()> {
        let settled = std::mem::take(&mut self.results);
        self.statuses = 0;
        if settled.is_empty() {
            return Ok(());
        }
        out.send(Ok(pb::ConsumeResponse { settled, ..Default::default() })).await.map_err(|_| ())
    }
}
