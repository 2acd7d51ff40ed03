//! Where a team of threads meets a kernel: matrix products as regions.
//!
//! A product's rows are divided among the workers; each computes its own columns of the output for
//! every row of the input. The input has to be in the kernels' form first. With few rows every
//! worker makes that for itself, which is cheaper than waiting for one that does it for all; with
//! many, the workers share the work and meet once more.

use std::ops::Range;

use sysinfer_kernels::elementwise::{add, rms_norm, silu_times};
use sysinfer_kernels::matmul::{Loops, multiply};
use sysinfer_kernels::{ActivationKind, Phase, ROWS};
use sysinfer_machine::{ColumnsMut, Ranges, columns, each, ranges};

use super::attention::Gather;
use super::matrix::Matrix;
use super::step::{Kind, Prepared, Step, lap, run_region};
use super::weights::{Gated, Projection};

/// From this many rows on, workers share the preparation of a product's input.
pub(super) const SHARE_INPUT_FROM: usize = 9;

/// Rows of a product's input and how they come to be.
#[derive(Clone, Copy)]
pub enum Input<'i> {
    /// As they are, `[rows][width]`.
    Plain(&'i [f32]),
    /// Root mean square norm of each row.
    Normed {
        /// `[rows][width]`.
        values: &'i [f32],
        /// `[width]`.
        weight: &'i [f32],
        /// Added to the mean of squares.
        epsilon: f32,
    },
    /// Attention's partial results, merged row by row.
    Attended(&'i Gather<'i>),
}

impl Input<'_> {
    /// What making its rows counts as.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Input::Attended(_) => Kind::Attention,
            Input::Plain(_) | Input::Normed { .. } => Kind::Rest,
        }
    }

    /// Row `row`, made in `buffer` (`[width]`) unless it exists already; `merged` is scratch.
    pub(super) fn row<'r>(
        &'r self,
        row: usize,
        buffer: &'r mut [f32],
        merged: &mut Vec<f32>,
    ) -> &'r [f32] {
        let width = buffer.len();
        match self {
            Input::Plain(values) => &values[row * width..][..width],
            Input::Normed {
                values,
                weight,
                epsilon,
            } => {
                rms_norm(&values[row * width..][..width], weight, *epsilon, buffer);
                buffer
            }
            Input::Attended(gather) => {
                gather.row(row, merged, buffer);
                buffer
            }
        }
    }
}

/// What becomes of a product.
#[derive(Clone, Copy)]
pub enum Target<'t> {
    /// It is the output.
    Store,
    /// It is added to the output: the residual stream.
    Add,
    /// The same, each row times its weight.
    AddWeighted(&'t [f32]),
}

/// The output of a product and which of its columns each worker writes.
pub(super) struct Output<'o> {
    pub(super) values: &'o mut [f32],
    pub(super) rows: usize,
    /// Values per row.
    pub(super) width: usize,
    pub(super) columns: &'o Ranges,
}

/// What a worker multiplies with: its number, and room for row groups that are not packed yet.
pub(super) struct Worker<'w> {
    pub(super) index: usize,
    pub(super) packed: &'w mut Vec<u8>,
}

/// Row groups of a matrix, or of one expert's.
pub(super) struct MatrixPart<'m> {
    matrix: &'m Matrix,
    expert: usize,
    groups: Range<usize>,
}

impl<'m> MatrixPart<'m> {
    pub(super) fn new(matrix: &'m Matrix, expert: usize, groups: Range<usize>) -> Self {
        Self {
            matrix,
            expert,
            groups,
        }
    }
}

/// How the workers of a phase multiply.
#[derive(Clone, Copy)]
pub(super) struct Multiplier {
    phase: Phase,
    loops: Loops,
}

impl Multiplier {
    /// Multiplies a part of a matrix by the prepared input; `put` gets
    /// eight results at a time with their row and their first column within the matrix.
    pub(super) fn run(
        self,
        part: MatrixPart<'_>,
        prepared: &Prepared,
        worker: &mut Worker<'_>,
        mut put: impl FnMut(usize, usize, &[f32; ROWS]),
    ) {
        let MatrixPart {
            matrix,
            expert,
            groups,
        } = part;
        let kernel = matrix.kernels.of(self.phase);
        let activations = prepared.of(kernel.kernel().activations);
        matrix.each_piece(expert, groups, worker.packed, |piece| {
            multiply(kernel, piece.bytes, activations, self.loops, |tile| {
                let column = (piece.first_group + tile.group) * ROWS;
                for row in 0..tile.rows {
                    put(tile.first_row + row, column, tile.row(row));
                }
            });
        });
    }
}

/// Eight columns of a worker's part of the output, from column `column` of the whole on.
pub(super) fn eight<'o>(
    out: &'o mut ColumnsMut<'_, f32>,
    row: usize,
    column: usize,
) -> &'o mut [f32] {
    let first = column - out.first_column();
    &mut out.row_mut(row)[first..first + ROWS]
}

impl Step<'_, '_> {
    pub(super) fn multiplier(&self) -> Multiplier {
        Multiplier {
            phase: self.phase,
            loops: self.loops,
        }
    }

    /// The forms of input that the matrices' kernels read.
    pub(super) fn activation_kinds(&self, matrices: &[&Matrix]) -> Vec<ActivationKind> {
        let wanted = |kind: &ActivationKind| {
            matrices
                .iter()
                .any(|m| m.kernels.of(self.phase).kernel().activations == *kind)
        };
        [ActivationKind::Q8, ActivationKind::F32]
            .into_iter()
            .filter(wanted)
            .collect()
    }

