//! The table of kernels: what exists, and what may run here.

use sysinfer_formats::TensorType;

use crate::contract::{Kernel, Phase, Runnable};

/// Every kernel of this architecture, by block type, best first within a phase.
pub fn all() -> impl Iterator<Item = &'static Kernel> {
    crate::arch::tables().into_iter().flatten()
}

/// The kernel of that name.
pub fn named(name: &str) -> Option<&'static Kernel> {
    all().find(|kernel| kernel.name == name)
}

/// What this CPU can run for a block type and a phase, best guess first: the order of preference
/// for a host that was never tuned.
pub fn candidates(block: TensorType, phase: Phase) -> impl Iterator<Item = Runnable> {
    all()
        .filter(move |k| k.block == block && k.phase == phase)
        .filter_map(Kernel::runnable)
}
