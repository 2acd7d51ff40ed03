//! Arithmetic: every inner loop of the engine, single-threaded, in one table of named kernels.
//!
//! This crate knows no threads, no model and no environment. It is given slices and writes slices.
//!
//! * [`contract`]: what a kernel is. It has a name (`x86_64-q4_0-avx2-r8`), the block type it reads,
//!   the instruction set it needs, its numeric class. Legality (can it run here?) is separate from
//!   preference (which one should?): the plan prefers, [`Kernel::runnable`] permits.
//! * [`table`]: all of them.
//! * [`layout`]: how weights lie in memory for the kernels: eight rows interleaved.
//! * [`activations`]: the other operand, rounded to 8 bits in blocks of 32 or left in f32; [`panel`]
//!   is how a kernel sees it.
//! * [`matmul`]: the loops over row groups and activation panels around a kernel.
//! * [`elementwise`], [`attention`]: what is not a matrix product.
//! * [`stream`] reads memory and does nothing else: the roof that rates are held against. [`arithmetic`]
//!   multiplies and adds and does nothing else: how fast cores are at the moment.
//!
//! Kernels of quantised types are loops (`arch/blocks`) over what an instruction set gives
//! (`arch/vectors.rs` opens weights, `arch/tile.rs` multiplies them). To add an instruction set: implement
//! these traits, instantiate the loops, name it in the module of its architecture, run the battery
//! (`tests/battery`), which finds its rows and compares them with an f64 oracle.

pub mod activations;
pub mod arch;
mod architecture;
pub mod arithmetic;
pub mod attention;
pub mod contract;
pub mod elementwise;
pub mod isa;
pub mod layout;
pub mod matmul;
pub mod panel;
pub mod stream;
pub mod table;

pub use activations::Activations;
pub use contract::{Kernel, Numerics, Phase, Runnable};
pub use isa::Isa;
pub use layout::{Layout, ROWS};
pub use panel::ActivationKind;
