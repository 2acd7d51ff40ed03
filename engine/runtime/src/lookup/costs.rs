//! How long a step takes by its number of rows, from the steps that were run.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::MOST_DECODE_ROWS;

/// Steps of one number of rows that are remembered, ...
const MOST_SAMPLES: usize = 8;
/// ... and how many it takes to believe them.
const FEWEST_SAMPLES: usize = 2;
/// A sample counts during so many steps: sequences grow, and hosts get other things to do.
const LIFETIME_STEPS: u64 = 512;
/// What a row is assumed to add to a step, as a part of a step of one row, until it is measured.
const ASSUMED_ROW_COST: f64 = 0.12;

/// Recent times of decode steps.
#[derive(Clone, Debug, Default)]
pub struct StepCosts {
    /// By rows - 1: (number of the step, seconds), oldest first.
    samples: [VecDeque<(u64, f64)>; MOST_DECODE_ROWS],
    steps: u64,
}

impl StepCosts {
    /// Notes a step. Steps of no rows, or more than a decode step has, are passed over.
    pub fn note(&mut self, rows: usize, took: Duration) {
        self.steps += 1;
        let now = self.steps;
        let row = rows.wrapping_sub(1);
        let Some(samples) = self.samples.get_mut(row) else {
            return;
        };
        samples.push_back((now, took.as_secs_f64()));
        if samples.len() > MOST_SAMPLES {
            samples.pop_front();
        }
    }

    /// Measured seconds of a step of `rows` rows: the median, the lower one of two.
    pub fn measured(&self, rows: usize) -> Option<f64> {
        let samples = self.samples.get(rows.wrapping_sub(1))?.iter();
        let fresh = samples.filter(|(step, _)| step + LIFETIME_STEPS > self.steps);
        let mut seconds: Vec<f64> = fresh.map(|(_, seconds)| *seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let middle = seconds.len().saturating_sub(1) / 2;
        let enough = seconds.len() >= FEWEST_SAMPLES && seconds[middle] > 0.0;
        enough.then(|| seconds[middle])
    }

    /// What a step of `rows` rows is expected to take: as measured, or between the measured ones
    /// beside it, or an assumption beyond them. `None` where nothing is measured.
    pub fn expected(&self, rows: usize) -> Option<f64> {
        let at = |rows: usize| self.measured(rows).map(|seconds| (rows, seconds));
        let below = (1..=rows).rev().find_map(at);
        let above = (rows..=MOST_DECODE_ROWS).find_map(at);
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

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn noted(steps: &[(usize, u32)]) -> StepCosts {
        let mut costs = StepCosts::default();
        for (rows, milliseconds) in steps {
            costs.note(*rows, MILLISECOND * *milliseconds);
        }
        costs
    }

    fn milliseconds(costs: &StepCosts, rows: usize) -> Option<f64> {
        let seconds = costs.expected(rows)?;
        Some((seconds * 1e6).round() / 1e3)
    }

    #[test]
    fn what_is_not_measured_is_expected_between_its_neighbours() {
        let nothing = noted(&[(1, 10), (0, 5), (9, 5)]);
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
    fn times_are_forgotten() {
        let mut costs = noted(&[(1, 10), (1, 10), (4, 90), (4, 90)]);
        assert_eq!(milliseconds(&costs, 4), Some(90.0));
        (0..LIFETIME_STEPS).for_each(|_| costs.note(1, 20 * MILLISECOND));
        assert_eq!(milliseconds(&costs, 1), Some(20.0));
        assert_eq!(milliseconds(&costs, 4), Some(27.2));
    }
}
