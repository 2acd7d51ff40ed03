//! A hash table of numbers whose keys live elsewhere: token ids by text, merges by pair.
//!
//! A map that owns its keys takes up to nine times the bytes that a token has in a model file; here
//! a number takes four to sixteen bytes, whatever it stands for.

use std::hash::{BuildHasher, Hash, RandomState};

/// Marks a free slot; no number is as large.
const FREE: u32 = u32::MAX;

/// Numbers below 2^31, found by keys that the caller compares.
#[derive(Debug)]
pub(super) struct NumberTable {
    /// Seeded, so that a file cannot be made to collide.
    hasher: RandomState,
    /// Open addressing with linear probing; a power of two, at least half of it free.
    slots: Vec<u32>,
}

impl NumberTable {
    /// A table for at most `count` numbers.
    pub(super) fn with_capacity(count: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            slots: vec![FREE; (2 * count).next_power_of_two().max(2)],
        }
    }

    /// Enters `number` under `key`, unless a number of an equal key is there: that is returned, to be
    /// replaced or not. `is` says whether a number has the key.
    pub(super) fn entry(
        &mut self,
        key: impl Hash,
        number: u32,
        is: impl Fn(u32) -> bool,
    ) -> Option<&mut u32> {
        let slot = self.slot(key, is);
        let found = &mut self.slots[slot];
        if *found == FREE {
            *found = number;
            None
        } else {
            Some(found)
        }
    }

    /// The number of `key`; `is` says whether a number has it.
    pub(super) fn find(&self, key: impl Hash, is: impl Fn(u32) -> bool) -> Option<u32> {
        let number = self.slots[self.slot(key, is)];
        (number != FREE).then_some(number)
    }

    /// The slot of `key`, or the free one where it would go.
    fn slot(&self, key: impl Hash, is: impl Fn(u32) -> bool) -> usize {
        let last = self.slots.len() - 1;
        let mut slot = self.hasher.hash_one(key) as usize & last;
        while self.slots[slot] != FREE && !is(self.slots[slot]) {
            slot = (slot + 1) & last;
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_their_keys() {
        let keys: Vec<String> = (0..1000_u32)
            .map(|number| (number % 700).to_string())
            .collect();
        let mut table = NumberTable::with_capacity(keys.len());
        for (number, key) in (0_u32..).zip(&keys) {
            let earlier = table.entry(key, number, |other| &keys[other as usize] == key);
            let expected = number.checked_sub(700);
            assert_eq!(earlier.map(|earlier| *earlier), expected);
        }
        for (number, key) in (0_u32..).zip(&keys) {
            let found = table.find(key, |other| &keys[other as usize] == key);
            assert_eq!(found, Some(number % 700));
        }
        assert_eq!(
            table.find("700", |other| keys[other as usize] == "700"),
            None
        );
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        assert_eq!(NumberTable::with_capacity(0).find(1, |_| true), None);
    }
}
