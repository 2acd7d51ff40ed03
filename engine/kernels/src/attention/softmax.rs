//! Scores to weights: masks, finds the new largest, rescales what was there, exponentiates.

use super::{BLOCK, QueryRow};
use crate::arch::floats::Floats;

/// Turns the scores of a block, `positions` from `first_position` on, into weights, for every one of
/// some query rows.
#[inline(always)]
pub(super) fn weigh<F: Floats>(
    floats: F,
    rows: &[QueryRow],
    first_position: usize,
    positions: usize,
    weights: &mut [[f32; BLOCK]],
    open: &mut [f32],
) {
    let stride = open.len() / rows.len();
    let rows = rows.iter().zip(weights);
    for ((row, scores), open) in rows.zip(open.chunks_exact_mut(stride)) {
        let seen = row.sees(first_position, positions);
        if seen == 0 {
            scores.fill(0.0);
            continue;
        }
        if row.slope != 0.0 {
            subtract_distance(floats, row, first_position, scores);
        }
        // 0 where all scores are finite, which takes nothing from the sum; else no number.
        let wrong = wrong(floats, &scores[..seen]);
        scores[seen..].fill(f32::NEG_INFINITY);
        let before = open[0];
        let largest = largest(floats, before, scores);
        let mut sums = floats.splat(0.0);
        for chunk in scores.as_chunks_mut::<8>().0 {
            let score = floats.load(chunk);
            let weight = floats.exp(floats.sub(score, floats.splat(largest)));
            sums = floats.add(sums, weight);
            floats.store(weight, chunk);
        }
        if largest > before {
            let shrink = floats.exp_of(before - largest);
            open[1..].iter_mut().for_each(|value| *value *= shrink);
        }
        open[0] = largest;
        open[1] += floats.sum(sums) + wrong;
    }
}

/// 0 if all scores are finite; no number if one is none or infinite. One of minus infinity, which only an
/// overflow makes, would weigh nothing and not be missed.
#[inline(always)]
fn wrong<F: Floats>(floats: F, scores: &[f32]) -> f32 {
    let zero = floats.splat(0.0);
    let mut sums = zero;
    let (chunks, rest) = scores.as_chunks::<8>();
    for chunk in chunks {
        sums = floats.multiply_add(floats.load(chunk), zero, sums);
    }
    floats.sum(sums) + rest.iter().map(|score| score * 0.0).sum::<f32>()
}

/// ALiBi: a key `n` positions back loses `n` times the slope.
#[inline(always)]
fn subtract_distance<F: Floats>(
    floats: F,
    row: &QueryRow,
    first_position: usize,
    scores: &mut [f32; BLOCK],
) {
    let distance = floats.splat(row.position as f32 - first_position as f32);
    let slope = floats.splat(row.slope);
    for (index, chunk) in scores.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let keys = std::array::from_fn(|lane| (8 * index + lane) as f32);
        let distance = floats.sub(distance, floats.load(&keys));
        let score = floats.sub(floats.load(chunk), floats.mul(slope, distance));
        floats.store(score, chunk);
    }
}

/// The largest of `before` and the scores that are numbers.
#[inline(always)]
fn largest<F: Floats>(floats: F, before: f32, scores: &[f32; BLOCK]) -> f32 {
    let mut lanes = floats.splat(before);
    for chunk in scores.as_chunks::<8>().0 {
        lanes = floats.max(floats.load(chunk), lanes);
    }
    let lanes = floats.array(lanes);
    lanes
        .iter()
        .fold(before, |a, b| if *b > a { *b } else { a })
}
