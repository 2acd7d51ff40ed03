//! How a step's attention is cut into units of work, and which worker has which.

use std::ops::Range;

use sysinfer_kernels::attention::PARTIAL_HEAD;
use sysinfer_machine::{Lines, Ranges};

use super::Addition;
use super::divide::{divide, prompt_tokens, row_cost, unit_home};
use crate::kv::{BLOCK_POSITIONS, HeadShares, KvShape};
use crate::model::rope::{Angles, Rope};

/// A sequence that adds at most this many tokens is cut along its context.
const MAX_DECODE_TOKENS: usize = 8;
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

/// Partial results of one row and key/value head: one of each of some units.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces {
    /// These units, in the order of their positions, among [`AttentionPlan::chains`].
    pub(super) chain: Range<usize>,
    /// Where they are within a unit's results.
    pub(super) offset: usize,
}

/// Rows of an addition that units of one head are for: together they look at all positions.
struct Tile {
    addition: usize,
    kv_head: usize,
    rows: Range<usize>,
    /// Positions.
    seen: usize,
    /// Positions of a unit.
    span: usize,
    /// Where the results of each unit start, among [`AttentionPlan::chains`].
    chain: Range<usize>,
}

/// How a step's attention is cut; the same for all its layers.
#[derive(Debug)]
pub struct AttentionPlan<'c> {
    pub(super) units: Vec<Unit>,
    /// `[row][kv_head]`.
    pub(super) pieces: Vec<Pieces>,
    /// Where the partial results of units start, in the order of positions.
    pub(super) chains: Vec<usize>,
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
    /// The home of each of these blocks.
    pub(super) block_homes: Vec<usize>,
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
            chains: Vec::new(),
            pieces: vec![Pieces::default(); rows * cut.cache.heads],
            unit_shares: Vec::new(),
            value_shares: Ranges::split(0, 1, cut.heads.workers()),
            cache: cut.cache,
            group: cut.group,
            chunk: cut.chunk,
            angles: vec![Angles::default(); rows],
            positions: Vec::with_capacity(rows),
            places: Vec::with_capacity(rows),
            block_homes: Vec::new(),
            heads: cut.heads,
        };
        let mut tiles = Vec::new();
        for (index, addition) in additions.iter().enumerate() {
            for token in 0..addition.tokens.len() {
                let position = addition.sequence.len() + token;
                rope.angles(position, &mut plan.angles[addition.first_row + token]);
                plan.positions.push(position);
            }
            plan.place(addition);
            for kv_head in 0..cut.cache.heads {
                plan.tiles(index, kv_head, addition, &mut tiles);
            }
        }
        let (mut offset, mut of_groups) = (0_usize, Vec::new());
        for group in cut.heads.groups() {
            let first = plan.units.len();
            // No line has results of two nodes.
            offset = offset.next_multiple_of(Lines::LINE);
            for (number, tile) in tiles.iter().enumerate() {
                if group.heads.contains(&tile.kv_head) {
                    offset = plan.cut(number, tile, group.turn, offset);
                }
            }
            of_groups.push((first..plan.units.len(), group.workers.len()));
        }
        plan.share(cut, &of_groups, offset);
        plan
    }

    /// Notes where the rows of an addition go.
    fn place(&mut self, addition: &Addition<'_>) {
        let before = self.block_homes.len();
        let (first, tokens) = (addition.sequence.len(), addition.tokens.len());
        let blocks = first / BLOCK_POSITIONS..(first + tokens).div_ceil(BLOCK_POSITIONS);
        self.places.extend((first..first + tokens).map(|position| {
            let block = before + position / BLOCK_POSITIONS - blocks.start;
            (block, position % BLOCK_POSITIONS)
        }));
        let turns = self.heads.turns();
        self.block_homes
            .extend(blocks.map(|block| turns.home(block)));
    }

    /// Floats of all partial results.
    pub fn partials_len(&self) -> usize {
        self.value_shares.total()
    }

    fn row_values(&self) -> usize {
        self.group * (PARTIAL_HEAD + self.cache.head_size)
    }

    /// Rows of an addition that one head's units are for.
    fn tiles(
        &mut self,
        index: usize,
        kv_head: usize,
        addition: &Addition<'_>,
        tiles: &mut Vec<Tile>,
    ) {
        let (before, tokens) = (addition.sequence.len(), addition.tokens.len());
        let decodes = tokens <= MAX_DECODE_TOKENS;
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
            let start = self.chains.len();
            let chain = start..start + seen.div_ceil(span);
            // Known once the units are.
            self.chains.resize(chain.end, 0);
            for (in_tile, row) in rows.clone().enumerate() {
                self.pieces[row * self.cache.heads + kv_head] = Pieces {
                    chain: chain.clone(),
                    offset: in_tile * self.row_values(),
                };
            }
            tiles.push(Tile {
                addition: index,
                kv_head,
                rows,
                seen,
                span,
                chain,
            });
        }
    }

    /// A tile's units, those of a turn's positions alone where the workers have turns; returns where the next
    /// partial results go.
    fn cut(&mut self, number: usize, tile: &Tile, turn: Option<usize>, mut offset: usize) -> usize {
        let home = |start| unit_home(self.heads.turns(), number, tile.chain.len(), start);
        for (unit, start) in (0..tile.seen).step_by(tile.span).enumerate() {
            if turn.is_some_and(|turn| turn != home(start)) {
                continue;
            }
            self.chains[tile.chain.start + unit] = offset;
            self.units.push(Unit {
                addition: tile.addition,
                kv_head: tile.kv_head,
                rows: tile.rows.clone(),
                positions: start..(start + tile.span).min(tile.seen),
                offset,
            });
            offset += tile.rows.len() * self.row_values();
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
    use crate::kv::homes::Homes;
    use crate::kv::pool::KvPool;
    use crate::model::preset::Preset;
    use crate::sequence::Sequence;

    /// Positions that each worker reads, weighed by the rows that do, and whether all are of its own node.
    fn work(counts: &[usize], tokens: usize, before: usize) -> (Vec<usize>, bool) {
        let config = Preset::Llama3_8b.config();
        let of_node = |(node, count): (usize, &usize)| vec![node; *count];
        let nodes: Vec<usize> = counts.iter().enumerate().flat_map(of_node).collect();
        let homes = Homes::of(config.kv_heads, 256, &nodes);
        let shape = KvShape::new(1, config.kv_heads, config.head_size, Default::default());
        let shape = shape.in_parts(homes.parts(), Pages::Normal);
        let heads = HeadShares::new(shape, &homes, &nodes);
        let pool = KvPool::new(shape, Pages::Normal, homes.turns(), None);
        let mut sequence = Sequence::begin(&pool, &[], before + tokens).expect("room");
        sequence.reserve(before + tokens).expect("address space");
        sequence.extend(&vec![0; before]);
        let additions = [Addition {
            sequence: &mut sequence,
            first_row: 0,
            tokens: &vec![0; tokens],
            sums_states: false,
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
