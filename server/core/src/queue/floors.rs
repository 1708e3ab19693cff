//! Floors that have risen because nothing matched.

use super::machine::QueueMachine;
use crate::LogId;

impl QueueMachine {
    /// True if a floor has risen further than the records tell: what did not match needs no record of its own.
    #[must_use]
    pub fn has_unrecorded_floor(&self) -> bool {
        self.sources.values().any(|source| source.cursor.floor() > source.floor_recorded)
    }

    /// Records the floors as they are, so that logs need not keep what did not match.
    pub fn record_floors(&mut self) {
        let logs: Vec<LogId> = self.sources.keys().copied().collect();
        for log in logs {
            self.record_floor(log);
        }
    }
}
