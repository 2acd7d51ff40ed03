//! How keys and values are kept between steps: as f32, as f16, or in blocks of 8 bits.
//!
//! Whatever the type, a position takes [`CacheType::position_bytes`] for its key and as many for
//! its value. Keys lie in tiles of eight positions so that a vector holds eight keys and no score
//! needs a sum across its lanes; values lie one position after another:
//!
//! ```text
//!         keys, per tile of 8 positions           values, per position
//! f32     [head_size][8] f32                      [head_size] f32
//! f16     [head_size][8] f16                      [head_size] f16
//! q8_0    [blocks][8] f16 scales,                 [blocks] f16 scales,
//!         [head_size][8] i8                       [head_size] i8
//! ```
//!
//! A block of `q8_0` is 32 values of one position; the last one of a head may be shorter.
//!
//! What a type cannot hold (65,504 is the most of f16, and of the steps of q8_0) is kept as no number,
//! which every score and every sum that it enters shows.

use crate::arch::floats::Floats;
use crate::arch::versions::versions;

/// Positions in a tile of keys.
pub const TILE: usize = 8;
/// Values of a head that share a scale in [`CacheType::Q8_0`].
const QUANTS: usize = 32;

/// Type of cached keys and values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CacheType {
    /// Nothing is rounded: the reference that the others are compared with.
    F32,
    /// Half precision; the default.
    #[default]
    F16,
    /// 8 bits and a scale per 32 values: 53 % of the bytes of f16.
    Q8_0,
}

impl CacheType {
    /// Every type, largest first.
    pub const ALL: [CacheType; 3] = [CacheType::F32, CacheType::F16, CacheType::Q8_0];

