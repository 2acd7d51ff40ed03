//! Weight matrices as their readers keep them: packed row groups, each on the NUMA node of the
//! worker that multiplies with it, or plain rows in the file's map that are packed as they are read.

use std::ops::Range;
use std::sync::Arc;

use sysinfer_formats::{TensorType, UnsupportedType};
use sysinfer_kernels::{Layout, Phase, ROWS, Runnable};
use sysinfer_machine::{FileMap, Lead, Ranges, each};

use super::arenas::{Arenas, NodePart, by_worker};
use super::file_rows::{FileRows, Shape};
use super::source::Source;
use super::tensor::TensorInfo;
use crate::error::EngineError;
use crate::nodes::runs;
#[cfg(test)]
use crate::noted::Reads;

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
    pub fn of(&self, phase: Phase) -> Runnable {
        match phase {
            Phase::Decode => self.decode,
            Phase::Prefill => self.prefill,
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
    pub fn of(&self, phase: Phase) -> &Share {
        match phase {
            Phase::Decode => &self.decode,
            Phase::Prefill => &self.prefill,
        }
    }
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

/// Where the row groups of a matrix are among those of the product that it is part of, which are divided
/// among workers as one: query, key and value.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Row groups of the matrices before it.
    pub before: usize,
    /// Row groups of all.
    pub total: usize,
}

impl Place {
    /// What each of so many workers reads of the `groups` row groups of the matrix here.
    fn homes(self, groups: usize, workers: usize) -> Ranges {
        let end = self.before + groups;
        let own = |bound: usize| bound.clamp(self.before, end) - self.before;
        let all = Ranges::split(self.total, 1, workers);
        let homes = all.iter().map(|all| own(all.start)..own(all.end));
        Ranges::from_ranges(groups, homes.collect()).expect("parts of ranges ascend as these do")
    }
}

/// One matrix, or the equal matrices of all experts.
#[derive(Debug)]
pub struct Matrix {
    /// Rows of one matrix; its last row group may be padded beyond them.
    pub rows: usize,
    /// Values per row.
    pub columns: usize,
    /// Matrices of this shape: 1, or one per expert.
    pub experts: usize,
    /// Block type, hence layout.
    pub block: TensorType,
    /// What it is multiplied with.
    pub kernels: Kernels,
    layout: &'static Layout,
    place: Place,
    storage: Storage,
    #[cfg(test)]
    pub(crate) reads: Reads,
}

/// Where the bytes of a matrix are.
#[derive(Debug)]
enum Storage {
    Packed(Packed),
    Mapped(FileRows),
}

/// Packed bytes, a part for each node, `[worker][expert][row group]`: every worker's part of all experts
/// lies together, so that any expert is divided among all workers. With one matrix, a node's part is its
/// row groups in order.
#[derive(Debug)]
struct Packed {
    experts: usize,
    group_bytes: usize,
    /// Row groups of each matrix by the worker that packed them.
    homes: Ranges,
    parts: Vec<NodePart>,
}

impl Matrix {
    /// Leaves a tensor's rows where they are in the model's files.
    ///
    /// # Errors
    /// A block type without kernels.
    pub fn mapped(
        rows: FileRows,
        tensor: &TensorInfo,
        place: Place,
        kernels: Kernels,
    ) -> Result<Matrix, EngineError> {
        let storage = Storage::Mapped(rows);
        Matrix::new(tensor, place, kernels, layout(tensor)?, storage)
    }

    fn new(
        tensor: &TensorInfo,
        place: Place,
        kernels: Kernels,
        layout: &'static Layout,
        storage: Storage,
    ) -> Result<Matrix, EngineError> {
        Ok(Matrix {
            rows: tensor.rows / tensor.matrices,
            columns: tensor.columns,
            experts: tensor.matrices,
            block: tensor.kind,
            kernels,
            layout,
            place,
            storage,
            #[cfg(test)]
            reads: Reads::default(),
        })
    }

    /// Packs a tensor; every decode worker packs what it will read, so that it touches it first.
    ///
    /// # Errors
    /// A block type without kernels, or no memory.
    pub fn pack(
        source: &dyn Source,
        tensor: &TensorInfo,
        place: Place,
        kernels: Kernels,
        lead: &mut Lead<'_>,
        arenas: &mut Arenas,
    ) -> Result<Matrix, EngineError> {
        let layout = layout(tensor)?;
        let rows = tensor.rows / tensor.matrices;
        let group_bytes = layout.group_bytes(tensor.columns);
        let homes = place.homes(rows.div_ceil(ROWS), lead.threads());
        let stack = Stack {
            experts: tensor.matrices,
            group_bytes,
            homes: &homes,
        };
        let cuts = stack.cuts();
        let mut parts = arenas.take(&cuts)?;
        let mut places = by_worker(&mut parts, &cuts);
        let row_bytes = tensor.row_bytes();
        lead.run(each(&mut places), |worker, packed| {
            let mut plain = vec![0; row_bytes * ROWS];
            let mut packed = packed.chunks_exact_mut(group_bytes);
            for (expert, groups) in stack.stripes_of(worker) {
                let end = (expert + 1) * rows;
                let first_row = |group: usize| (expert * rows + group * ROWS).min(end);
                for (group, packed) in groups.clone().zip(&mut packed) {
                    let rows: Vec<&[u8]> = plain
                        .chunks_exact_mut(row_bytes)
                        .zip(first_row(group)..first_row(group + 1))
                        .map(|(buffer, row)| source.row(tensor, row, buffer))
                        .collect();
                    layout.pack_group(tensor.columns, &rows, packed);
                }
                source.release(tensor, first_row(groups.start)..first_row(groups.end));
            }
        });
        let packed = Packed {
            experts: tensor.matrices,
            group_bytes,
            homes,
            parts,
        };
        Matrix::new(tensor, place, kernels, layout, Storage::Packed(packed))
    }

    /// Moves packed bytes to memory that the workers of another decode team touch first.
    ///
    /// # Errors
    /// No memory; the matrix then stays where it is.
    pub fn rehome(&mut self, lead: &mut Lead<'_>, arenas: &mut Arenas) -> Result<(), EngineError> {
        let homes = self.place.homes(self.groups(), lead.threads());
        let Storage::Packed(old) = &mut self.storage else {
            return Ok(());
        };
        let stack = Stack {
            experts: old.experts,
            group_bytes: old.group_bytes,
            homes: &homes,
        };
        let cuts = stack.cuts();
        let mut parts = arenas.take(&cuts)?;
        let mut places = by_worker(&mut parts, &cuts);
        let from = &*old;
        lead.run(each(&mut places), |worker, new| {
            let mut new = &mut new[..];
            for expert in 0..from.experts {
                for piece in from.pieces(expert, homes.get(worker)) {
                    let (place, rest) = new.split_at_mut(piece.bytes.len());
                    place.copy_from_slice(piece.bytes);
                    new = rest;
                }
            }
        });
        (old.parts, old.homes) = (parts, homes);
        Ok(())
    }

    /// Row groups of one matrix.
    pub fn groups(&self) -> usize {
        self.rows.div_ceil(ROWS)
    }

    /// Bytes of all row groups, packed or as they would be.
    pub fn len_bytes(&self) -> usize {
        self.experts * self.groups() * self.layout.group_bytes(self.columns)
    }

    /// Packed bytes by the node of the workers that they were packed for; nothing of a matrix that is not
    /// packed.
    pub fn homes(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let packed = match &self.storage {
            Storage::Packed(packed) => Some(packed),
            Storage::Mapped(_) => None,
        };
        let parts = packed.into_iter().flat_map(|packed| &packed.parts);
        parts.map(|part| (part.node, &part.bytes[..]))
    }

    /// Which worker of the team that packed it wrote what, and the node that this was for.
    #[cfg(test)]
    pub(crate) fn writers(&self) -> Vec<(usize, usize, &[u8])> {
        let Storage::Packed(packed) = &self.storage else {
            return Vec::new();
        };
        let own = |worker| packed.homes.get(worker).len() * packed.experts * packed.group_bytes;
        let mut all = Vec::new();
        for part in &packed.parts {
            let mut rest = &part.bytes[..];
            for worker in part.workers.clone() {
                let (bytes, others) = rest.split_at(own(worker));
                all.push((worker, part.node, bytes));
                rest = others;
            }
        }
        all
    }

    /// The files that the rows are in, unless they are packed.
    pub fn files(&self) -> impl Iterator<Item = &Arc<FileMap>> {
        let rows = match &self.storage {
            Storage::Packed(_) => None,
            Storage::Mapped(rows) => Some(rows),
        };
        rows.into_iter().flat_map(FileRows::files)
    }

    /// Hands on some row groups of one expert's matrix, in order, in as many pieces as they lie in;
    /// those that are not packed are packed into `scratch`, a few at a time.
    pub fn each_piece(
        &self,
        expert: usize,
        groups: Range<usize>,
        scratch: &mut Vec<u8>,
        mut work: impl FnMut(Piece<'_>),
    ) {
        let rows = match &self.storage {
            Storage::Packed(packed) => {
                return packed.pieces(expert, groups).for_each(|piece| {
                    #[cfg(test)]
                    self.reads.note(piece.bytes);
                    work(piece);
                });
            }
            Storage::Mapped(rows) => rows,
        };
        let shape = Shape {
            layout: self.layout,
            columns: self.columns,
            rows: self.rows,
        };
        rows.each_pack(shape, expert, groups, scratch, |first_group, bytes| {
            work(Piece { first_group, bytes });
        });
    }
}

impl Packed {
    /// Some row groups of one expert's matrix, in order, in as many pieces as they lie in.
    fn pieces(
        &self,
        expert: usize,
        groups: Range<usize>,
    ) -> impl Iterator<Item = Piece<'_>> + use<'_> {
        self.parts.iter().flat_map(move |part| {
            let groups = groups.clone();
            let first = self.homes.get(part.workers.start).start;
            let end = self.homes.get(part.workers.end - 1).end;
            // One matrix lies in one piece, whoever of the node packed it.
            let whole = (self.experts == 1).then_some(first..end);
            let several = part.workers.clone().filter(|_| self.experts > 1);
            let homes = whole
                .into_iter()
                .chain(several.map(|worker| self.homes.get(worker)));
            homes.filter_map(move |home| {
                let (start, end) = (groups.start.max(home.start), groups.end.min(home.end));
                (start < end).then(|| {
                    let before = (home.start - first) * self.experts + expert * home.len();
                    let from = before + start - home.start;
                    Piece {
                        first_group: start,
                        bytes: &part.bytes[from * self.group_bytes..]
                            [..(end - start) * self.group_bytes],
                    }
                })
            })
        })
    }
}

/// Neighbouring row groups of a matrix.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'m> {
    /// The first one's number within its matrix.
    pub first_group: usize,
    /// Packed bytes.
    pub bytes: &'m [u8],
}

/// What a worker packs before it gives the source's memory back: little beside a model, and large
/// beside the units that a system caches files in (2 MiB at most), which it gives back whole.
const STRIPE_BYTES: usize = 16 << 20;

/// `items` of `item_bytes` each, cut into stripes.
pub(crate) fn stripes(
    items: Range<usize>,
    item_bytes: usize,
) -> impl Iterator<Item = Range<usize>> + use<> {
    let stripe = (STRIPE_BYTES / item_bytes).max(1);
    let end = items.end;
    items
        .step_by(stripe)
        .map(move |start| start..(start + stripe).min(end))
}

/// How the row groups of equal matrices lie in memory.
struct Stack<'s> {
    experts: usize,
    group_bytes: usize,
    homes: &'s Ranges,
}

