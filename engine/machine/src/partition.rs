//! How a number of items (rows, columns, heads) is divided among workers: a validated list of
//! ranges. Pure arithmetic; validity here is what makes [`crate::parts`] sound.

use std::ops::Range;

use crate::MachineError;

/// One range per worker: ascending, disjoint, inside `0..total`. Ranges may be empty and need not
/// cover everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges {
    ranges: Vec<Range<usize>>,
    total: usize,
}

impl Ranges {
    /// Divides `0..total` into `workers` ranges that cover it and differ by at most one `multiple`,
    /// cut only at multiples of `multiple` (0 counts as 1). Larger shares lie evenly between the
    /// others, so that the shares of neighbours together, of a NUMA node say, differ by one at most from
    /// what is due to so many; the last non-empty one ends at `total`, be that a multiple or not.
    pub fn split(total: usize, multiple: usize, workers: usize) -> Ranges {
        let multiple = multiple.max(1);
        let units = total.div_ceil(multiple);
        let bound = |worker: usize| {
            // `units * worker / workers`, rounded up, without the product of two large numbers.
            let (whole, rest) = (units / workers, units % workers);
            let unit = whole * worker + (rest * worker).div_ceil(workers);
            unit.saturating_mul(multiple).min(total)
        };
        let ranges = (0..workers).map(|worker| bound(worker)..bound(worker + 1));
        let ranges = ranges.collect();
        Ranges { ranges, total }
    }

    /// Takes ranges that were decided elsewhere, e.g. per NUMA node.
    ///
    /// # Errors
    /// [`MachineError::Ranges`] for the first range that goes backwards, overlaps the one before it
    /// or leaves `0..total`.
    pub fn from_ranges(total: usize, ranges: Vec<Range<usize>>) -> Result<Ranges, MachineError> {
        let mut free_from = 0;
        for (index, range) in ranges.iter().enumerate() {
            let why = if range.start > range.end {
                "ends before it starts"
            } else if range.start < free_from {
                "overlaps the range before it"
            } else if range.end > total {
                "goes past the end"
            } else {
                free_from = range.end;
                continue;
            };
            let (start, end) = (range.start, range.end);
            return Err(MachineError::Ranges {
                index,
                start,
                end,
                total,
                why,
            });
        }
        Ok(Ranges { ranges, total })
    }

    /// The items of one worker.
    ///
    /// # Panics
    /// If `worker` is not below [`Ranges::len`].
    pub fn get(&self, worker: usize) -> Range<usize> {
        self.ranges[worker].clone()
    }

    /// How many workers this serves.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether it serves no worker.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many items were divided.
    pub fn total(&self) -> usize {
        self.total
    }

    /// All ranges, in worker order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Range<usize>> + '_ {
        self.ranges.iter().cloned()
    }

    /// The same division with every item `factor` times as wide: rows to elements, blocks to bytes.
    ///
    /// # Panics
    /// If `total * factor` does not fit in `usize`.
    pub fn scaled(&self, factor: usize) -> Ranges {
        let total = self
            .total
            .checked_mul(factor)
            .expect("scaled total fits in usize");
        // Every bound is at most the total, so none of these can overflow.
        let scale = |range: &Range<usize>| range.start * factor..range.end * factor;
        Ranges {
            ranges: self.ranges.iter().map(scale).collect(),
            total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn splits_at_multiples() {
        let cases = [
            (10, 1, 3, vec![0..4, 4..7, 7..10]),
            (10, 4, 2, vec![0..8, 8..10]),
            (8, 8, 3, vec![0..8, 8..8, 8..8]),
            (0, 8, 2, vec![0..0, 0..0]),
            (3, 0, 2, vec![0..2, 2..3]),
            (5, 1, 0, vec![]),
            (
                usize::MAX,
                1 << 40,
                2,
                vec![0..1 << 63, 1 << 63..usize::MAX],
            ),
        ];
        for (total, multiple, workers, expected) in cases {
            let ranges = Ranges::split(total, multiple, workers);
            assert_eq!(
                ranges.iter().collect::<Vec<_>>(),
                expected,
                "{total} / {multiple} / {workers}"
            );
        }
    }

    #[test]
    fn neighbours_together_have_what_is_due_to_them() {
        // 22 workers on each of four nodes, 512 row groups.
        let ranges = Ranges::split(512, 1, 88);
        for node in 0..4 {
            let (first, last) = (ranges.get(22 * node), ranges.get(22 * node + 21));
            assert_eq!((first.start, last.end), (128 * node, 128 * (node + 1)));
        }
    }

    #[test]
    fn refuses_bad_ranges() {
        let backwards = Range { start: 3, end: 1 };
        for (ranges, word) in [
            (vec![0..2, 1..3], "overlaps"),
            (vec![2..4, 0..1], "overlaps"),
            (vec![backwards], "before it starts"),
            (vec![0..2, 2..11], "past the end"),
        ] {
            let message = Ranges::from_ranges(10, ranges).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
        let gaps = Ranges::from_ranges(10, vec![1..2, 2..2, 5..10]).unwrap();
        assert_eq!(gaps.get(2), 5..10);
        assert_eq!(gaps.scaled(3).get(2), 15..30);
        assert_eq!(gaps.scaled(3).total(), 30);
    }

    proptest! {
        #[test]
        fn split_covers_everything_once(total in 0usize..5000, multiple in 0usize..70, workers in 1usize..130) {
            let ranges = Ranges::split(total, multiple, workers);
            prop_assert_eq!(ranges.len(), workers);
            let mut next = 0;
            for range in ranges.iter() {
                prop_assert_eq!(range.start, next);
                prop_assert!(range.end == total || range.end % multiple.max(1) == 0);
                next = range.end;
            }
            prop_assert_eq!(next, total);
            let units = || ranges.iter().map(|range| range.len().div_ceil(multiple.max(1)));
            let (least, most) = (units().min(), units().max());
            prop_assert!(most.unwrap_or(0) - least.unwrap_or(0) <= 1);
            prop_assert!(Ranges::from_ranges(total, ranges.iter().collect()).is_ok());
        }
    }
}
