//! Attention of a few query rows over a span of keys and values, one key/value head at a time.
//!
//! Softmax is taken on line (arXiv:2205.14135): a span gives its largest score, the sum of the
//! exponentials below it and the weighted values, and spans merge exactly. Query rows are whatever
//! shares the keys: the heads of a group, several tokens of a prompt, or both. Sums are in f32.
//!
//! [`CacheType`] says how keys and values lie in memory. Many rows (a prompt) widen each block to
//! f32 once and share it; few rows (decode) widen f16 as they read. Either way every score and every
//! value is summed in the same order, so a row's result does not depend on the rows beside it, to
//! the last bit.

mod cache;

pub use cache::{CacheType, TILE};

use crate::arch::versions::{exp, multiply_add, sum8, versions, widen};
use cache::{widen_keys_q8_0, widen_values_q8_0};

/// Positions handled at a time; spans start at multiples of it.
pub const BLOCK: usize = 32;
/// From this many query rows on, widening a block once pays.
const WIDEN_FROM: usize = 8;

/// A span of cached keys and values of one head, in whole blocks of [`BLOCK`] positions.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// Keys in tiles, as [`CacheType`] says.
    pub keys: &'a [u8],
    /// Values, position after position.
    pub values: &'a [u8],
    /// Position of the first key in its sequence.
    pub first_position: usize,
}

/// One row of queries.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QueryRow {
    /// Its position: it sees keys up to and including this one.
    pub position: usize,
    /// ALiBi slope (arXiv:2108.12409): a key `n` positions back loses `n * slope`; 0: none.
    pub slope: f32,
}

/// Running result of some query rows; reused between calls.
#[derive(Clone, Debug, Default)]
pub struct Attention {
    head_size: usize,
    cache: CacheType,
    rows: Vec<QueryRow>,
    queries: Vec<f32>,
    /// Per row, `[largest score, sum, values]` of the open chunk.
    open: Vec<f32>,
    /// The same of all closed chunks together.
    closed: Vec<f32>,
    weights: Vec<[f32; BLOCK]>,
    wide_keys: Vec<f32>,
    wide_values: Vec<f32>,
}

/// Numbers before the values of a partial result: largest score and sum.
pub const PARTIAL_HEAD: usize = 2;

impl Attention {
    /// Starts anew for heads of `head_size` values that are kept as `cache`.
    ///
    /// # Panics
    /// If `head_size` is not a positive multiple of 8.
    pub fn start(&mut self, head_size: usize, cache: CacheType) {
        assert!(
            head_size > 0 && head_size.is_multiple_of(8),
            "head size {head_size}"
        );
        self.head_size = head_size;
        self.cache = cache;
        self.rows.clear();
        self.queries.clear();
        self.open.clear();
        self.closed.clear();
    }

    /// Adds a query row, already scaled by `1 / sqrt(head_size)`.
    ///
    /// # Panics
    /// If it has another length than the head.
    pub fn push_query(&mut self, row: QueryRow, query: &[f32]) {
        assert_eq!(query.len(), self.head_size);
        self.rows.push(row);
        self.queries.extend_from_slice(query);
        for partials in [&mut self.open, &mut self.closed] {
            partials.extend([f32::NEG_INFINITY, 0.0]);
            partials.resize(partials.len() + self.head_size, 0.0);
        }
        self.weights.resize(self.rows.len(), [0.0; BLOCK]);
    }

    /// Query rows so far.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Adds one span of keys and values to the open chunk of every row that may see it.
    ///
    /// # Panics
    /// If keys and values differ in length, are not whole blocks or not aligned for their type.
    pub fn attend(&mut self, span: Span<'_>) {
        assert!(span.keys.len() == span.values.len());
        let block_bytes = self.cache.position_bytes(self.head_size) * BLOCK;
        assert!(span.keys.len().is_multiple_of(block_bytes));
        attend_span(self, span);
    }

