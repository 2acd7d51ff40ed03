//! Where the time of a step goes, under the chosen plan and under the default: measured once the
//! choice is made, for words and plots of the report. It decides nothing.

use std::collections::BTreeMap;

use sysinfer_engine::{Plan, StepTimes, WorkerSeconds};
use sysinfer_probe::{Halt, Phase, Point, Session, Stage, Steps};
use sysinfer_stats::{Estimate, median};

use crate::speed::{PROMPT_GROWTH, Speed};

/// Which plan was split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Under {
    /// The one that the profile says to run.
    Chosen,
    /// That of a host that was never tuned, where it is another.
    Default,
}

impl Under {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Default => "default",
        }
    }
}

/// Steps of one phase, at one length, under one plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// The plan.
    pub under: Under,
    /// What the steps did.
    pub phase: Phase,
    /// Decode: prompt and output at the last step. Prefill: tokens of the prompt.
    pub total_tokens: usize,
    /// At least one.
    pub steps: Vec<StepTimes>,
}

/// One part of a split, over its steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SplitPart {
    /// What the time was spent on.
    pub name: &'static str,
    /// Mean over the workers, seconds.
    pub mean_seconds: Estimate,
    /// The worker with the most, seconds: median over the steps.
    pub worst_seconds: f64,
    /// Of the median steps' sum: all parts together are 1.
    pub share: f64,
}

impl Split {
    /// Length of a step, seconds.
    pub fn step_seconds(&self) -> Estimate {
        self.over(|times| times.step_seconds)
    }

    /// The four parts, in the order in which they are shown.
    pub fn parts(&self) -> [SplitPart; 4] {
        let part = |index: usize| {
            let of = |read: fn(&WorkerSeconds) -> f64| {
                self.over(move |times| read(&times.parts()[index].1))
            };
            SplitPart {
                name: StepTimes::default().parts()[index].0,
                mean_seconds: of(|part| part.mean),
                worst_seconds: of(|part| part.worst).median,
                share: 0.0,
            }
        };
        let mut parts = [part(0), part(1), part(2), part(3)];
        let whole: f64 = parts.iter().map(|part| part.mean_seconds.median).sum();
        for part in &mut parts {
            part.share = part.mean_seconds.median / whole.max(f64::MIN_POSITIVE);
        }
        parts
    }

    fn over(&self, read: impl Fn(&StepTimes) -> f64) -> Estimate {
        let samples: Vec<f64> = self.steps.iter().map(read).collect();
        Estimate::of(&samples).unwrap_or(Estimate {
            median: 0.0,
            low: 0.0,
            high: 0.0,
            count: 0,
        })
    }
}

/// What splitting needs to know of the run before it.
pub struct Request<'a> {
    /// The plan of the profile.
    pub chosen: &'a Plan,
    /// The plan of a host that was never tuned.
    pub default: &'a Plan,
    /// Total lengths that the table measured decoding at.
    pub lengths: Vec<usize>,
    /// Prompts that the table measured: they tell how long it takes to reach a length.
    pub prompts: &'a BTreeMap<usize, Vec<Point>>,
    /// For lengths that the table had no prompt of.
    pub speed: &'a Speed,
    /// When to be done, on the session's clock; the shortest length is measured in any case.
    pub deadline: Option<f64>,
}

/// Splits steps at the shortest length and at the longest that there is time for. Returns with them a
/// line about what was cut.
///
/// # Errors
/// Ctrl-C or a failure.
pub fn measure(
    session: &mut Session<'_>,
    request: &Request<'_>,
) -> Result<(Vec<Split>, Vec<String>), Halt> {
    let mut plans = vec![(Under::Chosen, request.chosen)];
    if request.default != request.chosen {
        plans.push((Under::Default, request.default));
    }
    let now = (session.clock)();
    let left = request.deadline.map(|deadline| deadline - now);
    let (lengths, cut) = lengths(request, plans.len(), left);
    session.stage = Stage::Split;
    session.progress.place(Stage::Split);
    let total = lengths.len() * plans.len();
    session
        .progress
        .stage(Stage::Split.title(), total.max(1) as u64);
    let mut splits = Vec::new();
    for length in lengths {
        for (under, plan) in &plans {
            if session.interrupt.is_set() {
                return Err(Halt::Interrupted);
            }
            let steps = session.probe.split(plan, length)?;
            splits.extend(named(*under, length, steps));
            session
                .progress
                .advance(1, &format!("{} plan at {length} tokens", under.name()));
        }
    }
    Ok((splits, cut.into_iter().collect()))
}

