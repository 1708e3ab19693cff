//! After a repair of the frame log: batches that lay in frames which are gone are ended, so that nobody waits for them.

use ferrymq_core::{CommitNo, LogId, Offset};

use super::log_index::{Loaded, LogState};
use super::op::Op;
use super::read::next_batches;
use super::{Store, StoreError};
use crate::frame_log::LogError;

/// Batches of the index that are looked at in one go, and ended in one commit.
const BATCHES: usize = 1_024;

impl Store {
    /// Ends every batch whose frame is gone, and logs how many records that were.
    pub(super) async fn end_lost(&self) -> Result<(), StoreError> {
        let logs: Vec<LogId> = self.inner.state().logs.keys().copied().collect();
        for log in logs {
            let records = self.end_lost_of(log).await?;
            if records > 0 {
                tracing::error!(
                    log = log.0,
                    records,
                    "records were lost with damaged frames; a repair has put these aside"
                );
            }
        }
        Ok(())
    }

    async fn end_lost_of(&self, log: LogId) -> Result<u64, StoreError> {
        let (mut from, mut records, mut last) = (self.first(log), 0, None);
        loop {
            let take = |state: &LogState, loaded: &Loaded| next_batches(state, from, BATCHES, loaded);
            let found = self.inner.ask(log, &mut Loaded::default(), take).await?.unwrap_or_default();
            let Some((base, entry)) = found.last() else { return Ok(records) };
            from = entry.end(*base);
            let mut lost: Vec<(Offset, u32)> = Vec::new();
            for (base, entry) in &found {
                if self.is_gone(entry.place.frame, &mut last).await? {
                    lost.push((*base, entry.count));
                }
            }
            records += lost.iter().map(|(_, count)| u64::from(*count)).sum::<u64>();
            let ops: Vec<Op> =
                lost.into_iter().map(|(base, count)| Op::Replace { log, base, count, batch: None }).collect();
            if !ops.is_empty() {
                self.commit(ops, true).await?;
            }
        }
    }

    /// `last` is what was asked before: batches of one frame mostly stand together.
    async fn is_gone(&self, frame: CommitNo, last: &mut Option<(CommitNo, bool)>) -> Result<bool, StoreError> {
        if let Some((_, is_gone)) = last.filter(|(asked, _)| *asked == frame) {
            return Ok(is_gone);
        }
        let is_gone = match self.inner.frames.get_part(frame, 0, 0).await {
            Ok(_) => false,
            Err(LogError::NotThere(_)) => true,
            Err(error) => return Err(error.into()),
        };
        *last = Some((frame, is_gone));
        Ok(is_gone)
    }
}
