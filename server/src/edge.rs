//! The accept loop: connections with every limit set (tonic leaves two of hyper's against abuse off), and the layer that turns
//! what tonic itself refuses into our errors.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ferrymq_proto::v1::ErrorReason;
use futures::future::BoxFuture;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::error::Error;

/// What one broker, and one connection of it, may use.
#[derive(Debug, Clone, Copy)]
pub struct EdgeLimits {
    /// Most connections.
    pub connections_max: usize,
    /// Most open streams of a connection.
    pub streams_max: u32,
    /// How long a new connection may stay silent.
    pub first_bytes_timeout: Duration,
    /// How often a quiet connection is asked whether it is alive.
    pub keepalive_interval: Duration,
    /// How long its answer may take.
    pub keepalive_timeout: Duration,
    /// How long streams may take to end when the broker stops.
    pub drain_timeout: Duration,
}

const LOCAL_RESETS_MAX: usize = 1_024;
const PENDING_RESETS_MAX: usize = 20;
const PREFACE_BYTES: usize = 1;
const HEADER_BYTES_MAX: u32 = 16 << 10;
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
const SEND_BUFFER_BYTES: usize = 128 << 10;

/// Serves `routes` until `draining` is true; then ends the connections, within the drain timeout.
pub async fn serve(
    listener: TcpListener,
    routes: tonic::service::Routes,
    limits: EdgeLimits,
    mut draining: watch::Receiver<bool>,
) {
    let service = RefusalLayer.layer(routes.prepare());
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut draining) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        match accepted {
            Ok((stream, _)) => match places.clone().try_acquire_owned() {
                Ok(place) => {
                    drop(connections.spawn(connection(stream, service.clone(), limits, draining.clone(), place)))
                }
                Err(_) => tracing::warn!(max = limits.connections_max, "a connection was refused: there are too many"),
            },
            // For example out of file descriptors: others may end soon.
            Err(error) => {
                tracing::warn!(%error, "accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain_timeout, all).await.is_err() {
        tracing::warn!("connections were cut off after the drain timeout");
    }
}

async fn connection<S>(
    stream: TcpStream,
    service: S,
    limits: EdgeLimits,
    mut draining: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = std::convert::Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let _ = stream.set_nodelay(true);
    // Who connects and says nothing must not keep a place.
    match tokio::time::timeout(limits.first_bytes_timeout, stream.peek(&mut [0; PREFACE_BYTES])).await {
        Ok(Ok(bytes)) if bytes > 0 => {}
        _ => return,
    }
    let info = TcpConnectInfo { local_addr: stream.local_addr().ok(), remote_addr: stream.peer_addr().ok() };
    let service = tower::ServiceBuilder::new()
        .map_request(move |mut request: http::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(info.clone());
            request.map(Body::new)
        })
        .service(service);
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_local_error_reset_streams(LOCAL_RESETS_MAX)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .keep_alive_interval(limits.keepalive_interval)
        .keep_alive_timeout(limits.keepalive_timeout)
        .max_header_list_size(HEADER_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut draining) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Waits until the broker stops.
pub async fn stopped(draining: &mut watch::Receiver<bool>) {
    // An error means that it is gone, which is the same.
    let _ = draining.wait_for(|draining| *draining).await;
}

/// Parts of what tonic says of a request that it cannot read.
const MALFORMED: [&str; 5] = ["decode", "decoding", "Missing request message", "protocol error", "compress"];

/// What tonic says of a request that is too large or malformed, in our words.
pub fn decode_status(status: Status) -> Status {
    let message = status.message().to_owned();
    match status.code() {
        Code::OutOfRange if message.contains("message length too large") => {
            let rule = format!("the request is too large ({message})");
            Error::new(ErrorReason::BatchTooLarge, rule.clone()).field("", rule).into()
        }
        Code::Internal if MALFORMED.iter().any(|part| message.contains(part)) => {
            let rule = format!("the request is not a well-formed protobuf message ({message})");
            Error::invalid("", rule).into()
        }
        _ => status,
    }
}

/// Wraps the services in [`Refusal`].
#[derive(Debug, Clone, Copy)]
struct RefusalLayer;

impl<S> Layer<S> for RefusalLayer {
    type Service = Refusal<S>;

    fn layer(&self, inner: S) -> Refusal<S> {
        Refusal { inner }
    }
}

/// Applies [`decode_status`] to answers that are only a status.
#[derive(Debug, Clone)]
struct Refusal<S> {
    inner: S,
}

impl<S> Service<http::Request<Body>> for Refusal<S>
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

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            let Some(status) = Status::from_header_map(answer.headers()) else { return Ok(answer) };
            if status.code() == Code::Ok || !status.details().is_empty() {
                return Ok(answer);
            }
            Ok(decode_status(status).into_http())
        })
    }
}
