//! Numbers as a report writes them, each with its interval.

use sysinfer_profiles::Gain;
use sysinfer_stats::Estimate;

/// In place of an interval.
pub const ONE_SAMPLE: &str = "one sample";

/// Three significant digits at least, two decimals at most from ten on.
pub fn number(value: f64) -> String {
    if value.abs() < 10.0 {
        format!("{value:.3}")
    } else if value.abs() < 1000.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}

/// A dash for what was not measured.
pub fn maybe(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), number)
}

/// `8.021 - 8.150`, `one sample`, or a dash.
pub fn interval(estimate: Option<Estimate>) -> String {
    match estimate {
        Some(found) if found.count > 1 => {
            format!("{} - {}", number(found.low), number(found.high))
        }
        Some(_) => ONE_SAMPLE.into(),
        None => "-".into(),
    }
}

/// Like [`interval`], in whole percent.
pub fn percent_interval(estimate: Option<Estimate>) -> String {
    match estimate {
        Some(found) if found.count > 1 => format!("{:.0} - {:.0} %", found.low, found.high),
        Some(_) => ONE_SAMPLE.into(),
        None => "-".into(),
    }
}

/// `8.100 (8.021 to 8.150)` or `8.100 (one sample)`, for sentences.
pub fn said(estimate: Estimate) -> String {
    if estimate.count > 1 {
        format!(
            "{} ({} to {})",
            number(estimate.median),
            number(estimate.low),
            number(estimate.high)
        )
    } else {
        format!("{} ({ONE_SAMPLE})", number(estimate.median))
    }
}

/// What a ratio proves: `+12.3 % (+10.1 to +14.0)`, or that it proves no gain, with its interval. One sample
/// proves nothing.
pub fn proven(ratio: &Estimate) -> Gain {
    let interval = (ratio.count > 1).then_some((ratio.low, ratio.high));
    Gain::of(ratio.median, interval)
}

/// Milliseconds, or seconds from ten on.
pub fn duration(seconds: f64) -> String {
    if seconds >= 10.0 {
        format!("{seconds:.1} s")
    } else if seconds >= 0.01 {
        format!("{:.1} ms", 1000.0 * seconds)
    } else {
        format!("{:.3} ms", 1000.0 * seconds)
    }
}

/// A share of 1 in percent, with a decimal below ten.
pub fn share(share: f64) -> String {
    let percent = 100.0 * share;
    if percent < 10.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_with_their_intervals() {
        let two = Estimate::of(&[8.0, 8.2]);
        let one = Estimate::of(&[1.12]);
        let both = two.zip(one);
        let (two_known, one_known) = both.expect("samples");
        let cases = [
            (interval(two), "8.000 - 8.200"),
            (interval(one), "one sample"),
            (interval(None), "-"),
            (percent_interval(two), "8 - 8 %"),
            (said(two_known), "8.100 (8.000 to 8.200)"),
            (said(one_known), "1.120 (one sample)"),
            (
                proven(&one_known).to_string(),
                "no proven gain (+12.0 %, without an interval)",
            ),
            (duration(12.0), "12.0 s"),
            (duration(0.0334), "33.4 ms"),
            (duration(0.0004), "0.400 ms"),
            (share(0.934), "93 %"),
            (share(0.012), "1.2 %"),
            (number(1234.56), "1235"),
            (maybe(None), "-"),
        ];
        for (found, expected) in cases {
            assert_eq!(found, expected);
        }
    }
}
