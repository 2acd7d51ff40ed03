//! What a kernel is: the phase it serves, what it works on, what it promises numerically.

use serde::{Deserialize, Serialize};
use sysinfer_formats::TensorType;

use crate::isa::Isa;
use crate::panel::ActivationKind;

/// The two phases of answering, each with kernels and threads of its own. Kernels of either phase give right results
/// for any number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Tokens one by one: few activation rows, bound by the speed at which weights arrive.
    Decode,
    /// Prompts: many activation rows, bound by arithmetic.
    Prefill,
}

impl Phase {
    /// Both, decode first.
    pub const ALL: [Phase; 2] = [Phase::Decode, Phase::Prefill];

    /// The word in plans, reports and messages.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Decode => "decode",
            Phase::Prefill => "prefill",
        }
    }
}

/// What a kernel's results are equal to. Within one class, and for one block type, all kernels give
/// the same bits: the integer parts are exact and the f32 parts are added in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Numerics {
    /// Products and sums rounded separately.
    Separate,
    /// Products and sums fused (one rounding).
    Fused,
}

/// What a kernel works on: whole row groups against panels of activations.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Packed bytes of one or more row groups.
    pub weights: &'a [u8],
    /// Columns of the matrix.
    pub columns: usize,
    /// Panels of activations one after another, see [`crate::panel`].
    pub panels: &'a [f32],
    /// How many they are.
    pub panel_count: usize,
    /// How far ahead of its reads the kernel asks for weights; 0: not at all.
    pub prefetch_bytes: usize,
}

/// A kernel body for panels of a fixed number of rows. Writes `[group][panel][panel row][8]`.
///
/// Unsafe to call because the CPU must have the kernel's instruction set; slices are checked.
pub(crate) type Body = unsafe fn(&Call<'_>, &mut [f32]);

/// One row of the table.
pub struct Kernel {
    /// `{architecture}-{block type}-{instruction set}-{tile}`; `r32x4`: 32 weight rows at a time by up
    /// to 4 activation rows.
    pub name: &'static str,
    /// The block type of its weights.
    pub block: TensorType,
    /// The phase it is written for.
    pub phase: Phase,
    /// What the CPU must have.
    pub isa: Isa,
    /// What it wants of the other operand.
    pub activations: ActivationKind,
    /// Which kernels it agrees with to the last bit.
    pub numerics: Numerics,
    /// Bodies for panels of 1, 2 and 4 rows.
    pub(crate) bodies: [Body; 3],
}

/// A kernel that this CPU can run: holding the value is the proof.
#[derive(Clone, Copy)]
pub struct Runnable(&'static Kernel);

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl std::fmt::Debug for Runnable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

impl Kernel {
    /// The proof that this CPU can run it, if it can.
    pub fn runnable(&'static self) -> Option<Runnable> {
        self.isa.detected().then_some(Runnable(self))
    }
}

impl Runnable {
    /// The row of the table.
    pub fn kernel(&self) -> &'static Kernel {
        self.0
    }

    /// Multiplies whole row groups by panels of `panel_rows` rows: `out[group][panel][row][8]`.
    ///
    /// # Panics
    /// If `panel_rows` is not 1, 2 or 4, or the slices do not fit each other.
    #[inline]
    pub fn run(&self, call: &Call<'_>, panel_rows: usize, out: &mut [f32]) {
        let body = match panel_rows {
            1 => self.0.bodies[0],
            2 => self.0.bodies[1],
            4 => self.0.bodies[2],
            _ => panic!("panels have 1, 2 or 4 rows, not {panel_rows}"),
        };
        // SAFETY: a `Runnable` is made only by `Kernel::runnable`, after this CPU was found to have
        // the instruction set; that is the bodies' only obligation.
        unsafe { body(call, out) }
    }
}
