//! What only single samples tell: how many were void and why, and how the winner did against the
//! default. A run remembers its own ([`Remembered`]), which are the lines of `samples.csv`, so that all of it can be
//! checked there; [`Samples::read`] is for the files of other runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use anyhow::Context;
use serde::Deserialize;
use sysinfer_journal::clock::SampleClock;
use sysinfer_journal::{Journal, blocking, cpu_list, kernels};
use sysinfer_probe::{
    BATCH, Phase, Record, Sink, Stage, VISIT_PROMPT, VISIT_STEPS, Validity, Work,
};
use sysinfer_profiles::trust::{counted, spoil};
use sysinfer_report::value::Disturbed;
use sysinfer_stats::{Estimate, between_runs};
use sysinfer_table::drift::Drift;

/// How the journal marks a reading that does not count, before the reason.
const VOID: &str = "discarded: ";
/// And one that counts in spite of a disturbance, because no other could be had.
const KEPT: &str = "kept although ";

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
    /// How much rates of one plan drifted between minutes.
    pub drift: Drift,
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

/// The columns that are needed here.
#[derive(Deserialize)]
struct Line {
    time: String,
    stage: String,
    candidate: String,
    threads: String,
    map: String,
    cpus: String,
    kernels: String,
    blocking: String,
    phase: String,
    total_tokens: usize,
    tokens: usize,
    tokens_per_second: f64,
    note: String,
}

impl Line {
    fn of(record: &Record<'_>, time: jiff::Timestamp) -> Self {
        let team = match Work::is_of_prompts(record.phase) {
            true => &record.plan.prefill,
            false => &record.plan.decode,
        };
        Self {
            time: time.to_string(),
            stage: record.stage.name().into(),
            candidate: record.candidate.into(),
            threads: team.threads.to_string(),
            map: team.map.clone(),
            cpus: cpu_list(&team.cpus),
            kernels: kernels(record.plan, record.phase),
            blocking: blocking(record.plan),
            phase: record.phase.into(),
            total_tokens: record.point.total_tokens,
            tokens: record.point.tokens,
            tokens_per_second: record.point.tokens_per_second(),
            note: match record.validity {
                Validity::Valid => String::new(),
                Validity::Kept(why) => format!("{KEPT}{why}"),
                Validity::Discarded(why) => format!("{VOID}{why}"),
            },
        }
    }

    /// Tokens that were there before those that it counts.
    fn prompt_tokens(&self) -> usize {
        self.total_tokens.saturating_sub(self.tokens)
    }

    fn is_void(&self) -> bool {
        self.note.starts_with(VOID)
    }

    /// Unix time, seconds; `None` if the file was edited.
    fn seconds(&self) -> Option<f64> {
        let time: jiff::Timestamp = self.time.parse().ok()?;
        Some(time.as_duration().as_secs_f64())
    }
}

/// `samples.csv`, and in memory what a report needs of its lines.
pub struct Remembered {
    file: Journal,
    clock: Rc<SampleClock>,
    lines: Vec<Line>,
}

impl Remembered {
    /// Lines have the time of `clock`, as those of `file` have.
    pub fn new(file: Journal, clock: Rc<SampleClock>) -> Self {
        let lines = Vec::new();
        Self { file, clock, lines }
    }

    /// What they tell by now.
    pub fn samples(&self) -> Samples {
        Samples::of(&self.lines)
    }
}

impl Sink for Remembered {
    fn record(&mut self, record: &Record<'_>) -> std::io::Result<()> {
        self.file.record(record)?;
        self.lines.push(Line::of(record, self.clock.time()));
        Ok(())
    }
}

