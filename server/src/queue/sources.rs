//! Which logs feed a queue, and what of them: as its bindings say.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use ferrymq_core::cursor::Cursor;
use ferrymq_core::settle::Progress;
use ferrymq_core::{LogId, Offset, QueueId};

use super::Interval;
use super::feed::Feed;
use super::tally::Tally;
use super::task::Task;
use crate::catalogue::record::BindingRecord;
use crate::catalogue::rule::Rule;

/// What a binding means, compiled; what `before` had is taken from there.
fn interval(binding: &BindingRecord, before: Option<&Feed>) -> Option<Interval> {
    let known = before.and_then(|feed| feed.intervals.iter().flatten().find(|known| known.binding == binding.id));
    let rule = known.map(|interval| interval.rule.clone()).or_else(|| Rule::of(binding))?;
    Some(Interval { binding: binding.id, from: binding.from, to: binding.to, rule })
}

impl Task {
    pub(super) fn feed_all(&mut self, bindings: &[Arc<BindingRecord>], from_disk: bool) {
        let mut cursors: BTreeMap<LogId, Cursor> = if from_disk {
            self.shared.store.cursors(QueueId(self.record.id)).into_iter().collect()
        } else {
            BTreeMap::new()
        };
        let inbox = LogId(self.record.inbox);
        let cursor = cursors.remove(&inbox).unwrap_or_default();
        self.add_feed(inbox, Bytes::new(), None, cursor, 0);
        self.rebind(bindings, &mut cursors);
    }

    /// `cursor` as the store has it. What is before `from` was never this queue's.
    fn add_feed(&mut self, log: LogId, topic: Bytes, intervals: Option<Vec<Interval>>, cursor: Cursor, from: Offset) {
        self.machine.add_source(log, cursor);
        self.machine.passed(log, from);
        let read_to = self.machine.cursor(log).map_or(from, Cursor::floor);
        let began_at = if self.started { read_to } else { self.shared.store.end(log) };
        let feed = Feed {
            topic,
            intervals,
            newest: None,
            ahead: VecDeque::new(),
            read_to,
            began_at,
            received: 0,
            tally: Tally::default(),
            keys: self.keys.clone(),
        };
        self.feeds.insert(log, feed);
        self.shared.watch.watch(log, &self.notify);
        self.notify.notify_one();
    }

    pub(super) fn rebind(&mut self, bindings: &[Arc<BindingRecord>], cursors: &mut BTreeMap<LogId, Cursor>) {
        // It would miss what new logs bring; it begins anew.
        self.again = None;
        let mut by_log: BTreeMap<LogId, Vec<&Arc<BindingRecord>>> = BTreeMap::new();
        for binding in bindings {
            by_log.entry(binding.log_id()).or_default().push(binding);
        }
        self.drop_feeds(|log| !by_log.contains_key(&log));
        for (log, bindings) in by_log {
            let intervals: Vec<Interval> = {
                let before = self.feeds.get(&log);
                bindings.iter().filter_map(|binding| interval(binding, before)).collect()
            };
            if let Some(feed) = self.feeds.get_mut(&log) {
                feed.intervals = Some(intervals);
                feed.tally.clear();
                continue;
            }
            let from = bindings.iter().map(|binding| binding.from).min().unwrap_or(0);
            let cursor = cursors.remove(&log).unwrap_or_else(|| self.cursor_anew(log, from));
            let topic = bindings.first().map(|binding| Bytes::from(binding.settings.topic.clone())).unwrap_or_default();
            self.add_feed(log, topic, Some(intervals), cursor, from);
        }
    }

    /// Logs that no binding leads here from any more are not read on, once all that they had brought is settled.
    fn drop_feeds(&mut self, is_unbound: impl Fn(LogId) -> bool) {
        let is_over = |(log, feed): (&LogId, &Feed)| {
            let end = feed.intervals.as_ref()?.iter().map(|interval| interval.to.unwrap_or(Offset::MAX)).max()?;
            let floor = self.machine.cursor(*log).map_or(0, Cursor::floor);
            (is_unbound(*log) && end <= floor).then_some(*log)
        };
        let over: Vec<LogId> = self.feeds.iter().filter_map(is_over).collect();
        for log in over {
            let received = self.feeds.remove(&log).map_or(0, |feed| feed.received);
            self.machine.count_received(received);
            self.machine.remove_source(log);
            self.catching_up.iter_mut().for_each(|waiting| waiting.ends.retain(|(of, _)| *of != log));
        }
    }

    /// Of a log that the queue reads from `from` on. If a seek moved it before, ack ids of that time have to stay out of date.
    fn cursor_anew(&self, log: LogId, from: Offset) -> Cursor {
        let stored = self.shared.store.cursors(QueueId(self.record.id)).into_iter().find(|(of, _)| *of == log);
        let mut cursor = Cursor::default();
        if let Some((_, stored)) = stored.filter(|(_, stored)| stored.generation() > 0) {
            let (floor, generation) = (stored.floor(), stored.generation());
            cursor.apply(&Progress::Anew { floor, sent: from, generation });
        }
        cursor
    }
}
