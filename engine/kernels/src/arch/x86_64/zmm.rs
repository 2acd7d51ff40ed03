//! Vectors of 512 bits for AVX-512 VNNI: two row groups side by side.
//!
//! Half the instructions of 256 bits for the same products. Zen 4 computes as much per cycle either
//! way, but has fewer sums in flight to wait for; CPUs with two units of 512 bits (Intel's servers)
//! compute twice as much. Two vectors go together, so that a broadcast from memory, of which a cycle
//! has one, is for two products.

use std::arch::x86_64::*;

use super::avx512vnni::Avx512Vnni;
use super::ymm::Ymm;
use crate::arch::wide::Wide;

/// The proof that this CPU has AVX-512 F, BW, DQ, VL and VNNI.
#[derive(Clone, Copy)]
pub(crate) struct Zmm(Ymm<Avx512Vnni>);

impl Zmm {
    /// A CPU that has one has the other.
    #[inline(always)]
    pub(crate) fn new(vectors: Ymm<Avx512Vnni>) -> Self {
        Self(vectors)
    }
}

/// Methods of a trait, each an expression that only a CPU with the instruction set may run.
macro_rules! instructions {
    ($(fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? = $body:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self, $($arg: $type),*) $(-> $result)? {
                #[inline]
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vnni")]
                fn instruction($($arg: $type),*) $(-> $result)? {
                    $body
                }
                // SAFETY: `self` exists, so the CPU has the instruction set.
                unsafe { instruction($($arg),*) }
            }
        )*
    };
}

impl Wide<Ymm<Avx512Vnni>> for Zmm {
    const GROUPS: usize = 2;
    const VECTORS: usize = 2;

    type Words = __m512i;
    type Ints = __m512i;
    type Dots = __m512i;
    type Lanes = __m512;

    instructions! {
        fn join_words(groups: [__m256i; 2]) -> __m512i = join(groups);
        fn join_ints(groups: [__m256i; 2]) -> __m512i = join(groups);
        fn join_lanes(groups: [__m256; 2]) -> __m512 =
            _mm512_insertf32x8::<1>(_mm512_castps256_ps512(groups[0]), groups[1]);
        fn split_lanes(lanes: __m512) -> [__m256; 2] =
            [_mm512_castps512_ps256(lanes), _mm512_extractf32x8_ps::<1>(lanes)];
        fn splat(value: f32) -> __m512 = _mm512_set1_ps(value);
        fn mul(a: __m512, b: __m512) -> __m512 = _mm512_mul_ps(a, b);
        fn multiply_add(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fmadd_ps(a, b, c);
        fn integer(value: i32) -> __m512i = _mm512_set1_epi32(value);
        fn weigh_sums(sums: [i16; 2], weights: __m512i) -> __m512i =
            _mm512_madd_epi16(_mm512_set1_epi32(bytemuck::cast(sums)), weights);
        fn real(values: __m512i) -> __m512 = _mm512_cvtepi32_ps(values);
        fn dot_signed(dots: __m512i, codes: __m512i, quants: [i8; 4]) -> __m512i =
            _mm512_dpbusd_epi32(dots, codes, _mm512_set1_epi32(bytemuck::cast(quants)));
    }

    #[inline(always)]
    fn start(self, first: __m512i) -> __m512i {
        first
    }

    #[inline(always)]
    fn dot<const MOST: i32>(
        self,
        dots: __m512i,
        _step: usize,
        codes: __m512i,
        quants: [i8; 4],
    ) -> __m512i {
        // Signed codes are unsigned here, as `Vectors::signed` made them.
        self.dot_signed(dots, codes, quants)
    }

    #[inline(always)]
    fn finish(self, dots: __m512i) -> __m512i {
        dots
    }
}

/// Two halves of a vector.
#[inline]
#[target_feature(enable = "avx512f")]
fn join([low, high]: [__m256i; 2]) -> __m512i {
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
}
