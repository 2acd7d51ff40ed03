//! Q8_0 weights against 8-bit activations.

use super::{dot4, scales};
use crate::contract::Call;
use crate::layout::ROWS;
use crate::panel::Q8Panel;

/// `w = d q`.
pub(crate) fn q8_0<const P: usize>(call: &Call<'_>, out: &mut [f32]) {
    let panel: &[Q8Panel<P>] = bytemuck::cast_slice(call.panel);
    let blocks = call.weights.as_chunks::<272>().0.chunks_exact(panel.len());
    for (group, out) in blocks.zip(out.as_chunks_mut::<ROWS>().0.chunks_exact_mut(P)) {
        out.fill([0.0; ROWS]);
        for (block, acts) in group.iter().zip(panel) {
            let (head, quants) = block.split_first_chunk().expect("272 bytes");
            let scales = scales(head);
            for p in 0..P {
                let pieces = acts.quants[p].as_chunks::<4>().0;
                let mut dots = [0i32; ROWS];
                for (vector, piece) in quants.as_chunks::<32>().0.iter().zip(pieces) {
                    dot4(&mut dots, vector.map(|byte| byte as i8), *piece);
                }
                for row in 0..ROWS {
                    out[p][row] += dots[row] as f32 * (scales[row] * acts.scales[p]);
                }
            }
        }
    }
}
