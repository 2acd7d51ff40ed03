//! How far back ALiBi lets a row look: chunks of keys that weigh nothing and need not be read.
//!
//! A key `n` positions back loses `n` times the row's slope. By Cauchy and Schwarz no product of a query
//! and a key is larger than their lengths' product, and the row's own key, which loses nothing, has a
//! score of at least minus that. So a chunk whose last key is far enough back has no score within
//! `ln` of the smallest weight of the row's largest, whatever its keys are, and its weight beside the
//! row's own chunk is exactly zero: [`super::merge`] leaves the same bits with it and without. This
//! takes chunks in descending order, so that the own chunk is there first.

use super::QueryRow;

/// Differences of scores beyond this weigh exactly nothing: `exp` is 0 below -87.
const NO_WEIGHT: f32 = 88.0;
/// Beyond this length what is kept of a key in f16 may be infinite.
const MAX_LENGTH: f32 = 30_000.0;

/// An upper bound of a vector's length that holds for what any [`super::CacheType`] keeps of it too,
/// and for its products as they are summed; infinite where there is none.
pub fn longest(vector: &[f32]) -> f32 {
    let (eights, rest) = vector.as_chunks::<8>();
    let mut squares = [0.0f32; 8];
    for eight in eights {
        for (square, value) in squares.iter_mut().zip(eight) {
            *square += value * value;
        }
    }
    let rest: f32 = rest.iter().map(|value| value * value).sum();
    let square = squares.iter().sum::<f32>() + rest;
    // Rounding to eight bits moves a block by at most sqrt(32) half steps of 1/127 of its largest
    // value, 2.3 % of its length; what is too small for an exponent, by less than the constant.
    let length = square.sqrt() * 1.05 + 1e-3;
    if length < MAX_LENGTH {
        length
    } else {
        f32::INFINITY
    }
}

/// Whether the keys up to position `last` weigh nothing for a row whose query is no longer than
/// `query_length`, if none of them, nor its own key, is longer than `key_length`.
pub(super) fn is_out_of_reach(
    row: QueryRow,
    query_length: f32,
    last: usize,
    key_length: f32,
) -> bool {
    let lost = row.slope * row.position.saturating_sub(last) as f32;
    // Infinite bounds, and what is no number, are never exceeded. What f32 rounds off scores is far below
    // one in a thousand of them.
    lost * 0.999 > NO_WEIGHT + 2.001 * (query_length * key_length)
}

#[cfg(test)]
mod tests {
    use super::super::{Attention, CacheType};
    use super::*;

    #[test]
    fn bounds_are_at_least_the_length_and_not_much_more() {
        for (vector, length) in [
            (vec![3.0, 4.0], 5.0),
            (vec![-1.0; 100], 10.0),
            (vec![1e-30; 64], 0.0),
            (vec![0.0; 8], 0.0),
        ] {
            let bound = longest(&vector);
            assert!(bound > length && bound < 1.06 * length + 0.01, "{bound}");
        }
        for strange in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 4e4, 1e30] {
            assert_eq!(longest(&[1.0, strange]), f32::INFINITY);
        }
    }

    #[test]
    fn only_what_is_beyond_every_rows_reach_weighs_nothing() {
        let nothing = |rows: &[(usize, f32)], query: f32, last, key_length| {
            let mut state = Attention::default();
            state.start(8, CacheType::F16);
            for (position, slope) in rows {
                let (position, slope) = (*position, *slope);
                state.push_query(QueryRow { position, slope }, &[query; 8]);
            }
            state.weighs_nothing(last, key_length)
        };
        assert!(nothing(&[(200, 1.0)], 0.0, 100, 1.0));
        assert!(!nothing(&[(200, 1.0)], 0.0, 112, 1.0), "88 positions back");
        assert!(!nothing(&[(200, 1.0)], 5.0, 100, 1.0), "a long query");
        assert!(!nothing(&[(200, 1.0)], 0.1, 100, 100.0), "long keys");
        assert!(!nothing(&[(200, 1.0), (150, 1.0)], 0.0, 100, 1.0));
        assert!(!nothing(&[(200, 1.0), (200, 0.1)], 0.0, 100, 1.0));
        assert!(!nothing(&[(1 << 30, 0.0)], 0.0, 1, 1.0), "no ALiBi");
        assert!(!nothing(&[(1 << 30, 1.0)], f32::NAN, 1, 1.0));
        assert!(!nothing(&[(1 << 30, 1.0)], 1.0, 1, f32::INFINITY));
        assert!(!nothing(&[(1 << 30, 1.0)], 0.0, 1, f32::INFINITY));
        assert!(!nothing(&[], 1.0, 1, 1.0));
    }
}
