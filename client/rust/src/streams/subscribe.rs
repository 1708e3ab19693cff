//! A stream of deliveries.

use std::pin::Pin;
use std::task::{Context, Poll};

use ferrymq_proto::v1::{Delivery, Opened, SubscribeRequest, SubscribeResponse};
use futures::stream::{Stream, StreamExt as _};
use tonic::Streaming;

use crate::{Client, Error};

impl Client {
    /// Opens a stream of deliveries and waits until the broker says that it is open.
    pub async fn subscribe_stream(&self, request: SubscribeRequest) -> Result<SubscribeStream, Error> {
        let mut responses = self.messaging().subscribe(request).await?.into_inner();
        let first = responses.message().await?;
        let mut first = first.ok_or_else(|| Error::unavailable("the stream ended before it was open"))?;
        let opened = first.opened.take().unwrap_or_default();
        let first = (!first.deliveries.is_empty() || first.caught_up).then_some(first);
        Ok(SubscribeStream { responses, opened, first })
    }
}

/// Deliveries for as long as it lives; dropping it gives back what is not settled. Settle with [`Client::ack`] and
/// [`Client::nack`].
///
/// As a [`Stream`] it yields whole responses, heartbeats (without deliveries) included.
#[derive(Debug)]
pub struct SubscribeStream {
    responses: Streaming<SubscribeResponse>,
    opened: Opened,
    first: Option<SubscribeResponse>,
}

impl SubscribeStream {
    /// What was opened, with every default filled in.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// The next deliveries, never empty; `None` once the broker has ended the stream (only with `stop`).
    pub async fn next_batch(&mut self) -> Result<Option<Vec<Delivery>>, Error> {
        while let Some(response) = self.next().await {
            let response = response?;
            if !response.deliveries.is_empty() {
                return Ok(Some(response.deliveries));
            }
        }
        Ok(None)
    }
}

impl Stream for SubscribeStream {
    type Item = Result<SubscribeResponse, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        self.responses.poll_next_unpin(cx).map_err(Error::from)
    }
}
