//! Cleaning: live batches are copied out of stretches that are mostly dead, so that the frames there can go.

use std::sync::atomic::Ordering;

use ferrymq_core::{CommitNo, LogId, Offset};

use super::op::{self, Op};
use super::state::Entry;
use super::{Inner, Store, StoreError};

/// Bytes of dead frames that are left alone.
const SLACK_BYTES: u64 = 64 << 20;
/// Bytes of live batches copied after one state image.
const COPY_BYTES_MAX: u64 = 32 << 20;

impl Store {
    /// Copies batches that keep mostly dead stretches up to `passed`, if the disk holds more than twice what lives. Their
    /// frames go when the next images have passed the copies.
    pub(super) async fn copy_live(&self, passed: CommitNo) -> Result<(), StoreError> {
        let inner = &*self.inner;
        let slack = SLACK_BYTES.min(inner.options.checkpoint_every_bytes);
        let wanted = {
            let state = inner.state();
            let is_wasteful = inner.frames.space().used_bytes > state.live_bytes * 2 + slack;
            if is_wasteful { state.worth_copying(passed, COPY_BYTES_MAX) } else { Vec::new() }
        };
        let seal = inner.frames.limits().seal_bytes;
        let mut group: Vec<(LogId, Offset, Entry)> = Vec::new();
        let mut bytes = 0;
        for found in wanted {
            bytes += found.2.place.len as usize;
            group.push(found);
            if bytes >= seal {
                inner.copy(std::mem::take(&mut group)).await?;
                bytes = 0;
            }
        }
        inner.copy(group).await
    }
}

impl Inner {
    async fn copy(&self, group: Vec<(LogId, Offset, Entry)>) -> Result<(), StoreError> {
        let mut ops = Vec::with_capacity(group.len());
        for (log, base, entry) in &group {
            ops.push(Op::Replace {
                log: *log,
                base: *base,
                count: entry.count,
                batch: Some(self.fetch_one(entry).await?),
            });
        }
        let mut writer = self.writer.lock().await;
        // What was trimmed or replaced while it was read is left out: a copy must not bring the old back.
        let still = |(log, base, entry): &(LogId, Offset, Entry)| {
            self.state().logs.get(log).and_then(|state| state.entries.get(base)) == Some(entry)
        };
        let ops: Vec<Op> = group.iter().zip(ops).filter(|(found, _)| still(found)).map(|(_, op)| op).collect();
        if ops.is_empty() {
            return Ok(());
        }
        let parts = op::encode(writer.image, &ops, |log, base| self.order_of(log, base));
        let changes = op::changes(&parts).map_err(|what| StoreError::Refused(what.0))?;
        let copied: u64 = group.iter().map(|(.., entry)| u64::from(entry.place.len)).sum();
        let (commit, written) = self.append(&mut writer, parts, true).await?;
        self.state_mut().apply(commit, &changes, &[], written);
        self.counters.copied_bytes.fetch_add(copied, Ordering::Relaxed);
        Ok(())
    }
}
