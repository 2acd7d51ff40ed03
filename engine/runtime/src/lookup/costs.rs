//! How long a step takes by its number of rows, from the steps that were run.
//!
//! Rows of decode steps are few, and each number of them is measured for itself; rows of prompts that share
//! a step are many, and one is like another.

use std::collections::VecDeque;
use std::time::Duration;

/// Most rows of decode steps that are told apart; there are seldom more sequences.
const MAX_TOLD_APART: usize = 64;
/// Steps of one number of rows that are remembered, ...
const MAX_SAMPLES: usize = 8;
/// ... and how many it takes to believe them.
const MIN_SAMPLES: usize = 2;
/// A sample counts during so many steps: sequences grow, and hosts get other things to do.
const LIFETIME_STEPS: u64 = 512;
/// What is left of a step's time for the rows of a prompt, at least: their part cannot be nothing.
const MIN_PROMPT_PART: f64 = 0.1;
/// What a row is assumed to add to a step, as a part of a step of one row, until it is measured.
const ASSUMED_ROW_COST: f64 = 0.12;

/// Recent times of decode steps.
#[derive(Clone, Debug)]
pub struct StepCosts {
    /// By rows - 1: (number of the step, seconds), oldest first.
    samples: [VecDeque<(u64, f64)>; MAX_TOLD_APART],
    /// (number of the step, rows of prompts in it, seconds that they added), oldest first.
    prompts: VecDeque<(u64, usize, f64)>,
    steps: u64,
}

impl Default for StepCosts {
    fn default() -> Self {
        Self {
            samples: [const { VecDeque::new() }; MAX_TOLD_APART],
            prompts: VecDeque::new(),
            steps: 0,
        }
    }
}

/// The rows of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rows {
    /// Next tokens and drafts.
    pub decode: usize,
    /// Tokens of prompts.
    pub prompt: usize,
}

impl StepCosts {
    /// Takes over what steps took elsewhere, for as long as none of the same rows is noted here often enough.
    pub fn begin_with(&mut self, known: impl IntoIterator<Item = (Rows, Duration)>) {
        for (rows, took) in known {
            (0..MIN_SAMPLES).for_each(|_| self.note(rows, took));
        }
    }

    /// Notes a step. Decode steps of no rows, or more than are told apart, are passed over.
    pub fn note(&mut self, rows: Rows, took: Duration) {
        self.steps += 1;
        let seconds = took.as_secs_f64();
        if rows.prompt > 0 {
            // Weights are read once for both kinds of rows.
            let decode = self.expected(rows.decode.max(1)).unwrap_or(0.0);
            let added = (seconds - decode).max(seconds * MIN_PROMPT_PART);
            keep(&mut self.prompts, (self.steps, rows.prompt, added));
        } else if let Some(samples) = self.samples.get_mut(rows.decode.wrapping_sub(1)) {
            keep(samples, (self.steps, seconds));
        }
    }

    /// Measured seconds of a decode step of `rows` rows: the median, the lower one of two.
    pub fn measured(&self, rows: usize) -> Option<f64> {
        self.median(self.samples.get(rows.wrapping_sub(1))?)
    }

    /// Measured seconds that a row of a prompt adds to a step, those of large parts counting most.
    pub fn prompt_row(&self) -> Option<f64> {
        let sum = |(count, rows, seconds), (_, more, added): &(u64, usize, f64)| {
            (count + 1, rows + more, seconds + added)
        };
        let (count, rows, seconds) = self.fresh_prompts().fold((0, 0, 0.0), sum);
        (count >= MIN_SAMPLES && seconds > 0.0).then(|| seconds / rows as f64)
    }

    /// Most rows of prompts in one of the steps that this is known from.
    pub fn most_prompt_rows(&self) -> usize {
        let rows = self.fresh_prompts().map(|(_, rows, _)| *rows);
        rows.max().unwrap_or(0)
    }

    fn fresh_prompts(&self) -> impl Iterator<Item = &(u64, usize, f64)> {
        let fresh = |(step, ..): &&(u64, usize, f64)| step + LIFETIME_STEPS > self.steps;
        self.prompts.iter().filter(fresh)
    }

    /// Seconds of a step like `plain`, but of so many decode rows. Beside a prompt a row of a draft is like
    /// one of the prompt. `None` where there is no fresh time of steps like `plain`.
    pub fn with_drafts(&self, plain: Rows) -> Option<impl Fn(usize) -> f64 + '_> {
        let decode = self.measured(plain.decode)?;
        let prompt_row = match plain.prompt {
            0 => 0.0,
            _ => self.prompt_row()?,
        };
        Some(move |rows: usize| match plain.prompt {
            0 => self.expected(rows).unwrap_or(f64::INFINITY),
            prompt => decode + (prompt + rows - plain.decode) as f64 * prompt_row,
        })
    }

    fn median(&self, samples: &VecDeque<(u64, f64)>) -> Option<f64> {
        let fresh = (samples.iter()).filter(|(step, _)| step + LIFETIME_STEPS > self.steps);
        let mut seconds: Vec<f64> = fresh.map(|(_, seconds)| *seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let middle = seconds.len().saturating_sub(1) / 2;
        let enough = seconds.len() >= MIN_SAMPLES && seconds[middle] > 0.0;
        enough.then(|| seconds[middle])
    }

    /// What a decode step of `rows` rows is expected to take: as measured, or between the measured ones
    /// beside it, or an assumption beyond them. `None` where nothing is measured.
    pub fn expected(&self, rows: usize) -> Option<f64> {
        let at = |rows: usize| self.measured(rows).map(|seconds| (rows, seconds));
        let below = (1..=rows).rev().find_map(at);
        let above = (rows..=MAX_TOLD_APART).find_map(at);
        let assumed = |rows: usize| 1.0 + ASSUMED_ROW_COST * (rows - 1) as f64;
        match (below, above) {
            (Some((low, seconds)), Some((high, _))) if low == high => Some(seconds),
            (Some((low, low_seconds)), Some((high, high_seconds))) => {
                let part = (rows - low) as f64 / (high - low) as f64;
                Some(low_seconds + part * (high_seconds - low_seconds))
            }
            (Some((near, seconds)), None) | (None, Some((near, seconds))) => {
                Some(seconds * assumed(rows) / assumed(near))
            }
            (None, None) => None,
        }
    }
}

