//! What is held: the ack ids of deliveries that have not been settled, each found by its place.

use bytes::Bytes;

/// Where a delivery's ack id is held. It belongs to one delivery, until its settlement has been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(usize);

/// As many places as were ever taken at the same time: the prefetch, and once more for each time that the broker forgot the
/// consumer while the program held what it had.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Empty where nothing is held.
    ack_ids: Vec<Bytes>,
    free: Vec<Slot>,
}

impl Held {
    /// An empty id is not held: there is nothing to settle.
    pub(crate) fn add(&mut self, ack_id: Bytes) -> Slot {
        if ack_id.is_empty() {
            return Slot(usize::MAX);
        }
        let slot = self.free.pop().unwrap_or(Slot(self.ack_ids.len()));
        match self.ack_ids.get_mut(slot.0) {
            Some(place) => *place = ack_id,
            None => self.ack_ids.push(ack_id),
        }
        slot
    }

    /// Empty if it is not held.
    pub(crate) fn ack_id(&self, slot: Slot) -> &Bytes {
        static NOTHING: Bytes = Bytes::new();
        self.ack_ids.get(slot.0).unwrap_or(&NOTHING)
    }

    pub(crate) fn remove(&mut self, slot: Slot) {
        let held = self.ack_ids.get_mut(slot.0).filter(|ack_id| !ack_id.is_empty());
        if let Some(ack_id) = held {
            *ack_id = Bytes::new();
            self.free.push(slot);
        }
    }

    pub(crate) fn ack_ids(&self) -> impl Iterator<Item = &Bytes> {
        self.ack_ids.iter().filter(|ack_id| !ack_id.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_again_once_it_is_free_and_not_before() {
        let mut held = Held::default();
        let [a, b] = ["a", "b"].map(|id| held.add(id.into()));
        held.remove(a);
        held.remove(a);
        let [c, d] = ["c", "d"].map(|id| held.add(id.into()));
        assert_eq!([b, c, d].map(|slot| held.ack_id(slot).clone()), ["b", "c", "d"]);
        assert_eq!((held.ack_ids().count(), c), (3, a));
    }

    #[test]
    fn what_has_nothing_to_settle_is_not_held() {
        let mut held = Held::default();
        let nothing = held.add(Bytes::new());
        held.remove(nothing);
        assert_eq!((held.ack_id(nothing), held.ack_ids().count()), (&Bytes::new(), 0));
    }
}
