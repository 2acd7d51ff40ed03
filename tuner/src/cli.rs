//! The command line: flags, their units and defaults, and the help that explains them.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use sysinfer_engine::{Preset, WeightStorage};
use sysinfer_machine::{CpuList, MapPolicy};

use crate::compare::CompareArgs;
use crate::export::ExportArgs;
use crate::load::arguments::LoadArgs;
use crate::numbers::Numbers;
use crate::perplexity::PerplexityArgs;
use crate::search::{Effort, Level};
use crate::show::ShowArgs;
use crate::space::blocking::Asked;
use crate::verify::VerifyArgs;

const EXAMPLES: &str = "\
Examples:
  sysinfer-tune model.gguf                       tune, write sysinfer-profile.toml and a report
  sysinfer-tune --synthetic llama3-8b --quick    tune on random weights of that shape, in minutes
  sysinfer-tune model.gguf --threads 44,88 --maps spread,compact -o kunpeng.toml
  sysinfer-tune model.gguf --cpus 0-21,24-45,48-69,72-93
  sysinfer-tune model.gguf --reports reports     a report folder for this host, date and model
  sysinfer-tune model.gguf --format json > run.json
  sysinfer-tune --dry-run                        show what would be tried on this host, and why
  HWLOC_SYNTHETIC='pack:2 numa:2 l3:1 core:24 pu:1' sysinfer-tune --dry-run
  sysinfer-tune bench model.gguf --threads 2 --json
  sysinfer-tune bench model.gguf --lookup summarise-this.txt --lookup free-text.txt
  sysinfer-tune bench model.gguf --sequences 4 --lengths 64 --prefill none
  sysinfer-tune bench model.gguf --first-token
  sysinfer-tune bench model.gguf --weights mapped
  sysinfer-tune perplexity model.gguf text.txt --cache q8_0
  sysinfer-tune model.gguf --resume              go on with a run that was killed or interrupted
  sysinfer-tune --replay sysinfer-profile-report/journal.jsonl   search again, measuring nothing
  sysinfer-tune check                            what about this host costs speed, and what to do
  sysinfer-tune bandwidth                        what its memory gives, by node and thread count
  sysinfer-tune show sysinfer-profile.toml
  sysinfer-tune model.gguf --blocks 'rows=32,64;chunk=256' --time-limit 600
  sysinfer-tune --simulate hosts/kunpeng-920-reference.toml --synthetic llama3-8b --threads 48
  sysinfer-tune study --hosts hosts --runs 200 -o simulated-hosts
  sysinfer-tune verify sysinfer-profile.toml model.gguf
  sysinfer-tune compare monday.toml friday.toml
  sysinfer-tune export sysinfer-profile.toml --format systemd
  sysinfer-tune load http://127.0.0.1:7860 --rate 2 --duration 60

Then: sysinfer-server model.gguf -t 0.0 -n 4096 --profile sysinfer-profile.toml
A file whose name is that of a subcommand is written with a path: ./show";

/// Measures this host with a model and writes the profile that sysinfer-server loads.
#[derive(Debug, Parser)]
#[command(
    name = "sysinfer-tune",
    version,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// Other tasks than tuning.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Arguments of the tuner itself.
    #[command(flatten)]
    pub tune: TuneArgs,
}

/// Subcommands; without one, the program tunes.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a model of random weights as a GGUF file that other engines load too
    Synth(SynthArgs),
    /// Print all that a profile says, and where it comes from
    Show(ShowArgs),
    /// Measure a profile's table again: does it still hold?
    Verify(VerifyArgs),
    /// Say what differs between two profiles or reports, and whether their rates do
    Compare(CompareArgs),
    /// Print a profile as environment, numactl, container and systemd settings
    Export(ExportArgs),
    /// Drive a server of the OpenAI API and report latencies and throughput
    Load(LoadArgs),
    /// Measure one plan, without a search
    Bench(BenchArgs),
    /// Measure what a kernel, a cache type or a quantisation costs in quality
    Perplexity(PerplexityArgs),
    /// Hold the search against simulated hosts, whose best plan is known
    Study(StudyArgs),
    /// Print what about this host costs speed, with a remedy each; measures nothing
    Check(CheckArgs),
    /// Measure the read bandwidth of this host's memory: by node, thread count and distance
    Bandwidth(BandwidthArgs),
}

