//! Attention over cached keys and values, divided among the workers.
//!
//! The work is cut into *units*: one key/value head with all query heads that share it, for some
//! rows of one sequence, over some positions. A sequence that adds few tokens (decode) is cut along
//! its context; one that adds many (a prompt) along its tokens. Partial results are merged after every
//! chunk of the plan either way, so that neither the cut nor the number of workers shows in a result. Units leave partial results
//! (`[largest score, sum, values]` per row and head), which [`Gather`] merges for the next product.

use std::ops::Range;

use sysinfer_kernels::attention::{BLOCK, PARTIAL_HEAD, QueryRow, Span, merge, store_key};
use sysinfer_kernels::elementwise::to_f16;
use sysinfer_machine::{Ranges, each, ranges, scattered};

use super::config::Config;
use super::rope::Angles;
use super::step::{Scratch, Step};
use crate::kv::BLOCK_POSITIONS;
use crate::sequence::Sequence;

/// A sequence that adds at most this many tokens is cut along its context.
const MOST_DECODE_TOKENS: usize = 8;
/// Query rows (tokens times heads of a group) that a unit of a prompt aims at.
const PROMPT_UNIT_ROWS: usize = 64;

/// New tokens of one sequence within a step.
pub struct Addition<'a> {
    /// The sequence, with room for them.
    pub sequence: &'a mut Sequence,
    /// Row of the first new token within the step.
    pub first_row: usize,
    /// New tokens.
    pub tokens: &'a [u32],
}

/// One piece of attention work.
#[derive(Clone, Debug)]
struct Unit {
    addition: usize,
    kv_head: usize,
    /// Rows of the step.
    rows: Range<usize>,
    /// Positions it looks at.
    positions: Range<usize>,
    /// Where its partial results start.
    offset: usize,
}

/// Partial results of one row and key/value head: `count` of them, `stride` numbers apart.
#[derive(Clone, Copy, Debug, Default)]
struct Pieces {
    offset: usize,
    stride: usize,
    count: usize,
}

/// How a step's attention is cut; the same for all its layers.
#[derive(Debug)]
pub struct AttentionPlan {
    units: Vec<Unit>,
    /// `[row][kv_head]`.
    pieces: Vec<Pieces>,
    /// Units by worker.
    unit_shares: Vec<Range<usize>>,
    /// The partial results they write.
    value_shares: Ranges,
    kv_heads: usize,
    group: usize,
    head_size: usize,
    /// Positions after which partial results are merged, however units are cut.
    chunk: usize,
    angles: Vec<Angles>,
    positions: Vec<usize>,
    /// For each row: which of the blocks that the step appends to, and which place in it.
    places: Vec<(usize, usize)>,
    /// Key/value heads by worker, and their parts of a layer of a block.
    heads: Ranges,
    head_values: Ranges,
}

