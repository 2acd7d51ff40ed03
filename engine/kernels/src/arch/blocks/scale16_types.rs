//! Where the types of [`Scale16`] keep their scales and codes.

use super::planes::{bits, crumbs, join, nibbles, nibbles_of, six_bits};
use super::scale16::Scale16;
use crate::arch::vectors::Vectors;
use crate::layout::{PackedQ2K, PackedQ3K, PackedQ6K};

impl Scale16 for PackedQ2K {
    const MAX_CODE: i32 = 3;
    const MINIMA: bool = true;

    #[inline(always)]
    fn block_scales<V: Vectors>(&self, vectors: V) -> [V::Lanes; 2] {
        let minus = vectors.splat(-1.0);
        let minima = vectors.mul(vectors.widen(&self.dmin), minus);
        [vectors.widen(&self.d), minima]
    }

    #[inline(always)]
    fn scales<V: Vectors>(&self, vectors: V, part: usize) -> [V::Ints; 2] {
        self.pairs[part].map(|pairs| vectors.extend(nibbles_of(pairs)[0]))
    }

    #[inline(always)]
    fn minima<V: Vectors>(&self, vectors: V, part: usize) -> [V::Ints; 2] {
        self.pairs[part].map(|pairs| vectors.extend(nibbles_of(pairs)[1]))
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, vectors: V, part: usize, j: usize) -> [V::Words; 2] {
        crumbs(vectors, &self.parts[part], j, 0)
    }
}

impl Scale16 for PackedQ3K {
    const MAX_CODE: i32 = 7;
    const ZERO: i16 = 4;

    #[inline(always)]
    fn block_scales<V: Vectors>(&self, vectors: V) -> [V::Lanes; 2] {
        [vectors.widen(&self.d); 2]
    }

    #[inline(always)]
    fn scales<V: Vectors>(&self, vectors: V, part: usize) -> [V::Ints; 2] {
        let halves: [_; 2] = six_bits(&self.scales_low, &self.scales_high, part);
        halves.map(|half| vectors.plus(vectors.extend(half), vectors.integer(-32)))
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, vectors: V, part: usize, j: usize) -> [V::Words; 2] {
        let part = &self.parts[part];
        let tops = bits(vectors, &part.tops, j, 2);
        join(vectors, crumbs(vectors, &part.codes, j, 0), tops)
    }
}

impl Scale16 for PackedQ6K {
    const MAX_CODE: i32 = 63;
    const ZERO: i16 = 32;

    #[inline(always)]
    fn block_scales<V: Vectors>(&self, vectors: V) -> [V::Lanes; 2] {
        [vectors.widen(&self.d); 2]
    }

    #[inline(always)]
    fn scales<V: Vectors>(&self, vectors: V, part: usize) -> [V::Ints; 2] {
        self.parts[part]
            .scales
            .map(|half| vectors.extend_signed(half))
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, vectors: V, part: usize, j: usize) -> [V::Words; 2] {
        let part = &self.parts[part];
        let tops = crumbs(vectors, &part.tops, j, 4);
        join(vectors, nibbles(vectors, &part.codes, j), tops)
    }
}
