//! Being told to stop.

/// What shells call a process that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Resolves with the next Ctrl-C, or the next SIGTERM where there is such a thing. From the first call on neither ends the process by itself.
pub async fn asked() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // An error means that there is no such signal: then nothing asks.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// From now on the next such signal ends the process at once, as it would without us: for where draining takes too long.
pub fn next_ends() {
    tokio::spawn(async {
        asked().await;
        std::process::exit(INTERRUPTED);
    });
}
