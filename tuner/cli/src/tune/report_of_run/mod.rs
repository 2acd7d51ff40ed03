//! From a run to what its report says: [`Ended`] is the run, [`Ended::report`] the value that page, summary and
//! tables are made from.
//!
//! [`rows`] are the table, [`explain`] puts into words what was measured, [`many`] is about many users, `verdict`
//! is what is said first, and [`distrust`] what comes even before that. [`samples`] reads what only single samples
//! tell, [`conditions`] are the circumstances of all samples, [`mod@reference`] is what others published.

pub mod conditions;
pub mod distrust;
mod ended;
pub mod explain;
pub mod many;
pub mod reference;
pub mod rows;
pub mod samples;
mod verdict;

use std::path::{Path, PathBuf};

use anyhow::Context;
use sysinfer_journal::{blocking, cpu_list, kernels};
use sysinfer_measure::host::check::sve_words;
use sysinfer_probe::{CoreReading, Phase};
use sysinfer_profiles::Gain;
use sysinfer_report::Report;
use sysinfer_report::figures::proven;
use sysinfer_report::value::{self, Chosen, LAYOUT, NotTried, Part, Step, Team};
use sysinfer_search::confirm::{Confirmation, Fresh};
use sysinfer_search::race::{Lane, Outcome};
use sysinfer_stats::Estimate;
use sysinfer_table::split::Split;

pub use self::ended::Ended;

use self::distrust::{Distrust, NOTHING_FOLLOWS};
use self::explain::{Contest, Evidence};
use self::reference::Reference;

impl Ended<'_> {
    /// What its report says. `files` are those of the report, `profile` the profile if there is one.
    pub fn report(&self, files: &[PathBuf], profile: Option<&Path>) -> Report {
        let known = |part: fn(&CoreReading) -> Option<f64>| {
            let known: Vec<f64> = self.cores.iter().filter_map(part).collect();
            Estimate::of(&known)
        };
        let path = |path: &Path| path.display().to_string();
        let serve = self.served();
        let distrust = self.distrust.as_ref();
        Report {
            trusted: distrust.is_none(),
            not_trusted_because: distrust.map(|distrust| distrust.why.clone()),
            warning: distrust.map_or_else(Vec::new, Distrust::sentences),
            verdict: self.verdict(),
            layout: LAYOUT,
            version: env!("CARGO_PKG_VERSION").into(),
            date: self.date.clone(),
            command: self.command.clone(),
            host: self.host.clone(),
            instruction_sets: self.instruction_sets.clone(),
            sve: self.host.sve_bits.map(sve_words),
            model: self.info.into(),
            threads: self.pins.clone(),
            read_gb_per_second: Estimate::of(&self.bandwidth),
            read_gb_per_second_best: self.conditions.best(&self.bandwidth),
            prefill_arithmetic_gmac_per_second: known(|cores| cores.arithmetic),
            prefill_core_to_core_gb_per_second: known(|cores| cores.core_to_core),
            decode_between_runs: self.samples.between_runs.decode,
            prefill_between_runs: self.samples.between_runs.prefill,
            chosen: self.confirmation.map(|found| self.chosen(found)),
            not_served_because: serve.as_ref().err().copied().unwrap_or_default().into(),
            serve: serve.ok(),
            explanation: self.explanation(),
            prompt_tokens: self.prompt_tokens,
            lengths: self.rows.clone(),
            reference: self.reference.map(Reference::words),
            method: rows::method(self),
            concurrency: many::value(self),
            steps: self.splits.iter().map(step).collect(),
            stages: self.log.outcomes.iter().map(stage).collect(),
            samples: self.samples.readings,
            disturbances: self.samples.disturbances(),
            void_samples: self.samples.voids.clone(),
            disturbed_samples: self.samples.kept.clone(),
            sections: self.sections.clone(),
            not_tried: self
                .log
                .skipped
                .iter()
                .map(|skipped| NotTried {
                    name: skipped.name.clone(),
                    reason: skipped.reason.clone(),
                })
                .collect(),
            remarks: self.remarks.clone(),
            files: files.iter().map(|file| path(file)).collect(),
            profile: profile.map(path),
        }
    }

    /// Median of the readings of read bandwidth, which percentages refer to, GB/s.
    pub fn roof(&self) -> Option<f64> {
        rows::roof(&self.bandwidth)
    }

    /// What is proven of the chosen plan's rate over the default's, as fresh rounds have it.
    pub fn gain(&self, phase: Phase) -> Gain {
        let found = self.confirmation.and_then(|found| found.gain(phase));
        found.map_or(Gain::None, |ratio| proven(&ratio))
    }

    /// The command to serve with, or why there is none.
    fn served(&self) -> Result<String, &'static str> {
        match (&self.serve, &self.distrust, self.confirmation) {
            (_, Some(_), _) => Err("Not with this profile: the run is not to be trusted."),
            (_, _, None) => {
                Err("The run was interrupted before a decision: no profile was written.")
            }
            (None, ..) => Err("No server takes the profile of a host that is only described."),
            (Some(command), ..) => Ok(command.clone()),
        }
    }

    fn chosen(&self, found: &Confirmation) -> Chosen {
        let team = |phase: Phase| {
            let fresh = self.fresh(phase);
            let rival = fresh.and_then(|fresh| self.samples.rival(phase, fresh.candidate));
            let (team, gain) = (found.plan.team(phase), self.gain(phase));
            Team {
                threads: team.threads,
                map: team.map.clone(),
                cpus: cpu_list(&team.cpus),
                kernels: kernels(&found.plan, phase),
                gain: match gain {
                    Gain::Proven { ratio, .. } => Some(ratio),
                    Gain::None | Gain::Unproven { .. } | Gain::NoInterval { .. } => None,
                },
                gain_in_words: gain.to_string(),
                rate_over_default: found.gain(phase),
                winner_over_default: fresh.and_then(|fresh| fresh.margin),
                winner_tokens_per_second: rival.map(|rival| rival.rate),
                default_tokens_per_second: rival.map(|rival| rival.default),
            }
        };
        Chosen {
            decode: team(Phase::Decode),
            prefill: team(Phase::Prefill),
            blocking: blocking(&found.plan),
            reasons: found.reasons.clone(),
        }
    }

    /// How a phase was decided, if there was something to decide.
    fn contest(&self, phase: Phase) -> Option<Contest> {
        let fresh = self.fresh(phase)?;
        let rival = self.samples.rival(phase, fresh.candidate)?;
        Some(Contest {
            phase,
            rival: rival.rate,
            default: rival.default,
            margin: fresh.margin?,
            fate: fresh.fate,
        })
    }

    /// What the rounds of the confirmation say about a phase.
    fn fresh(&self, phase: Phase) -> Option<&Fresh> {
        let found = self.confirmation?;
        Some(match phase {
            Phase::Decode => &found.decode,
            Phase::Prefill => &found.prefill,
        })
    }

    /// Why it is as fast as it is, sentence by sentence.
    fn explanation(&self) -> Vec<String> {
        if self.distrust.is_some() {
            return vec![NOTHING_FOLLOWS.into()];
        }
        let phases = Phase::ALL.into_iter();
        let contests: Vec<Contest> = phases.filter_map(|phase| self.contest(phase)).collect();
        explain::explain(&Evidence {
            info: self.info,
            cache_bytes: self.cache_bytes,
            roof: Estimate::of(&self.bandwidth),
            rows: &self.rows,
            splits: &self.splits,
            races: &self.log.outcomes,
            contests: &contests,
            threads: self
                .confirmation
                .map(|found| (found.plan.decode.threads, self.default_threads)),
        })
    }
}