    /// Closes the open chunk: its result joins those before it. Results depend on where chunks are
    /// closed (in their last bits), and on nothing else.
    pub fn close_chunk(&mut self) {
        let size = PARTIAL_HEAD + self.head_size;
        for (open, closed) in self
            .open
            .chunks_exact_mut(size)
            .zip(self.closed.chunks_exact_mut(size))
        {
            join(open, closed);
            open.fill(0.0);
            open[0] = f32::NEG_INFINITY;
        }
    }

    /// `[largest score, sum of exponentials, weighted values]` of row `row` over the closed chunks,
    /// for [`merge`].
    pub fn partial(&self, row: usize) -> &[f32] {
        let size = PARTIAL_HEAD + self.head_size;
        &self.closed[row * size..][..size]
    }
}

versions! {
    /// Adds a partial result to another.
    fn join(partial: &[f32], total: &mut [f32]) => join_body
}

#[inline(always)]
fn join_body<const FUSED: bool>(partial: &[f32], total: &mut [f32]) {
    if partial[1] == 0.0 {
        return;
    }
    let largest = partial[0].max(total[0]);
    let (new, old) = (
        exp::<FUSED>(partial[0] - largest),
        exp::<FUSED>(total[0] - largest),
    );
    for (total, partial) in total[1..].iter_mut().zip(&partial[1..]) {
        *total = *total * old + partial * new;
    }
    total[0] = largest;
}

/// Merges partial results of one row over consecutive chunks into its attention: weighted values
/// over the sum of weights. `total` is scratch.
pub fn merge<'a>(partials: impl Iterator<Item = &'a [f32]>, total: &mut Vec<f32>, out: &mut [f32]) {
    total.clear();
    total.resize(PARTIAL_HEAD + out.len(), 0.0);
    total[0] = f32::NEG_INFINITY;
    partials.for_each(|partial| join(partial, total));
    let scale = 1.0 / total[1];
    for (out, value) in out.iter_mut().zip(&total[PARTIAL_HEAD..]) {
        *out = value * scale;
    }
}

/// A stored number that can be read as f32, eight at a time.
trait Lanes: Copy {
    fn lanes<const FUSED: bool>(values: &[Self; 8]) -> [f32; 8];
}

impl Lanes for f32 {
    #[inline(always)]
    fn lanes<const FUSED: bool>(values: &[f32; 8]) -> [f32; 8] {
        *values
    }
}

/// f16 bits.
impl Lanes for u16 {
    #[inline(always)]
    fn lanes<const FUSED: bool>(values: &[u16; 8]) -> [f32; 8] {
        widen::<FUSED>(values)
    }
}