/// The model: a file, or a shape.
#[derive(Args, Clone, Debug)]
pub struct ModelArgs {
    /// GGUF file of the model
    #[arg(value_name = "MODEL.gguf", conflicts_with = "synthetic")]
    pub model: Option<PathBuf>,
    /// Random weights of a known shape instead of a file; speed does not depend on weight values
    #[arg(long, value_name = "PRESET", value_parser = preset_parser())]
    pub synthetic: Option<String>,
}

/// What becomes of the model's file.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct FileArgs {
    /// Leave the model file in the page cache once it is loaded: it opens faster the next time, and
    /// takes that memory until the system wants it
    #[arg(long)]
    pub keep_file_cache: bool,
    /// Where weights are: packed (in memory, fastest), mapped (in the file, packed anew at every step)
    /// or auto (mapped if packed weights would take more than half of the memory that may be used)
    /// [default: as the profile says, else auto]
    #[arg(long, value_name = "WHERE")]
    pub weights: Option<WeightStorage>,
}

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
    /// attention=128; several separated by ";" or given one by one [default: derived]
    #[arg(long, value_name = "NAME=SIZES")]
    pub blocks: Vec<Asked>,
    /// Tune a simulated host that this file describes, in place of this one: takes seconds, and
    /// measures nothing
    #[arg(long, value_name = "HOST.toml", conflicts_with = "topology_xml")]
    pub simulate: Option<PathBuf>,
    /// Profile to write
    #[arg(
        short,
        long,
        value_name = "PROFILE.toml",
        default_value = "sysinfer-profile.toml"
    )]
    pub output: PathBuf,
    /// Directory of the report [default: PROFILE-report beside the profile]
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Directory with a folder for each host, and in it one for each date and model, which becomes
    /// the directory of the report: reports/HOST/DATE-MODEL
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
    /// Total lengths (prompt + output) of the table, tokens
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
    /// Runs of the table [default: 3, with --quick 1, with --patient 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub repeat: Option<u16>,
    /// Stop searching and cut the table so as to end after about this long, seconds
    /// [default: 900, with --quick 120, with --patient none]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(10..))]
    pub time_limit: Option<u32>,
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
    /// was measured is not measured again. Without a journal, begin
    #[arg(long, conflicts_with = "reports")]
    pub resume: bool,
    /// Search on the samples of a journal alone: no model, no measuring. Arguments are those of the
    /// recorded run, unless given here [output default: sysinfer-replay.toml]
    #[arg(long, value_name = "JOURNAL.jsonl", conflicts_with_all = ["model", "synthetic", "resume", "dry_run"])]
    pub replay: Option<PathBuf>,
}

