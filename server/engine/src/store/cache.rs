//! The newest batches, kept in memory up to a number of bytes: what is fanned out is read from disk at most once.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use ferrymq_core::{CommitNo, LogId, Offset};

type Key = (LogId, Offset);

/// First in, first out: readers that keep up find everything, and those far behind do not push it out.
#[derive(Debug, Default)]
pub(super) struct Cache {
    batches: HashMap<Key, (CommitNo, Bytes)>,
    order: VecDeque<(Key, CommitNo)>,
    bytes: usize,
    bytes_max: usize,
}

impl Cache {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, ..Self::default() }
    }

    /// Keeps a batch that lies in `frame`.
    pub(super) fn insert(&mut self, log: LogId, base: Offset, frame: CommitNo, batch: Bytes) {
        if batch.len() > self.bytes_max {
            return;
        }
        self.bytes += batch.len();
        self.order.push_back(((log, base), frame));
        if let Some((_, old)) = self.batches.insert((log, base), (frame, batch)) {
            self.bytes -= old.len();
        }
        while self.bytes > self.bytes_max {
            let Some((key, frame)) = self.order.pop_front() else { break };
            if self.batches.get(&key).is_some_and(|(held, _)| *held == frame)
                && let Some((_, batch)) = self.batches.remove(&key)
            {
                self.bytes -= batch.len();
            }
        }
    }

    /// The batch, if what is kept is the one in `frame`.
    pub(super) fn get(&self, log: LogId, base: Offset, frame: CommitNo) -> Option<Bytes> {
        self.batches.get(&(log, base)).filter(|(held, _)| *held == frame).map(|(_, batch)| batch.clone())
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_newest_up_to_its_bytes() {
        let mut cache = Cache::new(25);
        for base in 0..4 {
            cache.insert(LogId(2), base, CommitNo(base + 1), Bytes::from(vec![base as u8; 10]));
        }
        cache.insert(LogId(2), 9, CommitNo(9), Bytes::from(vec![0; 26]));
        assert_eq!(cache.bytes(), 20);
        assert_eq!(cache.get(LogId(2), 1, CommitNo(2)), None);
        assert_eq!(cache.get(LogId(2), 3, CommitNo(4)), Some(Bytes::from(vec![3; 10])));
        assert_eq!(cache.get(LogId(2), 3, CommitNo(5)), None, "another frame's batch");
        cache.insert(LogId(2), 3, CommitNo(5), Bytes::from(vec![7; 10]));
        assert_eq!(cache.bytes(), 20, "replaced, not added");
    }
}
