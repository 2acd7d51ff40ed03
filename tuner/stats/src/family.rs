//! Many rates of one host compared at once: those of two profiles, or of a profile and of now.
//!
//! Their noise is one subject: what the other rates tell of it counts for each rate beside its own samples. And
//! one question is asked many times, so that each answer has only its part of [`ALPHA`] (Bonferroni): rates of
//! one run rise and fall together, which asks for a rule that holds whatever they have in common.

use crate::comparison::{ALPHA, Comparison, Side};
use crate::samples::Samples;
use crate::scale::Scale;

/// Noise of one sample on a host of which nothing was seen. It counts for next to nothing: on a host three
/// times as noisy, a belief would raise alarms.
const USUAL_HOST: Scale = Scale {
    deviation: 0.03,
    freedom: 1.0,
};
/// Degrees of freedom that the noise of the other rates counts for, at most, beside a rate's own. Noise differs
/// from length to length, by about half; a larger number would take that for chance.
const MAX_OF_OTHERS: f64 = 8.0;

/// One rate on both sides.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What is compared with.
    pub first: Samples,
    /// What is faster or slower.
    pub second: Samples,
    /// Standard deviation of what runs of the first side's host differ by, and of the second's; 0: not known.
    pub between_runs: [f64; 2],
}

/// The part of [`ALPHA`] that each of so many rates has.
pub fn alpha_of_each(rates: usize) -> f64 {
    ALPHA / rates.max(1) as f64
}

/// Noise of one sample of the rate at `index`, as all others tell.
pub fn noise_of_others(pairs: &[Pair], index: usize) -> Scale {
    let others = pairs[..index].iter().chain(&pairs[index + 1..]);
    let groups = others.flat_map(|pair| [pair.first.logs(), pair.second.logs()]);
    let noise = Scale::pooled(groups, USUAL_HOST);
    Scale {
        freedom: noise.freedom.min(MAX_OF_OTHERS),
        ..noise
    }
}

impl Pair {
    /// Compares the two sides; `noise`: that of the other rates.
    pub fn compare(&self, noise: Scale) -> Comparison {
        let side = |samples, between_runs| Side {
            samples,
            within_run: Scale::pooled([samples.logs()], noise),
            between_runs,
        };
        Comparison::unpaired(
            side(&self.first, self.between_runs[0]),
            side(&self.second, self.between_runs[1]),
        )
    }
}
