//! One body, compiled once for every CPU and once for CPUs with wide vectors.
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
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(
                    enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"
                )]
                fn many($($arg: $type),*) {
                    $body($crate::arch::x86_64::avx512vnni::Avx512Vnni::here(), $($arg),*)
                }
                #[target_feature(enable = "avx2,fma,f16c")]
                fn wide($($arg: $type),*) {
                    $body($crate::arch::x86_64::avx2::Avx2::here(), $($arg),*)
                }
                if $crate::Isa::Avx512Vnni.detected() {
                    // SAFETY: the instruction set was detected on the line above.
                    return unsafe { many($($arg),*) };
                }
                if $crate::Isa::Avx2.detected() {
                    // SAFETY: the instruction set was detected on the line above.
                    return unsafe { wide($($arg),*) };
                }
            }
            $body($crate::arch::floats::PlainFloats, $($arg),*)
        }
    };
}
pub(crate) use versions;
