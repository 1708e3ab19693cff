//! Handling deliveries, some at a time.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ferrymq_proto::v1::SubscribeRequest;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};

use crate::subscriber::{Received, Settler, Subscriber};
use crate::{Client, Error};

const CONCURRENCY: usize = 8;
const CONCURRENCY_MAX: usize = 10_000;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a handler did not do its work. Any error becomes [`HandlerError::Retry`] with its text through `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandlerError {
    /// Again later, after the queue's backoff; dead-lettered after too many failures.
    Retry(String),
    /// Again after this long.
    RetryAfter(Duration, String),
    /// Never: dead-lettered now.
    Reject(String),
}

impl HandlerError {
    /// Will never work: to the dead-letter queue, with this reason.
    pub fn reject(reason: impl Into<String>) -> Self {
        Self::Reject(reason.into())
    }
}

// HandlerError is no Error itself: this would then not be possible.
impl<E: std::error::Error> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self::Retry(error.to_string())
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry(reason) | Self::RetryAfter(_, reason) => write!(f, "to be tried again: {reason}"),
            Self::Reject(reason) => write!(f, "rejected: {reason}"),
        }
    }
}

impl Client {
    /// A worker on a queue or group. Nothing is taken before [`Worker::run`].
    pub fn worker(&self, source: impl Into<SubscribeRequest>) -> Worker {
        Worker { client: self.clone(), source: source.into(), concurrency: CONCURRENCY, drain_timeout: DRAIN_TIMEOUT }
    }
}

/// Runs a handler for each delivery and settles by what it returns: Ok acks, an error retries or rejects, a panic retries.
#[derive(Clone, Debug)]
pub struct Worker {
    client: Client,
    source: SubscribeRequest,
    concurrency: usize,
    drain_timeout: Duration,
}

impl Worker {
    /// How many handlers run at a time, 1 to 10,000. Default 8. Unless the request says otherwise, twice as many messages are asked
    /// for, so that the next is there when one is done.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency.clamp(1, CONCURRENCY_MAX);
        self
    }

    /// How long handlers may take to end once it is told to stop. Default 30 s. Those that take longer are dropped at their next await,
    /// and their messages released.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Until the stream of deliveries ends for good, e.g. because the queue was deleted.
    pub async fn run<H, F>(self, handler: H) -> Result<(), Error>
    where
        H: Fn(Received) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        self.run_until(std::future::pending(), handler).await
    }

    /// Until `stop` is ready: then nothing new is begun, handlers end, and the rest is released without a failure.
    pub async fn run_until<H, F>(mut self, stop: impl Future<Output = ()>, handler: H) -> Result<(), Error>
    where
        H: Fn(Received) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        if self.source.prefetch == 0 {
            self.source.prefetch = i32::try_from(self.concurrency * 2).unwrap_or(i32::MAX);
        }
        let mut subscriber = self.client.subscribe(self.source.clone()).await?;
        let mut running = Running { handler: Arc::new(handler), tasks: JoinSet::new(), settlers: HashMap::new() };
        let ended = self.work(&mut subscriber, &mut running, stop).await;
        running.drain(self.drain_timeout).await;
        let closed = subscriber.close().await;
        ended.and(closed)
    }

    async fn work<H, F>(
        &self,
        subscriber: &mut Subscriber,
        running: &mut Running<H>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), Error>
    where
        H: Fn(Received) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        tokio::pin!(stop);
        loop {
            let has_room = running.tasks.len() < self.concurrency;
            tokio::select! {
                () = &mut stop => return Ok(()),
                Some(ended) = running.tasks.join_next_with_id() => running.settle(ended),
                delivery = subscriber.next(), if has_room => match delivery {
                    Some(delivery) => running.begin(delivery?.split()),
                    None => return Ok(()),
                },
            }
        }
    }
}

/// Handlers at work, and what settles their deliveries.
struct Running<H> {
    handler: Arc<H>,
    tasks: JoinSet<Result<(), HandlerError>>,
    settlers: HashMap<Id, Settler>,
}

impl<H> Running<H> {
    fn begin<F>(&mut self, (received, settler): (Received, Settler))
    where
        H: Fn(Received) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        let handler = Arc::clone(&self.handler);
        #[cfg(feature = "opentelemetry")]
        let work = {
            use opentelemetry::trace::FutureExt as _;
            let context = crate::trace::context_of(received.message());
            async move { handler(received).await }.with_context(context)
        };
        #[cfg(not(feature = "opentelemetry"))]
        let work = async move { handler(received).await };
        let task = self.tasks.spawn(work);
        self.settlers.insert(task.id(), settler);
    }

    fn settle(&mut self, ended: Result<(Id, Result<(), HandlerError>), JoinError>) {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, outcome),
            Err(error) if error.is_cancelled() => return self.release(error.id()),
            Err(error) => (error.id(), Err(HandlerError::Retry("the handler panicked".to_owned()))),
        };
        let Some(settler) = self.settlers.remove(&id) else { return };
        // Each goes its way without being waited for.
        drop(match outcome {
            Ok(()) => settler.ack(),
            Err(HandlerError::Retry(reason)) => settler.retry(reason),
            Err(HandlerError::RetryAfter(delay, reason)) => settler.retry_after(delay, reason),
            Err(HandlerError::Reject(reason)) => settler.reject(reason),
        });
    }

    fn release(&mut self, id: Id) {
        drop(self.settlers.remove(&id).map(Settler::release));
    }

    async fn drain(&mut self, timeout: Duration) {
        let until = Instant::now() + timeout;
        while let Ok(Some(ended)) = timeout_at(until, self.tasks.join_next_with_id()).await {
            self.settle(ended);
        }
        self.tasks.abort_all();
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.settle(ended);
        }
    }
}
