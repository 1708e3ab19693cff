//! Cleaning: live batches are copied out of stretches of frames that are mostly dead, so that those can go.

use std::ops::Range;
use std::sync::atomic::Ordering;

use ferrymq_core::{CommitNo, LogId, Offset};

use super::entry::Entry;
use super::index_frames::{Part, within};
use super::log_index::{Loaded, LogState, PageRef};
use super::op::Op;
use super::{Inner, Store, StoreError};

/// Bytes of dead frames that are left alone.
const SLACK_BYTES: u64 = 64 << 20;
/// Bytes of live batches copied after one state image.
const COPY_BYTES_MAX: u64 = 32 << 20;
/// Bytes that a copy takes in its frame besides the batch, at most.
const OP_BYTES: usize = 64;

type Stretches = [Range<CommitNo>];
/// Batches to copy in one frame.
#[derive(Default)]
struct Group {
    batches: Vec<(LogId, Offset, Entry)>,
    bytes: usize,
}

fn lies_in(stretches: &Stretches, frame: CommitNo) -> bool {
    stretches.iter().any(|stretch| stretch.contains(&frame))
}

impl Store {
    /// Copies what keeps mostly dead stretches up to `passed`, if the disk holds more than twice what lives: batches, and
    /// pages of the index. Their frames go when the next images have passed the copies.
    pub(super) async fn copy_live(&self, passed: CommitNo) -> Result<(), StoreError> {
        let inner = &*self.inner;
        let slack = SLACK_BYTES.min(inner.options.checkpoint_every_bytes);
        let (stretches, logs) = {
            let state = inner.state();
            let is_wasteful = inner.frames.space().used_bytes > state.ledger.live_bytes * 2 + slack;
            let stretches = if is_wasteful { state.ledger.wasteful(passed, COPY_BYTES_MAX) } else { Vec::new() };
            (stretches, state.logs.keys().copied().collect::<Vec<_>>())
        };
        if stretches.is_empty() {
            return Ok(());
        }
        let mut group = Group::default();
        for log in logs {
            inner.copy_of_log(log, &stretches, &mut group).await?;
        }
        inner.copy(&group).await?;
        let parts = inner.state().logs.iter().flat_map(|(log, state)| pages_in(*log, state, &stretches)).collect();
        inner.write_parts(parts).await
    }
}

/// The pages that lie in these stretches, and the one that may hold a place there for what was trimmed.
fn pages_in(log: LogId, state: &LogState, stretches: &Stretches) -> Vec<Part> {
    let trimmed = state.trimmed_page().filter(|(_, page, _)| page.spread.iter().any(|(at, _)| lies_in(stretches, *at)));
    let trimmed = trimmed.map(|(from, ..)| from);
    let pages =
        state.pages.iter().filter(|(from, page)| lies_in(stretches, page.place.frame) || trimmed == Some(**from));
    pages.map(|(from, page)| Part { log, from: *from, upto: page.upto }).collect()
}

/// The parts of a log that have batches in these stretches.
fn batches_in(log: LogId, state: &LogState, stretches: &Stretches) -> Vec<Part> {
    let hits = |page: &PageRef| page.spread.iter().any(|(at, weight)| *weight > 0 && lies_in(stretches, *at));
    let pages = state.pages.iter().filter(|(_, page)| hits(page)).map(|(from, page)| (*from, page.upto));
    let is_apart = |base: &Offset| !state.page_of(*base).is_some_and(|(_, page)| hits(page));
    let newest = state.newest.iter().filter(|(base, entry)| lies_in(stretches, entry.place.frame) && is_apart(base));
    let newest = newest.map(|(base, entry)| (*base, entry.end(*base)));
    pages.chain(newest).map(|(from, upto)| Part { log, from, upto }).collect()
}

impl Inner {
    /// Copies what `log` has in these stretches; what does not fill a frame stays in `group`.
    async fn copy_of_log(&self, log: LogId, stretches: &Stretches, group: &mut Group) -> Result<(), StoreError> {
        let parts = self.state().logs.get(&log).map(|state| batches_in(log, state, stretches)).unwrap_or_default();
        for part in parts {
            let found = self.ask(log, &mut Loaded::default(), |state, loaded| within(state, &part, loaded)).await?;
            let wanted = found.flatten().unwrap_or_default().into_iter();
            for (base, entry) in wanted.filter(|(_, entry)| lies_in(stretches, entry.place.frame)) {
                group.bytes += entry.place.len as usize + OP_BYTES;
                group.batches.push((log, base, entry));
                if group.bytes >= self.frames.limits().seal_bytes {
                    self.copy(&std::mem::take(group)).await?;
                }
            }
        }
        Ok(())
    }

    async fn copy(&self, group: &Group) -> Result<(), StoreError> {
        let mut copies = Vec::with_capacity(group.batches.len());
        for (.., entry) in &group.batches {
            copies.push(self.fetch_one(entry).await?);
        }
        let mut writer = self.writer().await;
        let (mut ops, mut bytes) = (Vec::with_capacity(copies.len()), 0);
        for ((log, base, entry), copy) in group.batches.iter().zip(copies) {
            // What was trimmed or replaced while it was read is left out: a copy must not bring the old back.
            let now = self.ask(*log, &mut Loaded::default(), |state, loaded| state.at(*base, loaded)).await?;
            if now.flatten() == Some(*entry) {
                bytes += u64::from(entry.place.len);
                ops.push(Op::Replace { log: *log, base: *base, count: entry.count, batch: Some(copy) });
            }
        }
        if !ops.is_empty() {
            self.commit_ops(&mut writer, ops, Vec::new(), true).await?;
            self.counters.copied_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(())
    }
}
