//! How much a topic with limits may keep.
//!
//! What it keeps is what its log holds: nothing is counted beside it, so that nothing can drift from it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use ferrymq_core::{LogId, Offset};
use ferrymq_engine::store::Store;
use ferrymq_proto::server as pb;

use super::Append;

/// The limits of one log.
#[derive(Debug)]
pub struct Cap {
    messages_max: u64,
    bytes_max: u64,
    drops_oldest: bool,
    /// The newest publish that asked found no room.
    is_full: AtomicBool,
}

/// How many messages and bytes are kept, or are to be.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kept {
    messages: u64,
    bytes: u64,
}

impl Cap {
    /// Of a topic; none if it has no limits.
    pub fn of(settings: &pb::Topic) -> Option<Self> {
        let limits = settings.limits.as_ref().filter(|limits| limits.max_messages > 0 || limits.max_bytes > 0)?;
        let max = |limit: i64| if limit > 0 { limit as u64 } else { u64::MAX };
        Some(Self {
            messages_max: max(limits.max_messages),
            bytes_max: max(limits.max_bytes),
            drops_oldest: limits.overflow() == pb::Overflow::DropOldest,
            is_full: AtomicBool::new(false),
        })
    }

    /// True if the newest publish that asked found no room.
    pub fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    fn takes(&self, kept: Kept) -> bool {
        kept.messages <= self.messages_max && kept.bytes <= self.bytes_max
    }
}

/// The logs with limits in one group that is put together.
#[derive(Default)]
pub(super) struct Caps {
    taken: HashMap<LogId, Kept>,
    /// Some log is at its limits: what is not needed of it should go.
    pub(super) is_over: bool,
}

impl Caps {
    /// Whether what a publish appends finds room.
    pub(super) fn fits(&mut self, append: &Append, store: &Store) -> bool {
        let Some(cap) = append.gate.cap() else { return true };
        let log = append.gate.log();
        let taken = self.taken.get(&log).copied().unwrap_or_default();
        let messages = store.end(log).saturating_sub(store.first(log)) + taken.messages + u64::from(append.count);
        let bytes = store.bytes(log) + taken.bytes + append.batch.len() as u64;
        let fits = cap.takes(Kept { messages, bytes });
        self.is_over |= !fits;
        cap.is_full.store(!fits && !cap.drops_oldest, Ordering::Relaxed);
        fits || cap.drops_oldest
    }

    /// It is in the group.
    pub(super) fn add(&mut self, append: &Append) {
        if append.gate.cap().is_some() {
            let taken = self.taken.entry(append.gate.log()).or_default();
            taken.messages += u64::from(append.count);
            taken.bytes += append.batch.len() as u64;
        }
    }
}

/// The first offset that may stay in a log which drops the oldest at its limits; none if it is within them, or keeps what
/// it has.
pub async fn dropped_below(store: &Store, log: LogId, limits: Option<&pb::Limits>) -> Option<Offset> {
    let limits = limits.filter(|limits| limits.overflow() == pb::Overflow::DropOldest)?;
    let (first, end) = (store.first(log), store.end(log));
    let by_count = match u64::try_from(limits.max_messages) {
        Ok(max) if max > 0 => end.saturating_sub(max),
        _ => first,
    };
    let by_bytes = match u64::try_from(limits.max_bytes) {
        Ok(max) if max > 0 => crate::retention::by_bytes(store, log, first, max).await,
        _ => first,
    };
    Some(by_count.max(by_bytes)).filter(|below| *below > first)
}
