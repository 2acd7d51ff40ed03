//! Hidden states: the residual stream behind the last norm, which is what the output matrix multiplies
//! (llama.cpp calls it `result_norm`). Sequences add theirs up for embeddings, without any logits.

use sysinfer_kernels::elementwise::rms_norm;
use sysinfer_machine::{Lines, Ranges, ranges};

use super::attention::Addition;
use super::forward::Model;
use super::step::{Kind, Step, run_region};

impl Model {
    /// Adds the states of the step's rows to the sums of the sequences that want them. Each worker makes
    /// the states of some rows, and then adds up some columns of all of them, from the first row to the last.
    pub(super) fn sum_states(
        &self,
        step: &mut Step<'_, '_>,
        additions: &mut [Addition<'_>],
        residual: &[f32],
        states: &mut Lines,
    ) {
        let width = self.config.embedding_length;
        let summed = additions.iter().filter(|addition| addition.sums_states);
        let rows: Vec<usize> = summed
            .flat_map(|addition| addition.first_row..addition.first_row + addition.tokens.len())
            .collect();
        if rows.is_empty() {
            return;
        }
        states.resize(rows.len() * width);
        let (kind, threads) = (Kind::Rest, step.lead.threads());
        let shares = Ranges::split(rows.len(), 1, threads);
        let cuts = shares.scaled(width);
        run_region(step.lead, kind, ranges(states, &cuts), |worker, out| {
            let mine = rows[shares.get(worker)].iter();
            for (row, out) in mine.zip(out.chunks_exact_mut(width)) {
                let values = &residual[row * width..][..width];
                rms_norm(
                    values,
                    &self.weights.output_norm,
                    self.config.norm_epsilon,
                    out,
                );
            }
        });
        let columns = Ranges::split(width, 1, threads);
        let mut rest = &states[..];
        for addition in additions.iter_mut().filter(|addition| addition.sums_states) {
            let tokens = addition.tokens.len();
            let (own, others) = rest.split_at(tokens * width);
            rest = others;
            let sums = addition.sequence.states_mut().adding(tokens, width);
            run_region(step.lead, kind, ranges(sums, &columns), |worker, sums| {
                for state in own.chunks_exact(width) {
                    let values = &state[columns.get(worker)];
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum += f64::from(*value);
                    }
                }
            });
        }
    }
}
