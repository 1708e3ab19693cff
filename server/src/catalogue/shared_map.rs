//! A sorted map that is cheap to copy, and to change behind a copy: copies share what is the same in them.
//!
//! The entries lie in parts of bounded size. A change behind a copy makes anew the part that it falls in and the list of the
//! parts, and nothing else.

use std::borrow::Borrow;
use std::sync::Arc;

/// Most entries in one part. With 100,000 entries a change copies some hundred of them, and about a thousand places of parts.
const PART_MAX: usize = 128;

/// A sorted map. A clone costs one counter, whatever it holds.
#[derive(Clone)]
pub struct SharedMap<K, V> {
    parts: Arc<Vec<Part<K, V>>>,
    len: usize,
}

/// Some entries that follow each other, at least one.
#[derive(Clone)]
struct Part<K, V> {
    /// No key of the part is below it, and all of the parts before are.
    first: K,
    entries: Arc<Vec<(K, V)>>,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self { parts: Arc::new(Vec::new()), len: 0 }
    }
}

impl<K, V> SharedMap<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.parts.iter().flat_map(|part| part.entries.iter()).map(|(key, value)| (key, value))
    }

    /// All keys, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The place of the part where a key is, or would be.
    fn part_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        self.parts.partition_point(|part| part.first.borrow() <= key).saturating_sub(1)
    }

    /// What a key leads to.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let entries = &self.parts.get(self.part_of(key))?.entries;
        let place = place_of(entries, key).ok()?;
        entries.get(place).map(|(_, value)| value)
    }

    /// The entries from `key` on, in the order of their keys.
    pub fn from<'a, Q: Ord + ?Sized>(&'a self, key: &Q) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, Q, K, V>
    where
        K: Borrow<Q>,
    {
        let parts = self.parts.get(self.part_of(key)..).unwrap_or_default();
        let skipped = parts.first().map_or(0, |part| part.entries.partition_point(|(there, _)| there.borrow() < key));
        parts.iter().flat_map(|part| part.entries.iter()).skip(skipped).map(|(key, value)| (key, value))
    }
}

impl<K: Clone + Ord, V: Clone> SharedMap<K, V> {
    /// Puts a value under a key; the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let at = self.part_of(&key);
        let parts = Arc::make_mut(&mut self.parts);
        let Some(part) = parts.get_mut(at) else {
            self.len = 1;
            parts.push(Part { first: key.clone(), entries: Arc::new(vec![(key, value)]) });
            return None;
        };
        if key < part.first {
            part.first = key.clone();
        }
        let entries = Arc::make_mut(&mut part.entries);
        let place = match place_of(entries, &key) {
            Ok(place) => return Some(std::mem::replace(&mut entries[place].1, value)),
            Err(place) => place,
        };
        self.len += 1;
        entries.insert(place, (key, value));
        if entries.len() > PART_MAX {
            // What comes in its order fills the parts.
            let middle = if place + 1 == entries.len() { place } else { entries.len() / 2 };
            let upper = entries.split_off(middle);
            parts.insert(at + 1, Part { first: upper[0].0.clone(), entries: Arc::new(upper) });
        }
        None
    }

    /// Takes out what a key leads to.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.get(key)?;
        let at = self.part_of(key);
        let parts = Arc::make_mut(&mut self.parts);
        let entries = Arc::make_mut(&mut parts.get_mut(at)?.entries);
        let (_, value) = entries.remove(place_of(entries, key).ok()?);
        self.len -= 1;
        if entries.is_empty() {
            parts.remove(at);
        } else if at == 0 || !join(parts, at - 1) {
            join(parts, at);
        }
        Some(value)
    }
}

/// Makes one part of two that are small; false if they are not.
fn join<K: Clone, V: Clone>(parts: &mut Vec<Part<K, V>>, at: usize) -> bool {
    let [first, second, ..] = &mut parts[at..] else { return false };
    let are_small = first.entries.len() + second.entries.len() <= PART_MAX / 2;
    if are_small {
        Arc::make_mut(&mut first.entries).extend(second.entries.iter().cloned());
        parts.remove(at + 1);
    }
    are_small
}

fn place_of<K: Borrow<Q>, V, Q: Ord + ?Sized>(entries: &[(K, V)], key: &Q) -> Result<usize, usize> {
    entries.binary_search_by(|(there, _)| there.borrow().cmp(key))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn same(map: &SharedMap<u16, u32>, model: &BTreeMap<u16, u32>) {
        assert!(map.iter().eq(model.iter()));
        assert_eq!(map.len(), model.len());
        assert_eq!(map.is_empty(), model.is_empty());
        assert!(map.parts.iter().all(|part| !part.entries.is_empty() && part.entries.len() <= PART_MAX));
    }

    proptest! {
        #[test]
        fn is_as_a_plain_map_and_copies_stay_as_they_were(
            steps in prop::collection::vec((0u16..700, prop::bool::weighted(0.6), prop::bool::weighted(0.02)), 0..3_000),
            ordered in any::<bool>(),
        ) {
            let (mut map, mut model) = (SharedMap::default(), BTreeMap::new());
            let mut copies = Vec::new();
            for (number, (key, puts, copied)) in steps.into_iter().enumerate() {
                let number = number as u32;
                let key = if ordered && puts { number as u16 } else { key };
                if puts {
                    prop_assert_eq!(map.insert(key, number), model.insert(key, number));
                } else {
                    prop_assert_eq!(map.remove(&key), model.remove(&key));
                }
                prop_assert_eq!(map.get(&key), model.get(&key));
                let behind: Vec<_> = map.from(&key).take(3).collect();
                prop_assert_eq!(behind, model.range(key..).take(3).collect::<Vec<_>>());
                if copied {
                    copies.push((map.clone(), model.clone()));
                }
            }
            same(&map, &model);
            copies.iter().for_each(|(map, model)| same(map, model));
        }
    }

    #[test]
    fn a_change_behind_a_copy_leaves_all_other_parts_shared() {
        let mut map = SharedMap::default();
        (0..10_000_u32).for_each(|key| assert!(map.insert(key, key).is_none()));
        assert!(map.parts.len() <= 10_000 / PART_MAX + 1);
        let copy = map.clone();
        map.insert(5_000, 0);
        let shared = copy.parts.iter().zip(map.parts.iter()).filter(|(a, b)| Arc::ptr_eq(&a.entries, &b.entries));
        assert_eq!(shared.count(), map.parts.len() - 1);
    }

    #[test]
    fn what_is_taken_out_leaves_no_small_parts_behind() {
        let mut map = SharedMap::default();
        (0..10_000_u32).for_each(|key| assert!(map.insert(key, key).is_none()));
        (0..10_000_u32).filter(|key| key % 100 != 0).for_each(|key| assert!(map.remove(&key).is_some()));
        assert_eq!(map.len(), 100);
        assert!(map.parts.len() <= 8, "{}", map.parts.len());
        (0..10_000_u32).for_each(|key| _ = map.remove(&key));
        assert!(map.is_empty() && map.parts.is_empty());
    }
}
