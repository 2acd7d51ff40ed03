//! Products of quantised weights: the loops, two families, of scales by 32 and by 16 columns, and types
//! that say where their scales and codes are.
//!
//! An instruction set compiles the loops with its own [`Vectors`](super::vectors::Vectors), through
//! [`kernels!`]. Where many activations meet the same weights, codes and scales are opened once for
//! all of them, a few parts at a time, into tiles as wide as the CPU has them
//! ([`Tile`](super::tile::Tile)).

mod family;
mod kernels;
mod opened;
mod part;
mod planes;
mod product;
mod scale16;
mod scale16_types;
mod scale32;
mod scale32_types;
mod shape;
mod tiles;

pub(crate) use kernels::{kernels, quantised_rows};
pub(crate) use product::run;
pub(crate) use scale16::By16;
pub(crate) use scale32::By32;

/// Row groups that a kernel is given at once where activations are many: two tiles of two.
pub(crate) const GROUPS: usize = 4;

/// A loop whose counter is a constant in every turn: lanes and shifts are parts of instructions, and
/// the compiler need not unroll what is long.
macro_rules! unrolled {
    ($counter:ident in [$($turn:literal)+] $body:block) => {
        $({
            let $counter: usize = $turn;
            $body
        })+
    };
}
pub(crate) use unrolled;
