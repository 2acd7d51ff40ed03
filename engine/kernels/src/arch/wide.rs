//! What the products of opened weights with many activations leave to each instruction set.
//!
//! Weights are opened by eight rows, with [`Vectors`]; they may meet activations in vectors of more:
//! where registers are wider, several row groups lie side by side in one.

use crate::arch::vectors::Vectors;

/// Arithmetic on the rows of [`Wide::GROUPS`] row groups. Every row is computed as [`Vectors`] would,
/// to the bit. A value of the type is the proof that this CPU has the instructions.
pub(crate) trait Wide<V: Vectors>: Copy {
    /// Row groups in a vector: one or two.
    const GROUPS: usize;
    /// Vectors that a broadcast piece of the activations is multiplied with.
    const VECTORS: usize;

    /// Four bytes of each row.
    type Words: Copy;
    /// An integer of each row.
    type Ints: Copy;
    /// Integer sums of each row while they are being added up.
    type Dots: Copy;
    /// An f32 of each row.
    type Lanes: Copy;

    /// The words of two row groups side by side; of the first where a vector holds one.
    fn join_words(self, groups: [V::Words; 2]) -> Self::Words;
    /// The same for integers.
    fn join_ints(self, groups: [V::Ints; 2]) -> Self::Ints;
    /// The same for f32.
    fn join_lanes(self, groups: [V::Lanes; 2]) -> Self::Lanes;
    /// What [`Wide::join_lanes`] joined; the same twice where a vector holds one.
    fn split_lanes(self, lanes: Self::Lanes) -> [V::Lanes; 2];

    /// The same f32 for all rows.
    fn splat(self, value: f32) -> Self::Lanes;
    /// `a * b`.
    fn mul(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes;
    /// `a * b + c` as [`Floats::multiply_add`](crate::arch::floats::Floats::multiply_add).
    fn multiply_add(self, a: Self::Lanes, b: Self::Lanes, c: Self::Lanes) -> Self::Lanes;
    /// The same integer for all rows.
    fn integer(self, value: i32) -> Self::Ints;
    /// As [`Vectors::weigh_sums`].
    fn weigh_sums(self, sums: [i16; 2], weights: Self::Ints) -> Self::Ints;
    /// Integers in f32.
    fn real(self, values: Self::Ints) -> Self::Lanes;
    /// As [`Vectors::start`].
    fn start(self, first: Self::Ints) -> Self::Dots;
    /// As [`Vectors::dot`].
    fn dot<const MOST: i32>(
        self,
        dots: Self::Dots,
        step: usize,
        codes: Self::Words,
        quants: [i8; 4],
    ) -> Self::Dots;
    /// As [`Vectors::dot_signed`].
    fn dot_signed(self, dots: Self::Dots, codes: Self::Words, quants: [i8; 4]) -> Self::Dots;
    /// As [`Vectors::finish`].
    fn finish(self, dots: Self::Dots) -> Self::Ints;
}

/// Vectors of one row group.
#[derive(Clone, Copy)]
pub(crate) struct Narrow<V>(pub(crate) V);

/// Methods that are those of [`Vectors`].
macro_rules! delegate {
    ($(fn $name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($arg: $type),*) -> $result {
                self.0.$name($($arg),*)
            }
        )*
    };
}

impl<V: Vectors> Wide<V> for Narrow<V> {
    const GROUPS: usize = 1;
    const VECTORS: usize = 1;

    type Words = V::Words;
    type Ints = V::Ints;
    type Dots = V::Dots;
    type Lanes = V::Lanes;

    #[inline(always)]
    fn join_words(self, groups: [V::Words; 2]) -> V::Words {
        groups[0]
    }

    #[inline(always)]
    fn join_ints(self, groups: [V::Ints; 2]) -> V::Ints {
        groups[0]
    }

    #[inline(always)]
    fn join_lanes(self, groups: [V::Lanes; 2]) -> V::Lanes {
        groups[0]
    }

    #[inline(always)]
    fn split_lanes(self, lanes: V::Lanes) -> [V::Lanes; 2] {
        [lanes; 2]
    }

    delegate! {
        fn splat(value: f32) -> V::Lanes;
        fn mul(a: V::Lanes, b: V::Lanes) -> V::Lanes;
        fn multiply_add(a: V::Lanes, b: V::Lanes, c: V::Lanes) -> V::Lanes;
        fn integer(value: i32) -> V::Ints;
        fn weigh_sums(sums: [i16; 2], weights: V::Ints) -> V::Ints;
        fn real(values: V::Ints) -> V::Lanes;
        fn start(first: V::Ints) -> V::Dots;
        fn dot_signed(dots: V::Dots, codes: V::Words, quants: [i8; 4]) -> V::Dots;
        fn finish(dots: V::Dots) -> V::Ints;
    }

    #[inline(always)]
    fn dot<const MOST: i32>(
        self,
        dots: V::Dots,
        step: usize,
        codes: V::Words,
        quants: [i8; 4],
    ) -> V::Dots {
        self.0.dot::<MOST>(dots, step, codes, quants)
    }
}
