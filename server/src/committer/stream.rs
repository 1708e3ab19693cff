//! Publishes that wait for room: for how long, and how much of what one stream sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// So many streams may send to full destinations before anybody else who sends to one with limits has to wait.
const SHARES: usize = 64;

/// The number of the next one; 0 is none.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// How long a publish waits for room on a full disk before it is refused.
#[derive(Debug, Clone, Copy, Default)]
pub enum Patience {
    /// Not at all.
    #[default]
    None,
    /// Until then.
    Until(Instant),
    /// For ever; until the broker stops.
    Endless,
}

impl Patience {
    /// Waits until it is at its end.
    pub(super) async fn over(self) {
        match self {
            Self::None => {}
            Self::Until(until) => tokio::time::sleep_until(until).await,
            Self::Endless => std::future::pending().await,
        }
    }
}

/// What one stream publishes into one log keeps its order, also when it waits. Of the room for destinations with limits a stream
/// has a share (or one batch, if that is larger): else one that sends to a full queue would hold all of it.
#[derive(Debug, Clone)]
pub struct Stream {
    number: u64,
    share: Arc<Semaphore>,
    share_bytes: usize,
}

impl Stream {
    /// One that shares so much room with the others.
    pub(super) fn new(room_bytes: usize) -> Self {
        let share_bytes = (room_bytes / SHARES).max(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { number, share: Arc::new(Semaphore::new(share_bytes)), share_bytes }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Waits until so many bytes fit into the share. A publish whose patience is over goes on without, to be told what is full.
    pub(super) async fn take(&self, bytes: usize, patience: Patience) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(bytes.min(self.share_bytes)).unwrap_or(u32::MAX);
        tokio::select! {
            biased;
            share = Arc::clone(&self.share).acquire_many_owned(permits) => share.ok(),
            () = patience.over() => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_stream_has_its_share_and_one_batch_always_passes() {
        let take = |stream: &Stream, bytes| stream.take(bytes, Patience::Endless).now_or_never().flatten();
        let stream = Stream::new(64 * 100);
        let large = take(&stream, 1_000);
        assert!(large.is_some() && take(&stream, 1).is_none());
        drop(large);
        let two: Vec<_> = (0..2).filter_map(|_| take(&stream, 50)).collect();
        assert_eq!((two.len(), take(&stream, 1).is_none()), (2, true));
        assert!(take(&Stream::new(0), 5).is_some());
    }

    #[test]
    fn who_has_no_patience_goes_on_without() {
        let stream = Stream::new(0);
        let all = stream.take(1, Patience::None).now_or_never().flatten();
        assert!(all.is_some());
        assert!(stream.take(1, Patience::Endless).now_or_never().is_none(), "it waits");
        assert!(stream.take(1, Patience::None).now_or_never().is_some_and(|share| share.is_none()));
    }
}
