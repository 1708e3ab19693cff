//! Opening a `Consume` stream, for the bare one and for the one that reconnects.

use ferrymq_proto::v1::subscribe_request::Source;
use ferrymq_proto::v1::{ConsumeRequest, ConsumeResponse, Opened, SubscribeRequest};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::{Client, Error};

/// Where nothing is settled: batches that wait for the program.
const BROADCAST_BATCHES_MAX: usize = 4;
/// Else the prefetch bounds what is unsettled; it is at most so many messages.
const BATCHES_MAX: usize = 100_000;

/// An open stream.
pub(crate) struct Consuming {
    pub(crate) requests: mpsc::Sender<ConsumeRequest>,
    pub(crate) responses: Streaming<ConsumeResponse>,
    /// What came with `opened`.
    pub(crate) first: ConsumeResponse,
}

/// Opens a stream and waits until the broker says that it is open. So many requests wait for the connection.
pub(crate) async fn open(
    client: &Client,
    request: SubscribeRequest,
    requests_max: usize,
) -> Result<(Opened, Consuming), Error> {
    let ended = || Error::unavailable("the stream ended before it was open");
    let (requests, to_send) = mpsc::channel(requests_max);
    let open = ConsumeRequest { open: Some(request), ..ConsumeRequest::default() };
    requests.try_send(open).map_err(|_| ended())?;
    let mut responses = client.messaging().consume(ReceiverStream::new(to_send)).await?.into_inner();
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
