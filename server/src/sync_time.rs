//! How long the journal takes: a frame log that measures its appends and passes all else on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ferrymq_core::CommitNo;
use ferrymq_engine::frame_log::{Frame, FrameLog, Limits, LogError, Space};
use futures::FutureExt as _;
use futures::future::BoxFuture;

/// How many appends the mean is of.
const APPENDS: usize = 100;

/// A frame log whose appends are measured.
pub struct Timed {
    log: Arc<dyn FrameLog>,
    /// The newest ones. Locked to add one number.
    times: Mutex<VecDeque<Duration>>,
}

impl Timed {
    /// Measures `log`.
    pub fn new(log: Arc<dyn FrameLog>) -> Self {
        Self { log, times: Mutex::default() }
    }

    /// The mean of the last hundred appends, each a write and a sync; none: there was none yet.
    pub fn mean(&self) -> Option<Duration> {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let count = u32::try_from(times.len()).ok().filter(|count| *count > 0)?;
        Some(times.iter().sum::<Duration>() / count)
    }

    fn add(&self, time: Duration) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        if times.len() == APPENDS {
            times.pop_front();
        }
        times.push_back(time);
    }
}

impl FrameLog for Timed {
    fn append(&self, prev: CommitNo, parts: Vec<Bytes>, reserve: bool) -> BoxFuture<'_, Result<CommitNo, LogError>> {
        let append = self.log.append(prev, parts, reserve);
        async move {
            let began = Instant::now();
            let answer = append.await;
            if answer.is_ok() {
                self.add(began.elapsed());
            }
            answer
        }
        .boxed()
    }

    fn read(&self, from: CommitNo, upto: CommitNo, bytes_max: usize) -> BoxFuture<'_, Result<Vec<Frame>, LogError>> {
        self.log.read(from, upto, bytes_max)
    }

    fn get(&self, commit: CommitNo) -> BoxFuture<'_, Result<Frame, LogError>> {
        self.log.get(commit)
    }

    fn get_part(&self, commit: CommitNo, at: u32, len: u32) -> BoxFuture<'_, Result<Bytes, LogError>> {
        self.log.get_part(commit, at, len)
    }

    fn newest(&self) -> CommitNo {
        self.log.newest()
    }

    fn oldest(&self) -> CommitNo {
        self.log.oldest()
    }

    fn drop_below(&self, commit: CommitNo) {
        self.log.drop_below(commit);
    }

    fn drop_commit(&self, commit: CommitNo) {
        self.log.drop_commit(commit);
    }

    fn give_back(&self) {
        self.log.give_back();
    }

    fn has_losses(&self) -> bool {
        self.log.has_losses()
    }

    fn limits(&self) -> Limits {
        self.log.limits()
    }

    fn space(&self) -> Space {
        self.log.space()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), LogError>> {
        self.log.close()
    }
}

#[cfg(test)]
mod tests {
    use ferrymq_engine::memory::MemoryLog;

    use super::*;

    #[test]
    fn the_mean_is_of_the_last_hundred() {
        let timed = Timed::new(Arc::new(MemoryLog::new()));
        assert_eq!(timed.mean(), None);
        timed.add(Duration::from_secs(1_000));
        (0..50).for_each(|_| timed.add(Duration::from_millis(1)));
        assert!(timed.mean() > Some(Duration::from_secs(1)));
        (0..50).for_each(|_| timed.add(Duration::from_millis(3)));
        assert_eq!(timed.mean(), Some(Duration::from_millis(2)));
    }

    #[test]
    fn appends_are_measured_if_they_are_done() {
        let timed = || Timed::new(Arc::new(MemoryLog::new()));
        let append =
            |timed: &Timed, prev| futures::executor::block_on(timed.append(CommitNo(prev), vec![Bytes::new()], false));
        let fenced = timed();
        assert!(append(&fenced, 7).is_err() && fenced.mean().is_none());
        let written = timed();
        assert!(append(&written, 0).is_ok() && written.mean().is_some());
        assert_eq!(written.newest(), CommitNo(1));
    }
}
