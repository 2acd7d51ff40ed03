//! All that a report says, as plain data: numbers with their intervals, names, and sentences. `report.json` is
//! this value; page, summary, charts and tables show it.

use serde::Serialize;
use sysinfer_profiles::{HostInfo, ModelFacts, Serving};
use sysinfer_stats::Estimate;

/// Version of the value; it grows when a field changes its meaning or goes.
pub const LAYOUT: u32 = 4;

/// See the module. Absent is `null`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether anything may be done by it.
    pub trusted: bool,
    /// Why not, on one line.
    pub not_trusted_because: Option<String>,
    /// The same at length, and what to do, a sentence each.
    pub warning: Vec<String>,
    /// What came out, in one sentence.
    pub verdict: String,
    /// [`LAYOUT`].
    pub layout: u32,
    /// Version of the program.
    pub version: String,
    /// RFC 3339 time of writing.
    pub date: String,
    /// The command line.
    pub command: String,
    /// The host that was measured.
    pub host: HostInfo,
    /// Instruction sets of it that kernels use.
    pub instruction_sets: Vec<String>,
    /// Length of its SVE vectors, in words; `None` where there is no such thing.
    pub sve: Option<String>,
    /// The model that was measured.
    pub model: ModelFacts,
    /// Threads and pins that really held.
    pub threads: String,
    /// Read bandwidth of the decode team, which percentages refer to.
    pub read_gb_per_second: Option<Estimate>,
    /// The best that its nodes were seen to give, GB/s.
    pub read_gb_per_second_best: Option<f64>,
    /// Plain multiply-adds of the prompts' team beside the prompts, GMAC/s.
    pub prefill_arithmetic_gmac_per_second: Option<Estimate>,
    /// Core-to-core bandwidth beside the prompts, GB/s.
    pub prefill_core_to_core_gb_per_second: Option<Estimate>,
    /// Between-run variance of one plan's decode rate beyond sample noise, as a standard deviation; a share of 1.
    pub decode_between_runs: Option<f64>,
    /// The same of prefill.
    pub prefill_between_runs: Option<f64>,
    /// The decision; `None`: the run ended before it.
    pub chosen: Option<Chosen>,
    /// The command that serves with the profile; `None` where no server should or could.
    pub serve: Option<String>,
    /// Why not, then; empty where there is one.
    pub not_served_because: String,
    /// Why it is as fast as it is, the most important first.
    pub explanation: Vec<String>,
    /// Tokens of the prompt of decode runs.
    pub prompt_tokens: usize,
    /// The table, by length.
    pub lengths: Vec<Length>,
    /// The published table beside ours, and where it comes from.
    pub reference: Option<String>,
    /// How the numbers of the table came about, a paragraph each.
    pub method: Vec<String>,
    /// Steps of many sequences.
    pub concurrency: Option<Concurrency>,
    /// Where the time of steps goes.
    pub steps: Vec<Step>,
    /// The search, race by race.
    pub stages: Vec<Stage>,
    /// Samples that were taken, void ones included.
    pub samples: usize,
    /// How many were disturbed, and what became of them.
    pub disturbances: String,
    /// Void samples by reason.
    pub void_samples: Vec<Disturbed>,
    /// Samples that count although the host was disturbed.
    pub disturbed_samples: Vec<Disturbed>,
    /// What else was found.
    pub sections: Vec<Section>,
    /// What was not tried.
    pub not_tried: Vec<NotTried>,
    /// What was cut or noticed.
    pub remarks: Vec<String>,
    /// Files of the report.
    pub files: Vec<String>,
    /// The profile, if one was written.
    pub profile: Option<String>,
}

/// What the profile says to run.
#[derive(Clone, Debug, Serialize)]
pub struct Chosen {
    /// For one token after the other.
    pub decode: Team,
    /// For prompts.
    pub prefill: Team,
    /// All block sizes.
    pub blocking: String,
    /// What was decided and why, one line each.
    pub reasons: Vec<String>,
}

/// The plan of one phase.
#[derive(Clone, Debug, Serialize)]
pub struct Team {
    /// Workers.
    pub threads: usize,
    /// How they are placed.
    pub map: String,
    /// The CPUs that they are pinned to, as a list; empty: not pinned.
    pub cpus: String,
    /// Kernels by block type.
    pub kernels: String,
    /// Rate over the default's; `None` unless it is proven.
    pub gain: Option<f64>,
    /// What was seen of it, in words.
    pub gain_in_words: String,
    /// What was seen of it.
    pub rate_over_default: Option<Estimate>,
    /// The winner of the search over the default, chosen or not, round by round.
    pub winner_over_default: Option<Estimate>,
    /// Rate of the winner in these rounds.
    pub winner_tokens_per_second: Option<Estimate>,
    /// Rate of the default in these rounds.
    pub default_tokens_per_second: Option<Estimate>,
}

