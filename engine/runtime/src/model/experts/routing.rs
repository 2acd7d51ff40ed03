//! Which rows use which experts.

use crate::model::config::Experts;

/// One of a row's experts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Choice {
    /// Index of the expert.
    pub expert: usize,
    /// What its result counts for.
    pub weight: f32,
}

/// A row that uses an expert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Use {
    /// Row of the step.
    pub row: usize,
    /// What the expert's result counts for in it.
    pub weight: f32,
}

/// All uses of one expert in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Index of the expert.
    pub expert: usize,
    /// Its first use.
    pub first: usize,
    /// How many uses follow each other.
    pub uses: usize,
}

impl Batch {
    /// Its uses.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.uses
    }
}

/// A step's uses of experts, grouped by expert.
#[derive(Debug, Default)]
pub struct Routing {
    /// `[row][choice]`, by ascending expert.
    pub choices: Vec<Choice>,
    /// By expert, then by row.
    pub uses: Vec<Use>,
    /// Experts that are used, ascending.
    pub batches: Vec<Batch>,
}

impl Routing {
    /// Groups `choices`, `used` of them for each row, by expert.
    pub fn group(&mut self, used: usize) {
        self.uses.clear();
        self.batches.clear();
        let mut order: Vec<(usize, Use)> = self
            .choices
            .iter()
            .enumerate()
            .map(|(index, choice)| {
                let (row, weight) = (index / used, choice.weight);
                (choice.expert, Use { row, weight })
            })
            .collect();
        // Stable: rows stay in order within an expert.
        order.sort_by_key(|(expert, _)| *expert);
        for (expert, one) in order {
            match self.batches.last_mut() {
                Some(batch) if batch.expert == expert => batch.uses += 1,
                _ => self.batches.push(Batch {
                    expert,
                    first: self.uses.len(),
                    uses: 1,
                }),
            }
            self.uses.push(one);
        }
    }
}

/// Chooses the experts with the largest scores (the first of equals), as many as `chosen` has room
/// for, and weighs them by the softmax of all scores; where the rule says so, divided by the sum of the
/// chosen, which is the softmax of theirs. They come out in ascending order of their index.
/// If a score is not finite, no weight is a number: the expert that it belongs to might have been among the
/// chosen.
pub(super) fn choose(scores: &[f32], rule: Experts, chosen: &mut [Choice]) {
    let mut count = 0;
    for (expert, &score) in scores.iter().enumerate() {
        let place = chosen[..count]
            .iter()
            .position(|choice| score > choice.weight)
            .unwrap_or(count);
        if place == chosen.len() {
            continue;
        }
        count = (count + 1).min(chosen.len());
        chosen[place..count].rotate_right(1);
        chosen[place] = Choice {
            expert,
            weight: score,
        };
    }
    let largest = chosen[0].weight;
    // A sum that is no number makes all weights such; 0 adds nothing.
    let mut sum = match scores.iter().all(|score| score.is_finite()) {
        true => 0.0,
        false => f32::NAN,
    };
    for choice in chosen.iter_mut() {
        choice.weight = (choice.weight - largest).exp();
    }
    sum += match rule.normed {
        true => chosen.iter().map(|choice| choice.weight).sum::<f32>(),
        false => scores.iter().map(|score| (score - largest).exp()).sum(),
    };
    for choice in chosen.iter_mut() {
        choice.weight = choice.weight / sum * rule.scale;
    }
    chosen.sort_unstable_by_key(|choice| choice.expert);
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Experts = Experts {
        count: 5,
        used: 3,
        normed: true,
        scale: 1.0,
        shared_length: None,
    };

    #[test]
    fn weights_are_of_all_scores_or_of_the_chosen_and_scaled() {
        let scores = [0.5f32, -1.0, 2.0, 0.5, 1.0];
        let all: f32 = scores.iter().map(|score| score.exp()).sum();
        let rule = Experts {
            normed: false,
            scale: 2.5,
            ..RULE
        };
        let mut chosen = [Choice::default(); 3];
        choose(&scores, rule, &mut chosen);
        for (choice, score) in chosen.iter().zip([0.5f32, 2.0, 1.0]) {
            assert!((choice.weight - 2.5 * score.exp() / all).abs() < 1e-6);
        }
    }

    #[test]
    fn the_largest_scores_are_chosen_and_weighed_by_their_softmax() {
        let mut chosen = [Choice::default(); 3];
        choose(&[0.5, -1.0, 2.0, 0.5, 1.0], RULE, &mut chosen);
        assert_eq!(chosen.map(|choice| choice.expert), [0, 2, 4]);
        let sum = 0.5f32.exp() + 2.0f32.exp() + 1.0f32.exp();
        for (choice, score) in chosen.iter().zip([0.5f32, 2.0, 1.0]) {
            assert!((choice.weight - score.exp() / sum).abs() < 1e-6);
        }
    }

    #[test]
    fn scores_that_are_no_numbers_choose_something() {
        let mut chosen = [Choice::default(); 2];
        choose(&[f32::NAN, 1.0, f32::NAN, f32::INFINITY], RULE, &mut chosen);
        assert!(chosen.iter().all(|choice| choice.expert < 4));
        choose(&[f32::NAN; 3], RULE, &mut chosen);
        assert!(chosen[0].expert != chosen[1].expert);
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for place in 0..4 {
                let mut scores = [4.0, 3.0, 2.0, 1.0];
                scores[place] = wrong;
                choose(&scores, RULE, &mut chosen);
                let weights = chosen.map(|choice| choice.weight);
                assert!(
                    weights.iter().all(|weight| weight.is_nan()),
                    "{wrong} at {place}"
                );
            }
        }
    }

    #[test]
    fn uses_are_grouped_by_expert_and_rows_stay_in_order() {
        let choice = |expert| Choice {
            expert,
            weight: expert as f32,
        };
        let mut routing = Routing {
            choices: [1, 5, 0, 1, 1, 7].map(choice).to_vec(),
            ..Routing::default()
        };
        routing.group(2);
        let batch = |expert, first, uses| Batch {
            expert,
            first,
            uses,
        };
        let batches = [
            batch(0, 0, 1),
            batch(1, 1, 3),
            batch(5, 4, 1),
            batch(7, 5, 1),
        ];
        assert_eq!(routing.batches, batches);
        let rows: Vec<usize> = routing.uses.iter().map(|one| one.row).collect();
        assert_eq!(rows, [1, 0, 1, 2, 0, 2]);
        assert!(routing.uses[1..4].iter().all(|one| one.weight == 1.0));
    }
}
