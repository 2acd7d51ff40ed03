//! Attention of a few query rows over a span of keys and values, one key/value head at a time.
//!
//! Softmax is taken on line (arXiv:2205.14135): a span gives its largest score, the sum of the
//! exponentials below it and the weighted values, and spans merge exactly. Query rows are whatever
//! shares the keys: the heads of a group, several tokens of a prompt, or both. Sums are in f32.
//!
//! Few rows (decode) read keys and values as they stand in f16; many rows (prefill) widen each
//! block of keys once, transposed, so that no score needs a sum across a vector.

use crate::arch::versions::{exp, multiply_add, sum8, versions, widen};

/// Keys handled at a time: their scores and widened values stay in the first-level cache.
const BLOCK: usize = 32;
/// From this many query rows on, widening a block of keys pays.
const WIDEN_FROM: usize = 8;

/// A span of cached keys and values of one head: `[position][head_size]` in f16.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// Keys.
    pub keys: &'a [u16],
    /// Values.
    pub values: &'a [u16],
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
    rows: Vec<QueryRow>,
    queries: Vec<f32>,
    largest: Vec<f32>,
    sums: Vec<f32>,
    values: Vec<f32>,
    scores: Vec<f32>,
    wide_keys: Vec<f32>,
    wide_values: Vec<f32>,
}

impl Attention {
    /// Starts anew for heads of `head_size` values.
    ///
    /// # Panics
    /// If `head_size` is not a positive multiple of 8.
    pub fn start(&mut self, head_size: usize) {
        assert!(
            head_size > 0 && head_size.is_multiple_of(8),
            "head size {head_size}"
        );
        self.head_size = head_size;
        self.rows.clear();
        self.queries.clear();
    }

    /// Adds a query row, already scaled by `1 / sqrt(head_size)`.
    ///
    /// # Panics
    /// If it has another length than the head.
    pub fn push_query(&mut self, row: QueryRow, query: &[f32]) {
        assert_eq!(query.len(), self.head_size);
        self.rows.push(row);
        self.queries.extend_from_slice(query);
        self.largest.clear();
    }

    /// Query rows so far.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Adds one span of keys and values to every row that may see it.
    ///
    /// # Panics
    /// If keys and values differ in length or are not whole positions.
    pub fn attend(&mut self, span: Span<'_>) {
        assert!(span.keys.len() == span.values.len());
        assert!(span.keys.len().is_multiple_of(self.head_size));
        if self.largest.is_empty() {
            let rows = self.rows.len();
            self.largest.resize(rows, f32::NEG_INFINITY);
            self.sums.clear();
            self.sums.resize(rows, 0.0);
            self.values.clear();
            self.values.resize(rows * self.head_size, 0.0);
            self.scores.resize(rows * BLOCK, 0.0);
            self.wide_keys.resize(self.head_size * BLOCK, 0.0);
            self.wide_values.resize(self.head_size * BLOCK, 0.0);
        }
        attend_span(self, span);
    }

    /// `(largest score, sum of exponentials, weighted values)` of row `row`, for [`merge`].
    pub fn partial(&self, row: usize) -> (f32, f32, &[f32]) {
        (
            self.largest[row],
            self.sums[row],
            &self.values[row * self.head_size..][..self.head_size],
        )
    }

    /// The finished row: weighted values over the sum of weights.
    pub fn finish(&self, row: usize, out: &mut [f32]) {
        let (_, sum, values) = self.partial(row);
        let scale = 1.0 / sum;
        for (out, value) in out.iter_mut().zip(values) {
            *out = value * scale;
        }
    }
}

/// Merges partial results of one row over different spans (each `[largest, sum, values...]`).
/// A partial that saw no key has a sum of 0.
pub fn merge<'a>(partials: impl Iterator<Item = &'a [f32]> + Clone, out: &mut [f32]) {
    let largest = partials
        .clone()
        .map(|p| p[0])
        .fold(f32::NEG_INFINITY, f32::max);
    out.fill(0.0);
    let mut sum = 0.0;
    for partial in partials.filter(|p| p[1] > 0.0) {
        let weight = (partial[0] - largest).exp();
        sum += partial[1] * weight;
        for (out, value) in out.iter_mut().zip(&partial[2..]) {
            *out += value * weight;
        }
    }
    let scale = 1.0 / sum;
    out.iter_mut().for_each(|value| *value *= scale);
}

