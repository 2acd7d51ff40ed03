//! The two passes of attention: new keys and values into the cache, queries against it.

use std::ops::Range;
use std::sync::Arc;

use sysinfer_kernels::attention::{BLOCK, QueryRow, Span, longest};
use sysinfer_kernels::elementwise::rms_norm;
use sysinfer_machine::{Ranges, each, ranges, scattered};

use super::Addition;
use super::plan::{AttentionPlan, Unit};
use crate::kv::BLOCK_POSITIONS;
use crate::kv::block::KvBlock;
use crate::model::step::{Kind, Scratch, Step, run_region};

/// What a layer does to its heads before they meet.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'l> {
    /// Weights of the norm of every query head, where the model has one.
    pub query_norm: Option<&'l [f32]>,
    /// The same of every key head.
    pub key_norm: Option<&'l [f32]>,
    /// Epsilon of these norms.
    pub epsilon: f32,
    /// ALiBi slope per query head.
    pub slopes: &'l [f32],
}

/// `[row][queries, keys, values]` of a step.
#[derive(Clone, Copy)]
struct Rows<'q> {
    values: &'q [f32],
    width: usize,
}

impl<'q> Rows<'q> {
    /// Head `head` of a row, counted through queries, keys and values.
    fn head(self, row: usize, head: usize, size: usize) -> &'q [f32] {
        &self.values[row * self.width + head * size..][..size]
    }
}

