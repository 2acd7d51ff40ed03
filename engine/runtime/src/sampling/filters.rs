//! From logits to the few tokens that may be drawn: order, weights, top-k, top-p and min-p.
//!
//! A vocabulary has some 128 000 tokens and a draw looks at a handful, so nothing here sorts more
//! than it must. The order everywhere is the higher logit first and the lower token id among
//! equals; a logit that is not a number stands behind all others.

use std::cmp::Ordering;

use super::SamplingOptions;
use super::weights::{Weights, weight};

/// How many candidates [`nucleus`] looks at first; most nuclei are smaller.
const FIRST_NUCLEUS: usize = 64;

/// Logits whose highest is looked for at once; the second look at one part costs next to nothing.
const PART: usize = 1024;

/// Logits that are compared side by side: a few vector registers, so that they need not wait for
/// each other.
const LANES: usize = 16;

/// A token that may be drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    /// Its id.
    pub(super) token: u32,
    /// Its logit.
    pub(super) logit: f32,
}

/// The token with the highest logit; the lowest id among equals, and 0 when there is no number
/// above negative infinity.
///
/// It stands between two steps of every greedy answer, so it looks for the highest logit first, in
/// vector registers, and for its place afterwards, in the one part that holds it.
pub(super) fn most_likely(logits: &[f32]) -> u32 {
    let mut best = f32::NEG_INFINITY;
    let mut found: (usize, &[f32]) = (0, &[]);
    for (number, part) in logits.chunks(PART).enumerate() {
        let highest = highest(part);
        if highest > best {
            best = highest;
            found = (number * PART, part);
        }
    }
    let (first, part) = found;
    let place = part.iter().position(|logit| *logit == best);
    (first + place.unwrap_or(0)) as u32
}

/// The highest of the numbers; negative infinity if there are none above it.
fn highest(logits: &[f32]) -> f32 {
    // A comparison with what is not a number is false, so that it is never kept.
    let higher = |one: f32, other: f32| if other > one { other } else { one };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (blocks, rest) = logits.as_chunks::<LANES>();
    for block in blocks {
        for (lane, logit) in lanes.iter_mut().zip(block) {
            *lane = higher(*lane, *logit);
        }
    }
    lanes
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, higher)
}

/// Puts the `count` most likely tokens into `found`, in order.
///
/// One pass that keeps twice as many as wanted and halves them when full, by selection: most tokens
/// fail a single comparison with the lowest of the best seen so far.
pub(super) fn most_likely_tokens(logits: &[f32], count: usize, found: &mut Vec<Candidate>) {
    found.clear();
    let count = count.min(logits.len());
    if count == 0 {
        return;
    }
    let room = count.saturating_mul(2).max(FIRST_NUCLEUS);
    let mut threshold = None;
    for (token, &logit) in logits.iter().enumerate() {
        let logit = if logit.is_nan() {
            f32::NEG_INFINITY
        } else {
            logit
        };
        // A token equal to the threshold has the higher id, so it stands behind it.
        if threshold.is_some_and(|threshold| logit <= threshold) {
            continue;
        }
        found.push(Candidate {
            token: token as u32,
            logit,
        });
        if found.len() == room {
            found.select_nth_unstable_by(count - 1, in_order);
            found.truncate(count);
            threshold = Some(found[count - 1].logit);
        }
    }
    found.sort_unstable_by(in_order);
    found.truncate(count);
}

/// The higher logit first, then the lower id. Not `total_cmp`, to which the two zeros are not
/// equal; candidates are always numbers.
fn in_order(left: &Candidate, right: &Candidate) -> Ordering {
    let by_logit = right
        .logit
        .partial_cmp(&left.logit)
        .unwrap_or(Ordering::Equal);
    by_logit.then(left.token.cmp(&right.token))
}