/// Arguments of `check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `bandwidth`.
#[derive(Args, Clone, Debug)]
pub struct BandwidthArgs {
    /// Rounds over all rows; every round reads each row three times
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rounds: u16,
    /// Begin no further row after so many seconds, once each was read
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pub seconds: u16,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
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
    /// How patient the run is.
    pub fn level(&self) -> Level {
        match (self.quick, self.patient) {
            (true, _) => Level::Quick,
            (false, true) => Level::Patient,
            (false, false) => Level::Usual,
        }
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

    /// Block sizes that were asked for.
    pub fn asked_blocks(&self) -> Asked {
        self.blocks.iter().fold(Asked::default(), Asked::with)
    }
}

/// Arguments of `study`.
#[derive(Args, Clone, Debug)]
pub struct StudyArgs {
    /// Directory of host files
    #[arg(long, value_name = "DIR", default_value = "hosts")]
    pub hosts: PathBuf,
    /// Runs of the search on each host, every one with noise of its own
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub runs: u16,
    /// Directory of study.csv, summary.md and histograms
    #[arg(short, long, value_name = "DIR", default_value = "simulated-hosts")]
    pub output: PathBuf,
}

/// Arguments of `synth`.
#[derive(Args, Clone, Debug)]
pub struct SynthArgs {
    /// The shape
    #[arg(value_parser = preset_parser())]
    pub preset: String,
    /// File to write
    #[arg(value_name = "OUT.gguf")]
    pub output: PathBuf,
    /// Seed of the random weights
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// How a model is run where there is no search.
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// Plan to measure [default: one thread per core, compact]
    #[arg(long, value_name = "PROFILE.toml", conflicts_with_all = ["threads", "cpus"])]
    pub profile: Option<PathBuf>,
    /// Use the profile although it was made on another host
    #[arg(long, requires = "profile")]
    pub force_profile: bool,
    /// Threads of both phases [default: cores that may be used]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub threads: Option<u16>,
    /// CPUs of the threads, in the form of GOMP_CPU_AFFINITY
    #[arg(long, value_name = "GOMP_LIST")]
    pub cpus: Option<CpuList>,
    /// Kernel for its block type and phase, instead of the plan's; may be given several times
    /// [default: the plan's, else the best for this CPU]
    #[arg(long = "kernel", value_name = "NAME")]
    pub kernels: Vec<String>,
    /// What becomes of the file.
    #[command(flatten)]
    pub file: FileArgs,
}

/// Arguments of `bench`.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// What to run.
    #[command(flatten)]
    pub model: ModelArgs,
    /// How to run it.
    #[command(flatten)]
    pub plan: PlanArgs,
    /// Total lengths (prompt + output) of the decode run, tokens, or none
    #[arg(long, value_name = "LIST", default_value = "32,64,128,256,512", value_parser = Numbers::or_none)]
    pub lengths: Numbers,
    /// Prompt lengths, tokens, or none
    #[arg(long, value_name = "LIST", default_value = "128,512", value_parser = Numbers::or_none)]
    pub prefill: Numbers,
    /// Sequences that every decode step extends; rates are those of all together
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub sequences: u16,
    /// Only load, read the prompt and choose one token; print how long that took from the start of
    /// the program, and the most memory that it took
    #[arg(long, conflicts_with_all = ["lengths", "prefill", "sequences", "repeat"])]
    pub first_token: bool,
    /// Tokens of the prompt that decode runs start from
    #[arg(long, value_name = "TOKENS", default_value_t = 16)]
    pub prompt: usize,
    /// Runs; the median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub repeat: u16,
    /// Measure lookup instead: the text of FILE is continued with and without drafts from what
    /// prompt and answer repeat, and both answers are compared. May be given several times;
    /// control tokens that are written out count, so FILE can hold a whole chat prompt
    #[arg(long, value_name = "FILE", conflicts_with_all = ["lengths", "prefill", "prompt"])]
    pub lookup: Vec<PathBuf>,
    /// Most tokens of an answer of --lookup; an end token ends it before
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    pub tokens: u16,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

fn preset_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(Preset::all().iter().map(|preset| preset.name()))
}

