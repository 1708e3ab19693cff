//! Logs of which more may soon be needed: nothing of them is trimmed meanwhile.
//!
//! What a log has to keep follows from bindings, cursors and snapshots. Whoever is about to make it need more (a new
//! binding, a seek back, a snapshot) pins the log until that is durable and can be seen. Whoever trims takes a [`Look`]
//! before it finds out what is needed, and when its commit is sealed leaves out every log that was pinned since.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferrymq_core::LogId;

/// All pins. The lock is never held across an await.
#[derive(Debug, Default)]
pub struct Pins(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    now: u64,
    logs: HashMap<LogId, Pinned>,
    /// When the looks that are still taken began.
    looks: BTreeMap<u64, usize>,
}

#[derive(Debug, Default)]
struct Pinned {
    pins: usize,
    /// When the last of them ended.
    until: u64,
}

/// Keeps logs whole while it lives.
#[derive(Debug)]
pub struct Pin {
    pins: Arc<Pins>,
    logs: Vec<LogId>,
}

/// The view of one who trims, from where it began to find out what is needed.
#[derive(Debug)]
pub struct Look {
    pins: Arc<Pins>,
    since: u64,
}

impl Pins {
    /// From now on nothing of `logs` is trimmed.
    pub fn pin(self: &Arc<Self>, logs: Vec<LogId>) -> Pin {
        let mut inner = self.lock();
        for log in &logs {
            inner.logs.entry(*log).or_default().pins += 1;
        }
        Pin { pins: self.clone(), logs }
    }

    /// To be taken before it is found out what is needed.
    pub fn look(self: &Arc<Self>) -> Look {
        let mut inner = self.lock();
        inner.now += 1;
        let since = inner.now;
        *inner.looks.entry(since).or_default() += 1;
        Look { pins: self.clone(), since }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Nobody asks any more about what ended before the oldest look.
    fn forget(&mut self) {
        let oldest = self.looks.first_key_value().map(|(since, _)| *since);
        self.logs.retain(|_, log| log.pins > 0 || oldest.is_some_and(|oldest| log.until >= oldest));
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut inner = self.pins.lock();
        let now = inner.now;
        for log in &self.logs {
            if let Some(pinned) = inner.logs.get_mut(log) {
                pinned.pins = pinned.pins.saturating_sub(1);
                pinned.until = now;
            }
        }
        inner.forget();
    }
}

impl Look {
    /// True if the log was not pinned since this look began. To be asked when the commit is sealed.
    pub fn may_trim(&self, log: LogId) -> bool {
        let inner = self.pins.lock();
        inner.logs.get(&log).is_none_or(|pinned| pinned.pins == 0 && pinned.until < self.since)
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        let mut inner = self.pins.lock();
        if let Some(count) = inner.looks.get_mut(&self.since) {
            *count -= 1;
            if *count == 0 {
                inner.looks.remove(&self.since);
            }
        }
        inner.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogId = LogId(7);

    #[test]
    fn a_log_that_was_pinned_since_a_look_is_not_trimmed_by_it() {
        let pins = Arc::new(Pins::default());
        let before = pins.look();
        assert!(before.may_trim(LOG));
        let pin = pins.pin(vec![LOG]);
        let during = pins.look();
        assert!(!before.may_trim(LOG) && !during.may_trim(LOG) && during.may_trim(LogId(8)));
        drop(pin);
        assert!(!before.may_trim(LOG) && !during.may_trim(LOG), "what is needed was found out before or meanwhile");
        assert!(pins.look().may_trim(LOG));
    }

    #[test]
    fn nothing_is_remembered_without_need() {
        let pins = Arc::new(Pins::default());
        drop(pins.pin(vec![LOG]));
        assert!(pins.lock().logs.is_empty());
        let look = pins.look();
        drop(pins.pin(vec![LOG]));
        assert_eq!(pins.lock().logs.len(), 1);
        drop(look);
        assert!(pins.lock().logs.is_empty() && pins.lock().looks.is_empty());
    }
}
