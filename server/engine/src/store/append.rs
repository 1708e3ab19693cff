//! Appending a frame, and what it changes.

use std::collections::HashMap;

use bytes::Bytes;
use ferrymq_core::settle::SettleRecord;
use ferrymq_core::{CommitNo, LogId, Offset};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::MutexGuard;

use super::entry::Entry;
use super::log_index::Loaded;
use super::op::{self, Change, Op, Reindex};
use super::{Inner, SETTLE_LOG, StoreError, Writer};
use crate::frame_log::LogError;

/// What a frame changes once it is durable.
pub(super) enum Effect {
    /// Operations, with the batches that are kept for those who read them next.
    Ops { changes: Vec<Change>, settles: Vec<SettleRecord>, batches: Vec<(LogId, Offset, Bytes)> },
    /// Where a part of the index lies.
    Pages(Vec<Reindex>),
    /// Nothing.
    Nothing,
}

/// An append under way. The writer owns it, so that it is brought to its end also when its caller goes away: what is on
/// disk must be known to whoever appends next.
pub(super) struct Unfinished {
    append: BoxFuture<'static, Result<CommitNo, LogError>>,
    written: u64,
    effect: Effect,
}

impl Inner {
    /// The right to append, with nothing under way.
    pub(super) async fn writer(&self) -> MutexGuard<'_, Writer> {
        let mut writer = self.writer.lock().await;
        // Nobody waits for the answer any more.
        let _ = self.finish(&mut writer).await;
        writer
    }

    /// Appends one frame and lets it take effect; its commit number.
    pub(super) async fn append(
        &self,
        writer: &mut Writer,
        parts: Vec<Bytes>,
        reserve: bool,
        effect: Effect,
    ) -> Result<CommitNo, StoreError> {
        let bytes = parts.iter().map(Bytes::len).sum();
        let bytes_max = self.frames.limits().commit_bytes_max;
        if bytes > bytes_max {
            return Err(StoreError::TooLarge { bytes, bytes_max });
        }
        let (frames, newest) = (self.frames.clone(), writer.newest);
        let append = async move { frames.append(newest, parts, reserve).await }.boxed();
        writer.unfinished = Some(Unfinished { append, written: bytes as u64, effect });
        self.finish(writer).await
    }

    /// Brings the append under way to its end; the newest commit then.
    async fn finish(&self, writer: &mut Writer) -> Result<CommitNo, StoreError> {
        if let Some(unfinished) = &mut writer.unfinished {
            let appended = (&mut unfinished.append).await;
            let done = writer.unfinished.take();
            writer.newest = appended?;
            if let Some(Unfinished { written, effect, .. }) = done {
                writer.since_image += written;
                self.take_effect(writer.newest, effect, written);
            }
        }
        Ok(writer.newest)
    }

    fn take_effect(&self, commit: CommitNo, effect: Effect, written: u64) {
        match effect {
            Effect::Ops { changes, settles, batches } => {
                let mut cache = self.cache();
                batches.into_iter().for_each(|(log, base, batch)| cache.insert(log, base, commit, batch));
                drop(cache);
                self.state_mut().apply(commit, &changes, &settles, written);
            }
            Effect::Pages(parts) => self.state_mut().reindex(commit, &parts, written),
            Effect::Nothing => self.state_mut().note_frame(commit, written),
        }
    }

    /// Appends a frame that changes no log.
    pub(super) async fn append_own(&self, writer: &mut Writer, parts: Vec<Bytes>) -> Result<CommitNo, StoreError> {
        self.append(writer, parts, true, Effect::Nothing).await
    }

    /// Appends one frame of operations. `settles` are the records in them.
    pub(super) async fn commit_ops(
        &self,
        writer: &mut Writer,
        mut ops: Vec<Op>,
        settles: Vec<SettleRecord>,
        reserve: bool,
    ) -> Result<CommitNo, StoreError> {
        let replaced = self.replaced(&mut ops).await?;
        let old = |log, base| replaced.get(&(log, base)).copied().unwrap_or(Entry::gone(0));
        let parts = op::encode(writer.image, &ops, old);
        let changes = op::changes(&parts).map_err(|what| StoreError::Refused(what.0))?;
        let batches = ops.into_iter().filter_map(|op| match op {
            Op::Append { log, base, batch, .. } if log != SETTLE_LOG => Some((log, base, batch)),
            _ => None,
        });
        let effect = Effect::Ops { changes, settles, batches: batches.collect() };
        self.append(writer, parts, reserve, effect).await
    }

    /// What the replacements among `ops` replace. Those of a batch that is not there are left out.
    async fn replaced(&self, ops: &mut Vec<Op>) -> Result<HashMap<(LogId, Offset), Entry>, StoreError> {
        let mut found = HashMap::new();
        for op in ops.iter() {
            let Op::Replace { log, base, count, .. } = op else { continue };
            let old = self.ask(*log, &mut Loaded::default(), |state, loaded| state.at(*base, loaded)).await?;
            if let Some(old) = old.flatten() {
                if old.count != *count {
                    return Err(StoreError::Refused("a replaced batch keeps its number of records"));
                }
                found.insert((*log, *base), old);
            }
        }
        ops.retain(|op| !matches!(op, Op::Replace { log, base, .. } if !found.contains_key(&(*log, *base))));
        Ok(found)
    }
}
