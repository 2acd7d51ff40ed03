//! Rounding activations to 8 bits.

/// Rounds 32 values to multiples of `max|x| / 127`; returns the step, the sums of the two halves
/// and the multiples. Ties go to even, as the vector instructions of every CPU have it.
#[inline(always)]
pub(crate) fn quantize_block(values: &[f32; 32]) -> (f32, [i16; 2], [i8; 32]) {
    // Adding and subtracting 1.5 * 2^23 leaves the nearest integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let mut lanes = [0.0f32; 8];
    for part in values.as_chunks::<8>().0 {
        for (lane, value) in lanes.iter_mut().zip(part) {
            *lane = lane.max(value.abs());
        }
    }
    let largest = lanes.iter().fold(0.0f32, |a, b| a.max(*b));
    let scale = largest / 127.0;
    let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    let mut quants = [0i8; 32];
    for (quant, value) in quants.iter_mut().zip(values) {
        let bounded = (value * inverse).clamp(-127.0, 127.0);
        *quant = (bounded + ROUND).to_bits() as i8;
    }
    let sum = |half: &[i8]| half.iter().map(|q| i16::from(*q)).sum();
    (scale, [sum(&quants[..16]), sum(&quants[16..])], quants)
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
