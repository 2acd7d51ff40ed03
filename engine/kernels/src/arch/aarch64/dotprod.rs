//! NEON with the dot products of Armv8.4 (Kunpeng 920, Neoverse N1 and later): `sdot` takes four activations
//! out of a register that holds sixteen, so that nothing is broadcast.

use std::arch::aarch64::*;

use super::{insn, round};
use super::neon::{Codes, Ints, Neon, Products, Reals};
use crate::arch::blocks::{kernels, quantised_rows};
use crate::arch::rows::rows;
use crate::arch::tile::Proofs;
use crate::contract::{Kernel, Numerics};

/// The instruction set.
#[derive(Clone, Copy)]
pub(super) struct Dotprod;

/// Sums of eight rows, and what is to be taken off them in the end.
#[derive(Clone, Copy)]
pub(super) struct Dots {
    sums: Ints,
    less: float32x4_t,
}

impl Products for Dotprod {
    type Dots = Dots;

    #[inline(always)]
    fn start(_: Neon<Dotprod>) -> Dots {
        // SAFETY: the proof exists, so the CPU has the instruction set.
        unsafe { start(round::plain()) }
    }

    #[inline(always)]
    fn start_at(_: Neon<Dotprod>, first: i32) -> Dots {
        // SAFETY: as in `start`.
        unsafe { start(round::less(first)) }
    }

    #[inline(always)]
    fn dot<const MAX_CODE: i32, const LANE: i32>(
        _: Neon<Dotprod>,
        dots: Dots,
        _done: usize,
        codes: Codes,
        activations: int8x16_t,
    ) -> Dots {
        // SAFETY: as in `start`.
        unsafe { products::<LANE>(dots, codes, activations) }
    }

    #[inline(always)]
    fn total(_: Neon<Dotprod>, dots: Dots) -> Reals {
        // SAFETY: as in `start`.
        unsafe { total(dots) }
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn start(less: float32x4_t) -> Dots {
    Dots {
        sums: round::start(),
        less,
    }
}

#[inline]
#[target_feature(enable = "neon,dotprod")]
fn products<const LANE: i32>(dots: Dots, codes: Codes, activations: int8x16_t) -> Dots {
    let [low, high] = dots.sums;
    Dots {
        sums: [
            insn::sdot_lane::<LANE>(low, codes[0], activations),
            insn::sdot_lane::<LANE>(high, codes[1], activations),
        ],
        ..dots
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn total(dots: Dots) -> Reals {
    let [low, high] = dots.sums;
    [
        round::off(low, dots.less),
        round::off(high, dots.less),
    ]
}

impl Dotprod {
    /// The proof, to be had only where the instruction set may be used already.
    #[inline]
    #[target_feature(enable = "neon,dotprod")]
    pub(super) fn here() -> Proofs<Neon<Dotprod>, Neon<Dotprod>, Neon<Dotprod>> {
        // SAFETY: this function's own target features.
        Proofs::alike(unsafe { Neon::assume() })
    }
}

kernels! { bodies:
    #[target_feature(enable = "neon,dotprod")]
    super::Dotprod::here(), 1
}

/// The kernels of types that leave enough registers for row groups side by side.
macro_rules! beside {
    ($bodies:ident, $beside:literal: $($name:ident: $family:ident($packed:ident)),+ $(,)?) => {
        mod $bodies {
            //! Kernels of quantised types.

            $crate::arch::blocks::kernels! {
                #[target_feature(enable = "neon,dotprod")]
                super::Dotprod::here(), $beside;
                $($name: $family($packed)),+
            }
        }
    };
}

beside! { two, 2:
    q4_0: By32(PackedQ4_0),
    q4_1: By32(PackedQ4_1),
    q8_0: By32(PackedQ8_0),
    q4_k: By32(PackedQ4K),
    iq4_nl: By32(PackedIq4Nl),
    iq4_xs: By32(PackedIq4Xs),
}

beside! { four, 4:
    q4_0: By32(PackedQ4_0),
    q4_1: By32(PackedQ4_1),
    q8_0: By32(PackedQ8_0),
    iq4_nl: By32(PackedIq4Nl),
}

/// The rows of the table for this instruction set. Eight products follow one another in a row group, and cores
/// have several under way: how many row groups are best is the core's.
pub(super) static KERNELS: &[&[Kernel]] = &[
    rows![(Dotprod, Numerics::Fused, Decode, "aarch64-", "-dotprod-r16"):
        (Q4_0, "q4_0", Q8, two::q4_0),
        (Q4_1, "q4_1", Q8, two::q4_1),
        (Q8_0, "q8_0", Q8, two::q8_0),
        (Q4K, "q4_k", Q8, two::q4_k),
        (Iq4Nl, "iq4_nl", Q8, two::iq4_nl),
        (Iq4Xs, "iq4_xs", Q8, two::iq4_xs),
    ],
    quantised_rows!(Dotprod, Numerics::Fused, Decode, "aarch64-", "-dotprod-r8", bodies),
    rows![(Dotprod, Numerics::Fused, Decode, "aarch64-", "-dotprod-r32"):
        (Q4_0, "q4_0", Q8, four::q4_0),
        (Q4_1, "q4_1", Q8, four::q4_1),
        (Q8_0, "q8_0", Q8, four::q8_0),
        (Iq4Nl, "iq4_nl", Q8, four::iq4_nl),
    ],
    quantised_rows!(Dotprod, Numerics::Fused, Prefill, "aarch64-", "-dotprod-r8x4", bodies),
];
