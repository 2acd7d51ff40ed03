//! One row of logits as a probability distribution, and how far two of them are apart. All sums are
//! in f64, so that what is found is the models' difference and not the measurement's.

/// A row of logits and what turns it into probabilities: `ln p(i) = logits[i] - log_sum`.
#[derive(Clone, Copy, Debug)]
pub struct Distribution<'l> {
    logits: &'l [f32],
    log_sum: f64,
    top: usize,
}

impl<'l> Distribution<'l> {
    /// The softmax of at least one logit; `None` if one of them is infinite or no number.
    pub fn of(logits: &'l [f32]) -> Option<Self> {
        if logits.is_empty() || !logits.iter().all(|logit| logit.is_finite()) {
            return None;
        }
        let top = first_largest(logits);
        let largest = f64::from(logits[top]);
        let sum: f64 = logits
            .iter()
            .map(|logit| (f64::from(*logit) - largest).exp())
            .sum();
        Some(Self {
            logits,
            log_sum: largest + sum.ln(),
            top,
        })
    }

    /// `-ln p(token)`, nats.
    ///
    /// # Panics
    /// If the token is not in the vocabulary.
    pub fn surprisal(&self, token: u32) -> f64 {
        self.log_sum - f64::from(self.logits[token as usize])
    }

    /// The likeliest token, the first of several.
    pub fn top(&self) -> usize {
        self.top
    }

    /// Kullback-Leibler divergence of `other` from this one, nats:
    /// `sum over i of p(i) (ln p(i) - ln q(i))`, where p is this and q the other. Never negative.
    ///
    /// # Panics
    /// If the two are not over one vocabulary.
    pub fn divergence(&self, other: &Self) -> f64 {
        assert_eq!(
            self.logits.len(),
            other.logits.len(),
            "distributions over different vocabularies"
        );
        let pairs = self.logits.iter().zip(other.logits);
        let sum: f64 = pairs
            .map(|(p, q)| {
                let ln_p = f64::from(*p) - self.log_sum;
                let ln_q = f64::from(*q) - other.log_sum;
                ln_p.exp() * (ln_p - ln_q)
            })
            .sum();
        // Rounding can leave equal distributions a last bit below zero.
        sum.max(0.0)
    }
}

fn first_largest(logits: &[f32]) -> usize {
    let mut best = 0;
    for (token, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = token;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logits of a distribution: logarithms, plus what a softmax takes away again.
    fn logits(probabilities: &[f64], shift: f64) -> Vec<f32> {
        probabilities
            .iter()
            .map(|p| (p.ln() + shift) as f32)
            .collect()
    }

    #[test]
    fn divergences_worked_by_hand() {
        // Half ln(0.5/0.9) + half ln(0.5/0.1) = ln(5/3).
        let cases: [(&[f64], &[f64], f64); 4] = [
            (&[0.5, 0.5], &[0.9, 0.1], (5.0_f64 / 3.0).ln()),
            (
                &[0.9, 0.1],
                &[0.5, 0.5],
                0.9 * 1.8_f64.ln() + 0.1 * 0.2_f64.ln(),
            ),
            (&[0.25; 4], &[0.25; 4], 0.0),
            (&[0.5, 0.25, 0.25], &[0.25, 0.5, 0.25], 0.25 * 2.0_f64.ln()),
        ];
        for (p, q, expected) in cases {
            let (a, b) = (logits(p, 3.0), logits(q, -40.0));
            let (p, q) = (
                Distribution::of(&a).expect("finite"),
                Distribution::of(&b).expect("finite"),
            );
            let found = p.divergence(&q);
            assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
        }
    }

    #[test]
    fn a_distribution_does_not_diverge_from_itself() {
        let row: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.7).sin() * 9.0).collect();
        let row = Distribution::of(&row).expect("finite");
        assert_eq!(row.divergence(&row), 0.0);
    }

    #[test]
    fn surprisal_is_minus_the_logarithm_of_the_probability() {
        let row = logits(&[0.1, 0.2, 0.7], 100.0);
        let row = Distribution::of(&row).expect("finite");
        for (token, p) in [(0, 0.1_f64), (1, 0.2), (2, 0.7)] {
            let found = row.surprisal(token);
            assert!((found + p.ln()).abs() < 1e-5, "token {token}: {found}");
        }
        assert_eq!(row.top(), 2);
        assert_eq!(Distribution::of(&[1.0, 5.0, 5.0]).expect("finite").top(), 1);
    }

    #[test]
    fn large_logits_neither_overflow_nor_vanish() {
        let row = Distribution::of(&[3e38, -3e38]).expect("finite");
        assert_eq!(row.surprisal(0), 0.0);
        assert!(row.surprisal(1).is_finite());
        assert_eq!(row.divergence(&row), 0.0);
    }

    #[test]
    fn what_is_no_number_is_no_distribution() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(Distribution::of(&[0.0, bad, 1.0]).is_none(), "{bad}");
        }
        assert!(Distribution::of(&[]).is_none());
    }
}
