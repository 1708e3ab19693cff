//! The accept loop: connections with every limit set (tonic leaves two of hyper's against abuse off).

mod calls;
mod connection;
mod connections;
mod places;
mod request;
mod trace;
mod web;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tower::Layer as _;

use calls::CallsLayer;
pub use calls::decode_status;
pub use connections::Connection;
pub use places::Places;
pub use trace::note;
use web::WebLayer;

/// What one connection may use, and how long its end may take.
#[derive(Debug, Clone, Copy)]
pub struct EdgeLimits {
    /// Whether HTTP/1.1 is spoken, for gRPC-Web.
    pub speaks_web: bool,
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

/// How often refused connections are reported while there are any.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// How long accepting rests after a failure.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `routes` until `draining` is true; then ends the connections, within the drain timeout.
///
/// While the connections of before end, new ones are still taken: their calls are told that the broker stops, and acks
/// are still heard.
pub async fn serve(
    listener: TcpListener,
    routes: tonic::service::Routes,
    limits: EdgeLimits,
    web_origins: Option<Arc<[String]>>,
    places: Arc<Places>,
    mut draining: watch::Receiver<bool>,
) {
    let service = WebLayer { origins: web_origins }.layer(CallsLayer.layer(routes.prepare()));
    let start = |(stream, place), closing| connection::serve(stream, service.clone(), limits, closing, place);
    let mut connections = JoinSet::new();
    let mut report = tokio::time::interval(REPORT_EVERY);
    report.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            accepted = next(&listener, &places) => drop(connections.spawn(start(accepted, draining.clone()))),
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            _ = report.tick(), if places.has_refused() => places.report(),
            () = stopped(&mut draining) => break,
        }
    }
    let deadline = Instant::now() + limits.drain_timeout;
    let (close, closing) = watch::channel(false);
    let mut late = JoinSet::new();
    while !connections.is_empty() {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = next(&listener, &places) => drop(late.spawn(start(accepted, closing.clone()))),
            () = tokio::time::sleep_until(deadline) => break,
        }
    }
    let _ = close.send(true);
    let rest = async { while late.join_next().await.is_some() {} };
    if tokio::time::timeout_at(deadline, rest).await.is_err() || !connections.is_empty() {
        let cut_off = connections.len() + late.len();
        tracing::warn!(cut_off, "connections were cut off after the drain timeout");
    }
}

/// The next connection that has a place.
async fn next(listener: &TcpListener, places: &Arc<Places>) -> (tokio::net::TcpStream, places::Place) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Some(place) = places.take(peer) {
                    return (stream, place);
                }
            }
            // For example out of file descriptors: others may end soon.
            Err(error) => {
                tracing::warn!(%error, "accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Waits until the broker stops.
pub async fn stopped(draining: &mut watch::Receiver<bool>) {
    // An error means that it is gone, which is the same.
    let _ = draining.wait_for(|draining| *draining).await;
}
