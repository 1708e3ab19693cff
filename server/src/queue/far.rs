//! Reading again what waited out of memory: messages with long delays, when their time comes.

use ferrymq_core::batch::Batch;
use ferrymq_core::queue::Wanted;

use super::task::{Task, ms};
use crate::error::Error;

/// Bytes read at a time: messages that were given back together stand together.
const READ_BYTES: usize = 64 << 10;
/// Most messages before deliveries are made again.
const MESSAGES_MAX: usize = 1_024;

impl Task {
    /// Reads a part of what comes due.
    pub(super) async fn read_far(&mut self, now: u64) -> Result<(), Error> {
        let mut wanted = self.machine.wanted(now, MESSAGES_MAX);
        if wanted.is_empty() {
            return Ok(());
        }
        wanted.sort_unstable_by_key(|wanted| (wanted.log, wanted.offset));
        let mut rest = &wanted[..];
        while !rest.is_empty() {
            rest = self.take_some(rest, now).await?;
        }
        self.notify.notify_one();
        Ok(())
    }

    /// Gives the first of `wanted` to the machine, and those that stand close to it; what is left.
    async fn take_some<'a>(&mut self, wanted: &'a [Wanted], now: u64) -> Result<&'a [Wanted], Error> {
        let Some((first, others)) = wanted.split_first() else { return Ok(wanted) };
        let ttl_ms = ms(self.record.settings.message_ttl.as_ref());
        let read = self.shared.store.read(first.log, first.offset, READ_BYTES).await;
        let read = read.map_err(|error| Error::damaged(&error.to_string()))?;
        let mut rest = wanted;
        for stored in read {
            let batch = Batch::parse(stored.bytes).map_err(|error| Error::damaged(&error.to_string()))?;
            let end = stored.base + batch.len() as u64;
            while let Some((next, others)) = rest.split_first()
                && next.log == first.log
                && next.offset < end
            {
                rest = others;
                // It was asked for, and what is read stands behind it.
                let Some(index) = next.offset.checked_sub(stored.base) else {
                    self.lose_far(next);
                    continue;
                };
                if let Some(feed) = self.feeds.get(&next.log) {
                    let at = (next.log, next.offset);
                    let entry = feed.entry(at, stored.commit, &batch, index as usize, ttl_ms);
                    self.machine.take_far(next, &entry, now);
                }
            }
        }
        if rest.len() == wanted.len() {
            self.lose_far(first);
            return Ok(others);
        }
        Ok(rest)
    }

    fn lose_far(&mut self, wanted: &Wanted) {
        let (queue, log, offset) = (&self.record.settings.name, wanted.log.0, wanted.offset);
        tracing::warn!(queue, log, offset, "a message that waited for its next attempt is not in its log any more");
        self.machine.lose_far(wanted);
    }
}
