//! What a run leaves for people and machines: a table on the terminal, and files in the report
//! directory.
//!
//! One format per file: [`table`] (terminal), [`csv`], [`json`], [`svg`] (plots), [`html`] (the page),
//! [`markdown`] (the summary). [`many`] is about many users, [`explain`] puts into words what was measured, [`samples`] reads back
//! what only single samples tell, [`conditions`] are the circumstances of all samples and
//! [`mod@reference`] is what others published. `headline` is what is said first, and [`distrust`] what
//! comes even before that. [`figures`] writes numbers and [`markup`] elements, [`folder`] says where all of
//! it goes.

pub mod conditions;
pub mod csv;
pub mod distrust;
pub mod explain;
pub mod figures;
pub mod folder;
mod headline;
pub mod html;
pub mod json;
pub mod many;
pub mod markdown;
pub mod markup;
pub mod reference;
pub mod samples;
pub mod svg;
pub mod table;

use std::path::{Path, PathBuf};

use anyhow::Context;
use sysinfer_engine::EngineInfo;
use sysinfer_machine::HostInfo;
use sysinfer_probe::{CoreReading, Phase, Point};
use sysinfer_profiles::Gain;
use sysinfer_search::confirm::{Confirmation, Fresh};
use sysinfer_search::staged::Log;
use sysinfer_stats::{Estimate, Summary, median, median_of};
use sysinfer_table::TableData;
use sysinfer_table::concurrency::Concurrency;
use sysinfer_table::split::Split;

use self::distrust::{Distrust, NOTHING_FOLLOWS};
use self::explain::{Contest, Evidence};
use self::samples::Samples;
use crate::report::conditions::Conditions;
use crate::report::reference::Reference;

/// One line of the table: everything known about one length.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Row {
    /// Prompt and output for decode, the prompt for prefill.
    pub total_tokens: usize,
    /// Decode rates of the runs, or of the sampled passes, tokens/s.
    pub decode: Option<Summary>,
    /// Whether decoding was sampled ([`sysinfer_table::sampled::DEFINITION`]).
    pub sampled: bool,
    /// Median of bytes read while decoding, GB/s.
    pub decode_gb_per_second: Option<f64>,
    /// The same over the read bandwidth.
    pub percent_of_read_bandwidth: Option<f64>,
    /// What the original published, tokens/s.
    pub reference: Option<f64>,
    /// Prefill rates, tokens/s.
    pub prefill: Option<Summary>,
    /// Median time from such a prompt to its first token, milliseconds.
    pub time_to_first_token_ms: Option<f64>,
    /// The same numbers with their intervals, where the samples are at hand.
    pub estimates: Estimates,
}

/// The numbers of a row with their intervals.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimates {
    /// Decode rate, tokens/s.
    pub decode: Option<Estimate>,
    /// Bytes read while decoding, GB/s.
    pub decode_gb: Option<Estimate>,
    /// The same in percent of the median read bandwidth.
    pub decode_percent: Option<Estimate>,
    /// Prefill rate, tokens/s.
    pub prefill: Option<Estimate>,
    /// Weights read for a prompt, GB/s.
    pub prefill_gb: Option<Estimate>,
    /// Time to the first token, milliseconds.
    pub first_token_ms: Option<Estimate>,
}

/// Something else that a run found and that is shown as it is: findings about the host, a map of its
/// bandwidth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Heading.
    pub title: String,
    /// Lines of text, one paragraph each.
    pub lines: Vec<String>,
    /// Header of a table; empty: there is none.
    pub header: Vec<String>,
    /// Rows of the table, each as long as the header.
    pub rows: Vec<Vec<String>>,
}

/// All that a report says.
pub struct Report<'a> {
    /// The host that was measured.
    pub host: &'a HostInfo,
    /// The model that was measured.
    pub info: &'a EngineInfo,
    /// Instruction sets that kernels may use.
    pub instruction_sets: Vec<String>,
    /// RFC 3339 time of writing.
    pub date: String,
    /// The command line.
    pub command: String,
    /// Threads and pins that really held.
    pub pins: String,
    /// The table.
    pub rows: Vec<Row>,
    /// Read bandwidth readings of the run, GB/s.
    pub bandwidth: Vec<f64>,
    /// How fast the cores of the prompts' team were beside the prompts of the table.
    pub cores: Vec<CoreReading>,
    /// The host, its memory and void samples.
    pub conditions: Conditions,
    /// The search, stage by stage.
    pub log: &'a Log,
    /// Why nothing may be done by this run, if so.
    pub distrust: Option<Distrust>,
    /// The decision; `None` when the run was interrupted before.
    pub confirmation: Option<&'a Confirmation>,
    /// The published table for this shape.
    pub reference: Option<&'static Reference>,
    /// What was cut or thrown away, and other remarks.
    pub remarks: Vec<String>,
    /// Tokens of the prompt of decode runs.
    pub prompt_tokens: usize,
    /// Where the time of steps went.
    pub splits: Vec<Split>,
    /// Steps of many sequences.
    pub concurrency: Concurrency,
    /// What only single samples tell.
    pub samples: Samples,
    /// Threads of the default's decode team.
    pub default_threads: usize,
    /// Last-level caches of the host in all, bytes; 0: unknown.
    pub cache_bytes: u64,
    /// What else was found.
    pub sections: Vec<Section>,
}

