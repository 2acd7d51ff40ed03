//! Upper bounds of the histograms' buckets. Those of vLLM are among them, so that a query that names one finds it
//! here; more lie where models on CPUs are, close enough that a quantile is known to some percent.

/// Time to the first token, seconds.
pub(super) const FIRST_TOKEN: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.125, 0.15, 0.175, 0.2, 0.25,
    0.3, 0.35, 0.4, 0.5, 0.6, 0.75, 0.85, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.5,
    10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 80.0, 160.0, 320.0, 640.0, 2560.0,
];

/// Time of a token, seconds.
pub(super) const TOKEN: &[f64] = &[
    0.001, 0.0025, 0.005, 0.006, 0.007, 0.008, 0.009, 0.01, 0.0125, 0.015, 0.0175, 0.02, 0.0225,
    0.025, 0.03, 0.035, 0.04, 0.045, 0.05, 0.06, 0.075, 0.09, 0.1, 0.125, 0.15, 0.175, 0.2, 0.25,
    0.3, 0.35, 0.4, 0.5, 0.6, 0.75, 1.0, 1.5, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
];

/// Time of a whole request, or of its waiting, seconds.
pub(super) const REQUEST: &[f64] = &[
    0.001, 0.005, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0,
    30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0,
];

/// Tokens of a request.
pub(super) const TOKENS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0,
    20_000.0, 50_000.0, 100_000.0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_ascend_and_have_those_of_vllm() {
        let first_token = [
            0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5,
            10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
        ];
        let token = [
            0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5,
            10.0, 20.0, 40.0, 80.0,
        ];
        let request = [
            0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0,
            120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0,
        ];
        let tokens = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 1000.0];
        let cases: [(&[f64], &[f64]); 4] = [
            (FIRST_TOKEN, &first_token),
            (TOKEN, &token),
            (REQUEST, &request),
            (TOKENS, &tokens),
        ];
        for (ours, theirs) in cases {
            assert!(ours.windows(2).all(|pair| pair[0] < pair[1]), "{ours:?}");
            let missing: Vec<&f64> = theirs
                .iter()
                .filter(|bound| !ours.contains(bound))
                .collect();
            assert!(missing.is_empty(), "{missing:?}");
        }
    }
}
