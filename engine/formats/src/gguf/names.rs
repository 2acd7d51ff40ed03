//! Finding entries of a table by name: their numbers, sorted by name. A hash table would take ten
//! times as much memory, which files of many tiny entries could make us pay.

/// Numbers of the entries of a table in the order of their names.
#[derive(Debug, Clone, Default)]
pub(super) struct NameOrder(Vec<u32>);

impl NameOrder {
    /// Sorts entries `0..count`, of which there are fewer than 2^32; `name` gives the name of one.
    ///
    /// # Errors
    /// The number of an entry whose name an earlier entry has.
    pub(super) fn of<'n>(count: usize, name: impl Fn(usize) -> &'n str) -> Result<Self, usize> {
        let mut order: Vec<u32> = (0..count).map(|index| index as u32).collect();
        order.sort_unstable_by_key(|&index| (name(index as usize), index));
        let twins = order
            .windows(2)
            .filter(|pair| name(pair[0] as usize) == name(pair[1] as usize));
        match twins.map(|pair| pair[1]).min() {
            Some(second) => Err(second as usize),
            None => Ok(Self(order)),
        }
    }

    /// The number of the entry called `wanted`.
    pub(super) fn find<'n>(&self, wanted: &str, name: impl Fn(usize) -> &'n str) -> Option<usize> {
        let found = self
            .0
            .binary_search_by_key(&wanted, |&index| name(index as usize));
        found.ok().map(|position| self.0[position] as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_name_and_twins_are_told() {
        let names = ["b", "", "ab", "a"];
        let order = NameOrder::of(names.len(), |index| names[index]).expect("all differ");
        for (index, name) in names.into_iter().enumerate() {
            assert_eq!(order.find(name, |index| names[index]), Some(index));
        }
        assert_eq!(order.find("aa", |index| names[index]), None);
        let names = ["x", "b", "a", "b", "a"];
        assert_eq!(NameOrder::of(5, |index| names[index]).err(), Some(3));
    }
}
