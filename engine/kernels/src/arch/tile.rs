//! What the products of opened weights with activations leave to each instruction set.
//!
//! Weights are opened by eight rows, with [`Vectors`]. A tile is what one vector of sums holds: the
//! products of some row groups, side by side where registers are wide, with one row of activations.
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
    /// Tiles of row groups that meet the same activations while those are in registers.
    const TILES: usize;

    /// Most rows of activations that meet codes vector by vector, as they are opened: with more registers
    /// than a part takes, nothing waits in memory. More rows meet parts that are opened as a whole.
    const STREAMED: usize = 0;
    /// Row groups that a single row of activations meets side by side then, so that enough sums are in
    /// flight: one or two.
    const SIDE_BY_SIDE: usize = 1;

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
    /// The same for f32.
    fn join(self, groups: [V::Lanes; 2]) -> Self::Reals;
    /// What [`Tile::join`] joined; the same twice where a tile has one.
    fn split(self, reals: Self::Reals) -> [V::Lanes; 2];
    /// The minima of two halves of a part, of two row groups or of the first.
    fn minima(self, groups: [[V::Ints; 2]; 2]) -> Self::Minima;

    /// The same f32 for all sums.
    fn all(self, value: f32) -> Self::Reals;
    /// `a * b`.
    fn product(self, a: Self::Reals, b: Self::Reals) -> Self::Reals;
    /// `a * b + c` as [`Floats::multiply_add`](crate::arch::floats::Floats::multiply_add).
    fn plus_product(self, c: Self::Reals, a: Self::Reals, b: Self::Reals) -> Self::Reals;

    /// The activations of a part.
    fn activations<const P: usize>(self, panel: &Q8Panel<P>) -> Self::Activations<'_, P>;
    /// Starts sums of codes that stand for `code - zero`: at what the zeros of the two halves of a part
    /// take away, given the sums of their activations.
    fn start(self, sums: [i16; 2], zeros: [i16; 2]) -> Self::Dots;
    /// The same for codes from [`Vectors::signed`].
    fn start_signed(self, sums: [i16; 2]) -> Self::Dots;
    /// Adds to each row's sum the products of its four codes, 0..=`MOST`, with columns `4 piece ..` of row
    /// `row` of the activations. `done` counts what was added since the start.
    fn dot<const MOST: i32, const P: usize>(
        self,
        dots: Self::Dots,
        done: usize,
        codes: Self::Codes,
        activations: Self::Activations<'_, P>,
        place: (usize, usize),
    ) -> Self::Dots;
    /// The same for codes from [`Vectors::signed`]; activations are never -128.
    fn dot_signed<const P: usize>(
        self,
        dots: Self::Dots,
        done: usize,
        codes: Self::Codes,
        activations: Self::Activations<'_, P>,
        place: (usize, usize),
    ) -> Self::Dots;
    /// The sums.
    fn total(self, dots: Self::Dots) -> Self::Reals;
    /// Sums of the two halves of a part times each row's minima, added.
    fn weigh(self, sums: [i16; 2], minima: Self::Minima) -> Self::Reals;
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
