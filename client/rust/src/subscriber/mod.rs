//! Deliveries, settled on the same stream, over reconnects.

mod carrier;
mod delivery;
mod encoding;
mod gather;
mod held;
mod settlements;
mod settling;
mod source;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use ferrymq_proto::v1::log_point::At;
use ferrymq_proto::v1::{LogEdge, Opened, SubscribeRequest};
use futures::stream::Stream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::backoff::Backoff;
use crate::consuming::{batches_max, decode, is_broadcast, open};
use crate::{Client, Error};
use carrier::{Arrived, Batch, Carrier, REQUESTS_MAX};
pub use delivery::{Delivery, Received, Settler};
pub(crate) use gather::{Action, GROUP_MAX, Gathered, Gatherer, Group, gathering};
pub(crate) use held::{Held, Slot};
pub use settling::Settling;
pub use source::{broadcast, group, queue};

/// The largest response taken, unless asked otherwise.
const RESPONSE_BYTES_MAX: i32 = 64 << 20;
const RESUME_WITHIN: prost_types::Duration = prost_types::Duration { seconds: 30, nanos: 0 };

impl Client {
    /// Subscribes to a [`queue`], a [`group`] of a topic, or a topic itself ([`broadcast`]: nothing to settle), and waits until the
    /// broker says that it is open. From then on it goes on by itself over reconnects, and what the program still works on is not
    /// delivered again within `resume_within` (30 s unless the request says otherwise).
    pub async fn subscribe(&self, request: impl Into<SubscribeRequest>) -> Result<Subscriber, Error> {
        let mut request = request.into();
        let is_broadcast = is_broadcast(&request);
        if request.max_response_bytes == 0 {
            request.max_response_bytes = RESPONSE_BYTES_MAX;
        }
        if !is_broadcast && !request.at_most_once && request.resume_within.is_none() {
            request.resume_within = Some(RESUME_WITHIN);
        }
        let since = if is_broadcast && begins_now(&request) { self.broker_time().await? } else { None };
        let (opened, stream) = open(self, request.clone(), REQUESTS_MAX).await?;
        request.resume_token = opened.resume_token.clone();
        let (gatherer, gathered) = gathering();
        let (sender, batches) = mpsc::channel(batches_max(is_broadcast));
        let (close, closed) = watch::channel(false);
        let carrier = Carrier {
            client: self.clone(),
            request,
            is_broadcast,
            since,
            gathered,
            batches: sender,
            close: closed,
            held: Held::default(),
            settlements: settlements::Settlements::default(),
            last: None,
            backoff: Backoff::default(),
        };
        let carrier = tokio::spawn(carrier.run(stream));
        let batch = Vec::new().into_iter();
        Ok(Subscriber { opened, batches, batch, close, gatherer: Arc::new(gatherer), carrier })
    }

    async fn broker_time(&self) -> Result<Option<SystemTime>, Error> {
        Ok(self.server_info().await?.time.and_then(|time| SystemTime::try_from(time).ok()))
    }
}

fn begins_now(request: &SubscribeRequest) -> bool {
    match request.start.as_ref().and_then(|point| point.at.as_ref()) {
        None => true,
        Some(At::Edge(edge)) => *edge == i32::from(LogEdge::Latest),
        Some(_) => false,
    }
}

/// Deliveries for as long as it lives. [`Subscriber::close`] ends it in order; dropping it does the same without waiting.
#[derive(Debug)]
pub struct Subscriber {
    opened: Opened,
    batches: mpsc::Receiver<Batch>,
    /// What has come and was not taken yet.
    batch: std::vec::IntoIter<Arrived>,
    close: watch::Sender<bool>,
    /// Of every delivery.
    gatherer: Arc<Gatherer>,
    carrier: JoinHandle<Result<(), Error>>,
}

impl Subscriber {
    /// What was opened, with every default filled in.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// The next delivery; `None` once the stream has ended (only with `stop`). An error is the end: trying again could not help.
    pub async fn next(&mut self) -> Option<Result<Delivery, Error>> {
        std::future::poll_fn(|cx| self.poll_delivery(cx)).await
    }

    /// Nothing more comes: settlements are answered, what is held or buffered goes back without a failure.
    pub async fn close(mut self) -> Result<(), Error> {
        self.stop();
        (&mut self.carrier).await.map_err(|e| Error::unavailable(&format!("the subscriber broke off: {e}")))?
    }

    fn stop(&mut self) {
        self.close.send_replace(true);
        self.batches.close();
    }

    fn decode(&mut self, arrived: Arrived) -> Result<Delivery, Error> {
        match decode(arrived.encoded) {
            Ok(delivery) => Ok(Delivery::new(delivery, arrived.slot, Arc::clone(&self.gatherer))),
            Err(error) => {
                // The end, as every error: what came behind it goes back.
                self.stop();
                self.batch = Vec::new().into_iter();
                while self.batches.try_recv().is_ok() {}
                Err(error)
            }
        }
    }

    fn poll_delivery(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Delivery, Error>>> {
        loop {
            if let Some(arrived) = self.batch.next() {
                return Poll::Ready(Some(self.decode(arrived)));
            }
            match std::task::ready!(self.batches.poll_recv(cx)) {
                Some(Ok(batch)) => self.batch = batch.into_iter(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Stream for Subscriber {
    type Item = Result<Delivery, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_delivery(cx)
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.stop();
    }
}
