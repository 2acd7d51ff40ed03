//! From logits to the next token: one [`Sampler`] per sequence.
//!
//! Logits come in as the model made them and are never changed; a sampler has its own scratch,
//! which it reuses from token to token. The same seed, options and logits give the same tokens on
//! every platform of one instruction set; `exp` may differ in the last bit between libraries.

mod error;
mod filters;
mod history;
mod options;
mod rng;
mod weights;

pub use error::SamplingError;
pub use options::SamplingOptions;

use filters::{Candidate, most_likely, most_likely_tokens, nucleus};
use history::History;
use rng::Rng;
use weights::{Weights, pick, weight};

/// A chosen token and what the model itself thought of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// The token.
    pub token: u32,
    /// The natural logarithm of its probability under the raw logits, before any option.
    pub logprob: f32,
    /// The most likely tokens under the raw logits with their logprobs, most likely first.
    pub top: Vec<(u32, f32)>,
}

/// Chooses the tokens of one sequence.
#[derive(Debug, Clone)]
pub struct Sampler {
    options: SamplingOptions,
    rng: Rng,
    history: History,
    adjusted: Vec<f32>,
    candidates: Vec<Candidate>,
    weights: Weights,
}

impl Sampler {
    /// Makes a sampler. `fallback_seed` is used where the options have no seed; it comes from the
    /// caller because the engine reads no clock.
    ///
    /// # Errors
    /// [`SamplingError`] when an option is out of its range.
    pub fn new(options: SamplingOptions, fallback_seed: u64) -> Result<Self, SamplingError> {
        options.validate()?;
        Ok(Self {
            rng: Rng::new(options.seed.unwrap_or(fallback_seed)),
            options,
            history: History::default(),
            adjusted: Vec::new(),
            candidates: Vec::new(),
            weights: Weights::default(),
        })
    }

    /// The options that the sampler follows.
    #[must_use]
    pub fn options(&self) -> &SamplingOptions {
        &self.options
    }

    /// Notes the prompt, for `repetition_penalty`.
    pub fn accept_prompt(&mut self, tokens: &[u32]) {
        if self.options.repetition_penalty != 1.0 {
            self.history.accept_prompt(tokens);
        }
    }

    /// Notes a token that became part of the answer, for the penalties.
    pub fn accept(&mut self, token: u32) {
        self.history.accept(token);
    }

    /// Chooses a token. `logits` holds one logit per token of the vocabulary.
    ///
    /// Logits that are not numbers are never chosen, and equals go to the lower id. When no logit
    /// is above negative infinity, or there are none at all, the answer is token 0.
    pub fn sample(&mut self, logits: &[f32]) -> u32 {
        self.sample_without(&[], logits)
    }

    /// As [`Sampler::sample`], as if the logits of `excluded` tokens were negative infinity.
    pub fn sample_without(&mut self, excluded: &[u32], logits: &[f32]) -> u32 {
        let mut adjusted = std::mem::take(&mut self.adjusted);
        let is_adjusted = self.adjust(logits, &mut adjusted);
        let in_place = match is_adjusted {
            true => None,
            false => self.choose_in_place(excluded, logits),
        };
        let token = in_place.unwrap_or_else(|| {
            if !is_adjusted {
                adjusted.clear();
                adjusted.extend_from_slice(logits);
            }
            for token in excluded {
                if let Some(logit) = adjusted.get_mut(*token as usize) {
                    *logit = f32::NEG_INFINITY;
                }
            }
            self.choose(&adjusted)
        });
        self.adjusted = adjusted;
        token
    }

    /// As [`Sampler::sample`], as if the logits of tokens that are not `allowed` were negative infinity.
    pub fn sample_where(&mut self, allowed: impl Fn(u32) -> bool, logits: &[f32]) -> u32 {
        let mut adjusted = std::mem::take(&mut self.adjusted);
        if !self.adjust(logits, &mut adjusted) {
            adjusted.clear();
            adjusted.extend_from_slice(logits);
        }
        for (token, logit) in (0..).zip(&mut adjusted) {
            if !allowed(token) {
                *logit = f32::NEG_INFINITY;
            }
        }
        let token = self.choose(&adjusted);
        self.adjusted = adjusted;
        token
    }

