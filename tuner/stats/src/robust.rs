//! Where values lie, unmoved by a few that are far off: the estimates of Hodges and Lehmann ("Estimates of
//! location based on rank tests", 1963). Nearly as efficient as means where noise is normal, and unmoved by
//! up to 29 % of outliers.

use crate::summary::median;

/// Standard error of these estimates over that of the mean, for normal noise (the root of pi / 3).
pub const CENTRE_LOSS: f64 = 1.023;

/// Of one sample: the median of the means of all pairs, each value paired with itself too; 0 of none.
pub fn hodges_lehmann(values: &[f64]) -> f64 {
    let mut means = Vec::with_capacity(values.len() * (values.len() + 1) / 2);
    for (index, a) in values.iter().enumerate() {
        means.extend(values[index..].iter().map(|b| (a + b) / 2.0));
    }
    median(&means)
}

/// Of two samples: how far the second lies above the first, the median of all differences between them; 0
/// where one is empty.
pub fn hodges_lehmann_shift(first: &[f64], second: &[f64]) -> f64 {
    let from = |b: &f64| first.iter().map(|a| b - a).collect::<Vec<f64>>();
    median(&second.iter().flat_map(from).collect::<Vec<f64>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_do_not_move_the_centre() {
        let quiet = [0.01, 0.02, 0.0, 0.015, 0.005, 0.01];
        let mut hit = quiet;
        hit[2] = -0.5;
        assert!((hodges_lehmann(&quiet) - 0.01).abs() < 1e-9);
        assert!((hodges_lehmann(&hit) - 0.01).abs() < 0.006);
        assert_eq!((hodges_lehmann(&[]), hodges_lehmann(&[0.3])), (0.0, 0.3));
    }

    #[test]
    fn the_shift_is_the_median_of_all_differences() {
        assert_eq!(hodges_lehmann_shift(&[1.0, 2.0], &[4.0, 9.0]), 5.0);
        assert_eq!(hodges_lehmann_shift(&[1.0], &[4.0, 5.0, -90.0]), 3.0);
        assert_eq!(hodges_lehmann_shift(&[], &[1.0]), 0.0);
    }
}
