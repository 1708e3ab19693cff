//! Several logs read side by side, in the order of commits, with a bound on the work.

use std::collections::VecDeque;

use ferrymq_core::batch::Batch;
use ferrymq_core::queue::Place;
use ferrymq_core::{CommitNo, LogId, Offset};
use ferrymq_engine::store::Store;

use crate::error::Error;
use crate::queue::OpenLog;

/// Bytes and messages that are read for one page; what was read then is still looked at.
const BYTES_MAX: usize = 8 << 20;
const MESSAGES_MAX: usize = 16_384;
/// Bytes read at a time, over all logs.
const READ_BYTES: usize = 256 << 10;

/// A message that may be shown.
pub(super) struct Candidate {
    pub place: Place,
    pub topic: bytes::Bytes,
    pub batch: Batch,
    pub index: usize,
}

/// What comes next.
pub(super) enum Step {
    Found(Candidate),
    /// There is more, but enough work has been done.
    Spent,
    End,
}

/// One log.
struct Line {
    open: OpenLog,
    /// All below has been read.
    at: Offset,
    end: Offset,
    /// Read and taken, not given out yet.
    ahead: VecDeque<Candidate>,
    /// The commit of the batch that was read last; none: nothing was read.
    commit: Option<CommitNo>,
}

/// What was read.
#[derive(Default)]
struct Work {
    bytes: usize,
    messages: usize,
}

/// All of them.
pub(super) struct Lines {
    store: Store,
    lines: Vec<Line>,
    /// What comes later is not looked at: some of it may not be in the ends yet.
    visible: CommitNo,
    work: Work,
    /// Something was given out or passed, so that the next page begins further on.
    has_moved: bool,
}

impl Lines {
    /// Begins where `starts` says of a log, or at `from` in all of them. `busy`: only what is with a consumer, or waits for
    /// another attempt, is wanted.
    pub(super) async fn new(
        store: &Store,
        logs: Vec<OpenLog>,
        starts: &[(LogId, Offset)],
        from: Option<Place>,
        busy: bool,
    ) -> Result<Self, Error> {
        let visible = store.visible();
        let mut lines = Vec::with_capacity(logs.len());
        for open in logs {
            let end = store.end(open.log);
            let end = if busy { end.min(open.busy_to) } else { end };
            let start = starts.iter().find(|(log, _)| *log == open.log).map_or(0, |(_, start)| *start);
            let mut line =
                Line { at: start.max(store.first(open.log)), open, end, ahead: VecDeque::new(), commit: None };
            line.skip();
            if let Some(from) = from {
                line.go_to(store, from).await?;
            }
            lines.push(line);
        }
        Ok(Self { store: store.clone(), lines, visible, work: Work::default(), has_moved: false })
    }

    /// The next message that is taken, in order.
    pub(super) async fn next(&mut self) -> Result<Step, Error> {
        let bytes_max = READ_BYTES / self.lines.len().max(1);
        loop {
            // The line that is least far: nothing comes before what it has. What it lacks is read, and no more than that.
            let rest = self.lines.iter_mut().filter(|line| line.has_more());
            let Some(line) = rest.min_by_key(|line| line.frontier()) else { return Ok(Step::End) };
            if let Some(candidate) = line.ahead.pop_front() {
                self.has_moved = true;
                return Ok(Step::Found(candidate));
            }
            // Without a look into each log there is no order.
            if line.commit.is_some() {
                if self.has_moved && (self.work.bytes >= BYTES_MAX || self.work.messages >= MESSAGES_MAX) {
                    return Ok(Step::Spent);
                }
                self.has_moved = true;
            }
            line.read(&self.store, bytes_max, self.visible, &mut self.work).await?;
        }
    }

    /// All before it has been given out or passed.
    pub(super) fn frontier(&self) -> Option<Place> {
        self.lines.iter().filter(|line| line.has_more()).map(Line::frontier).min()
    }
}

impl Line {
    fn has_more(&self) -> bool {
        !self.ahead.is_empty() || self.at < self.end
    }

    fn frontier(&self) -> Place {
        let read = || (self.commit.unwrap_or_default(), self.open.log, self.at);
        self.ahead.front().map_or_else(read, |candidate| candidate.place)
    }

    /// Over what is settled.
    fn skip(&mut self) {
        let behind = self.open.ranges.partition_point(|(_, to)| *to <= self.at);
        self.at = self.open.ranges.get(behind).map_or(self.end, |(from, _)| self.at.max(*from));
    }

    async fn read(&mut self, store: &Store, bytes_max: usize, visible: CommitNo, work: &mut Work) -> Result<(), Error> {
        let read = store.read(self.open.log, self.at, bytes_max).await.map_err(damaged)?;
        if read.is_empty() {
            self.at = self.end;
        }
        for stored in read {
            if stored.commit > visible || stored.base >= self.end {
                self.at = self.end;
                break;
            }
            work.bytes += stored.bytes.len();
            work.messages += stored.count as usize;
            let batch = Batch::parse(stored.bytes).map_err(damaged)?;
            for index in 0..batch.len() {
                let offset = stored.base + index as u64;
                if (self.at..self.end).contains(&offset) && self.open.takes(offset, &batch, index) {
                    let place = (stored.commit, self.open.log, offset);
                    let topic = self.open.topic.clone();
                    self.ahead.push_back(Candidate { place, topic, batch: batch.clone(), index });
                }
            }
            self.at = self.at.max(stored.base + u64::from(stored.count));
            self.commit = Some(stored.commit);
        }
        self.skip();
        Ok(())
    }

    /// Goes on to the first message that does not stand before `from`. Batches are looked at by halves, as their commits rise.
    async fn go_to(&mut self, store: &Store, (commit, log, offset): Place) -> Result<(), Error> {
        if log == self.open.log {
            self.at = self.at.max(offset);
        } else {
            let is_before = |of: CommitNo| if self.open.log > log { of < commit } else { of <= commit };
            let (mut low, mut high) = (self.at, self.end);
            while low < high {
                let middle = low + (high - low) / 2;
                let read = store.read(self.open.log, middle, 1).await.map_err(damaged)?;
                match read.first() {
                    Some(stored) if is_before(stored.commit) => low = stored.base + u64::from(stored.count),
                    _ => high = middle,
                }
            }
            self.at = low;
        }
        self.skip();
        Ok(())
    }
}

fn damaged(error: impl std::fmt::Display) -> Error {
    Error::damaged(&error.to_string())
}
