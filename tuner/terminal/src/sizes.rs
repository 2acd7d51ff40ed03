//! Sizes and rates in words.

/// `4.7 GB` (10^9 bytes), with more digits below one.
pub fn gigabytes(bytes: u64) -> String {
    let gigabytes = bytes as f64 / 1e9;
    if gigabytes >= 1.0 {
        format!("{gigabytes:.1} GB")
    } else {
        format!("{gigabytes:.3} GB")
    }
}

/// Two decimals, three digits at least for what is below ten.
pub fn number(value: Option<f64>) -> String {
    value.map_or_else(
        || "-".into(),
        |value| {
            if value < 10.0 {
                format!("{value:.3}")
            } else {
                format!("{value:.2}")
            }
        },
    )
}
