//! What steps take that a profile has measured: so many answers, at their lengths.

use std::time::Duration;

use sysinfer_profiles::{LengthEvidence, StepEvidence};

/// Contexts up to so many times the longest that was measured are judged: a line goes on that far.
const REACH: f64 = 2.0;

/// What the profile says of decode steps, and how the plan in force differs from the one that it measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tuned {
    /// `None`: no profile is applied, it is of another model, or it has no measured decode steps.
    pub steps: Option<TunedSteps>,
    /// How what runs differs from what was measured, in words; `None`: it does not.
    pub difference: Option<String>,
    /// CPUs of the decode team; empty: not pinned.
    pub cpus: Vec<usize>,
    /// Threads of it.
    pub threads: usize,
}

/// Times of decode steps by number of answers and length.
#[derive(Clone, Debug, PartialEq)]
pub struct TunedSteps {
    /// Answers and seconds of a step, ascending, ...
    steps: Vec<(usize, f64)>,
    /// ... where each answer held so many tokens.
    context: f64,
    /// Tokens of one answer and seconds of its step, ascending.
    lengths: Vec<(f64, f64)>,
    /// Seconds that each token of an answer's context adds to a step.
    token: f64,
}

impl TunedSteps {
    /// From the evidence of a profile whose runs of one answer begin behind `prompt_tokens`. `None` where it has no
    /// decode step.
    pub fn new(
        steps: &[StepEvidence],
        lengths: &[LengthEvidence],
        prompt_tokens: usize,
    ) -> Option<Self> {
        let plain = steps.iter().filter(|step| step.prompt_rows == 0);
        let plain = plain.filter(|step| step.sequences > 0 && step.milliseconds > 0.0);
        let context = plain.clone().map(|step| step.context_tokens).next();
        let mut steps: Vec<(usize, f64)> = plain
            .map(|step| (step.sequences, step.milliseconds / 1000.0))
            .collect();
        steps.sort_by_key(|(answers, _)| *answers);
        // A run up to a length takes, on the whole, steps of the length in its middle.
        let mut lengths: Vec<(f64, f64)> = lengths
            .iter()
            .filter_map(|length| {
                let rate = length.decode_tokens_per_second.filter(|rate| *rate > 0.0)?;
                Some((
                    (prompt_tokens + length.total_tokens) as f64 / 2.0,
                    1.0 / rate,
                ))
            })
            .collect();
        lengths.sort_by(|one, other| one.0.total_cmp(&other.0));
        let alone = steps.first().filter(|(answers, _)| *answers == 1);
        let alone = alone
            .zip(context)
            .map(|((_, seconds), context)| (context as f64, *seconds));
        if lengths.is_empty() {
            lengths.extend(alone);
        }
        let token = slope(&lengths);
        let context = context.map_or(0.0, |context| context as f64);
        let any = !steps.is_empty() || !lengths.is_empty();
        any.then_some(Self {
            steps,
            context,
            lengths,
            token,
        })
    }

    /// What a step of so many answers takes that hold `context_tokens` together. `None` where nothing near was
    /// measured: more answers than were, or much longer ones.
    pub fn expected(&self, answers: usize, context_tokens: usize) -> Option<Duration> {
        let length = context_tokens as f64 / answers.max(1) as f64;
        let measured = self.lengths.iter().map(|(length, _)| *length);
        let longest = measured.fold(self.context, f64::max);
        if answers == 0 || length > REACH * longest {
            return None;
        }
        let seconds = match answers {
            1 if !self.lengths.is_empty() => self.alone(length)?,
            _ => {
                let longer = (length - self.context) * answers as f64;
                self.together(answers)? + longer * self.token
            }
        };
        (seconds > 0.0).then(|| Duration::from_secs_f64(seconds))
    }

    /// A step of one answer: on the line between the measured lengths beside it, and from the last one on by what a
    /// token adds.
    fn alone(&self, length: f64) -> Option<f64> {
        let next = self.lengths.partition_point(|(known, _)| *known < length);
        let below = next.checked_sub(1).map(|at| self.lengths[at]);
        Some(match (below, self.lengths.get(next)) {
            (Some((low, seconds)), Some((high, more))) => {
                seconds + (length - low) / (high - low) * (more - seconds)
            }
            (Some((near, seconds)), None) | (None, Some(&(near, seconds))) => {
                seconds + (length - near) * self.token
            }
            (None, None) => return None,
        })
    }

