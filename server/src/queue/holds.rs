//! How far a queue may read while its bindings change.
//!
//! A binding holds from the commit that makes it to the one that ends it. The queue's task learns of a change by its mailbox,
//! after the commit, and would by then have read what came behind it by the old rules. So logs are held before such a
//! commit is handed in, and let go when the task knows the new rules.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ferrymq_core::{LogId, Offset};

/// The logs that are held, shared by a queue's task and its handle. The lock is never held across an await.
#[derive(Default)]
pub(crate) struct Holds(Mutex<Held>);

#[derive(Default)]
struct Held {
    /// Counts what happens here: only the newest rules end the holds.
    change: u64,
    /// The first offset that must not be read by the old rules.
    logs: BTreeMap<LogId, Offset>,
}

impl Holds {
    /// What stands at `from` and behind it waits for the next rules.
    pub(super) fn hold(&self, log: LogId, from: Offset) {
        let mut held = self.lock();
        held.change += 1;
        held.logs.entry(log).or_insert(from);
    }

    /// The number of new rules that are about to be told.
    pub(super) fn next_rules(&self) -> u64 {
        let mut held = self.lock();
        held.change += 1;
        held.change
    }

    /// The task follows the rules of this number: nothing is held, unless more is about to change.
    pub(super) fn let_go(&self, rules: u64) {
        let mut held = self.lock();
        if held.change == rules {
            held.logs.clear();
        }
    }

    /// The first offset of a log that must not be read yet. To be asked after a read: whatever a change of the rules lets
    /// be seen was held before that change.
    pub(super) fn limit(&self, log: LogId) -> Offset {
        self.lock().logs.get(&log).copied().unwrap_or(Offset::MAX)
    }

    /// True if one of the held logs goes on behind its limit.
    pub(super) fn hold_up(&self, end_of: impl Fn(LogId) -> Offset) -> bool {
        self.lock().logs.iter().any(|(log, limit)| end_of(*log) > *limit)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
