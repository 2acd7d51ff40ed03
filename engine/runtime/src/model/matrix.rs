//! Weight matrices as their readers keep them: packed row groups, each on the NUMA node of the
//! worker that multiplies with it.

use std::ops::Range;

use sysinfer_formats::TensorType;
use sysinfer_kernels::{Layout, ROWS, Role, Runnable};
use sysinfer_machine::{Lead, NodeBuffer, Pages, Ranges, ranges};

use super::source::Source;
use super::tensor::TensorInfo;
use crate::error::EngineError;

/// The two kernels that a block type is multiplied with.
#[derive(Clone, Copy, Debug)]
pub struct Kernels {
    /// For few activation rows.
    pub decode: Runnable,
    /// For many.
    pub prefill: Runnable,
}

impl Kernels {
    /// The kernel for a phase.
    pub fn of(&self, role: Role) -> Runnable {
        match role {
            Role::Decode => self.decode,
            Role::Prefill => self.prefill,
        }
    }
}

/// How row groups are divided among the workers of each phase. Every phase has its own team; shares
/// are cut so that a worker finds its rows on its own node where both teams use the same nodes.
#[derive(Clone, Debug)]
pub struct Shares {
    decode: Share,
    prefill: Share,
}

/// What each worker of one phase has of a product.
#[derive(Clone, Debug)]
pub struct Share {
    /// Row groups by worker.
    pub groups: Ranges,
    /// The same as columns of the output.
    pub columns: Ranges,
}

impl Share {
    fn new(groups: Ranges) -> Share {
        let columns = groups.scaled(ROWS);
        Share { groups, columns }
    }
}

impl Shares {
    /// Divides `groups` row groups; the slices name the node of each worker, in worker order.
    pub fn new(groups: usize, decode_nodes: &[usize], prefill_nodes: &[usize]) -> Shares {
        let decode = Ranges::split(groups, 1, decode_nodes.len());
        let prefill = node_shares(&decode, decode_nodes, prefill_nodes)
            .unwrap_or_else(|| Ranges::split(groups, 1, prefill_nodes.len()));
        Shares {
            decode: Share::new(decode),
            prefill: Share::new(prefill),
        }
    }

    /// What the workers of the phase's team have.
    pub fn of(&self, role: Role) -> &Share {
        match role {
            Role::Decode => &self.decode,
            Role::Prefill => &self.prefill,
        }
    }
}

/// Runs of equal neighbours: `[0, 0, 1]` gives `(0, 0..2)`, `(1, 2..3)`.
fn runs(nodes: &[usize]) -> Vec<(usize, Range<usize>)> {
    let mut runs: Vec<(usize, Range<usize>)> = Vec::new();
    for (worker, node) in nodes.iter().enumerate() {
        match runs.last_mut() {
            Some((last, range)) if last == node => range.end = worker + 1,
            _ => runs.push((*node, worker..worker + 1)),
        }
    }
    runs
}

/// The second team's division of the first team's nodes, if both visit the same nodes in the same
/// order.
fn node_shares(first: &Ranges, first_nodes: &[usize], second_nodes: &[usize]) -> Option<Ranges> {
    let (theirs, ours) = (runs(first_nodes), runs(second_nodes));
    if !theirs
        .iter()
        .map(|run| run.0)
        .eq(ours.iter().map(|run| run.0))
    {
        return None;
    }
    let mut shares = Vec::with_capacity(second_nodes.len());
    for ((_, theirs), (_, ours)) in theirs.into_iter().zip(ours) {
        let (start, end) = (first.get(theirs.start).start, first.get(theirs.end - 1).end);
        let split = Ranges::split(end - start, 1, ours.len());
        shares.extend(
            split
                .iter()
                .map(|range| range.start + start..range.end + start),
        );
    }
    Ranges::from_ranges(first.total(), shares).ok()
}

/// One packed matrix.
#[derive(Debug)]
pub struct Matrix {
    /// Rows that exist; the last row group may be padded beyond them.
    pub rows: usize,
    /// Values per row.
    pub columns: usize,
    /// Block type, hence layout.
    pub block: TensorType,
    /// What it is multiplied with.
    pub kernels: Kernels,
    group_bytes: usize,
    bytes: NodeBuffer,
}

/// Where packed weights go.
#[derive(Clone, Copy, Debug)]
pub struct Home<'h> {
    /// Kind of pages.
    pub pages: Pages,
    /// Node of each decode worker, when memory is to be bound.
    pub nodes: Option<&'h [usize]>,
}

