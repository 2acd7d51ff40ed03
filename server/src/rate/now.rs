//! [`Rate`]: the share over the last seconds, and its cause.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::alarm::Alarm;
use super::cause::{Cause, cause};
use super::readings::{Evidence, Readings, Span};
use super::tally::{Tally, Total, Totals};
use super::tuned::Tuned;
use super::words::words;

/// What steps are added up over.
const WINDOW: Duration = Duration::from_secs(10);
/// Fewer steps say nothing, ...
const FEWEST_STEPS: u64 = 8;
/// ... nor do steps of less time together.
const LEAST_SECONDS: f64 = 1.0;

/// What is known now. What is not known is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RateNow {
    /// Tokens a second of all answers together, over steps that only extended answers.
    pub decode: Option<f64>,
    /// The same if these steps had taken what they took when tuned.
    pub tuned: Option<f64>,
    /// One over the other.
    pub share: Option<f64>,
    /// What keeps it down.
    pub cause: Cause,
    /// The cause, and what to do, as a sentence.
    pub words: Option<String>,
}

/// The rate of a server.
#[derive(Debug, Default)]
pub struct Rate {
    tally: Arc<Tally>,
    tuned: OnceLock<Tuned>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Of the last ten seconds, oldest first.
    looks: VecDeque<Look>,
    highest_khz: Option<f64>,
    now: RateNow,
    alarm: Alarm,
}

#[derive(Debug)]
struct Look {
    at: Instant,
    totals: Totals,
    readings: Readings,
}

impl Rate {
    /// Where steps are added.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// The model is loaded: what it is compared with from now on. Only the first counts.
    pub fn begin(&self, tuned: Tuned) {
        if let Some(steps) = &tuned.steps {
            self.tally.compare_with(steps.clone());
        }
        let _ = self.tuned.set(tuned);
        self.state().now = self.nothing_measured();
    }

    /// CPUs of the decode team; empty: not pinned, or not known yet.
    pub fn cpus(&self) -> &[usize] {
        self.tuned.get().map_or(&[], |tuned| &tuned.cpus)
    }

    /// What the last look found.
    pub fn now(&self) -> RateNow {
        self.state().now.clone()
    }

    /// Steps that were taken so far.
    pub fn steps(&self) -> u64 {
        self.tally.totals().steps
    }

    /// No step was taken for a while: what was known is not true any more.
    pub fn rest(&self) {
        let mut state = self.state();
        state.looks.clear();
        state.now = self.nothing_measured();
    }

    /// Adds up the steps of the last ten seconds before `at`, when `readings` were taken. Returns what is to be told
    /// whoever runs the server, if anything is.
    pub fn look(&self, at: Instant, readings: Readings) -> Option<String> {
        let mut state = self.state();
        let totals = self.tally.totals();
        let clocks = state.highest_khz.into_iter().chain(readings.clock_khz);
        state.highest_khz = clocks.reduce(f64::max);
        state.looks.push_back(Look {
            at,
            totals,
            readings,
        });
        // One look at least ten seconds ago is where the window begins.
        let is_old = |look: &Look| at.saturating_duration_since(look.at) >= WINDOW;
        while state.looks.get(1).is_some_and(is_old) {
            state.looks.pop_front();
        }
        let (Some(first), Some(last)) = (state.looks.front(), state.looks.back()) else {
            return None;
        };
        let now = self.measured(first, last, state.highest_khz);
        state.now = now.clone();
        let is_due = state.alarm.is_due(at, now.share, now.cause);
        is_due.then(|| warning(&now)).flatten()
    }

    fn measured(&self, first: &Look, last: &Look, highest_khz: Option<f64>) -> RateNow {
        let Some(tuned) = self.tuned.get() else {
            return RateNow::default();
        };
        let steps = last.totals.since(&first.totals);
        let is_tuned = tuned.steps.is_some();
        let counted = if is_tuned {
            steps.compared
        } else {
            steps.plain
        };
        let Some(decode) = rate(counted, counted.nanoseconds) else {
            return self.nothing_measured();
        };
        let expected = is_tuned.then_some(steps.expected_nanoseconds);
        let then = expected.and_then(|nanoseconds| rate(counted, nanoseconds));
        let share = then.map(|then| decode / then);
        let span = Span {
            cpus: &tuned.cpus,
            threads: tuned.threads,
            wall_seconds: last.at.saturating_duration_since(first.at).as_secs_f64(),
            step_seconds: steps.nanoseconds as f64 / 1e9,
            highest_khz,
        };
        let evidence = Evidence {
            difference: tuned.difference.clone(),
            ..Evidence::between(&first.readings, &last.readings, span)
        };
        let cause = cause(is_tuned, share, &evidence);
        RateNow {
            decode: Some(decode),
            tuned: then,
            share,
            cause,
            words: words(cause, &evidence),
        }
    }