fn keep<T>(samples: &mut VecDeque<T>, sample: T) {
    samples.push_back(sample);
    if samples.len() > MAX_SAMPLES {
        samples.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn decode(decode: usize) -> Rows {
        Rows { decode, prompt: 0 }
    }

    fn noted(steps: &[(usize, u32)]) -> StepCosts {
        let mut costs = StepCosts::default();
        for (rows, milliseconds) in steps {
            costs.note(decode(*rows), MILLISECOND * *milliseconds);
        }
        costs
    }

    fn milliseconds(costs: &StepCosts, rows: usize) -> Option<f64> {
        let seconds = costs.expected(rows)?;
        Some((seconds * 1e6).round() / 1e3)
    }

    #[test]
    fn what_is_not_measured_is_expected_between_its_neighbours() {
        let nothing = noted(&[(1, 10), (0, 5), (MAX_TOLD_APART + 1, 5)]);
        assert_eq!(milliseconds(&nothing, 1), None, "one sample is no measure");
        let one = noted(&[(1, 10), (1, 10)]);
        let two = noted(&[(1, 10), (1, 12), (1, 90), (5, 22), (5, 22)]);
        let cases = [
            (&one, 1, 10.0),
            (&one, 2, 11.2),
            (&one, 8, 18.4),
            (&two, 1, 12.0),
            (&two, 3, 17.0),
            (&two, 5, 22.0),
            (&two, 8, 27.351),
        ];
        for (costs, rows, wanted) in cases {
            assert_eq!(milliseconds(costs, rows), Some(wanted), "{rows} rows");
        }
    }

    #[test]
    fn what_is_known_from_elsewhere_gives_way_to_what_is_measured() {
        let mut costs = StepCosts::default();
        let prompt = Rows {
            decode: 4,
            prompt: 100,
        };
        costs.begin_with([
            (decode(1), 10 * MILLISECOND),
            (decode(4), 16 * MILLISECOND),
            (prompt, 66 * MILLISECOND),
        ]);
        assert_eq!(milliseconds(&costs, 2), Some(12.0));
        let row = costs.prompt_row().expect("it is known");
        assert!((row - 0.0005).abs() < 1e-9, "{row}");
        assert_eq!(costs.most_prompt_rows(), 100);
        (0..4).for_each(|_| costs.note(decode(4), 40 * MILLISECOND));
        assert_eq!(milliseconds(&costs, 4), Some(40.0));
    }

    #[test]
    fn times_are_forgotten() {
        let mut costs = noted(&[(1, 10), (1, 10), (4, 90), (4, 90)]);
        assert_eq!(milliseconds(&costs, 4), Some(90.0));
        (0..LIFETIME_STEPS).for_each(|_| costs.note(decode(1), 20 * MILLISECOND));
        assert_eq!(milliseconds(&costs, 1), Some(20.0));
        assert_eq!(milliseconds(&costs, 4), Some(27.2));
    }

    #[test]
    fn a_row_of_a_prompt_costs_what_it_adds() {
        let mixed = |decode, prompt| Rows { decode, prompt };
        let mut costs = noted(&[(1, 10), (1, 10), (2, 12), (2, 12)]);
        costs.note(mixed(2, 100), 62 * MILLISECOND);
        assert_eq!(costs.prompt_row(), None, "one sample is no measure");
        costs.note(mixed(0, 100), 60 * MILLISECOND);
        let row = costs.prompt_row().expect("two samples");
        assert!((row - 0.0005).abs() < 1e-9, "{row}");
        // Few rows say little: their part of a step is mostly not theirs.
        costs.note(mixed(2, 1), 112 * MILLISECOND);
        assert!(costs.prompt_row().expect("three samples") < 0.001);
        assert_eq!(costs.most_prompt_rows(), 100);
        // A step that was faster than its decode rows alone says no nonsense.
        (0..9).for_each(|_| costs.note(mixed(2, 100), 2 * MILLISECOND));
        let row = costs.prompt_row().expect("many samples");
        assert!((row - 2e-6).abs() < 1e-9, "{row}");
        assert_eq!(
            milliseconds(&costs, 2),
            Some(12.0),
            "they are no decode steps"
        );
    }
}
