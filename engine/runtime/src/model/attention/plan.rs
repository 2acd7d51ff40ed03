//! How a step's attention is cut into units of work, and which worker has which.

use std::ops::Range;

use sysinfer_kernels::attention::PARTIAL_HEAD;
use sysinfer_machine::Ranges;

use super::Addition;
use super::divide::{divide, prompt_tokens, row_cost};
use crate::kv::{BLOCK_POSITIONS, HeadShares, KvShape};
use crate::model::rope::{Angles, Rope};

/// A sequence that adds at most this many tokens is cut along its context.
const MOST_DECODE_TOKENS: usize = 8;
/// What a row's scores differ by in most models, and what makes a weight vanish, together: divided by
/// an ALiBi slope, the positions that a row is likely to look back at. It decides only who works on what.
const LIKELY_REACH: f32 = 130.0;
/// Cost of a unit that need not read anything, in positions.
const IDLE_UNIT_COST: usize = 4;

/// One piece of attention work.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) addition: usize,
    pub(super) kv_head: usize,
    /// Rows of the step.
    pub(super) rows: Range<usize>,
    /// Positions it looks at.
    pub(super) positions: Range<usize>,
    /// Where its partial results start.
    offset: usize,
}

/// Partial results of one row and key/value head: `count` of them, `stride` numbers apart.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pieces {
    pub(super) offset: usize,
    pub(super) stride: usize,
    pub(super) count: usize,
}

/// How a step's attention is cut; the same for all its layers.
#[derive(Debug)]
pub struct AttentionPlan<'c> {
    pub(super) units: Vec<Unit>,
    /// `[row][kv_head]`.
    pub(super) pieces: Vec<Pieces>,
    /// Units by worker.
    pub(super) unit_shares: Vec<Range<usize>>,
    /// The partial results they write.
    pub(super) value_shares: Ranges,
    pub(super) cache: KvShape,
    /// Query heads per key/value head.
    pub(super) group: usize,
    /// Positions after which partial results are merged, however units are cut.
    pub(super) chunk: usize,
    pub(super) angles: Vec<Angles>,
    pub(super) positions: Vec<usize>,
    /// For each row: which of the blocks that the step appends to, and which place in it.
    pub(super) places: Vec<(usize, usize)>,
    /// Which workers have which key/value heads.
    pub(super) heads: &'c HeadShares,
}

/// What a step's attention is cut by, beside its tokens.
#[derive(Clone, Copy, Debug)]
pub struct Cut<'c> {
    /// Shape of the cache.
    pub cache: KvShape,
    /// Query heads per key/value head.
    pub group: usize,
    /// Positions per unit of a decode step.
    pub chunk: usize,
    /// Which workers have which key/value heads.
    pub heads: &'c HeadShares,
    /// ALiBi slope per query head.
    pub slopes: &'c [f32],
}