impl AttentionPlan<'_> {
    /// Normalises and rotates the new keys and appends keys and values to the caches. `qkv` is
    /// `[row][queries, keys, values]`.
    pub fn append(
        &self,
        step: &mut Step<'_, '_>,
        layer: usize,
        qkv: &[f32],
        heads: Heads<'_>,
        additions: &mut [Addition<'_>],
    ) {
        let size = self.cache.head_size;
        let width = qkv.len() / step.rows;
        let rows = Rows { values: qkv, width };
        let first_key = self.cache.heads * self.group;
        let first_value = first_key + self.cache.heads;
        let blocks: Vec<(&mut [u8], &Ranges)> = additions
            .iter_mut()
            .flat_map(|addition| {
                let (before, tokens) = (addition.sequence.len(), addition.tokens.len());
                addition.sequence.blocks_of_mut(before, tokens)
            })
            .zip(&self.block_homes)
            .map(|(block, home)| (block.layer_mut(layer), self.heads.written(*home).spans()))
            .collect();
        let cache = self.cache.cache;
        let (head_bytes, position_bytes) = (self.cache.head_bytes(), cache.position_bytes(size));
        let looks_near = heads.slopes.iter().any(|slope| *slope > 0.0);
        let parts = (each(step.scratch), scattered(blocks));
        let kind = Kind::Rest;
        run_region(step.lead, kind, parts, |worker, (scratch, mut blocks)| {
            for (row, (block, place)) in self.places.iter().enumerate() {
                let written = self.heads.written(self.block_homes[*block]);
                let first = written.spans().get(worker).start;
                for head in written.by(worker) {
                    let key = rows.head(row, first_key + head, size);
                    let key = self.turned(row, key, heads.key_norm, heads.epsilon, scratch);
                    let start = self.cache.head_start(head) - first;
                    let bytes = &mut blocks.row_mut(*block)[start..];
                    let mut cached = self.cache.head_mut(&mut bytes[..head_bytes]);
                    cache.store_key(key, *place, cached.keys);
                    if looks_near {
                        cached.note_length(*place, longest(key));
                    }
                    let value = rows.head(row, first_value + head, size);
                    let slot = &mut cached.values[place * position_bytes..][..position_bytes];
                    cache.store_value(value, slot);
                }
            }
        });
    }

    /// Attention of all rows: writes the partial results.
    pub fn attend(
        &self,
        step: &mut Step<'_, '_>,
        layer: usize,
        qkv: &[f32],
        heads: Heads<'_>,
        additions: &[Addition<'_>],
        partials: &mut [f32],
    ) {
        let width = qkv.len() / step.rows;
        let rows = Rows { values: qkv, width };
        // One slice of caches per addition, which workers may share.
        let caches: Vec<&[Arc<KvBlock>]> = additions
            .iter()
            .map(|addition| addition.sequence.blocks())
            .collect();
        let parts = (each(step.scratch), ranges(partials, &self.value_shares));
        let kind = Kind::Attention;
        run_region(step.lead, kind, parts, |worker, (scratch, out)| {
            let mut out = out;
            let units = &self.units[self.unit_shares[worker].clone()];
            for (index, unit) in units.iter().enumerate() {
                scratch
                    .attention
                    .start(self.cache.head_size, self.cache.cache);
                for row in unit.rows.clone() {
                    self.push_queries(unit.kv_head, row, rows, heads, scratch);
                }
                let following = units.get(index + 1).map(|unit| {
                    let cache = caches[unit.addition];
                    self.last_chunk(unit, layer, cache, &unit.positions)
                });
                let following = following.unwrap_or_default();
                self.attend_unit(unit, layer, caches[unit.addition], following, scratch);
                for row in 0..scratch.attention.rows() {
                    let partial = scratch.attention.partial(row);
                    let (place, rest) = out.split_at_mut(partial.len());
                    place.copy_from_slice(partial);
                    out = rest;
                }
            }
        });
    }

    /// The queries of a unit against the positions that it looks at, the last chunk first; those that
    /// ALiBi puts out of its rows' reach are not read. `following` is what the worker reads after them.
    fn attend_unit(
        &self,
        unit: &Unit,
        layer: usize,
        cache: &[Arc<KvBlock>],
        following: [&[u8]; 2],
        scratch: &mut Scratch,
    ) {
        for chunk in chunks_of(&unit.positions, self.chunk).rev() {
            let longest = self.longest_key(unit, layer, cache, &chunk);
            if scratch.attention.weighs_nothing(chunk.end - 1, longest) {
                continue;
            }
            let before = unit.positions.start..chunk.start;
            for (block, positions) in blocks_of(&chunk) {
                let [keys, values] = self.span(unit, layer, cache, block, &positions);
                let rest = positions.end..chunk.end;
                let next = if !rest.is_empty() {
                    self.first_span(unit, layer, cache, rest)
                } else if !before.is_empty() {
                    self.last_chunk(unit, layer, cache, &before)
                } else {
                    following
                };
                scratch.attention.attend(Span {
                    keys,
                    values,
                    first_position: positions.start,
                    next,
                });
            }
            scratch.attention.close_chunk();
        }
    }

    /// Keys and values of the first of some positions, as far as they lie together; empty if there
    /// are none.
    fn first_span<'c>(
        &self,
        unit: &Unit,
        layer: usize,
        cache: &'c [Arc<KvBlock>],
        positions: Range<usize>,
    ) -> [&'c [u8]; 2] {
        let first = blocks_of(&positions).next();
        first.map_or_else(Default::default, |(block, positions)| {
            self.span(unit, layer, cache, block, &positions)
        })
    }

    /// What is read first of the last chunk of some positions.
    fn last_chunk<'c>(
        &self,
        unit: &Unit,
        layer: usize,
        cache: &'c [Arc<KvBlock>],
        positions: &Range<usize>,
    ) -> [&'c [u8]; 2] {
        let chunk = chunks_of(positions, self.chunk).next_back();
        self.first_span(unit, layer, cache, chunk.unwrap_or_default())
    }

    /// A bound of the lengths of all keys of a chunk and of those at the unit's own rows' positions; of
    /// use where lengths were noted, which is where there are slopes.
    fn longest_key(
        &self,
        unit: &Unit,
        layer: usize,
        cache: &[Arc<KvBlock>],
        chunk: &Range<usize>,
    ) -> f32 {
        let own = self.positions[unit.rows.start]..self.positions[unit.rows.end - 1] + 1;
        let blocks = blocks_of(chunk).chain(blocks_of(&own));
        blocks
            .map(|(block, _)| cache[block].longest_key(layer, unit.kv_head))
            .fold(0.0, f32::max)
    }

    /// Keys and values of some positions of a block, in whole blocks of the kernel.
    fn span<'c>(
        &self,
        unit: &Unit,
        layer: usize,
        cache: &'c [Arc<KvBlock>],
        block: usize,
        positions: &Range<usize>,
    ) -> [&'c [u8]; 2] {
        let position_bytes = self.cache.cache.position_bytes(self.cache.head_size);
        let (keys, values) = cache[block].head(layer, unit.kv_head);
        let first = positions.start % BLOCK_POSITIONS;
        let last = (first + positions.len()).next_multiple_of(BLOCK);
        let part = first * position_bytes..last * position_bytes;
        let span = [&keys[part.clone()], &values[part]];
        #[cfg(test)]
        span.iter().for_each(|bytes| cache[block].reads.note(bytes));
        span
    }

    /// Normalised, rotated and scaled queries of one row, for all heads of a group.
    fn push_queries(
        &self,
        kv_head: usize,
        row: usize,
        rows: Rows<'_>,
        heads: Heads<'_>,
        scratch: &mut Scratch,
    ) {
        let size = self.cache.head_size;
        let scale = 1.0 / (size as f32).sqrt();
        for head in kv_head * self.group..(kv_head + 1) * self.group {
            let query = rows.head(row, head, size);
            self.turned(row, query, heads.query_norm, heads.epsilon, scratch);
            scratch.head.iter_mut().for_each(|value| *value *= scale);
            let query = QueryRow {
                position: self.positions[row],
                slope: heads.slopes[head],
            };
            scratch.attention.push_query(query, &scratch.head);
        }
    }

    /// One head of a query or key in `scratch.head`: normalised where there is a norm, then rotated
    /// to its row's position.
    fn turned<'s>(
        &self,
        row: usize,
        head: &[f32],
        norm: Option<&[f32]>,
        epsilon: f32,
        scratch: &'s mut Scratch,
    ) -> &'s [f32] {
        let turned = &mut scratch.head;
        turned.resize(head.len(), 0.0);
        match norm {
            Some(weight) => rms_norm(head, weight, epsilon, turned),
            None => turned.copy_from_slice(head),
        }
        self.angles[row].rotate(turned);
        turned
    }
}

/// Positions cut into chunks.
fn chunks_of(
    positions: &Range<usize>,
    chunk: usize,
) -> impl DoubleEndedIterator<Item = Range<usize>> + use<> {
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
