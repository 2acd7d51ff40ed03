//! Rounding activations to 8 bits.

use crate::arch::floats::sum8;

/// Rounds 32 values to multiples of `max|x| / 127`; returns the step, the sums of the two halves
/// and the multiples. Ties go to even, as the vector instructions of every CPU have it.
///
/// The step that is returned is the one of least square error for these multiples,
/// `sum(x q) / sum(q q)`: it takes one of the 32 dimensions out of the error, for two sums.
#[inline(always)]
pub(crate) fn quantize_block(values: &[f32; 32]) -> (f32, [i16; 2], [i8; 32]) {
    // Adding and subtracting 1.5 * 2^23 leaves the nearest integer, in the low bits in between.
    const ROUND: f32 = 12_582_912.0;
    let mut lanes = [0.0f32; 8];
    for part in values.as_chunks::<8>().0 {
        for (lane, value) in lanes.iter_mut().zip(part) {
            *lane = lane.max(value.abs());
        }
    }
    let largest = lanes.iter().fold(0.0f32, |a, b| a.max(*b));
    let inverse = 127.0 / largest;
    // Too small to divide by: zeros.
    let inverse = if inverse.is_finite() { inverse } else { 0.0 };
    let mut quants = [0i8; 32];
    let (mut crosses, mut squares) = ([0.0f32; 8], [0.0f32; 8]);
    let parts = values.as_chunks::<8>().0.iter();
    for (quants, values) in quants.as_chunks_mut::<8>().0.iter_mut().zip(parts) {
        for lane in 0..8 {
            let bounded = (values[lane] * inverse).clamp(-127.0, 127.0);
            let shifted = bounded + ROUND;
            let rounded = shifted - ROUND;
            quants[lane] = shifted.to_bits() as i8;
            // In steps, so that no product overflows.
            crosses[lane] += bounded * rounded;
            squares[lane] += rounded * rounded;
        }
    }
    let (cross, square) = (sum8(crosses), sum8(squares));
    let correction = if square == 0.0 { 0.0 } else { cross / square };
    let sum = |half: &[i8]| half.iter().map(|q| i16::from(*q)).sum();
    let sums = [sum(&quants[..16]), sum(&quants[16..])];
    (largest / 127.0 * correction, sums, quants)
}

/// [`quantize_block`] over a row.
#[inline(always)]
pub(crate) fn quantize_blocks(
    values: &[f32],
    mut sink: impl FnMut(usize, f32, [i16; 2], [i8; 32]),
) {
    for (index, block) in values.as_chunks::<32>().0.iter().enumerate() {
        let (scale, sums, quants) = quantize_block(block);
        sink(index, scale, sums, quants);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_is_the_one_of_least_square_error() {
        for seed in 0..50u32 {
            let values: [f32; 32] = std::array::from_fn(|i| {
                let x = (seed * 32 + i as u32).wrapping_mul(2_654_435_761) >> 8;
                (x as f32 / (1 << 23) as f32 - 1.0) * if i == 3 { 9.0 } else { 1.0 }
            });
            let (step, _, quants) = quantize_block(&values);
            let error = |step: f32| -> f64 {
                let pairs = values.iter().zip(quants);
                pairs
                    .map(|(x, q)| (f64::from(*x) - f64::from(step) * f64::from(q)).powi(2))
                    .sum()
            };
            let largest = values.iter().fold(0.0f32, |a, b| a.max(b.abs()));
            for other in [largest / 127.0, step * 1.0001, step * 0.9999] {
                assert!(error(step) <= error(other), "{seed}: {step} and {other}");
            }
        }
    }
}
