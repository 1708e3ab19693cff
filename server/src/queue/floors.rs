//! Floors that rise though nothing is settled: recorded in time, so that a queue that nothing matches pins no log.

use std::time::Duration;

use tokio::time::Instant;

use super::task::Task;

/// How long a floor that has risen goes without a record, unless a settlement takes it along.
const RECORDED_WITHIN: Duration = Duration::from_secs(5);

impl Task {
    /// Records floors that have risen for so long.
    pub(super) fn record_floors_in_time(&mut self) {
        if self.failed.is_some() || !self.machine.has_unrecorded_floor() {
            self.floors_due = None;
            return;
        }
        let now = Instant::now();
        if *self.floors_due.get_or_insert(now + RECORDED_WITHIN) <= now {
            self.machine.record_floors();
            self.floors_due = None;
        }
    }
}