versions! {
    /// [`Attention::attend`], block by block.
    fn attend_span(state: &mut Attention, span: Span<'_>) => attend_span_body
}

#[inline(always)]
fn attend_span_body<const FUSED: bool>(state: &mut Attention, span: Span<'_>) {
    let size = state.head_size;
    let last_seen = state
        .rows
        .iter()
        .map(|row| row.position + 1)
        .max()
        .unwrap_or(0);
    let visible = last_seen
        .saturating_sub(span.first_position)
        .min(span.keys.len() / size);
    for first in (0..visible).step_by(BLOCK) {
        let keys = BLOCK.min(visible - first);
        let part = first * size..(first + keys) * size;
        let block = Span {
            keys: &span.keys[part.clone()],
            values: &span.values[part],
            first_position: span.first_position + first,
        };
        if state.rows.len() < WIDEN_FROM {
            narrow_scores::<FUSED>(state, block.keys);
            weigh::<FUSED>(state, block.first_position, keys);
            narrow_values::<FUSED>(state, block.values);
        } else {
            widen_block::<FUSED>(state, block);
            wide_scores::<FUSED>(state);
            weigh::<FUSED>(state, block.first_position, keys);
            wide_values::<FUSED>(state, keys);
        }
    }
}

/// Scores to weights: masks, finds the new largest, rescales what was there, exponentiates.
#[inline(always)]
fn weigh<const FUSED: bool>(state: &mut Attention, first_position: usize, keys: usize) {
    let size = state.head_size;
    for (index, row) in state.rows.iter().enumerate() {
        let scores: &mut [f32; BLOCK] = (&mut state.scores[index * BLOCK..][..BLOCK])
            .try_into()
            .expect("one block");
        let seen = (row.position + 1).saturating_sub(first_position).min(keys);
        scores[seen..].fill(f32::NEG_INFINITY);
        if row.slope != 0.0 {
            for (key, score) in scores[..seen].iter_mut().enumerate() {
                *score -= row.slope * (row.position - first_position - key) as f32;
            }
        }
        if seen == 0 {
            scores.fill(0.0);
            continue;
        }
        let before = state.largest[index];
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
            state.sums[index] *= shrink;
            for value in &mut state.values[index * size..][..size] {
                *value *= shrink;
            }
        }
        state.largest[index] = largest;
        state.sums[index] += sum8(sums);
    }
}

/// Calls `$body::<FUSED, R>` for groups of up to four rows.
macro_rules! by_four_rows {
    ($rows:expr, |$first:ident| $body:ident($($arg:expr),*)) => {
        let mut $first = 0;
        while $first < $rows {
            match $rows - $first {
                1 => $body::<FUSED, 1>($($arg),*),
                2 => $body::<FUSED, 2>($($arg),*),
                3 => $body::<FUSED, 3>($($arg),*),
                _ => $body::<FUSED, 4>($($arg),*),
            }
            $first += 4;
        }
    };
}

#[inline(always)]
fn narrow_scores<const FUSED: bool>(state: &mut Attention, keys: &[u16]) {
    let size = state.head_size;
    by_four_rows!(state.rows.len(), |first| dot_rows(
        &state.queries[first * size..],
        keys,
        size,
        &mut state.scores[first * BLOCK..]
    ));
}

/// Scores of `R` rows against every key of a block.
#[inline(always)]
fn dot_rows<const FUSED: bool, const R: usize>(
    queries: &[f32],
    keys: &[u16],
    size: usize,
    scores: &mut [f32],
) {
    let queries: [&[[f32; 8]]; R] =
        std::array::from_fn(|r| queries[r * size..][..size].as_chunks::<8>().0);
    for (index, key) in keys.chunks_exact(size).enumerate() {
        let mut sums = [[0.0; 8]; R];
        for (chunk, key) in key.as_chunks::<8>().0.iter().enumerate() {
            let key = widen::<FUSED>(key);
            for r in 0..R {
                let query = &queries[r][chunk];
                for lane in 0..8 {
                    sums[r][lane] = multiply_add::<FUSED>(key[lane], query[lane], sums[r][lane]);
                }
            }
        }
        for r in 0..R {
            scores[r * BLOCK + index] = sum8(sums[r]);
        }
    }
}

#[inline(always)]
fn narrow_values<const FUSED: bool>(state: &mut Attention, values: &[u16]) {
    let size = state.head_size;
    by_four_rows!(state.rows.len(), |first| sum_rows(
        &state.scores[first * BLOCK..],
        values,
        size,
        &mut state.values[first * size..]
    ));
}

/// Adds the weighted values of a block to `R` rows.
#[inline(always)]
fn sum_rows<const FUSED: bool, const R: usize>(
    weights: &[f32],
    values: &[u16],
    size: usize,
    out: &mut [f32],
) {
    for chunk in 0..size / 8 {
        let mut sums: [[f32; 8]; R] =
            std::array::from_fn(|r| *out[r * size + 8 * chunk..].first_chunk().expect("a chunk"));
        for (index, value) in values.chunks_exact(size).enumerate() {
            let value = widen::<FUSED>(&value.as_chunks::<8>().0[chunk]);
            for r in 0..R {
                let weight = weights[r * BLOCK + index];
                for lane in 0..8 {
                    sums[r][lane] = multiply_add::<FUSED>(weight, value[lane], sums[r][lane]);
                }
            }
        }
        for r in 0..R {
            out[r * size + 8 * chunk..][..8].copy_from_slice(&sums[r]);
        }
    }
}

