//! Standard errors taken together.

/// Standard error of the sum or the difference of two values that err independently of each other.
///
/// Not `f64::hypot`: that would tie the program to a C library of 2.35 or later (`clippy.toml`), and the
/// overflow that it avoids is far from any error of a rate.
pub fn together(one: f64, other: f64) -> f64 {
    (one * one + other * other).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_add_up() {
        assert_eq!(together(3.0, -4.0), 5.0);
        assert_eq!(together(0.0, 0.25), 0.25);
        assert_eq!(together(f64::NEG_INFINITY, 1.0), f64::INFINITY);
        assert!(together(f64::NAN, 1.0).is_nan());
    }
}
