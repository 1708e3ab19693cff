//! What lets appends into a log, or keeps them out.

use std::sync::atomic::{AtomicU8, Ordering};

use ferrymq_core::LogId;

use super::cap::Cap;
use crate::error::Error;

/// What happens to an append that comes to a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It goes through.
    Open,
    /// It waits, for the short time in which it is decided whether the log ends.
    Held,
    /// It is refused: whoever reads the log has gone, and nothing may be confirmed that nobody will ever see or trim.
    Ended,
}

/// The gate of one log: shared by the topic or queue whose log it is and by all appends that are under way. Only the
/// committer moves it, so that every append stands either before the change of a gate or behind it.
#[derive(Debug)]
pub struct Gate {
    log: LogId,
    passage: AtomicU8,
    owner: Owner,
    cap: Option<Cap>,
}

/// Whose log it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Of this topic.
    Topic(String),
    /// The inbox of this queue.
    Queue(String),
}

impl Gate {
    /// The open gate of `log`, which keeps no more than `cap` says.
    #[must_use]
    pub fn new(log: LogId, owner: Owner, cap: Option<Cap>) -> Self {
        Self { log, passage: AtomicU8::new(Passage::Open as u8), owner, cap }
    }

    /// How much the log may keep, if that is limited.
    pub fn cap(&self) -> Option<&Cap> {
        self.cap.as_ref()
    }

    /// Why an append is refused that finds no room.
    pub fn full(&self) -> Error {
        match &self.owner {
            Owner::Topic(name) => Error::topic_full(name),
            Owner::Queue(name) => Error::queue_full(name),
        }
    }

    /// Whose log it is.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The log behind it.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// Why an append is refused when the log has ended.
    pub fn gone(&self) -> Error {
        match &self.owner {
            Owner::Topic(name) => Error::topic_not_found(name, None),
            Owner::Queue(name) => Error::queue_not_found(name, None),
        }
    }

    /// What would happen to an append now.
    pub fn passage(&self) -> Passage {
        match self.passage.load(Ordering::Acquire) {
            0 => Passage::Open,
            1 => Passage::Held,
            _ => Passage::Ended,
        }
    }

    /// True once nothing will ever be appended again.
    pub fn has_ended(&self) -> bool {
        self.passage() == Passage::Ended
    }

    /// Only for the committer.
    pub(super) fn turn(&self, to: Passage) {
        self.passage.store(to as u8, Ordering::Release);
    }
}
