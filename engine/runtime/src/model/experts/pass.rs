//! The regions of a step of experts: scores | choice | gate and up | down.

use std::ops::Range;

use sysinfer_kernels::elementwise::silu_times;
use sysinfer_kernels::{ActivationKind, ROWS};
use sysinfer_machine::{ColumnsMut, Ranges, columns, each, ranges};

use super::ExpertBuffers;
use super::routing::{Batch, Choice, choose};
use crate::model::matrix::Matrix;
use crate::model::ops::{Input, MatrixPart, Output, SHARE_INPUT_FROM, Target, Worker, eight};
use crate::model::step::{Kind, Prepared, Scratch, Step, lap, run_region};
use crate::model::weights::ExpertLayer;

/// The rows that go into one product of experts.
struct Feed<'f> {
    input: Input<'f>,
    /// Values per row.
    width: usize,
    /// Row of the input, by use.
    rows: &'f [usize],
    /// The uses that are prepared together, one set per batch or one for all.
    sets: Vec<Range<usize>>,
}

impl Feed<'_> {
    /// Fills row `index` of a set.
    fn fill(
        &self,
        use_index: usize,
        scratch: (&mut Vec<f32>, &mut Vec<f32>),
        put: impl FnOnce(&[f32]),
    ) {
        let (row, merged) = scratch;
        row.resize(self.width, 0.0);
        put(self.input.row(self.rows[use_index], row, merged));
    }
}

impl Step<'_, '_> {
    /// Chooses every row's experts and computes their hidden vectors; `input` is
    /// `[rows][embedding_length]`.
    pub fn experts_gate(
        &mut self,
        layer: &ExpertLayer,
        input: Input<'_>,
        buffers: &mut ExpertBuffers,
    ) {
        let ExpertBuffers {
            scores,
            routing,
            hidden,
            ..
        } = buffers;
        scores.resize(self.rows * layer.router.width(), 0.0);
        self.project(&layer.router, input, Target::Store, scores);
        routing
            .choices
            .resize(self.rows * layer.rule.used, Choice::default());
        self.choose(layer, scores, &mut routing.choices);
        routing.group(layer.rule.used);

        let rows: Vec<usize> = routing.uses.iter().map(|one| one.row).collect();
        let feed = Feed {
            input,
            width: layer.gate.columns,
            rows: &rows,
            // One row is the same for all its experts.
            sets: match self.rows {
                1 => std::iter::once(0..1).collect(),
                _ => routing.batches.iter().map(Batch::range).collect(),
            },
        };
        hidden.resize(rows.len() * layer.gate.rows);
        self.hidden_of_experts(layer, &routing.batches, &feed, hidden);
        if let Some(shared) = &layer.shared {
            self.shared_gate(shared, input, buffers);
        }
    }

