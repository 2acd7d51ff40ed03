//! Where a team of threads meets a kernel: matrix products as phases.
//!
//! A product's rows are divided among the workers; each computes its own columns of the output for
//! every row of the input. The input has to be in the kernels' form first. With few rows every
//! worker makes that for itself, which is cheaper than waiting for one that does it for all; with
//! many, the workers share the work and meet once more.

use std::ops::Range;

use sysinfer_kernels::elementwise::{add, rms_norm, silu_times};
use sysinfer_kernels::matmul::{Loops, multiply};
use sysinfer_kernels::{ActivationKind, ROWS, Role};
use sysinfer_machine::{ColumnsMut, Ranges, columns, each, ranges};

use super::attention::Gather;
use super::matrix::Matrix;
use super::step::{Prepared, Step};
use super::weights::{Gated, Projection};

/// From this many rows on, workers share the preparation of a product's input.
const SHARE_INPUT_FROM: usize = 9;

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
    /// Row `row`, made in `buffer` (`[width]`) unless it exists already; `merged` is scratch.
    fn row<'r>(&'r self, row: usize, buffer: &'r mut [f32], merged: &mut Vec<f32>) -> &'r [f32] {
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
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// It is the output.
    Store,
    /// It is added to the output: the residual stream.
    Add,
}

/// The output of a product and which of its columns each worker writes.
struct Output<'o> {
    values: &'o mut [f32],
    width: usize,
    columns: &'o Ranges,
}

/// How the workers of a phase multiply.
#[derive(Clone, Copy)]
struct Multiplier {
    role: Role,
    loops: Loops,
}

impl Multiplier {
    /// Multiplies some row groups of a matrix by the prepared input; `put` gets eight results at a
    /// time and their place, which starts at `first_column` of the worker's columns.
    fn run(
        self,
        (matrix, groups): (&Matrix, Range<usize>),
        prepared: &Prepared,
        out: &mut ColumnsMut<'_, f32>,
        first_column: usize,
        put: impl Fn(&mut [f32], &[f32; ROWS]),
    ) {
        let kernel = matrix.kernels.of(self.role);
        let activations = prepared.of(kernel.kernel().activations);
        multiply(
            kernel,
            matrix.group_range(groups),
            activations,
            self.loops,
            |tile| {
                let column = first_column + tile.group * ROWS;
                for row in 0..tile.rows {
                    let place = &mut out.row_mut(tile.first_row + row)[column..][..ROWS];
                    put(place, tile.row(row));
                }
            },
        );
    }
}

impl Step<'_, '_> {
    fn multiplier(&self) -> Multiplier {
        Multiplier {
            role: self.role,
            loops: self.loops,
        }
    }

    /// Multiplies `input` by all matrices of a projection.
    pub fn project(
        &mut self,
        projection: &Projection,
        input: Input<'_>,
        target: Target,
        out: &mut [f32],
    ) {
        let share = projection.shares.of(self.role);
        let output = Output {
            values: out,
            width: projection.width(),
            columns: &share.columns,
        };
        let multiplier = self.multiplier();
        let matrices: Vec<&Matrix> = projection.matrices.iter().collect();
        self.phase(&matrices, input, output, |worker, prepared, out| {
            let mine = share.groups.get(worker);
            let mut first_group = 0;
            for matrix in &matrices {
                let groups = first_group..first_group + matrix.groups();
                let start = mine.start.clamp(groups.start, groups.end);
                let end = mine.end.clamp(groups.start, groups.end);
                if start < end {
                    let part = start - first_group..end - first_group;
                    let first_column = start * ROWS - out.first_column();
                    let put = |out: &mut [f32], values: &[f32; ROWS]| match target {
                        Target::Store => out.copy_from_slice(values),
                        Target::Add => add(out, values),
                    };
                    multiplier.run((matrix, part), prepared, out, first_column, put);
                }
                first_group = groups.end;
            }
        });
    }

    /// `out = silu(gate(input)) * up(input)`.
    pub fn gate(&mut self, gated: &Gated, input: Input<'_>, out: &mut [f32]) {
        let share = gated.shares.of(self.role);
        let width = gated.gate.groups() * ROWS;
        let output = Output {
            values: out,
            width,
            columns: &share.columns,
        };
        let multiplier = self.multiplier();
        let matrices = [&gated.gate, &gated.up];
        self.phase(&matrices, input, output, |worker, prepared, out| {
            let mine = share.groups.get(worker);
            multiplier.run(
                (&gated.gate, mine.clone()),
                prepared,
                out,
                0,
                |out, values| {
                    out.copy_from_slice(values);
                },
            );
            multiplier.run((&gated.up, mine), prepared, out, 0, |out, values| {
                silu_times(out, values);
            });
        });
    }

    /// Prepares the input for all `matrices`, then lets every worker write its columns.
    fn phase(
        &mut self,
        matrices: &[&Matrix],
        input: Input<'_>,
        output: Output<'_>,
        work: impl Fn(usize, &Prepared, &mut ColumnsMut<'_, f32>) + Sync,
    ) {
        let (rows, width) = (self.rows, matrices[0].columns);
        let kinds: Vec<ActivationKind> = [ActivationKind::Q8, ActivationKind::F32]
            .into_iter()
            .filter(|kind| {
                matrices
                    .iter()
                    .any(|m| m.kernels.of(self.role).kernel().activations == *kind)
            })
            .collect();
        let values = &mut output.values[..rows * output.width];
        let cut = columns(values, output.width, output.columns);
        if rows >= SHARE_INPUT_FROM {
            self.prepare_together(&kinds, input, width);
            let shared = &*self.shared;
            self.lead
                .run(cut, |worker, mut out| work(worker, shared, &mut out));
            return;
        }
        self.lead
            .run((each(self.scratch), cut), |worker, (scratch, mut out)| {
                scratch.row.resize(width, 0.0);
                for kind in &kinds {
                    scratch.prepared.of_mut(*kind).reshape(rows, width);
                }
                for row in 0..rows {
                    let values = input.row(row, &mut scratch.row, &mut scratch.merged);
                    for kind in &kinds {
                        scratch.prepared.of_mut(*kind).set_row(row, values);
                    }
                }
                work(worker, &scratch.prepared, &mut out);
            });
    }

    fn prepare_together(&mut self, kinds: &[ActivationKind], input: Input<'_>, width: usize) {
        for kind in kinds {
            let activations = self.shared.of_mut(*kind);
            activations.reshape(self.rows, width);
            let mut panels = activations.panels_mut();
            let shares = Ranges::split(panels.len(), 1, self.lead.threads());
            let parts = (each(self.scratch), ranges(&mut panels, &shares));
            self.lead.run(parts, |_, (scratch, panels)| {
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
