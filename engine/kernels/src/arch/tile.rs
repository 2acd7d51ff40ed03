//! What the products of opened weights with activations leave to each instruction set.
//!
//! Weights are opened by eight rows, with [`Vectors`]. A tile is what one vector of sums holds: the
//! products of some row groups, side by side where registers are wide, with one row of activations, or
//! with two where instructions multiply matrices.
//! An instruction set may have two: one for a single row of activations, which streams weights, and one
//! for many, which meet weights that are opened once.

use crate::arch::vectors::Vectors;
use crate::panel::Q8Panel;

/// Arithmetic on the sums of a tile. Every sum is computed in the same way in all of them, to the bit: the
/// integer parts are exact, and f32 is rounded where [`Floats`](crate::arch::floats::Floats) says. A value
/// of the type is the proof that this CPU has the instructions.
pub(crate) trait Tile<V: Vectors>: Copy {
    /// Row groups side by side: one or two.
    const GROUPS: usize;
    /// Rows of activations that meet them: one or two.
    const ACROSS: usize = 1;
    /// Tiles of row groups that meet the same activations while those are in registers.
    const TILES: usize;

    /// Whether a single panel meets codes vector by vector, as they are opened: with enough registers
    /// nothing waits in memory. Otherwise it meets parts that are opened as a whole.
    const STREAMED: bool = false;
    /// Whether codes lose their zero point when a part is opened for many rows, so that no sum has to.
    const CENTRED: bool = false;

    /// Four codes of each row.
    type Codes: Copy;
    /// An f32 for each sum.
    type Reals: Copy;
    /// The two minima of each row, as they meet sums of activations.
    type Minima: Copy;
    /// Integer sums while they are being added up.
    type Dots: Copy;
    /// The activations of a part, `P` rows of them, as they are multiplied.
    type Activations<'a, const P: usize>: Copy;

    /// The words of two row groups side by side; of the first where a tile has one.
    fn codes(self, groups: [V::Words; 2]) -> Self::Codes;
    /// Codes that stand for `code - zero` as signed ones, where they are [`Tile::CENTRED`].
    #[inline(always)]
    fn centred(self, codes: Self::Codes, _zero: i16) -> Self::Codes {
        codes
    }
    /// Two vectors of codes of a part, of columns that follow one another, as they are multiplied.
    #[inline(always)]
    fn paired(self, codes: [Self::Codes; 2]) -> [Self::Codes; 2] {
        codes
    }
    /// Numbers of the rows of two row groups, or of the first, for every row of activations.
    fn join(self, groups: [V::Lanes; 2]) -> Self::Reals;
    /// Sums by row of activations and row group.
    fn gather(self, sums: [[V::Lanes; 2]; 2]) -> Self::Reals;
    /// What [`Tile::gather`] gathered; what a tile has one of is there twice.
    fn split(self, sums: Self::Reals) -> [[V::Lanes; 2]; 2];
    /// The minima of two halves of a part, of two row groups or of the first.
    fn minima(self, groups: [[V::Ints; 2]; 2]) -> Self::Minima;

    /// Sums of nothing.
    fn nothing(self) -> Self::Reals;
    /// The values of one step of the rows of activations from `row` on that meet in a tile, for all rows of
    /// weights.
    fn scales<const P: usize>(self, panel: &Q8Panel<P>, row: usize) -> Self::Reals;
    /// The same of the sums of their values.
    fn totals<const P: usize>(self, panel: &Q8Panel<P>, row: usize) -> Self::Reals;
    /// `a * b`.
    fn product(self, a: Self::Reals, b: Self::Reals) -> Self::Reals;
    /// `a * b + c` as [`Floats::multiply_add`](crate::arch::floats::Floats::multiply_add).
    fn plus_product(self, c: Self::Reals, a: Self::Reals, b: Self::Reals) -> Self::Reals;

    /// The activations of a part.
    fn activations<const P: usize>(self, panel: &Q8Panel<P>) -> Self::Activations<'_, P>;
    /// Starts sums of codes that stand for `code - zero`: at what the zeros of the two halves of a part
    /// take away, given the sums of the activations of a row; of row `row`, and the next where two meet.
    fn start<const P: usize>(self, sums: &[[i16; 2]; P], row: usize, zeros: [i16; 2])
    -> Self::Dots;
    /// The same for codes from [`Vectors::signed`].
    fn start_signed<const P: usize>(self, sums: &[[i16; 2]; P], row: usize) -> Self::Dots;
    /// Adds to each row's sum the products of its four codes, 0..=`MAX_CODE`, with columns `4 piece ..` of row
    /// `row` of the activations. `done` counts what was added since the start. Where two rows of activations
    /// meet, it is half of the products of two pieces: of the rows of weights in the [`Tile::paired`] codes.
    fn dot<const MAX_CODE: i32, const P: usize>(
        self,
        dots: Self::Dots,
        done: usize,
        codes: Self::Codes,
        activations: Self::Activations<'_, P>,
        place: Place,
    ) -> Self::Dots;
    /// The same for codes from [`Vectors::signed`]; activations are never -128.
    fn dot_signed<const P: usize>(
        self,
        dots: Self::Dots,
        done: usize,
        codes: Self::Codes,
        activations: Self::Activations<'_, P>,
        place: Place,
    ) -> Self::Dots;
    /// The sums.
    fn total(self, dots: Self::Dots) -> Self::Reals;
    /// Sums of the two halves of a part times each row's minima, added.
    fn weigh<const P: usize>(
        self,
        sums: &[[i16; 2]; P],
        row: usize,
        minima: Self::Minima,
    ) -> Self::Reals;
}

/// Four columns of a part of the activations.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// The row of activations, or the first of those that meet in a tile.
    pub(crate) row: usize,
    /// Columns `4 piece ..` of the part.
    pub(crate) piece: usize,
}

/// What opens weights, and the tile that they meet activations in.
#[derive(Clone, Copy)]
pub(crate) struct Proof<V, T> {
    /// Opens eight rows.
    pub(crate) vectors: V,
    /// Multiplies them.
    pub(crate) tile: T,
}

/// What opens weights, and the tiles that they meet activations in.
#[derive(Clone, Copy)]
pub(crate) struct Proofs<V, F, M> {
    /// Opens eight rows.
    pub(crate) vectors: V,
    /// For a single row of activations.
    pub(crate) few: F,
    /// For many.
    pub(crate) many: M,
}

impl<V: Vectors + Tile<V>> Proofs<V, V, V> {
    /// Where one vector of eight rows is the tile for all.
    #[inline(always)]
    pub(crate) fn alike(vectors: V) -> Self {
        Self {
            vectors,
            few: vectors,
            many: vectors,
        }
    }
}
