//! One connection: HTTP/2, or HTTP/1.1 where browsers may call, with every limit set.

use std::io::Cursor;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
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
/// What a browser says first, where it may call.
const WEB_METHODS: [&[u8]; 2] = [b"POST /", b"OPTIONS /"];

/// How long a connection that is closed by request may take to hear why.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

const LOCAL_RESETS_MAX: usize = 1_024;
const PENDING_RESETS_MAX: usize = 20;
const HEADER_BYTES_MAX: u32 = 16 << 10;
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
const SEND_BUFFER_BYTES: usize = 128 << 10;
/// Of HTTP/1.1: a head has to fit in.
const WEB_BUFFER_BYTES: usize = 64 << 10;

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
    let Ok(Some(first)) = greeted else { return };
    let Some(protocol) = Protocol::of(&first, limits.speaks_web) else { return };
    let info = TcpConnectInfo { local_addr: stream.local_addr().ok(), remote_addr: stream.peer_addr().ok() };
    let service = tower::ServiceBuilder::new()
        .map_request(move |mut request: http::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(info.clone());
            request.map(|body| Body::new(RequestBody(body)))
        })
        .service(Counting { inner: service, connection: place.connection.clone() });
    let service = TowerToHyperService::new(service);
    let (reader, writer) = stream.into_split();
    let stream = TokioIo::new(tokio::io::join(Cursor::new(first).chain(reader), writer));
    let ended = match protocol {
        Protocol::Http2 => run(http2(limits).serve_connection(stream, service), closing, &place).await,
        Protocol::Web => run(web(limits).serve_connection(stream, service), closing, &place).await,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

fn http2(limits: EdgeLimits) -> hyper::server::conn::http2::Builder<TokioExecutor> {
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_local_error_reset_streams(LOCAL_RESETS_MAX)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .keep_alive_interval(limits.keepalive_interval)
        .keep_alive_timeout(limits.keepalive_timeout)
        .max_header_list_size(HEADER_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES);
    builder
}

fn web(limits: EdgeLimits) -> hyper::server::conn::http1::Builder {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.first_bytes_timeout).max_buf_size(WEB_BUFFER_BYTES);
    builder
}

/// Lets a connection go on until it ends, the broker stops, or somebody closes it.
async fn run<C: GracefulConnection>(
    connection: C,
    mut closing: watch::Receiver<bool>,
    place: &Place,
) -> Result<(), C::Error> {
    tokio::pin!(connection);
    tokio::select! {
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
    }
}

/// What is spoken on a connection.
enum Protocol {
    Http2,
    /// HTTP/1.1: browsers speak HTTP/2 only behind TLS.
    Web,
}

impl Protocol {
    fn of(first: &[u8; PREFACE.len()], speaks_web: bool) -> Option<Self> {
        if first == PREFACE {
            return Some(Self::Http2);
        }
        (speaks_web && WEB_METHODS.iter().any(|method| first.starts_with(method))).then_some(Self::Web)
    }
}

/// The first bytes of a connection: no request is shorter.
async fn greeting(stream: &mut TcpStream) -> Option<[u8; PREFACE.len()]> {
    let mut bytes = [0; PREFACE.len()];
    stream.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}
