//! What only single samples tell: how many were void and why, how the winner did against the default, and how much
//! the host drifts. A run remembers its own ([`Remembered`]); those of other runs are in their journals
//! ([`Taken::of_sample`]).

use std::collections::BTreeMap;
use std::rc::Rc;

use sysinfer_engine::Plan;
use sysinfer_journal::clock::SampleClock;
use sysinfer_journal::format::Sample;
use sysinfer_journal::{SamplesCsv, blocking, cpu_list, kernels};
use sysinfer_probe::{Phase, Point, Record, Sink, Stage, Validity, Work};
use sysinfer_profiles::trust::{counted, spoil};
use sysinfer_report::value::Disturbed;
use sysinfer_stats::{Estimate, between_runs::deviation};
use sysinfer_table::between_runs::BetweenRuns;

/// What the samples of a run tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// Readings that were taken.
    pub readings: usize,
    /// Of these, void ones by their reason, most frequent first.
    pub voids: Vec<Disturbed>,
    /// Of these, those that count although the host was disturbed.
    pub kept: Vec<Disturbed>,
    /// Plans that were held against the default.
    pub rivals: Vec<Rival>,
    /// How much rates of one plan differ between runs.
    pub between_runs: BetweenRuns,
}

/// A plan that was held against the default in one phase, in the rounds of the confirmation.
#[derive(Clone, Debug, PartialEq)]
pub struct Rival {
    /// The phase.
    pub phase: Phase,
    /// What the samples call it.
    pub candidate: String,
    /// Its rate, tokens/s.
    pub rate: Estimate,
    /// Rate of the default, tokens/s.
    pub default: Estimate,
}

/// One sample, as far as a report needs it.
pub struct Taken {
    /// Unix time at its end, seconds.
    seconds: f64,
    stage: String,
    candidate: String,
    validity: Validity,
    /// `None`: its rate is not one of a phase.
    rate: Option<Rate>,
}

/// What a sample says of a phase.
struct Rate {
    phase: Phase,
    /// The plan, as far as the phase depends on it.
    plan: String,
    points: Vec<Point>,
}

impl Taken {
    fn new(stage: &str, candidate: &str, time: jiff::Timestamp, validity: Validity) -> Self {
        Self {
            seconds: time.as_duration().as_secs_f64(),
            stage: stage.into(),
            candidate: candidate.into(),
            validity,
            rate: None,
        }
    }

    /// One that was taken just now.
    pub fn of_record(record: &Record<'_>, time: jiff::Timestamp) -> Self {
        let (stage, validity) = (record.stage.name(), record.validity.clone());
        Self {
            rate: Rate::of(record.plan, record.work, record.points),
            ..Self::new(stage, record.candidate, time, validity)
        }
    }

    /// One of a journal, under its plan.
    pub fn of_sample(sample: &Sample, plan: &Plan, validity: Validity) -> Self {
        Self {
            rate: Rate::of(plan, &sample.work, &sample.points),
            ..Self::new(&sample.stage, &sample.candidate, sample.time, validity)
        }
    }
}

impl Rate {
    fn of(plan: &Plan, work: &Work, points: &[Point]) -> Option<Self> {
        let phase = work.rate_of()?;
        let team = plan.team(phase);
        Some(Self {
            phase,
            plan: format!(
                "{} {} {} {} {}",
                team.threads,
                team.map,
                cpu_list(&team.cpus),
                kernels(plan, phase),
                blocking(plan)
            ),
            points: points.to_vec(),
        })
    }
}

/// `samples.csv`, and in memory what a report needs of it.
pub struct Remembered {
    file: SamplesCsv,
    clock: Rc<SampleClock>,
    taken: Vec<Taken>,
}

impl Remembered {
    /// Samples have the time of `clock`, as those of `file` have.
    pub fn new(file: SamplesCsv, clock: Rc<SampleClock>) -> Self {
        let taken = Vec::new();
        Self { file, clock, taken }
    }

    /// What they tell by now.
    pub fn samples(&self) -> Samples {
        Samples::of(&self.taken)
    }
}

impl Sink for Remembered {
    fn record(&mut self, record: &Record<'_>) -> std::io::Result<()> {
        self.file.record(record)?;
        self.taken.push(Taken::of_record(record, self.clock.time()));
        Ok(())
    }
}

