//! What steps came to so far.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::tuned::TunedSteps;
use crate::scheduler::report::{StepKind, StepReport};

/// Sums over all steps. One thread adds, any reads; a reader may see a step in one sum and not yet in another.
#[derive(Debug, Default)]
pub struct Tally {
    tuned: OnceLock<TunedSteps>,
    steps: AtomicU64,
    nanoseconds: AtomicU64,
    plain: Sums,
    compared: Sums,
    expected_nanoseconds: AtomicU64,
}

#[derive(Debug, Default)]
struct Sums {
    steps: AtomicU64,
    tokens: AtomicU64,
    nanoseconds: AtomicU64,
}

/// The sums at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Steps of any kind.
    pub(super) steps: u64,
    /// Time of them.
    pub(super) nanoseconds: u64,
    /// Steps that only extended answers, by a token each.
    pub(super) plain: Total,
    /// Those of them of which it is known what they take when tuned.
    pub(super) compared: Total,
    /// What they take then.
    pub(super) expected_nanoseconds: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) steps: u64,
    pub(super) tokens: u64,
    pub(super) nanoseconds: u64,
}

impl Tally {
    /// From now on steps are compared with these. Only the first counts.
    pub fn compare_with(&self, tuned: TunedSteps) {
        let _ = self.tuned.set(tuned);
    }

    /// Whether steps are compared.
    pub fn compares(&self) -> bool {
        self.tuned.get().is_some()
    }

    /// Adds a step.
    pub fn note(&self, report: &StepReport) {
        let nanoseconds = nanoseconds(report.took);
        self.steps.fetch_add(1, Relaxed);
        self.nanoseconds.fetch_add(nanoseconds, Relaxed);
        let is_plain = report.kind() == StepKind::Decode && report.drafts.drafted == 0;
        if !is_plain || report.answers == 0 {
            return;
        }
        self.plain.add(report.answers, nanoseconds);
        let expected = self
            .tuned
            .get()
            .and_then(|tuned| tuned.expected(report.answers, report.context_tokens));
        if let Some(expected) = expected {
            self.compared.add(report.answers, nanoseconds);
            self.expected_nanoseconds
                .fetch_add(self::nanoseconds(expected), Relaxed);
        }
    }

    pub(super) fn totals(&self) -> Totals {
        Totals {
            steps: self.steps.load(Relaxed),
            nanoseconds: self.nanoseconds.load(Relaxed),
            plain: self.plain.total(),
            compared: self.compared.total(),
            expected_nanoseconds: self.expected_nanoseconds.load(Relaxed),
        }
    }
}

impl Sums {
    fn add(&self, answers: usize, nanoseconds: u64) {
        self.steps.fetch_add(1, Relaxed);
        self.tokens.fetch_add(answers as u64, Relaxed);
        self.nanoseconds.fetch_add(nanoseconds, Relaxed);
    }

    fn total(&self) -> Total {
        Total {
            steps: self.steps.load(Relaxed),
            tokens: self.tokens.load(Relaxed),
            nanoseconds: self.nanoseconds.load(Relaxed),
        }
    }
}

impl Totals {
    /// What was added since `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            steps: self.steps.saturating_sub(before.steps),
            nanoseconds: self.nanoseconds.saturating_sub(before.nanoseconds),
            plain: self.plain.since(&before.plain),
            compared: self.compared.since(&before.compared),
            expected_nanoseconds: self
                .expected_nanoseconds
                .saturating_sub(before.expected_nanoseconds),
        }
    }
}

impl Total {
    fn since(&self, before: &Self) -> Self {
        Self {
            steps: self.steps.saturating_sub(before.steps),
            tokens: self.tokens.saturating_sub(before.tokens),
            nanoseconds: self.nanoseconds.saturating_sub(before.nanoseconds),
        }
    }
}

/// Saturates after five centuries.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::Drafts;
    use sysinfer_profiles::StepEvidence;

    use super::*;

    #[test]
    fn only_steps_like_the_measured_ones_are_compared() {
        let tally = Tally::default();
        let evidence = StepEvidence {
            sequences: 2,
            context_tokens: 100,
            milliseconds: 8.0,
            ..StepEvidence::default()
        };
        tally.compare_with(TunedSteps::new(&[evidence], &[], 16).expect("steps"));
        let plain = StepReport {
            answers: 2,
            context_tokens: 200,
            generated_tokens: 2,
            took: Duration::from_millis(10),
            ..StepReport::default()
        };
        let drafted = Drafts {
            drafted: 3,
            accepted: 1,
        };
        let all = [
            plain,
            plain,
            StepReport {
                drafts: drafted,
                ..plain
            },
            StepReport {
                prompt_rows: 5,
                ..plain
            },
            StepReport {
                answers: 0,
                prompt_rows: 5,
                ..plain
            },
            // Of three nothing is known, ...
            StepReport {
                answers: 3,
                ..plain
            },
            // ... and nothing of an empty step.
            StepReport {
                answers: 0,
                ..plain
            },
        ];
        let before = tally.totals();
        all.iter().for_each(|report| tally.note(report));
        let found = tally.totals().since(&before);
        let of = |steps, tokens, milliseconds: u64| Total {
            steps,
            tokens,
            nanoseconds: milliseconds * 1_000_000,
        };
        let wanted = Totals {
            steps: 7,
            nanoseconds: 70_000_000,
            plain: of(3, 7, 30),
            compared: of(2, 4, 20),
            expected_nanoseconds: 16_000_000,
        };
        assert_eq!(found, wanted);
    }
}
