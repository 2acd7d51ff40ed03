//! How likely every token is beside the most likely one, and a draw by that.
//!
//! A draw stands between two steps of every answer that is sampled, and of all answers that share a
//! step, so it goes over the vocabulary in vector registers and adds up in parts.

use sysinfer_kernels::elementwise::exp_differences;

use super::rng::Rng;

/// Weights that are added up together; a draw looks through one such part.
const PART: usize = 1024;

/// Weights that are added side by side.
const LANES: usize = 16;

/// How likely a token is relative to the most likely one, whose logit is `highest`: 1 for equals, 0
/// for what is not a number.
pub(super) fn weight(logit: f32, highest: f32, temperature: f32) -> f32 {
    if logit == highest {
        // Also where infinities of the same sign meet: their difference would not be a number.
        return 1.0;
    }
    ((logit - highest) / temperature).exp().max(0.0)
}

/// The weights of a whole vocabulary; the memory is kept from draw to draw.
#[derive(Clone, Debug, Default)]
pub(super) struct Weights {
    values: Vec<f32>,
    /// Sum of every part.
    parts: Vec<f64>,
}

impl Weights {
    /// Weighs all `logits`, of which `highest` is the highest; those that weigh less than `least`, and
    /// tokens that are `excluded`, weigh nothing.
    pub(super) fn weigh(
        &mut self,
        logits: &[f32],
        highest: f32,
        temperature: f32,
        least: f32,
        excluded: &[u32],
    ) {
        self.values.resize(logits.len(), 0.0);
        if highest.is_finite() {
            exp_differences(logits, highest, temperature, &mut self.values);
        } else {
            let weights = logits
                .iter()
                .map(|logit| weight(*logit, highest, temperature));
            self.values
                .iter_mut()
                .zip(weights)
                .for_each(|(value, weight)| *value = weight);
        }
        if least > 0.0 {
            let light = self.values.iter_mut().filter(|weight| **weight < least);
            light.for_each(|weight| *weight = 0.0);
        }
        for token in excluded {
            if let Some(weight) = self.values.get_mut(*token as usize) {
                *weight = 0.0;
            }
        }
        self.parts.clear();
        self.parts.extend(self.values.chunks(PART).map(sum));
    }

    /// The sum of all weights.
    pub(super) fn total(&self) -> f64 {
        self.parts.iter().sum()
    }

    /// Draws one of the tokens by its weight, or `None` when all weights are zero.
    pub(super) fn draw(&self, rng: &mut Rng) -> Option<u32> {
        let mut left = rng.next_unit() * self.total();
        let mut part = None;
        for (number, sum) in self.parts.iter().enumerate().filter(|(_, sum)| **sum > 0.0) {
            // Kept in case rounding carries the draw past the last one.
            part = Some(number);
            if left < *sum {
                break;
            }
            left -= sum;
        }
        let first = part? * PART;
        let weights = &self.values[first..self.values.len().min(first + PART)];
        let numbered = (first as u32..).zip(weights.iter().map(|weight| f64::from(*weight)));
        pick(numbered, left)
    }
}

/// The token at which `left` is used up by weights, the last one that weighs anything if none is.
pub(super) fn pick(weights: impl Iterator<Item = (u32, f64)>, mut left: f64) -> Option<u32> {
    let mut picked = None;
    for (token, weight) in weights.filter(|(_, weight)| *weight > 0.0) {
        picked = Some(token);
        if left < weight {
            break;
        }
        left -= weight;
    }
    picked
}

fn sum(weights: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (blocks, rest) = weights.as_chunks::<LANES>();
    for block in blocks {
        for (lane, weight) in lanes.iter_mut().zip(block) {
            *lane += f64::from(*weight);
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|weight| f64::from(*weight)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_drawn_as_often_as_they_weigh() {
        // One likely token in each of three parts, beside many that weigh next to nothing.
        let places = [5, PART + 1, 2 * PART + 700];
        let mut logits = vec![-30.0; 2 * PART + 701];
        for (place, share) in places.into_iter().zip([0.5f32, 0.3, 0.2]) {
            logits[place] = share.ln();
        }
        let highest = 0.5f32.ln();
        let mut weights = Weights::default();
        weights.weigh(&logits, highest, 1.0, 0.0, &[]);
        let mut rng = Rng::new(7);
        let mut counts = [0; 3];
        for _ in 0..20_000 {
            let token = weights.draw(&mut rng).expect("they weigh something") as usize;
            let place = places.iter().position(|place| *place == token);
            counts[place.expect("no other is likely")] += 1;
        }
        for (count, share) in counts.into_iter().zip([0.5, 0.3, 0.2]) {
            let found = f64::from(count) / 20_000.0;
            assert!((found - share).abs() < 0.015, "{counts:?}");
        }
        // A third of the highest is 0.17, so that 0.2 stays, and nothing else that is light.
        weights.weigh(&logits, highest, 1.0, 0.34, &[]);
        assert!((weights.total() - 2.0).abs() < 1e-5, "{}", weights.total());
        weights.weigh(&logits, highest, 1.0, 0.34, &[PART as u32 + 1, u32::MAX]);
        assert!((weights.total() - 1.4).abs() < 1e-5, "{}", weights.total());
    }

    #[test]
    fn odd_logits_weigh_what_they_should() {
        const INF: f32 = f32::INFINITY;
        let mut weights = Weights::default();
        for (logits, highest, total) in [
            (&[][..], -INF, 0.0),
            (&[f32::NAN, 2.0, -INF], 2.0, 1.0),
            (&[INF, 2.0, INF], INF, 2.0),
        ] {
            weights.weigh(logits, highest, 1e-30, 0.0, &[]);
            assert_eq!(weights.total(), total, "{logits:?}");
            let drawn = weights.draw(&mut Rng::new(1));
            assert_eq!(drawn.is_some(), total > 0.0, "{logits:?}");
        }
    }

    #[test]
    fn what_rounding_carries_too_far_is_the_last_that_weighs() {
        let weights = [(3, 0.5), (4, 0.5), (5, 0.0)];
        for (left, wanted) in [(0.2, 3), (0.5, 4), (1.0, 4), (9.0, 4)] {
            assert_eq!(pick(weights.into_iter(), left), Some(wanted));
        }
        assert_eq!(pick([(1, 0.0)].into_iter(), 0.0), None);
    }
}
