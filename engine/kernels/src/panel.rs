//! One panel of activations as kernels see it: 1, 2 or 4 rows interleaved block by block.

use bytemuck::{Pod, Zeroable};

/// Values per quantised block.
pub const BLOCK: usize = 32;

/// What a kernel wants its activations to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivationKind {
    /// Blocks of 32 values rounded to 8 bits with one f32 scale (ggml's `Q8_0` rounding, nearest
    /// multiple of `max|x| / 127`, then the scale of least square error), and the sums of the two halves of a block, from which
    /// kernels take the zero point of the weights out of their inner loop.
    Q8,
    /// The values as they are, `panel_rows` per column: for F32, F16 and BF16 weights.
    F32,
}

/// One block of 32 columns of `P` rows.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Q8Panel<const P: usize> {
    /// Value of one step, per row.
    pub scales: [f32; P],
    /// Sum of the block's values (scale times all quants), per row.
    pub totals: [f32; P],
    /// Sums of the quants of columns 0..16 and 16..32, per row.
    pub sums: [[i16; 2]; P],
    /// Quants within -127..=127, per row.
    pub quants: [[i8; BLOCK]; P],
}

// SAFETY: `repr(C)` of plain arrays whose sizes are all multiples of 4, the largest alignment: no
// padding, and every bit pattern is a value.
unsafe impl<const P: usize> Zeroable for Q8Panel<P> {}
// SAFETY: as above; the type is `Copy` and `'static`.
unsafe impl<const P: usize> Pod for Q8Panel<P> {}

impl<const P: usize> Q8Panel<P> {
    /// Columns `4 piece ..` of a row.
    #[inline(always)]
    pub(crate) fn piece(&self, row: usize, piece: usize) -> [i8; 4] {
        self.quants[row].as_chunks::<4>().0[piece]
    }
}