impl<'c> AttentionPlan<'c> {
    /// Cuts the attention of a step.
    pub fn new(cut: Cut<'c>, additions: &[Addition<'_>], rope: &Rope) -> AttentionPlan<'c> {
        let rows = additions
            .iter()
            .map(|addition| addition.tokens.len())
            .sum::<usize>();
        let mut plan = AttentionPlan {
            units: Vec::new(),
            pieces: vec![Pieces::default(); rows * cut.cache.heads],
            unit_shares: Vec::new(),
            value_shares: Ranges::split(0, 1, cut.heads.workers()),
            cache: cut.cache,
            group: cut.group,
            chunk: cut.chunk,
            angles: vec![Angles::default(); rows],
            positions: Vec::with_capacity(rows),
            places: Vec::with_capacity(rows),
            heads: cut.heads,
        };
        let mut blocks = 0;
        for addition in additions {
            for token in 0..addition.tokens.len() {
                let position = addition.sequence.len() + token;
                rope.angles(position, &mut plan.angles[addition.first_row + token]);
                plan.positions.push(position);
            }
            blocks += plan.place(addition, blocks);
        }
        let (mut offset, mut of_groups) = (0, Vec::new());
        for group in cut.heads.groups() {
            let first = plan.units.len();
            for (index, addition) in additions.iter().enumerate() {
                for kv_head in group.heads.clone() {
                    offset = plan.cut(index, addition, kv_head, offset);
                }
            }
            of_groups.push((first..plan.units.len(), group.workers.len()));
        }
        plan.share(cut, &of_groups, offset);
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
        self.group * (PARTIAL_HEAD + self.cache.head_size)
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
            prompt_tokens(self.group)
        };
        for first in (0..tokens).step_by(tile) {
            let last = (first + tile).min(tokens);
            let rows = addition.first_row + first..addition.first_row + last;
            let seen = before + last;
            let span = if decodes { self.chunk } else { seen };
            let stride = rows.len() * self.row_values();
            for (in_unit, row) in rows.clone().enumerate() {
                self.pieces[row * self.cache.heads + kv_head] = Pieces {
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

    /// Positions that a unit is likely to read, and what it costs besides.
    fn positions_read(&self, unit: &Unit, slopes: &[f32]) -> usize {
        let heads = unit.kv_head * self.group..(unit.kv_head + 1) * self.group;
        let flattest = slopes[heads].iter().copied().fold(f32::INFINITY, f32::min);
        // Without a slope that is every position: the conversion saturates.
        let reach = (LIKELY_REACH / flattest) as usize;
        let first = self.positions[unit.rows.start].saturating_sub(reach) / self.chunk * self.chunk;
        match unit
            .positions
            .end
            .checked_sub(unit.positions.start.max(first))
        {
            None | Some(0) => IDLE_UNIT_COST,
            Some(positions) => row_cost(positions),
        }
    }

    /// Gives every worker neighbouring units of about the same cost, of those of its group.
    fn share(&mut self, cut: Cut<'_>, groups: &[(Range<usize>, usize)], total_values: usize) {
        let cost = |unit: &Unit| unit.rows.len() * self.positions_read(unit, cut.slopes);
        let costs: Vec<usize> = self.units.iter().map(cost).collect();
        let offset = |unit: usize| self.units.get(unit).map_or(total_values, |u| u.offset);
        let mut value_shares = Vec::with_capacity(cut.heads.workers());
        for (units, workers) in groups {
            for share in divide(&costs[units.clone()], *workers) {
                let share = units.start + share.start..units.start + share.end;
                value_shares.push(offset(share.start)..offset(share.end));
                self.unit_shares.push(share);
            }
        }
        self.value_shares = Ranges::from_ranges(total_values, value_shares)
            .expect("units are numbered in the order of their results");
    }
}

#[cfg(test)]
mod tests {
    use sysinfer_machine::Pages;

    use super::*;
    use crate::kv::heads::Homes;
    use crate::kv::pool::KvPool;
    use crate::model::preset::Preset;
    use crate::sequence::Sequence;

    /// Positions that each worker reads, weighed by the rows that do, and whether all are of its own node.
    fn work(counts: &[usize], tokens: usize, before: usize) -> (Vec<usize>, bool) {
        let config = Preset::Llama3_8b.config();
        let of_node = |(node, count): (usize, &usize)| vec![node; *count];
        let nodes: Vec<usize> = counts.iter().enumerate().flat_map(of_node).collect();
        let homes = Homes::of(config.kv_heads, &nodes);
        let shape = KvShape::new(1, config.kv_heads, config.head_size, Default::default());
        let shape = shape.in_parts(homes.parts(), Pages::Normal);
        let heads = HeadShares::new(shape, &homes, &nodes);
        let pool = KvPool::new(shape, Pages::Normal, None);
        let mut sequence = Sequence::begin(&pool, &[], before + tokens).expect("room");
        sequence.reserve(before + tokens).expect("address space");
        sequence.extend(&vec![0; before]);
        let additions = [Addition {
            sequence: &mut sequence,
            first_row: 0,
            tokens: &vec![0; tokens],
        }];
        let cut = Cut {
            cache: shape,
            group: config.group(),
            chunk: 256,
            heads: &heads,
            slopes: &vec![0.0; config.heads],
        };
        let plan = AttentionPlan::new(cut, &additions, &Rope::new(&config, None));
        assert_eq!(plan.unit_shares.len(), nodes.len());
        let (mut loads, mut at_home) = (Vec::new(), true);
        for (worker, units) in plan.unit_shares.iter().enumerate() {
            let units = &plan.units[units.clone()];
            let home = |unit: &Unit| match homes.nodes() {
                Some(nodes) => nodes[unit.kv_head / shape.part_heads()],
                None => nodes[worker],
            };
            at_home &= units.iter().all(|unit| home(unit) == nodes[worker]);
            loads.push(
                units
                    .iter()
                    .map(|unit| unit.rows.len() * unit.positions.len())
                    .sum(),
            );
        }
        (loads, at_home)
    }

    #[test]
    fn workers_read_the_heads_of_their_own_node_and_as_much_as_others() {
        for counts in [&[24, 24, 24, 24][..], &[22; 4], &[16, 16], &[1, 1], &[8]] {
            for (tokens, before) in [(1, 4095), (1, 31), (5, 2000), (512, 0), (512, 3584)] {
                let (loads, at_home) = work(counts, tokens, before);
                assert!(at_home, "{counts:?}: {tokens} behind {before}");
                let of_nodes = counts.iter().scan(0, |first, count| {
                    let own = loads[*first..*first + count].iter().sum::<usize>();
                    *first += count;
                    Some(own)
                });
                let of_nodes: Vec<usize> = of_nodes.collect();
                assert!(
                    of_nodes.iter().all(|own| *own == of_nodes[0]),
                    "{of_nodes:?}"
                );
            }
        }
    }
}
