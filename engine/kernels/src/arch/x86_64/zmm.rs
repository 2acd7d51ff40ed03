//! Vectors of 512 bits for AVX-512 VNNI: two row groups side by side.
//!
//! Half the instructions of 256 bits for the same products. Zen 4 computes as much per cycle either
//! way, but has fewer sums in flight to wait for; CPUs with two units of 512 bits (Intel's servers)
//! compute twice as much. Two vectors go together, so that a broadcast from memory, of which a cycle
//! has one, is for two products.

use std::arch::x86_64::*;

use super::evex::Avx512Vnni;
use super::ymm::Ymm;
use crate::arch::tile::{Place, Tile};
use crate::panel::Q8Panel;

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

impl Tile<Ymm<Avx512Vnni>> for Zmm {
    const GROUPS: usize = 2;
    const TILES: usize = 2;

    type Codes = __m512i;
    type Reals = __m512;
    /// As in 256 bits.
    type Minima = __m512i;
    type Dots = __m512i;
    type Activations<'a, const P: usize> = &'a Q8Panel<P>;

    instructions! {
        fn codes(groups: [__m256i; 2]) -> __m512i = join(groups);
        fn join(groups: [__m256; 2]) -> __m512 =
            _mm512_insertf32x8::<1>(_mm512_castps256_ps512(groups[0]), groups[1]);
        fn split(sums: __m512) -> [[__m256; 2]; 2] =
            [[_mm512_castps512_ps256(sums), _mm512_extractf32x8_ps::<1>(sums)]; 2];
        fn minima(groups: [[__m256i; 2]; 2]) -> __m512i = {
            let [first, second] = [0, 1].map(|half| join([groups[0][half], groups[1][half]]));
            _mm512_add_epi32(first, _mm512_slli_epi32::<16>(second))
        };
        fn nothing() -> __m512 = _mm512_setzero_ps();
        fn product(a: __m512, b: __m512) -> __m512 = _mm512_mul_ps(a, b);
        fn plus_product(c: __m512, a: __m512, b: __m512) -> __m512 = _mm512_fmadd_ps(a, b, c);
        fn total(dots: __m512i) -> __m512 = _mm512_cvtepi32_ps(dots);
    }

    #[inline(always)]
    fn gather(self, sums: [[__m256; 2]; 2]) -> __m512 {
        self.join(sums[0])
    }

    #[inline(always)]
    fn scales<const P: usize>(self, panel: &Q8Panel<P>, row: usize) -> __m512 {
        self.all(panel.scale(row))
    }

    #[inline(always)]
    fn totals<const P: usize>(self, panel: &Q8Panel<P>, row: usize) -> __m512 {
        self.all(panel.totals[row])
    }

    #[inline(always)]
    fn activations<const P: usize>(self, panel: &Q8Panel<P>) -> &Q8Panel<P> {
        panel
    }

    #[inline(always)]
    fn start<const P: usize>(self, sums: &[[i16; 2]; P], row: usize, zeros: [i16; 2]) -> __m512i {
        match zeros {
            [0, 0] => self.zero(),
            _ => self.weigh_alike(sums[row], zeros.map(|zero| -zero)),
        }
    }

    #[inline(always)]
    fn start_signed<const P: usize>(self, sums: &[[i16; 2]; P], row: usize) -> __m512i {
        self.start(sums, row, [128; 2])
    }

    #[inline(always)]
    fn weigh<const P: usize>(self, sums: &[[i16; 2]; P], row: usize, minima: __m512i) -> __m512 {
        self.weigh_minima(sums[row], minima)
    }

    #[inline(always)]
    fn dot<const MAX_CODE: i32, const P: usize>(
        self,
        dots: __m512i,
        _done: usize,
        codes: __m512i,
        activations: &Q8Panel<P>,
        Place { row, piece }: Place,
    ) -> __m512i {
        self.dot_piece(dots, codes, activations.piece(row, piece))
    }

    #[inline(always)]
    fn dot_signed<const P: usize>(
        self,
        dots: __m512i,
        _done: usize,
        codes: __m512i,
        activations: &Q8Panel<P>,
        Place { row, piece }: Place,
    ) -> __m512i {
        // Signed codes are unsigned here, as `Vectors::signed` made them.
        self.dot_piece(dots, codes, activations.piece(row, piece))
    }
}

impl Zmm {
    instructions! {
        fn all(value: f32) -> __m512 = _mm512_set1_ps(value);
        fn zero() -> __m512i = _mm512_setzero_si512();
        fn weigh_minima(sums: [i16; 2], minima: __m512i) -> __m512 =
            _mm512_cvtepi32_ps(weigh_pairs(sums, minima));
        fn weigh_alike(sums: [i16; 2], weights: [i16; 2]) -> __m512i =
            weigh_pairs(sums, _mm512_set1_epi32(bytemuck::cast(weights)));
        fn dot_piece(dots: __m512i, codes: __m512i, quants: [i8; 4]) -> __m512i =
            _mm512_dpbusd_epi32(dots, codes, _mm512_set1_epi32(bytemuck::cast(quants)));
    }
}

/// Two sums of activations, the same for all rows, times each row's two weights, added.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn weigh_pairs(sums: [i16; 2], weights: __m512i) -> __m512i {
    _mm512_madd_epi16(_mm512_set1_epi32(bytemuck::cast(sums)), weights)
}

/// Two halves of a vector.
#[inline]
#[target_feature(enable = "avx512f")]
fn join([low, high]: [__m256i; 2]) -> __m512i {
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
}
