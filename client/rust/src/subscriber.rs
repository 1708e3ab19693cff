//! A stream of deliveries.

use std::pin::Pin;
use std::task::{Context, Poll};

use ferrymq_proto::v1::subscribe_request::Source;
use ferrymq_proto::v1::{Delivery, Opened, SubscribeRequest, SubscribeResponse};
use futures::stream::{Stream, StreamExt as _};
use tonic::Streaming;

use crate::{Client, Error};

/// Asks for a queue's messages, which its consumers share.
pub fn queue(name: impl Into<String>) -> SubscribeRequest {
    SubscribeRequest { source: Some(Source::Queue(name.into())), ..SubscribeRequest::default() }
}

/// Asks for the messages of a topic as a member of `group`, which is made if it is not there.
pub fn group(topic: impl Into<String>, group: impl Into<String>) -> SubscribeRequest {
    SubscribeRequest {
        source: Some(Source::Topic(topic.into())),
        group: group.into(),
        create_if_missing: true,
        ..SubscribeRequest::default()
    }
}

/// Asks for what is published to a topic from now on (or from `start`), without a group: there is nothing to ack.
pub fn broadcast(topic: impl Into<String>) -> SubscribeRequest {
    SubscribeRequest { source: Some(Source::Topic(topic.into())), ..SubscribeRequest::default() }
}

impl Client {
    /// Opens a stream of deliveries and waits until the broker says that it is open.
    pub async fn subscribe(&self, request: SubscribeRequest) -> Result<Subscriber, Error> {
        let mut responses = self.messaging().subscribe(request).await?.into_inner();
        let first = responses.message().await?;
        let mut first = first.ok_or_else(|| Error::unavailable("the stream ended before it was open"))?;
        let opened = first.opened.take().unwrap_or_default();
        let first = (!first.deliveries.is_empty() || first.caught_up).then_some(first);
        Ok(Subscriber { responses, opened, first })
    }
}

/// Deliveries for as long as it lives; dropping it gives back what is not settled. Settle with [`Client::ack`] and
/// [`Client::nack`].
///
/// As a [`Stream`] it yields whole responses, heartbeats (without deliveries) included.
#[derive(Debug)]
pub struct Subscriber {
    responses: Streaming<SubscribeResponse>,
    opened: Opened,
    first: Option<SubscribeResponse>,
}

impl Subscriber {
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

impl Stream for Subscriber {
    type Item = Result<SubscribeResponse, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        self.responses.poll_next_unpin(cx).map_err(Error::from)
    }
}
