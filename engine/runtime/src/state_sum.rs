//! The sum of a sequence's hidden states, of which an embedding is made.
//!
//! States are added in the order of their positions and in f64, whatever steps they come in and whoever
//! computes them: a mean has the same bits however its sequence was cut into steps.

use sysinfer_kernels::elementwise::all_finite;

use crate::not_finite::NotFinite;

/// The sum of the hidden states of a sequence's first tokens.
#[derive(Debug, Default)]
pub(crate) struct StateSum {
    /// `[embedding_length]` once there was a token.
    sums: Vec<f64>,
    tokens: usize,
}

impl StateSum {
    /// How many tokens have been added.
    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    /// The sums, to which the states of the next `tokens` tokens are to be added.
    pub(crate) fn adding(&mut self, tokens: usize, width: usize) -> &mut [f64] {
        if self.tokens == 0 {
            self.sums.clear();
            self.sums.resize(width, 0.0);
        }
        self.tokens += tokens;
        &mut self.sums
    }

    /// Only the first `len` tokens are left. A sum of more is of no use then.
    pub(crate) fn cut(&mut self, len: usize) {
        if len < self.tokens {
            self.tokens = 0;
        }
    }

    /// The mean of the states.
    ///
    /// # Errors
    /// One of them has a value that is not finite, which no sum hides.
    pub(crate) fn mean(&self) -> Result<Vec<f32>, NotFinite> {
        let count = self.tokens as f64;
        let mean: Vec<f32> = self.sums.iter().map(|sum| (sum / count) as f32).collect();
        match all_finite(&mean) {
            true => Ok(mean),
            false => Err(NotFinite),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(sum: &mut StateSum, states: &[[f32; 2]]) {
        let sums = sum.adding(states.len(), 2);
        for state in states {
            sums.iter_mut()
                .zip(state)
                .for_each(|(sum, value)| *sum += f64::from(*value));
        }
    }

    #[test]
    fn a_sum_that_was_cut_begins_anew() {
        let mut sum = StateSum::default();
        add(&mut sum, &[[1.0, 2.0], [2.0, 4.0]]);
        add(&mut sum, &[[6.0, -9.0]]);
        sum.cut(3);
        assert_eq!((sum.tokens(), sum.mean()), (3, Ok(vec![3.0, -1.0])));
        sum.cut(2);
        assert_eq!(sum.tokens(), 0);
        add(&mut sum, &[[f32::MAX, 0.5]]);
        assert_eq!(sum.mean(), Ok(vec![f32::MAX, 0.5]));
    }

    #[test]
    fn what_is_not_finite_is_hidden_by_no_other() {
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for other in [0.0, f32::MAX, f32::MIN, -wrong] {
                let mut sum = StateSum::default();
                add(&mut sum, &[[wrong, 1.0], [other, 1.0]]);
                assert_eq!(sum.mean(), Err(NotFinite), "{wrong} {other}");
            }
        }
    }
}
