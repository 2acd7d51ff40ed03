//! The kernels of this architecture, and the choice between versions of functions that are not in the table.

use crate::architecture::by_architecture;
use crate::contract::Kernel;

pub(crate) mod blocks;
pub(crate) mod float_weights;
pub(crate) mod floats;
pub(crate) mod portable;
pub(crate) mod rows;
pub(crate) mod tile;
pub(crate) mod vectors;
pub(crate) mod version;
pub(crate) mod versions;

by_architecture! {
    x86_64 => {
        pub(crate) mod x86_64;
        use x86_64 as native;
    }
    aarch64 => {
        pub(crate) mod aarch64;
        use aarch64 as native;
    }
    other => {
        pub(crate) mod other;
        use other as native;
    }
}

pub(crate) use native::{quantize_blocks, stronger, xor_of};

/// The tables of this architecture, preferred ones first.
pub(crate) fn tables() -> Vec<&'static [Kernel]> {
    [native::tables(), portable::KERNELS.to_vec()].concat()
}
