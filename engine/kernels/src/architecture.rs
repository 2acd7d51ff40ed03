//! The one place that asks which architecture this is.

/// The first item on x86-64, the second on AArch64, the third elsewhere.
macro_rules! by_architecture {
    (x86_64 => { $($x86_64:item)* } aarch64 => { $($aarch64:item)* } other => { $($other:item)* }) => {
        $(#[cfg(target_arch = "x86_64")] $x86_64)*
        $(#[cfg(target_arch = "aarch64")] $aarch64)*
        $(#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))] $other)*
    };
}
pub(crate) use by_architecture;

/// Whether a fused multiply-add of plain Rust is one instruction; elsewhere it is a call of a function.
pub(crate) const PLAIN_RUST_FUSES: bool = cfg!(target_arch = "aarch64");
