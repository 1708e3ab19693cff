//! One reader's progress over one log.

use bytes::Bytes;

use crate::Offset;
use crate::codec::{self, Malformed};
use crate::ranges::RangeSet;
use crate::retries::Retries;
use crate::settle::{Progress, Retry};

const VERSION: u8 = 1;
/// The same with a generation behind it: of a cursor that was moved.
const VERSION_MOVED: u8 = 2;

/// Progress: all below `floor` is settled, and what lies above it is here. Changed by [`Progress`] records alone, so that it
/// can be made anew from them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    floor: Offset,
    settled: RangeSet,
    sent: Offset,
    retries: Retries,
    generation: u64,
}

impl Cursor {
    /// A cursor that begins at `floor`.
    #[must_use]
    pub fn starting_at(floor: Offset) -> Self {
        Self { floor, sent: floor, ..Self::default() }
    }

    /// All below is settled.
    #[must_use]
    pub fn floor(&self) -> Offset {
        self.floor
    }

    /// Nothing at or above it has been sent.
    #[must_use]
    pub fn sent(&self) -> Offset {
        self.sent
    }

    /// How often it was moved by a seek.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The settled ranges above the floor, in order.
    pub fn settled_ranges(&self) -> impl Iterator<Item = (Offset, Offset)> + '_ {
        self.settled.iter()
    }

    /// What lies between the settled ranges from the floor on, in order; the last goes on without end. Beyond `max` of them
    /// all is one range, with what is settled in it.
    #[must_use]
    pub fn open_ranges(&self, max: usize) -> Vec<(Offset, Offset)> {
        let mut ranges = Vec::new();
        let mut at = self.floor;
        for (from, to) in self.settled.iter().take(max.saturating_sub(1)) {
            ranges.push((at, from));
            at = to;
        }
        ranges.push((at, Offset::MAX));
        ranges
    }

    /// How a message that was given back stands.
    #[must_use]
    pub fn retry(&self, offset: Offset) -> Option<Retry> {
        self.retries.get(offset)
    }

    /// All that were given back and are not settled.
    #[must_use]
    pub fn retries(&self) -> &Retries {
        &self.retries
    }

    /// True if the message is done with.
    #[must_use]
    pub fn is_settled(&self, offset: Offset) -> bool {
        offset < self.floor || self.settled.contains(offset)
    }

    /// All that it has a record of beyond the floor, settled or given back, stands below.
    #[must_use]
    pub fn known_to(&self) -> Offset {
        let retried = self.retries.last_offset().map_or(0, |offset| offset.saturating_add(1));
        let settled = self.settled.iter().last().map_or(0, |(_, to)| to);
        retried.max(settled).max(self.floor)
    }

    /// Settled offsets above the floor, from `offset` on.
    #[must_use]
    pub fn settled_from(&self, offset: Offset) -> u64 {
        self.settled.iter().filter(|(_, to)| *to > offset).map(|(from, to)| to - from.max(offset)).sum()
    }

    /// Settled offsets above the floor.
    #[must_use]
    pub fn settled_above(&self) -> u64 {
        self.settled.count()
    }

    /// Applies a change. Absolute: once or twice is the same.
    pub fn apply(&mut self, change: &Progress) {
        match *change {
            Progress::Settled { from, to } => self.settle(from.max(self.floor), to),
            Progress::Retry { offset, state } => {
                if !self.is_settled(offset) {
                    self.retries.insert(offset, state);
                }
            }
            Progress::Sent { .. } if cfg!(feature = "planted-sent-forgotten") => {}
            Progress::Sent { upto } => self.sent = upto.max(self.floor),
            Progress::Anew { floor, sent, generation } => {
                *self = Self { floor, sent: sent.max(floor), generation, ..Self::default() };
            }
        }
    }

    fn settle(&mut self, from: Offset, to: Offset) {
        if from >= to {
            return;
        }
        self.retries.remove(from, to);
        if from == self.floor && self.settled.is_empty() {
            // In order, as mostly.
            self.floor = to;
            self.sent = self.sent.max(to);
            return;
        }
        self.settled.insert(from, to);
        // Nothing else reaches down to the floor: it would have risen before.
        if from > self.floor {
            return;
        }
        if let Some(end) = self.settled.end_of(self.floor) {
            self.floor = end;
            self.settled.remove_below(end);
            self.sent = self.sent.max(end);
        }
    }

    /// As a page: version, floor, sent, the settled ranges as gap and length, the retries, and the generation if it is not 0.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = vec![if self.generation == 0 { VERSION } else { VERSION_MOVED }];
        for number in [self.floor, self.sent, self.settled.len() as u64] {
            codec::put_varint(&mut out, number);
        }
        let mut at = self.floor;
        for (from, to) in self.settled.iter() {
            codec::put_varint(&mut out, from - at);
            codec::put_varint(&mut out, to - from);
            at = to;
        }
        codec::put_varint(&mut out, self.retries.len() as u64);
        for (offset, retry) in self.retries.iter() {
            for number in [offset, retry.attempts.into(), retry.failures.into(), retry.not_before_ms] {
                codec::put_varint(&mut out, number);
            }
        }
        if self.generation > 0 {
            codec::put_varint(&mut out, self.generation);
        }
        codec::freeze(out)
    }

    /// Reads a page.
    ///
    /// # Errors
    /// If the bytes are no page.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        const BEYOND: Malformed = Malformed("a cursor is beyond 64 bits");
        let mut input = bytes;
        let version = codec::take(&mut input, 1)?[0];
        if version != VERSION && version != VERSION_MOVED {
            return Err(Malformed("the cursor is of an unknown version"));
        }
        let mut number = || codec::take_varint(&mut input);
        let mut cursor = Self { floor: number()?, sent: number()?, ..Self::default() };
        let mut at = cursor.floor;
        for _ in 0..number()? {
            let from = at.checked_add(number()?).ok_or(BEYOND)?;
            at = from.checked_add(number()?).ok_or(BEYOND)?;
            cursor.settled.insert(from, at);
        }
        for _ in 0..number()? {
            let offset = number()?;
            let narrow = |value: u64| u32::try_from(value).map_err(|_| BEYOND);
            let retry = Retry { attempts: narrow(number()?)?, failures: narrow(number()?)?, not_before_ms: number()? };
            cursor.retries.insert(offset, retry);
        }
        if version == VERSION_MOVED {
            cursor.generation = number()?;
        }
        if input.is_empty() { Ok(cursor) } else { Err(Malformed("there is more than a cursor")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn steps() -> impl Strategy<Value = Vec<Progress>> {
        let step = prop_oneof![
            (0u64..40, 0u64..6).prop_map(|(from, len)| Progress::Settled { from, to: from + len }),
            (0u64..40, 1u32..4).prop_map(|(offset, attempts)| Progress::Retry {
                offset,
                state: Retry { attempts, failures: attempts - 1, not_before_ms: 5 }
            }),
            (0u64..40).prop_map(|upto| Progress::Sent { upto }),
            (0u64..40, 0u64..40, 1u64..4).prop_map(|(floor, sent, generation)| Progress::Anew {
                floor,
                sent,
                generation
            }),
        ];
        prop::collection::vec(step, 0..40)
    }

    proptest! {
        #[test]
        fn comes_back_as_a_page_and_each_change_may_come_twice(steps in steps()) {
            let mut cursor = Cursor::starting_at(3);
            for step in &steps {
                cursor.apply(step);
                let once = cursor.clone();
                cursor.apply(step);
                prop_assert_eq!(&cursor, &once);
                prop_assert_eq!(&Cursor::decode(&cursor.encode()).unwrap(), &cursor);
                prop_assert!(!cursor.is_settled(cursor.floor()) && cursor.sent() >= cursor.floor());
                let open = cursor.open_ranges(usize::MAX);
                let is_open = |offset| open.iter().any(|(from, to)| (*from..*to).contains(&offset));
                prop_assert!((0..50).all(|offset| is_open(offset) != cursor.is_settled(offset)));
                let few = cursor.open_ranges(2);
                prop_assert!(few.len() <= 2 && (0..50).all(|at| !is_open(at) || few.iter().any(|r| (r.0..r.1).contains(&at))));
                prop_assert!((0..50).all(|offset| !(cursor.is_settled(offset) && cursor.retry(offset).is_some())));
            }
        }

        #[test]
        fn never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(first) = bytes.first_mut() { *first = 1 + *first % 2; }
            let _ = Cursor::decode(&bytes);
        }
    }
}
