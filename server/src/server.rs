//! A broker that serves: its parts put together, and its end in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ferrymq_core::LogId;
use ferrymq_engine::frame_log::{FrameLog, LogError};
use ferrymq_engine::journal::{Journal, JournalOptions};
use ferrymq_engine::memory::MemoryLog;
use ferrymq_engine::store::{Store, StoreOptions};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::{Notify, SetOnce, watch as channel};
use tokio::task::JoinHandle;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::ack_id::AckIds;
use crate::broker::{Broker, Counters, Limits};
use crate::catalogue::admin::{Admin, StartQueue};
use crate::catalogue::record::{BindingRecord, NEXT_KEY, QueueRecord, SnapshotRecord, TopicRecord};
use crate::catalogue::{Catalogue, Queue};
use crate::clock::Clock;
use crate::committer::Committer;
use crate::config::Config;
use crate::edge::{self, EdgeLimits, Places};
use crate::grpc;
use crate::identity::Identity;
use crate::queue::{self, Shared};
use crate::retention;
use crate::start::RunError;
use crate::sync_time::Timed;
use crate::watch::LogWatch;

/// How long the last writes may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(60);
/// Numbers below are the store's own.
const FIRST_FREE_ID: u64 = 16;
/// Never grows: who watches it is woken when writes stop.
const NO_LOG: LogId = LogId(0);

/// A broker that serves. It goes on until it is stopped.
pub struct Server {
    addr: SocketAddr,
    broker: Arc<Broker>,
    health: HealthReporter,
    drain: channel::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Server {
    /// Opens the store, binds the address and serves. All times but those of the network are `clock`'s.
    ///
    /// # Errors
    /// If the store cannot be opened or the address not be bound.
    pub async fn start(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, RunError> {
        Self::start_over(open_frames(config)?, config, clock).await
    }

    /// The same over any frame log, whatever the configuration says of the data.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start_over(
        frames: Arc<dyn FrameLog>,
        config: &Config,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RunError> {
        let unbound = |error| RunError::Io(config.listen.to_string(), error);
        let listener = TcpListener::bind(config.listen).await.map_err(unbound)?;
        let addr = listener.local_addr().map_err(unbound)?;
        let (drain, draining) = channel::channel(false);
        let broker = open(frames, config, clock, draining.clone()).await?;
        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_service_status("", ServingStatus::Serving).await;
        let mut routes = grpc::routes(broker.clone())?;
        routes.add_service(health_service);
        let origins = config.web_origins.as_deref().map(Arc::from);
        let places = broker.places.clone();
        let serving = edge::serve(listener, routes.routes(), edge_limits(config), origins, places, draining);
        let serving = tokio::spawn(serving);
        tokio::spawn(retention::run(broker.clone()));
        tokio::spawn(tell_when_stopped(broker.clone(), health.clone()));
        Ok(Self { addr, broker, health, drain, serving })
    }

    /// The bound address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends it in order: streams are ended, deliveries go back without failures, and the stop is marked clean.
    pub async fn stop(self) {
        self.health.set_service_status("", ServingStatus::NotServing).await;
        let _ = self.drain.send(true);
        let _ = self.serving.await;
        let closing = async {
            let catalogue = self.broker.catalogue();
            futures::future::join_all(catalogue.queues.values().map(|queue| queue.handle.drain())).await;
            // Behind everything that queues had to say: the store has one writer at a time.
            self.broker.committer.close().await
        };
        match tokio::time::timeout(CLOSE_TIMEOUT, closing).await {
            Ok(Ok(())) => tracing::info!("stopped"),
            Ok(Err(error)) => tracing::error!(%error, "the stop could not be marked as clean"),
            Err(_) => tracing::error!("the disk did not answer: the stop is not marked as clean"),
        }
    }
}

/// Once a write has failed the broker is of no use until its restart: whoever asks for its health may see to that.
async fn tell_when_stopped(broker: Arc<Broker>, health: HealthReporter) {
    let notify = Arc::new(Notify::new());
    broker.watch.watch(NO_LOG, &notify);
    while !broker.committer.is_stopped() {
        notify.notified().await;
    }
    health.set_service_status("", ServingStatus::NotServing).await;
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
        speaks_web: config.web_origins.is_some(),
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
    clock: Arc<dyn Clock>,
    draining: channel::Receiver<bool>,
) -> Result<Arc<Broker>, RunError> {
    let seal_bytes = frames.limits().seal_bytes;
    let state_dir = config.data.as_ref().map(|dir| dir.join("state"));
    let options = StoreOptions { state_dir, cache_bytes_max: config.cache_bytes_max, ..StoreOptions::default() };
    let sync_times = Arc::new(Timed::new(frames));
    let store = Store::open(sync_times.clone(), options).await?;
    let identity = Identity::begin(&store).await?;
    let watch = Arc::new(LogWatch::default());
    let catalogue = Arc::new(ArcSwap::from_pointee(Catalogue::default()));
    let committer = Committer::start(
        store.clone(),
        watch.clone(),
        seal_bytes,
        config.unconfirmed_bytes_max,
        draining.clone(),
        catalogue.clone(),
    );
    let shared = Arc::new(Shared {
        store: store.clone(),
        committer: committer.clone(),
        ack_ids: AckIds::new(identity.mac_key),
        epoch: identity.epoch,
        clock: clock.clone(),
        watch: watch.clone(),
        counters: Arc::new(Counters::default()),
        catalogue: catalogue.clone(),
        admin: SetOnce::new(),
    });
    let starter = shared.clone();
    let start_queue: StartQueue =
        Arc::new(move |record, bindings, is_new| queue::start(record.clone(), &bindings, starter.clone(), is_new));
    let loaded = load(&store, &start_queue)?;
    let admin = Admin::start(store.clone(), committer.clone(), catalogue.clone(), loaded, start_queue, clock.clone());
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
        sync_times,
        roster: Arc::default(),
        filters: Default::default(),
        places: Arc::new(Places::new(config.connections_max as usize, config.connections_per_ip_max)),
        start_time: std::time::SystemTime::now(),
    }))
}

/// The catalogue as it was stored, with a task for each queue.
fn load(store: &Store, start_queue: &StartQueue) -> Result<Catalogue, prost::DecodeError> {
    let mut catalogue = Catalogue::empty(FIRST_FREE_ID);
    if let Some(Ok(next)) = store.get(NEXT_KEY).map(|value| value.as_ref().try_into()) {
        catalogue.next_id = u64::from_le_bytes(next);
    }
    for (_, value) in store.scan(b"b/") {
        let binding = BindingRecord::decode(value)?;
        catalogue.bindings.insert(Arc::new(binding));
    }
    for (_, value) in store.scan(b"s/") {
        let snapshot = SnapshotRecord::decode(value)?;
        catalogue.snapshots.insert(snapshot.settings.name.as_str().into(), Arc::new(snapshot));
    }
    for (_, value) in store.scan(b"q/") {
        let record = QueueRecord::decode(value)?;
        let handle = start_queue(&record, catalogue.bindings_to(record.id), false);
        catalogue.add_queue(Queue::new(record, handle));
    }
    // Behind the queues, some of which have limits.
    for (_, value) in store.scan(b"t/") {
        catalogue.route(TopicRecord::decode(value)?);
    }
    Ok(catalogue)
}