impl AttentionPlan {
    /// Cuts the attention of a step among `workers`.
    pub fn new(
        config: &Config,
        additions: &[Addition<'_>],
        chunk: usize,
        workers: usize,
        rotate: impl Fn(usize, &mut Angles),
    ) -> AttentionPlan {
        let rows = additions
            .iter()
            .map(|addition| addition.tokens.len())
            .sum::<usize>();
        let heads = Ranges::split(config.kv_heads, 1, workers);
        let mut plan = AttentionPlan {
            units: Vec::new(),
            pieces: vec![Pieces::default(); rows * config.kv_heads],
            unit_shares: Vec::new(),
            value_shares: Ranges::split(0, 1, workers),
            kv_heads: config.kv_heads,
            group: config.group(),
            head_size: config.head_size,
            chunk,
            angles: vec![Angles::default(); rows],
            positions: Vec::with_capacity(rows),
            places: Vec::with_capacity(rows),
            head_values: heads.scaled(2 * BLOCK_POSITIONS * config.head_size),
            heads,
        };
        let (mut offset, mut blocks) = (0, 0);
        for (index, addition) in additions.iter().enumerate() {
            for token in 0..addition.tokens.len() {
                let position = addition.sequence.len() + token;
                rotate(position, &mut plan.angles[addition.first_row + token]);
                plan.positions.push(position);
            }
            blocks += plan.place(addition, blocks);
            for kv_head in 0..config.kv_heads {
                offset = plan.cut(index, addition, kv_head, offset);
            }
        }
        plan.share(workers, offset);
        plan
    }

    /// Notes where the rows of an addition go, after `before` blocks of others; returns how many
    /// blocks it appends to.
    fn place(&mut self, addition: &Addition<'_>, before: usize) -> usize {
        let (first, tokens) = (addition.sequence.len(), addition.tokens.len());
        let first_block = first / BLOCK_POSITIONS;
        self.places.extend((first..first + tokens).map(|position| {
            let block = before + position / BLOCK_POSITIONS - first_block;
            (block, position % BLOCK_POSITIONS)
        }));
        (first + tokens).div_ceil(BLOCK_POSITIONS) - first_block
    }

    /// Floats of all partial results.
    pub fn partials_len(&self) -> usize {
        self.value_shares.total()
    }

    fn row_values(&self) -> usize {
        self.group * (PARTIAL_HEAD + self.head_size)
    }

    /// Units of one head of one addition; returns where the next partial results go.
    fn cut(
        &mut self,
        index: usize,
        addition: &Addition<'_>,
        kv_head: usize,
        mut offset: usize,
    ) -> usize {
        let (before, tokens) = (addition.sequence.len(), addition.tokens.len());
        let decodes = tokens <= MOST_DECODE_TOKENS;
        let tile = if decodes {
            tokens
        } else {
            (PROMPT_UNIT_ROWS / self.group).max(1)
        };
        for first in (0..tokens).step_by(tile) {
            let last = (first + tile).min(tokens);
            let rows = addition.first_row + first..addition.first_row + last;
            let seen = before + last;
            let span = if decodes { self.chunk } else { seen };
            let stride = rows.len() * self.row_values();
            for (in_unit, row) in rows.clone().enumerate() {
                self.pieces[row * self.kv_heads + kv_head] = Pieces {
                    offset: offset + in_unit * self.row_values(),
                    stride,
                    count: seen.div_ceil(span),
                };
            }
            for start in (0..seen).step_by(span) {
                self.units.push(Unit {
                    addition: index,
                    kv_head,
                    rows: rows.clone(),
                    positions: start..(start + span).min(seen),
                    offset,
                });
                offset += stride;
            }
        }
        offset
    }

    /// Gives every worker neighbouring units of about the same cost.
    fn share(&mut self, workers: usize, total_values: usize) {
        let cost = |unit: &Unit| unit.rows.len() * (unit.positions.len() + BLOCK_POSITIONS / 2);
        let total: usize = self.units.iter().map(cost).sum();
        let (mut next, mut spent) = (0, 0);
        let mut value_shares = Vec::with_capacity(workers);
        for worker in 0..workers {
            let first = next;
            while next < self.units.len()
                && (worker + 1 == workers
                    || (spent + cost(&self.units[next]) / 2) * workers < total * (worker + 1))
            {
                spent += cost(&self.units[next]);
                next += 1;
            }
            self.unit_shares.push(first..next);
            let offset = |unit: usize| self.units.get(unit).map_or(total_values, |u| u.offset);
            value_shares.push(offset(first)..offset(next));
        }
        self.value_shares = Ranges::from_ranges(total_values, value_shares)
            .expect("units are numbered in the order of their results");
    }

    /// Rotates the new keys and appends keys and values to the caches. `qkv` is
    /// `[row][queries, keys, values]`.
    pub fn append(
        &self,
        step: &mut Step<'_, '_>,
        layer: usize,
        qkv: &[f32],
        additions: &mut [Addition<'_>],
    ) {
        let (size, width) = (self.head_size, qkv.len() / step.rows);
        let first_key = self.kv_heads * self.group * size;
        let first_value = first_key + self.kv_heads * size;
        let blocks: Vec<&mut [u16]> = additions
            .iter_mut()
            .flat_map(|addition| {
                let (before, tokens) = (addition.sequence.len(), addition.tokens.len());
                addition.sequence.blocks_of_mut(before, tokens)
            })
            .map(|block| block.layer_mut(layer))
            .collect();
        let parts = (each(step.scratch), scattered(blocks, &self.head_values));
        step.lead.run(parts, |worker, (scratch, mut blocks)| {
            let mine = self.heads.get(worker);
            for (row, (block, place)) in self.places.iter().enumerate() {
                let values = &qkv[row * width..][..width];
                for head in mine.clone() {
                    scratch.head.clear();
                    scratch
                        .head
                        .extend_from_slice(&values[first_key + head * size..][..size]);
                    self.angles[row].rotate(&mut scratch.head);
                    let cache = &mut blocks.row_mut(*block)
                        [(head - mine.start) * 2 * BLOCK_POSITIONS * size..];
                    let (keys, rest) = cache.split_at_mut(BLOCK_POSITIONS * size);
                    scratch.key.resize(size, 0);
                    to_f16(&scratch.head, &mut scratch.key);
                    store_key(&scratch.key, *place, keys);
                    let value = &values[first_value + head * size..][..size];
                    to_f16(value, &mut rest[place * size..][..size]);
                }
            }
        });
    }

    /// Attention of all rows: writes the partial results.
    pub fn attend(
        &self,
        step: &mut Step<'_, '_>,
        layer: usize,
        (qkv, slopes): (&[f32], &[f32]),
        additions: &[Addition<'_>],
        partials: &mut [f32],
    ) {
        let width = qkv.len() / step.rows;
        // One slice of caches per addition, which workers may share.
        let caches: Vec<&[crate::kv::KvBlock]> = additions
            .iter()
            .map(|addition| addition.sequence.blocks())
            .collect();
        let parts = (each(step.scratch), ranges(partials, &self.value_shares));
        step.lead.run(parts, |worker, (scratch, out)| {
            let mut out = out;
            for unit in &self.units[self.unit_shares[worker].clone()] {
                scratch.attention.start(self.head_size);
                for row in unit.rows.clone() {
                    let queries =
                        &qkv[row * width..][..self.kv_heads * self.group * self.head_size];
                    self.push_queries(unit.kv_head, row, queries, slopes, scratch);
                }
                for chunk in chunks_of(&unit.positions, self.chunk) {
                    for (block, positions) in blocks_of(&chunk) {
                        let (keys, values) = caches[unit.addition][block].head(layer, unit.kv_head);
                        let first = positions.start % BLOCK_POSITIONS;
                        let part = first * self.head_size
                            ..(first + positions.len()).next_multiple_of(BLOCK) * self.head_size;
                        scratch.attention.attend(Span {
                            keys: &keys[part.clone()],
                            values: &values[part],
                            first_position: positions.start,
                        });
                    }
                    scratch.attention.close_chunk();
                }
                for row in 0..scratch.attention.rows() {
                    let partial = scratch.attention.partial(row);
                    let (place, rest) = out.split_at_mut(partial.len());
                    place.copy_from_slice(partial);
                    out = rest;
                }
            }
        });
    }

    /// Rotated and scaled queries of one row, for all heads of a group.
    fn push_queries(
        &self,
        kv_head: usize,
        row: usize,
        queries: &[f32],
        slopes: &[f32],
        scratch: &mut Scratch,
    ) {
        let scale = 1.0 / (self.head_size as f32).sqrt();
        for head in kv_head * self.group..(kv_head + 1) * self.group {
            scratch.head.clear();
            scratch
                .head
                .extend_from_slice(&queries[head * self.head_size..][..self.head_size]);
            self.angles[row].rotate(&mut scratch.head);
            scratch.head.iter_mut().for_each(|value| *value *= scale);
            let query = QueryRow {
                position: self.positions[row],
                slope: slopes[head],
            };
            scratch.attention.push_query(query, &scratch.head);
        }
    }

    /// The partial results, to be merged as the next product's input.
    pub fn gather<'g>(&'g self, partials: &'g [f32]) -> Gather<'g> {
        Gather {
            plan: self,
            partials,
        }
    }
}

/// Positions cut into chunks.
fn chunks_of(positions: &Range<usize>, chunk: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let end = positions.end;
    positions
        .clone()
        .step_by(chunk)
        .map(move |start| start..(start + chunk).min(end))
}

/// Positions cut at the bounds of cache blocks, with the block's index.
fn blocks_of(positions: &Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
    let positions = positions.clone();
    let first = positions.start / BLOCK_POSITIONS;
    (first..positions.end.div_ceil(BLOCK_POSITIONS)).map(move |index| {
        let start = (index * BLOCK_POSITIONS).max(positions.start);
        (
            index,
            start..((index + 1) * BLOCK_POSITIONS).min(positions.end),
        )
    })
}

/// Partial results of a step's attention.
#[derive(Debug)]
pub struct Gather<'g> {
    plan: &'g AttentionPlan,
    partials: &'g [f32],
}

impl Gather<'_> {
    /// The finished attention of one row: all heads side by side. `total` is scratch.
    pub fn row(&self, row: usize, total: &mut Vec<f32>, out: &mut [f32]) {
        let plan = self.plan;
        let size = plan.head_size;
        for (kv_head, out) in out.chunks_exact_mut(plan.group * size).enumerate() {
            let pieces = plan.pieces[row * plan.kv_heads + kv_head];
            for (head, out) in out.chunks_exact_mut(size).enumerate() {
                let first = pieces.offset + head * (PARTIAL_HEAD + size);
                let parts = (0..pieces.count).map(|piece| {
                    &self.partials[first + piece * pieces.stride..][..PARTIAL_HEAD + size]
                });
                merge(parts, total, out);
            }
        }
    }
}
