//! One connection as operators see it: who it is, what is open on it, and its end.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::SystemTime;

use futures::future::BoxFuture;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::watch;
use tonic::body::Body;
use tower::Service;

/// The longest user agent that is remembered, in characters.
const USER_AGENT_CHARS_MAX: usize = 256;

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    /// Its number since the broker's start.
    pub number: u64,
    /// The other side.
    pub peer: SocketAddr,
    /// Since when it is open.
    pub start_time: SystemTime,
    user_agent: OnceLock<String>,
    streams: AtomicI32,
    close: watch::Sender<Option<String>>,
}

impl Connection {
    pub(super) fn new(number: u64, peer: SocketAddr) -> Self {
        Self {
            number,
            peer,
            start_time: SystemTime::now(),
            user_agent: OnceLock::new(),
            streams: AtomicI32::new(0),
            close: watch::Sender::new(None),
        }
    }

    /// As clients see it; in the order of the numbers.
    pub fn id(&self) -> String {
        format!("{:012x}", self.number)
    }

    /// What the client calls itself.
    pub fn user_agent(&self) -> &str {
        self.user_agent.get().map_or("", String::as_str)
    }

    /// Streams that are open.
    pub fn streams(&self) -> i32 {
        self.streams.load(Ordering::Relaxed)
    }

    /// Ends it; its streams are told why.
    pub fn close(&self, reason: String) {
        self.close.send_replace(Some(reason));
    }

    /// True once somebody has closed it.
    pub fn is_closed(&self) -> bool {
        self.close.borrow().is_some()
    }

    /// Waits until somebody closes it; the reason.
    pub async fn closed(&self) -> String {
        let mut close = self.close.subscribe();
        // The sender lives as long as this.
        let reason = close.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| reason.clone()).unwrap_or_default()
    }
}

/// The services, with what is open of them counted, for the calls of one connection.
#[derive(Clone)]
pub(super) struct Counting<S> {
    pub(super) inner: S,
    pub(super) connection: Arc<Connection>,
}

impl<S> Service<http::Request<Body>> for Counting<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let connection = &self.connection;
        connection.user_agent.get_or_init(|| {
            let agent = request.headers().get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok());
            agent.unwrap_or_default().chars().take(USER_AGENT_CHARS_MAX).collect()
        });
        request.extensions_mut().insert(connection.clone());
        let open = Open::new(connection);
        let answer = self.inner.call(request);
        Box::pin(async move { Ok(answer.await?.map(|inner| Body::new(Counted { inner, _open: open }))) })
    }
}

/// One stream that is open.
struct Open(Arc<Connection>);

impl Open {
    fn new(connection: &Arc<Connection>) -> Self {
        connection.streams.fetch_add(1, Ordering::Relaxed);
        Self(connection.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer; its stream is open until it has been sent.
struct Counted {
    inner: Body,
    _open: Open,
}

impl HttpBody for Counted {
    type Data = bytes::Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