impl Report<'_> {
    /// The roof that percentages refer to, GB/s; `None` when it was not measured.
    pub fn roof(&self) -> Option<f64> {
        roof(&self.bandwidth)
    }

    /// The same with its interval.
    pub fn roof_estimate(&self) -> Option<Estimate> {
        Estimate::of(&self.bandwidth)
    }

    /// Of the cores beside the prompts: plain multiply-adds in GMAC/s, what is read of what another has
    /// written in GB/s; `None` where that was not read.
    pub fn core_estimates(&self) -> (Option<Estimate>, Option<Estimate>) {
        let of = |part: fn(&CoreReading) -> Option<f64>| {
            let known: Vec<f64> = self.cores.iter().filter_map(part).collect();
            Estimate::of(&known)
        };
        (of(|cores| cores.arithmetic), of(|cores| cores.exchange))
    }

    /// What is proven of the chosen plan's rate over the default's, as fresh rounds have it.
    pub fn gain(&self, phase: Phase) -> Gain {
        let found = self.confirmation.and_then(|found| found.gain(phase));
        found.map_or(Gain::None, |ratio| figures::proven(&ratio))
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
            verdict: fresh.verdict,
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
    pub fn explanation(&self) -> Vec<String> {
        if self.distrust.is_some() {
            return vec![NOTHING_FOLLOWS.into()];
        }
        let phases = [Phase::Decode, Phase::Prefill].into_iter();
        let contests: Vec<Contest> = phases.filter_map(|phase| self.contest(phase)).collect();
        explain::explain(&Evidence {
            info: self.info,
            cache_bytes: self.cache_bytes,
            roof: self.roof_estimate(),
            rows: &self.rows,
            splits: &self.splits,
            races: &self.log.outcomes,
            contests: &contests,
            threads: self
                .confirmation
                .map(|found| (found.plan.decode.threads, self.default_threads)),
        })
    }

    /// Whether a rate of the table is sampled.
    pub fn has_samples(&self) -> bool {
        self.rows.iter().any(|row| row.sampled)
    }

    /// Writes `summary.md`, `report.html`, `throughput.csv`, `concurrency.csv`, `bandwidth.csv` and the plots;
    /// returns their paths.
    ///
    /// # Errors
    /// The directory is not writable.
    pub fn write(&self, directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        let mut save = |name: &str, text: String| -> anyhow::Result<()> {
            let path = directory.join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
            paths.push(path);
            Ok(())
        };
        let trusted = self.distrust.is_none();
        save("throughput.csv", csv::render(&self.rows, trusted)?)?;
        if !self.concurrency.steps.is_empty() {
            save("concurrency.csv", many::csv(self)?)?;
        }
        for figure in svg::all(self) {
            save(&format!("{}.svg", figure.name), figure.document())?;
        }
        if !self.conditions.map.rows.is_empty() {
            save("bandwidth.csv", self.conditions.map.csv()?)?;
        }
        save("summary.md", markdown::render(self))?;
        save("report.html", html::render(self))?;
        Ok(paths)
    }
}

/// Median of the readings: what the memory gave while the run took its samples; `None` of none.
pub fn roof(bandwidth: &[f64]) -> Option<f64> {
    median_of(bandwidth.iter().copied())
}

/// Rows for every length that was measured in either phase, ascending.
pub fn rows(data: &TableData, roof: Option<f64>, reference: Option<&Reference>) -> Vec<Row> {
    let mut lengths = data.decode_lengths();
    lengths.extend(data.prefill.keys());
    lengths.sort_unstable();
    lengths.dedup();
    lengths
        .into_iter()
        .map(|length| row(data, length, roof, reference))
        .collect()
}

fn row(data: &TableData, length: usize, roof: Option<f64>, reference: Option<&Reference>) -> Row {
    let none = Vec::new();
    let of = |point: fn(&Point) -> f64, points: &[Point]| -> Vec<f64> {
        points.iter().map(point).collect()
    };
    let decode = data.decode_runs(length);
    let prefill = data.prefill.get(&length).unwrap_or(&none);
    let gb = (!decode.is_empty()).then(|| median(&of(Point::gb_per_second, decode)));
    let milliseconds = of(|point| 1000.0 * point.seconds, prefill);
    // What is known of a sampled rate is the spread of its steps; all runs read the same bytes.
    let sampled = data
        .sampled
        .get(&length)
        .filter(|_| data.is_sampled(length));
    let (rate, decode_gb) = match sampled {
        Some(found) => {
            let each = decode
                .first()
                .map_or(0.0, |run| run.bytes / run.tokens as f64);
            (
                Some(found.rate),
                Some(found.rate.map(|rate| rate * each / 1e9)),
            )
        }
        None => (
            Estimate::of(&of(Point::tokens_per_second, decode)),
            Estimate::of(&of(Point::gb_per_second, decode)),
        ),
    };
    let estimates = Estimates {
        decode: rate,
        decode_gb,
        decode_percent: decode_gb
            .zip(roof)
            .map(|(gb, roof)| gb.map(|gb| 100.0 * gb / roof)),
        prefill: Estimate::of(&of(Point::tokens_per_second, prefill)),
        prefill_gb: Estimate::of(&of(Point::gb_per_second, prefill)),
        first_token_ms: Estimate::of(&milliseconds),
    };
    Row {
        total_tokens: length,
        decode: Summary::of(&of(Point::tokens_per_second, decode)),
        sampled: sampled.is_some(),
        decode_gb_per_second: gb,
        percent_of_read_bandwidth: gb.zip(roof).map(|(gb, roof)| 100.0 * gb / roof),
        reference: reference.and_then(|table| table.at(length)),
        prefill: Summary::of(&of(Point::tokens_per_second, prefill)),
        time_to_first_token_ms: (!prefill.is_empty()).then(|| median(&milliseconds)),
        estimates,
    }
}

#[cfg(test)]
pub(crate) mod tests;