fn named(under: Under, total_tokens: usize, steps: Steps) -> impl Iterator<Item = Split> {
    let split = move |phase, total_tokens, steps: Vec<StepTimes>| {
        (!steps.is_empty()).then_some(Split {
            under,
            phase,
            total_tokens,
            steps,
        })
    };
    [
        split(Phase::Decode, total_tokens, steps.decode),
        split(Phase::Prefill, steps.prompt_tokens, steps.prefill),
    ]
    .into_iter()
    .flatten()
}

/// The shortest length and the longest that all plans can reach in the time left; a line if that is
/// not the longest of all.
fn lengths(request: &Request<'_>, plans: usize, left: Option<f64>) -> (Vec<usize>, Option<String>) {
    let (Some(&shortest), Some(&longest)) = (request.lengths.first(), request.lengths.last())
    else {
        return (Vec::new(), None);
    };
    let seconds = |length: usize| plans as f64 * prompt_seconds(request, length);
    let fits = |length: &&usize| left.is_none_or(|left| seconds(**length) <= left);
    let reached = request.lengths.iter().rev().find(fits);
    let reached = reached.copied().unwrap_or(shortest);
    let cut = (reached != longest).then(|| {
        format!(
            "where a step's time goes is measured at {reached} tokens and not at {longest}: reaching \
             that takes about {:.0} s",
            seconds(longest)
        )
    });
    let mut lengths = vec![shortest, reached];
    lengths.dedup();
    (lengths, cut)
}

/// How long a prompt of that length takes, from the nearest one that was measured and is no longer.
fn prompt_seconds(request: &Request<'_>, tokens: usize) -> f64 {
    match request.prompts.range(..=tokens).next_back() {
        Some((&known, points)) if !points.is_empty() => {
            let seconds: Vec<f64> = points.iter().map(|point| point.seconds).collect();
            median(&seconds) * (tokens as f64 / known as f64).powf(PROMPT_GROWTH)
        }
        _ => request.speed.prefill_seconds(tokens),
    }
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::PhasePlan;

    use super::*;

    fn times(step_seconds: f64, parts: [f64; 4]) -> StepTimes {
        let [products, attention, waiting, rest] = parts.map(|mean| WorkerSeconds {
            mean,
            worst: 2.0 * mean,
        });
        StepTimes {
            step_seconds,
            products,
            attention,
            waiting,
            rest,
        }
    }

    #[test]
    fn parts_are_medians_over_steps_and_their_shares_are_the_whole() {
        let split = Split {
            under: Under::Chosen,
            phase: Phase::Decode,
            total_tokens: 32,
            steps: vec![
                times(10.0, [7.0, 1.0, 1.0, 1.0]),
                times(10.0, [6.0, 2.0, 1.0, 1.0]),
                times(40.0, [8.0, 1.0, 30.0, 1.0]),
            ],
        };
        let parts = split.parts();
        assert_eq!(
            parts.map(|part| part.mean_seconds.median),
            [7.0, 1.0, 1.0, 1.0]
        );
        assert_eq!(parts[0].worst_seconds, 14.0);
        assert!((parts.iter().map(|part| part.share).sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(split.step_seconds().median, 10.0);
    }

    #[test]
    fn the_longest_length_is_the_one_that_can_be_reached() {
        let plan = Plan::with_threads(PhasePlan::unpinned(1));
        let point = Point {
            total_tokens: 100,
            tokens: 100,
            seconds: 1.0,
            bytes: 0.0,
        };
        let prompts = BTreeMap::from([(100, vec![point])]);
        let speed = Speed {
            step_seconds: 0.1,
            prompt_token_seconds: 0.01,
            decode_bytes: 1.0,
            kv_bytes_per_position: 0.0,
            prompt_growth: 0.0,
        };
        let request = Request {
            chosen: &plan,
            default: &plan,
            lengths: vec![32, 100, 400],
            prompts: &prompts,
            speed: &speed,
            deadline: None,
        };
        // 400 tokens: four times as many, eight times as long; twice for two plans.
        let cases: [(Option<f64>, &[usize], Option<&str>); 4] = [
            (None, &[32, 400], None),
            (Some(17.0), &[32, 400], None),
            (Some(15.0), &[32, 100], Some("about 16 s")),
            (Some(-1.0), &[32], Some("at 32 tokens and not at 400")),
        ];
        for (left, expected, said) in cases {
            let (found, cut) = lengths(&request, 2, left);
            assert_eq!(found, expected, "{left:?}");
            assert_eq!(cut.is_some(), said.is_some(), "{left:?}");
            assert!(cut.unwrap_or_default().contains(said.unwrap_or_default()));
        }
    }
}
