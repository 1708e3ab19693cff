//! Publishing: one batch, or a stream of them with confirms in order.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use ferrymq_proto::raw::{Destination as Raw, RawPublishRequest};
use ferrymq_proto::{server as pb, v1};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::StreamExt as _;
use tonic::{Status, Streaming};

use super::{Api, status};
use crate::broker::{Destination, Published};
use crate::catalogue::settings::{millis, unsupported};
use crate::committer::{Patience, Stream};
use crate::error::Error;

/// Batches of one publish stream that are on their way to the disk.
const STREAM_BATCHES_MAX: usize = 1_024;
/// Confirms in one response.
const CONFIRMS_MAX: usize = 256;
/// The longest that a publish may wait for room.
const WAIT_MAX_MS: u64 = 3_600_000;

type Confirms = mpsc::Receiver<Result<pb::PublishStreamResponse, Status>>;

fn destination(request: &RawPublishRequest) -> Result<Destination<'_>, Error> {
    match &request.destination {
        Some(Raw::Topic(name)) => Ok(Destination::Topic(name)),
        Some(Raw::Queue(name)) => Ok(Destination::Queue(name)),
        Some(Raw::ReplyTo(_)) => Err(Error::not_supported("reply_to")),
        None => Err(Error::invalid("destination", "exactly one of topic, queue, reply_to must be set")),
    }
}

/// How long it waits for room.
fn patience(request: &RawPublishRequest, unset: Patience) -> Result<Patience, Error> {
    match &request.wait_for_room {
        None => Ok(unset),
        Some(wait) => {
            let wait = Duration::from_millis(millis("wait_for_room", Some(wait), 0, 0, WAIT_MAX_MS)?);
            Ok(Patience::Until(Instant::now() + wait))
        }
    }
}

fn response(published: &Published) -> pb::PublishResponse {
    let results = published.matched.iter().enumerate().map(|(index, matched)| pb::PublishResult {
        position: Some(pb::Position { log: published.log.0 as i64, offset: published.base as i64 + index as i64 }),
        queues_matched: *matched as i32,
        ..Default::default()
    });
    pb::PublishResponse { results: results.collect() }
}

impl Api {
    /// One batch.
    pub(super) async fn publish_one(&self, request: RawPublishRequest) -> Result<pb::PublishResponse, Error> {
        self.check_batch(&request)?;
        let patience = patience(&request, Patience::None)?;
        let to = destination(&request)?;
        let publishing =
            self.broker.publish(to, &request.messages, request.require_route, "", (patience, None)).await?;
        Ok(response(&publishing.confirmed().await?))
    }

    /// Takes batches until the client ends its side; all that were handed in are confirmed before the stream ends.
    pub(super) fn take_batches(&self, mut requests: Streaming<pb::PublishStreamRequest>) -> Result<Confirms, Error> {
        self.broker.check_serving()?;
        let (out, responses) = mpsc::channel(8);
        let (batches, in_flight) = mpsc::channel(STREAM_BATCHES_MAX);
        let api = self.clone();
        let stream = self.broker.committer.stream();
        let mut draining = self.broker.draining.clone();
        tokio::spawn(async move {
            let confirms = tokio::spawn(confirm_all(in_flight, out.clone()));
            let end: Result<(), Status> = loop {
                let next = tokio::select! {
                    next = requests.next() => next,
                    () = crate::edge::stopped(&mut draining) => break Err(Error::draining().into()),
                    () = out.closed() => return,
                };
                match next {
                    None => break Ok(()),
                    Some(Err(status)) => break Err(crate::edge::decode_status(status)),
                    Some(Ok(request)) => {
                        let handed = match request.batch {
                            // It may wait for room on the disk, but not for a client that has gone.
                            Some(batch) => tokio::select! {
                                handed = api.hand_in(batch, &stream) => handed,
                                () = out.closed() => return,
                            },
                            None => Err(Error::invalid("batch", "is required")),
                        };
                        if batches.send((request.id, handed)).await.is_err() {
                            return;
                        }
                    }
                }
            };
            // What was handed in is confirmed before the stream ends.
            drop(batches);
            let _ = confirms.await;
            if let Err(status) = end {
                let _ = out.send(Err(status)).await;
            }
        });
        Ok(responses)
    }

    fn check_batch(&self, request: &RawPublishRequest) -> Result<(), Error> {
        unsupported(request.producer.is_some(), "producer")?;
        let bytes: usize = request.messages.iter().map(Bytes::len).sum();
        let max = self.broker.limits.request_bytes_max;
        if bytes > max {
            let rule = format!("together at most {max} bytes, and are {bytes}");
            return Err(Error::new(v1::ErrorReason::BatchTooLarge, format!("messages: {rule}")).field("messages", rule));
        }
        Ok(())
    }

    /// One batch of a stream: handed in before the next is read, so that one destination's order is kept.
    async fn hand_in(&self, batch: RawPublishRequest, stream: &Stream) -> Result<InFlight, Error> {
        self.check_batch(&batch)?;
        let to = destination(&batch)?;
        // A stream waits without end: its sender is held back by the room that it takes meanwhile.
        let patience = patience(&batch, Patience::Endless)?;
        let publishing =
            self.broker.publish(to, &batch.messages, batch.require_route, "", (patience, Some(stream))).await?;
        Ok(Box::pin(publishing.confirmed()))
    }
}

type InFlight = Pin<Box<dyn Future<Output = Result<Published, Error>> + Send>>;

fn confirm(id: i64, result: Result<Published, Error>) -> pb::PublishConfirm {
    let outcome = match result {
        Ok(published) => pb::publish_confirm::Outcome::Confirmed(response(&published)),
        Err(error) => pb::publish_confirm::Outcome::Failure(status::failure(&error)),
    };
    pb::PublishConfirm { id, outcome: Some(outcome) }
}

/// Sends confirms in the order of their batches, as many at once as are ready.
async fn confirm_all(
    mut batches: mpsc::Receiver<(i64, Result<InFlight, Error>)>,
    out: mpsc::Sender<Result<pb::PublishStreamResponse, Status>>,
) {
    while let Some((id, in_flight)) = batches.recv().await {
        let mut confirms = vec![settled(id, in_flight).await];
        while confirms.len() < CONFIRMS_MAX {
            let Ok((id, in_flight)) = batches.try_recv() else { break };
            let mut next = Box::pin(settled(id, in_flight));
            match futures::poll!(next.as_mut()) {
                std::task::Poll::Ready(confirm) => confirms.push(confirm),
                std::task::Poll::Pending => {
                    let response = pb::PublishStreamResponse { confirms: std::mem::take(&mut confirms) };
                    if out.send(Ok(response)).await.is_err() {
                        return;
                    }
                    confirms.push(next.await);
                }
            }
        }
        if out.send(Ok(pb::PublishStreamResponse { confirms })).await.is_err() {
            return;
        }
    }
}

async fn settled(id: i64, in_flight: Result<InFlight, Error>) -> pb::PublishConfirm {
    match in_flight {
        Ok(in_flight) => confirm(id, in_flight.await),
        Err(error) => confirm(id, Err(error)),
    }
}
