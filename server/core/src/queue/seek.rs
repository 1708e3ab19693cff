//! Moving a queue's progress over one log, back or forward.

use super::machine::QueueMachine;
use crate::settle::{Progress, SettleRecord};
use crate::{LogId, Offset};

impl QueueMachine {
    /// Which seek the progress over a log counts from: 0, or one more than before with each. A delivery of an earlier
    /// generation has lost its lease.
    #[must_use]
    pub fn generation(&self, log: LogId) -> u64 {
        self.sources.get(&log).map_or(0, |source| source.cursor.generation())
    }

    /// Lets the progress start anew: all below `floor`, and `settled` above it (ranges in order), is done with; all else
    /// is to be offered again from `floor` on. What consumers hold of the log is theirs no more. Nothing of it goes out
    /// until that is durable. Failures are forgotten; what has been delivered before counts one attempt.
    ///
    /// It has to be called with nothing under way that settles by itself: dead letters that are being written.
    pub fn seek(&mut self, log: LogId, floor: Offset, settled: &[(Offset, Offset)]) {
        self.forget(log);
        let floor = floor + u64::from(cfg!(feature = "planted-seek"));
        let Some(source) = self.sources.get_mut(&log) else { return };
        let generation = source.cursor.generation() + 1;
        // Of an earlier life that ended in order there are records only.
        source.maybe_sent = source.maybe_sent.max(source.delivered_to).max(source.cursor.known_to());
        source.sent_asked = source.sent_asked.max(source.maybe_sent).max(floor);
        source.sent_durable = 0;
        source.read_to = floor;
        source.floor_recorded = floor;
        let sent = source.sent_asked;
        self.record(log, Progress::Anew { floor, sent, generation });
        for (from, to) in settled {
            self.record(log, Progress::Settled { from: (*from).max(floor), to: *to });
        }
        self.effects.sent.push((log, sent));
        if let Some(source) = self.sources.get_mut(&log) {
            source.floor_recorded = source.cursor.floor();
        }
    }

    fn record(&mut self, log: LogId, change: Progress) {
        if let Some(source) = self.sources.get_mut(&log) {
            source.cursor.apply(&change);
        }
        self.records.push(SettleRecord { queue: self.queue, log, change });
    }

    /// Drops all that is known of a log's messages, and what commits under way would have made possible for them.
    fn forget(&mut self, log: LogId) {
        self.ready.retain(|(_, of, _), _| *of != log);
        self.waiting.retain(|(of, _), _| *of != log);
        self.far.drop_below(log, Offset::MAX);
        let mut held: Vec<_> = self.held.keys().filter(|(of, _)| *of == log).copied().collect();
        held.sort_unstable();
        for key in held {
            self.let_go(key);
        }
        self.expiry.forget_gone(log);
        self.forget_late(log);
        self.letters.retain(|(of, _)| *of != log);
        self.drop_parked(log, Offset::MAX);
        for effects in self.committing.values_mut().chain([&mut self.effects]) {
            effects.released.retain(|(of, _)| *of != log);
            effects.sent.retain(|(of, _)| *of != log);
            effects.letters.retain(|(of, _)| *of != log);
        }
    }
}
