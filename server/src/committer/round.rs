//! What becomes of each submission in one round of the writer: it goes, waits or is refused.

use std::collections::HashMap;
use std::time::Duration;

use ferrymq_core::LogId;
use ferrymq_engine::store::Store;
use tokio::time::Instant;

use super::cap::Caps;
use super::gate::Passage;
use super::writer::ROOM_POLL;
use super::{Patience, Stream, Submission};
use crate::depth::Fit;
use crate::error::Error;

/// How long between two looks whether it is known by now what is in a queue.
const COUNT_POLL: Duration = Duration::from_millis(10);

/// What is to be done with a submission.
pub(super) enum Fate {
    Go,
    /// It is worth another look after so long.
    Wait(Duration),
    Refuse(Error),
}

/// One look at what there is to commit.
pub(super) struct Round {
    now: Instant,
    is_draining: bool,
    /// Of the picture that decides where messages go.
    generation: u64,
    /// Bytes that publishes may still take; none: nobody has asked yet.
    room: Option<u64>,
    pub(super) is_full: bool,
    /// Bytes that have been taken into the group.
    taken: usize,
    /// Streams and logs for which something waits, and what for, if that is room: nothing of the same stream may overtake it.
    blocked: HashMap<(u64, LogId), Option<Error>>,
    /// What the last one found full that waits.
    lacking: Option<Error>,
    /// Topics with limits.
    pub(super) caps: Caps,
}

impl Round {
    pub(super) fn new(is_draining: bool, generation: u64) -> Self {
        Self {
            now: Instant::now(),
            is_draining,
            generation,
            room: None,
            is_full: false,
            taken: 0,
            blocked: HashMap::new(),
            lacking: None,
            caps: Caps::default(),
        }
    }

    pub(super) fn fate(&mut self, submission: &Submission, store: &Store, seal_bytes: usize) -> Fate {
        let gates = || submission.change.appends.iter().map(|append| &append.gate);
        if let Some(gate) = gates().next().filter(|gate| gate.has_ended()) {
            return Fate::Refuse(gate.gone());
        }
        // It has not been routed anew yet.
        if submission.change.appends.iter().any(|append| append.generation != self.generation) {
            return Fate::Wait(Duration::ZERO);
        }
        let bytes = submission.change.bytes();
        if !submission.urgent && !self.has_room(bytes, store) {
            return self.wait_or(submission, Error::disk_full());
        }
        // Where the rest goes on to may have ended: the next picture knows.
        if gates().any(|gate| gate.passage() != Passage::Open) {
            return Fate::Wait(Duration::ZERO);
        }
        let stream = submission.change.stream.as_ref().map_or(0, Stream::number);
        if let Some(lacking) = gates().find_map(|gate| self.blocked.get(&(stream, gate.log()))) {
            // It keeps its place, but no longer than it has patience.
            return match lacking.as_ref().filter(|_| !self.waits(submission)) {
                Some(error) => Fate::Refuse(error.clone()),
                // What it stands behind says how soon.
                None => Fate::Wait(ROOM_POLL),
            };
        }
        // What is urgent is never refused: a dead letter, say, has left its queue.
        let loads = submission.change.appends.iter().filter(|_| !submission.urgent).flat_map(|append| &append.loads);
        for load in loads {
            match load.fit() {
                Fit::Yes => {}
                Fit::Unknown => return Fate::Wait(COUNT_POLL),
                Fit::No => return self.wait_or(submission, load.depth.full()),
            }
        }
        for append in submission.change.appends.iter().filter(|_| !submission.urgent) {
            if !self.caps.fits(append, store) {
                return self.wait_or(submission, append.gate.full());
            }
        }
        if !submission.urgent && self.taken >= seal_bytes {
            return Fate::Wait(Duration::ZERO);
        }
        submission.change.appends.iter().for_each(|append| self.caps.add(append));
        self.taken += bytes;
        self.room = self.room.map(|room| room.saturating_sub(bytes as u64));
        Fate::Go
    }

    /// It waits, if it has the patience.
    fn wait_or(&mut self, submission: &Submission, error: Error) -> Fate {
        if !self.waits(submission) {
            return Fate::Refuse(error);
        }
        self.lacking = Some(error);
        Fate::Wait(ROOM_POLL)
    }

    fn waits(&self, submission: &Submission) -> bool {
        let is_patient = match submission.change.patience {
            Patience::None => false,
            Patience::Until(until) => self.now < until,
            Patience::Endless => true,
        };
        is_patient && !self.is_draining
    }

    pub(super) fn block(&mut self, submission: &Submission) {
        let lacking = self.lacking.take();
        if let Some(stream) = &submission.change.stream {
            for append in &submission.change.appends {
                self.blocked.entry((stream.number(), append.gate.log())).or_insert_with(|| lacking.clone());
            }
        }
    }

    /// From the first publish that finds no room none has any: smaller ones do not pass larger ones for ever.
    fn has_room(&mut self, bytes: usize, store: &Store) -> bool {
        let room = *self.room.get_or_insert_with(|| store.space().free_bytes);
        self.is_full |= room < bytes as u64;
        !self.is_full
    }
}
