//! Opening a `Consume` stream, for the bare one and for the one that reconnects.
//!
//! Deliveries stay as they came until the program takes them: a decoded one is half a kilobyte, which would be moved and kept for
//! nothing.

use bytes::Bytes;
use ferrymq_proto::raw::{EncodedConsumeRequest, RawConsumeResponse};
use ferrymq_proto::v1::subscribe_request::Source;
use ferrymq_proto::v1::{Opened, SubscribeRequest};
use prost::Message;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::client::RESPONSE_BYTES_MAX;
use crate::{Client, Error};

const PATH: &str = "/ferrymq.v1.MessagingService/Consume";
/// Where nothing is settled: batches that wait for the program.
const BROADCAST_BATCHES_MAX: usize = 4;
/// Else the prefetch bounds what is unsettled; it is at most so many messages.
const BATCHES_MAX: usize = 100_000;

/// An open stream.
pub(crate) struct Consuming {
    pub(crate) requests: mpsc::Sender<EncodedConsumeRequest>,
    pub(crate) responses: Streaming<RawConsumeResponse>,
    /// What came with `opened`.
    pub(crate) first: RawConsumeResponse,
}

/// Opens a stream and waits until the broker says that it is open. So many requests wait for the connection.
pub(crate) async fn open(
    client: &Client,
    request: SubscribeRequest,
    requests_max: usize,
) -> Result<(Opened, Consuming), Error> {
    let ended = || Error::unavailable("the stream ended before it was open");
    let (requests, to_send) = mpsc::channel(requests_max);
    let open = EncodedConsumeRequest { open: Some(request), ..EncodedConsumeRequest::default() };
    requests.try_send(open).map_err(|_| ended())?;
    let mut responses: Streaming<RawConsumeResponse> = client.stream(PATH, to_send, RESPONSE_BYTES_MAX).await?;
    let mut first = responses.message().await?.ok_or_else(ended)?;
    let opened = first.opened.take().unwrap_or_default();
    Ok((opened, Consuming { requests, responses, first }))
}

/// A topic without a group: nothing is settled.
pub(crate) fn is_broadcast(request: &SubscribeRequest) -> bool {
    request.group.is_empty() && matches!(request.source, Some(Source::Topic(_)))
}

/// Batches that may wait for the program.
pub(crate) fn batches_max(is_broadcast: bool) -> usize {
    if is_broadcast { BROADCAST_BATCHES_MAX } else { BATCHES_MAX }
}

/// What came encoded, as gRPC does it.
pub(crate) fn decode<M: Message + Default>(encoded: Bytes) -> Result<M, Error> {
    M::decode(encoded).map_err(|e| Status::internal(format!("the broker sent what cannot be read: {e}")).into())
}