impl Matrix {
    /// Packs a tensor; every decode worker packs what it will read, so that it touches it first.
    ///
    /// # Errors
    /// A block type without kernels, or no memory.
    pub fn pack(
        source: &dyn Source,
        tensor: &TensorInfo,
        kernels: Kernels,
        lead: &mut Lead<'_>,
        home: Home<'_>,
    ) -> Result<Matrix, EngineError> {
        let layout = layout(tensor)?;
        let group_bytes = layout.group_bytes(tensor.columns);
        let groups = tensor.rows.div_ceil(ROWS);
        let shares = Ranges::split(groups, 1, lead.threads());
        let mut bytes = allocate(groups, group_bytes, &shares, home)?;
        let row_bytes = tensor.row_bytes();
        let cuts = shares.scaled(group_bytes);
        lead.run(ranges(&mut bytes, &cuts), |worker, packed| {
            let mut plain = vec![0; row_bytes * ROWS];
            let first_group = shares.get(worker).start;
            for (index, packed) in packed.chunks_exact_mut(group_bytes).enumerate() {
                let first_row = (first_group + index) * ROWS;
                let rows: Vec<&[u8]> = plain
                    .chunks_exact_mut(row_bytes)
                    .zip(first_row..tensor.rows)
                    .map(|(buffer, row)| source.row(tensor, row, buffer))
                    .collect();
                layout.pack_group(tensor.columns, &rows, packed);
            }
        });
        Ok(Matrix {
            rows: tensor.rows,
            columns: tensor.columns,
            block: tensor.kind,
            kernels,
            group_bytes,
            bytes,
        })
    }

    /// Moves the bytes to memory that the workers of another decode team touch first.
    ///
    /// # Errors
    /// No memory; the matrix then stays where it is.
    pub fn rehome(&mut self, lead: &mut Lead<'_>, home: Home<'_>) -> Result<(), EngineError> {
        let shares = Ranges::split(self.groups(), 1, lead.threads());
        let mut bytes = allocate(self.groups(), self.group_bytes, &shares, home)?;
        let cuts = shares.scaled(self.group_bytes);
        let old = &self.bytes;
        lead.run(ranges(&mut bytes, &cuts), |worker, new| {
            new.copy_from_slice(&old[cuts.get(worker)]);
        });
        self.bytes = bytes;
        Ok(())
    }

    /// Row groups.
    pub fn groups(&self) -> usize {
        self.rows.div_ceil(ROWS)
    }

    /// Bytes in memory.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Packed bytes of some row groups.
    pub fn group_range(&self, groups: Range<usize>) -> &[u8] {
        &self.bytes[groups.start * self.group_bytes..groups.end * self.group_bytes]
    }
}

fn layout(tensor: &TensorInfo) -> Result<&'static Layout, EngineError> {
    Layout::of(tensor.kind).ok_or_else(|| {
        let known: Vec<_> = sysinfer_kernels::layout::LAYOUTS
            .iter()
            .map(|layout| layout.block.name())
            .collect();
        EngineError::Model(format!(
            "{} is of type {}, which has no kernels here; convert the model to one of {}",
            tensor.name,
            tensor.kind.name(),
            known.join(", ")
        ))
    })
}

fn allocate(
    groups: usize,
    group_bytes: usize,
    shares: &Ranges,
    home: Home<'_>,
) -> Result<NodeBuffer, EngineError> {
    let bytes = NodeBuffer::new(groups * group_bytes, home.pages)?;
    if let Some(nodes) = home.nodes {
        for (share, node) in shares.iter().zip(nodes) {
            let range = share.start * group_bytes..share.end * group_bytes;
            // Where binding is forbidden (containers) or impossible, first touch does the same.
            let _ = bytes.bind(range, *node);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_teams_on_the_same_nodes_cut_at_the_same_node_bounds() {
        let shares = Shares::new(100, &[0, 0, 1, 1], &[0, 1]);
        assert_eq!(shares.of(Role::Decode).groups.get(1), 25..50);
        assert_eq!(shares.of(Role::Prefill).groups.get(0), 0..50);
        assert_eq!(shares.of(Role::Prefill).groups.get(1), 50..100);
    }

    #[test]
    fn teams_on_different_nodes_divide_evenly() {
        let shares = Shares::new(99, &[0, 0], &[0, 1, 2]);
        let all: Vec<_> = shares.of(Role::Prefill).groups.iter().collect();
        assert_eq!(all, [0..33, 33..66, 66..99]);
    }
}
