//! The table of kernels: what exists, and what may run here.

use sysinfer_formats::TensorType;

use crate::contract::{Kernel, Role, Runnable};

/// Every kernel of this architecture, by block type, best first within a role.
pub fn all() -> impl Iterator<Item = &'static Kernel> {
    crate::arch::tables().into_iter().flatten()
}

/// The kernel of that name.
pub fn named(name: &str) -> Option<&'static Kernel> {
    all().find(|kernel| kernel.name == name)
}

/// What this CPU can run for a block type and a role, best guess first: the order of preference
/// for a host that was never tuned.
pub fn candidates(block: TensorType, role: Role) -> impl Iterator<Item = Runnable> {
    all()
        .filter(move |k| k.block == block && k.role == role)
        .filter_map(Kernel::runnable)
}
