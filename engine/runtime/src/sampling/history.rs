//! Which tokens a sequence already holds, and what the penalties make of it.

use std::collections::HashMap;

use super::SamplingOptions;

/// How often each token was seen. Grows with the distinct tokens of one sequence, not with the
/// vocabulary, so that thousands of sequences can each have one.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    answer_counts: HashMap<u32, u32>,
}

impl History {
    /// Notes tokens of the prompt: they count for `repetition_penalty` only.
    pub(super) fn accept_prompt(&mut self, tokens: &[u32]) {
        for &token in tokens {
            self.answer_counts.entry(token).or_insert(0);
        }
    }

    /// Notes a token of the answer.
    pub(super) fn accept(&mut self, token: u32) {
        let count = self.answer_counts.entry(token).or_insert(0);
        *count = count.saturating_add(1);
    }

    /// Whether [`History::penalise`] would change anything.
    pub(super) fn penalises(&self, options: &SamplingOptions) -> bool {
        !self.answer_counts.is_empty()
            && (options.repetition_penalty != 1.0
                || options.presence_penalty != 0.0
                || options.frequency_penalty != 0.0)
    }

    /// Lowers the logits of tokens that were seen; `logits` has one entry per token.
    pub(super) fn penalise(&self, options: &SamplingOptions, logits: &mut [f32]) {
        for (&token, &count) in &self.answer_counts {
            let Some(logit) = logits.get_mut(token as usize) else {
                continue;
            };
            if *logit > 0.0 {
                *logit /= options.repetition_penalty;
            } else {
                *logit *= options.repetition_penalty;
            }
            if count > 0 {
                *logit -= options.presence_penalty + options.frequency_penalty * count as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_penalty_lowers_what_it_should() {
        let off = SamplingOptions::default;
        let cases = [
            (
                SamplingOptions {
                    repetition_penalty: 2.0,
                    ..off()
                },
                [2.0, -4.0, 1.0, 8.0],
            ),
            (
                SamplingOptions {
                    presence_penalty: 0.5,
                    ..off()
                },
                [4.0, -2.5, 1.5, 8.0],
            ),
            (
                SamplingOptions {
                    frequency_penalty: 0.5,
                    ..off()
                },
                [4.0, -2.5, 1.0, 8.0],
            ),
            (off(), [4.0, -2.0, 2.0, 8.0]),
        ];
        let mut history = History::default();
        history.accept_prompt(&[0, 9]);
        for token in [1, 2, 2] {
            history.accept(token);
        }
        for (options, wanted) in cases {
            let mut logits = [4.0, -2.0, 2.0, 8.0];
            history.penalise(&options, &mut logits);
            assert_eq!(logits, wanted, "{options:?}");
            assert_eq!(history.penalises(&options), options != off());
        }
    }
}
