//! One panel of activations as kernels see it: 1, 2 or 4 rows interleaved block by block.

use bytemuck::{Pod, Zeroable};

/// Values per quantised block.
pub const BLOCK: usize = 32;

/// Most rows of a panel.
pub(crate) const PANEL_ROWS: usize = 4;

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
    /// Value of one step, per row: two rows, and the same two again, before the next two.
    pub(crate) scales: [[f32; P]; 2],
    /// Sum of the block's values (scale times all quants), per row.
    pub totals: [f32; P],
    /// Sums of the quants of columns 0..16 and 16..32, per row.
    pub sums: [[i16; 2]; P],
    /// Quants within -127..=127, by pieces of four columns that lie where [`Q8Panel::place`] says.
    pub(crate) quants: [[[i8; 4]; BLOCK / 4]; P],
}

// SAFETY: `repr(C)` of plain arrays whose sizes are all multiples of 4, the largest alignment: no
// padding, and every bit pattern is a value.
unsafe impl<const P: usize> Zeroable for Q8Panel<P> {}
// SAFETY: as above; the type is `Copy` and `'static`.
unsafe impl<const P: usize> Pod for Q8Panel<P> {}

impl<const P: usize> Q8Panel<P> {
    /// Where columns `4 piece ..` of a row lie, in pieces. Two rows alternate by eight columns, which is
    /// what instructions that multiply two rows by two take (`smmla`); the others find a piece anywhere.
    #[inline(always)]
    pub(crate) const fn place(row: usize, piece: usize) -> usize {
        match P {
            1 => piece,
            _ => 16 * (row / 2) + 4 * (piece / 2) + 2 * (row % 2) + piece % 2,
        }
    }

    /// Where a row's value of one step lies first.
    #[inline(always)]
    const fn scale_place(row: usize) -> usize {
        4 * (row / 2) + row % 2
    }

    /// Value of one step of a row.
    #[inline(always)]
    pub(crate) fn scale(&self, row: usize) -> f32 {
        self.scales.as_flattened()[Self::scale_place(row)]
    }

    /// Sets the value of one step of a row.
    #[inline(always)]
    pub(crate) fn set_scale(&mut self, row: usize, scale: f32) {
        let scales = self.scales.as_flattened_mut();
        let place = Self::scale_place(row);
        scales[place] = scale;
        scales[place + P.min(2)] = scale;
    }

    /// Columns `4 piece ..` of a row.
    #[inline(always)]
    pub(crate) fn piece(&self, row: usize, piece: usize) -> [i8; 4] {
        self.quants.as_flattened()[Self::place(row, piece)]
    }

    /// The quants of a row.
    pub fn row(&self, row: usize) -> [i8; BLOCK] {
        let pieces: [[i8; 4]; BLOCK / 4] = std::array::from_fn(|piece| self.piece(row, piece));
        bytemuck::cast(pieces)
    }

    /// Puts the quants of a row where they belong.
    #[inline(always)]
    pub(crate) fn set_row(&mut self, row: usize, quants: &[i8; BLOCK]) {
        let pieces = self.quants.as_flattened_mut();
        for (piece, quants) in quants.as_chunks::<4>().0.iter().enumerate() {
            pieces[Self::place(row, piece)] = *quants;
        }
    }
}
