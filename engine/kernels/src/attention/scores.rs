//! Queries times keys: one chain of sums per key, over the values of the head in order.

use super::stored::Stored;
use super::{BLOCK, TILE};
use crate::arch::floats::Floats;

/// Tiles of a block.
const TILES: usize = BLOCK / TILE;
/// Values of a head between two looks ahead.
const STEP: usize = 8;

/// Scores of every query row against the keys of a block; the keys after them are `ahead` bytes on.
#[inline(always)]
pub(super) fn scores<F: Floats, T: Stored>(
    floats: F,
    queries: &[f32],
    keys: &[T],
    ahead: usize,
    size: usize,
    scores: &mut [[f32; BLOCK]],
) {
    // Rows by tiles that fill the registers with sums, keys and one query.
    let many = F::REGISTERS >= 32;
    for (queries, scores) in queries.chunks(4 * size).zip(scores.chunks_mut(4)) {
        match scores.len() {
            1 => score_rows::<F, T, 1, 4>(floats, queries, keys, ahead, size, scores),
            2 => score_rows::<F, T, 2, 4>(floats, queries, keys, ahead, size, scores),
            3 if many => score_rows::<F, T, 3, 4>(floats, queries, keys, ahead, size, scores),
            3 => score_rows::<F, T, 3, 2>(floats, queries, keys, ahead, size, scores),
            _ if many => score_rows::<F, T, 4, 4>(floats, queries, keys, ahead, size, scores),
            _ => score_rows::<F, T, 4, 2>(floats, queries, keys, ahead, size, scores),
        }
    }
}

/// Scores of `R` rows, `N` tiles at a time.
#[inline(always)]
fn score_rows<F: Floats, T: Stored, const R: usize, const N: usize>(
    floats: F,
    queries: &[f32],
    keys: &[T],
    ahead: usize,
    size: usize,
    scores: &mut [[f32; BLOCK]],
) {
    let queries: [&[[f32; STEP]]; R] =
        std::array::from_fn(|r| queries[r * size..][..size].as_chunks().0);
    let tiles: [&[[[T; TILE]; STEP]]; TILES] = std::array::from_fn(|tile| {
        keys[tile * size * TILE..][..size * TILE]
            .as_chunks()
            .0
            .as_chunks()
            .0
    });
    for first in (0..TILES).step_by(N) {
        let mut sums = [[floats.splat(0.0); N]; R];
        for step in 0..size / STEP {
            let tiles: [&[[T; TILE]; STEP]; N] = std::array::from_fn(|n| &tiles[first + n][step]);
            let queries: [&[f32; STEP]; R] = std::array::from_fn(|r| &queries[r][step]);
            if T::COLD {
                for tile in tiles {
                    for values in tile.chunks(64 / size_of::<[T; TILE]>()) {
                        floats.prefetch_level_2(values.first().unwrap_or(&tile[0]), ahead);
                    }
                }
            }
            for index in 0..STEP {
                let keys: [F::Lanes; N] =
                    std::array::from_fn(|n| T::lanes(floats, &tiles[n][index]));
                for r in 0..R {
                    let query = floats.splat(queries[r][index]);
                    for n in 0..N {
                        sums[r][n] = floats.multiply_add(query, keys[n], sums[r][n]);
                    }
                }
            }
        }
        for r in 0..R {
            for n in 0..N {
                floats.store(
                    sums[r][n],
                    &mut scores[r].as_chunks_mut::<TILE>().0[first + n],
                );
            }
        }
    }
}
