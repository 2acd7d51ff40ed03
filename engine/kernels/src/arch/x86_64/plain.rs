//! F32, F16 and BF16 weights against f32 activations: eight rows widened, one column broadcast.

use std::arch::x86_64::*;

use super::mem::{load128, load256, prefetch, store_f32};
use crate::contract::Call;
use crate::layout::ROWS;

/// The loop over `$bytes` bytes a column, with even and odd columns in two chains.
macro_rules! body {
    ($name:ident, $bytes:literal, $doc:literal, $widen:expr) => {
        #[doc = $doc]
        #[target_feature(enable = "avx2,fma,f16c")]
        pub(super) fn $name<const P: usize>(call: &Call<'_>, out: &mut [f32]) {
            let panels = call.panels.as_chunks::<P>().0.chunks_exact(call.columns);
            let columns = call
                .weights
                .as_chunks::<$bytes>()
                .0
                .chunks_exact(call.columns);
            let tiles = columns.flat_map(|group| panels.clone().map(move |panel| (group, panel)));
            for ((group, panel), out) in
                tiles.zip(out.as_chunks_mut::<ROWS>().0.chunks_exact_mut(P))
            {
                let mut sums = [[_mm256_setzero_ps(); P]; 2];
                for (column, (bytes, acts)) in group.iter().zip(panel).enumerate() {
                    if call.prefetch_bytes > 0 && column % (64 / $bytes) == 0 {
                        prefetch::<1>(bytes, call.prefetch_bytes);
                    }
                    let weights = $widen(bytes);
                    for p in 0..P {
                        let sum = &mut sums[column % 2][p];
                        *sum = _mm256_fmadd_ps(weights, _mm256_set1_ps(acts[p]), *sum);
                    }
                }
                for (p, out) in out.iter_mut().enumerate() {
                    store_f32(out, _mm256_add_ps(sums[0][p], sums[1][p]));
                }
            }
        }
    };
}

body!(f32, 32, "F32 weights.", |bytes: &[u8; 32]| {
    _mm256_castsi256_ps(load256(bytes))
});
body!(f16, 16, "F16 weights.", |bytes: &[u8; 16]| _mm256_cvtph_ps(
    load128(bytes)
));
body!(
    bf16,
    16,
    "BF16 weights: the upper half of an f32.",
    |bytes: &[u8; 16]| {
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(load128(
            bytes,
        ))))
    }
);
