//! The command line: one file or folder for each subcommand, with its arguments, their units and
//! defaults, and the help that explains them. Without a subcommand the program tunes ([`crate::tune`]).
//!
//! [`check`] and [`bandwidth`] look at the host; [`mod@bench`] and [`perplexity`] measure one plan, which
//! [`chosen_plan`] reads from the command line; [`show`], [`verify`], [`compare`] and [`export`] work on
//! what a run has left; [`load`] drives a server; [`synth`] writes a model.

pub mod bandwidth;
pub mod bench;
pub mod check;
pub mod chosen_plan;
pub mod compare;
pub mod export;
pub mod load;
pub mod perplexity;
pub mod show;
pub mod study;
pub mod synth;
pub mod verify;

use clap::{Parser, Subcommand};

use self::bandwidth::BandwidthArgs;
use self::bench::arguments::BenchArgs;
use self::check::CheckArgs;
use self::compare::CompareArgs;
use self::export::ExportArgs;
use self::load::arguments::LoadArgs;
use self::perplexity::PerplexityArgs;
use self::show::ShowArgs;
use self::study::StudyArgs;
use self::synth::SynthArgs;
use self::verify::arguments::VerifyArgs;
use crate::tune::arguments::TuneArgs;
use crate::{Ending, tune};

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
  sysinfer-tune bench model.gguf --lengths 32,1024,4096 --sampled-from 1024
  sysinfer-tune bench model.gguf --first-token
  sysinfer-tune bench model.gguf --weights mapped
  sysinfer-tune perplexity model.gguf text.txt --cache q8_0
  sysinfer-tune model.gguf --resume              go on with a run that was killed or interrupted
  sysinfer-tune model.gguf --resume --force-untrusted   keep its plan although other load disturbed it
  sysinfer-tune model.gguf --wait 600            on a busy host, wait up to ten minutes for quiet
  sysinfer-tune --replay sysinfer-profile-report/journal.jsonl   search again, measuring nothing
  sysinfer-tune check                            what about this host costs speed, and what to do
  sysinfer-tune check model.gguf                 whether the file would load, and has damaged weights
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
    /// Print what about this host costs speed, with a remedy each, or what is wrong with a model file;
    /// measures nothing
    Check(CheckArgs),
    /// Measure the read bandwidth of this host's memory: by node, thread count and distance
    Bandwidth(BandwidthArgs),
}

impl Cli {
    /// Does what the command line asks for.
    ///
    /// # Errors
    /// Those of the command.
    pub fn run(&self) -> anyhow::Result<Ending> {
        let Some(command) = &self.command else {
            return tune::run(&self.tune);
        };
        match command {
            Command::Synth(arguments) => synth::run(arguments),
            Command::Show(arguments) => show::run(arguments),
            Command::Verify(arguments) => verify::run(arguments),
            Command::Compare(arguments) => compare::run(arguments),
            Command::Export(arguments) => export::run(arguments),
            Command::Load(arguments) => load::run(arguments),
            Command::Bench(arguments) => bench::run(arguments),
            Command::Perplexity(arguments) => perplexity::run(arguments),
            Command::Study(arguments) => study::run(arguments),
            Command::Check(arguments) => check::run(arguments),
            Command::Bandwidth(arguments) => bandwidth::run(arguments),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use sysinfer_search::Level;

    use super::*;

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
        let waits = |line: &str| Cli::parse_from(line.split(' ')).tune.wait_seconds();
        assert_eq!(waits("t m.gguf"), 60.0);
        assert_eq!(waits("t m.gguf --wait 5"), 5.0);
        assert_eq!(waits("t m.gguf --wait 0"), 0.0);
        assert_eq!(waits("t m.gguf --no-wait --quick"), 0.0);
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
        let wrong: [&[&str]; 29] = [
            &["m.gguf", "--wait", "5", "--no-wait"],
            &["m.gguf", "--wait", "-1"],
            &["m.gguf", "--wait", "5", "--dry-run"],
            &["--replay", "j.jsonl", "--wait", "5"],
            &["bench", "m.gguf", "--force-untrusted"],
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
