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
    /// It has been idle for long enough.
    is_over: bool,
}

impl Idle {
    pub(super) fn next(&self) -> Option<Millis> {
        self.due
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Somebody uses the queue.
    pub(super) fn interrupt(&mut self) {
        *self = Self::default();
    }
}

impl Task {
    /// To be called when what has come in was read and nothing of it was handed out yet, so that nothing comes and goes unseen.
    /// The catalogue deletes the queue only if that still holds once nothing can come to it any more.
    pub(super) fn watch_idleness(&mut self, now: Millis) {
        let idle_ms = ms(self.record.settings.idle_expiry.as_ref());
        if idle_ms == 0 {
            return;
        }
        if self.failed.is_some() || self.is_used() {
            return self.idle.interrupt();
        }
        let since = *self.idle.since.get_or_insert(now);
        let due = *self.idle.due.get_or_insert(since.saturating_add(idle_ms));
        self.idle.is_over |= due <= now;
        if due <= now {
            self.idle.due = Some(now.saturating_add(ASK_AGAIN_MS));
            if let Some(admin) = self.shared.admin.get() {
                admin.tell(Command::DeleteIdle(self.record.id));
            }
        }
    }

    /// What has not been read does not count: on a busy topic there is always something that no binding matches.
    fn is_used(&self) -> bool {
        let known = self.machine.stats();
        let has_messages = known.ready + known.unsettled + known.backing_off > 0;
        let has_read = || self.feeds.values().any(|feed| !feed.ahead.is_empty());
        // Consumers that are kept while their stream is broken are some.
        known.consumers > 0 || !self.pulls.is_empty() || has_messages || has_read()
    }
}
