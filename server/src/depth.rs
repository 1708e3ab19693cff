//! How full queues with limits are.
//!
//! What comes in is counted where groups are sealed, and what is settled too, so that a limit is decided in the order of
//! commits. What was there at the start, or after a queue's progress was moved, is counted by reading: nothing of this is
//! stored, so nothing can drift from what the logs hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use ferrymq_proto::server as pb;
use tokio::sync::Notify;

use crate::error::Error;

/// How much waits in one queue that has limits: all that is not settled.
#[derive(Debug)]
pub struct Depth {
    queue: String,
    max_messages: i64,
    max_bytes: i64,
    drops_oldest: bool,
    messages: AtomicI64,
    bytes: AtomicI64,
    /// False while what was there before is being counted.
    is_counted: AtomicBool,
    /// The number of the counting that goes on.
    era: AtomicU64,
    /// The queue's task: told when there is too much.
    over: Arc<Notify>,
}

/// What one batch brings to one such queue.
#[derive(Debug, Clone)]
pub struct Load {
    /// Of the queue.
    pub depth: Arc<Depth>,
    /// Messages that match.
    pub messages: u32,
    /// Their bytes, encoded.
    pub bytes: u64,
}

/// What a settlement takes off a queue.
#[derive(Debug, Clone)]
pub enum Settled {
    /// So much, if it was not counted anew since.
    Less {
        /// Of the queue.
        depth: Arc<Depth>,
        /// The counting during which these were settled.
        era: u64,
        /// Messages.
        messages: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// From here on all is counted anew.
    Anew {
        /// Of the queue.
        depth: Arc<Depth>,
        /// The number of the counting that begins.
        era: u64,
    },
}

/// What becomes of a batch at the limits of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// There is room, or room will be made.
    Yes,
    /// It is not known yet.
    Unknown,
    /// There is no room.
    No,
}

impl Depth {
    /// Of a queue with limits; none if it has none. `over` is told when there is too much.
    #[must_use]
    pub fn of(settings: &pb::Queue, over: Arc<Notify>) -> Option<Arc<Self>> {
        let limits = settings.limits.as_ref().filter(|limits| limits.max_messages > 0 || limits.max_bytes > 0)?;
        let max = |limit: i64| if limit > 0 { limit } else { i64::MAX };
        Some(Arc::new(Self {
            queue: settings.name.clone(),
            max_messages: max(limits.max_messages),
            max_bytes: max(limits.max_bytes),
            drops_oldest: limits.overflow() == pb::Overflow::DropOldest,
            messages: AtomicI64::new(0),
            bytes: AtomicI64::new(0),
            is_counted: AtomicBool::new(false),
            era: AtomicU64::new(0),
            over,
        }))
    }

    /// Messages and bytes, once they are counted.
    pub fn get(&self) -> Option<(i64, i64)> {
        let is_counted = self.is_counted.load(Ordering::Acquire);
        is_counted.then(|| (self.messages.load(Ordering::Acquire), self.bytes.load(Ordering::Acquire)))
    }

    /// What was there when counting began, beside what has come and gone since.
    pub fn counted(&self, era: u64, messages: u64, bytes: u64) {
        if self.is_of(era) {
            self.add(messages, bytes);
            self.is_counted.store(true, Ordering::Release);
            self.tell_if_over();
        }
    }

    /// How many messages and bytes there are too many, of a queue that drops the oldest.
    pub fn excess(&self) -> (i64, i64) {
        match self.get() {
            Some((messages, bytes)) if self.drops_oldest => (messages - self.max_messages, bytes - self.max_bytes),
            _ => (0, 0),
        }
    }

    /// The error of a batch that does not fit.
    pub fn full(&self) -> Error {
        Error::queue_full(&self.queue)
    }

    fn is_of(&self, era: u64) -> bool {
        self.era.load(Ordering::Acquire) == era
    }

    fn add(&self, messages: u64, bytes: u64) {
        self.messages.fetch_add(messages as i64, Ordering::AcqRel);
        self.bytes.fetch_add(bytes as i64, Ordering::AcqRel);
    }

    fn tell_if_over(&self) {
        let (messages, bytes) = self.excess();
        if messages > 0 || bytes > 0 {
            self.over.notify_one();
        }
    }
}

impl Load {
    /// Whether the queue takes it. One batch that alone is beyond the limits never fits.
    pub fn fit(&self) -> Fit {
        match self.depth.get() {
            _ if self.depth.drops_oldest || self.messages == 0 => Fit::Yes,
            None => Fit::Unknown,
            Some((messages, bytes)) => {
                let fits = messages + i64::from(self.messages) <= self.depth.max_messages
                    && bytes.saturating_add(self.bytes as i64) <= self.depth.max_bytes;
                if fits { Fit::Yes } else { Fit::No }
            }
        }
    }

    /// It has been sealed into a group.
    pub fn add(&self) {
        self.depth.add(u64::from(self.messages), self.bytes);
    }

    /// The group that it was in was not written.
    pub fn take_back(&self) {
        self.depth.messages.fetch_sub(i64::from(self.messages), Ordering::AcqRel);
        self.depth.bytes.fetch_sub(self.bytes as i64, Ordering::AcqRel);
    }

    /// It can be delivered, or dropped.
    pub fn arrived(&self) {
        self.depth.tell_if_over();
    }
}

/// Adds what more is brought, for each queue in one sum.
pub fn merge(loads: &mut Vec<Load>, more: Vec<Load>) {
    for load in more {
        match loads.iter_mut().find(|there| Arc::ptr_eq(&there.depth, &load.depth)) {
            Some(there) => {
                there.messages += load.messages;
                there.bytes += load.bytes;
            }
            None => loads.push(load),
        }
    }
}

impl Settled {
    /// A settlement has been sealed into a group.
    pub fn apply(&self) {
        match self {
            Self::Less { depth, era, messages, bytes } if depth.is_of(*era) => {
                depth.messages.fetch_sub(*messages as i64, Ordering::AcqRel);
                depth.bytes.fetch_sub(*bytes as i64, Ordering::AcqRel);
            }
            Self::Less { .. } => {}
            Self::Anew { depth, era } => {
                depth.is_counted.store(false, Ordering::Release);
                depth.era.store(*era, Ordering::Release);
                depth.messages.store(0, Ordering::Release);
                depth.bytes.store(0, Ordering::Release);
            }
        }
    }
}
