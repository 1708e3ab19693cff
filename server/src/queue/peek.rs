//! A look into a queue: what of its logs is open, and what the messages there are doing. Whoever looks reads the logs
//! himself, so that deliveries do not wait for him.

use bytes::Bytes;
use ferrymq_core::batch::Batch;
use ferrymq_core::cursor::Cursor;
use ferrymq_core::queue::{Look, Place};
use ferrymq_core::{LogId, Offset};

use super::feed::{Feed, matches};
use super::task::Task;
use super::{Interval, Message, QueueHandle};
use crate::error::Error;

/// Most open ranges of one log that are told apart.
const RANGES_MAX: usize = 1_024;

/// What of one of its logs a queue has not settled.
pub(crate) struct OpenLog {
    pub log: LogId,
    /// Its topic's name; empty for an inbox.
    pub topic: Bytes,
    /// What is taken of it; none: everything.
    pub intervals: Option<Vec<Interval>>,
    /// In order; the last goes on without end. Some settled messages may lie in them.
    pub ranges: Vec<(Offset, Offset)>,
    /// What is with a consumer or waits for another attempt stands below.
    pub busy_to: Offset,
}

impl OpenLog {
    /// True if a message lies in it and is taken.
    pub(crate) fn takes(&self, offset: Offset, batch: &Batch, index: usize) -> bool {
        let behind = self.ranges.partition_point(|(_, to)| *to <= offset);
        let is_open = self.ranges.get(behind).is_some_and(|(from, _)| *from <= offset);
        is_open && matches(self.intervals.as_deref(), offset, batch, index)
    }
}

impl QueueHandle {
    /// What is open of the queue's logs, or of the one that is named.
    pub(crate) async fn open_logs(&self, only: Option<LogId>) -> Result<Vec<OpenLog>, Error> {
        self.ask(|reply| Message::OpenLogs { only, reply }).await
    }

    /// What messages are doing that the queue's bindings match.
    pub(crate) async fn look(&self, places: Vec<Place>) -> Result<Vec<Look>, Error> {
        self.ask(|reply| Message::Look { places, reply }).await
    }
}

impl Task {
    pub(super) fn open_logs(&self, only: Option<LogId>) -> Vec<OpenLog> {
        let wanted = self.feeds.iter().filter(|(log, _)| only.is_none_or(|only| only == **log));
        wanted.map(|(log, feed)| self.open_log(*log, feed)).collect()
    }

    fn open_log(&self, log: LogId, feed: &Feed) -> OpenLog {
        let ranges = self.machine.cursor(log).map_or_else(Vec::new, |cursor: &Cursor| cursor.open_ranges(RANGES_MAX));
        let (topic, intervals) = (feed.topic.clone(), feed.intervals.clone());
        OpenLog { log, topic, intervals, ranges, busy_to: self.machine.busy_to(log) }
    }

    pub(super) fn look(&self, places: &[Place]) -> Vec<Look> {
        let now = self.shared.clock.now_ms();
        places.iter().map(|place| self.machine.look(*place, now)).collect()
    }
}
