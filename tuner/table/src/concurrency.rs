//! Steps of many sequences at once, as a server runs them for many users: what all of them get together and
//! each for itself, and how long a step becomes when it reads a part of a prompt as well.

use std::collections::BTreeMap;

use sysinfer_engine::Plan;
use sysinfer_engine::engine::pass_rows;
use sysinfer_engine::lookup::Rows;
use sysinfer_probe::{Halt, Session, Stage, Work};
use sysinfer_profiles::serving::GAP_STEPS;
use sysinfer_profiles::{Serving, StepEvidence};
use sysinfer_stats::Estimate;

/// Tokens of prompts beside the sequences: parts that a server comes to.
const PROMPT_ROWS: [usize; 6] = [16, 32, 64, 128, 256, 512];
/// Parts of prompts that make a step longer than so many gaps are not tried: no server would take them.
const GAPS: f64 = 1.5;
/// Steps of a sample.
const STEPS: std::ops::RangeInclusive<usize> = 2..=64;
/// More at once must not cost more than this share of what fewer make together: it is noise, or the price of
/// answering somebody at once in place of letting them wait.
const MAY_COST: f64 = 0.03;
/// A run takes up to so many times as long as the one before.
const SLOWER: f64 = 1.3;

/// Seconds of a step, run by run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Concurrency {
    /// Tokens that each sequence held when its steps began.
    pub context_tokens: usize,
    /// Longest time between two tokens of an answer, as asked for, milliseconds.
    pub token_gap_ms: u32,
    /// By the rows of the step.
    pub steps: BTreeMap<Rows, Vec<f64>>,
}

/// What is measured, and within which limits.
pub struct Request<'a> {
    /// The plan of the profile.
    pub plan: &'a Plan,
    /// Numbers of sequences, ascending.
    pub sequences: &'a [usize],
    /// Tokens that each holds.
    pub context_tokens: usize,
    /// Steps that there is room for behind these.
    pub most_steps: usize,
    /// Longest time between two tokens of an answer, milliseconds.
    pub token_gap_ms: u32,
    /// What a step of one sequence takes, seconds.
    pub step_seconds: f64,
    /// What a sample shall take, seconds.
    pub sample_seconds: f64,
    /// Most runs.
    pub runs: usize,
    /// When to be done, on the session's clock; the first run is taken in any case.
    pub until: Option<f64>,
}

impl Concurrency {
    /// A step's time over its runs, seconds.
    pub fn seconds(&self, rows: Rows) -> Option<Estimate> {
        Estimate::of(self.steps.get(&rows)?)
    }

    /// Steps without a prompt, by sequences.
    pub fn plain(&self) -> impl Iterator<Item = (usize, Estimate)> {
        self.estimates(|rows| rows.prompt == 0)
            .map(|(rows, seconds)| (rows.decode, seconds))
    }

    /// Steps with parts of prompts.
    pub fn mixed(&self) -> impl Iterator<Item = (Rows, Estimate)> {
        self.estimates(|rows| rows.prompt > 0)
    }

    fn estimates(&self, like: fn(&Rows) -> bool) -> impl Iterator<Item = (Rows, Estimate)> {
        let steps = self.steps.iter().filter(move |(rows, _)| like(rows));
        steps.filter_map(|(rows, seconds)| Some((*rows, Estimate::of(seconds)?)))
    }

    /// The time between two tokens that a server keeps to while so many sequences are live, seconds.
    pub fn gap_seconds(&self, sequences: usize) -> f64 {
        let rows = Rows {
            decode: sequences,
            prompt: 0,
        };
        let step = self.seconds(rows).map_or(0.0, |seconds| seconds.median);
        (f64::from(self.token_gap_ms) / 1000.0).max(GAP_STEPS * step)
    }

    /// What a profile tells a server: as many at once as make most tokens together. `None` where nothing was
    /// measured.
    pub fn limits(&self) -> Option<Serving> {
        let mut best: Option<(usize, f64)> = None;
        for (sequences, seconds) in self.plain() {
            let rate = sequences as f64 / seconds.median;
            match best {
                Some((_, highest)) if rate < highest * (1.0 - MAY_COST) => {}
                Some((_, highest)) => best = Some((sequences, rate.max(highest))),
                None => best = Some((sequences, rate)),
            }
        }
        best.map(|(parallel, _)| Serving {
            parallel,
            token_gap_ms: self.token_gap_ms,
        })
    }