/// Widens a block: keys transposed to `[head_size][BLOCK]`, values to `[BLOCK][head_size]`. Keys
/// beyond the block's end keep old numbers; their scores are masked.
#[inline(always)]
fn widen_block<const FUSED: bool>(state: &mut Attention, block: Span<'_>) {
    let size = state.head_size;
    for (index, key) in block.keys.chunks_exact(size).enumerate() {
        for (chunk, key) in key.as_chunks::<8>().0.iter().enumerate() {
            for (lane, value) in widen::<FUSED>(key).into_iter().enumerate() {
                state.wide_keys[(8 * chunk + lane) * BLOCK + index] = value;
            }
        }
    }
    let wide = state.wide_values.as_chunks_mut::<8>().0;
    for (value, wide) in block.values.as_chunks::<8>().0.iter().zip(wide) {
        *wide = widen::<FUSED>(value);
    }
}

#[inline(always)]
fn wide_scores<const FUSED: bool>(state: &mut Attention) {
    let size = state.head_size;
    let keys = state.wide_keys.as_chunks::<BLOCK>().0;
    let scores = state.scores.as_chunks_mut::<BLOCK>().0;
    for (queries, scores) in state.queries.chunks(2 * size).zip(scores.chunks_mut(2)) {
        let (first, second) = queries.split_at(size);
        if let [first_scores, second_scores] = scores {
            let sums = outer_sums::<FUSED, 2>([first, second], keys);
            (*first_scores, *second_scores) = (sums[0], sums[1]);
        } else {
            [scores[0]] = outer_sums::<FUSED, 1>([first], keys);
        }
    }
}

/// `sums[r][lane] = sum over i of left[r][i] * right[i][lane]`.
#[inline(always)]
fn outer_sums<const FUSED: bool, const R: usize>(
    left: [&[f32]; R],
    right: &[[f32; BLOCK]],
) -> [[f32; BLOCK]; R] {
    let mut sums = [[0.0; BLOCK]; R];
    for (i, right) in right.iter().enumerate() {
        for r in 0..R {
            let left = left[r][i];
            for lane in 0..BLOCK {
                sums[r][lane] = multiply_add::<FUSED>(left, right[lane], sums[r][lane]);
            }
        }
    }
    sums
}

/// Adds the weighted values of a widened block to all rows.
#[inline(always)]
fn wide_values<const FUSED: bool>(state: &mut Attention, keys: usize) {
    let size = state.head_size;
    let values = &state.wide_values[..keys * size];
    let weights = state.scores.as_chunks::<BLOCK>().0;
    for (weights, out) in weights.chunks(2).zip(state.values.chunks_mut(2 * size)) {
        let (first, second) = out.split_at_mut(size);
        if let [first_weights, second_weights] = weights {
            weighted_sums::<FUSED, 2>([first_weights, second_weights], values, [first, second]);
        } else {
            weighted_sums::<FUSED, 1>([&weights[0]], values, [first]);
        }
    }
}

/// `out[r] += sum over keys of weights[r][key] * values[key]`, 32 or 8 values at a time.
#[inline(always)]
fn weighted_sums<const FUSED: bool, const R: usize>(
    weights: [&[f32; BLOCK]; R],
    values: &[f32],
    mut out: [&mut [f32]; R],
) {
    let size = out[0].len();
    let wide = size / 32 * 32;
    for start in (0..wide).step_by(32) {
        sum_lanes::<FUSED, R, 32>(weights, values, &mut out, start);
    }
    for start in (wide..size).step_by(8) {
        sum_lanes::<FUSED, R, 8>(weights, values, &mut out, start);
    }
}

/// [`weighted_sums`] of the `L` values from `start` on.
#[inline(always)]
fn sum_lanes<const FUSED: bool, const R: usize, const L: usize>(
    weights: [&[f32; BLOCK]; R],
    values: &[f32],
    out: &mut [&mut [f32]; R],
    start: usize,
) {
    let size = out[0].len();
    let mut sums: [[f32; L]; R] =
        std::array::from_fn(|r| *out[r][start..].first_chunk().expect("lanes within the row"));
    for (key, value) in values.chunks_exact(size).enumerate() {
        let value: &[f32; L] = value[start..].first_chunk().expect("lanes within the row");
        for r in 0..R {
            let weight = weights[r][key];
            for lane in 0..L {
                sums[r][lane] = multiply_add::<FUSED>(weight, value[lane], sums[r][lane]);
            }
        }
    }
    for r in 0..R {
        out[r][start..start + L].copy_from_slice(&sums[r]);
    }
}
