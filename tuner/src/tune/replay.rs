//! `--replay`: the search on the samples of a journal alone. Host and model are those of the header, so
//! it runs anywhere, in no time: to look at what another effort, or another version of the search,
//! would have chosen from the same samples.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, bail};
use clap::{CommandFactory, FromArgMatches};

use super::arguments::TuneArgs;
use super::conclude::conclude;
use super::{Setting, report_directory, search, teams};
use crate::Ending;
use crate::commands::Cli;
use crate::host::Host;
use crate::interrupt::Interrupt;
use crate::journal::Journal;
use crate::journal::clock::SampleClock;
use crate::journal::facts::host_info;
use crate::journal::format::Header;
use crate::journal::opening::instruction_sets;
use crate::journal::read::read;
use crate::journal::recorder::Recorder;
use crate::progress::Progress;
use crate::source::Source;
use crate::space::kernels::KernelSpace;

/// Where results go unless told otherwise: never over those of the recorded run.
const OUTPUT: &str = "sysinfer-replay.toml";
/// What `--output` is where it is not given.
const USUAL_OUTPUT: &str = "sysinfer-profile.toml";

/// Searches, and writes profile and report as a run does.
///
/// # Errors
/// No journal, or one that lacks a sample: what was decided until then is written all the same.
pub fn run(path: &Path, own: &TuneArgs) -> anyhow::Result<Ending> {
    let Some(recorded) = read(path)? else {
        bail!(
            "{} has no header: the run ended before its first sample",
            path.display()
        );
    };
    let header = recorded.header.clone();
    let words = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned());
    let arguments = merged(&header, words.collect(), own)
        .with_context(|| format!("the arguments in {}", path.display()))?;
    notes(path, &header, recorded.torn);
    let topology = header.topology.topology();
    let host = Host {
        info: host_info(&header.host),
        effective_cpus: header.effective_cpus,
        topology,
    };
    let teams = teams(&arguments, &host)?;
    let source = Source::required(&arguments.model)?;
    let directory = report_directory(&arguments, &host.info.cpu_model, &source.name())?;
    let clock = Rc::new(SampleClock::default());
    let mut samples = Journal::create(&directory, clock.clone())
        .with_context(|| format!("cannot keep samples in {}", directory.display()))?;
    let (interrupt, progress) = (Interrupt::install()?, Progress::to_stderr());
    let info = header.model.info();
    let setting = Setting {
        arguments: &arguments,
        host: &host,
        teams: &teams,
        kernels: &KernelSpace::of_this_host(&info.block_types),
        info: &info,
        default: &header.default,
        clock: &|| clock.seconds(),
        progress: &progress,
        interrupt: &interrupt,
        findings: header.findings.clone(),
    };
    let mut recorder = Recorder::replayed(clock.clone(), recorded);
    let mut run = search(setting, &mut recorder, &mut samples)?;
    run.findings.remarks.extend(recorder.remark());
    run.pins = format!("those of the run of {}, which this replays", header.date);
    conclude(&arguments, &host, &source, &directory, run)
}

fn notes(path: &Path, header: &Header, torn: bool) {
    if torn {
        eprintln!(
            "the last line of {} is torn: its sample is lost",
            path.display()
        );
    }
    if header.instruction_sets != instruction_sets() {
        eprintln!(
            "the journal is of a CPU with other instruction sets ({}): kernels that were tried there may be missing here",
            header.instruction_sets.join(", ")
        );
    }
}

/// The recorded arguments, overruled by those that are given now.
fn merged(header: &Header, words: Vec<String>, own: &TuneArgs) -> anyhow::Result<TuneArgs> {
    let line = std::iter::once("sysinfer-tune".to_owned())
        // Where its report went is over: this one goes elsewhere.
        .chain(without(
            &["--report", "--reports"],
            header.arguments.clone(),
        ))
        // The journal excludes a model, which the recorded arguments name.
        .chain(without(&["--replay"], words));
    let matches = Cli::command()
        .args_override_self(true)
        .try_get_matches_from(line)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let output = if own.output == Path::new(USUAL_OUTPUT) {
        PathBuf::from(OUTPUT)
    } else {
        own.output.clone()
    };
    Ok(TuneArgs {
        output,
        report: own.report.clone(),
        replay: own.replay.clone(),
        resume: false,
        dry_run: false,
        topology_xml: None,
        ..matches.tune
    })
}

/// Words of a command line but for some options and their values.
fn without(options: &[&str], words: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.split_once('=') {
            Some((name, _)) if options.contains(&name) => {}
            None if options.contains(&word.as_str()) => drop(words.next()),
            _ => kept.push(word),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn options_go_with_their_values() {
        let cases = [
            ("m.gguf --reports r --threads 2", "m.gguf --threads 2"),
            ("--report=r m.gguf", "m.gguf"),
            ("m.gguf --report", "m.gguf"),
            ("m.gguf --reporter r", "m.gguf --reporter r"),
        ];
        for (line, expected) in cases {
            let words = line.split(' ').map(String::from).collect();
            let kept = without(&["--report", "--reports"], words);
            assert_eq!(kept.join(" "), expected, "{line}");
        }
    }
}
