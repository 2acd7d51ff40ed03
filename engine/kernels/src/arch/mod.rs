//! Gates: which kernel files exist on this architecture, and the choice between their versions of
//! functions that are not in the table.

use crate::contract::Kernel;

pub(crate) mod blocks;
pub(crate) mod floats;
pub(crate) mod portable;
pub(crate) mod rows;
pub(crate) mod tile;
pub(crate) mod vectors;
pub(crate) mod versions;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_64;

/// The tables of this architecture, preferred ones first.
pub(crate) fn tables() -> Vec<&'static [Kernel]> {
    #[cfg(target_arch = "x86_64")]
    let mut tables = x86_64::tables();
    #[cfg(not(target_arch = "x86_64"))]
    let mut tables = Vec::new();
    tables.extend([portable::QUANTISED, portable::PLAIN]);
    tables
}

/// Quantises `values` block by block; `sink` gets index, scale, half sums and quants.
pub(crate) fn quantize_blocks(values: &[f32], sink: impl FnMut(usize, f32, [i16; 2], [i8; 32])) {
    #[cfg(target_arch = "x86_64")]
    if crate::Isa::Avx2.detected() {
        // SAFETY: the instruction set was detected on the line above.
        return unsafe { x86_64::avx2::quantize_blocks(values, sink) };
    }
    portable::quantize_blocks(values, sink);
}
