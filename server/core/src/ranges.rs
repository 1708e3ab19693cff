//! A set of offsets, kept as disjoint ranges.

use std::collections::BTreeMap;

use crate::Offset;

/// Offsets as half-open ranges: what is dense takes no room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeSet {
    /// Start to end; neither overlapping nor touching.
    ranges: BTreeMap<Offset, Offset>,
}

impl RangeSet {
    /// Adds [from, to).
    pub fn insert(&mut self, mut from: Offset, mut to: Offset) {
        if from >= to {
            return;
        }
        if self.ranges.last_key_value().is_none_or(|(_, &end)| end < from) {
            // Behind all others, as mostly.
            self.ranges.insert(from, to);
            return;
        }
        // Those that overlap or touch it, from the last one.
        while let Some((&start, &end)) = self.ranges.range(..=to).next_back()
            && end >= from
        {
            self.ranges.remove(&start);
            (from, to) = (from.min(start), to.max(end));
        }
        self.ranges.insert(from, to);
    }

    /// Forgets all below `floor`.
    pub fn remove_below(&mut self, floor: Offset) {
        while let Some((&start, &end)) = self.ranges.first_key_value() {
            if start >= floor {
                return;
            }
            self.ranges.remove(&start);
            if end > floor {
                self.ranges.insert(floor, end);
                return;
            }
        }
    }

    /// The end of the range that holds `offset`.
    #[must_use]
    pub fn end_of(&self, offset: Offset) -> Option<Offset> {
        // Asked for mostly beyond all ranges.
        self.ranges.last_key_value().filter(|(_, end)| offset < **end)?;
        self.ranges.range(..=offset).next_back().map(|(_, &end)| end).filter(|&end| offset < end)
    }

    /// True if `offset` is in it.
    #[must_use]
    pub fn contains(&self, offset: Offset) -> bool {
        self.end_of(offset).is_some()
    }

    /// The ranges, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Offset, Offset)> + '_ {
        self.ranges.iter().map(|(&from, &to)| (from, to))
    }

    /// How many offsets are in it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.iter().map(|(from, to)| to - from).sum()
    }

    /// How many ranges there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// True if nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn holds_what_a_plain_set_holds(steps in prop::collection::vec((0u64..60, 0u64..8, any::<bool>()), 0..60)) {
            let (mut ranges, mut plain) = (RangeSet::default(), BTreeSet::new());
            for (from, len, remove) in steps {
                if remove {
                    ranges.remove_below(from / 2);
                    plain.retain(|offset| *offset >= from / 2);
                } else {
                    ranges.insert(from, from + len);
                    plain.extend(from..from + len);
                }
                let found: Vec<u64> = ranges.iter().flat_map(|(from, to)| from..to).collect();
                prop_assert_eq!(found, plain.iter().copied().collect::<Vec<_>>());
                prop_assert!(ranges.iter().zip(ranges.iter().skip(1)).all(|(a, b)| a.1 < b.0));
                prop_assert!((0..70).all(|offset| ranges.contains(offset) == plain.contains(&offset)));
            }
        }
    }
}
