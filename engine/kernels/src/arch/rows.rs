//! Rows of the table.

/// A row for each block type: `(block, text, activations, module::body)`, all of one instruction set, numeric
/// class and phase, named `prefix + text + end`.
macro_rules! rows {
    [($isa:ident, $numerics:expr, $phase:ident, $prefix:literal, $end:literal):
        $(($block:ident, $text:literal, $activations:ident, $module:ident::$body:ident)),+ $(,)?] => {
        &[$(
            $crate::contract::Kernel {
                name: concat!($prefix, $text, $end),
                block: sysinfer_formats::TensorType::$block,
                phase: $crate::contract::Phase::$phase,
                isa: $crate::isa::Isa::$isa,
                activations: $crate::panel::ActivationKind::$activations,
                numerics: $numerics,
                bodies: [$module::$body::<1>, $module::$body::<2>, $module::$body::<4>],
            },
        )+]
    };
}
pub(crate) use rows;