    /// A step of so many answers at the length at which steps of many were measured.
    fn together(&self, answers: usize) -> Option<f64> {
        let next = self.steps.partition_point(|(known, _)| *known < answers);
        let (high, more) = *self.steps.get(next)?;
        if high == answers {
            return Some(more);
        }
        let (low, seconds) = self.steps[next.checked_sub(1)?];
        let part = (answers - low) as f64 / (high - low) as f64;
        Some(seconds + part * (more - seconds))
    }
}

/// Slope of the line that fits the points best; no less than 0, and 0 of a single one.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let together: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    match spread > 0.0 {
        true => (together / spread).max(0.0),
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(sequences: usize, prompt_rows: usize, milliseconds: f64) -> StepEvidence {
        StepEvidence {
            sequences,
            prompt_rows,
            context_tokens: 100,
            milliseconds,
            ..StepEvidence::default()
        }
    }

    fn length(total_tokens: usize, milliseconds: f64) -> LengthEvidence {
        LengthEvidence {
            total_tokens,
            decode_tokens_per_second: Some(1000.0 / milliseconds),
            ..LengthEvidence::default()
        }
    }

    /// A step takes 10 ms, 1 ms for each answer and 0.01 ms for each token of context.
    fn tuned() -> TunedSteps {
        let steps = [
            step(16, 0, 42.0),
            step(1, 0, 12.0),
            step(16, 64, 99.0),
            step(4, 0, 18.0),
        ];
        // Runs from 20 tokens up, in whose middle are 60, 110 and 310.
        let lengths = [length(100, 11.6), length(200, 12.1), length(600, 14.1)];
        TunedSteps::new(&steps, &lengths, 20).expect("steps")
    }

    #[test]
    fn steps_are_expected_by_answers_and_length() {
        let tuned = tuned();
        let truth = |answers: usize, length: usize| {
            10.0 + answers as f64 + 0.01 * (answers * length) as f64
        };
        for (answers, length) in [
            (1, 60),
            (1, 85),
            (1, 300),
            (1, 400),
            (1, 10),
            (4, 100),
            (16, 100),
            (4, 300),
            (16, 50),
        ] {
            let expected = tuned.expected(answers, answers * length).expect("near");
            let milliseconds = expected.as_secs_f64() * 1000.0;
            let wanted = truth(answers, length);
            assert!(
                (milliseconds - wanted).abs() < 1e-3,
                "{answers} {length}: {milliseconds}"
            );
        }
        // Between the measured numbers on a line.
        let between = tuned.expected(10, 1000).expect("between");
        assert!((between.as_secs_f64() - 0.030).abs() < 1e-6, "{between:?}");
    }

    #[test]
    fn what_nobody_measured_is_not_expected() {
        let tuned = tuned();
        assert_eq!(tuned.expected(17, 1700), None, "more answers");
        assert_eq!(tuned.expected(1, 621), None, "much longer");
        assert!(tuned.expected(1, 620).is_some());
        assert_eq!(tuned.expected(0, 0), None);
        assert_eq!(TunedSteps::new(&[], &[], 16), None);
        let only_prompts = [step(16, 64, 99.0)];
        assert_eq!(
            TunedSteps::new(&only_prompts, &[LengthEvidence::default()], 16),
            None
        );
        // Two answers lie below all that was measured of several.
        let many = TunedSteps::new(&[step(4, 0, 18.0)], &[], 16).expect("steps");
        assert_eq!((many.expected(2, 200), many.expected(1, 100)), (None, None));
        assert!(many.expected(4, 400).is_some());
        // One answer without runs of lengths: what its steps took.
        let one = TunedSteps::new(&[step(1, 0, 12.0)], &[], 16).expect("steps");
        assert_eq!(one.expected(1, 150), Some(Duration::from_millis(12)));
    }

    #[test]
    fn noise_makes_no_longer_answer_faster() {
        assert_eq!(slope(&[(10.0, 2.0), (20.0, 1.0)]), 0.0);
        assert_eq!(slope(&[(10.0, 2.0)]), 0.0);
        assert_eq!(slope(&[]), 0.0);
        assert!((slope(&[(0.0, 1.0), (10.0, 2.0), (20.0, 3.0)]) - 0.1).abs() < 1e-12);
    }
}
