//! From a configuration to a broker that serves, and its end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use ferrymq_engine::frame_log::{FrameLog, LogError};
use ferrymq_engine::journal::{Journal, JournalOptions};
use ferrymq_engine::memory::MemoryLog;
use ferrymq_engine::store::{Store, StoreError, StoreOptions};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::watch as channel;

use crate::ack_id::AckIds;
use crate::broker::{Broker, Counters, Limits};
use crate::catalogue::admin::{Admin, StartQueue};
use crate::catalogue::record::{BindingRecord, NEXT_KEY, QueueRecord, TopicRecord};
use crate::catalogue::{Catalogue, Queue};
use crate::clock::{Clock, SystemClock};
use crate::committer::Committer;
use crate::config::Config;
use crate::edge::{self, EdgeLimits, Places};
use crate::grpc;
use crate::identity::Identity;
use crate::queue::{self, Shared};
use crate::retention;
use crate::watch::LogWatch;

/// How long the last writes may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(60);
/// Numbers below are the store's own.
const FIRST_FREE_ID: u64 = 16;

/// What a broker says once it serves.
#[derive(Debug, Clone)]
pub struct ReadyInfo {
    /// The bound address.
    pub addr: SocketAddr,
    /// The broker's version.
    pub version: &'static str,
    /// The data directory; none: in memory.
    pub data: Option<PathBuf>,
}

/// Why the broker could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] LogError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is in the catalogue is not what it should be.
    #[error("the catalogue cannot be read: {0}")]
    Catalogue(#[from] prost::DecodeError),
    /// The address cannot be bound, or the port file not be written.
    #[error("{0}: {1}")]
    Io(String, std::io::Error),
    /// A second signal came before the broker had ended in order.
    #[error("stopped at once by a second signal; what was confirmed is on disk")]
    Forced,
    /// The reflection service could not be made.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Runs a broker until SIGTERM or SIGINT, then ends it in order; a second signal ends it at once.
///
/// # Errors
/// If it cannot be started.
pub async fn run(config: Config, on_ready: impl FnOnce(ReadyInfo)) -> Result<(), RunError> {
    let signals = signals().map_err(|error| RunError::Io("signals".into(), error))?;
    let listener =
        TcpListener::bind(config.listen).await.map_err(|error| RunError::Io(config.listen.to_string(), error))?;
    let addr = listener.local_addr().map_err(|error| RunError::Io(config.listen.to_string(), error))?;
    let frames = open_frames(&config)?;
    let (drain, draining) = channel::channel(false);
    let broker = open(frames, &config, draining.clone()).await?;
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_service_status("", tonic_health::ServingStatus::Serving).await;
    let mut routes = grpc::routes(broker.clone())?;
    routes.add_service(health_service);
    let serving =
        tokio::spawn(edge::serve(listener, routes.routes(), edge_limits(&config), broker.places.clone(), draining));
    tokio::spawn(retention::run(broker.clone()));
    if let Some(path) = &config.port_file {
        write_port_file(path, addr).map_err(|error| RunError::Io(path.display().to_string(), error))?;
    }
    tracing::info!(%addr, version = env!("CARGO_PKG_VERSION"), data = ?config.data, "ready");
    on_ready(ReadyInfo { addr, version: env!("CARGO_PKG_VERSION"), data: config.data.clone() });

    let mut signals = signals;
    signals.recv().await;
    tracing::info!("stopping: streams are ended, what was confirmed is on disk; a second signal stops at once");
    health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
    let ending = end(broker, drain, serving);
    tokio::select! {
        () = ending => Ok(()),
        _ = signals.recv() => Err(RunError::Forced),
    }
}

/// Written under another name first, so that a reader never sees half of it.
fn write_port_file(path: &std::path::Path, addr: SocketAddr) -> std::io::Result<()> {
    let part = path.with_extension("part");
    std::fs::write(&part, addr.to_string())?;
    std::fs::rename(part, path)
}

fn signals() -> std::io::Result<tokio::sync::mpsc::Receiver<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (tell, told) = tokio::sync::mpsc::channel(2);
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut stream = signal(kind)?;
        let tell = tell.clone();
        tokio::spawn(async move { while stream.recv().await.is_some() && tell.send(()).await.is_ok() {} });
    }
    Ok(told)
}

fn open_frames(config: &Config) -> Result<Arc<dyn FrameLog>, LogError> {
    match &config.data {
        None => Ok(Arc::new(MemoryLog::new())),
        Some(dir) => {
            let options = JournalOptions { disk_limit: config.disk_limit, ..JournalOptions::default() };
            Ok(Arc::new(Journal::open(dir, options)?))
        }
    }
}

