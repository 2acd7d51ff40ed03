//! Rows of the table from bodies that serve both phases.

/// A decode and a prefill row for each block type: `(block, text, activations, module::body)`, all
/// of one instruction set and numeric class, named `prefix + text + decode` and `prefix + text +
/// prefill`.
macro_rules! rows {
    [($isa:ident, $numerics:expr, $prefix:literal, $decode:literal, $prefill:literal):
        $(($block:ident, $text:literal, $activations:ident, $module:ident::$body:ident)),+ $(,)?] => {
        &[$(
            $crate::arch::rows::rows!(@row $isa, $numerics, concat!($prefix, $text, $decode),
                $block, Decode, $activations, $module::$body),
            $crate::arch::rows::rows!(@row $isa, $numerics, concat!($prefix, $text, $prefill),
                $block, Prefill, $activations, $module::$body),
        )+]
    };
    (@row $isa:ident, $numerics:expr, $name:expr, $block:ident, $role:ident, $activations:ident,
        $module:ident::$body:ident) => {
        $crate::contract::Kernel {
            name: $name,
            block: sysinfer_formats::TensorType::$block,
            role: $crate::contract::Role::$role,
            isa: $crate::isa::Isa::$isa,
            activations: $crate::panel::ActivationKind::$activations,
            numerics: $numerics,
            bodies: [$module::$body::<1>, $module::$body::<2>, $module::$body::<4>],
        }
    };
}
pub(crate) use rows;
