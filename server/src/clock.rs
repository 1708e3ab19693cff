//! The clock, injected.

use std::time::{SystemTime, UNIX_EPOCH};

use ferrymq_core::Millis;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> Millis;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> Millis {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
    }
}

/// Goes with tokio's time, so that it stands still and jumps with it where a test has paused that.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    began_ms: Millis,
    began: tokio::time::Instant,
}

impl TokioClock {
    /// A clock that shows `began_ms` now.
    #[must_use]
    pub fn starting_at(began_ms: Millis) -> Self {
        Self { began_ms, began: tokio::time::Instant::now() }
    }
}

impl Clock for TokioClock {
    fn now_ms(&self) -> Millis {
        self.began_ms + self.began.elapsed().as_millis() as u64
    }
}