    /// Adds the weighted results of every row's experts to `out`, after [`Step::experts_gate`].
    pub fn experts_down(&mut self, layer: &ExpertLayer, buffers: &ExpertBuffers, out: &mut [f32]) {
        let routing = &buffers.routing;
        let uses: Vec<usize> = (0..routing.uses.len()).collect();
        let feed = Feed {
            input: Input::Plain(&buffers.hidden),
            width: layer.down.columns,
            rows: &uses,
            sets: routing.batches.iter().map(Batch::range).collect(),
        };
        let share = layer.output_shares.of(self.phase);
        let output = Output {
            values: out,
            rows: self.rows,
            width: layer.down.groups() * ROWS,
            columns: &share.columns,
        };
        let multiplier = self.multiplier();
        self.feed(&[&layer.down], &feed, output, |mut worker, sets, out| {
            let mine = share.groups.get(worker.index);
            for (batch, prepared) in routing.batches.iter().zip(sets) {
                let part = MatrixPart::new(&layer.down, batch.expert, mine.clone());
                multiplier.run(part, prepared, &mut worker, |row, column, values| {
                    let one = routing.uses[batch.first + row];
                    let sums = eight(out, one.row, column);
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum += one.weight * value;
                    }
                });
            }
        });
        if let Some(shared) = &layer.shared {
            self.shared_down(shared, buffers, out);
        }
    }

    /// Every row's experts.
    fn choose(&mut self, layer: &ExpertLayer, scores: &[f32], choices: &mut [Choice]) {
        let (rule, width, used) = (layer.rule, layer.router.width(), layer.rule.used);
        let choose_rows = |first: usize, choices: &mut [Choice]| {
            let scores = scores[first * width..].chunks_exact(width);
            for (scores, choices) in scores.zip(choices.chunks_exact_mut(used)) {
                choose(&scores[..rule.count], rule, choices);
            }
        };
        if self.rows < SHARE_INPUT_FROM {
            return choose_rows(0, choices);
        }
        let rows = Ranges::split(self.rows, 1, self.lead.threads());
        let cuts = rows.scaled(used);
        let parts = ranges(choices, &cuts);
        let kind = Kind::Rest;
        run_region(self.lead, kind, parts, |worker, choices| {
            choose_rows(rows.get(worker).start, choices)
        });
    }

    /// `silu(gate(row)) * up(row)` of every use.
    fn hidden_of_experts(
        &mut self,
        layer: &ExpertLayer,
        batches: &[Batch],
        feed: &Feed<'_>,
        hidden: &mut [f32],
    ) {
        let share = layer.hidden_shares.of(self.phase);
        let output = Output {
            values: hidden,
            rows: feed.rows.len(),
            width: layer.gate.rows,
            columns: &share.columns,
        };
        let multiplier = self.multiplier();
        self.feed(
            &[&layer.gate, &layer.up],
            feed,
            output,
            |mut worker, sets, out| {
                let mine = share.groups.get(worker.index);
                for (index, batch) in batches.iter().enumerate() {
                    let prepared = &sets[index.min(sets.len() - 1)];
                    let gate = MatrixPart::new(&layer.gate, batch.expert, mine.clone());
                    multiplier.run(gate, prepared, &mut worker, |row, column, values| {
                        eight(out, batch.first + row, column).copy_from_slice(values);
                    });
                    let up = MatrixPart::new(&layer.up, batch.expert, mine.clone());
                    multiplier.run(up, prepared, &mut worker, |row, column, values| {
                        silu_times(eight(out, batch.first + row, column), values);
                    });
                }
            },
        );
    }

    /// Prepares all sets of a feed, then lets every worker write its columns.
    fn feed(
        &mut self,
        matrices: &[&Matrix],
        feed: &Feed<'_>,
        output: Output<'_>,
        work: impl Fn(Worker<'_>, &[Prepared], &mut ColumnsMut<'_, f32>) + Sync,
    ) {
        let kinds = self.activation_kinds(matrices);
        let values = &mut output.values[..output.rows * output.width];
        let cut = columns(values, output.width, output.columns);
        if self.rows >= SHARE_INPUT_FROM {
            self.prepare_sets(&kinds, feed);
            let sets = &self.shared.sets[..feed.sets.len()];
            let parts = (each(self.scratch), cut);
            run_region(
                self.lead,
                Kind::Products,
                parts,
                |index, (scratch, mut out)| {
                    let packed = &mut scratch.packed;
                    work(Worker { index, packed }, sets, &mut out);
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
                let Scratch {
                    row,
                    merged,
                    own,
                    packed,
                    ..
                } = scratch;
                own.at_least(feed.sets.len());
                for (set, prepared) in feed.sets.iter().zip(&mut own.sets) {
                    for kind in &kinds {
                        let activations = prepared.of_mut(*kind);
                        activations.reshape(set.len(), feed.width);
                        for (index, one) in set.clone().enumerate() {
                            feed.fill(one, (row, merged), |values| {
                                activations.set_row(index, values);
                            });
                        }
                    }
                }
                lap(stopwatch, index, feed.input.kind());
                let sets = &own.sets[..feed.sets.len()];
                work(Worker { index, packed }, sets, &mut out);
            },
        );
    }

    /// The sets of a feed, prepared by all workers together.
    fn prepare_sets(&mut self, kinds: &[ActivationKind], feed: &Feed<'_>) {
        self.shared.at_least(feed.sets.len());
        for kind in kinds {
            let mut panels = Vec::new();
            for (set, prepared) in feed.sets.iter().zip(&mut self.shared.sets) {
                let activations = prepared.of_mut(*kind);
                activations.reshape(set.len(), feed.width);
                let first = set.start;
                panels.extend(
                    activations
                        .panels_mut()
                        .into_iter()
                        .map(|panel| (first, panel)),
                );
            }
            let shares = Ranges::split(panels.len(), 1, self.lead.threads());
            let parts = (each(self.scratch), ranges(&mut panels, &shares));
            let spent_on = feed.input.kind();
            run_region(self.lead, spent_on, parts, |_, (scratch, panels)| {
                let Scratch { row, merged, .. } = scratch;
                for (first, panel) in panels {
                    for lane in 0..panel.rows() {
                        let one = *first + panel.first_row() + lane;
                        feed.fill(one, (row, merged), |values| panel.set_row(lane, values));
                    }
                }
            });
        }
    }
}
