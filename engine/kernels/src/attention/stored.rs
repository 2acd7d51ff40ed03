//! Numbers that lie in memory as f32 or f16 and are read eight at a time.

use crate::arch::floats::Floats;

/// A stored number that can be read as f32.
pub(super) trait Stored: Copy {
    /// Whether it comes from memory rather than from a buffer that was just written: then what
    /// follows is worth asking for.
    const COLD: bool;

    /// Eight of them.
    fn lanes<F: Floats>(floats: F, values: &[Self; 8]) -> F::Lanes;
}

impl Stored for f32 {
    const COLD: bool = false;

    #[inline(always)]
    fn lanes<F: Floats>(floats: F, values: &[f32; 8]) -> F::Lanes {
        floats.load(values)
    }
}

/// f16 bits.
impl Stored for u16 {
    const COLD: bool = true;

    #[inline(always)]
    fn lanes<F: Floats>(floats: F, values: &[u16; 8]) -> F::Lanes {
        floats.load_f16(values)
    }
}
