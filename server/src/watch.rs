//! Wakes who waits for a log to grow.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ferrymq_core::LogId;
use tokio::sync::Notify;

/// Who waits for which log. The lock is held for a look-up only, never across an await.
#[derive(Default)]
pub struct LogWatch {
    waiting: Mutex<HashMap<LogId, Vec<Weak<Notify>>>>,
}

impl LogWatch {
    /// From now on `notify` is told when `log` has grown, until it is dropped.
    pub fn watch(&self, log: LogId, notify: &Arc<Notify>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let list = waiting.entry(log).or_default();
        list.retain(|weak| weak.strong_count() > 0);
        let known = list.iter().any(|weak| std::ptr::eq(weak.as_ptr(), Arc::as_ptr(notify)));
        if !known {
            list.push(Arc::downgrade(notify));
        }
    }

    /// Tells those who wait for one of `logs`.
    pub fn wake(&self, logs: &[LogId]) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for notify in logs.iter().filter_map(|log| waiting.get(log)).flatten() {
            if let Some(notify) = notify.upgrade() {
                notify.notify_one();
            }
        }
    }

    /// Tells everybody: writes have stopped.
    pub fn wake_all(&self) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for notify in waiting.values().flatten().filter_map(Weak::upgrade) {
            notify.notify_one();
        }
    }
}
