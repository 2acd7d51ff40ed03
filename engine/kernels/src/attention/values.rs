//! Weights times values: one chain of sums per value, over the positions in order.

use super::stored::Stored;
use super::{BLOCK, PARTIAL_HEAD};
use crate::arch::floats::Floats;

/// Adds the weighted values of a block to every row's open chunk; the values after them are `ahead`
/// bytes on.
#[inline(always)]
pub(super) fn add_values<F: Floats, T: Stored>(
    floats: F,
    weights: &[[f32; BLOCK]],
    values: &[T],
    ahead: usize,
    size: usize,
    open: &mut [f32],
) {
    let stride = PARTIAL_HEAD + size;
    let many = F::REGISTERS >= 32;
    let (values, vectors) = (values.as_chunks::<8>().0, size / 8);
    for (weights, open) in weights.chunks(4).zip(open.chunks_mut(4 * stride)) {
        // Rows by vectors that fill the registers with sums, values and one weight.
        let mut first = 0;
        while first < vectors {
            let places = Places {
                values,
                vectors,
                first,
                ahead,
            };
            first += match (weights.len(), vectors - first) {
                (1, 8..) => sum_rows::<F, T, 1, 8>(floats, weights, places, open),
                (1, 4..) => sum_rows::<F, T, 1, 4>(floats, weights, places, open),
                (1, _) => sum_rows::<F, T, 1, 1>(floats, weights, places, open),
                (2, 4..) => sum_rows::<F, T, 2, 4>(floats, weights, places, open),
                (2, _) => sum_rows::<F, T, 2, 1>(floats, weights, places, open),
                (3, 4..) if many => sum_rows::<F, T, 3, 4>(floats, weights, places, open),
                (3, 2..) => sum_rows::<F, T, 3, 2>(floats, weights, places, open),
                (3, _) => sum_rows::<F, T, 3, 1>(floats, weights, places, open),
                (_, 4..) if many => sum_rows::<F, T, 4, 4>(floats, weights, places, open),
                (_, 2..) => sum_rows::<F, T, 4, 2>(floats, weights, places, open),
                (_, _) => sum_rows::<F, T, 4, 1>(floats, weights, places, open),
            };
        }
    }
}

/// Where values of some positions are, and which of them are summed.
struct Places<'v, T> {
    /// Position after position, in vectors of eight.
    values: &'v [[T; 8]],
    /// Vectors of a head.
    vectors: usize,
    /// The first vector that is summed.
    first: usize,
    /// How many bytes on the next values are.
    ahead: usize,
}

/// `open[r] += sum over positions of weights[r] * values` for `N` vectors of eight values from vector
/// `first` of `vectors` on; returns `N`.
#[inline(always)]
fn sum_rows<F: Floats, T: Stored, const R: usize, const N: usize>(
    floats: F,
    weights: &[[f32; BLOCK]],
    places: Places<'_, T>,
    open: &mut [f32],
) -> usize {
    let Places {
        values,
        vectors,
        first,
        ahead,
    } = places;
    let weights: &[[f32; BLOCK]; R] = weights.first_chunk().expect("R rows of weights");
    let stride = open.len() / R;
    let place = |r: usize, n: usize| r * stride + PARTIAL_HEAD + 8 * (first + n);
    let mut sums = [[floats.splat(0.0); N]; R];
    for r in 0..R {
        for n in 0..N {
            let open = open[place(r, n)..].first_chunk();
            sums[r][n] = floats.load(open.expect("a head has the vector"));
        }
    }
    for (position, values) in values.chunks_exact(vectors).take(BLOCK).enumerate() {
        let values: &[[T; 8]; N] = values[first..]
            .first_chunk()
            .expect("a head has the vectors");
        if T::COLD {
            floats.prefetch_level_2(values, ahead);
            if size_of::<[[T; 8]; N]>() > 64 {
                floats.prefetch_level_2(&values[N / 2], ahead);
            }
        }
        let lanes: [F::Lanes; N] = std::array::from_fn(|n| T::lanes(floats, &values[n]));
        for r in 0..R {
            let weight = floats.splat(weights[r][position]);
            for n in 0..N {
                sums[r][n] = floats.multiply_add(weight, lanes[n], sums[r][n]);
            }
        }
    }
    for r in 0..R {
        for n in 0..N {
            let out = open[place(r, n)..].first_chunk_mut();
            floats.store(sums[r][n], out.expect("a head has the vector"));
        }
    }
    N
}
