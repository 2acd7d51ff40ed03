//! One side of a comparison: a profile, a report's directory, or its samples.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;
use sysinfer_journal::cpu_list;
use sysinfer_probe::{Phase, Point};
use sysinfer_profiles::Profile;
use sysinfer_profiles::trust::NOT_TO_BE_TRUSTED;
use sysinfer_stats::median;
use sysinfer_table::drift::Drift;

use super::runs::Runs;
use crate::report::samples::Samples;

/// The largest file of samples that is read.
const LIMIT_BYTES: u64 = 256 << 20;
/// The stage whose samples make the table.
const TABLE_STAGE: &str = "table";
/// What notes of samples begin with that do not count.
const VOID_NOTES: [&str; 2] = ["discarded", "void"];

/// What is known about one side.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// As given on the command line.
    pub name: String,
    /// Why its rates are not to be trusted, if so.
    pub distrust: Option<String>,
    /// Facts about host, model and plan, by dotted key.
    pub facts: BTreeMap<String, String>,
    /// Rates of the runs by phase and total tokens, tokens/s.
    pub rates: BTreeMap<(&'static str, usize), Vec<f64>>,
    /// Which of them were sampled, not decoded all the way.
    pub sampled: BTreeSet<(&'static str, usize)>,
    /// Read bandwidth, GB/s.
    pub read_gb_per_second: Option<f64>,
    /// How much its rates drift from minute to minute, as its profile says.
    pub drift: Drift,
    /// Runs of its table that are far enough apart to be draws of that; 0: not known.
    pub spells: usize,
}

/// The columns of `samples.csv` that count here.
#[derive(Deserialize)]
pub(super) struct Sample {
    stage: String,
    threads: Option<String>,
    map: Option<String>,
    cpus: Option<String>,
    kernels: Option<String>,
    blocking: Option<String>,
    pub(super) phase: String,
    pub(super) total_tokens: usize,
    pub(super) tokens: usize,
    pub(super) seconds: f64,
    tokens_per_second: f64,
    gb_per_second: Option<f64>,
    #[serde(default)]
    note: String,
}

impl Side {
    /// Reads a profile (`.toml`), samples (`.csv`), or a directory that has `samples.csv` and perhaps
    /// the profile, in it or beside it.
    ///
    /// # Errors
    /// Nothing of the kind is there, or it cannot be read.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let mut side = if path.is_dir() {
            Self::of_directory(path)?
        } else if extension == Some("csv") {
            Self::of_samples(path)?
        } else {
            Self::of_profile(&Profile::load(path)?)?
        };
        if side.rates.is_empty() {
            let why = side.distrust.map_or_else(String::new, |why| {
                format!(": the run is {NOT_TO_BE_TRUSTED} ({why})")
            });
            bail!("{name} has no rates of a finished table, so there is nothing to compare{why}");
        }
        side.name = name;
        Ok(side)
    }

    fn of_directory(directory: &Path) -> anyhow::Result<Self> {
        let samples = directory.join("samples.csv");
        let profile = profile_of(directory)
            .map(|path| Profile::load(&path))
            .transpose()?;
        let profile = profile
            .map(|profile| Self::of_profile(&profile))
            .transpose()?;
        match (samples.exists(), profile) {
            (true, profile) => {
                let measured = Self::of_samples(&samples)?;
                let Some(profile) = profile else {
                    return Ok(measured);
                };
                // A killed run has samples, and the profile of a run before.
                let (rates, sampled) = if measured.rates.is_empty() {
                    (profile.rates, profile.sampled)
                } else {
                    (measured.rates, measured.sampled)
                };
                Ok(Self {
                    rates,
                    sampled,
                    distrust: profile.distrust.or(measured.distrust),
                    read_gb_per_second: profile.read_gb_per_second.or(measured.read_gb_per_second),
                    ..profile
                })
            }
            (false, Some(profile)) => Ok(profile),
            (false, None) => bail!(
                "{} has neither samples.csv nor a profile; name a report's directory, a profile or a samples.csv",
                directory.display()
            ),
        }
    }

    fn of_samples(path: &Path) -> anyhow::Result<Self> {
        let failed = || format!("cannot read the samples of {}", path.display());
        let file = File::open(path).with_context(failed)?;
        if file.metadata().with_context(failed)?.len() > LIMIT_BYTES {
            bail!(
                "{} is larger than {LIMIT_BYTES} bytes, so it is no journal of samples",
                path.display()
            );
        }
        let mut reader = csv::Reader::from_reader(file.take(LIMIT_BYTES));
        let (mut side, mut bandwidth) = (Self::default(), Vec::new());
        let mut runs = Runs::default();
        for sample in reader.deserialize::<Sample>() {
            let sample = sample.with_context(failed)?;
            let is_void = VOID_NOTES.iter().any(|word| sample.note.starts_with(word));
            if sample.stage == TABLE_STAGE && !is_void {
                runs.add(&sample);
                side.add(sample, &mut bandwidth);
            }
        }
        side.add_sampled(&runs);
        let counted = Samples::read(path).ok();
        side.distrust = counted.and_then(|samples| samples.distrust());
        side.read_gb_per_second = (!bandwidth.is_empty()).then(|| median(&bandwidth));
        Ok(side)
    }

    fn add(&mut self, sample: Sample, bandwidth: &mut Vec<f64>) {
        let phase = match sample.phase.as_str() {
            "decode" => "decode",
            "prefill" => "prefill",
            _ => {
                bandwidth.extend(sample.gb_per_second.filter(|_| sample.phase == "bandwidth"));
                return;
            }
        };
        let rates = self.rates.entry((phase, sample.total_tokens)).or_default();
        rates.push(sample.tokens_per_second);
        let columns = [
            (format!("plan.{phase}.threads"), sample.threads),
            (format!("plan.{phase}.map"), sample.map),
            (format!("plan.{phase}.cpus"), sample.cpus),
            (format!("plan.{phase}.kernels"), sample.kernels),
            ("plan.blocking".into(), sample.blocking),
        ];
        let known = columns
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        self.facts.extend(known);
    }

    /// Lengths that were sampled, and prompts that sampled passes came by.
    fn add_sampled(&mut self, runs: &Runs) {
        for (length, found) in runs.sampled() {
            let rates = found.passes.iter().map(Point::tokens_per_second);
            self.rates.insert(("decode", length), rates.collect());
            self.sampled.insert(("decode", length));
        }
        for (length, prompts) in &runs.data.prefill {
            let rates = self.rates.entry(("prefill", *length)).or_default();
            rates.extend(prompts.iter().map(Point::tokens_per_second));
        }
    }

    /// What minutes add to the median of so many runs, as the standard error of its logarithm. What is not
    /// known of this side is taken to be as on the `other`: mostly they are of one host.
    pub(super) fn error_of_minutes(&self, other: &Self, phase: &str, runs: usize) -> f64 {
        let phase = match phase {
            "decode" => Phase::Decode,
            _ => Phase::Prefill,
        };
        let drift = self.drift.of(phase).or(other.drift.of(phase));
        let spells = self.spells.clamp(1, runs.max(1));
        drift.unwrap_or(0.0) / (spells as f64).sqrt()
    }

    fn of_profile(profile: &Profile) -> anyhow::Result<Self> {
        let mut facts = BTreeMap::new();
        let sections = [
            ("created", serde_json::to_value(&profile.created)?),
            ("host", serde_json::to_value(&profile.host)?),
            ("model", serde_json::to_value(&profile.model)?),
            ("plan", serde_json::to_value(&profile.plan)?),
        ];
        for (key, value) in sections {
            flatten(key.to_owned(), &value, &mut facts);
        }
        for phase in [Phase::Decode, Phase::Prefill] {
            let cpus = cpu_list(&phase.team(&profile.plan).cpus);
            let cpus = if cpus.is_empty() {
                "not pinned".into()
            } else {
                cpus
            };
            facts.insert(format!("plan.{}.cpus", phase.name()), cpus);
        }
        let mut rates = BTreeMap::new();
        for length in &profile.evidence.lengths {
            for (phase, runs) in [
                ("decode", length.decode_rates()),
                ("prefill", length.prefill_rates()),
            ] {
                if !runs.is_empty() {
                    rates.insert((phase, length.total_tokens), runs);
                }
            }
        }
        let lengths = profile.evidence.lengths.iter();
        let sampled = lengths.filter(|length| length.sampled);
        Ok(Self {
            name: String::new(),
            distrust: profile.distrust(),
            facts,
            rates,
            sampled: sampled
                .map(|length| ("decode", length.total_tokens))
                .collect(),
            read_gb_per_second: profile.evidence.read_gb_per_second,
            drift: Drift::from(&profile.evidence),
            spells: profile.evidence.table_spells,
        })
    }
}

/// The profile in a report's directory, or beside it under the name that the tuner gives it.
fn profile_of(directory: &Path) -> Option<PathBuf> {
    let inside = ["profile.toml", "sysinfer-profile.toml"].map(|name| directory.join(name));
    let name = directory.file_name().and_then(|name| name.to_str());
    let stem = name.and_then(|name| name.strip_suffix("-report"));
    let beside = stem.map(|stem| directory.with_file_name(format!("{stem}.toml")));
    inside.into_iter().chain(beside).find(|path| path.is_file())
}

/// Leaves of a value by dotted key.
fn flatten(key: String, value: &Value, facts: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(format!("{key}.{name}"), value, facts);
            }
        }
        Value::String(text) => {
            facts.insert(key, text.clone());
        }
        Value::Null => {}
        other => {
            facts.insert(key, other.to_string());
        }
    }
}