fn step(split: &Split) -> Step {
    Step {
        plan: split.under.name().into(),
        phase: split.phase.name().into(),
        total_tokens: split.total_tokens,
        step_seconds: split.step_seconds(),
        parts: split
            .parts()
            .map(|part| Part {
                name: part.name.into(),
                mean_seconds: part.mean_seconds,
                worst_worker_seconds: part.worst_seconds,
                share: part.share,
            })
            .into(),
    }
}

fn stage(outcome: &Outcome) -> value::Stage {
    let phase = outcome.stage.phase().unwrap_or(Phase::Decode);
    let candidate = |lane: &Lane| {
        let plan = &lane.candidate.plan;
        value::Candidate {
            name: lane.candidate.name.clone(),
            reason: lane.candidate.reason.clone(),
            tokens_per_second: Estimate::of(&lane.rates),
            left_because: lane.out.clone(),
            threads: plan.team(phase).threads,
            map: plan.team(phase).map.clone(),
        }
    };
    let mut candidates: Vec<value::Candidate> = outcome.lanes.iter().map(candidate).collect();
    let rate = |one: &value::Candidate| one.tokens_per_second.map_or(0.0, |rate| rate.median);
    candidates.sort_by(|a, b| rate(b).total_cmp(&rate(a)));
    value::Stage {
        stage: outcome.stage.name().into(),
        title: outcome.title.clone(),
        winner: outcome.winner().name.clone(),
        why: outcome.why.clone(),
        discarded_rounds: outcome.discarded_rounds,
        candidates,
    }
}

/// Writes the report's files beside the samples, and returns their paths.
///
/// # Errors
/// The directory is not writable.
pub fn write(
    ended: &Ended<'_>,
    directory: &Path,
    profile: Option<&Path>,
    samples: PathBuf,
) -> anyhow::Result<Report> {
    let mut report = ended.report(&[], profile);
    let mut files = sysinfer_report::files(&report)?;
    let map = &ended.conditions.map;
    if !map.rows.is_empty() {
        files.push(("bandwidth.csv".into(), map.csv()?));
    }
    let path = |name: &str| directory.join(name);
    let names = files.iter().map(|(name, _)| path(name));
    let all = std::iter::once(samples)
        .chain(names)
        .chain([path("report.json")]);
    report.files = all.map(|path| path.display().to_string()).collect();
    files.push(("report.json".into(), sysinfer_report::json(&report)? + "\n"));
    for (name, text) in files {
        let path = path(&name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(report)
}

#[cfg(test)]
pub(crate) mod tests;
