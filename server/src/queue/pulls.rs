//! Pulls: they wait for their first message, in turn, as long as their callers do.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::task::{Task, ms};
use super::{Reply, Take, Taken};
use crate::error::Error;

/// A pull that waits for its first message.
pub(super) struct PullWaiting {
    pub(super) take: Take,
    pub(super) reply: Reply<Taken>,
    pub(super) until: Instant,
}

/// Tells a queue's task that callers have gone before they were answered.
#[derive(Default)]
pub(super) struct Leavers {
    some: AtomicBool,
    task: Arc<Notify>,
}

impl Leavers {
    /// Of the task that `task` wakes.
    pub(super) fn of(task: Arc<Notify>) -> Self {
        Self { some: AtomicBool::new(false), task }
    }

    fn take(&self) -> bool {
        self.some.swap(false, Ordering::AcqRel)
    }
}

/// One caller. Dropped before it is answered, it has gone.
pub(super) struct Caller(Option<Arc<Leavers>>);

impl Caller {
    pub(super) fn new(leavers: &Arc<Leavers>) -> Self {
        Self(Some(leavers.clone()))
    }

    pub(super) fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if let Some(leavers) = self.0.take() {
            leavers.some.store(true, Ordering::Release);
            leavers.task.notify_one();
        }
    }
}

impl Task {
    pub(super) fn add_pull(&mut self, take: Take, reply: Reply<Taken>) {
        if !reply.is_closed() {
            let until = Instant::now() + std::time::Duration::from_millis(take.wait_ms);
            self.pulls.push_back(PullWaiting { take, reply, until });
        }
    }

    /// Forgets those whose callers have gone, wherever they stand.
    pub(super) fn forget_leavers(&mut self) {
        if self.leavers.take() {
            self.pulls.retain(|pull| !pull.reply.is_closed());
        }
    }

    pub(super) async fn serve_pulls(&mut self, now: u64) {
        while let Some(pull) = self.pulls.front() {
            if pull.reply.is_closed() {
                self.pulls.pop_front();
                continue;
            }
            let lease_ms = pull.take.lease_ms.unwrap_or(ms(self.record.settings.lease.as_ref()));
            let mut assigned = Vec::new();
            self.machine.pull(pull.take.messages_max, pull.take.bytes_max, lease_ms, now, &mut assigned);
            if assigned.is_empty() {
                return;
            }
            let answer = self.deliveries(&assigned).await.map(|deliveries| (deliveries, lease_ms));
            let is_read = answer.is_ok();
            let sent = self.pulls.pop_front().map(|pull| pull.reply.send(answer));
            if !(is_read && matches!(sent, Some(Ok(())))) {
                // Nobody has them: they need not wait for the end of their leases.
                self.machine.take_back(&assigned, now);
            }
        }
    }

    /// Answers those that have waited long enough. Who does not want to wait still gets what is there: it may be held
    /// back by a commit, for a moment.
    pub(super) fn end_pulls(&mut self) {
        let now = Instant::now();
        let lease_ms = ms(self.record.settings.lease.as_ref());
        if let Some(error) = self.failed.clone() {
            self.refuse_pulls(&error);
        }
        let is_held_back = self.machine.can_be_pulled() && !self.in_flight.is_empty();
        if is_held_back || self.pulls.iter().all(|pull| pull.until > now) {
            return;
        }
        let (over, waiting) = std::mem::take(&mut self.pulls).into_iter().partition(|pull| pull.until <= now);
        self.pulls = waiting;
        let over: VecDeque<PullWaiting> = over;
        for pull in over {
            let _ = pull.reply.send(Ok((Vec::new(), pull.take.lease_ms.unwrap_or(lease_ms))));
        }
    }

    pub(super) fn refuse_pulls(&mut self, error: &Error) {
        self.pulls.drain(..).for_each(|pull| drop(pull.reply.send(Err(error.clone()))));
    }
}
