//! How likely the token that followed a match is the next one.
//!
//! Every token of an answer is evidence, drafted or not: the index says what it expected, and the
//! answer says what came. So a sequence that begins to quote is noticed without a draft, and no
//! draft is risked to find out.

/// Shortest match of each class; the last has no end.
const CLASSES: [usize; 6] = [2, 3, 4, 6, 9, 16];
/// What is assumed of each class before anything was seen, ...
const EXPECTED: [f64; 6] = [0.25, 0.4, 0.55, 0.7, 0.85, 0.9];
/// ... as if it came from this many tokens.
const EXPECTED_WEIGHT: f64 = 3.0;
/// What remains of older evidence when a token comes: about 24 tokens count.
const KEPT: f64 = 0.96;

/// The record of one sequence, by length of the match.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// (right ones, all), older ones counting less.
    seen: [(f64, f64); CLASSES.len()],
}

impl Default for Acceptance {
    fn default() -> Self {
        Self {
            seen: EXPECTED.map(|chance| (chance * EXPECTED_WEIGHT, EXPECTED_WEIGHT)),
        }
    }
}

impl Acceptance {
    /// Notes whether what a match of `length` tokens predicted was right.
    pub fn note(&mut self, length: usize, right: bool) {
        let (sure, all) = &mut self.seen[class(length)];
        *sure = *sure * KEPT + f64::from(u8::from(right));
        *all = *all * KEPT + 1.0;
    }

    /// The chance that the prediction of a match of `length` tokens is right.
    pub fn chance(&self, length: usize) -> f64 {
        let (sure, all) = self.seen[class(length)];
        sure / all
    }
}

fn class(length: usize) -> usize {
    CLASSES
        .iter()
        .rposition(|from| length >= *from)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_judged_by_their_own_record() {
        let mut acceptance = Acceptance::default();
        for length in 0..40 {
            let longer = acceptance.chance(length + 1);
            assert!(longer >= acceptance.chance(length), "{length}");
        }
        (0..50).for_each(|_| acceptance.note(2, false));
        (0..50).for_each(|_| acceptance.note(20, true));
        assert!(acceptance.chance(2) < 0.1);
        assert!(acceptance.chance(16) > 0.97);
        assert_eq!(acceptance.chance(5), Acceptance::default().chance(5));
        (0..50).for_each(|_| acceptance.note(2, true));
        assert!(acceptance.chance(2) > 0.8, "old evidence fades");
    }
}
