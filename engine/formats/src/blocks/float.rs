//! F32, F16 and BF16: plain numbers, as blocks of one element.
//!
//! ```text
//! F32   s eeeeeeee mmmmmmmmmmmmmmmmmmmmmmm
//! BF16  s eeeeeeee mmmmmmm                  the upper half of an F32
//! F16   s eeeee mmmmmmmmmm
//! ```

use bytemuck::{Pod, Zeroable};

use super::Block;

/// Single precision.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub(super) struct F32(f32);

/// Half precision.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub(super) struct F16(half::f16);

/// The upper half of single precision.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub(super) struct Bf16(half::bf16);

impl Block for F32 {
    const ELEMENTS: usize = 1;

    fn is_finite(&self) -> bool {
        self.0.is_finite()
    }

    fn decode(&self, out: &mut [f32]) {
        out[0] = self.0;
    }

    fn encode(values: &[f32]) -> Self {
        Self(values[0])
    }
}

impl Block for F16 {
    const ELEMENTS: usize = 1;

    fn is_finite(&self) -> bool {
        self.0.is_finite()
    }

    fn decode(&self, out: &mut [f32]) {
        out[0] = self.0.to_f32();
    }

    fn encode(values: &[f32]) -> Self {
        Self(half::f16::from_f32(values[0]))
    }
}

impl Block for Bf16 {
    const ELEMENTS: usize = 1;

    fn is_finite(&self) -> bool {
        self.0.is_finite()
    }

    fn decode(&self, out: &mut [f32]) {
        out[0] = self.0.to_f32();
    }

    fn encode(values: &[f32]) -> Self {
        Self(half::bf16::from_f32(values[0]))
    }
}