    /// All that is known without steps: that there is no tuned rate.
    fn nothing_measured(&self) -> RateNow {
        let Some(tuned) = self.tuned.get() else {
            return RateNow::default();
        };
        let cause = cause(tuned.steps.is_some(), None, &Evidence::default());
        RateNow {
            cause,
            words: words(cause, &Evidence::default()),
            ..RateNow::default()
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tokens a second in such a time; `None` for too few steps to say.
fn rate(steps: Total, nanoseconds: u64) -> Option<f64> {
    let seconds = nanoseconds as f64 / 1e9;
    let enough = steps.steps >= FEWEST_STEPS && steps.nanoseconds as f64 / 1e9 >= LEAST_SECONDS;
    (enough && seconds > 0.0).then(|| steps.tokens as f64 / seconds)
}

fn warning(now: &RateNow) -> Option<String> {
    let (decode, tuned, share) = (now.decode?, now.tuned?, now.share?);
    Some(format!(
        "decode has run at {:.0} % of the tuned rate for 30 seconds ({decode:.1} of {tuned:.1} tokens/s), so answers \
         take longer than they need to. {}",
        100.0 * share,
        now.words.as_deref().unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use sysinfer_profiles::StepEvidence;

    use super::*;
    use crate::rate::tuned::TunedSteps;
    use crate::scheduler::report::StepReport;

    /// Steps of two answers took 80 ms when tuned.
    fn tuned(difference: Option<&str>) -> Tuned {
        let evidence = StepEvidence {
            sequences: 2,
            context_tokens: 100,
            milliseconds: 80.0,
            ..StepEvidence::default()
        };
        Tuned {
            steps: TunedSteps::new(&[evidence], &[], 16),
            difference: difference.map(str::to_owned),
            cpus: vec![0, 1],
            threads: 2,
        }
    }

    fn take(rate: &Rate, steps: usize, milliseconds: u64) {
        let report = StepReport {
            answers: 2,
            context_tokens: 200,
            took: Duration::from_millis(milliseconds),
            ..StepReport::default()
        };
        (0..steps).for_each(|_| rate.tally().note(&report));
    }

    #[test]
    fn the_share_is_of_the_last_ten_seconds_of_enough_steps() {
        let rate = Rate::default();
        let began = Instant::now();
        let look = |seconds| {
            rate.look(began + Duration::from_secs(seconds), Readings::default());
            rate.now()
        };
        assert_eq!(rate.now(), RateNow::default(), "loading");
        rate.begin(tuned(None));
        assert_eq!(look(0), RateNow::default());
        take(&rate, 7, 160);
        assert_eq!(look(1), RateNow::default(), "too few steps");
        take(&rate, 3, 160);
        let now = look(2);
        let rounded = |value: Option<f64>| value.map(|value| (value * 1e6).round() / 1e6);
        assert_eq!(rounded(now.decode), Some(12.5));
        assert_eq!(
            (rounded(now.tuned), rounded(now.share)),
            (Some(25.0), Some(0.5))
        );
        assert_eq!(now.cause, Cause::Unknown);
        // Ten seconds later only what came since counts.
        take(&rate, 20, 80);
        let now = look(12);
        assert_eq!((rounded(now.share), now.cause), (Some(1.0), Cause::None));
        assert_eq!(now.words, None);
        take(&rate, 9, 1);
        assert_eq!(look(23), RateNow::default(), "too little time");
        rate.rest();
        assert_eq!(rate.now(), RateNow::default());
    }

    #[test]
    fn without_a_profile_the_rate_is_known_and_the_share_is_not() {
        let rate = Rate::default();
        let began = Instant::now();
        rate.begin(Tuned::default());
        assert_eq!(rate.now().cause, Cause::Untuned);
        rate.look(began, Readings::default());
        take(&rate, 10, 160);
        rate.look(began + Duration::from_secs(2), Readings::default());
        let now = rate.now();
        assert_eq!((now.decode, now.tuned, now.share), (Some(12.5), None, None));
        assert!(now.words.is_some_and(|words| words.contains("--profile")));
    }

    #[test]
    fn whoever_runs_the_server_is_told_of_a_share_that_stays_low() {
        let rate = Rate::default();
        rate.begin(tuned(Some("1 threads, not 2")));
        let began = Instant::now();
        let mut told = Vec::new();
        for second in 0..60 {
            take(&rate, 10, 99);
            let at = began + Duration::from_secs(second);
            told.extend(rate.look(at, Readings::default()));
        }
        assert_eq!(told, Vec::<String>::new(), "0.81 is not low");
        for second in 60..120 {
            take(&rate, 10, 160);
            let at = began + Duration::from_secs(second);
            told.extend(rate.look(at, Readings::default()));
        }
        let [warning] = &told[..] else {
            panic!("once: {told:?}");
        };
        for part in [
            "at 50 % of the tuned rate",
            "(12.5 of 25.0 tokens/s)",
            "(1 threads, not 2)",
        ] {
            assert!(warning.contains(part), "{warning}");
        }
    }
}