versions! {
    /// [`Attention::attend`], block by block.
    fn attend_span(state: &mut Attention, span: Span<'_>) => attend_span_body
}

#[inline(always)]
fn attend_span_body<const FUSED: bool>(state: &mut Attention, span: Span<'_>) {
    let position_bytes = state.cache.position_bytes(state.head_size);
    let last_seen = state
        .rows
        .iter()
        .map(|row| row.position + 1)
        .max()
        .unwrap_or(0);
    let visible = last_seen
        .saturating_sub(span.first_position)
        .min(span.keys.len() / position_bytes);
    let (mut wide_keys, mut wide_values) = (
        std::mem::take(&mut state.wide_keys),
        std::mem::take(&mut state.wide_values),
    );
    for first in (0..visible).step_by(BLOCK) {
        let part = first * position_bytes..(first + BLOCK) * position_bytes;
        let (keys, values) = (&span.keys[part.clone()], &span.values[part]);
        let block = Block {
            first_position: span.first_position + first,
            positions: BLOCK.min(visible - first),
        };
        match state.cache {
            CacheType::F32 => block.attend::<FUSED, f32>(
                state,
                bytemuck::cast_slice(keys),
                bytemuck::cast_slice(values),
            ),
            CacheType::F16 if state.rows.len() < WIDEN_FROM => block.attend::<FUSED, u16>(
                state,
                bytemuck::cast_slice(keys),
                bytemuck::cast_slice(values),
            ),
            CacheType::F16 => {
                widen_all::<FUSED>(bytemuck::cast_slice(keys), &mut wide_keys);
                widen_all::<FUSED>(bytemuck::cast_slice(values), &mut wide_values);
                block.attend::<FUSED, f32>(state, &wide_keys, &wide_values);
            }
            CacheType::Q8_0 => {
                let size = state.head_size;
                wide_keys.resize(BLOCK * size, 0.0);
                wide_values.resize(BLOCK * size, 0.0);
                widen_keys_q8_0::<FUSED>(keys, size, &mut wide_keys);
                widen_values_q8_0(values, size, &mut wide_values);
                block.attend::<FUSED, f32>(state, &wide_keys, &wide_values);
            }
        }
    }
    (state.wide_keys, state.wide_values) = (wide_keys, wide_values);
}

/// Up to [`BLOCK`] positions that are handled together.
struct Block {
    first_position: usize,
    /// How many of them exist.
    positions: usize,
}

impl Block {
    /// Scores, weights and weighted values of all query rows.
    #[inline(always)]
    fn attend<const FUSED: bool, T: Lanes>(self, state: &mut Attention, keys: &[T], values: &[T]) {
        let size = state.head_size;
        scores::<FUSED, T>(&state.queries, keys, size, &mut state.weights);
        weigh::<FUSED>(state, self.first_position, self.positions);
        let values = &values[..self.positions * size];
        add_values::<FUSED, T>(&state.weights, values, size, &mut state.open);
    }
}

#[inline(always)]
fn widen_all<const FUSED: bool>(values: &[u16], wide: &mut Vec<f32>) {
    wide.resize(values.len(), 0.0);
    for (wide, value) in wide
        .as_chunks_mut::<8>()
        .0
        .iter_mut()
        .zip(values.as_chunks::<8>().0)
    {
        *wide = widen::<FUSED>(value);
    }
}

/// Scores to weights: masks, finds the new largest, rescales what was there, exponentiates.
#[inline(always)]
fn weigh<const FUSED: bool>(state: &mut Attention, first_position: usize, keys: usize) {
    let rows = state.rows.iter().zip(&mut state.weights);
    for ((row, scores), open) in
        rows.zip(state.open.chunks_exact_mut(PARTIAL_HEAD + state.head_size))
    {
        let seen = (row.position + 1).saturating_sub(first_position).min(keys);
        if seen == 0 {
            scores.fill(0.0);
            continue;
        }
        if row.slope != 0.0 {
            for (key, score) in scores[..seen].iter_mut().enumerate() {
                *score -= row.slope * (row.position - first_position - key) as f32;
            }
        }
        scores[seen..].fill(f32::NEG_INFINITY);
        let before = open[0];
        let mut lanes = [before; 8];
        for chunk in scores.as_chunks::<8>().0 {
            for (lane, score) in lanes.iter_mut().zip(chunk) {
                *lane = if *score > *lane { *score } else { *lane };
            }
        }
        let largest = lanes
            .iter()
            .fold(before, |a, b| if *b > a { *b } else { a });
        let mut sums = [0.0; 8];
        for chunk in scores.as_chunks_mut::<8>().0 {
            for (score, sum) in chunk.iter_mut().zip(&mut sums) {
                *score = exp::<FUSED>(*score - largest);
                *sum += *score;
            }
        }
        if largest > before {
            let shrink = exp::<FUSED>(before - largest);
            open[1..].iter_mut().for_each(|value| *value *= shrink);
        }
        open[0] = largest;
        open[1] += sum8(sums);
    }
}

/// Scores of every query row against the keys of a block.
#[inline(always)]
fn scores<const FUSED: bool, T: Lanes>(
    queries: &[f32],
    keys: &[T],
    size: usize,
    scores: &mut [[f32; BLOCK]],
) {
    let (tiles, _) = keys.as_chunks::<TILE>();
    for (queries, scores) in queries.chunks(2 * size).zip(scores.chunks_mut(2)) {
        let (first, second) = queries.split_at(size);
        if let [first_scores, second_scores] = scores {
            [*first_scores, *second_scores] = score_rows::<FUSED, 2, T>([first, second], tiles);
        } else {
            [scores[0]] = score_rows::<FUSED, 1, T>([first], tiles);
        }
    }
}

/// Scores of `R` rows: one chain of sums per key, over the values of the head in order.
#[inline(always)]
fn score_rows<const FUSED: bool, const R: usize, T: Lanes>(
    queries: [&[f32]; R],
    tiles: &[[T; TILE]],
) -> [[f32; BLOCK]; R] {
    let size = queries[0].len();
    let mut sums = [[[0.0f32; TILE]; BLOCK / TILE]; R];
    let tiles: [&[[T; TILE]]; BLOCK / TILE] =
        std::array::from_fn(|tile| &tiles[tile * size..(tile + 1) * size]);
    for index in 0..size {
        let keys: [[f32; TILE]; BLOCK / TILE] =
            std::array::from_fn(|tile| T::lanes::<FUSED>(&tiles[tile][index]));
        for r in 0..R {
            let query = queries[r][index];
            for tile in 0..BLOCK / TILE {
                for lane in 0..TILE {
                    let sum = &mut sums[r][tile][lane];
                    *sum = multiply_add::<FUSED>(query, keys[tile][lane], *sum);
                }
            }
        }
    }
    std::array::from_fn(|r| std::array::from_fn(|key| sums[r][key / TILE][key % TILE]))
}

/// Adds the weighted values of a block to every row's open chunk.
#[inline(always)]
fn add_values<const FUSED: bool, T: Lanes>(
    weights: &[[f32; BLOCK]],
    values: &[T],
    size: usize,
    open: &mut [f32],
) {
    let stride = PARTIAL_HEAD + size;
    for (weights, open) in weights.chunks(2).zip(open.chunks_mut(2 * stride)) {
        let (first, second) = open.split_at_mut(stride);
        if let [first_weights, second_weights] = weights
            && !second.is_empty()
        {
            let out = [&mut first[PARTIAL_HEAD..], &mut second[PARTIAL_HEAD..]];
            weighted_sums::<FUSED, 2, T>([first_weights, second_weights], values, out);
        } else {
            weighted_sums::<FUSED, 1, T>([&weights[0]], values, [&mut first[PARTIAL_HEAD..]]);
        }
    }
}

/// `out[r] += sum over keys of weights[r][key] * values[key]`, 32 or 8 values at a time.
#[inline(always)]
fn weighted_sums<const FUSED: bool, const R: usize, T: Lanes>(
    weights: [&[f32; BLOCK]; R],
    values: &[T],
    mut out: [&mut [f32]; R],
) {
    let vectors = out[0].len() / 8;
    let mut first = 0;
    while first + 4 <= vectors {
        sum_vectors::<FUSED, R, 4, T>(weights, values, &mut out, first);
        first += 4;
    }
    while first < vectors {
        sum_vectors::<FUSED, R, 1, T>(weights, values, &mut out, first);
        first += 1;
    }
}

/// [`weighted_sums`] of `N` vectors of eight values from vector `first` on.
#[inline(always)]
fn sum_vectors<const FUSED: bool, const R: usize, const N: usize, T: Lanes>(
    weights: [&[f32; BLOCK]; R],
    values: &[T],
    out: &mut [&mut [f32]; R],
    first: usize,
) {
    let vectors = out[0].len() / 8;
    let mut sums: [[[f32; 8]; N]; R] =
        std::array::from_fn(|r| std::array::from_fn(|n| out[r].as_chunks::<8>().0[first + n]));
    for (key, value) in values.as_chunks::<8>().0.chunks_exact(vectors).enumerate() {
        let value: [[f32; 8]; N] = std::array::from_fn(|n| T::lanes::<FUSED>(&value[first + n]));
        for r in 0..R {
            let weight = weights[r][key];
            for n in 0..N {
                for lane in 0..8 {
                    sums[r][n][lane] =
                        multiply_add::<FUSED>(weight, value[n][lane], sums[r][n][lane]);
                }
            }
        }
    }
    for r in 0..R {
        for n in 0..N {
            out[r].as_chunks_mut::<8>().0[first + n] = sums[r][n];
        }
    }
}
