//! The scatter of several groups of numbers taken together, outliers included.

/// Standard deviation of one number of any of the groups about the mean of its group, from all of them and
/// from what was known before, which counts for `weight_before` numbers. Rare numbers that are far off count
/// in full: where the question is how far off numbers may be, they are the answer. 0 of nothing.
pub fn root_mean_square(groups: &[&[f64]], before: f64, weight_before: f64) -> f64 {
    let (mut squares, mut free) = (0.0, 0.0);
    for group in groups.iter().filter(|group| group.len() > 1) {
        let count = group.len() as f64;
        let mean = group.iter().sum::<f64>() / count;
        squares += group.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
        free += count - 1.0;
    }
    let weight = weight_before + free;
    if weight <= 0.0 {
        return 0.0;
    }
    ((weight_before * before * before + squares) / weight).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_count_by_what_is_free_in_them() {
        assert_eq!(
            root_mean_square(&[&[7.0], &[]], 0.05, 4.0),
            0.05,
            "nothing to see"
        );
        assert_eq!(root_mean_square(&[&[7.0]], 0.0, 0.0), 0.0);
        // Sums of squares 2 and 8, with one and two free numbers.
        let groups: [&[f64]; 2] = [&[1.0, 3.0], &[10.0, 12.0, 14.0]];
        let expected = (10.0_f64 / 3.0).sqrt();
        assert!((root_mean_square(&groups, 9.0, 0.0) - expected).abs() < 1e-12);
        let with_before = ((4.0 * 0.01 + 10.0) / 7.0_f64).sqrt();
        assert!((root_mean_square(&groups, 0.1, 4.0) - with_before).abs() < 1e-12);
    }

    #[test]
    fn one_run_far_off_counts() {
        let logs = [478.0_f64.ln(), 473.0_f64.ln(), 392.0_f64.ln()];
        assert!(root_mean_square(&[&logs], 0.0, 0.0) > 0.1);
    }
}
