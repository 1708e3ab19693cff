//! The broker as a process: from a configuration to signals that end it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ferrymq_engine::frame_log::LogError;
use ferrymq_engine::store::StoreError;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::server::Server;

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
    let mut signals = signals().map_err(|error| RunError::Io("signals".into(), error))?;
    let server = Server::start(&config, Arc::new(SystemClock)).await?;
    let addr = server.addr();
    if let Some(path) = &config.port_file {
        write_port_file(path, addr).map_err(|error| RunError::Io(path.display().to_string(), error))?;
    }
    tracing::info!(%addr, version = env!("CARGO_PKG_VERSION"), data = ?config.data, "ready");
    on_ready(ReadyInfo { addr, version: env!("CARGO_PKG_VERSION"), data: config.data.clone() });

    signals.recv().await;
    tracing::info!("stopping: streams are ended, what was confirmed is on disk; a second signal stops at once");
    tokio::select! {
        () = server.stop() => Ok(()),
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
