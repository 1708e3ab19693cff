//! The end of a queue: whether it may be deleted, and who comes while that is decided.

use super::task::Task;
use super::{Message, QueueStats, Reply};
use crate::error::Error;

/// When a queue may be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    Forced,
    /// Without consumers and messages.
    Unused,
    /// The same, and for as long as its `idle_expiry` says.
    Idle,
}

impl Task {
    /// Decides whether the queue may be deleted: nothing comes to its logs any more. If it may, who wants to consume from now
    /// on waits for its end or for [`Message::Reopen`], so that nobody is let in and thrown out.
    pub(super) async fn close(&mut self, condition: Condition, reply: Reply<QueueStats>) {
        let answer = self.last_count(condition).await;
        if answer.is_ok() {
            self.newcomers.get_or_insert_default();
        }
        if reply.send(answer).is_err() {
            self.newcomers = None;
        }
    }

    async fn last_count(&mut self, condition: Condition) -> Result<QueueStats, Error> {
        if condition == Condition::Forced {
            return Ok(self.stats());
        }
        self.seek_when_quiet().await;
        if self.failed.is_none() && self.seeking.is_empty() {
            self.read_to_ends().await?;
        }
        self.watch_idleness(self.shared.clock.now_ms());
        let stats = self.stats();
        let waiting = stats.ready + stats.unsettled + stats.backing_off;
        // Dead letters that are not written yet are nowhere else.
        if stats.consumers > 0 || waiting > 0 || !self.giving.is_empty() || !self.seeking.is_empty() {
            let by = format!("{} consumers, {waiting} messages", stats.consumers);
            return Err(Error::in_use(&self.title(), &by));
        }
        if condition == Condition::Idle && !self.idle.is_over() {
            return Err(Error::in_use(&self.title(), "somebody who came meanwhile"));
        }
        Ok(stats)
    }

    fn title(&self) -> String {
        format!("queue `{}`", self.record.settings.name)
    }

    /// Reads all that there is, unless the window is full before: it may be that none of it matches.
    async fn read_to_ends(&mut self) -> Result<(), Error> {
        let read_to = |task: &Self| task.feeds.values().map(|feed| feed.read_to).sum::<u64>();
        loop {
            let before = read_to(self);
            self.fill().await?;
            if read_to(self) == before {
                return Ok(());
            }
        }
    }

    /// Takes a consumer or a pull in, or lets it wait while it is decided whether the queue ends.
    pub(super) async fn let_in(&mut self, newcomer: Message) {
        if let Some(newcomers) = &mut self.newcomers {
            // Each is a call that its client holds open: they are bounded where calls are.
            newcomers.push(newcomer);
            return;
        }
        self.idle.interrupt();
        match newcomer {
            Message::Subscribe { wish, mailbox, reply } => {
                let answer = self.subscribe(&wish, mailbox).await;
                let _ = reply.send(answer);
            }
            Message::Pull { take, reply } => self.add_pull(take, reply),
            _ => {}
        }
    }

    /// The queue stays.
    pub(super) async fn reopen(&mut self) {
        for newcomer in self.newcomers.take().unwrap_or_default() {
            self.let_in(newcomer).await;
        }
    }

    /// The queue is gone.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
        let gone = Error::queue_not_found(&self.record.settings.name, None);
        self.fail(&gone);
        self.refuse_pulls(&gone);
        for newcomer in self.newcomers.take().unwrap_or_default() {
            match newcomer {
                Message::Subscribe { reply, .. } => drop(reply.send(Err(gone.clone()))),
                Message::Pull { reply, .. } => drop(reply.send(Err(gone.clone()))),
                _ => {}
            }
        }
    }
}
