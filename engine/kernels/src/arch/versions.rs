//! One body, compiled once for every CPU and once for CPUs with wide vectors.
//!
//! Loops over fixed-size arrays need no intrinsics: the compiler vectorises them as far as the
//! instruction set of the enclosing function goes. What it does not find goes through
//! [`Floats`](super::floats::Floats), whose implementation the body is given.

/// Defines `pub fn name(args)` that runs `body(floats, args)` in the best version for this CPU.
macro_rules! versions {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) => $body:ident) => {
        $(#[$meta])*
        $vis fn $name($($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512vl")]
                fn many($($arg: $type),*) {
                    $body($crate::arch::x86_64::avx2::Avx2::<32>::here(), $($arg),*)
                }
                #[target_feature(enable = "avx2,fma,f16c")]
                fn wide($($arg: $type),*) {
                    $body($crate::arch::x86_64::avx2::Avx2::<16>::here(), $($arg),*)
                }
                if $crate::Isa::Avx512Vnni.detected() {
                    // SAFETY: the instruction set, which is more than is asked for, was detected.
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