    /// What goes into a profile as evidence.
    pub fn evidence(&self) -> Vec<StepEvidence> {
        let entry = |(rows, seconds): (Rows, Estimate)| {
            let milliseconds = |seconds: f64| (seconds * 1e6).round() / 1e3;
            StepEvidence {
                sequences: rows.decode,
                prompt_rows: rows.prompt,
                context_tokens: self.context_tokens,
                samples: seconds.count,
                milliseconds: milliseconds(seconds.median),
                low: milliseconds(seconds.low),
                high: milliseconds(seconds.high),
            }
        };
        let plain = self.estimates(|rows| rows.prompt == 0);
        plain.chain(self.mixed()).map(entry).collect()
    }
}

/// Fills `data` as samples end, so that an interrupted run keeps what it has.
///
/// # Errors
/// Ctrl-C or a failure.
pub fn measure(
    session: &mut Session<'_>,
    request: &Request<'_>,
    data: &mut Concurrency,
) -> Result<(), Halt> {
    (data.context_tokens, data.token_gap_ms) = (request.context_tokens, request.token_gap_ms);
    session.stage = Stage::Concurrency;
    session.progress.place(Stage::Concurrency);
    let samples = request.runs * (request.sequences.len() + PROMPT_ROWS.len());
    let title = Stage::Concurrency.title();
    session.progress.stage(title, samples.max(1) as u64);
    for run in 0..request.runs {
        let started = (session.clock)();
        let mut expected = request.step_seconds;
        for &decode in request.sequences {
            let rows = Rows { decode, prompt: 0 };
            expected = sample(session, request, rows, (data, expected))?;
        }
        let most = request.sequences.last().copied().unwrap_or(0);
        let longest = GAPS * data.gap_seconds(most);
        for prompt in parts(request.plan, most) {
            let rows = Rows {
                decode: most,
                prompt,
            };
            // The first run says how far all go.
            if run > 0 && !data.steps.contains_key(&rows) || expected > longest {
                break;
            }
            expected = sample(session, request, rows, (data, expected))?;
        }
        let now = (session.clock)();
        let next = now + SLOWER * (now - started);
        if request.until.is_some_and(|until| next > until) {
            break;
        }
    }
    Ok(())
}

/// Parts of prompts that read the weights once, together with so many sequences.
fn parts(plan: &Plan, sequences: usize) -> impl Iterator<Item = usize> {
    let room = pass_rows(plan).saturating_sub(sequences);
    let fits = PROMPT_ROWS.into_iter().filter(move |rows| *rows <= room);
    // What is just too large for a pass is as large as fits.
    let last = PROMPT_ROWS.into_iter().find(|rows| *rows > room);
    fits.chain(last.map(|_| room).filter(|room| *room > 0))
}

