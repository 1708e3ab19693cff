//! The task that owns a publisher's stream and all that is unconfirmed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ferrymq_proto::raw::EncodedPublishStreamRequest;
use ferrymq_proto::v1::publish_confirm::Outcome;
use ferrymq_proto::v1::{PublishConfirm, PublishResult, PublishStreamResponse};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tonic::Streaming;

use super::buffer::{Batch, Buffer, Ready};
use crate::backoff::Backoff;
use crate::{Client, Error};

/// Batches that wait for the connection; all of them are counted in `unconfirmed_bytes`.
const REQUESTS_MAX: usize = 4;
/// A confirm takes some 30 bytes for each message.
const RESPONSE_BYTES_MAX: usize = 64 << 20;
const PATH: &str = "/ferrymq.v1.MessagingService/PublishStream";

pub(super) struct Sender {
    client: Client,
    publish_timeout: Duration,
    buffer: Arc<Buffer>,
    /// In the order they were first sent, with their ids.
    unconfirmed: VecDeque<(i64, Batch)>,
    last_id: i64,
    backoff: Backoff,
}

impl Sender {
    pub(super) fn new(client: Client, publish_timeout: Duration, buffer: Arc<Buffer>) -> Self {
        let unconfirmed = VecDeque::new();
        Self { client, publish_timeout, buffer, unconfirmed, last_id: 0, backoff: Backoff::default() }
    }

    /// Until the publisher is closed and all is answered, or the broker refuses the stream for good.
    pub(super) async fn run(mut self) -> Result<(), Error> {
        while self.has_work().await {
            match self.connected().await {
                Ok(()) => break,
                Err(error) if error.is_passing() => self.wait(&error).await,
                Err(error) => {
                    self.buffer.end(error.clone());
                    self.fail_all(&error);
                    return Err(error);
                }
            }
        }
        self.buffer.end(Error::unavailable("the publisher has been closed"));
        Ok(())
    }

    /// Waits for something to send; false once there will be nothing more.
    async fn has_work(&self) -> bool {
        loop {
            if !self.unconfirmed.is_empty() || !self.buffer.is_empty() {
                return true;
            }
            if self.buffer.is_closing() {
                return false;
            }
            self.buffer.wake.notified().await;
        }
    }

    /// One stream, to its end: Ok if everything was answered and nothing more comes.
    async fn connected(&mut self) -> Result<(), Error> {
        let (requests, to_send) = mpsc::channel(REQUESTS_MAX);
        let mut responses = self.client.stream(PATH, to_send, RESPONSE_BYTES_MAX).await?;
        let mut again = 0;
        loop {
            let ready =
                if again < self.unconfirmed.len() { Ready::Now } else { self.buffer.ready(self.unconfirmed.len()) };
            if ready == Ready::No && self.unconfirmed.is_empty() && self.buffer.is_empty() && self.buffer.is_closing() {
                drop(requests);
                return last(responses).await;
            }
            let linger = if let Ready::At(due) = ready { Some(due) } else { None };
            tokio::select! {
                response = responses.message() => {
                    let answered = self.take(response?.ok_or_else(ended_early)?);
                    again = again.saturating_sub(answered);
                }
                room = requests.reserve(), if ready == Ready::Now => {
                    let room = room.map_err(|_| ended_early())?;
                    if let Some(request) = self.next(again) {
                        room.send(request);
                        again += 1;
                    }
                }
                () = self.buffer.wake.notified() => {}
                () = sleep_until(linger.unwrap_or_else(Instant::now)), if linger.is_some() => {}
            }
        }
    }

    /// The unconfirmed batch at `at`, made of what is buffered if it is not there yet.
    fn next(&mut self, at: usize) -> Option<EncodedPublishStreamRequest> {
        if at == self.unconfirmed.len() {
            self.last_id += 1;
            let batch = self.buffer.take()?;
            self.unconfirmed.push_back((self.last_id, batch));
        }
        let (id, batch) = self.unconfirmed.get(at)?;
        Some(EncodedPublishStreamRequest { id: *id, batch: batch.request.clone() })
    }

    /// Hands on what is confirmed or refused; how many batches that were.
    fn take(&mut self, response: PublishStreamResponse) -> usize {
        self.backoff.reset();
        let before = self.unconfirmed.len();
        for confirm in response.confirms {
            // The broker answers in order: it is the first.
            let at = self.unconfirmed.iter().position(|(id, _)| *id == confirm.id);
            if let Some((_, batch)) = at.and_then(|at| self.unconfirmed.remove(at)) {
                self.buffer.room.add_permits(batch.bytes);
                batch.answer.give(outcome(confirm));
            }
        }
        before - self.unconfirmed.len()
    }

    /// After a break: gives up what is too old, and waits before the next attempt.
    async fn wait(&mut self, error: &Error) {
        let pause = self.backoff.next(error.retry_after());
        tracing::warn!(target: "ferrymq", "publish stream broke off, trying again in {pause:?}: {error}");
        let until = Instant::now() + pause;
        let oldest = self.unconfirmed.front().map(|(_, batch)| batch.since).or_else(|| self.buffer.oldest());
        let expiry = oldest.map_or(until, |since| since + self.publish_timeout);
        sleep_until(until.min(expiry)).await;
        self.give_up(error);
    }

    /// Fails what was published longer ago than `publish_timeout`.
    fn give_up(&mut self, error: &Error) {
        let now = Instant::now();
        let timeout = self.publish_timeout;
        let is_late = |since: Instant| now.saturating_duration_since(since) >= timeout;
        let late = |timeout: Duration| Error::unavailable(&format!("not confirmed within {timeout:?}: {error}"));
        while self.unconfirmed.front().is_some_and(|(_, batch)| is_late(batch.since)) {
            if let Some((_, batch)) = self.unconfirmed.pop_front() {
                self.fail(batch, late(timeout));
            }
        }
        while self.buffer.oldest().is_some_and(is_late) {
            let Some(batch) = self.buffer.take() else { break };
            self.fail(batch, late(timeout));
        }
    }

    /// What was sent may be stored whatever the stream ended with: a proxy's codes and those of a broken connection are the same as
    /// the broker's. What was not sent is not stored.
    fn fail_all(&mut self, error: &Error) {
        let code = error.code().description();
        let unknown = Error::unavailable(&format!(
            "not known whether it is stored, as the publish stream ended: {error} ({code})"
        ));
        while let Some((_, batch)) = self.unconfirmed.pop_front() {
            self.fail(batch, unknown.clone());
        }
        while let Some(batch) = self.buffer.take() {
            self.fail(batch, error.clone());
        }
    }

    fn fail(&self, batch: Batch, error: Error) {
        self.buffer.room.add_permits(batch.bytes);
        batch.answer.give(Err(error));
    }
}

fn outcome(confirm: PublishConfirm) -> Result<Vec<PublishResult>, Error> {
    match confirm.outcome {
        Some(Outcome::Confirmed(response)) => Ok(response.results),
        Some(Outcome::Failure(failure)) => Err(failure.into()),
        None => Err(Error::unavailable("the broker sent a confirm without an outcome")),
    }
}

async fn last(mut responses: Streaming<PublishStreamResponse>) -> Result<(), Error> {
    while responses.message().await?.is_some() {}
    Ok(())
}

fn ended_early() -> Error {
    Error::unavailable("the publish stream ended before everything was confirmed")
}
