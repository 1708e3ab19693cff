//! One answer for everyone who waits for a part of it: nothing is made for those who do not ask.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::Shared;
use tokio::sync::oneshot;

use crate::Error;

type Outcome<T> = Result<Arc<T>, Error>;

/// Tells everyone who waits for it.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    sender: oneshot::Sender<Outcome<T>>,
    waiting: Waiting<T>,
}

/// Waits for an answer.
#[derive(Debug)]
pub(crate) struct Waiting<T>(Shared<oneshot::Receiver<Outcome<T>>>);

impl<T> Default for Answer<T> {
    fn default() -> Self {
        let (sender, outcome) = oneshot::channel();
        Self { sender, waiting: Waiting(outcome.shared()) }
    }
}

impl<T> Clone for Waiting<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Answer<T> {
    pub(crate) fn waiting(&self) -> Waiting<T> {
        self.waiting.clone()
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.waiting.0.strong_count() != Some(1)
    }

    pub(crate) fn give(self, outcome: Result<T, Error>) {
        // Its receiver is kept here.
        let _ = self.sender.send(outcome.map(Arc::new));
    }
}

impl<T> Waiting<T> {
    /// The answer; UNAVAILABLE, because of `gone`, if there will be none.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, gone: &str) -> Poll<Outcome<T>> {
        Pin::new(&mut self.0).poll(cx).map(|outcome| outcome.unwrap_or_else(|_| Err(Error::unavailable(gone))))
    }
}
