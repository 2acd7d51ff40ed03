//! One side of a comparison: a profile, a report's directory, or its journal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;
use sysinfer_engine::Plan;
use sysinfer_journal::read::{Recorded, read};
use sysinfer_journal::{FILE_NAME, cpu_list};
use sysinfer_probe::{Phase, Point, Stage};
use sysinfer_profiles::trust::NOT_TO_BE_TRUSTED;
use sysinfer_profiles::{HostInfo, ModelFacts, Profile};
use sysinfer_stats::samples::{SampleError, evenly};
use sysinfer_stats::{between_runs, median_of};
use sysinfer_table::TableData;
use sysinfer_table::between_runs::BetweenRuns;

use super::rate::{Key, Rate, named};
use super::runs::Runs;
use crate::tune::report_of_run::samples::{Samples, Taken};

/// What is known about one side.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// As given on the command line.
    pub name: String,
    /// Why its rates are not to be trusted, if so.
    pub distrust: Option<String>,
    /// Facts about host, model and plan, by dotted key.
    pub facts: BTreeMap<String, String>,
    /// Its rates.
    pub rates: BTreeMap<Key, Rate>,
    /// Read bandwidth, GB/s.
    pub read_gb_per_second: Option<f64>,
    /// Standard deviation between runs of its host, as its profile says.
    pub between_runs: BetweenRuns,
}

impl Side {
    /// Reads a profile (`.toml`), a journal (`.jsonl`), or a directory that has a journal or the profile, in it or
    /// beside it.
    ///
    /// # Errors
    /// Nothing of the kind is there, or it cannot be read.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let mut side = match extension {
            _ if path.is_dir() => Self::of_directory(path)?,
            Some("jsonl") => Self::of_journal(path)?,
            Some("csv") => bail!(
                "{name} is for people and spreadsheets, and is not read; name the journal.jsonl beside it, the \
                 report's directory, or a profile"
            ),
            _ => Self::of_profile(&Profile::load(path)?)?,
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
        let journal = directory.join(FILE_NAME);
        let measured = match journal.exists() {
            true => Some(Self::of_journal(&journal)?),
            false => None,
        };
        let profile = match profile_of(directory) {
            Some(path) => Some(Self::of_profile(&Profile::load(&path)?)?),
            None => None,
        };
        match (measured, profile) {
            // A killed run has a journal, and the profile of a run before.
            (Some(measured), Some(profile)) => Ok(Self {
                rates: match measured.rates.is_empty() {
                    true => profile.rates,
                    false => measured.rates,
                },
                distrust: profile.distrust.or(measured.distrust),
                read_gb_per_second: profile.read_gb_per_second.or(measured.read_gb_per_second),
                ..profile
            }),
            (Some(side), None) | (None, Some(side)) => Ok(side),
            (None, None) => bail!(
                "{} has neither a {FILE_NAME} nor a profile; name a report's directory, its {FILE_NAME}, or a profile",
                directory.display()
            ),
        }
    }

    fn of_journal(path: &Path) -> anyhow::Result<Self> {
        let Some(recorded) = read(path)? else {
            bail!(
                "{} has no header: the run ended before its first sample",
                path.display()
            );
        };
        Self::of_recorded(&recorded)
            .with_context(|| format!("cannot compare the samples of {}", path.display()))
    }

    /// What a journal says.
    ///
    /// # Errors
    /// It has a rate that is none.
    pub fn of_recorded(recorded: &Recorded) -> anyhow::Result<Self> {
        let (mut runs, mut taken) = (Runs::default(), Vec::new());
        for (sample, plan, validity) in recorded.judged() {
            if validity.counts() && sample.stage == Stage::Table.name() {
                runs.add(sample, plan);
            }
            taken.push(Taken::of_sample(sample, plan, validity));
        }
        let samples = Samples::of(&taken);
        let header = &recorded.header;
        let facts = match runs.plan {
            Some(plan) => facts(&header.host, &ModelFacts::from(&header.model), plan)?,
            None => BTreeMap::new(),
        };
        Ok(Self {
            rates: runs.rates()?,
            read_gb_per_second: median_of(runs.bandwidth),
            facts,
            distrust: samples.distrust(),
            between_runs: samples.between_runs,
            ..Self::default()
        })
    }

    /// What a profile says.
    ///
    /// # Errors
    /// It has a rate that is none.
    pub fn of_profile(profile: &Profile) -> anyhow::Result<Self> {
        let mut facts = facts(&profile.host, &profile.model, &profile.plan)?;
        let created = serde_json::to_value(&profile.created)?;
        flatten("created".into(), &created, &mut facts);
        let mut rates = BTreeMap::new();
        for length in &profile.evidence.lengths {
            for (phase, sampled, of_phase) in [
                (Phase::Decode, length.sampled, length.decode_rates()),
                (Phase::Prefill, false, length.prefill_rates()),
            ] {
                if !of_phase.is_empty() {
                    let runs = evenly(of_phase.len(), profile.evidence.independent_runs);
                    let key = (phase, length.total_tokens);
                    let rate = Rate::new(&of_phase, &runs, sampled);
                    rates.insert(key, rate.with_context(|| named(key))?);
                }
            }
        }
        Ok(Self {
            name: String::new(),
            distrust: profile.distrust(),
            facts,
            rates,
            read_gb_per_second: profile.evidence.read_gb_per_second,
            between_runs: BetweenRuns::from(&profile.evidence),
        })
    }

    /// What was measured just now.
    ///
    /// # Errors
    /// A reading that is no rate.
    pub fn of_table(data: &TableData) -> Result<Self, SampleError> {
        let runs = between_runs::runs(data.starts().iter().copied());
        let rate = |points: &[Point], sampled| {
            let rates: Vec<f64> = points.iter().map(Point::tokens_per_second).collect();
            Rate::new(&rates, &runs, sampled)
        };
        let mut rates = BTreeMap::new();
        for length in data.decode_lengths() {
            let sampled = data.is_sampled(length);
            rates.insert(
                (Phase::Decode, length),
                rate(data.decode_runs(length), sampled)?,
            );
        }
        for (length, points) in &data.prefill {
            rates.insert((Phase::Prefill, *length), rate(points, false)?);
        }
        Ok(Self {
            rates,
            read_gb_per_second: median_of(data.bandwidth()),
            ..Self::default()
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

/// Host, model and plan by dotted key.
fn facts(
    host: &HostInfo,
    model: &ModelFacts,
    plan: &Plan,
) -> serde_json::Result<BTreeMap<String, String>> {
    let mut facts = BTreeMap::new();
    for (key, value) in [
        ("host", serde_json::to_value(host)?),
        ("model", serde_json::to_value(model)?),
        ("plan", serde_json::to_value(plan)?),
    ] {
        flatten(key.to_owned(), &value, &mut facts);
    }
    for phase in Phase::ALL {
        let cpus = cpu_list(&plan.team(phase).cpus);
        let cpus = match cpus.is_empty() {
            true => "not pinned".into(),
            false => cpus,
        };
        facts.insert(format!("plan.{}.cpus", phase.name()), cpus);
    }
    Ok(facts)
}

/// Leaves of a value by dotted key.
fn flatten(key: String, value: &Value, facts: &mut BTreeMap<String, String>) {
    let leaf = match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(format!("{key}.{name}"), value, facts);
            }
            return;
        }
        Value::Null => return,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    facts.insert(key, leaf);
}
