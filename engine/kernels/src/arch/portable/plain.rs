//! F32, F16 and BF16 weights against f32 activations.
//!
//! Even and odd columns are summed apart, as in the vector kernels, to have two chains in flight.

use crate::contract::Call;
use crate::layout::ROWS;

#[inline(always)]
fn run<const P: usize, const BYTES: usize>(
    call: &Call<'_>,
    out: &mut [f32],
    widen: impl Fn([u8; BYTES]) -> f32,
) {
    let panels = call.panels.as_chunks::<P>().0.chunks_exact(call.columns);
    let groups = call.weights.chunks_exact(call.columns * ROWS * BYTES);
    let tiles = groups.flat_map(|group| panels.clone().map(move |columns| (group, columns)));
    for ((group, columns), out) in tiles.zip(out.as_chunks_mut::<ROWS>().0.chunks_exact_mut(P)) {
        let mut sums = [[[0.0f32; ROWS]; P]; 2];
        let values = group.as_chunks::<BYTES>().0.chunks_exact(ROWS);
        for (column, (weights, activations)) in values.zip(columns).enumerate() {
            let sums = &mut sums[column % 2];
            for (row, weight) in weights.iter().enumerate() {
                let weight = widen(*weight);
                for p in 0..P {
                    sums[p][row] += weight * activations[p];
                }
            }
        }
        for p in 0..P {
            out[p] = std::array::from_fn(|row| sums[0][p][row] + sums[1][p][row]);
        }
    }
}

/// F32 weights.
pub(crate) fn f32<const P: usize>(call: &Call<'_>, out: &mut [f32]) {
    run::<P, 4>(call, out, f32::from_le_bytes);
}

/// F16 weights.
pub(crate) fn f16<const P: usize>(call: &Call<'_>, out: &mut [f32]) {
    run::<P, 2>(call, out, |bytes| half::f16::from_le_bytes(bytes).to_f32());
}

/// BF16 weights.
pub(crate) fn bf16<const P: usize>(call: &Call<'_>, out: &mut [f32]) {
    run::<P, 2>(call, out, |bytes| half::bf16::from_le_bytes(bytes).to_f32());
}
