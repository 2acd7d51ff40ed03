//! One version of a body, for one instruction set; `versions` has all of them.

/// Runs `body(floats, args)` as a version with the `features` of an instruction set and returns, if this CPU
/// has it.
macro_rules! version {
    ($isa:ident, $features:literal, $floats:expr, $body:ident($($arg:ident: $type:ty),*)) => {
        {
            #[target_feature(enable = $features)]
            fn version($($arg: $type),*) {
                $body($floats, $($arg),*)
            }
            if $crate::Isa::$isa.detected() {
                // SAFETY: the instruction set was detected on the line above.
                return unsafe { version($($arg),*) };
            }
        }
    };
}
pub(crate) use version;
