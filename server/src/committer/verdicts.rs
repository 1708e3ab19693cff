//! What filters said of the newest batches: found out once, when a batch is published, for the queues that read it next.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferrymq_core::{LogId, Offset};

/// Most memory for all that is kept, in bytes. A queue that reads a batch later than that tries its filters again.
const BYTES_MAX: usize = 8 << 20;
/// Most memory for one batch's, in bytes: no more is noted.
const BATCH_BYTES_MAX: usize = 64 << 10;

/// For each message of a batch, what the filters of some bindings say of it.
#[derive(Debug)]
pub struct Verdicts {
    /// Numbers of bindings, in order.
    bindings: Arc<[u64]>,
    /// A bit for each binding of each message; empty if there would be too many.
    said: Vec<u64>,
}

impl Verdicts {
    /// For so many messages; nothing is said yet.
    pub fn new(bindings: Arc<[u64]>, messages: usize) -> Self {
        let words = (bindings.len() * messages).div_ceil(64);
        let fits = words * size_of::<u64>() <= BATCH_BYTES_MAX;
        Self { bindings, said: if fits { vec![0; words] } else { Vec::new() } }
    }

    /// The filter of the binding that stands at `place` among them matches a message.
    pub fn note(&mut self, message: usize, place: usize) {
        let bit = message * self.bindings.len() + place;
        if let Some(word) = self.said.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }

    /// What the filter of a binding says of a message, if it was asked. Only of messages that the binding's pattern matches.
    pub fn of(&self, message: usize, binding: u64) -> Option<bool> {
        let bit = message * self.bindings.len() + self.bindings.binary_search(&binding).ok()?;
        self.said.get(bit / 64).map(|word| word >> (bit % 64) & 1 == 1)
    }

    /// Memory that they take.
    pub(super) fn bytes(&self) -> usize {
        const ENTRY: usize = 128;
        self.said.len() * size_of::<u64>() + ENTRY
    }
}

/// Those of the newest batches, by log and first offset. The lock is never held across an await.
#[derive(Debug, Default)]
pub struct NewestVerdicts(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    batches: HashMap<(LogId, Offset), Arc<Verdicts>>,
    order: VecDeque<(LogId, Offset)>,
    bytes: usize,
}

impl NewestVerdicts {
    /// Keeps those of a batch that has been committed; the oldest make room.
    pub fn insert(&self, log: LogId, base: Offset, verdicts: Verdicts) {
        let mut kept = self.lock();
        kept.bytes += verdicts.bytes();
        if let Some(old) = kept.batches.insert((log, base), Arc::new(verdicts)) {
            kept.bytes -= old.bytes();
        } else {
            kept.order.push_back((log, base));
        }
        while kept.bytes > BYTES_MAX {
            let Some(oldest) = kept.order.pop_front() else { return };
            let gone = kept.batches.remove(&oldest).map_or(0, |verdicts| verdicts.bytes());
            kept.bytes -= gone;
        }
    }

    /// Those of a batch, if they are still there.
    pub fn get(&self, log: LogId, base: Offset) -> Option<Arc<Verdicts>> {
        self.lock().batches.get(&(log, base)).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_binding_of_each_message_has_a_bit() {
        let mut verdicts = Verdicts::new([3, 7, 9].into(), 50);
        for message in (0..50).step_by(3) {
            verdicts.note(message, message % 2);
        }
        for message in 0..50 {
            let expected = |place| message % 3 == 0 && message % 2 == place;
            assert_eq!(verdicts.of(message, 3), Some(expected(0)), "{message}");
            assert_eq!(verdicts.of(message, 7), Some(expected(1)), "{message}");
            assert_eq!((verdicts.of(message, 9), verdicts.of(message, 8)), (Some(false), None));
        }
        let mut large = Verdicts::new((0..10_000).collect(), 1_000);
        large.note(999, 9_999);
        assert_eq!(large.of(999, 9_999), None, "too much to be noted");
    }

    #[test]
    fn the_newest_stay_within_their_bytes() {
        let newest = NewestVerdicts::default();
        for base in 0..400 {
            newest.insert(LogId(2), base, Verdicts::new((0..1_000).collect(), 500));
        }
        assert!(newest.get(LogId(2), 399).is_some() && newest.get(LogId(2), 0).is_none());
        let kept = newest.lock();
        assert!(kept.bytes <= BYTES_MAX && kept.order.len() == kept.batches.len());
    }
}
