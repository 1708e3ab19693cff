//! The accept loop: connections with every limit set (tonic leaves two of hyper's against abuse off).

mod places;
mod refusal;

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tonic::body::Body;
use tonic::transport::server::TcpConnectInfo;
use tower::{Layer as _, Service};

use places::Place;
pub use places::Places;
use refusal::RefusalLayer;
pub use refusal::decode_status;

/// What one connection may use, and how long its end may take.
#[derive(Debug, Clone, Copy)]
pub struct EdgeLimits {
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

/// How often refused connections are reported while there are any.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Serves `routes` until `draining` is true; then ends the connections, within the drain timeout.
pub async fn serve(
    listener: TcpListener,
    routes: tonic::service::Routes,
    limits: EdgeLimits,
    places: Arc<Places>,
    mut draining: watch::Receiver<bool>,
) {
    let service = RefusalLayer.layer(routes.prepare());
    let mut connections = JoinSet::new();
    let mut report = tokio::time::interval(REPORT_EVERY);
    report.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut draining) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            _ = report.tick(), if places.has_refused() => {
                places.report();
                continue;
            }
        };
        match accepted {
            Ok((stream, peer)) => {
                if let Some(place) = places.take(peer.ip()) {
                    connections.spawn(connection(stream, service.clone(), limits, draining.clone(), place));
                }
            }
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
    _place: Place,
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