/// Measures one kind of step, which is expected to take so long; returns what it took.
fn sample(
    session: &mut Session<'_>,
    request: &Request<'_>,
    rows: Rows,
    (data, expected): (&mut Concurrency, f64),
) -> Result<f64, Halt> {
    // All runs of one kind are alike.
    let known = data.seconds(rows).map_or(expected, |known| known.median);
    let steps = (request.sample_seconds / known.max(1e-9)) as usize;
    let steps = steps.clamp(*STEPS.start(), *STEPS.end());
    let steps = steps.min(request.most_steps);
    let work = Work::Batch {
        prompt_tokens: request.context_tokens,
        sequences: vec![rows.decode],
        prompt_rows: rows.prompt,
        steps,
    };
    let name = match rows.prompt {
        0 => format!("{} at once", rows.decode),
        prompt => format!("{} at once beside {prompt} of a prompt", rows.decode),
    };
    let reading = session.take(&name, request.plan, &work)?;
    let point = reading.points.last().ok_or(Halt::Interrupted)?;
    let seconds = point.seconds / steps as f64;
    data.steps.entry(rows).or_default().push(seconds);
    session.progress.advance(1, &name);
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use sysinfer_engine::PhasePlan;
    use sysinfer_probe::scripted::Scripted;
    use sysinfer_probe::{Interrupt, Nowhere, Silent};

    use super::*;

    /// A step takes 10 ms, 1 ms for each sequence and 0.5 ms for each token of a prompt.
    fn truth(_: &Plan, work: &Work) -> Option<f64> {
        let Work::Batch {
            sequences,
            prompt_rows,
            ..
        } = work
        else {
            return None;
        };
        let seconds = 0.01 + 0.001 * sequences[0] as f64 + 0.0005 * *prompt_rows as f64;
        Some(sequences[0] as f64 / seconds)
    }

    fn measured(until: Option<f64>, token_gap_ms: u32) -> Concurrency {
        let time = Cell::new(0.0);
        let mut probe = Scripted::new(truth, 0.0, 1, &time);
        let clock = || time.get();
        let (progress, interrupt) = (Silent, Interrupt::default());
        let mut sink = Nowhere;
        let mut session = Session::new(&mut probe, &mut sink, &progress, &interrupt, &clock);
        let plan = Plan::with_threads(PhasePlan::unpinned(1));
        let request = Request {
            plan: &plan,
            sequences: &[1, 4, 16],
            context_tokens: 16,
            most_steps: 8,
            token_gap_ms,
            step_seconds: 0.01,
            sample_seconds: 0.1,
            runs: 3,
            until,
        };
        let mut data = Concurrency::default();
        measure(&mut session, &request, &mut data).expect("it does not fail");
        data
    }

    #[test]
    fn numbers_of_sequences_come_first_and_then_parts_of_prompts_up_to_the_gap() {
        let data = measured(None, 100);
        let rows: Vec<(usize, usize)> = data.steps.keys().map(|r| (r.decode, r.prompt)).collect();
        // 256 tokens take 154 ms, which is beyond one and a half gaps, so that 496 are not tried.
        let parts = [0, 16, 32, 64, 128, 256].map(|part| (16, part));
        assert_eq!(rows, [&[(1, 0), (4, 0)], &parts[..]].concat());
        assert!(data.steps.values().all(|runs| runs.len() == 3));
        let plain: Vec<(usize, f64)> = data.plain().map(|(n, s)| (n, s.median)).collect();
        let wanted = [(1, 0.011), (4, 0.014), (16, 0.026)];
        for ((n, seconds), (wanted_n, wanted)) in plain.into_iter().zip(wanted) {
            assert!(
                n == wanted_n && (seconds - wanted).abs() < 1e-9,
                "{n} {seconds}"
            );
        }
        let evidence = data.evidence();
        assert_eq!(evidence.len(), 8);
        assert_eq!(
            (evidence[2].sequences, evidence[2].milliseconds),
            (16, 26.0)
        );
        assert_eq!((evidence[7].prompt_rows, evidence[7].samples), (256, 3));
    }

    #[test]
    fn as_many_are_answered_at_once_as_lose_nothing_together() {
        type Steps = &'static [(usize, f64)];
        let cases: [(Steps, Option<usize>); 5] = [
            (&[], None),
            (&[(1, 0.01)], Some(1)),
            // 100, 200, 250 tokens/s.
            (&[(1, 0.01), (4, 0.02), (16, 0.064)], Some(16)),
            // 100, 200, 196 tokens/s: within what it may cost.
            (&[(1, 0.01), (4, 0.02), (16, 0.0816)], Some(16)),
            // 100, 200, 160 tokens/s.
            (&[(1, 0.01), (4, 0.02), (16, 0.1)], Some(4)),
        ];
        for (steps, wanted) in cases {
            let mut measured = Concurrency {
                token_gap_ms: 100,
                ..Concurrency::default()
            };
            for (decode, seconds) in steps {
                let rows = Rows {
                    decode: *decode,
                    prompt: 0,
                };
                measured.steps.insert(rows, vec![*seconds]);
            }
            let limits = measured.limits().map(|serving| serving.parallel);
            assert_eq!(limits, wanted, "{steps:?}");
        }
    }

    #[test]
    fn time_ends_runs_but_the_first() {
        let once = measured(Some(0.0), 100);
        assert!(once.steps.values().all(|runs| runs.len() == 1));
        assert_eq!(once.steps.len(), 8);
        // Three steps of 26 ms are longer than the gap that is asked for.
        let narrow = measured(Some(0.0), 10);
        assert!((narrow.gap_seconds(16) - 0.078).abs() < 1e-9);
        assert_eq!(narrow.mixed().count(), 5);
    }
}