impl Samples {
    /// What all samples of a run tell, in their order.
    pub fn of(taken: &[Taken]) -> Self {
        let discarded = taken.iter().filter_map(|sample| match &sample.validity {
            Validity::Discarded(why) => Some((sample, &why.why[..])),
            _ => None,
        });
        let kept = taken.iter().filter_map(|sample| match &sample.validity {
            Validity::Kept(why) => Some((sample, &why.why[..])),
            _ => None,
        });
        Self {
            readings: taken.len(),
            voids: by_reason(discarded),
            kept: by_reason(kept),
            rivals: Phase::ALL
                .into_iter()
                .flat_map(|phase| ["tuned", "runner-up"].map(|candidate| (phase, candidate)))
                .filter_map(|(phase, candidate)| rival(taken, phase, candidate))
                .collect(),
            between_runs: BetweenRuns {
                decode: between_runs(taken, Phase::Decode),
                prefill: between_runs(taken, Phase::Prefill),
            },
        }
    }

    /// Readings that do not count.
    pub fn void_count(&self) -> usize {
        count(&self.voids)
    }

    /// Why a run with these samples is not to be trusted, if so.
    pub fn distrust(&self) -> Option<String> {
        let disturbed = self.void_count() + count(&self.kept);
        spoil(disturbed, self.readings).then(|| counted(disturbed, self.readings))
    }

    /// How many were disturbed, and what became of them, in words.
    pub fn disturbances(&self) -> String {
        let (void, kept) = (self.void_count(), count(&self.kept));
        let counted = format!(
            "{} of {} samples were disturbed",
            void + kept,
            self.readings
        );
        if void + kept == 0 {
            return format!("{counted}.");
        }
        format!(
            "{counted}, taken while the host was not fit to measure. Taken again: {void}. Counted all \
             the same, since no others could be had: {kept}."
        )
    }

    /// How a plan did in a phase; `None` where it did not take part.
    pub fn rival(&self, phase: Phase, candidate: &str) -> Option<&Rival> {
        let is_it = |rival: &&Rival| rival.phase == phase && rival.candidate == candidate;
        self.rivals.iter().find(is_it)
    }
}

fn count(groups: &[Disturbed]) -> usize {
    groups.iter().map(|group| group.count).sum()
}

/// Samples of a phase that count, each with what it says of it.
fn valid(taken: &[Taken], phase: Phase) -> impl Iterator<Item = (&Taken, &Rate)> {
    let counted = taken.iter().filter(|sample| sample.validity.counts());
    let rates = counted.filter_map(|sample| Some((sample, sample.rate.as_ref()?)));
    rates.filter(move |(_, rate)| rate.phase == phase)
}

fn rival(taken: &[Taken], phase: Phase, candidate: &str) -> Option<Rival> {
    let rates = |candidate: &str| -> Vec<f64> {
        let of_candidate = |sample: &Taken| {
            sample.stage == Stage::Confirmation.name() && sample.candidate == candidate
        };
        let samples = valid(taken, phase).filter(|(sample, _)| of_candidate(sample));
        let points = samples.flat_map(|(_, rate)| &rate.points);
        points.map(Point::tokens_per_second).collect()
    };
    Some(Rival {
        phase,
        candidate: candidate.to_owned(),
        rate: Estimate::of(&rates(candidate))?,
        default: Estimate::of(&rates("default"))?,
    })
}

/// Of samples of the same plan and lengths, whatever stage took them.
fn between_runs(taken: &[Taken], phase: Phase) -> Option<f64> {
    let mut series: BTreeMap<_, Vec<(f64, f64)>> = BTreeMap::new();
    for (sample, rate) in valid(taken, phase) {
        for point in &rate.points {
            let same = (&rate.plan, point.total_tokens, point.tokens);
            let found = (sample.seconds, point.tokens_per_second());
            series.entry(same).or_default().push(found);
        }
    }
    deviation(series.values().map(Vec::as_slice))
}

/// Readings of one reason, while they are counted.
#[derive(Default)]
struct Group {
    values: Vec<f64>,
    stages: Vec<String>,
    count: usize,
}

impl Group {
    /// What varies within the group.
    fn range(&self) -> String {
        let low = self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.values.iter().copied().fold(0.0, f64::max);
        if self.values.is_empty() {
            String::new()
        } else if low < high {
            format!("{low} to {high}")
        } else {
            format!("{low}")
        }
    }
}

/// Samples by the reasons beside them. Reasons that differ in one number are one.
fn by_reason<'s>(samples: impl Iterator<Item = (&'s Taken, &'s str)>) -> Vec<Disturbed> {
    let mut groups: BTreeMap<(&str, &str), Group> = BTreeMap::new();
    for (sample, reason) in samples {
        let (before, value, after) = around_number(reason);
        let group = groups.entry((before, after)).or_default();
        group.values.extend(value);
        group.count += 1;
        if !group.stages.contains(&sample.stage) {
            group.stages.push(sample.stage.clone());
        }
    }
    let mut found: Vec<Disturbed> = groups
        .into_iter()
        .map(|((before, after), group)| Disturbed {
            reason: format!("{before}{}{after}", group.range()),
            count: group.count,
            stages: group.stages,
        })
        .collect();
    found.sort_by_key(|group| std::cmp::Reverse(group.count));
    found
}

