//! The outcome of a batch, for everyone who published a message of it.

use std::pin::Pin;
use std::task::{Context, Poll};

use ferrymq_proto::v1::PublishResult;

use crate::Error;
use crate::answer::{self, Waiting};

/// Resolves when the message is on disk, or was refused with its batch.
#[derive(Clone, Debug)]
pub struct Confirm {
    outcome: Waiting<Vec<PublishResult>>,
    /// Of the message in its batch.
    index: usize,
}

impl Future for Confirm {
    type Output = Result<PublishResult, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let index = self.index;
        self.outcome.poll(cx, "the publisher ended before the message was confirmed").map(|results| {
            let result = results?.get(index).cloned();
            result.ok_or_else(|| Error::unavailable("the broker's confirm has no result"))
        })
    }
}

/// Tells everyone who waits for the messages of one batch.
#[derive(Debug, Default)]
pub(super) struct Answer(answer::Answer<Vec<PublishResult>>);

impl Answer {
    /// For the message at `index` of the batch.
    pub(super) fn confirm(&self, index: usize) -> Confirm {
        Confirm { outcome: self.0.waiting(), index }
    }

    /// A refusal that nobody waits for is logged.
    pub(super) fn give(self, outcome: Result<Vec<PublishResult>, Error>) {
        if let Err(error) = &outcome
            && !self.0.is_awaited()
        {
            tracing::warn!(target: "ferrymq", "a batch that nobody waits for was refused: {error}");
        }
        self.0.give(outcome);
    }
}
