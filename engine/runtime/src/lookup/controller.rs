//! How long drafts are: as long as the tokens they are likely to win are worth the rows they cost.
//!
//! Pure arithmetic on what it is told; the time of steps comes from the caller.

use std::time::Duration;

use super::MAX_DRAFTED;
use super::acceptance::Acceptance;
use super::costs::{Rows, StepCosts};
use crate::plan::DECODE_ROWS;

/// How much better a step with drafts must look than one without: estimates err.
const MIN_GAIN: f64 = 1.03;
/// Drafts rest while they have lost more than this, in tokens that plain steps would have made.
const MAX_LOST: f64 = 1.0;
/// Most that earlier gains let drafts lose later, in tokens.
const MAX_CREDIT: f64 = 2.0;
/// Losses that are forgiven per token: with no match ever right, drafts slow a long answer down by
/// this much.
const FORGIVEN: f64 = 0.015;

/// What a sequence could draft.
#[derive(Clone, Copy, Debug)]
pub struct Prospect<'a> {
    /// The record of the sequence.
    pub acceptance: &'a Acceptance,
    /// Length of the match that the draft would follow; 0: there is none.
    pub match_length: usize,
    /// Most tokens that may be drafted.
    pub most: usize,
}

/// Weighs drafts against their cost, for all sequences of an engine.
#[derive(Clone, Debug, Default)]
pub struct Controller {
    costs: StepCosts,
    /// Tokens that drafts have lost (or won, below 0) lately.
    lost: f64,
}

/// What a step came to.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Sequences in the step.
    pub sequences: usize,
    /// Rows of the step: those of the sequences with their drafts, and those of prompts.
    pub rows: Rows,
    /// Tokens that were drawn from its logits.
    pub tokens: usize,
    /// How long the engine took.
    pub took: Duration,
}

impl Controller {
    /// What steps took.
    pub fn costs(&self) -> &StepCosts {
        &self.costs
    }

    /// The same, to begin with what is known.
    pub fn costs_mut(&mut self) -> &mut StepCosts {
        &mut self.costs
    }

    /// Lengths of the drafts of the next step, one per sequence: those that promise most tokens per
    /// second. With the sequences themselves they fit a decode step, though rows of prompts share it.
    pub fn drafts(&self, prospects: &[Prospect<'_>], prompt_rows: usize) -> Vec<usize> {
        let sequences = prospects.len();
        let mut lengths = vec![0; sequences];
        let mut best = lengths.clone();
        // Without a fresh time of plain steps there is nothing to compare with: take one.
        let plain = Rows {
            decode: sequences,
            prompt: prompt_rows,
        };
        let Some(cost) = self.costs.with_drafts(plain) else {
            return best;
        };
        let plain = cost(sequences);
        if self.lost > MAX_LOST {
            return best;
        }
        let mut tokens = sequences as f64;
        let mut best_rate = tokens / plain * MIN_GAIN;
        // For each sequence: the chance that a draft that is one longer is accepted to its end.
        let mut chances: Vec<f64> = prospects.iter().map(|one| one.chance(0)).collect();
        for rows in sequences + 1..=DECODE_ROWS {
            let likeliest = (0..sequences).max_by(|a, b| chances[*a].total_cmp(&chances[*b]));
            let Some(likeliest) = likeliest.filter(|at| chances[*at] > 0.0) else {
                break;
            };
            tokens += chances[likeliest];
            lengths[likeliest] += 1;
            chances[likeliest] *= prospects[likeliest].chance(lengths[likeliest]);
            let seconds = cost(rows);
            if tokens / seconds > best_rate {
                best_rate = tokens / seconds;
                best.clone_from(&lengths);
            }
        }
        best
    }

    /// Notes what a step came to.
    pub fn note(&mut self, outcome: Outcome) {
        let Outcome {
            sequences, rows, ..
        } = outcome;
        self.costs.note(rows, outcome.took);
        let tokens = outcome.tokens as f64;
        let plain = Rows {
            decode: sequences,
            prompt: rows.prompt,
        };
        let times = self.costs.with_drafts(plain).map(|cost| {
            // The usual time of such a step: one that the system disturbed says nothing of drafts.
            let known = rows.prompt > 0 || self.costs.measured(rows.decode).is_some();
            let usual = known.then(|| cost(rows.decode));
            (cost(sequences), usual.unwrap_or(outcome.took.as_secs_f64()))
        });
        if rows.decode > sequences
            && let Some((plain, took)) = times
        {
            self.lost += took / plain * outcome.sequences as f64 - tokens;
        }
        self.lost = (self.lost - FORGIVEN * tokens).max(-MAX_CREDIT);
    }
}

impl Prospect<'_> {
    /// The chance that token `index` of a draft is accepted if those before it were.
    fn chance(&self, index: usize) -> f64 {
        if self.match_length == 0 || index >= self.most.min(MAX_DRAFTED) {
            return 0.0;
        }
        self.acceptance.chance(self.match_length + index)
    }
}

#[cfg(test)]
mod tests;
