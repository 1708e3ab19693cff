//! Where keys are kept in order: messages that were settled while nobody knew their key, before they were read (again) or while
//! they are parked. An ack with an id of an earlier life does that.
//!
//! Such a message holds up its key as any other does, until its end is on disk: else a crash could bring it back behind a later
//! one of its key.

use super::machine::{Key, QueueMachine, Table};
use super::{Entry, Ordering};
use crate::LogId;

/// Late ends that are on their way to disk.
#[derive(Debug, Default)]
pub(super) struct LateEnds {
    /// For each the key that waits for it, or 0 as long as none does.
    ends: Table<u64>,
    /// Purges: nobody knows the keys of what had not been read.
    purges: usize,
}

impl LateEnds {
    /// The keys that wait.
    pub(super) fn keys(&self) -> impl Iterator<Item = u64> + '_ {
        self.ends.values().copied()
    }
}

impl QueueMachine {
    /// A message was settled that no key is known of: whose key it holds up turns out when it is come upon.
    pub(super) fn await_late_end(&mut self, key: Key) {
        if self.config.ordering == Ordering::Key && !cfg!(feature = "planted-late-order") {
            self.effects.late.push(key);
            self.late.ends.insert(key, 0);
        }
    }

    /// A message that is read for the first time, and settled already.
    pub(super) fn pass_settled(&mut self, entry: &Entry) {
        self.free_if_due((entry.log, entry.offset), entry.bytes);
        if self.ends_late(entry) && !self.keys.parks(entry) {
            self.wait_for_late_end(entry);
        }
    }

    /// True if a settled message still holds up its key.
    pub(super) fn ends_late(&self, entry: &Entry) -> bool {
        !self.late.ends.is_empty() && entry.key != 0 && self.late.ends.contains_key(&(entry.log, entry.offset))
    }

    /// It is the turn of a settled message. True if its key has to wait for its end.
    pub(super) fn wait_for_late_end(&mut self, entry: &Entry) -> bool {
        let late = self.late.ends.get_mut(&(entry.log, entry.offset));
        late.map(|waits| *waits = entry.key).is_some()
    }

    /// Late ends are on disk: the keys that waited for them go on.
    pub(super) fn late_ended(&mut self, late: Vec<Key>) {
        for key in late {
            let waits = self.late.ends.remove(&key).filter(|waits| *waits != 0);
            waits.into_iter().for_each(|waits| self.go_on(waits));
        }
    }

    /// Messages were purged, of any key: nothing goes out until that is on disk.
    pub(super) fn await_purge(&mut self) {
        if self.config.ordering == Ordering::Key && !cfg!(feature = "planted-purge-order") {
            self.effects.purges += 1;
            self.late.purges += 1;
        }
    }

    /// So many purges are on disk.
    pub(super) fn purged(&mut self, purges: usize) {
        self.late.purges -= purges;
    }

    /// True while a purge is on its way to disk.
    pub(super) fn is_purging(&self) -> bool {
        self.late.purges > 0
    }

    /// What was settled of a log counts no more. Keys that waited for it are to be freed.
    pub(super) fn forget_late(&mut self, log: LogId) {
        self.late.ends.retain(|(of, _), _| *of != log);
        for effects in self.committing.values_mut().chain([&mut self.effects]) {
            effects.late.retain(|(of, _)| *of != log);
        }
    }
}