impl Stack<'_> {
    /// Bytes by worker.
    fn cuts(&self) -> Ranges {
        self.homes.scaled(self.experts * self.group_bytes)
    }

    /// Matrix and row groups of everything that a worker packs, in the order of its bytes, in
    /// stripes.
    fn stripes_of(&self, worker: usize) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
        let (groups, group_bytes) = (self.homes.get(worker), self.group_bytes);
        (0..self.experts).flat_map(move |expert| {
            stripes(groups.clone(), group_bytes).map(move |groups| (expert, groups))
        })
    }
}

fn layout(tensor: &TensorInfo) -> Result<&'static Layout, EngineError> {
    Layout::of(tensor.kind).ok_or_else(|| {
        let unsupported = UnsupportedType { kind: tensor.kind };
        EngineError::Model(format!("tensor {}: {unsupported}", tensor.name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_teams_on_the_same_nodes_cut_at_the_same_node_bounds() {
        let shares = Shares::new(100, &[0, 0, 1, 1], &[0, 1]);
        assert_eq!(shares.of(Phase::Decode).groups.get(1), 25..50);
        assert_eq!(shares.of(Phase::Prefill).groups.get(0), 0..50);
        assert_eq!(shares.of(Phase::Prefill).groups.get(1), 50..100);
    }

    #[test]
    fn a_matrix_is_where_the_workers_of_its_product_read_it() {
        // Query, key and value of Llama3-8B on four nodes.
        let (groups, workers) = ([512, 128, 128], 88);
        let shares = Ranges::split(768, 1, workers);
        let mut before = 0;
        for groups in groups {
            let homes = Place { before, total: 768 }.homes(groups, workers);
            for (home, share) in homes.iter().zip(shares.iter()) {
                let read = share.start.max(before)..share.end.min(before + groups);
                if !read.is_empty() {
                    assert_eq!(home.start + before..home.end + before, read);
                } else {
                    assert!(home.is_empty());
                }
            }
            before += groups;
        }
    }

    #[test]
    fn stripes_cover_every_group_of_every_expert_once_and_in_order() {
        let homes = Ranges::split(10, 1, 3);
        for group_bytes in [1, STRIPE_BYTES / 2, 3 * STRIPE_BYTES] {
            let stack = Stack {
                experts: 2,
                group_bytes,
                homes: &homes,
            };
            for worker in 0..3 {
                let stripes = stack.stripes_of(worker);
                let groups: Vec<_> = stripes
                    .flat_map(|(expert, groups)| groups.map(move |group| (expert, group)))
                    .collect();
                let wanted: Vec<_> = (0..2)
                    .flat_map(|expert| homes.get(worker).map(move |group| (expert, group)))
                    .collect();
                assert_eq!(groups, wanted, "{group_bytes} bytes a group");
            }
        }
    }

    #[test]
    fn teams_on_different_nodes_divide_evenly() {
        let shares = Shares::new(99, &[0, 0], &[0, 1, 2]);
        let all: Vec<_> = shares.of(Phase::Prefill).groups.iter().collect();
        assert_eq!(all, [0..33, 33..66, 66..99]);
    }
}