    /// `token`, however it was chosen, with its logprob under `logits` and those of the `top_count`
    /// most likely tokens.
    pub fn with_logprobs(&mut self, token: u32, logits: &[f32], top_count: usize) -> Sampled {
        let normaliser = Normaliser::new(logits);
        most_likely_tokens(logits, top_count, &mut self.candidates);
        let top = self
            .candidates
            .iter()
            .map(|candidate| (candidate.token, normaliser.logprob(candidate.logit)));
        let logit = logits
            .get(token as usize)
            .copied()
            .unwrap_or(f32::NEG_INFINITY);
        Sampled {
            token,
            logprob: normaliser.logprob(logit),
            top: top.collect(),
        }
    }

    /// Copies `logits` into `adjusted` with biases and penalties, or returns false when there are
    /// none and the copy can be saved.
    fn adjust(&self, logits: &[f32], adjusted: &mut Vec<f32>) -> bool {
        let penalises = self.history.penalises(&self.options);
        if !penalises && self.options.logit_bias.is_empty() {
            return false;
        }
        adjusted.clear();
        adjusted.extend_from_slice(logits);
        for &(token, bias) in &self.options.logit_bias {
            if let Some(logit) = adjusted.get_mut(token as usize) {
                *logit += bias;
            }
        }
        if penalises {
            self.history.penalise(&self.options, adjusted);
        }
        true
    }

    /// The choice from `logits` as they are, where that needs no order of them and no copy without the
    /// `excluded` ones, for which the next step would wait.
    fn choose_in_place(&mut self, excluded: &[u32], logits: &[f32]) -> Option<u32> {
        let best = most_likely(logits);
        if excluded.contains(&best) {
            return None;
        }
        let highest = highest(logits, best);
        let SamplingOptions {
            temperature,
            top_k,
            top_p,
            min_p,
            ..
        } = self.options;
        if self.options.is_greedy() || highest == f32::NEG_INFINITY {
            return Some(best);
        }
        if top_k > 0 || top_p < 1.0 {
            return None;
        }
        let weights = &mut self.weights;
        weights.weigh(logits, highest, temperature, min_p, excluded);
        Some(weights.draw(&mut self.rng).unwrap_or(best))
    }

    /// Chooses from adjusted logits.
    fn choose(&mut self, logits: &[f32]) -> u32 {
        if let Some(token) = self.choose_in_place(&[], logits) {
            return token;
        }
        let best = most_likely(logits);
        let highest = highest(logits, best);
        let temperature = self.options.temperature;
        let mut candidates = std::mem::take(&mut self.candidates);
        let weights = &mut self.weights;
        nucleus(logits, highest, &self.options, weights, &mut candidates);
        let weights = candidates.iter().map(|candidate| {
            let weight = weight(candidate.logit, highest, temperature);
            (candidate.token, f64::from(weight))
        });
        let total: f64 = weights.clone().map(|(_, weight)| weight).sum();
        let token = pick(weights, self.rng.next_unit() * total).unwrap_or(best);
        self.candidates = candidates;
        token
    }
}

/// The logit of the most likely token, if there are any.
fn highest(logits: &[f32], best: u32) -> f32 {
    let highest = logits.get(best as usize).copied();
    highest.unwrap_or(f32::NEG_INFINITY)
}

/// The logarithm of the sum that turns logits into probabilities.
struct Normaliser {
    highest: f32,
    log_total: f64,
}

impl Normaliser {
    fn new(logits: &[f32]) -> Self {
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f64 = logits
            .iter()
            .map(|&logit| f64::from(weight(logit, highest, 1.0)))
            .sum();
        Self {
            highest,
            log_total: total.ln(),
        }
    }

    /// The logarithm of the probability of a token with this logit; negative infinity for one that
    /// is never chosen.
    fn logprob(&self, logit: f32) -> f32 {
        let below = if logit == self.highest {
            0.0
        } else {
            f64::from(logit) - f64::from(self.highest)
        };
        let logprob = (below - self.log_total) as f32;
        if logprob.is_finite() {
            logprob
        } else {
            f32::NEG_INFINITY
        }
    }
}

#[cfg(test)]
mod tests;