/// A text around the first whole number in it.
fn around_number(text: &str) -> (&str, Option<f64>, &str) {
    let Some(start) = text.find(|c: char| c.is_ascii_digit()) else {
        return (text, None, "");
    };
    let rest = &text[start..];
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    match rest[..end].parse() {
        Ok(value) => (&text[..start], Some(value), &rest[end..]),
        Err(_) => (text, None, ""),
    }
}

#[cfg(test)]
mod tests {
    use sysinfer_engine::PhasePlan;
    use sysinfer_probe::{Disturbance, VoidKind};

    use super::*;

    /// One sample of a length of 32, `second` seconds after the first, at `rate` tokens/s.
    fn taken(second: i64, stage: Stage, candidate: &str, rate: f64, validity: Validity) -> Taken {
        let plan = Plan::with_threads(PhasePlan::unpinned(2));
        let point = Point {
            total_tokens: 32,
            tokens: 16,
            seconds: 16.0 / rate,
            bytes: 1e9,
        };
        let work = Work::Decode {
            prompt_tokens: 16,
            lengths: vec![32],
        };
        let record = Record {
            stage,
            candidate,
            plan: &plan,
            work: &work,
            points: &[point],
            read_gb_per_second: None,
            validity: &validity,
        };
        let time = jiff::Timestamp::from_second(1_800_000_000 + second).expect("a time");
        Taken::of_record(&record, time)
    }

    fn busy(percent: usize) -> Disturbance {
        let why = format!("other load took {percent} % of the CPUs");
        Disturbance::new(VoidKind::Busy, why)
    }

    #[test]
    fn voids_are_counted_by_reason_and_rates_leave_them_out() {
        let confirm = Stage::Confirmation;
        let rain = Disturbance::new(VoidKind::Stolen, "it rained");
        let samples = Samples::of(&[
            taken(
                0,
                Stage::DecodeTeam,
                "2",
                5.0,
                Validity::Discarded(busy(34)),
            ),
            taken(0, confirm, "default", 1.0, Validity::Discarded(busy(12))),
            taken(0, confirm, "default", 10.0, Validity::Valid),
            taken(0, confirm, "tuned", 11.0, Validity::Valid),
            taken(0, confirm, "tuned", 11.0, Validity::Kept(rain)),
            taken(0, confirm, "default", 10.0, Validity::Valid),
        ]);
        assert_eq!((samples.readings, samples.void_count()), (6, 2));
        let words = samples.disturbances();
        assert!(
            words.starts_with("3 of 6 samples were disturbed, ")
                && words.contains("again: 2. ")
                && words.ends_with("be had: 1."),
            "{words}"
        );
        assert_eq!(samples.voids.len(), 1);
        assert_eq!(
            samples.voids[0].reason,
            "other load took 12 to 34 % of the CPUs"
        );
        assert_eq!(samples.voids[0].stages, ["decode-team", "confirmation"]);
        assert_eq!(
            (samples.kept[0].reason.as_str(), samples.kept.len()),
            ("it rained", 1)
        );
        let rival = samples.rival(Phase::Decode, "tuned");
        let rival = rival.expect("both were measured");
        assert_eq!((rival.rate.median, rival.default.median), (11.0, 10.0));
        assert!(samples.rival(Phase::Decode, "runner-up").is_none());
        assert!(samples.rival(Phase::Prefill, "tuned").is_none());
        let quiet = Samples::of(&[taken(0, confirm, "default", 1.0, Validity::Valid)]);
        assert_eq!(quiet.disturbances(), "0 of 1 samples were disturbed.");
    }

    #[test]
    fn one_plan_in_many_minutes_tells_how_the_host_drifts() {
        // A sample every ten seconds for ten minutes; stages change, and so does the host half-way.
        let all: Vec<Taken> = (0..60)
            .map(|index: i64| {
                let stage = [Stage::DecodeTeam, Stage::Table][usize::from(index >= 45)];
                let rate = if index < 30 { 100.0 } else { 80.0 };
                match index {
                    7 => taken(70, stage, "c", 1.0, Validity::Discarded(busy(90))),
                    _ => taken(10 * index, stage, "c", rate, Validity::Valid),
                }
            })
            .collect();
        let samples = Samples::of(&all);
        let found = samples.between_runs.decode.expect("one plan, ten minutes");
        assert!((0.1..0.16).contains(&found), "{found}");
        assert_eq!(samples.between_runs.prefill, None);
    }
}
