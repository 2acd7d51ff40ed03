//! The arguments of a tuning run, and how much measuring they ask for.

use std::path::{Path, PathBuf};

use clap::{Args, Parser, ValueEnum};
use sysinfer_machine::{CpuList, MapPolicy};
use sysinfer_profiles::serving::{MAX_TOKEN_GAP_MS, TOKEN_GAP_MS};
use sysinfer_search::space::asked::Asked;
use sysinfer_search::{Effort, Level};

use crate::model_arguments::{FileArgs, ModelArgs};
use crate::numbers::Numbers;

/// How long a run waits for a busy host, at most, unless told otherwise, seconds.
const WAIT_SECONDS: f64 = 60.0;

/// Most sequences that are measured at once.
const MAX_SEQUENCES: usize = 256;

/// Arguments of `sysinfer-tune MODEL.gguf`.
#[derive(Args, Clone, Debug)]
pub struct TuneArgs {
    /// What to run.
    #[command(flatten)]
    pub model: ModelArgs,
    /// About two minutes: fewer and shorter samples, and lengths that the time allows [default:
    /// about fifteen]
    #[arg(long)]
    pub quick: bool,
    /// As long as it takes: more and longer samples, and no limit of time
    #[arg(long, conflicts_with = "quick")]
    pub patient: bool,
    /// Measure every combination of candidates instead of going stage by stage; takes hours
    #[arg(long)]
    pub exhaustive: bool,
    /// Block sizes to try beside the default's: prefetch=0,1024 (bytes), rows=32,64, chunk=256,
    /// attention=128, decode-rows=8,16 (tokens of a step of the decode team); several separated by ";" or
    /// given one by one [default: derived]
    #[arg(long, value_name = "NAME=SIZES")]
    pub blocks: Vec<Asked>,
    /// Tune a simulated host that this file describes, in place of this one: takes seconds, and
    /// measures nothing
    #[arg(long, value_name = "HOST.toml", conflicts_with_all = ["topology_xml", "resume", "replay"])]
    pub simulate: Option<PathBuf>,
    /// Profile to write [default: sysinfer-profile.toml, with --simulate sysinfer-simulated.toml, with
    /// --replay sysinfer-replay.toml]
    #[arg(short, long, value_name = "PROFILE.toml")]
    pub output: Option<PathBuf>,
    /// Directory of the report [default: PROFILE-report beside the profile]
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Directory with a folder for each host, and in it one for each date and model, which becomes
    /// the directory of the report: reports/HOST/DATE-MODEL, for later runs of a day DATE-MODEL-2 and
    /// so on
    #[arg(long, value_name = "DIR", conflicts_with = "report")]
    pub reports: Option<PathBuf>,
    /// What is printed at the end: tables, or one JSON object with all figures and their intervals
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "text",
        conflicts_with = "dry_run"
    )]
    pub format: Format,
    /// Thread counts to try: 1,2,4 or 8-96:8 [default: derived from the topology]
    #[arg(long, value_name = "LIST")]
    pub threads: Option<Numbers>,
    /// Maps to try: compact, spread, per-cluster, smt, unpinned, given [default: all that apply]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = policy)]
    pub maps: Option<Vec<MapPolicy>>,
    /// CPUs of the map "given", in the form of GOMP_CPU_AFFINITY: 0-21,24-45
    #[arg(long, value_name = "GOMP_LIST")]
    pub cpus: Option<CpuList>,
    /// Total lengths (prompt + output) of the table, tokens; those that there is no time to decode to
    /// are sampled: some decode steps behind a prompt of each, and marked so
    #[arg(
        long,
        value_name = "LIST",
        default_value = "32,64,128,256,512,1024,2048,4096"
    )]
    pub lengths: Numbers,
    /// Tokens of the prompt that decode runs start from
    #[arg(long, value_name = "TOKENS", default_value_t = 16)]
    pub prompt: usize,
    /// Prompt lengths of the table, tokens [default: as --lengths]
    #[arg(long, value_name = "LIST", visible_alias = "prompts")]
    pub prefill: Option<Numbers>,
    /// Runs of the table [default: 3, with --quick 1, with --patient 5; except with --quick,
    /// up to three times as many while rates are not sure to a percent, none is sampled and there is time]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub repeat: Option<u16>,
    /// Numbers of sequences to measure at once, as a server answers many users: rates of all and of each, and
    /// the number of requests that the profile tells the server to answer at once
    #[arg(
        long,
        value_name = "LIST",
        default_value = "1,2,4,8,16",
        value_parser = sequences
    )]
    pub sequences: Numbers,
    /// Longest time between two tokens of an answer while prompts of others are read, milliseconds: goes
    /// into the profile, for the server; parts of prompts are measured up to it
    #[arg(long, value_name = "MS", default_value_t = TOKEN_GAP_MS, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_TOKEN_GAP_MS)))]
    pub token_gap: u32,
    /// Stop searching, sample or cut the longest lengths so as to end after about this long, seconds
    /// [default: 900, with --quick 120, with --patient or --exhaustive none]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(10..))]
    pub time_limit: Option<u32>,
    /// Wait so long, at most, for a busy host to become quiet before measuring, seconds; 0: not at all
    /// [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(..=86400), conflicts_with_all = ["simulate", "replay", "dry_run"])]
    pub wait: Option<u32>,
    /// Measure at once, however busy the host is: as --wait 0
    #[arg(long, conflicts_with = "wait")]
    pub no_wait: bool,
    /// Keep the plan that was found in the profile even if too many samples were disturbed for it to be
    /// trusted, instead of the default plan; the profile says so all the same, and servers need
    /// --force-untrusted as well to run it
    #[arg(long, conflicts_with = "dry_run")]
    pub force_untrusted: bool,
    /// What becomes of the model's file.
    #[command(flatten)]
    pub file: FileArgs,
    /// Print the host and every candidate with its reason; measure nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Topology from an lstopo XML file, for --dry-run
    #[arg(long, value_name = "FILE", requires = "dry_run")]
    pub topology_xml: Option<PathBuf>,
    /// Go on with the run of the same arguments that left its journal in the report directory: what
    /// was measured is not measured again. Without a journal, begin. A run with --reports DIR is gone on
    /// with by naming its folder: --report DIR/HOST/DATE-MODEL
    #[arg(long, conflicts_with = "reports")]
    pub resume: bool,
    /// Search on the samples of a journal alone: no model, no measuring. Arguments are those of the
    /// recorded run, unless given here
    #[arg(long, value_name = "JOURNAL.jsonl", conflicts_with_all = ["model", "synthetic", "resume", "dry_run"])]
    pub replay: Option<PathBuf>,
}

