//! Q4_0 and Q4_1 weights against 8-bit activations.

use super::{dot4, scales};
use crate::contract::Call;
use crate::layout::ROWS;
use crate::panel::Q8Panel;

/// Integer dot products of the eight rows' unsigned nibbles with 32 activations.
#[inline(always)]
fn nibble_dots(quants: &[u8], activations: &[i8; 32]) -> [i32; ROWS] {
    let pieces = activations.as_chunks::<4>().0;
    let mut sums = [0i32; ROWS];
    for (j, vector) in quants.as_chunks::<32>().0.iter().enumerate() {
        dot4(&mut sums, vector.map(|byte| (byte & 15) as i8), pieces[j]);
        dot4(
            &mut sums,
            vector.map(|byte| (byte >> 4) as i8),
            pieces[4 + j],
        );
    }
    sums
}

/// `w = d (q - 8)`: the 8 is taken out through the sum of the activations, in integers.
pub(crate) fn q4_0<const P: usize>(call: &Call<'_>, out: &mut [f32]) {
    let panel: &[Q8Panel<P>] = bytemuck::cast_slice(call.panel);
    let blocks = call.weights.as_chunks::<144>().0.chunks_exact(panel.len());
    for (group, out) in blocks.zip(out.as_chunks_mut::<ROWS>().0.chunks_exact_mut(P)) {
        out.fill([0.0; ROWS]);
        for (block, acts) in group.iter().zip(panel) {
            let (head, quants) = block.split_first_chunk().expect("144 bytes");
            let scales = scales(head);
            for p in 0..P {
                let dots = nibble_dots(quants, &acts.quants[p]);
                let zero = 8 * (i32::from(acts.sums[p][0]) + i32::from(acts.sums[p][1]));
                for row in 0..ROWS {
                    out[p][row] += (dots[row] - zero) as f32 * (scales[row] * acts.scales[p]);
                }
            }
        }
    }
}

/// `w = d q + m`: the minimum meets the sum of the activations.
pub(crate) fn q4_1<const P: usize>(call: &Call<'_>, out: &mut [f32]) {
    let panel: &[Q8Panel<P>] = bytemuck::cast_slice(call.panel);
    let blocks = call.weights.as_chunks::<160>().0.chunks_exact(panel.len());
    for (group, out) in blocks.zip(out.as_chunks_mut::<ROWS>().0.chunks_exact_mut(P)) {
        out.fill([0.0; ROWS]);
        for (block, acts) in group.iter().zip(panel) {
            let (head, rest) = block.split_first_chunk().expect("160 bytes");
            let (minima, quants) = rest.split_first_chunk().expect("144 bytes");
            let (scales, minima) = (scales(head), self::scales(minima));
            for p in 0..P {
                let dots = nibble_dots(quants, &acts.quants[p]);
                for row in 0..ROWS {
                    out[p][row] += dots[row] as f32 * (scales[row] * acts.scales[p]);
                    out[p][row] += minima[row] * acts.totals[p];
                }
            }
        }
    }
}
