//! Where the types of [`Scale32`] keep their scales and codes.

use sysinfer_formats::blocks::IQ4_LEVELS;

use super::planes::{bits, join, nibbles, six_bits};
use super::scale32::Scale32;
use crate::arch::vectors::Vectors;
use crate::layout::{
    Halves, PackedIq4Nl, PackedIq4Xs, PackedPairs, PackedQ4_0, PackedQ4_1, PackedQ4K, PackedQ5_0,
    PackedQ5_1, PackedQ5K, PackedQ8_0, ROWS,
};

impl Scale32 for PackedQ4_0 {
    const MAX_CODE: i32 = 15;
    const ZERO: i16 = 8;

    #[inline(always)]
    fn block_scales<V: Vectors>(&self, vectors: V) -> [V::Lanes; 2] {
        [vectors.widen(&self.d); 2]
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, vectors: V, _part: usize, j: usize) -> [V::Words; 2] {
        nibbles(vectors, &self.codes, j)
    }
}

impl Scale32 for PackedQ4_1 {
    const MAX_CODE: i32 = 15;
    const MINIMA: bool = true;

    #[inline(always)]
    fn block_scales<V: Vectors>(&self, vectors: V) -> [V::Lanes; 2] {
        [vectors.widen(&self.d), vectors.widen(&self.m)]
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, vectors: V, _part: usize, j: usize) -> [V::Words; 2] {
        nibbles(vectors, &self.codes, j)
    }
}

impl Scale32 for PackedQ5_0 {
    const MAX_CODE: i32 = 31;
    const ZERO: i16 = 16;

    #[inline(always)]
    fn block_scales<V: Vectors>(&self, vectors: V) -> [V::Lanes; 2] {
        [vectors.widen(&self.d); 2]
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, vectors: V, _part: usize, j: usize) -> [V::Words; 2] {
        let tops = bits(vectors, &self.tops, j, 4);
        join(vectors, nibbles(vectors, &self.codes, j), tops)
    }
}

impl Scale32 for PackedQ5_1 {
    const MAX_CODE: i32 = 31;
    const MINIMA: bool = true;

    #[inline(always)]
    fn block_scales<V: Vectors>(&self, vectors: V) -> [V::Lanes; 2] {
        [vectors.widen(&self.d), vectors.widen(&self.m)]
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, vectors: V, _part: usize, j: usize) -> [V::Words; 2] {
        let tops = bits(vectors, &self.tops, j, 4);
        join(vectors, nibbles(vectors, &self.codes, j), tops)
    }
}

impl Scale32 for PackedQ8_0 {
    const MAX_CODE: i32 = 0;

    #[inline(always)]
    fn block_scales<V: Vectors>(&self, vectors: V) -> [V::Lanes; 2] {
        [vectors.widen(&self.d); 2]
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, vectors: V, _part: usize, j: usize) -> [V::Words; 2] {
        [j, 4 + j].map(|j| vectors.signed(vectors.words(&self.codes[j])))
    }
}

impl Scale32 for PackedIq4Nl {
    const MAX_CODE: i32 = 0;

    #[inline(always)]
    fn block_scales<V: Vectors>(&self, vectors: V) -> [V::Lanes; 2] {
        [vectors.widen(&self.d); 2]
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, vectors: V, _part: usize, j: usize) -> [V::Words; 2] {
        nibbles(vectors, &self.codes, j).map(|codes| vectors.look_up(&IQ4_LEVELS, codes))
    }
}

impl Scale32 for PackedIq4Xs {
    const PARTS: usize = 8;
    const MAX_CODE: i32 = 0;

    #[inline(always)]
    fn block_scales<V: Vectors>(&self, vectors: V) -> [V::Lanes; 2] {
        [vectors.widen(&self.d); 2]
    }

    #[inline(always)]
    fn scales<V: Vectors>(
        &self,
        vectors: V,
        block_scales: [V::Lanes; 2],
        part: usize,
    ) -> [V::Lanes; 2] {
        let [codes] = six_bits(&self.scales_low, &self.scales_high, part);
        let codes = vectors.plus(vectors.extend(codes), vectors.integer(-32));
        [vectors.mul(block_scales[0], vectors.real(codes)); 2]
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, vectors: V, part: usize, j: usize) -> [V::Words; 2] {
        nibbles(vectors, &self.parts[part], j).map(|codes| vectors.look_up(&IQ4_LEVELS, codes))
    }
}

/// Block scales of Q4_K and Q5_K. A minimum is subtracted there, so it changes its sign.
#[inline(always)]
fn pair_heads<V: Vectors>(vectors: V, d: &Halves, dmin: &Halves) -> [V::Lanes; 2] {
    let minus = vectors.splat(-1.0);
    [vectors.widen(d), vectors.mul(vectors.widen(dmin), minus)]
}

/// Scales and minima of a part of Q4_K or Q5_K.
#[inline(always)]
fn pairs<V: Vectors>(
    vectors: V,
    pairs: &PackedPairs,
    block_scales: [V::Lanes; 2],
    part: usize,
) -> [V::Lanes; 2] {
    let codes: [[u8; ROWS]; 2] = six_bits(&pairs.low, &pairs.high, part);
    let times = |i: usize| vectors.mul(block_scales[i], vectors.real(vectors.extend(codes[i])));
    [times(0), times(1)]
}

impl Scale32 for PackedQ4K {
    const PARTS: usize = 8;
    const MAX_CODE: i32 = 15;
    const MINIMA: bool = true;

    #[inline(always)]
    fn block_scales<V: Vectors>(&self, vectors: V) -> [V::Lanes; 2] {
        pair_heads(vectors, &self.d, &self.dmin)
    }

    #[inline(always)]
    fn scales<V: Vectors>(
        &self,
        vectors: V,
        block_scales: [V::Lanes; 2],
        part: usize,
    ) -> [V::Lanes; 2] {
        pairs(vectors, &self.pairs, block_scales, part)
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, vectors: V, part: usize, j: usize) -> [V::Words; 2] {
        nibbles(vectors, &self.parts[part], j)
    }
}

impl Scale32 for PackedQ5K {
    const PARTS: usize = 8;
    const MAX_CODE: i32 = 31;
    const MINIMA: bool = true;

    #[inline(always)]
    fn block_scales<V: Vectors>(&self, vectors: V) -> [V::Lanes; 2] {
        pair_heads(vectors, &self.d, &self.dmin)
    }

    #[inline(always)]
    fn scales<V: Vectors>(
        &self,
        vectors: V,
        block_scales: [V::Lanes; 2],
        part: usize,
    ) -> [V::Lanes; 2] {
        pairs(vectors, &self.pairs, block_scales, part)
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, vectors: V, part: usize, j: usize) -> [V::Words; 2] {
        let part = &self.parts[part];
        let tops = bits(vectors, &part.tops, j, 4);
        join(vectors, nibbles(vectors, &part.codes, j), tops)
    }
}
