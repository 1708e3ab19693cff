//! Reading again what ordering keys had no room for: behind the queue's own reading, for keys whose turn comes.

use std::collections::{BTreeMap, VecDeque};

use ferrymq_core::batch::Batch;
use ferrymq_core::cursor::Cursor;
use ferrymq_core::queue::{Entry, Place};
use ferrymq_core::{CommitNo, LogId, Offset};

use super::feed::READ_BYTES;
use super::task::{Task, ms};
use crate::error::Error;

/// Most reads, and most messages, before deliveries are made again.
const READS_MAX: usize = 16;
const MESSAGES_MAX: usize = 8_192;

/// A reading that began at some place in the queue's order.
pub(super) struct Again(BTreeMap<LogId, Line>);

/// How far it is in one log.
struct Line {
    at: Offset,
    /// Read, matched, not yet given to the machine.
    ahead: VecDeque<Entry>,
}

/// What a part of the reading ended with.
#[derive(PartialEq)]
enum Outcome {
    /// There is more to read.
    More,
    /// Nothing more is needed.
    Enough,
    /// It is where the queue's own reading is.
    Whole,
}

impl Task {
    /// Reads a part of what keys want to be read again.
    pub(super) async fn read_again(&mut self) -> Result<(), Error> {
        let mut again = match self.again.take() {
            Some(again) => again,
            None => match self.machine.again_from() {
                Some(from) => self.begin_again(from).await?,
                None => return Ok(()),
            },
        };
        match self.go_through(&mut again).await? {
            Outcome::More => self.again = Some(again),
            outcome => self.machine.end_again(outcome == Outcome::Whole),
        }
        self.notify.notify_one();
        Ok(())
    }

    /// What the keys wait for may lie in any log that feeds the queue.
    async fn begin_again(&mut self, from: Place) -> Result<Again, Error> {
        let mut lines = BTreeMap::new();
        let logs: Vec<LogId> = self.feeds.keys().copied().collect();
        for log in logs {
            let floor = self.machine.cursor(log).map_or(0, Cursor::floor);
            let at = match from {
                (_, of, offset) if of == log => offset,
                (commit, ..) => self.first_of(log, commit, floor).await?,
            };
            lines.insert(log, Line { at: at.max(floor), ahead: VecDeque::new() });
        }
        Ok(Again(lines))
    }

    /// The first message of a log in `commit` or later, among those that have been read.
    async fn first_of(&mut self, log: LogId, commit: CommitNo, from: Offset) -> Result<Offset, Error> {
        let (mut low, mut high) = (from, self.machine.read_to(log));
        while low < high {
            let middle = low + (high - low) / 2;
            let read = self.shared.store.read(log, middle, 1).await.map_err(|e| Error::damaged(&e.to_string()))?;
            match read.first() {
                Some(stored) if stored.commit < commit => low = stored.base + u64::from(stored.count),
                _ => high = middle,
            }
        }
        Ok(low)
    }

    async fn go_through(&mut self, again: &mut Again) -> Result<Outcome, Error> {
        let mut reads = 0;
        for _ in 0..MESSAGES_MAX {
            for (log, line) in &mut again.0 {
                while line.ahead.is_empty() && line.at < self.machine.read_to(*log) {
                    if reads == READS_MAX {
                        return Ok(Outcome::More);
                    }
                    reads += 1;
                    self.read_line(*log, line).await?;
                }
            }
            let first = |(log, line): (&LogId, &Line)| line.ahead.front().map(|entry| (entry.commit, *log));
            let Some((_, log)) = again.0.iter().filter_map(first).min() else { return Ok(Outcome::Whole) };
            let entry = again.0.get_mut(&log).and_then(|line| line.ahead.pop_front());
            if let Some(entry) = entry
                && !self.machine.take_again(&entry)
            {
                return Ok(Outcome::Enough);
            }
        }
        Ok(Outcome::More)
    }

    async fn read_line(&mut self, log: LogId, line: &mut Line) -> Result<(), Error> {
        let (end, ttl_ms) = (self.machine.read_to(log), ms(self.record.settings.message_ttl.as_ref()));
        let read = self.shared.store.read(log, line.at, READ_BYTES).await;
        let read = read.map_err(|e| Error::damaged(&e.to_string()))?;
        let Some(feed) = self.feeds.get(&log).filter(|_| !read.is_empty()) else {
            line.at = end;
            return Ok(());
        };
        for stored in read {
            let batch = Batch::parse(stored.bytes).map_err(|error| Error::damaged(&error.to_string()))?;
            let entries = (0..batch.len()).map(|index| (stored.base + index as u64, index));
            let wanted = entries.filter(|(offset, _)| (line.at..end).contains(offset));
            let matching = wanted.filter(|(offset, index)| feed.matches(*offset, &batch, *index));
            let entry = |(offset, index)| feed.entry((log, offset), stored.commit, &batch, index, ttl_ms);
            line.ahead.extend(matching.map(entry).filter(|entry| entry.key != 0));
            line.at = line.at.max((stored.base + batch.len() as u64).min(end));
        }
        Ok(())
    }
}
