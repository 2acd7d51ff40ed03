//! What the targets share: libFuzzer's entry point, the counting allocator, figures for the report.

#[path = "../../tests/tests/counting/mod.rs"]
mod counting;
mod figures;

pub use figures::note;
pub use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

/// Declares the fuzz target of a [`sysinfer_conformance::fuzz::Target`].
#[macro_export]
macro_rules! fuzz {
    ($target:expr) => {
        $crate::fuzz_target!(
            init: { $target.prepare() },
            |data: &[u8]| { $crate::note(&$target, data.len(), $target.check(data)) }
        );
    };
}

/// Lets `mutate(data, seed)` make every other input; libFuzzer's own mutations make the rest.
#[macro_export]
macro_rules! mutate_by {
    ($mutate:path) => {
        $crate::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            let made = (seed % 2 == 0)
                .then(|| $mutate(&data[..size], u64::from(seed)))
                .flatten();
            match made.filter(|made| made.len() <= max_size) {
                Some(made) => {
                    data[..made.len()].copy_from_slice(&made);
                    made.len()
                }
                None => $crate::fuzzer_mutate(data, size, max_size),
            }
        });
    };
}
