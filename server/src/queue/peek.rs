//! A look into a queue, without taking anything.

use ferrymq_core::batch::Batch;
use ferrymq_core::cursor::Cursor;
use ferrymq_core::queue::MessageState;
use ferrymq_core::{CommitNo, LogId, Offset};

use super::Peeked;
use super::feed::READ_BYTES;
use super::task::Task;
use crate::error::Error;

impl Task {
    pub(super) async fn peek(&mut self, from: &[(LogId, Offset)], max: usize) -> Result<Vec<Peeked>, Error> {
        let logs: Vec<LogId> = self.feeds.keys().copied().collect();
        let mut found: Vec<(CommitNo, LogId, Offset, Peeked)> = Vec::new();
        for log in logs {
            let floor = self.machine.cursor(log).map_or(0, Cursor::floor);
            let start = from.iter().find(|(of, _)| *of == log).map_or(floor, |(_, offset)| floor.max(*offset));
            self.peek_log(log, start, max, &mut found).await?;
        }
        found.sort_by_key(|(commit, log, offset, _)| (*commit, *log, *offset));
        Ok(found.into_iter().take(max).map(|(.., peeked)| peeked).collect())
    }

    async fn peek_log(
        &mut self,
        log: LogId,
        mut at: Offset,
        max: usize,
        found: &mut Vec<(CommitNo, LogId, Offset, Peeked)>,
    ) -> Result<(), Error> {
        let enough = found.len() + max;
        while found.len() < enough && at < self.shared.store.end(log) {
            let read = self.shared.store.read(log, at, READ_BYTES).await.map_err(|e| Error::damaged(&e.to_string()))?;
            if read.is_empty() {
                return Ok(());
            }
            for stored in read {
                let batch = Batch::parse(stored.bytes).map_err(|error| Error::damaged(&error.to_string()))?;
                for index in 0..batch.len() {
                    let offset = stored.base + index as u64;
                    if offset < at || found.len() >= enough || !self.is_open(log, offset, &batch, index) {
                        continue;
                    }
                    let state = self.machine.state_of(log, offset).unwrap_or(MessageState::Ready);
                    let delivery = self.delivery(log, offset, &batch, index)?;
                    found.push((stored.commit, log, offset, Peeked { delivery, state }));
                }
                at = at.max(stored.base + u64::from(stored.count));
            }
        }
        Ok(())
    }

    fn is_open(&self, log: LogId, offset: Offset, batch: &Batch, index: usize) -> bool {
        let settled = self.machine.state_of(log, offset) == Some(MessageState::Settled);
        !settled && self.feeds.get(&log).is_some_and(|feed| feed.matches(offset, batch, index))
    }
}
