//! What many scored tokens say together: means with standard errors, quantiles, and the summary of
//! a run. The formulas are those of `llama-perplexity --kl-divergence`.
//!
//! Standard errors take the tokens of a text for independent draws. They are not quite, so an error
//! is a little larger than it says; what it is good for is telling a difference from noise.

/// What was found for one scored token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// `-ln p(right token)` by the model, nats.
    pub surprisal: f64,
    /// The same token by the reference, if there is one.
    pub reference: Option<Compared>,
}

/// What the reference says where the model said something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    /// `-ln p(right token)` by the reference, nats.
    pub surprisal: f64,
    /// Kullback-Leibler divergence of the model from the reference, nats.
    pub divergence: f64,
    /// Whether both hold the same token for the likeliest.
    pub same_top: bool,
}

/// A number and how far it may be off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its standard error; `None` where there are too few samples for one.
    pub standard_error: Option<f64>,
}

/// Summary of all scored tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Quality {
    /// Tokens scored, at least 1.
    pub tokens_scored: usize,
    /// `exp(mean surprisal)` of the model.
    pub perplexity: Estimate,
    /// Against the reference, if there is one.
    pub comparison: Option<Comparison>,
}

/// The model beside its reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Perplexity of the reference.
    pub reference_perplexity: Estimate,
    /// Perplexity of the model over that of the reference; its error is that of the paired
    /// differences.
    pub ratio: Estimate,
    /// Mean Kullback-Leibler divergence, nats.
    pub divergence: Estimate,
    /// Quantiles 0.9, 0.99 and 0.999 of the divergence, nats.
    pub divergence_quantiles: [f64; 3],
    /// Largest divergence, nats.
    pub divergence_maximum: f64,
    /// Share of tokens for which both hold the same token for the likeliest, 0 to 1.
    pub same_top: Estimate,
    /// Root of the mean squared difference of the right token's probability, 0 to 1.
    pub probability_difference_rms: Estimate,
}

/// The quantiles of a [`Comparison`].
pub const QUANTILES: [f64; 3] = [0.9, 0.99, 0.999];

impl Estimate {
    /// The mean of at least one sample.
    fn mean(samples: &[f64]) -> Self {
        let count = samples.len() as f64;
        let mean = samples.iter().sum::<f64>() / count;
        let squares: f64 = samples.iter().map(|x| (x - mean) * (x - mean)).sum();
        Self {
            value: mean,
            standard_error: (samples.len() > 1).then(|| (squares / (count * (count - 1.0))).sqrt()),
        }
    }

    /// A function of this number, whose slope here is `slope`: errors grow by it.
    fn through(self, value: f64, slope: f64) -> Self {
        Self {
            value,
            standard_error: self.standard_error.map(|error| error * slope),
        }
    }

    /// The exponential of this number.
    fn exp(self) -> Self {
        self.through(self.value.exp(), self.value.exp())
    }

    /// The square root of this number; of nothing the error is nothing.
    fn sqrt(self) -> Self {
        let root = self.value.sqrt();
        self.through(root, if root > 0.0 { 0.5 / root } else { 0.0 })
    }
}

impl Quality {
    /// Summary of at least one position; `None` of none. A reference counts if all positions have
    /// it.
    pub fn of(positions: &[Position]) -> Option<Self> {
        if positions.is_empty() {
            return None;
        }
        let surprisals: Vec<f64> = positions.iter().map(|at| at.surprisal).collect();
        let compared: Option<Vec<Compared>> = positions.iter().map(|at| at.reference).collect();
        Some(Self {
            tokens_scored: positions.len(),
            perplexity: Estimate::mean(&surprisals).exp(),
            comparison: compared.map(|compared| Comparison::of(&surprisals, &compared)),
        })
    }
}

impl Comparison {
    /// Summary of as many comparisons as surprisals, at least one.
    fn of(surprisals: &[f64], compared: &[Compared]) -> Self {
        let pairs = || surprisals.iter().zip(compared);
        let mean = |samples: Vec<f64>| Estimate::mean(&samples);
        let mut divergences: Vec<f64> = compared.iter().map(|at| at.divergence).collect();
        let divergence = Estimate::mean(&divergences);
        divergences.sort_by(f64::total_cmp);
        let same = compared.iter().map(|at| f64::from(u8::from(at.same_top)));
        let difference = |(model, at): (&f64, &Compared)| (-model).exp() - (-at.surprisal).exp();
        Self {
            reference_perplexity: mean(compared.iter().map(|at| at.surprisal).collect()).exp(),
            ratio: mean(pairs().map(|(model, at)| model - at.surprisal).collect()).exp(),
            divergence,
            divergence_quantiles: QUANTILES.map(|share| quantile(&divergences, share)),
            divergence_maximum: divergences[divergences.len() - 1],
            same_top: mean(same.collect()),
            probability_difference_rms: mean(pairs().map(|p| difference(p).powi(2)).collect())
                .sqrt(),
        }
    }
}

