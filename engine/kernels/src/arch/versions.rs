//! One body, compiled once for every CPU and once for each instruction set that makes it faster.
//!
//! Loops over fixed-size arrays need no intrinsics: the compiler vectorises them as far as the
//! instruction set of the enclosing function goes. What it does not find goes through
//! [`Floats`](super::floats::Floats), whose implementation the body is given. Bodies and all they call
//! are `inline(always)`, and large pieces of them no closures, which cannot be: what is not inlined
//! into the function that has the instruction set pays a call for every instruction.

/// Defines `pub fn name(args)` that runs `body(floats, args)` in the best version for this CPU.
macro_rules! versions {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) => $body:ident) => {
        $(#[$meta])*
        $vis fn $name($($arg: $type),*) {
            $crate::arch::stronger!($body($($arg: $type),*));
            #[allow(unreachable_code, reason = "some architectures always have a stronger one")]
            $body($crate::arch::floats::PlainFloats, $($arg),*)
        }
    };
}
pub(crate) use versions;
