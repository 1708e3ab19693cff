//! Being told to stop.

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows::{CtrlC, ctrl_c};

/// What shells call a process that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Listens to Ctrl-C, and to SIGTERM where there is such a thing. From its making on neither ends the process by itself, and none that
/// comes between two calls is missed.
pub struct Stop {
    // None where there is no such signal: then nothing asks.
    #[cfg(unix)]
    signals: Option<(Signal, Signal)>,
    #[cfg(windows)]
    signal: Option<CtrlC>,
}

impl Stop {
    #[cfg(unix)]
    pub fn listen() -> Self {
        Self { signals: signal(SignalKind::interrupt()).ok().zip(signal(SignalKind::terminate()).ok()) }
    }

    #[cfg(windows)]
    pub fn listen() -> Self {
        Self { signal: ctrl_c().ok() }
    }

    /// Resolves with the next one.
    #[cfg(unix)]
    pub async fn asked(&mut self) {
        match &mut self.signals {
            Some((interrupt, terminate)) => {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            }
            None => std::future::pending().await,
        }
    }

    /// Resolves with the next one.
    #[cfg(windows)]
    pub async fn asked(&mut self) {
        match &mut self.signal {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }

    /// From now on the next one ends the process at once, as it would without us: for where draining takes too long.
    pub fn next_ends(mut self) {
        tokio::spawn(async move {
            self.asked().await;
            std::process::exit(INTERRUPTED);
        });
    }
}
