//! Scales of least square error, for the encoders of the types that have several scales to choose.
//!
//! Every search tries a few steps around the one that fits the largest number, rounds the numbers to
//! codes, and takes the scale that is best for those codes.

use super::{inverse_or_zero, largest_magnitude};

/// The whole number from `-half` to `half - 1` that stands for `value`.
pub(super) fn quantum(value: f32, inverse_scale: f32, half: f32) -> f32 {
    (value * inverse_scale).round().clamp(-half, half - 1.0)
}

/// The scale for codes from `-half` to `half - 1`, with the largest magnitude near `-half`.
pub(super) fn best_scale(group: &[f32], half: f32) -> f32 {
    best_scale_for(group, -half, 0.1, |value, inverse| {
        quantum(value, inverse, half)
    })
}

/// The scale of least error among those that put the largest magnitude near `extreme`, up to nine
/// `step`s to either side, when `level(value, inverse_scale)` is the level that will stand for a
/// number. For given levels q the best scale is `sum(x q) / sum(q q)` and lowers the error by
/// `sum(x q)^2 / sum(q q)`.
pub(super) fn best_scale_for(
    group: &[f32],
    extreme: f32,
    step: f32,
    level: impl Fn(f32, f32) -> f32,
) -> f32 {
    let largest = largest_magnitude(group);
    if largest == 0.0 {
        return 0.0;
    }
    let (mut best, mut best_gain) = (0.0, 0.0);
    for steps in -9i8..=9 {
        let inverse = (extreme + step * f32::from(steps)) / largest;
        let (mut cross, mut square) = (0.0, 0.0);
        for &value in group {
            let q = level(value, inverse);
            cross += value * q;
            square += q * q;
        }
        if square > 0.0 && cross * cross > best_gain * square {
            best_gain = cross * cross / square;
            best = cross / square;
        }
    }
    best
}

/// Scale and minimum of `value = scale * q - minimum` for codes q from 0 to `highest`; neither is
/// negative, as their own codes have no sign.
pub(super) fn best_scale_and_minimum(group: &[f32], highest: f32) -> (f32, f32) {
    // A group that stays above zero starts at zero: the minimum cannot be negative.
    let lowest = group.iter().copied().fold(0.0, f32::min);
    let extent = group.iter().copied().fold(0.0, f32::max) - lowest;
    let mut best = (extent / highest, -lowest);
    let mut best_error = square_error(group, best, highest);
    for step in -9i8..=9 {
        let inverse = (highest + 0.1 * f32::from(step)) * inverse_or_zero(extent);
        let candidate = fit(group, inverse, lowest, highest);
        let error = square_error(group, candidate, highest);
        if error < best_error {
            (best, best_error) = (candidate, error);
        }
    }
    best
}

/// The least-squares line through the codes that `inverse` and `lowest` give the numbers.
fn fit(group: &[f32], inverse: f32, lowest: f32, highest: f32) -> (f32, f32) {
    let (mut codes, mut squares, mut values, mut cross) = (0.0, 0.0, 0.0, 0.0);
    for &value in group {
        let q = unsigned_quantum(value - lowest, inverse, highest);
        codes += q;
        squares += q * q;
        values += value;
        cross += value * q;
    }
    let count = group.len() as f32;
    let determinant = count * squares - codes * codes;
    if determinant > 0.0 {
        let scale = (count * cross - codes * values) / determinant;
        let offset = (squares * values - codes * cross) / determinant;
        if offset <= 0.0 {
            return (scale.max(0.0), -offset);
        }
    }
    // Without a minimum: the line through zero.
    ((cross * inverse_or_zero(squares)).max(0.0), 0.0)
}

/// The whole number from 0 to `highest` that stands for `value`.
pub(super) fn unsigned_quantum(value: f32, inverse_scale: f32, highest: f32) -> f32 {
    (value * inverse_scale).round().clamp(0.0, highest)
}

fn square_error(group: &[f32], (scale, minimum): (f32, f32), highest: f32) -> f32 {
    let inverse = inverse_or_zero(scale);
    let errors = group.iter().map(|value| {
        let q = unsigned_quantum(value + minimum, inverse, highest);
        (value - (q * scale - minimum)).powi(2)
    });
    errors.sum()
}

/// The largest number, at least zero: what the scale of a block's unsigned sub-scales must reach.
pub(super) fn largest(values: &[f32]) -> f32 {
    values.iter().copied().fold(0.0, f32::max)
}
