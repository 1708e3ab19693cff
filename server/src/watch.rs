//! Wakes who waits for a log to grow.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ferrymq_core::LogId;
use tokio::sync::Notify;

/// Fewer logs than this are never looked through for those that nobody waits for any more.
const LOGS_MIN: usize = 1_024;

/// Who waits for which log. The lock is held for a look-up only, never across an await.
#[derive(Default)]
pub struct LogWatch {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    logs: HashMap<LogId, Vec<Weak<Notify>>>,
    /// How many logs were left when they were last looked through.
    kept: usize,
}

impl Waiting {
    /// Forgets logs that have ended, or are not read any more: once there are twice as many as before.
    fn forget_unread(&mut self) {
        if self.logs.len() >= LOGS_MIN.max(2 * self.kept) {
            self.logs.retain(|_, list| list.iter().any(|weak| weak.strong_count() > 0));
            self.kept = self.logs.len();
        }
    }
}

impl LogWatch {
    /// From now on `notify` is told when `log` has grown, until it is dropped.
    pub fn watch(&self, log: LogId, notify: &Arc<Notify>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.forget_unread();
        let list = waiting.logs.entry(log).or_default();
        list.retain(|weak| weak.strong_count() > 0);
        let known = list.iter().any(|weak| std::ptr::eq(weak.as_ptr(), Arc::as_ptr(notify)));
        if !known {
            list.push(Arc::downgrade(notify));
        }
    }

    /// Tells those who wait for one of `logs`.
    pub fn wake(&self, logs: &[LogId]) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for notify in logs.iter().filter_map(|log| waiting.logs.get(log)).flatten() {
            if let Some(notify) = notify.upgrade() {
                notify.notify_one();
            }
        }
    }

    /// Tells everybody: writes have stopped.
    pub fn wake_all(&self) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for notify in waiting.logs.values().flatten().filter_map(Weak::upgrade) {
            notify.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_that_nobody_reads_any_more_are_forgotten_and_the_others_are_not() {
        let watch = LogWatch::default();
        let stays = Arc::new(Notify::new());
        watch.watch(LogId(0), &stays);
        for log in 1..10 * LOGS_MIN as u64 {
            watch.watch(LogId(log), &Arc::new(Notify::new()));
        }
        let waiting = watch.waiting.lock().unwrap();
        assert!(waiting.logs.len() <= LOGS_MIN, "{}", waiting.logs.len());
        assert!(waiting.logs.contains_key(&LogId(0)));
    }
}
