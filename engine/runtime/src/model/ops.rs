//! Where a team of threads meets a kernel: matrix products as phases.
//!
//! A product's rows are divided among the workers; each computes its own columns of the output for
//! every row of the input. The input has to be in the kernels' form first. With few rows every
//! worker makes that for itself, which is cheaper than waiting for one that does it for all; with
//! many, the workers share the work and meet once more.

use sysinfer_kernels::elementwise::{add, rms_norm, silu_times};
use sysinfer_kernels::matmul::multiply;
use sysinfer_kernels::{ActivationKind, ROWS};
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

/// Which columns of the output a product covers, and how wide the output is.
struct Output<'o> {
    values: &'o mut [f32],
    width: usize,
    groups: &'o Ranges,
}

impl Step<'_, '_> {
    /// Multiplies `input` by all matrices of a projection.
    pub fn project(
        &mut self,
        projection: &Projection,
        input: Input<'_>,
        target: Target,
        out: &mut [f32],
    ) {
        let groups = projection.shares.of(self.role);
        let output = Output {
            values: out,
            width: projection.width(),
            groups,
        };
        let (role, loops) = (self.role, self.loops);
        let matrices: Vec<&Matrix> = projection.matrices.iter().collect();
        self.phase(&matrices, input, output, |worker, prepared, out| {
            let share = groups.get(worker);
            let mut first_group = 0;
            for matrix in &projection.matrices {
                let groups = first_group..first_group + matrix.groups();
                let start = share.start.clamp(groups.start, groups.end);
                let end = share.end.clamp(groups.start, groups.end);
                if start == end {
                    first_group = groups.end;
                    continue;
                }
                let kernel = matrix.kernels.of(role);
                let weights = matrix.group_range(start - first_group..end - first_group);
                let first_column = start * ROWS - out.first_column();
                multiply(
                    kernel,
                    weights,
                    prepared.of(kernel.kernel().activations),
                    loops,
                    |tile| {
                        for row in 0..tile.rows {
                            let column = first_column + tile.group * ROWS;
                            let out = &mut out.row_mut(tile.first_row + row)[column..][..ROWS];
                            match target {
                                Target::Store => out.copy_from_slice(tile.row(row)),
                                Target::Add => add(out, tile.row(row)),
                            }
                        }
                    },
                );
                first_group = groups.end;
            }
        });
    }

    /// `out = silu(gate(input)) * up(input)`.
    pub fn gate(&mut self, gated: &Gated, input: Input<'_>, out: &mut [f32]) {
        let groups = gated.shares.of(self.role);
        let output = Output {
            values: out,
            width: gated.gate.groups() * ROWS,
            groups,
        };
        let (role, loops) = (self.role, self.loops);
        self.phase(
            &[&gated.gate, &gated.up],
            input,
            output,
            |worker, prepared, out| {
                for (matrix, joins) in [(&gated.gate, false), (&gated.up, true)] {
                    let kernel = matrix.kernels.of(role);
                    let weights = matrix.group_range(groups.get(worker));
                    multiply(
                        kernel,
                        weights,
                        prepared.of(kernel.kernel().activations),
                        loops,
                        |tile| {
                            for row in 0..tile.rows {
                                let out = out.row_mut(tile.first_row + row);
                                let out = &mut out[tile.group * ROWS..][..ROWS];
                                if joins {
                                    silu_times(out, tile.row(row));
                                } else {
                                    out.copy_from_slice(tile.row(row));
                                }
                            }
                        },
                    );
                }
            },
        );
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
        let cuts = output.groups.scaled(ROWS);
        let cut = columns(
            &mut output.values[..rows * output.width],
            output.width,
            &cuts,
        );
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