/// Puts the tokens that `top_k`, `top_p` and `min_p` leave into `found`, in order; at least one
/// when there are logits. `highest` is the highest logit, and
/// `weights` is memory to work in.
pub(super) fn nucleus(
    logits: &[f32],
    highest: f32,
    options: &SamplingOptions,
    weights: &mut Weights,
    found: &mut Vec<Candidate>,
) {
    let weigh = |logit: f32| f64::from(weight(logit, highest, options.temperature));
    if options.top_k > 0 {
        most_likely_tokens(logits, options.top_k, found);
        let total = found.iter().map(|candidate| weigh(candidate.logit)).sum();
        let kept = prefix(found, options, total, weigh);
        found.truncate(kept);
        return;
    }
    weights.weigh(logits, highest, options.temperature, 0.0, &[]);
    let total = weights.total();
    let mut looked_at = FIRST_NUCLEUS.min(logits.len());
    loop {
        most_likely_tokens(logits, looked_at, found);
        let kept = prefix(found, options, total, weigh);
        if kept < looked_at || looked_at == logits.len() {
            found.truncate(kept);
            return;
        }
        looked_at = looked_at.saturating_mul(8).min(logits.len());
    }
}

/// How many of the ordered `candidates` `top_p` (of the weight `total`) and `min_p` leave, at least
/// one. Each keeps a prefix, so the shorter one is what is left.
fn prefix(
    candidates: &[Candidate],
    options: &SamplingOptions,
    total: f64,
    weigh: impl Fn(f32) -> f64,
) -> usize {
    let enough = f64::from(options.top_p) * total;
    let mut reached = 0.0;
    let mut kept = 0;
    for candidate in candidates {
        let weight = weigh(candidate.logit);
        let filled = options.top_p < 1.0 && reached >= enough;
        if kept > 0 && (filled || weight < f64::from(options.min_p)) {
            break;
        }
        reached += weight;
        kept += 1;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f32 = f32::NAN;
    const LOW: f32 = f32::NEG_INFINITY;
    const HIGH: f32 = f32::INFINITY;

    fn tokens(found: &[Candidate]) -> Vec<u32> {
        found.iter().map(|candidate| candidate.token).collect()
    }

    fn highest_of(logits: &[f32]) -> f32 {
        logits[most_likely(logits) as usize]
    }

    #[test]
    fn the_most_likely_token_is_found_whatever_the_logits() {
        let cases: [(&[f32], u32); 9] = [
            (&[-0.0, 0.0], 0),
            (&[1.0, 3.0, 2.0], 1),
            (&[3.0, 1.0, 3.0], 0),
            (&[NAN, 1.0], 1),
            (&[NAN, NAN], 0),
            (&[LOW, LOW], 0),
            (&[0.0, HIGH, HIGH], 1),
            (&[LOW, -5.0], 1),
            (&[], 0),
        ];
        for (logits, wanted) in cases {
            assert_eq!(most_likely(logits), wanted, "{logits:?}");
            let mut found = Vec::new();
            most_likely_tokens(logits, 1, &mut found);
            assert_eq!(
                found.first().map_or(0, |first| first.token),
                wanted,
                "{logits:?}"
            );
        }
    }

    #[test]
    fn the_most_likely_token_is_found_wherever_it_stands() {
        for length in [1, LANES, LANES + 3, PART, PART + 1, 3 * PART + LANES + 5] {
            for place in [0, 1, LANES, PART - 1, PART, length / 2, length - 1] {
                let place = place.min(length - 1);
                for other in [-7.0, LOW, NAN] {
                    let mut logits = vec![other; length];
                    logits[place..].fill(-6.0);
                    assert_eq!(most_likely(&logits), place as u32, "{length} {other}");
                }
            }
        }
        let mut logits = vec![LOW; 2 * PART];
        logits[PART + 3] = NAN;
        assert_eq!(most_likely(&logits), 0, "no number above negative infinity");
    }

    #[test]
    fn selection_agrees_with_a_full_sort() {
        // 1000 logits with many ties, so that the order among equals is tested too.
        let logits: Vec<f32> = (0..1000_u32)
            .map(|index| (index * 7919 % 101) as f32)
            .collect();
        let mut sorted: Vec<Candidate> = logits
            .iter()
            .enumerate()
            .map(|(token, &logit)| Candidate {
                token: token as u32,
                logit,
            })
            .collect();
        sorted.sort_by(in_order);
        let mut found = Vec::new();
        for count in [0, 1, 2, 5, 50, 64, 65, 300, 999, 1000, 5000] {
            most_likely_tokens(&logits, count, &mut found);
            assert_eq!(found, sorted[..count.min(1000)], "{count}");
        }
    }

    #[test]
    fn filters_leave_what_their_names_say() {
        // Probabilities 0.5, 0.25, 0.125, 0.0625, 0.0625.
        let logits = [
            0.125_f32.ln(),
            0.5_f32.ln(),
            0.0625_f32.ln(),
            0.25_f32.ln(),
            0.0625_f32.ln(),
        ];
        let cases: [(usize, f32, f32, &[u32]); 9] = [
            (0, 1.0, 0.0, &[1, 3, 0, 2, 4]),
            (2, 1.0, 0.0, &[1, 3]),
            (9, 1.0, 0.0, &[1, 3, 0, 2, 4]),
            (0, 0.0, 0.0, &[1]),
            (0, 0.6, 0.0, &[1, 3]),
            (0, 0.8, 0.0, &[1, 3, 0]),
            (0, 1.0, 0.2, &[1, 3, 0]),
            (0, 1.0, 1.0, &[1]),
            // Of the three that are left, the first two hold 0.857: enough for 0.8.
            (3, 0.8, 0.01, &[1, 3]),
        ];
        let mut found = Vec::new();
        for (top_k, top_p, min_p, wanted) in cases {
            let options = SamplingOptions {
                temperature: 1.0,
                top_k,
                top_p,
                min_p,
                ..SamplingOptions::default()
            };
            nucleus(
                &logits,
                highest_of(&logits),
                &options,
                &mut Weights::default(),
                &mut found,
            );
            assert_eq!(tokens(&found), wanted, "{options:?}");
        }
    }

    #[test]
    fn temperature_moves_the_nucleus() {
        let logits = [0.0, 1.0, 2.0];
        let mut found = Vec::new();
        for (temperature, wanted) in [(0.1, 1), (1.0, 2), (100.0, 3)] {
            let options = SamplingOptions {
                temperature,
                top_p: 0.9,
                ..SamplingOptions::default()
            };
            nucleus(
                &logits,
                highest_of(&logits),
                &options,
                &mut Weights::default(),
                &mut found,
            );
            assert_eq!(found.len(), wanted, "{temperature}");
        }
    }

    #[test]
    fn a_nucleus_wider_than_the_first_look_is_complete() {
        let logits = vec![0.0; 5000];
        let options = SamplingOptions {
            temperature: 1.0,
            top_p: 0.5,
            ..SamplingOptions::default()
        };
        let mut found = Vec::new();
        nucleus(
            &logits,
            highest_of(&logits),
            &options,
            &mut Weights::default(),
            &mut found,
        );
        assert_eq!(tokens(&found), (0..2500).collect::<Vec<u32>>());
    }

    #[test]
    fn weights_are_numbers_whatever_the_logits() {
        let cases = [
            ((1.0, 1.0, 0.5), 1.0),
            ((HIGH, HIGH, 1.0), 1.0),
            ((LOW, LOW, 1.0), 1.0),
            ((LOW, 1.0, 1.0), 0.0),
            ((1.0, HIGH, 1.0), 0.0),
            ((NAN, 1.0, 1.0), 0.0),
            ((0.0, 1.0, 1e-40), 0.0),
        ];
        for ((logit, highest, temperature), wanted) in cases {
            assert_eq!(
                weight(logit, highest, temperature),
                wanted,
                "{logit} {highest}"
            );
        }
    }
}
