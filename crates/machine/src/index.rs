//! Finding entries of a table by keys that peers choose.

use core::hash::{BuildHasher, Hash};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::KeyedState;

/// Leads from a key to its place in a table that holds the keys itself.
///
/// An entry costs five bytes however long its key is, where a [`Map`](crate::Map) would keep a copy of it.
/// Each call is told by `key_of` which key is at a place; a place that is in the index must keep its key.
/// Like a map, it is keyed from the seed, so a peer cannot aim for collisions.
///
/// ```
/// use machine::{Index, KeyedState, Random};
///
/// let names = ["meter", "valve"];
/// let mut index = Index::new(KeyedState::new(&mut Random::from_number(1)));
/// index.insert(0, |place| names[place as usize]);
/// index.insert(1, |place| names[place as usize]);
/// assert_eq!(index.find("valve", |place| names[place as usize]), Some(1));
/// ```
#[derive(Clone, Debug)]
pub struct Index {
    places: HashTable<u32>,
    state: KeyedState,
}

impl Index {
    /// Without entries.
    pub const fn new(state: KeyedState) -> Self {
        Self { places: HashTable::new(), state }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The place of a key.
    pub fn find<K: Hash + Eq>(&self, key: K, key_of: impl Fn(u32) -> K) -> Option<u32> {
        self.places.find(self.state.hash_one(&key), |place| key_of(*place) == key).copied()
    }

    /// Lets the key at `place` lead there; it does not lead where it did before.
    pub fn insert<K: Hash + Eq>(&mut self, place: u32, key_of: impl Fn(u32) -> K) {
        let key = key_of(place);
        let hash = |place: &u32| self.state.hash_one(key_of(*place));
        match self.places.entry(self.state.hash_one(&key), |known| key_of(*known) == key, hash) {
            Entry::Occupied(mut entry) => *entry.get_mut() = place,
            Entry::Vacant(entry) => {
                entry.insert(place);
            }
        }
    }

    /// Lets the key at `place` lead nowhere, if it leads there.
    pub fn remove<K: Hash + Eq>(&mut self, place: u32, key_of: impl Fn(u32) -> K) {
        let hash = self.state.hash_one(key_of(place));
        if let Ok(entry) = self.places.find_entry(hash, |known| *known == place) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use super::*;
    use crate::Random;

    /// Beside an ordered map under random use, with keys that several places share.
    #[test]
    fn agrees_with_an_ordered_map() {
        let mut random = Random::from_number(5);
        let keys: Vec<u64> = (0..400).map(|_| random.below(100)).collect();
        let key_of = |place: u32| keys[place as usize];
        let mut index = Index::new(KeyedState::new(&mut random));
        let mut model = BTreeMap::new();
        for _ in 0..20_000 {
            let place = random.below(400) as u32;
            if random.chance(0.5) {
                index.insert(place, key_of);
                model.insert(key_of(place), place);
            } else {
                index.remove(place, key_of);
                if model.get(&key_of(place)) == Some(&place) {
                    model.remove(&key_of(place));
                }
            }
            let key = random.below(100);
            assert_eq!(index.find(key, key_of), model.get(&key).copied());
            assert_eq!((index.len(), index.is_empty()), (model.len(), model.is_empty()));
        }
    }
}
