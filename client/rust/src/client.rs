//! Connecting, and the raw stubs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ferrymq_proto::v1::admin_service_client::AdminServiceClient;
use ferrymq_proto::v1::messaging_service_client::MessagingServiceClient;
use ferrymq_proto::v1::operations_service_client::OperationsServiceClient;
use tonic::transport::{Channel, Endpoint};

use crate::observed::{Call, Observer, Transport};
use crate::{Error, tls};

/// The generated stub of `MessagingService`.
pub type Messaging = MessagingServiceClient<Transport>;
/// The generated stub of `AdminService`.
pub type Admin = AdminServiceClient<Transport>;
/// The generated stub of `OperationsService`.
pub type Operations = OperationsServiceClient<Transport>;

const DEFAULT_URL: &str = "http://127.0.0.1:7171";
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
/// The largest `max_response_bytes` that the protocol allows.
pub(crate) const RESPONSE_BYTES_MAX: usize = 256 << 20;
const CONNECTIONS_MAX: usize = 64;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A broker, over one or more connections. Cloning is cheap and shares them.
#[derive(Clone, Debug)]
pub struct Client {
    channels: Arc<[Transport]>,
    next: Arc<AtomicUsize>,
    pub(crate) call_timeout: Duration,
}

impl Client {
    /// Connects to `url`, e.g. `http://127.0.0.1:7171` or `https://broker.example.org`, over one connection.
    pub async fn connect(url: impl Into<String>) -> Result<Self, Error> {
        Self::builder(url).connect().await
    }

    /// Connects to what `FERRYMQ_URL` names, else to `http://127.0.0.1:7171`.
    pub async fn from_env() -> Result<Self, Error> {
        Self::connect(std::env::var("FERRYMQ_URL").unwrap_or_else(|_| DEFAULT_URL.to_owned())).await
    }

    /// Settings before connecting.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            url: url.into(),
            connections: 1,
            connect_timeout: CONNECT_TIMEOUT,
            call_timeout: CALL_TIMEOUT,
            ca_certificate: None,
            observer: None,
        }
    }

    /// The stub for publishing and consuming, on the next connection in turn.
    pub fn messaging(&self) -> Messaging {
        Messaging::new(self.channel()).max_decoding_message_size(RESPONSE_BYTES_MAX)
    }

    /// The stub for topics, queues and bindings, on the next connection in turn.
    pub fn admin(&self) -> Admin {
        Admin::new(self.channel()).max_decoding_message_size(RESPONSE_BYTES_MAX)
    }

    /// The stub for looking after a running broker, on the next connection in turn.
    pub fn operations(&self) -> Operations {
        Operations::new(self.channel()).max_decoding_message_size(RESPONSE_BYTES_MAX)
    }

    /// The next connection in turn, for a stub of another service, e.g. `grpc.health.v1`.
    pub fn channel(&self) -> Transport {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.channels[turn % self.channels.len()].clone()
    }
}

/// Made by [`Client::builder`].
#[derive(Clone)]
pub struct ClientBuilder {
    url: String,
    connections: usize,
    connect_timeout: Duration,
    call_timeout: Duration,
    ca_certificate: Option<Vec<u8>>,
    observer: Option<Observer>,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("url", &self.url)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    /// How many connections to use in turn, 1 to 64. Default 1. All calls of one connection share one lock and one TCP window:
    /// a program with many busy streams goes faster with some.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.clamp(1, CONNECTIONS_MAX);
        self
    }

    /// How long one attempt to connect may take. Default 5 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Deadline of every call but streams, and but those that are given one of their own; the broker is told of it. A pull has it
    /// beside its wait. Above, a call fails with DEADLINE_EXCEEDED: it may or may not have been done. Default 30 s. The bare stubs
    /// ([`Client::messaging`] and the like) have none.
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// For `https://`: trusts only what this authority has signed, given as one or more certificates in PEM. Default: the authorities
    /// that the system trusts.
    pub fn ca_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_certificate = Some(pem.into());
        self
    }

    /// Calls this with each call that has ended, streams and those of reconnects included. It must not block. Default: nobody is
    /// told.
    pub fn observe(mut self, observer: impl Fn(&Call) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Opens the connections; fails if one cannot be made.
    pub async fn connect(self) -> Result<Client, Error> {
        let endpoint = self.endpoint()?;
        let mut channels = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            channels.push(endpoint.connect().await.map_err(|e| Error::transport(&self.url, &e))?);
        }
        Ok(Client::over(channels, self.call_timeout, self.observer))
    }

    /// Connects when the first call is made. Must be called within a Tokio runtime.
    pub fn connect_lazy(self) -> Result<Client, Error> {
        let endpoint = self.endpoint()?;
        let channels = (0..self.connections).map(|_| endpoint.connect_lazy());
        Ok(Client::over(channels.collect(), self.call_timeout, self.observer))
    }

    fn endpoint(&self) -> Result<Endpoint, Error> {
        let endpoint = Endpoint::from_shared(self.url.clone())
            .map_err(|e| Error::invalid("url", &format!("`{}` is no URL: {e}", self.url)))?;
        let endpoint = match (endpoint.uri().scheme_str(), endpoint.uri().host()) {
            (Some("http"), Some(_)) => endpoint,
            (Some("https"), Some(_)) => tls::over(endpoint, self.ca_certificate.as_deref())?,
            _ => {
                let rule = format!("`{}` must look like http://HOST:PORT or https://HOST:PORT", self.url);
                return Err(Error::invalid("url", &rule));
            }
        };
        Ok(endpoint
            .user_agent(concat!("ferrymq-rust/", env!("CARGO_PKG_VERSION")))
            .map_err(|e| Error::invalid("user_agent", &e.to_string()))?
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20))
            .keep_alive_while_idle(true))
    }
}

impl Client {
    fn over(channels: Vec<Channel>, call_timeout: Duration, observer: Option<Observer>) -> Self {
        let channels = channels.into_iter().map(|channel| Transport::new(channel, observer.clone()));
        Self { channels: channels.collect(), next: Arc::new(AtomicUsize::new(0)), call_timeout }
    }
}