    /// The name on command lines and in reports, as llama.cpp has it.
    pub fn name(self) -> &'static str {
        match self {
            CacheType::F32 => "f32",
            CacheType::F16 => "f16",
            CacheType::Q8_0 => "q8_0",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<CacheType> {
        CacheType::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Bytes of the key (or the value) of one position of one head.
    pub fn position_bytes(self, head_size: usize) -> usize {
        match self {
            CacheType::F32 => 4 * head_size,
            CacheType::F16 => 2 * head_size,
            CacheType::Q8_0 => head_size + 2 * head_size.div_ceil(QUANTS),
        }
    }

    /// Writes one key into its place among `keys`, which are whole tiles.
    ///
    /// # Panics
    /// If the place is not within `keys`, or `keys` are not aligned for the type.
    pub fn store_key(self, key: &[f32], place: usize, keys: &mut [u8]) {
        let tile_bytes = TILE * self.position_bytes(key.len());
        let tile = &mut keys[place / TILE * tile_bytes..][..tile_bytes];
        let lane = place % TILE;
        match self {
            CacheType::F32 => scatter(key, lane, bytemuck::cast_slice_mut(tile)),
            CacheType::F16 => store_key_f16(key, lane, bytemuck::cast_slice_mut(tile)),
            CacheType::Q8_0 => store_key_q8_0(key, lane, tile),
        }
    }

    /// Writes one value, which takes all of `out`.
    ///
    /// # Panics
    /// If `out` has another length than a position or is not aligned for the type.
    pub fn store_value(self, value: &[f32], out: &mut [u8]) {
        assert_eq!(out.len(), self.position_bytes(value.len()));
        match self {
            CacheType::F32 => bytemuck::cast_slice_mut(out).copy_from_slice(value),
            CacheType::F16 => store_value_f16(value, bytemuck::cast_slice_mut(out)),
            CacheType::Q8_0 => store_value_q8_0(value, out),
        }
    }
}

/// One value per row of eight lanes.
#[inline(always)]
fn scatter<T: Copy>(values: &[T], lane: usize, tile: &mut [T]) {
    for (value, lanes) in values.iter().zip(tile.as_chunks_mut::<TILE>().0) {
        lanes[lane] = *value;
    }
}

versions! {
    /// A key of f16; heads are multiples of eight values.
    fn store_key_f16(key: &[f32], lane: usize, tile: &mut [u16]) => store_key_f16_body
}

#[inline(always)]
fn store_key_f16_body<F: Floats>(floats: F, key: &[f32], lane: usize, tile: &mut [u16]) {
    let tiles = tile.chunks_exact_mut(8 * TILE);
    for (values, tile) in key.as_chunks::<8>().0.iter().zip(tiles) {
        scatter(&halves(floats, values), lane, tile);
    }
}

versions! {
    /// A value of f16; heads are multiples of eight values.
    fn store_value_f16(value: &[f32], out: &mut [u16]) => store_value_f16_body
}

#[inline(always)]
fn store_value_f16_body<F: Floats>(floats: F, value: &[f32], out: &mut [u16]) {
    let out = out.as_chunks_mut::<8>().0.iter_mut();
    for (values, out) in value.as_chunks::<8>().0.iter().zip(out) {
        *out = halves(floats, values);
    }
}

/// Eight f32 rounded to f16. What is beyond the range of f16 becomes no number rather than infinity: a
/// key of minus infinity would not be seen by anybody, and answers would be wrong without a word.
#[inline(always)]
fn halves<F: Floats>(floats: F, values: &[f32; 8]) -> [u16; 8] {
    const INFINITY: u16 = 0x7C00;
    let halves = floats.to_f16(floats.load(values));
    halves.map(|half| half | u16::from(half & 0x7FFF == INFINITY))
}

/// Rounds up to 32 values to multiples of `max|x| / 127`; returns, in f16, the step of least square
/// error for these multiples, `sum(x q) / sum(q q)`. A step that f16 cannot hold is no number, and so is
/// one of values that are none.
fn quantize(values: &[f32], quants: &mut [i8]) -> [u8; 2] {
    let largest = values.iter().fold(0.0f32, |a, b| a.max(b.abs()));
    let inverse = 127.0 / largest;
    let inverse = if inverse.is_finite() { inverse } else { 0.0 };
    let (mut cross, mut square) = (0.0f32, 0.0f32);
    for (quant, value) in quants.iter_mut().zip(values) {
        let bounded = (value * inverse).clamp(-127.0, 127.0);
        let rounded = bounded.round_ties_even();
        *quant = rounded as i8;
        cross += bounded * rounded;
        square += rounded * rounded;
    }
    let correction = if square == 0.0 { 0.0 } else { cross / square };
    let step = largest / 127.0 * correction;
    let step = half::f16::from_f32(step);
    let step = if step.is_finite() {
        step
    } else {
        half::f16::NAN
    };
    step.to_le_bytes()
}

fn store_key_q8_0(key: &[f32], lane: usize, tile: &mut [u8]) {
    let (scales, quants) = tile.split_at_mut(2 * TILE * key.len().div_ceil(QUANTS));
    let scales = scales.chunks_exact_mut(2 * TILE);
    let quants: &mut [i8] = bytemuck::cast_slice_mut(quants);
    let blocks = key
        .chunks(QUANTS)
        .zip(quants.chunks_mut(QUANTS * TILE))
        .zip(scales);
    for ((values, tile), scales) in blocks {
        let mut block = [0i8; QUANTS];
        let scale = quantize(values, &mut block);
        scales[2 * lane..2 * lane + 2].copy_from_slice(&scale);
        scatter(&block[..values.len()], lane, tile);
    }
}

fn store_value_q8_0(value: &[f32], out: &mut [u8]) {
    let (scales, quants) = out.split_at_mut(2 * value.len().div_ceil(QUANTS));
    let quants: &mut [i8] = bytemuck::cast_slice_mut(quants);
    let blocks = value
        .chunks(QUANTS)
        .zip(quants.chunks_mut(QUANTS))
        .zip(scales.chunks_exact_mut(2));
    for ((values, quants), scale) in blocks {
        scale.copy_from_slice(&quantize(values, quants));
    }
}

/// f16 in f32.
#[inline(always)]
pub(super) fn widen_f16<F: Floats>(floats: F, values: &[u16], wide: &mut Vec<f32>) {
    wide.resize(values.len(), 0.0);
    let wide = wide.as_chunks_mut::<8>().0.iter_mut();
    for (wide, values) in wide.zip(values.as_chunks::<8>().0) {
        floats.store(floats.load_f16(values), wide);
    }
}

/// Eight f16 as they lie in memory.
#[inline(always)]
fn steps<F: Floats>(floats: F, bytes: &[u8; 16]) -> F::Lanes {
    let (pairs, _) = bytes.as_chunks::<2>();
    floats.load_f16(&std::array::from_fn(|i| u16::from_le_bytes(pairs[i])))
}

/// Keys of whole tiles as `[tile][head_size][8]` f32, asking for those that are `ahead` bytes on.
#[inline(always)]
pub(super) fn widen_keys_q8_0<F: Floats>(
    floats: F,
    keys: &[u8],
    ahead: usize,
    size: usize,
    wide: &mut [f32],
) {
    let scale_bytes = 2 * TILE * size.div_ceil(QUANTS);
    let tiles = keys.chunks_exact(scale_bytes + TILE * size);
    for (tile, wide) in tiles.zip(wide.chunks_exact_mut(TILE * size)) {
        for line in tile.chunks(64) {
            floats.prefetch_level_2(&line[0], ahead);
        }
        let (scales, quants) = tile.split_at(scale_bytes);
        let blocks = wide
            .chunks_mut(QUANTS * TILE)
            .zip(quants.chunks(QUANTS * TILE));
        for ((wide, quants), scales) in blocks.zip(scales.as_chunks::<16>().0) {
            let steps = steps(floats, scales);
            let lanes = wide.as_chunks_mut::<TILE>().0.iter_mut();
            for (wide, quants) in lanes.zip(quants.as_chunks::<TILE>().0) {
                let quants = floats.load_i8(bytemuck::cast_ref(quants));
                floats.store(floats.mul(quants, steps), wide);
            }
        }
    }
}

/// Values of some positions as `[position][head_size]` f32, asking for those that are `ahead` bytes
/// on.
#[inline(always)]
pub(super) fn widen_values_q8_0<F: Floats>(
    floats: F,
    values: &[u8],
    ahead: usize,
    size: usize,
    wide: &mut [f32],
) {
    let scale_bytes = 2 * size.div_ceil(QUANTS);
    let rows = values.chunks_exact(scale_bytes + size);
    for (row, wide) in rows.zip(wide.chunks_exact_mut(size)) {
        for line in row.chunks(64) {
            floats.prefetch_level_2(&line[0], ahead);
        }
        let (scales, quants) = row.split_at(scale_bytes);
        let blocks = wide.chunks_mut(QUANTS).zip(quants.chunks(QUANTS));
        for ((wide, quants), scale) in blocks.zip(scales.as_chunks::<2>().0) {
            let step = floats.splat(half::f16::from_le_bytes(*scale).to_f32());
            // Heads are multiples of eight values.
            let lanes = wide.as_chunks_mut::<8>().0.iter_mut();
            for (wide, quants) in lanes.zip(quants.as_chunks::<8>().0) {
                let quants = floats.load_i8(bytemuck::cast_ref(quants));
                floats.store(floats.mul(quants, step), wide);
            }
        }
    }
}