fn policy(name: &str) -> Result<MapPolicy, String> {
    MapPolicy::from_name(name.trim()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_bare_form_and_the_subcommands_parse() {
        Cli::command().debug_assert();
        let bare =
            Cli::try_parse_from(["sysinfer-tune", "m.gguf", "--quick", "--threads", "1-4:2"])
                .expect("bare form");
        assert!(bare.command.is_none() && bare.tune.quick);
        assert_eq!(
            bare.tune.threads.as_ref().expect("threads").values(),
            [1, 3]
        );
        assert_eq!(bare.tune.lengths.values().last(), Some(&4096));
        assert_eq!(bare.tune.limit_seconds(), Some(120.0));
        let line = "sysinfer-tune m.gguf --patient --prompts 32 --blocks rows=32 --blocks chunk=64";
        let patient = Cli::parse_from(line.split(' ')).tune;
        assert_eq!(
            (patient.level(), patient.limit_seconds()),
            (Level::Patient, None)
        );
        assert_eq!(patient.prefill.as_ref().map(|p| p.values().len()), Some(1));
        let blocks = patient.asked_blocks();
        assert_eq!(
            (blocks.rows, blocks.chunk),
            (Some(vec![32]), Some(vec![64]))
        );
        let line = "sysinfer-tune study --hosts h --runs 20 -o out";
        let study = Cli::parse_from(line.split(' ')).command;
        assert!(matches!(study, Some(Command::Study(study)) if study.runs == 20));
        let synth =
            Cli::try_parse_from(["sysinfer-tune", "synth", "tiny", "t.gguf"]).expect("synth");
        assert!(matches!(synth.command, Some(Command::Synth(_))));
        assert!(!bare.tune.file.keep_file_cache);
        let kept = Cli::parse_from(["sysinfer-tune", "m.gguf", "--keep-file-cache"]);
        assert!(kept.tune.file.keep_file_cache);
        let line = "sysinfer-tune bench m.gguf --sequences 4 --lengths 64 --prefill none";
        let Some(Command::Bench(wide)) = Cli::parse_from(line.split(' ')).command else {
            panic!("bench was not parsed");
        };
        assert_eq!((wide.sequences, wide.prefill.values().len()), (4, 0));
        let bench = [
            "sysinfer-tune",
            "bench",
            "--synthetic",
            "tiny",
            "--threads",
            "2",
            "--json",
        ];
        assert!(matches!(
            Cli::try_parse_from(bench).expect("bench").command,
            Some(Command::Bench(_))
        ));
    }

    #[test]
    fn wrong_arguments_are_refused() {
        let wrong: [&[&str]; 24] = [
            &["m.gguf", "--quick", "--patient"],
            &["m.gguf", "--blocks", "rows=0"],
            &["study", "--runs", "0"],
            &[
                "m.gguf",
                "--simulate",
                "h.toml",
                "--dry-run",
                "--topology-xml",
                "t.xml",
            ],
            &["m.gguf", "--report", "r", "--reports", "rs"],
            &["m.gguf", "--format", "xml"],
            &["--dry-run", "--format", "json"],
            &["--replay", "j.jsonl", "m.gguf"],
            &["--replay", "j.jsonl", "--resume"],
            &["bandwidth", "--rounds", "0"],
            &["bench", "m.gguf", "--sequences", "0"],
            &["bench", "m.gguf", "--first-token", "--lengths", "64"],
            &["m.gguf", "--lengths", "none"],
            &["m.gguf", "--synthetic", "tiny"],
            &["--synthetic", "llama4"],
            &["m.gguf", "--maps", "sideways"],
            &["m.gguf", "--threads", "0"],
            &["m.gguf", "--lengths", "32,x"],
            &["m.gguf", "--cpus", "0-99999999999"],
            &["m.gguf", "--repeat", "0"],
            &["m.gguf", "--topology-xml", "t.xml"],
            &["bench", "m.gguf", "--profile", "p.toml", "--threads", "2"],
            &["bench", "m.gguf", "--lookup", "p.txt", "--prompt", "2"],
            &["bench", "m.gguf", "--lookup", "p.txt", "--tokens", "0"],
        ];
        for arguments in wrong {
            let line = std::iter::once(&"sysinfer-tune").chain(arguments);
            assert!(
                Cli::try_parse_from(line).is_err(),
                "{arguments:?} was accepted"
            );
        }
    }
}
