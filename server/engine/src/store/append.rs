//! Appending a frame, and what it changes.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use ferrymq_core::settle::SettleRecord;
use ferrymq_core::{CommitNo, LogId, Offset};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::MutexGuard;

use super::body::{self, Part, Reindex};
use super::entry::Entry;
use super::log_index::Loaded;
use super::op::{Change, Op};
use super::{Inner, SETTLE_LOG, StoreError, Writer};
use crate::frame_log::{FrameLog, LogError};

/// Batches of one frame.
type Batches = Vec<(LogId, Offset, Bytes)>;
/// The frames that were appended and their bytes, and what ended it before the last one.
type Appended = (Vec<(CommitNo, u64)>, Option<LogError>);

/// What frames change once all of them are durable.
pub(super) enum Effect {
    /// Operations: of each frame its changes, and the batches that are kept for those who read them next.
    Ops(Vec<(Vec<Change>, Batches)>, Vec<SettleRecord>),
    /// Where a part of the index lies.
    Pages(Vec<Reindex>),
    /// Nothing.
    Nothing,
}

/// An append under way. The writer owns it, so that it is brought to its end also when its caller goes away: what is on
/// disk must be known to whoever appends next.
pub(super) struct Unfinished {
    append: BoxFuture<'static, Appended>,
    effect: Effect,
}

async fn append_all(log: Arc<dyn FrameLog>, mut newest: CommitNo, frames: Vec<Vec<Bytes>>, reserve: bool) -> Appended {
    let mut appended = Vec::with_capacity(frames.len());
    for parts in frames {
        let written = bytes_of(&parts) as u64;
        match log.append(newest, parts, reserve).await {
            Ok(commit) => newest = commit,
            Err(error) => return (appended, Some(error)),
        }
        appended.push((newest, written));
    }
    (appended, None)
}

fn bytes_of(parts: &[Bytes]) -> usize {
    parts.iter().map(Bytes::len).sum()
}

impl Inner {
    /// The right to append, with nothing under way.
    pub(super) async fn writer(&self) -> MutexGuard<'_, Writer> {
        let mut writer = self.writer.lock().await;
        // Nobody waits for the answer any more.
        let _ = self.finish(&mut writer).await;
        writer
    }

    /// Appends frames and lets them take effect together; the last one's commit number.
    pub(super) async fn append(
        &self,
        writer: &mut Writer,
        frames: Vec<Vec<Bytes>>,
        reserve: bool,
        effect: Effect,
    ) -> Result<CommitNo, StoreError> {
        let bytes_max = self.frames.limits().commit_bytes_max;
        if let Some(bytes) = frames.iter().map(|parts| bytes_of(parts)).find(|bytes| *bytes > bytes_max) {
            return Err(StoreError::TooLarge { bytes, bytes_max });
        }
        let append = append_all(self.frames.clone(), writer.newest, frames, reserve).boxed();
        writer.unfinished = Some(Unfinished { append, effect });
        self.finish(writer).await
    }

    /// Brings the append under way to its end; the newest commit then.
    async fn finish(&self, writer: &mut Writer) -> Result<CommitNo, StoreError> {
        if let Some(unfinished) = &mut writer.unfinished {
            let (appended, failure) = (&mut unfinished.append).await;
            let done = writer.unfinished.take();
            writer.newest = appended.last().map_or(writer.newest, |(commit, _)| *commit);
            writer.since_image += appended.iter().map(|(_, written)| written).sum::<u64>();
            let effect = done.map(|done| done.effect).filter(|_| failure.is_none());
            self.take_effect(&appended, effect.unwrap_or(Effect::Nothing));
            if let Some(failure) = failure {
                return Err(failure.into());
            }
        }
        Ok(writer.newest)
    }

    fn take_effect(&self, appended: &[(CommitNo, u64)], effect: Effect) {
        let frames = || appended.iter().map(|(commit, _)| *commit);
        let Some(commit) = frames().next_back() else { return };
        let mut state = self.state_mut();
        appended.iter().for_each(|(commit, written)| state.note_frame(*commit, *written));
        match effect {
            Effect::Ops(parts, settles) => {
                state.apply(commit, frames().zip(parts.iter().map(|(changes, _)| &changes[..])), &settles);
                drop(state);
                let mut cache = self.cache();
                for (frame, (_, batches)) in frames().zip(parts) {
                    batches.into_iter().for_each(|(log, base, batch)| cache.insert(log, base, frame, batch));
                }
            }
            Effect::Pages(parts) => state.reindex(commit, &parts),
            Effect::Nothing => {}
        }
    }

    /// Appends a frame that changes no log.
    pub(super) async fn append_own(&self, writer: &mut Writer, parts: Vec<Bytes>) -> Result<CommitNo, StoreError> {
        self.append(writer, vec![parts], true, Effect::Nothing).await
    }

    /// Commits operations, in as many frames as their size takes. `settles` are the records in them.
    pub(super) async fn commit_ops(
        &self,
        writer: &mut Writer,
        mut ops: Vec<Op>,
        settles: Vec<SettleRecord>,
        reserve: bool,
    ) -> Result<CommitNo, StoreError> {
        let replaced = self.replaced(&mut ops).await?;
        let old = |log, base| replaced.get(&(log, base)).copied().unwrap_or(Entry::gone(0));
        let groups = split(ops, self.frames.limits().commit_bytes_max.saturating_sub(body::FRAME_BYTES));
        let before = groups.len() as u64 - 1;
        let (mut frames, mut effects) = (Vec::new(), Vec::new());
        for (nth, ops) in groups.into_iter().enumerate() {
            let part = match before {
                0 => Part::Whole,
                _ if nth as u64 == before => Part::Last(before),
                _ => Part::Early,
            };
            let parts = body::encode(writer.image, part, &ops, old);
            effects.push((body::changes(&parts).map_err(|what| StoreError::Refused(what.0))?, batches_of(ops)));
            frames.push(parts);
        }
        self.append(writer, frames, reserve, Effect::Ops(effects, settles)).await
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

/// What each frame of at most about `bytes_max` takes of `ops`, in order; one frame at least.
fn split(ops: Vec<Op>, bytes_max: usize) -> Vec<Vec<Op>> {
    let (mut groups, mut bytes) = (vec![Vec::new()], 0);
    for op in ops {
        let more = op.bytes_max();
        match groups.last_mut().filter(|group| group.is_empty() || bytes + more <= bytes_max) {
            Some(group) => {
                bytes += more;
                group.push(op);
            }
            None => {
                bytes = more;
                groups.push(vec![op]);
            }
        }
    }
    groups
}

fn batches_of(ops: Vec<Op>) -> Batches {
    let batches = ops.into_iter().filter_map(|op| match op {
        Op::Append { log, base, batch, .. } if log != SETTLE_LOG => Some((log, base, batch)),
        _ => None,
    });
    batches.collect()
}
