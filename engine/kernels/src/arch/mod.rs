//! Gates: which instruction sets this architecture has, and the choice between their versions of functions
//! that are not in the table. Nothing else asks for the architecture.

use crate::contract::Kernel;

pub(crate) mod blocks;
pub(crate) mod float_weights;
pub(crate) mod floats;
pub(crate) mod portable;
pub(crate) mod rows;
pub(crate) mod tile;
pub(crate) mod vectors;
pub(crate) mod versions;

#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_64;
#[cfg(target_arch = "x86_64")]
use x86_64 as native;

#[cfg(target_arch = "aarch64")]
pub(crate) mod aarch64;
#[cfg(target_arch = "aarch64")]
use aarch64 as native;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) mod other;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use other as native;

pub(crate) use native::{PLAIN_RUST_FUSES, detected, quantize_blocks, stronger, xor_of};

/// The tables of this architecture, preferred ones first.
pub(crate) fn tables() -> Vec<&'static [Kernel]> {
    let mut tables = native::tables();
    tables.extend([portable::QUANTISED, portable::FLOATS]);
    tables
}