/// A command line that tunes, as a journal records it.
#[derive(Debug, Parser)]
#[command(name = "sysinfer-tune")]
pub(crate) struct Line {
    /// All of it.
    #[command(flatten)]
    pub(crate) tune: TuneArgs,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables and sentences.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

impl TuneArgs {
    /// The profile to write. What measured nothing never goes over the profile of a run that did,
    /// unless told to.
    pub fn output(&self) -> &Path {
        let usual = match (&self.replay, &self.simulate) {
            (Some(_), _) => "sysinfer-replay.toml",
            (None, Some(_)) => "sysinfer-simulated.toml",
            (None, None) => "sysinfer-profile.toml",
        };
        self.output.as_deref().unwrap_or(Path::new(usual))
    }

    /// How patient the run is.
    pub fn level(&self) -> Level {
        match (self.quick, self.patient) {
            (true, _) => Level::Quick,
            (false, true) => Level::Patient,
            (false, false) => Level::Usual,
        }
    }

    /// Runs of the table.
    pub fn table_runs(&self) -> usize {
        let usual = self.level().table_runs();
        self.repeat.map_or(usual, usize::from)
    }

    /// Runs of the table at most, where its rates stay unsure.
    pub fn most_table_runs(&self) -> usize {
        let usual = self.level().most_table_runs();
        self.repeat.map_or(usual, usize::from)
    }

    /// When the run shall end, seconds.
    pub fn limit_seconds(&self) -> Option<f64> {
        // Whoever asks for everything does not mean a quarter of an hour.
        let usual = self.level().limit_seconds().filter(|_| !self.exhaustive);
        self.time_limit.map(f64::from).or(usual)
    }

    /// How much measuring the run may do.
    pub fn effort(&self) -> Effort {
        Effort::new(self.level(), self.limit_seconds())
    }

    /// How long to wait for the host to be quiet, at most, seconds.
    pub fn wait_seconds(&self) -> f64 {
        match self.no_wait {
            true => 0.0,
            false => self.wait.map_or(WAIT_SECONDS, f64::from),
        }
    }

    /// Block sizes that were asked for.
    pub fn asked_blocks(&self) -> Asked {
        self.blocks.iter().fold(Asked::default(), Asked::with)
    }
}

/// More sequences than anybody has rows for would take memory without end.
fn sequences(list: &str) -> Result<Numbers, String> {
    let numbers: Numbers = list.parse()?;
    match numbers.values().last() {
        Some(most) if *most > MAX_SEQUENCES => {
            Err(format!("{most} sequences are more than {MAX_SEQUENCES}"))
        }
        _ => Ok(numbers),
    }
}

fn policy(name: &str) -> Result<MapPolicy, String> {
    MapPolicy::from_name(name.trim()).map_err(|error| error.to_string())
}