/// All that is known about one length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Length {
    /// Prompt and output for decode, the prompt for prefill.
    pub total_tokens: usize,
    /// Decode rate.
    pub decode_tokens_per_second: Option<Estimate>,
    /// Whether steps at several contexts were put together to it, where there was no time to decode all the way.
    pub decode_is_sampled: Option<bool>,
    /// Runs behind it, or passes of a sampled rate.
    pub decode_runs: Option<usize>,
    /// Slowest and fastest of these, tokens/s.
    pub decode_range: Option<(f64, f64)>,
    /// Weights and cache read while decoding.
    pub decode_gb_per_second: Option<Estimate>,
    /// The same in percent of the median read bandwidth.
    pub percent_of_read_bandwidth: Option<Estimate>,
    /// What the original published, tokens/s.
    pub reference_tokens_per_second: Option<f64>,
    /// Prefill rate.
    pub prefill_tokens_per_second: Option<Estimate>,
    /// Weights read for a prompt.
    pub prefill_gb_per_second: Option<Estimate>,
    /// From such a prompt to its first token.
    pub time_to_first_token_ms: Option<Estimate>,
}

impl Length {
    /// Whether its decode rate is sampled.
    pub fn is_sampled(&self) -> bool {
        self.decode_is_sampled == Some(true)
    }

    /// How the decode rate came about, in one word; empty without a rate.
    pub fn method(&self) -> &'static str {
        match self.decode_is_sampled {
            Some(true) => "sampled",
            Some(false) => "whole",
            None => "",
        }
    }
}

/// Many users at once.
#[derive(Clone, Debug, Serialize)]
pub struct Concurrency {
    /// Tokens that each sequence held.
    pub context_tokens: usize,
    /// Steps without a prompt, by sequences, ascending.
    pub sequences: Vec<Sequences>,
    /// Steps with a part of a prompt, by its tokens, ascending.
    pub prompt_parts: Vec<PromptPart>,
    /// The longest time between two tokens that a server keeps to beside these parts.
    pub token_gap_seconds: Option<f64>,
    /// What the profile tells a server.
    pub serving: Option<Serving>,
    /// What follows, a sentence each.
    pub findings: Vec<String>,
}

/// Steps of so many sequences.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sequences {
    /// At once.
    pub sequences: usize,
    /// Length of a step.
    pub step_seconds: Estimate,
    /// Of all together.
    pub tokens_per_second: Estimate,
    /// Of each.
    pub tokens_per_second_each: Estimate,
}

/// Steps that read a part of a prompt as well.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PromptPart {
    /// Sequences that decode beside it.
    pub sequences: usize,
    /// Tokens of the prompt.
    pub prompt_rows: usize,
    /// Length of a step.
    pub step_seconds: Estimate,
    /// Whether answers get their next token within the gap.
    pub within_gap: bool,
}

/// Where the time of one kind of step goes.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// `chosen` or `default`.
    pub plan: String,
    /// `decode` or `prefill`.
    pub phase: String,
    /// Length at the step, or tokens of the prompt.
    pub total_tokens: usize,
    /// Its length.
    pub step_seconds: Estimate,
    /// By kind of work.
    pub parts: Vec<Part>,
}

/// A part of a step.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// Kind of work.
    pub name: String,
    /// Mean over the workers.
    pub mean_seconds: Estimate,
    /// The worker with the most.
    pub worst_worker_seconds: f64,
    /// Of the step; all parts make 1.
    pub share: f64,
}

/// A race of the search.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// The word in the journal.
    pub stage: String,
    /// What it was about.
    pub title: String,
    /// Who won.
    pub winner: String,
    /// Why.
    pub why: String,
    /// Rounds thrown away because the host changed meanwhile.
    pub discarded_rounds: usize,
    /// All that took part, the fastest first.
    pub candidates: Vec<Candidate>,
}

/// One that took part.
#[derive(Clone, Debug, Serialize)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// Why it was tried.
    pub reason: String,
    /// Its rate; `None`: never measured.
    pub tokens_per_second: Option<Estimate>,
    /// Why it left; `None`: it stayed to the end.
    pub left_because: Option<String>,
    /// Threads of the phase's team.
    pub threads: usize,
    /// Their map.
    pub map: String,
}

/// Samples that were disturbed in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disturbed {
    /// How, with the range of what varies from one to the next.
    pub reason: String,
    /// How many.
    pub count: usize,
    /// In which stages, as the journal names them.
    pub stages: Vec<String>,
}

/// Something else that is shown as it is: findings about the host, a map of its bandwidth.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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

/// Something that was not tried.
#[derive(Clone, Debug, Serialize)]
pub struct NotTried {
    /// What it would have been called.
    pub name: String,
    /// Why not.
    pub reason: String,
}
