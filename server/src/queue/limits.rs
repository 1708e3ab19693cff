//! A queue with limits: what was there is counted by reading, and the oldest goes when there is too much.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferrymq_core::batch::Batch;
use ferrymq_core::cursor::Cursor;
use ferrymq_core::queue::{Freed, Outbox, Ticket};
use ferrymq_core::{LogId, Offset};
use ferrymq_engine::store::Store;
use tokio::sync::oneshot;

use super::Interval;
use super::feed::READ_BYTES;
use super::task::Task;
use crate::committer::{AtEnds, Change};
use crate::depth::{Depth, Settled};
use crate::error::Error;

/// What a task keeps of its queue's limits.
pub(super) struct Limited {
    depth: Arc<Depth>,
    /// The number of the newest counting. What is settled from its begin on is taken off it, also before its commit is sealed.
    era: u64,
    /// What outboxes take off that are not durable yet.
    leaving: BTreeMap<Ticket, Freed>,
}

/// One log of a queue, as far as counting needs it.
struct Part {
    log: LogId,
    intervals: Option<Vec<Interval>>,
    cursor: Cursor,
}

impl Limited {
    pub(super) fn new(depth: Arc<Depth>) -> Self {
        Self { depth, era: 0, leaving: BTreeMap::new() }
    }

    pub(super) fn durable(&mut self, ticket: Ticket) {
        self.leaving.remove(&ticket);
    }
}

impl Task {
    /// Counts anew what is there: at the start, and when the queue's progress or bindings were changed. What is published
    /// behind this must be routed by what the queue then follows.
    pub(super) async fn recount(&mut self) {
        if self.limited.is_none() {
            return;
        }
        self.commit().await;
        let Some(limited) = &mut self.limited else { return };
        limited.era += 1;
        let (depth, era) = (limited.depth.clone(), limited.era);
        self.machine.forget_unread();
        let parts = self.parts();
        let logs: Vec<LogId> = parts.iter().map(|part| part.log).collect();
        let (tell, told) = oneshot::channel();
        tokio::spawn(count(self.shared.store.clone(), parts, (depth.clone(), era), told));
        let at_ends: AtEnds = Box::new(move |end_of| {
            let ends = logs.into_iter().map(|log| (log, end_of(log))).collect();
            let _ = tell.send(ends);
            Vec::new()
        });
        let change =
            Change { settled: Some(Settled::Anew { depth, era }), at_ends: Some(at_ends), ..Change::default() };
        // Its commit holds nothing: where it stands among the others is what counts.
        let _ = self.shared.committer.settle(change).await;
    }

    fn parts(&self) -> Vec<Part> {
        let part = |(log, feed): (&LogId, &super::feed::Feed)| {
            let cursor = self.machine.cursor(*log)?.clone();
            Some(Part { log: *log, intervals: feed.intervals.clone(), cursor })
        };
        self.feeds.iter().filter_map(part).collect()
    }

    /// What an outbox takes off the queue, to be told to the committer with it.
    pub(super) fn taken_off(&mut self, outbox: &Outbox) -> Option<Settled> {
        let limited = self.limited.as_mut()?;
        limited.leaving.insert(outbox.ticket, outbox.freed);
        let Freed { messages, bytes } = outbox.freed;
        Some(Settled::Less { depth: limited.depth.clone(), era: limited.era, messages, bytes })
    }

    /// What waits, exactly: if all that was settled is durable.
    pub(super) fn exact_depth(&self) -> Option<i64> {
        let limited = self.limited.as_ref().filter(|limited| limited.leaving.is_empty())?;
        limited.depth.get().map(|(messages, _)| messages - self.machine.freed().messages as i64)
    }

    /// The bytes of that.
    pub(super) fn exact_bytes(&self) -> Option<i64> {
        let limited = self.limited.as_ref().filter(|limited| limited.leaving.is_empty())?;
        limited.depth.get().map(|(_, bytes)| bytes - self.machine.freed().bytes as i64)
    }

    /// Gives up the oldest that nobody holds, as far as the queue is over its limits.
    pub(super) fn drop_overflow(&mut self) {
        let Some(limited) = &self.limited else { return };
        let (mut messages, mut bytes) = limited.depth.excess();
        for freed in limited.leaving.values().chain([&self.machine.freed()]) {
            messages -= freed.messages as i64;
            bytes -= freed.bytes as i64;
        }
        if messages > 0 || bytes > 0 {
            self.machine.drop_oldest(messages, bytes);
        }
    }
}

impl Task {
    /// Gives up what nobody holds of logs that are over their own limits.
    pub(super) fn drop_given_up(&mut self) {
        if self.machine.drop_given_up() {
            self.notify.notify_one();
        }
    }
}

/// Counts what is not settled below the ends that it is told.
async fn count(
    store: Store,
    parts: Vec<Part>,
    (depth, era): (Arc<Depth>, u64),
    told: oneshot::Receiver<BTreeMap<LogId, Offset>>,
) {
    // Without an answer the commit failed, and nothing goes on.
    let Ok(ends) = told.await else { return };
    let mut freed = Freed::default();
    for part in parts {
        let end = ends.get(&part.log).copied().unwrap_or(0);
        if let Err(error) = count_part(&store, &part, end, &mut freed).await {
            tracing::error!(%error, "what a queue holds could not be counted");
        }
    }
    depth.counted(era, freed.messages, freed.bytes);
}

async fn count_part(store: &Store, part: &Part, end: Offset, sum: &mut Freed) -> Result<(), Error> {
    let damaged = |what: &dyn std::fmt::Display| Error::damaged(&what.to_string());
    let mut at = part.cursor.floor().max(store.first(part.log));
    while at < end {
        let read = store.read(part.log, at, READ_BYTES).await.map_err(|error| damaged(&error))?;
        let Some(last) = read.last() else { return Ok(()) };
        let after = last.base;
        for stored in read {
            let batch = Batch::parse(stored.bytes).map_err(|error| damaged(&error))?;
            for index in 0..batch.len() {
                let offset = stored.base + index as u64;
                let is_there = offset >= at && offset < end && !part.cursor.is_settled(offset);
                if is_there && super::feed::matches(part.intervals.as_deref(), offset, &batch, index) {
                    sum.messages += 1;
                    sum.bytes += u64::from(batch.message_len(index));
                }
            }
            at = at.max(stored.base + batch.len() as u64);
        }
        debug_assert!(at > after, "a batch holds something");
    }
    Ok(())
}
