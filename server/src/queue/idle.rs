//! Queues that are deleted when nobody has used them for long enough.

use ferrymq_core::Millis;

use super::task::{Task, ms};
use crate::catalogue::admin::Command;

/// After so long the catalogue is asked again: it was busy, or somebody came at the last moment.
const ASK_AGAIN_MS: u64 = 1_000;

/// Since when a queue has been idle. Not on disk: a start of the broker begins anew.
#[derive(Default)]
pub(super) struct Idle {
    since: Option<Millis>,
    /// When the catalogue is to be asked.
    due: Option<Millis>,
}

impl Idle {
    pub(super) fn next(&self) -> Option<Millis> {
        self.due
    }
}

impl Task {
    /// To be called before anything is handed out or answered, so that nobody comes and goes unseen. The catalogue deletes the
    /// queue only if it is empty and without consumers once nothing can come to it any more.
    pub(super) fn watch_idleness(&mut self, now: Millis) {
        let idle_ms = ms(self.record.settings.idle_expiry.as_ref());
        if idle_ms == 0 {
            return;
        }
        if self.failed.is_some() || self.is_used() {
            self.idle = Idle::default();
            return;
        }
        let since = *self.idle.since.get_or_insert(now);
        let due = *self.idle.due.get_or_insert(since.saturating_add(idle_ms));
        if due <= now {
            self.idle.due = Some(now.saturating_add(ASK_AGAIN_MS));
            if let Some(admin) = self.shared.admin.get() {
                admin.tell(Command::DeleteIdle(self.record.id));
            }
        }
    }

    fn is_used(&self) -> bool {
        let stats = self.stats();
        stats.consumers > 0 || !self.pulls.is_empty() || stats.ready + stats.unsettled + stats.backing_off > 0
    }
}
