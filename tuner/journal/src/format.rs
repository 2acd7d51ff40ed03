//! The lines of `journal.jsonl`: a header, then plans, samples, and readings of cores between them. Each
//! line is one JSON object whose `kind` says what it is; a plan is written once, before the first line that
//! refers to it.
//!
//! Numbers are finite: those that are not, and `null` in place of what a sample must have, are refused when
//! read.

use serde::{Deserialize, Serialize};
use sysinfer_engine::{EngineInfo, Plan};
use sysinfer_machine::HostInfo;
use sysinfer_probe::{CoreReading, Disturbance, Finding, Phase, Point, Work};

use super::facts::{TopologyFacts, validate_model};

/// The version of this layout. All since the first are read: the second has one more kind of work, the
/// third readings of cores, the fourth batches.
pub const FORMAT: u32 = 4;
/// The oldest version that is read.
const OLDEST: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Line {
    /// The first line.
    Header(Box<Header>),
    /// A plan that later lines refer to by number.
    Plan {
        /// Counted from 0 in the order of the lines.
        id: usize,
        /// All of it.
        plan: Plan,
    },
    /// A run that ended.
    Sample(Sample),
    /// What cores did, behind the last sample above it.
    Cores(Cores),
}

/// What the search depends on besides samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT`], or an older one.
    pub format: u32,
    /// Version of the program.
    pub version: String,
    /// RFC 3339 time of the start, UTC.
    pub date: String,
    /// The command line, without the name of the program.
    pub arguments: Vec<String>,
    /// The host, as a profile has it.
    pub host: HostInfo,
    /// Its CPUs, nodes and caches.
    pub topology: TopologyFacts,
    /// CPUs that can run at once.
    pub effective_cpus: usize,
    /// Instruction sets that kernels could use.
    pub instruction_sets: Vec<String>,
    /// What about the host cost speed.
    pub findings: Vec<Finding>,
    /// Name of the model's file, or of the preset.
    pub source: String,
    /// Shape of the model.
    pub model: EngineInfo,
    /// The plan of an untuned host, every kernel named.
    pub default: Plan,
}

/// One run under one plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Stage of the search, by its name.
    pub stage: String,
    /// Name within the stage.
    pub candidate: String,
    /// Number of a plan above.
    pub plan: usize,
    /// What was run.
    pub work: Work,
    /// What was timed; empty if the plan was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<Point>,
    /// Why the sample is void, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<Disturbance>,
    /// Why the plan could not run, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Seconds since the run began, at the end of the sample.
    pub clock_seconds: f64,
    /// RFC 3339 time of the same.
    pub time: jiff::Timestamp,
}

/// What the cores of a team did at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cores {
    /// Number of a plan above.
    pub plan: usize,
    /// Whose team's.
    pub phase: Phase,
    /// What was found.
    pub reading: CoreReading,
}

impl Sample {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self) -> Result<(), String> {
        if !is_amount(self.clock_seconds) {
            return Err(format!("clock_seconds is {}", self.clock_seconds));
        }
        if let Some(point) = self
            .points
            .iter()
            .find(|point| !(is_amount(point.seconds) && is_amount(point.bytes)))
        {
            return Err(format!(
                "a point has {} seconds and {} bytes",
                point.seconds, point.bytes
            ));
        }
        if self.points.is_empty() == self.refused.is_none() {
            return Err("a sample has either points or a reason why it was refused".into());
        }
        if self.refused.is_none() && !self.points_fit() {
            return Err("the points of a sample are not those of its work".into());
        }
        Ok(())
    }

    /// Whether the points are those that the work gives.
    fn points_fit(&self) -> bool {
        match &self.work {
            Work::Decode {
                prompt_tokens,
                lengths,
            } => {
                let fits = |(point, length): (&Point, &usize)| {
                    point.total_tokens == *length
                        && length.checked_sub(*prompt_tokens) == Some(point.tokens)
                };
                self.points.len() == lengths.len() && self.points.iter().zip(lengths).all(fits)
            }
            Work::Visit { groups, .. } => {
                self.points.len() == groups.saturating_add(1)
                    && self.points.iter().all(|point| point.tokens > 0)
            }
            Work::Batch { sequences, .. } => {
                let fits = |(point, number): (&Point, &usize)| point.total_tokens == *number;
                self.points.len() == sequences.len() && self.points.iter().zip(sequences).all(fits)
            }
            Work::Prefill { .. } => self.points.len() == 1,
            Work::Bandwidth | Work::Stream { .. } => true,
        }
    }
}

/// What a time, a size or a rate can be.
fn is_amount(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

impl Cores {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self) -> Result<(), String> {
        let rates = [self.reading.arithmetic, self.reading.core_to_core];
        let mut wrong = rates.into_iter().flatten().filter(|rate| !is_amount(*rate));
        match wrong.next() {
            Some(rate) => Err(format!("a reading of cores is {rate}")),
            None => Ok(()),
        }
    }
}

impl Header {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self) -> Result<(), String> {
        if !(OLDEST..=FORMAT).contains(&self.format) {
            return Err(format!(
                "format {} is not one of this program's, {OLDEST} to {FORMAT}",
                self.format
            ));
        }
        self.topology.validate()?;
        validate_model(&self.model)?;
        let cpus = self.topology.cpus.len();
        if self.effective_cpus == 0 || self.effective_cpus > cpus {
            return Err(format!(
                "effective_cpus is {} of {cpus} CPUs",
                self.effective_cpus
            ));
        }
        self.default.validate().map_err(|error| error.to_string())
    }
}
