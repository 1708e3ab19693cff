//! One connection: HTTP/2 with every limit set.

use std::io::Cursor;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tonic::body::Body;
use tonic::transport::server::TcpConnectInfo;
use tower::Service;

use super::connections::Counting;
use super::places::Place;
use super::request::RequestBody;
use super::{EdgeLimits, stopped};

/// What every HTTP/2 client says first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a connection that is closed by request may take to hear why.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

const LOCAL_RESETS_MAX: usize = 1_024;
const PENDING_RESETS_MAX: usize = 20;
const HEADER_BYTES_MAX: u32 = 16 << 10;
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
const SEND_BUFFER_BYTES: usize = 128 << 10;

/// Serves one connection until its peer has gone, or `closing` is true and its open calls have ended.
pub(super) async fn serve<S>(
    mut stream: TcpStream,
    service: S,
    limits: EdgeLimits,
    mut closing: watch::Receiver<bool>,
    place: Place,
) where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = std::convert::Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    let _ = stream.set_nodelay(true);
    // Who connects and says nothing, or something else, must not keep a place.
    let greeted = tokio::select! {
        greeted = tokio::time::timeout(limits.first_bytes_timeout, greeting(&mut stream)) => greeted,
        () = stopped(&mut closing) => return,
    };
    let Ok(Some(preface)) = greeted else { return };
    let info = TcpConnectInfo { local_addr: stream.local_addr().ok(), remote_addr: stream.peer_addr().ok() };
    let service = tower::ServiceBuilder::new()
        .map_request(move |mut request: http::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(info.clone());
            request.map(|body| Body::new(RequestBody(body)))
        })
        .service(Counting { inner: service, connection: place.connection.clone() });
    let (reader, writer) = stream.into_split();
    let stream = tokio::io::join(Cursor::new(preface).chain(reader), writer);
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
        () = stopped(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        _ = place.connection.closed() => {
            connection.as_mut().graceful_shutdown();
            // Its streams end by themselves, if it reads that.
            tokio::time::timeout(CLOSE_TIMEOUT, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// The first bytes of a connection, if they are those of HTTP/2.
async fn greeting(stream: &mut TcpStream) -> Option<[u8; PREFACE.len()]> {
    let mut bytes = [0; PREFACE.len()];
    stream.read_exact(&mut bytes).await.ok()?;
    (bytes == *PREFACE).then_some(bytes)
}
