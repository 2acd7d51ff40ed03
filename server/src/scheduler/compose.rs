//! What goes into the next step: the next token of every answer, and parts of prompts.
//!
//! Answers always go on; prompts share what is left of the time that a step may take, so that nobody's
//! stream stands still while somebody's prompt is read (Sarathi-Serve, Agrawal 2024, calls it stall-free
//! scheduling). Plain arithmetic: no engine, no clock.

use std::time::Duration;

use sysinfer_profiles::serving::GAP_STEPS;

/// Rows of a prompt in a step before it is known what one costs, ...
const FIRST_ROWS: usize = 32;
/// ... and fewest rows in any step: a prompt always goes on.
const FEWEST_ROWS: usize = 4;

/// Part of the gap that a step is expected to take: some take longer than expected, and text waits for its
/// way to the client.
const PART_OF_GAP: f64 = 0.75;

/// Longest step while nobody's answer waits for it: what a new client waits for its turn, and the
/// engine goes on for one that left.
const ALONE: Duration = Duration::from_secs(1);

/// What is known of the next step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// Answers that get a token.
    pub answers: usize,
    /// Seconds that a step of these alone takes, or of one if there are none.
    pub decode: Option<f64>,
    /// Seconds that every row of a prompt adds, ...
    pub prompt_row: Option<f64>,
    /// ... as known from steps of so many at most.
    pub known_rows: usize,
}

/// Limits of every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepLimits {
    /// Rows that read the weights once, drafts of answers included.
    pub rows: usize,
    /// Longest time between two tokens of an answer while prompts are read; three decode steps, if
    /// those take longer.
    pub gap: Duration,
}

impl StepLimits {
    /// Most rows of prompts in a step, beside the `decode` rows that answers may take.
    pub fn prompt_rows(&self, pace: Pace, decode: usize) -> usize {
        let room = self.rows.saturating_sub(decode).max(FEWEST_ROWS);
        let step = pace.decode.unwrap_or(0.0);
        let target = match pace.answers {
            0 => ALONE.max(self.gap).as_secs_f64(),
            _ => self.gap.as_secs_f64(),
        };
        let time = target.max(GAP_STEPS * step) * PART_OF_GAP - step;
        let rows = match pace.prompt_row {
            // The conversion saturates.
            Some(row) => (time / row) as usize,
            None => FIRST_ROWS,
        };
        // Somebody would notice if so many more took longer than expected.
        let rows = match pace.answers {
            0 => rows,
            _ => rows.min(2 * pace.known_rows.max(FIRST_ROWS)),
        };
        rows.clamp(FEWEST_ROWS, room)
    }
}

/// Divides `rows` among prompts that still lack so many tokens each, oldest first: half of them to the
/// oldest, so that none waits for ever, and the rest to those that lack least, so that a short
/// question need not wait for a long text.
pub fn divide(rows: usize, lacking: &[usize]) -> Vec<usize> {
    let mut shares = vec![0; lacking.len()];
    let mut left = rows;
    if let [oldest, others @ ..] = lacking {
        let half = if others.is_empty() {
            rows
        } else {
            rows.div_ceil(2)
        };
        shares[0] = half.min(*oldest);
        left -= shares[0];
    }
    let mut order: Vec<usize> = (0..lacking.len()).collect();
    order.sort_by_key(|prompt| lacking[*prompt]);
    for prompt in order {
        let more = left.min(lacking[prompt] - shares[prompt]);
        shares[prompt] += more;
        left -= more;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: StepLimits = StepLimits {
        rows: 512,
        gap: Duration::from_millis(100),
    };

    fn rows(answers: usize, decode: Option<f64>, prompt_row: Option<f64>) -> usize {
        let pace = Pace {
            answers,
            decode,
            prompt_row,
            known_rows: 400,
        };
        LIMITS.prompt_rows(pace, 8)
    }

    #[test]
    fn a_step_takes_no_longer_than_the_gap_or_three_decode_steps() {
        // A small model: 5 ms a step, 0.7 ms a row.
        assert_eq!(rows(4, Some(0.005), Some(0.0007)), 100);
        // A large one on a slow host: 400 ms, 25 ms.
        assert_eq!(rows(1, Some(0.4), Some(0.025)), 20);
        // Nobody waits: a second, ...
        assert_eq!(rows(0, Some(0.005), Some(0.01)), 74);
        // ... or what reads the weights once.
        assert_eq!(rows(0, Some(0.005), Some(0.0007)), 504);
        assert_eq!(rows(1, Some(0.005), Some(1e-9)), 504);
    }

    #[test]
    fn what_is_not_measured_is_begun_with_and_everything_goes_on() {
        assert_eq!(rows(1, None, None), 32);
        assert_eq!(rows(1, None, Some(10.0)), 4);
        assert_eq!(rows(1, Some(f64::INFINITY), Some(f64::NAN)), 4);
        // Small parts have been measured only: a large one is come to step by step.
        for (known_rows, wanted) in [(0, 64), (20, 64), (64, 128), (300, 504)] {
            let pace = Pace {
                answers: 1,
                decode: Some(0.005),
                prompt_row: Some(1e-6),
                known_rows,
            };
            assert_eq!(LIMITS.prompt_rows(pace, 8), wanted, "{known_rows}");
        }
        let pace = Pace::default();
        assert_eq!(LIMITS.prompt_rows(pace, 600), 4);
    }

    #[test]
    fn the_oldest_prompt_gets_half_and_the_shortest_the_rest() {
        let cases: [(usize, &[usize], &[usize]); 8] = [
            (100, &[], &[]),
            (100, &[4000], &[100]),
            (100, &[30], &[30]),
            (100, &[4000, 20], &[80, 20]),
            (100, &[4000, 90, 20], &[50, 30, 20]),
            (100, &[20, 4000], &[20, 80]),
            (100, &[300, 300, 300], &[100, 0, 0]),
            (101, &[300, 200, 300], &[51, 50, 0]),
        ];
        for (rows, lacking, wanted) in cases {
            assert_eq!(divide(rows, lacking), wanted, "{rows} {lacking:?}");
        }
    }
}