/// The value below which `share` of at least one ascending sample lies, between two samples by
/// their distance.
fn quantile(ascending: &[f64], share: f64) -> f64 {
    let place = share * (ascending.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(ascending.len() - 1);
    ascending[below] + place.fract() * (ascending[above] - ascending[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() <= 1e-12 * expected.abs().max(1.0),
            "{found}, not {expected}"
        );
    }

    #[test]
    fn means_have_the_error_of_the_textbook() {
        // Mean 3, squares 4 + 1 + 0 + 1 + 4 = 10, error sqrt(10 / (5 x 4)).
        let estimate = Estimate::mean(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        near(estimate.value, 3.0);
        near(
            estimate.standard_error.expect("five samples"),
            0.5_f64.sqrt(),
        );
        assert_eq!(Estimate::mean(&[7.0]).standard_error, None);
        near(Estimate::mean(&[7.0]).value, 7.0);
    }

    #[test]
    fn errors_pass_through_functions_by_their_slope() {
        let four = Estimate {
            value: 4.0,
            standard_error: Some(0.1),
        };
        near(four.exp().value, 4.0_f64.exp());
        near(
            four.exp().standard_error.expect("known"),
            0.1 * 4.0_f64.exp(),
        );
        near(four.sqrt().value, 2.0);
        near(four.sqrt().standard_error.expect("known"), 0.025);
        let nothing = Estimate::mean(&[0.0, 0.0]).sqrt();
        assert_eq!((nothing.value, nothing.standard_error), (0.0, Some(0.0)));
    }

    #[test]
    fn quantiles_lie_between_samples() {
        let hundred: Vec<f64> = (0..=100).map(f64::from).collect();
        for (share, expected) in [
            (0.0, 0.0),
            (0.5, 50.0),
            (0.9, 90.0),
            (0.999, 99.9),
            (1.0, 100.0),
        ] {
            near(quantile(&hundred, share), expected);
        }
        near(quantile(&[1.0, 2.0], 0.25), 1.25);
        near(quantile(&[5.0], 0.999), 5.0);
    }

    fn position(model: f64, reference: f64, divergence: f64, same_top: bool) -> Position {
        Position {
            surprisal: -model.ln(),
            reference: Some(Compared {
                surprisal: -reference.ln(),
                divergence,
                same_top,
            }),
        }
    }

    #[test]
    fn a_run_worked_by_hand() {
        let positions = [
            position(0.25, 0.5, 0.3, false),
            position(0.5, 0.5, 0.0, true),
            position(1.0, 0.5, 0.1, true),
            position(0.5, 0.5, 0.2, true),
        ];
        let quality = Quality::of(&positions).expect("four positions");
        assert_eq!(quality.tokens_scored, 4);
        near(quality.perplexity.value, 2.0); // (4 x 2 x 1 x 2) to the quarter
        // Surprisals 2, 1, 0, 1 times ln 2: squares 2, error sqrt(2 / 12) ln 2, times 2.
        let error = 2.0 * (2.0_f64 / 12.0).sqrt() * 2.0_f64.ln();
        near(quality.perplexity.standard_error.expect("four"), error);
        let comparison = quality.comparison.expect("all were compared");
        near(comparison.reference_perplexity.value, 2.0);
        near(
            comparison
                .reference_perplexity
                .standard_error
                .expect("four"),
            0.0,
        );
        near(comparison.ratio.value, 1.0);
        near(comparison.ratio.standard_error.expect("four"), error / 2.0);
        near(comparison.divergence.value, 0.15);
        let error = (0.05_f64 / 12.0).sqrt(); // 0.15^2 + 0.15^2 + 0.05^2 + 0.05^2
        near(comparison.divergence.standard_error.expect("four"), error);
        near(comparison.divergence_quantiles[0], 0.27);
        near(comparison.divergence_maximum, 0.3);
        near(comparison.same_top.value, 0.75);
        let error = (0.75 * 0.25 / 3.0_f64).sqrt(); // p (1 - p) / (n - 1)
        near(comparison.same_top.standard_error.expect("four"), error);
        // Differences -0.25, 0, 0.5, 0.
        let rms = ((0.0625 + 0.25) / 4.0_f64).sqrt();
        near(comparison.probability_difference_rms.value, rms);
    }

    #[test]
    fn without_a_reference_there_is_a_perplexity_alone() {
        let lone = Position {
            surprisal: 1.0,
            reference: None,
        };
        let quality = Quality::of(&[lone, lone]).expect("two positions");
        near(quality.perplexity.value, 1.0_f64.exp());
        assert_eq!(quality.comparison, None);
        assert_eq!(Quality::of(&[]), None);
    }
}
