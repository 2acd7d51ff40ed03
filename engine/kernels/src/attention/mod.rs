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
mod reach;
mod scores;
mod softmax;
mod span;
mod stored;
mod values;

pub use cache::{CacheType, TILE};
pub use reach::longest;
pub use span::{BLOCK, PARTIAL_HEAD, QueryRow, Span};

use crate::arch::floats::Floats;
use crate::arch::versions::versions;
use cache::{widen_f16, widen_keys_q8_0, widen_values_q8_0};
use reach::is_out_of_reach;
use scores::scores;
use softmax::weigh;
use stored::Stored;
use values::add_values;

/// Query rows that are taken through a block together: with heads of 128 values, their queries, weights
/// and open chunks, and a block of keys or of values, are 26 KB.
const ROWS_TOGETHER: usize = 16;
/// From this many query rows on, widening a block once pays.
const WIDEN_FROM: usize = 16;

/// Running result of some query rows; reused between calls.
#[derive(Clone, Debug, Default)]
pub struct Attention {
    head_size: usize,
    cache: CacheType,
    rows: Vec<QueryRow>,
    queries: Vec<f32>,
    /// Upper bounds of the queries' lengths.
    lengths: Vec<f32>,
    /// Per row, `[largest score, sum, values]` of the open chunk.
    open: Vec<f32>,
    /// The same of all closed chunks together.
    closed: Vec<f32>,
    weights: Vec<[f32; BLOCK]>,
    wide_keys: Vec<f32>,
    wide_values: Vec<f32>,
}

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
        self.lengths.clear();
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
        // Nobody asks for the others.
        let length = if row.slope > 0.0 {
            longest(query)
        } else {
            f32::INFINITY
        };
        self.lengths.push(length);
        for partials in [&mut self.open, &mut self.closed] {
            partials.extend([f32::NEG_INFINITY, 0.0]);
            partials.resize(partials.len() + self.head_size, 0.0);
        }
        self.weights.resize(self.rows.len(), [0.0; BLOCK]);
    }

    /// Whether a chunk that ends with position `last` weighs nothing for any query row, if no key in it
    /// nor at a row's own position is longer than `key_length`, see [`longest`]. Such a chunk may be
    /// left out, if those behind it were attended to before: results are the same to the bit.
    pub fn weighs_nothing(&self, last: usize, key_length: f32) -> bool {
        let mut rows = self.rows.iter().zip(&self.lengths);
        !self.rows.is_empty()
            && rows.all(|(row, length)| is_out_of_reach(*row, *length, last, key_length))
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
    /// closed and in which order (in their last bits), and on nothing else.
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
fn join_body<F: Floats>(floats: F, partial: &[f32], total: &mut [f32]) {
    if partial[1] == 0.0 {
        return;
    }
    let largest = partial[0].max(total[0]);
    let (new, old) = (
        floats.exp_of(partial[0] - largest),
        floats.exp_of(total[0] - largest),
    );
    // What weighs nothing adds nothing, not even the sign of a zero: whether such a chunk was computed at
    // all does not show. But a sum that is no number has a weight that nobody knows.
    if new == 0.0 && !partial[1].is_nan() {
        return;
    }
    for (total, partial) in total[1..].iter_mut().zip(&partial[1..]) {
        *total = *total * old + partial * new;
    }
    total[0] = largest;
}

/// Merges partial results of one row over consecutive chunks, the last chunk first, into its
/// attention: weighted values over the sum of weights. `total` is scratch.
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

versions! {
    /// [`Attention::attend`], block by block.
    fn attend_span(state: &mut Attention, span: Span<'_>) => attend_span_body
}

#[inline(always)]
fn attend_span_body<F: Floats>(floats: F, state: &mut Attention, span: Span<'_>) {
    let block_bytes = state.cache.position_bytes(state.head_size) * BLOCK;
    let last_seen = state.rows.iter().map(|row| row.position + 1).max();
    let visible = last_seen
        .unwrap_or(0)
        .saturating_sub(span.first_position)
        .min(span.keys.len() / block_bytes * BLOCK);
    let (mut wide_keys, mut wide_values) = (
        std::mem::take(&mut state.wide_keys),
        std::mem::take(&mut state.wide_values),
    );
    for index in 0..visible.div_ceil(BLOCK) {
        let part = index * block_bytes..(index + 1) * block_bytes;
        let (keys, values) = (&span.keys[part.clone()], &span.values[part]);
        let block = Block {
            first_position: span.first_position + index * BLOCK,
            positions: BLOCK.min(visible - index * BLOCK),
            ahead: ahead(
                [span.keys, span.values],
                span.next,
                index * block_bytes,
                block_bytes,
            ),
        };
        match state.cache {
            CacheType::F32 => block.attend::<F, f32>(
                floats,
                state,
                bytemuck::cast_slice(keys),
                bytemuck::cast_slice(values),
            ),
            CacheType::F16 if state.rows.len() < WIDEN_FROM => block.attend::<F, u16>(
                floats,
                state,
                bytemuck::cast_slice(keys),
                bytemuck::cast_slice(values),
            ),
            CacheType::F16 => {
                widen_f16(floats, bytemuck::cast_slice(keys), &mut wide_keys);
                widen_f16(floats, bytemuck::cast_slice(values), &mut wide_values);
                block.attend::<F, f32>(floats, state, &wide_keys, &wide_values);
            }
            CacheType::Q8_0 => {
                let size = state.head_size;
                wide_keys.resize(BLOCK * size, 0.0);
                wide_values.resize(BLOCK * size, 0.0);
                widen_keys_q8_0(floats, keys, block.ahead[0], size, &mut wide_keys);
                widen_values_q8_0(floats, values, block.ahead[1], size, &mut wide_values);
                block.attend::<F, f32>(floats, state, &wide_keys, &wide_values);
            }
        }
    }
    (state.wide_keys, state.wide_values) = (wide_keys, wide_values);
}

/// How many bytes beyond the block at `offset` of this span the block after it lies, for keys and
/// for values: the next one of the span, or the first of the next span. 0 where there is none.
#[inline(always)]
fn ahead(here: [&[u8]; 2], next: [&[u8]; 2], offset: usize, block_bytes: usize) -> [usize; 2] {
    if offset + block_bytes < here[0].len() {
        return [block_bytes; 2];
    }
    std::array::from_fn(|part| match next[part] {
        [] => 0,
        next => (next.as_ptr().addr()).wrapping_sub(here[part].as_ptr().addr() + offset),
    })
}

/// Up to [`BLOCK`] positions that are handled together.
struct Block {
    first_position: usize,
    /// How many of them exist.
    positions: usize,
    /// How far ahead the next keys and values are.
    ahead: [usize; 2],
}

impl Block {
    /// Scores, weights and weighted values of all query rows.
    #[inline(always)]
    fn attend<F: Floats, T: Stored>(
        &self,
        floats: F,
        state: &mut Attention,
        keys: &[T],
        values: &[T],
    ) {
        let size = state.head_size;
        let stride = PARTIAL_HEAD + size;
        // What a few rows need stays in the first-level cache from their scores to their values.
        for first in (0..state.rows.len()).step_by(ROWS_TOGETHER) {
            let last = state.rows.len().min(first + ROWS_TOGETHER);
            let rows = &state.rows[first..last];
            let weights = &mut state.weights[first..last];
            let open = &mut state.open[first * stride..last * stride];
            let queries = &state.queries[first * size..last * size];
            scores(floats, queries, keys, self.ahead[0], size, weights);
            let (first_position, positions) = (self.first_position, self.positions);
            weigh(floats, rows, first_position, positions, weights, open);
            self.add_seen(floats, rows, weights, values, size, open);
        }
    }

    /// Adds the weighted values to the open chunks of rows. A value that a row does not see weighs
    /// nothing in it, but nothing times infinity is no number; so rows are taken together that see as
    /// much, which heads of one token do.
    #[inline(always)]
    fn add_seen<F: Floats, T: Stored>(
        &self,
        floats: F,
        rows: &[QueryRow],
        weights: &[[f32; BLOCK]],
        values: &[T],
        size: usize,
        open: &mut [f32],
    ) {
        let stride = PARTIAL_HEAD + size;
        let mut first = 0;
        while first < rows.len() {
            let seen = rows[first].sees(self.first_position, self.positions);
            let mut last = first + 1;
            while last < rows.len() && rows[last].sees(self.first_position, self.positions) == seen
            {
                last += 1;
            }
            add_values(
                floats,
                &weights[first..last],
                &values[..seen * size],
                self.ahead[1],
                size,
                &mut open[first * stride..last * stride],
            );
            first = last;
        }
    }
}

#[cfg(test)]
mod tests;
