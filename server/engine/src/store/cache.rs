//! Batches kept in memory, up to a number of bytes: what is fanned out is read from disk at most once, and a reader that is
//! far behind reads what it looks at and soon sends only once too.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use ferrymq_core::{CommitNo, LogId, Offset};

type Key = (LogId, Offset);

/// Of the bytes of the cache one part in so many is for what was read from disk.
const READ_PART: usize = 4;

/// The newest batches, and beside them what was read from disk last: readers that keep up find everything, and those far
/// behind do not push it out.
#[derive(Debug)]
pub(super) struct Cache {
    newest: Fifo,
    read: Fifo,
}

impl Cache {
    pub(super) fn new(bytes_max: usize) -> Self {
        let read_max = bytes_max / READ_PART;
        Self { newest: Fifo::new(bytes_max - read_max), read: Fifo::new(read_max) }
    }

    /// Keeps a batch that was just written to `frame`.
    pub(super) fn insert(&mut self, log: LogId, base: Offset, frame: CommitNo, batch: Bytes) {
        self.newest.insert(log, base, frame, batch);
    }

    /// Keeps a batch that was just read from `frame`.
    pub(super) fn insert_read(&mut self, log: LogId, base: Offset, frame: CommitNo, batch: Bytes) {
        self.read.insert(log, base, frame, batch);
    }

    /// The batch, if what is kept is the one in `frame`.
    pub(super) fn get(&self, log: LogId, base: Offset, frame: CommitNo) -> Option<Bytes> {
        self.newest.get(log, base, frame).or_else(|| self.read.get(log, base, frame))
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.newest.bytes + self.read.bytes
    }
}

/// First in, first out.
#[derive(Debug)]
struct Fifo {
    batches: HashMap<Key, (CommitNo, Bytes)>,
    order: VecDeque<(Key, CommitNo)>,
    bytes: usize,
    bytes_max: usize,
}

impl Fifo {
    fn new(bytes_max: usize) -> Self {
        Self { batches: HashMap::new(), order: VecDeque::new(), bytes: 0, bytes_max }
    }

    fn insert(&mut self, log: LogId, base: Offset, frame: CommitNo, batch: Bytes) {
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

    fn get(&self, log: LogId, base: Offset, frame: CommitNo) -> Option<Bytes> {
        self.batches.get(&(log, base)).filter(|(held, _)| *held == frame).map(|(_, batch)| batch.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(of: u8) -> Bytes {
        Bytes::from(vec![of; 10])
    }

    #[test]
    fn holds_the_newest_up_to_its_bytes() {
        let mut cache = Cache::new(32);
        for base in 0..4 {
            cache.insert(LogId(2), base, CommitNo(base + 1), batch(base as u8));
        }
        cache.insert(LogId(2), 9, CommitNo(9), Bytes::from(vec![0; 25]));
        assert_eq!(cache.bytes(), 20);
        assert_eq!(cache.get(LogId(2), 1, CommitNo(2)), None);
        assert_eq!(cache.get(LogId(2), 3, CommitNo(4)), Some(batch(3)));
        assert_eq!(cache.get(LogId(2), 3, CommitNo(5)), None, "another frame's batch");
        cache.insert(LogId(2), 3, CommitNo(5), batch(7));
        assert_eq!(cache.bytes(), 20, "replaced, not added");
    }

    #[test]
    fn what_is_read_is_kept_for_a_while_and_pushes_nothing_newest_out() {
        let mut cache = Cache::new(80);
        (0..6).for_each(|base| cache.insert(LogId(2), 100 + base, CommitNo(50), batch(1)));
        (0..5).for_each(|base| cache.insert_read(LogId(2), base, CommitNo(base + 1), batch(base as u8)));
        assert_eq!(cache.bytes(), 80);
        assert_eq!(cache.get(LogId(2), 100, CommitNo(50)), Some(batch(1)));
        let held = |base| cache.get(LogId(2), base, CommitNo(base + 1)).is_some();
        assert_eq!([0, 2, 3, 4].map(held), [false, false, true, true]);
    }
}