fn edge_limits(config: &Config) -> EdgeLimits {
    EdgeLimits {
        streams_max: config.streams_per_connection_max,
        first_bytes_timeout: config.first_bytes_timeout,
        keepalive_interval: config.keepalive_interval,
        keepalive_timeout: config.keepalive_timeout,
        drain_timeout: config.drain_timeout,
    }
}

async fn open(
    frames: Arc<dyn FrameLog>,
    config: &Config,
    draining: channel::Receiver<bool>,
) -> Result<Arc<Broker>, RunError> {
    let seal_bytes = frames.limits().seal_bytes;
    let state_dir = config.data.as_ref().map(|dir| dir.join("state"));
    let options = StoreOptions { state_dir, cache_bytes_max: config.cache_bytes_max, ..StoreOptions::default() };
    let store = Store::open(frames, options).await?;
    let unclean = store.unclean();
    let identity = Identity::begin(&store).await?;
    let watch = Arc::new(LogWatch::default());
    let committer = Committer::start(store.clone(), watch.clone(), seal_bytes, config.unconfirmed_bytes_max);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let catalogue = Arc::new(ArcSwap::from_pointee(Catalogue::default()));
    let shared = Arc::new(Shared {
        store: store.clone(),
        committer: committer.clone(),
        ack_ids: AckIds::new(identity.mac_key),
        epoch: identity.epoch,
        clock: clock.clone(),
        watch: watch.clone(),
        counters: Arc::new(Counters::default()),
        catalogue: catalogue.clone(),
        admin: OnceLock::new(),
        unclean,
    });
    let starter = shared.clone();
    let start_queue: StartQueue =
        Arc::new(move |record, bindings, is_new| queue::start(record.clone(), &bindings, starter.clone(), is_new));
    let loaded = load(&store, &start_queue)?;
    let admin = Admin::start(store.clone(), committer.clone(), catalogue.clone(), loaded, start_queue);
    let _ = shared.admin.set(admin.clone());
    Ok(Arc::new(Broker {
        store,
        committer,
        catalogue,
        admin,
        ack_ids: shared.ack_ids.clone(),
        identity,
        clock,
        watch,
        counters: shared.counters.clone(),
        limits: Limits {
            message_bytes_max: config.message_bytes_max,
            request_bytes_max: config.request_bytes_max,
            batch_items_max: config.batch_items_max,
        },
        draining,
        places: Arc::new(Places::new(config.connections_max as usize, config.connections_per_ip_max)),
        start_time: std::time::SystemTime::now(),
    }))
}

/// The catalogue as it was stored, with a task for each queue.
fn load(store: &Store, start_queue: &StartQueue) -> Result<Catalogue, prost::DecodeError> {
    let mut catalogue = Catalogue { next_id: FIRST_FREE_ID, ..Catalogue::default() };
    if let Some(Ok(next)) = store.get(NEXT_KEY).map(|value| value.as_ref().try_into()) {
        catalogue.next_id = u64::from_le_bytes(next);
    }
    for (_, value) in store.scan(b"b/") {
        let binding = BindingRecord::decode(value)?;
        catalogue.bindings.insert(binding.id, Arc::new(binding));
    }
    for (_, value) in store.scan(b"t/") {
        catalogue.route(TopicRecord::decode(value)?);
    }
    for (_, value) in store.scan(b"q/") {
        let record = QueueRecord::decode(value)?;
        let handle = start_queue(&record, catalogue.bindings_to(record.id), false);
        catalogue.add_queue(Queue { record, handle });
    }
    Ok(catalogue)
}

/// Streams are ended, deliveries go back without failures, and the stop is marked clean.
async fn end(broker: Arc<Broker>, drain: channel::Sender<bool>, serving: tokio::task::JoinHandle<()>) {
    let _ = drain.send(true);
    let _ = serving.await;
    let closing = async {
        let catalogue = broker.catalogue();
        futures::future::join_all(catalogue.queues.values().map(|queue| queue.handle.drain())).await;
        // Behind everything that queues had to say: the store has one writer at a time.
        broker.committer.close().await
    };
    match tokio::time::timeout(CLOSE_TIMEOUT, closing).await {
        Ok(Ok(())) => tracing::info!("stopped"),
        Ok(Err(error)) => tracing::error!(%error, "the stop could not be marked as clean"),
        Err(_) => tracing::error!("the disk did not answer: the stop is not marked as clean"),
    }
}