impl Samples {
    /// Reads a journal.
    ///
    /// # Errors
    /// It cannot be read, or a line has other columns.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let mut reader = csv::Reader::from_path(path)
            .with_context(|| format!("cannot read the samples in {}", path.display()))?;
        let lines: Result<Vec<Line>, csv::Error> = reader.deserialize().collect();
        let lines = lines.with_context(|| format!("{} is not a journal", path.display()))?;
        Ok(Self::of(&lines))
    }

    fn of(lines: &[Line]) -> Self {
        // A decode run has a line for every length that it reached, a bandwidth reading one for each
        // of its passes, a visit one for its prompt and then one for each group of steps, a batch one for
        // each number of sequences.
        let continues = |index: usize| {
            let (Some(last), line) = (index.checked_sub(1).map(|i| &lines[i]), &lines[index])
            else {
                return false;
            };
            // All points of a reading have the time at which it ended.
            let same = (&last.time, &last.stage, &last.candidate, &last.note)
                == (&line.time, &line.stage, &line.candidate, &line.note);
            let follows = last.phase == VISIT_PROMPT && line.phase == VISIT_STEPS;
            let grows = line.total_tokens > last.total_tokens;
            let goes_on = match line.phase.as_str() {
                "bandwidth" | "stream" => true,
                VISIT_STEPS | BATCH => grows,
                // The lengths of a run have one prompt in common.
                "decode" => grows && line.prompt_tokens() == last.prompt_tokens(),
                _ => false,
            };
            same && (follows || last.phase == line.phase && goes_on)
        };
        let firsts = (0..lines.len()).filter(|index| !continues(*index));
        let readings: Vec<&Line> = firsts.map(|index| &lines[index]).collect();
        Self {
            readings: readings.len(),
            voids: disturbed(&readings, VOID),
            kept: disturbed(&readings, KEPT),
            rivals: Phase::ALL
                .into_iter()
                .flat_map(|phase| ["tuned", "runner-up"].map(|candidate| (phase, candidate)))
                .filter_map(|(phase, candidate)| rival(lines, phase, candidate))
                .collect(),
            drift: Drift {
                decode: drift(lines, Phase::Decode),
                prefill: drift(lines, Phase::Prefill),
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

fn rival(lines: &[Line], phase: Phase, candidate: &str) -> Option<Rival> {
    let rates = |candidate: &str| -> Vec<f64> {
        let of_candidate = |line: &&Line| {
            line.stage == Stage::Confirmation.name()
                && line.phase == phase.name()
                && line.candidate == candidate
                && !line.is_void()
        };
        let lines = lines.iter().filter(of_candidate);
        lines.map(|line| line.tokens_per_second).collect()
    };
    Some(Rival {
        phase,
        candidate: candidate.to_owned(),
        rate: Estimate::of(&rates(candidate))?,
        default: Estimate::of(&rates("default"))?,
    })
}

/// Of samples of the same plan and lengths, whatever stage took them.
fn drift(lines: &[Line], phase: Phase) -> Option<f64> {
    let mut series: BTreeMap<_, Vec<(f64, f64)>> = BTreeMap::new();
    for line in lines {
        let Some(seconds) = line.seconds() else {
            continue;
        };
        if line.phase != phase.name() || line.is_void() {
            continue;
        }
        let team = (&line.threads, &line.map, &line.cpus);
        let sizes = (line.total_tokens, line.tokens);
        let same = (team, &line.kernels, &line.blocking, sizes);
        let sample = (seconds, line.tokens_per_second);
        series.entry(same).or_default().push(sample);
    }
    between_runs::deviation(series.values().map(Vec::as_slice))
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

/// Readings whose note starts with `mark`, by reason. Reasons that differ in one number are one.
fn disturbed(readings: &[&Line], mark: &str) -> Vec<Disturbed> {
    let mut groups: BTreeMap<(&str, &str), Group> = BTreeMap::new();
    for line in readings {
        let Some(reason) = line.note.strip_prefix(mark) else {
            continue;
        };
        let (before, value, after) = around_number(reason);
        let group = groups.entry((before, after)).or_default();
        group.values.extend(value);
        group.count += 1;
        if !group.stages.contains(&line.stage) {
            group.stages.push(line.stage.clone());
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
    use sysinfer_engine::{PhasePlan, Plan};
    use sysinfer_probe::{Disturbance, Point, VoidKind};

    use super::*;

    const HEADER: &str = "time,stage,candidate,threads,map,cpus,kernels,blocking,phase,total_tokens,\
        tokens,seconds,tokens_per_second,gb_per_second,read_gb_per_second,note";

    /// Tokens of the prompt of decode runs.
    const PROMPT: usize = 16;

    fn read(lines: &[(&str, &str, &str, usize, f64, &str)]) -> anyhow::Result<Samples> {
        read_at(lines, |_| 0)
    }

    /// `time`: of a line by its place.
    fn read_at(
        lines: &[(&str, &str, &str, usize, f64, &str)],
        time: impl Fn(usize) -> usize,
    ) -> anyhow::Result<Samples> {
        let mut text = format!("{HEADER}\n");
        for (index, (stage, candidate, phase, total, rate, note)) in lines.iter().enumerate() {
            text += &format!(
                "{},{stage},{candidate},2,compact,0-1,k,b,{phase},{total},{},1.0,{rate},1.0,,{note}\n",
                time(index),
                total.saturating_sub(PROMPT)
            );
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("samples.csv");
        std::fs::write(&path, text).expect("written");
        Samples::read(&path)
    }

    #[test]
    fn voids_are_counted_by_reason_and_rates_leave_them_out() {
        let (confirm, busy) = ("confirmation", "discarded: other load took");
        let samples = read(&[
            ("calibration", "read bandwidth", "bandwidth", 0, 0.0, ""),
            ("calibration", "read bandwidth", "bandwidth", 0, 0.0, ""),
            (
                "decode-team",
                "2",
                "decode",
                32,
                5.0,
                &format!("{busy} 34 % of the CPUs"),
            ),
            (
                "decode-team",
                "2",
                "decode",
                64,
                5.0,
                &format!("{busy} 34 % of the CPUs"),
            ),
            (
                confirm,
                "default",
                "decode",
                32,
                1.0,
                &format!("{busy} 12 % of the CPUs"),
            ),
            (confirm, "default", "decode", 32, 10.0, ""),
            (confirm, "tuned", "decode", 32, 11.0, ""),
            (
                confirm,
                "tuned",
                "decode",
                32,
                11.0,
                "kept although it rained",
            ),
            (confirm, "default", "decode", 32, 10.0, ""),
        ])
        .expect("a journal");
        assert_eq!((samples.readings, samples.void_count()), (7, 2));
        let words = samples.disturbances();
        assert!(
            words.starts_with("3 of 7 samples were disturbed, ")
                && words.contains("again: 2. ")
                && words.ends_with("be had: 1."),
            "{words}"
        );
        let stop = |phase: &'static str, total: usize| ("table", "chosen", phase, total, 1.0, "");
        let stops = [
            stop(VISIT_PROMPT, 512),
            stop(VISIT_STEPS, 511),
            stop(VISIT_STEPS, 512),
            stop(VISIT_PROMPT, 1024),
            stop(VISIT_STEPS, 1023),
            stop(VISIT_STEPS, 1024),
        ];
        let quiet = read(&stops).expect("a journal");
        assert_eq!(quiet.disturbances(), "0 of 2 samples were disturbed.");
        assert_eq!(samples.voids.len(), 1);
        assert_eq!(
            samples.voids[0].reason,
            "other load took 12 to 34 % of the CPUs"
        );
        assert_eq!(samples.voids[0].stages, ["decode-team", confirm]);
        assert_eq!(
            (samples.kept[0].reason.as_str(), samples.kept.len()),
            ("it rained", 1)
        );
        let rival = samples.rival(Phase::Decode, "tuned");
        let rival = rival.expect("both were measured");
        assert_eq!((rival.rate.median, rival.default.median), (11.0, 10.0));
        assert!(samples.rival(Phase::Decode, "runner-up").is_none());
        assert!(samples.rival(Phase::Prefill, "tuned").is_none());
    }

    #[test]
    fn readings_of_one_row_in_turn_are_told_apart_by_their_time() {
        let pass = ("calibration", "1 threads of node 0", "stream", 0, 0.0, "");
        let samples = read_at(&[pass; 15], |index| index / 5).expect("a journal");
        assert_eq!(samples.readings, 3);
    }

    #[test]
    fn one_plan_in_many_minutes_tells_how_the_host_drifts() {
        // A sample every ten seconds for ten minutes; stages change, and so does the host half-way.
        let mut text = format!("{HEADER}\n");
        for index in 0..60 {
            let (minute, second) = (index / 6, 10 * (index % 6));
            let stage = ["decode-team", "table"][usize::from(index >= 45)];
            let rate = if index < 30 { 100.0 } else { 80.0 };
            let note = if index == 7 { "discarded: busy" } else { "" };
            let rate = if note.is_empty() { rate } else { 1.0 };
            text += &format!(
                "2026-01-02T03:{minute:02}:{second:02}Z,{stage},c,2,compact,0-1,k,b,decode,32,16,1.0,{rate},1.0,,{note}\n"
            );
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("samples.csv");
        std::fs::write(&path, text).expect("written");
        let samples = Samples::read(&path).expect("a journal");
        let drift = samples.drift.decode.expect("one plan, ten minutes");
        assert!((0.1..0.16).contains(&drift), "{drift}");
        assert_eq!(samples.drift.prefill, None);
    }

    #[test]
    fn what_is_remembered_is_what_the_file_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Rc::new(SampleClock::default());
        let file = Journal::create(folder.path(), clock.clone()).expect("writable");
        let mut remembered = Remembered::new(file, clock.clone());
        let plan = Plan::with_threads(PhasePlan::unpinned(2));
        let load = Disturbance::new(VoidKind::Busy, "other load took 34 % of the CPUs");
        let validities = [Validity::Valid, Validity::Discarded(load), Validity::Valid];
        for (index, candidate) in ["default", "tuned", "tuned"].into_iter().enumerate() {
            let seconds = index as f64;
            let time = clock.time() + jiff::SignedDuration::from_secs(10);
            clock.set(seconds, time);
            let point = Point {
                total_tokens: 32,
                tokens: 16,
                seconds: 1.0 + seconds,
                bytes: 1e9,
            };
            let record = Record {
                stage: Stage::Confirmation,
                candidate,
                plan: &plan,
                phase: "decode",
                stream_cpus: None,
                point: &point,
                read_gb_per_second: None,
                validity: &validities[index],
            };
            remembered.record(&record).expect("written");
        }
        let samples = remembered.samples();
        assert_eq!((samples.readings, samples.void_count()), (3, 1));
        assert!(samples.rival(Phase::Decode, "tuned").is_some());
        let read = Samples::read(&Journal::path(folder.path())).expect("a journal");
        assert_eq!(samples, read);
    }

    #[test]
    fn what_is_no_journal_is_an_error() {
        assert!(Samples::read(Path::new("/nowhere/samples.csv")).is_err());
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("samples.csv");
        std::fs::write(&path, "a,b\n1,2\n").expect("written");
        let message = Samples::read(&path).expect_err("other columns").to_string();
        assert!(message.contains("samples.csv"), "{message}");
    }
}
