//! The outcome of a batch, for everyone who published a message of it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ferrymq_proto::v1::PublishResult;
use futures::FutureExt as _;
use futures::future::Shared;
use tokio::sync::oneshot;

use crate::Error;

/// One for all messages of a batch: none of them is cloned for those who do not ask.
type Outcome = Result<Arc<Vec<PublishResult>>, Error>;

/// Resolves when the message is on disk, or was refused with its batch.
#[derive(Clone, Debug)]
pub struct Confirm {
    outcome: Shared<oneshot::Receiver<Outcome>>,
    /// Of the message in its batch.
    index: usize,
}

impl Future for Confirm {
    type Output = Result<PublishResult, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let index = self.index;
        Pin::new(&mut self.outcome).poll(cx).map(|outcome| match outcome {
            Ok(Ok(results)) => results.get(index).cloned().ok_or_else(|| without("the broker's confirm has no result")),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(without("the publisher ended before the message was confirmed")),
        })
    }
}

fn without(reason: &str) -> Error {
    Error::unavailable(reason)
}

/// Tells everyone who waits for the messages of one batch.
#[derive(Debug)]
pub(super) struct Answer {
    sender: oneshot::Sender<Outcome>,
    outcome: Shared<oneshot::Receiver<Outcome>>,
}

impl Default for Answer {
    fn default() -> Self {
        let (sender, outcome) = oneshot::channel();
        Self { sender, outcome: outcome.shared() }
    }
}

impl Answer {
    /// For the message at `index` of the batch.
    pub(super) fn confirm(&self, index: usize) -> Confirm {
        Confirm { outcome: self.outcome.clone(), index }
    }

    /// A refusal that nobody waits for is logged.
    pub(super) fn give(self, outcome: Result<Vec<PublishResult>, Error>) {
        if let Err(error) = &outcome
            && self.outcome.strong_count() == Some(1)
        {
            tracing::warn!(target: "ferrymq", "a batch that nobody waits for was refused: {error}");
        }
        // Its receiver is kept here.
        let _ = self.sender.send(outcome.map(Arc::new));
    }
}
