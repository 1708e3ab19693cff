//! A progress bar, where somebody looks.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

use super::flights::{Flight, ROUTES};
use super::ledger::SharedLedger;

/// Shows how many messages came, until it is dropped.
pub struct Progress {
    bar: ProgressBar,
    ticker: Option<JoinHandle<()>>,
}

impl Progress {
    /// Begins to show the ledger; hidden where stderr is no terminal.
    pub fn start(flights: &[Flight], ledger: SharedLedger) -> Self {
        let expected: usize = ROUTES.iter().map(|route| route.expected(flights).len()).sum();
        let shown = std::io::stderr().is_terminal();
        let bar = if shown { ProgressBar::new(expected as u64) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} messages received, {elapsed}") {
            bar.set_style(style);
        }
        let ticker = shown.then(|| tokio::spawn(follow(bar.clone(), ledger)));
        Self { bar, ticker }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.ticker.iter().for_each(JoinHandle::abort);
        self.bar.finish_and_clear();
    }
}

async fn follow(bar: ProgressBar, ledger: SharedLedger) {
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    loop {
        tick.tick().await;
        bar.set_position(ledger.lock().queues.values().map(|queue| queue.messages.len() as u64).sum());
    }
}