    /// Multiplies `input` by all matrices of a projection.
    pub fn project(
        &mut self,
        projection: &Projection,
        input: Input<'_>,
        target: Target<'_>,
        out: &mut [f32],
    ) {
        let share = projection.shares.of(self.phase);
        let output = Output {
            values: out,
            rows: self.rows,
            width: projection.width(),
            columns: &share.columns,
        };
        let multiplier = self.multiplier();
        let matrices: Vec<&Matrix> = projection.matrices.iter().collect();
        let bias = projection.bias.as_deref();
        self.region(&matrices, input, output, |mut worker, prepared, out| {
            let mine = share.groups.get(worker.index);
            let mut first_group = 0;
            for matrix in &matrices {
                let groups = first_group..first_group + matrix.groups();
                let start = mine.start.clamp(groups.start, groups.end);
                let end = mine.end.clamp(groups.start, groups.end);
                let part = MatrixPart::new(matrix, 0, start - first_group..end - first_group);
                let first_column = first_group * ROWS;
                multiplier.run(part, prepared, &mut worker, |row, column, values| {
                    let column = first_column + column;
                    let place = eight(out, row, column);
                    match target {
                        Target::Store => place.copy_from_slice(values),
                        Target::Add => add(place, values),
                        Target::AddWeighted(weights) => {
                            add(place, &values.map(|value| weights[row] * value));
                        }
                    }
                    if let Some(bias) = bias {
                        add(place, &bias[column..column + ROWS]);
                    }
                });
                first_group = groups.end;
            }
        });
    }

    /// `out = silu(gate(input)) * up(input)`.
    pub fn gate(&mut self, gated: &Gated, input: Input<'_>, out: &mut [f32]) {
        let share = gated.shares.of(self.phase);
        let output = Output {
            values: out,
            rows: self.rows,
            width: gated.gate.groups() * ROWS,
            columns: &share.columns,
        };
        let multiplier = self.multiplier();
        let matrices = [&gated.gate, &gated.up];
        let biases = gated.biases.as_ref();
        self.region(&matrices, input, output, |mut worker, prepared, out| {
            let mine = share.groups.get(worker.index);
            let gate = MatrixPart::new(&gated.gate, 0, mine.clone());
            multiplier.run(gate, prepared, &mut worker, |row, column, values| {
                let place = eight(out, row, column);
                place.copy_from_slice(values);
                if let Some(biases) = biases {
                    add(place, &biases.gate[column..column + ROWS]);
                }
            });
            let up = MatrixPart::new(&gated.up, 0, mine);
            multiplier.run(up, prepared, &mut worker, |row, column, values| {
                let place = eight(out, row, column);
                match biases {
                    None => silu_times(place, values),
                    Some(biases) => {
                        let mut values = *values;
                        add(&mut values, &biases.up[column..column + ROWS]);
                        silu_times(place, &values);
                    }
                }
            });
        });
    }

    /// Prepares the input for all `matrices`, then lets every worker write its columns.
    fn region(
        &mut self,
        matrices: &[&Matrix],
        input: Input<'_>,
        output: Output<'_>,
        work: impl Fn(Worker<'_>, &Prepared, &mut ColumnsMut<'_, f32>) + Sync,
    ) {
        let (rows, width) = (self.rows, matrices[0].columns);
        let kinds = self.activation_kinds(matrices);
        let values = &mut output.values[..rows * output.width];
        let cut = columns(values, output.width, output.columns);
        if rows >= SHARE_INPUT_FROM {
            self.prepare_together(&kinds, input, width);
            let shared = &self.shared.prepared;
            let parts = (each(self.scratch), cut);
            run_region(
                self.lead,
                Kind::Products,
                parts,
                |index, (scratch, mut out)| {
                    let packed = &mut scratch.packed;
                    work(Worker { index, packed }, shared, &mut out);
                },
            );
            return;
        }
        let stopwatch = self.lead.stopwatch();
        let parts = (each(self.scratch), cut);
        run_region(
            self.lead,
            Kind::Products,
            parts,
            |index, (scratch, mut out)| {
                let prepared = &mut scratch.own.prepared;
                scratch.row.resize(width, 0.0);
                for kind in &kinds {
                    prepared.of_mut(*kind).reshape(rows, width);
                }
                for row in 0..rows {
                    let values = input.row(row, &mut scratch.row, &mut scratch.merged);
                    for kind in &kinds {
                        prepared.of_mut(*kind).set_row(row, values);
                    }
                }
                lap(stopwatch, index, input.kind());
                let packed = &mut scratch.packed;
                work(Worker { index, packed }, prepared, &mut out);
            },
        );
    }

    fn prepare_together(&mut self, kinds: &[ActivationKind], input: Input<'_>, width: usize) {
        for kind in kinds {
            let activations = self.shared.prepared.of_mut(*kind);
            activations.reshape(self.rows, width);
            let mut panels = activations.panels_mut();
            let shares = Ranges::split(panels.len(), 1, self.lead.threads());
            let parts = (each(self.scratch), ranges(&mut panels, &shares));
            let spent_on = input.kind();
            run_region(self.lead, spent_on, parts, |_, (scratch, panels)| {
                scratch.row.resize(width, 0.0);
                for panel in panels {
                    for lane in 0..panel.rows() {
                        let values = input.row(
                            panel.first_row() + lane,
                            &mut scratch.row,
                            &mut scratch.merged,
                        );
                        panel.set_row(lane, values);
                    }
                }
            });
        }
    }
}
