//! Q6_K weights against 8-bit activations.
//!
//! A block has 256 columns: eight parts of 32, each meeting one block of activations. The two
//! sub-scales of a part are applied to integer sums, so the part is exact up to its last product.

use super::{dot4, scales};
use crate::contract::Call;
use crate::layout::{Q6K_PART, ROWS};
use crate::panel::Q8Panel;

/// Codes of vector `j` (four columns of each row): of columns 0..16 and of 16..32.
#[inline(always)]
fn codes(part: &[u8; Q6K_PART], j: usize) -> [[i8; 32]; 2] {
    let nibbles = &part[80 + 32 * j..][..32];
    let tops = &part[16 + 32 * (j / 2)..][..32];
    let shift = 4 * (j % 2);
    [
        std::array::from_fn(|i| ((nibbles[i] & 15) | (tops[i] >> shift & 3) << 4) as i8),
        std::array::from_fn(|i| ((nibbles[i] >> 4) | (tops[i] >> (shift + 2) & 3) << 4) as i8),
    ]
}

/// `w = d s (q - 32)`, one signed sub-scale `s` per 16 columns.
pub(crate) fn q6_k<const P: usize>(call: &Call<'_>, out: &mut [f32]) {
    let panel: &[Q8Panel<P>] = bytemuck::cast_slice(call.panel);
    let blocks = call
        .weights
        .as_chunks::<1680>()
        .0
        .chunks_exact(panel.len() / 8);
    for (group, out) in blocks.zip(out.as_chunks_mut::<ROWS>().0.chunks_exact_mut(P)) {
        out.fill([0.0; ROWS]);
        for (block, panel) in group.iter().zip(panel.chunks_exact(8)) {
            let (head, parts) = block.split_first_chunk().expect("1680 bytes");
            let scales = scales(head);
            for (part, acts) in parts.as_chunks::<Q6K_PART>().0.iter().zip(panel) {
                for p in 0..P {
                    let pieces = acts.quants[p].as_chunks::<4>().0;
                    let mut dots = [[0i32; ROWS]; 2];
                    for j in 0..4 {
                        let [low, high] = codes(part, j);
                        dot4(&mut dots[0], low, pieces[j]);
                        dot4(&mut dots[1], high, pieces[4 + j]);
                    }
                    for row in 0..ROWS {
                        let sum: i32 = (0..2)
                            .map(|half| {
                                let sub_scale = i32::from(part[half * ROWS + row] as i8);
                                let zero = 32 * i32::from(acts.sums[p][half]);
                                sub_scale * (dots[half][row] - zero)
                            })
                            .sum();
                        out[p][row] += sum as f32 * (scales[row] * acts.scales[p]);
                    }
                }
            }
        }
    }
}
