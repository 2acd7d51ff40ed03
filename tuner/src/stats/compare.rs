//! Is one set of samples faster than another, beyond what noise explains?

use super::bootstrap::ratio_interval;
use super::summary::median;

/// The least difference that is ever called one: shorter runs of the same plan differ by this much.
pub const NOISE_FLOOR: f64 = 0.01;

/// Outcome of a comparison of rates (higher is better).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Faster beyond noise.
    Faster,
    /// The samples do not tell them apart.
    Tie,
    /// Slower beyond noise.
    Slower,
}

/// Compares the rates `ours` with `theirs`.
///
/// A difference must be larger than [`NOISE_FLOOR`] and its 95 % interval must leave out equality.
/// Without samples on either side nothing can be told apart.
pub fn compare(ours: &[f64], theirs: &[f64]) -> Verdict {
    if ours.is_empty() || theirs.is_empty() {
        return Verdict::Tie;
    }
    let ratio = median(ours) / median(theirs);
    let (low, high) = ratio_interval(ours, theirs);
    if ratio > 1.0 + NOISE_FLOOR && low > 1.0 {
        Verdict::Faster
    } else if ratio < 1.0 - NOISE_FLOOR && high < 1.0 {
        Verdict::Slower
    } else {
        Verdict::Tie
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        let base = [100.0, 101.0, 99.0, 100.5, 99.5];
        let cases: [(&str, &[f64], Verdict); 5] = [
            (
                "clearly faster",
                &[110.0, 111.0, 109.0, 110.0, 112.0],
                Verdict::Faster,
            ),
            (
                "clearly slower",
                &[90.0, 91.0, 89.0, 90.0, 92.0],
                Verdict::Slower,
            ),
            (
                "below the floor",
                &[100.4, 101.2, 99.4, 100.9, 99.9],
                Verdict::Tie,
            ),
            (
                "lost in noise",
                &[80.0, 130.0, 103.0, 90.0, 120.0],
                Verdict::Tie,
            ),
            ("nothing measured", &[], Verdict::Tie),
        ];
        for (name, samples, expected) in cases {
            assert_eq!(compare(samples, &base), expected, "{name}");
        }
    }
}
