//! Where the types of [`Scale32`] keep their scales and codes.

use sysinfer_formats::blocks::IQ4_LEVELS;

use super::lanes::{bits, join, nibbles, six_bits, words};
use super::scale32::Scale32;
use crate::arch::vectors::{Lanes, Vectors};
use crate::layout::{
    Halves, PackedIq4Nl, PackedIq4Xs, PackedPairs, PackedQ4_0, PackedQ4_1, PackedQ4K, PackedQ5_0,
    PackedQ5_1, PackedQ5K, PackedQ8_0, ROWS,
};

/// For types without minima.
const NONE: [f32; ROWS] = [0.0; ROWS];

impl Scale32 for PackedQ4_0 {
    const ZERO: i32 = 8;

    #[inline(always)]
    fn heads<V: Vectors>(&self, vectors: V) -> [[f32; ROWS]; 2] {
        [vectors.widen(&self.d), NONE]
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, _vectors: V, _part: usize, j: usize) -> [Lanes; 2] {
        nibbles(&self.codes, j)
    }
}

impl Scale32 for PackedQ4_1 {
    const MINIMA: bool = true;

    #[inline(always)]
    fn heads<V: Vectors>(&self, vectors: V) -> [[f32; ROWS]; 2] {
        [vectors.widen(&self.d), vectors.widen(&self.m)]
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, _vectors: V, _part: usize, j: usize) -> [Lanes; 2] {
        nibbles(&self.codes, j)
    }
}

impl Scale32 for PackedQ5_0 {
    const ZERO: i32 = 16;

    #[inline(always)]
    fn heads<V: Vectors>(&self, vectors: V) -> [[f32; ROWS]; 2] {
        [vectors.widen(&self.d), NONE]
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, _vectors: V, _part: usize, j: usize) -> [Lanes; 2] {
        join(nibbles(&self.codes, j), bits(&self.tops, j), 4)
    }
}

impl Scale32 for PackedQ5_1 {
    const MINIMA: bool = true;

    #[inline(always)]
    fn heads<V: Vectors>(&self, vectors: V) -> [[f32; ROWS]; 2] {
        [vectors.widen(&self.d), vectors.widen(&self.m)]
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, _vectors: V, _part: usize, j: usize) -> [Lanes; 2] {
        join(nibbles(&self.codes, j), bits(&self.tops, j), 4)
    }
}

impl Scale32 for PackedQ8_0 {
    const SIGNED: bool = true;

    #[inline(always)]
    fn heads<V: Vectors>(&self, vectors: V) -> [[f32; ROWS]; 2] {
        [vectors.widen(&self.d), NONE]
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, _vectors: V, _part: usize, j: usize) -> [Lanes; 2] {
        [words(&self.codes[j]), words(&self.codes[4 + j])]
    }
}

impl Scale32 for PackedIq4Nl {
    const SIGNED: bool = true;

    #[inline(always)]
    fn heads<V: Vectors>(&self, vectors: V) -> [[f32; ROWS]; 2] {
        [vectors.widen(&self.d), NONE]
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, vectors: V, _part: usize, j: usize) -> [Lanes; 2] {
        nibbles(&self.codes, j).map(|codes| vectors.look_up(&IQ4_LEVELS, codes))
    }
}

impl Scale32 for PackedIq4Xs {
    const PARTS: usize = 8;
    const SIGNED: bool = true;

    #[inline(always)]
    fn heads<V: Vectors>(&self, vectors: V) -> [[f32; ROWS]; 2] {
        [vectors.widen(&self.d), NONE]
    }

    #[inline(always)]
    fn scales<V: Vectors>(
        &self,
        vectors: V,
        heads: &[[f32; ROWS]; 2],
        part: usize,
    ) -> [[f32; ROWS]; 2] {
        let [codes] = six_bits(&self.scales_low, &self.scales_high, part);
        let codes = vectors.extend(codes);
        let scale = |row: usize| heads[0][row] * (codes[row] - 32) as f32;
        [std::array::from_fn(scale), NONE]
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, vectors: V, part: usize, j: usize) -> [Lanes; 2] {
        nibbles(&self.parts[part], j).map(|codes| vectors.look_up(&IQ4_LEVELS, codes))
    }
}

/// Heads of Q4_K and Q5_K. A minimum is subtracted there, so it changes its sign.
#[inline(always)]
fn pair_heads<V: Vectors>(vectors: V, d: &Halves, dmin: &Halves) -> [[f32; ROWS]; 2] {
    [vectors.widen(d), vectors.widen(dmin).map(|head| -head)]
}

/// Scales and minima of a part of Q4_K or Q5_K.
#[inline(always)]
fn pairs<V: Vectors>(
    vectors: V,
    pairs: &PackedPairs,
    heads: &[[f32; ROWS]; 2],
    part: usize,
) -> [[f32; ROWS]; 2] {
    let [scales, minima] = six_bits(&pairs.low, &pairs.high, part);
    let times = |head: &[f32; ROWS], codes: [u8; ROWS]| {
        let codes = vectors.extend(codes);
        std::array::from_fn(|row| head[row] * codes[row] as f32)
    };
    [times(&heads[0], scales), times(&heads[1], minima)]
}

impl Scale32 for PackedQ4K {
    const PARTS: usize = 8;
    const MINIMA: bool = true;

    #[inline(always)]
    fn heads<V: Vectors>(&self, vectors: V) -> [[f32; ROWS]; 2] {
        pair_heads(vectors, &self.d, &self.dmin)
    }

    #[inline(always)]
    fn scales<V: Vectors>(
        &self,
        vectors: V,
        heads: &[[f32; ROWS]; 2],
        part: usize,
    ) -> [[f32; ROWS]; 2] {
        pairs(vectors, &self.pairs, heads, part)
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, _vectors: V, part: usize, j: usize) -> [Lanes; 2] {
        nibbles(&self.parts[part], j)
    }
}

impl Scale32 for PackedQ5K {
    const PARTS: usize = 8;
    const MINIMA: bool = true;

    #[inline(always)]
    fn heads<V: Vectors>(&self, vectors: V) -> [[f32; ROWS]; 2] {
        pair_heads(vectors, &self.d, &self.dmin)
    }

    #[inline(always)]
    fn scales<V: Vectors>(
        &self,
        vectors: V,
        heads: &[[f32; ROWS]; 2],
        part: usize,
    ) -> [[f32; ROWS]; 2] {
        pairs(vectors, &self.pairs, heads, part)
    }

    #[inline(always)]
    fn codes<V: Vectors>(&self, _vectors: V, part: usize, j: usize) -> [Lanes; 2] {
        let part = &self.parts[part];
        join(nibbles(&part.codes, j), bits(&part.tops, j), 4)
    }
}
