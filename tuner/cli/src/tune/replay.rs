//! `--replay`: the search on the samples of a journal alone. Host and model are those of the header, so
//! it runs anywhere, in no time: to look at what another effort, or another version of the search,
//! would have chosen from the same samples.

use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, anyhow, bail};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches};
use sysinfer_journal::clock::SampleClock;
use sysinfer_journal::format::Header;
use sysinfer_journal::opening::instruction_sets;
use sysinfer_journal::read::read;
use sysinfer_journal::recorder::Recorder;
use sysinfer_measure::host::Host;
use sysinfer_search::space::kernels::KernelSpace;

use super::arguments::{Line, TuneArgs};
use super::conclude::conclude;
use super::destination;
use super::lengths::table_plan;
use super::samples::samples_table;
use super::search::search;
use super::setting::{Setting, teams};
use super::shell::words;
use crate::progress::Terminal;
use crate::{Ending, interrupt};

/// Arguments that are over with the recorded run: where its results went, how it began, and a plan that
/// was kept in spite of its samples.
const OVER: [&str; 7] = [
    "output",
    "report",
    "reports",
    "resume",
    "wait",
    "no_wait",
    "force_untrusted",
];

/// Searches, and writes profile and report as a run does.
///
/// # Errors
/// No journal, or one that lacks a sample: what was decided until then is written all the same.
pub fn run(path: &Path) -> anyhow::Result<Ending> {
    let Some(recorded) = read(path)? else {
        bail!(
            "{} has no header: the run ended before its first sample",
            path.display()
        );
    };
    let header = recorded.header.clone();
    let arguments = merged(path, &header.arguments, &words())
        .with_context(|| format!("the arguments in {}", path.display()))?;
    recorded
        .warning(path)
        .iter()
        .for_each(|line| eprintln!("{line}"));
    warn_of_instruction_sets(&header);
    let topology = header.topology.topology();
    let host = Host {
        info: header.host.clone(),
        effective_cpus: header.effective_cpus,
        topology,
    };
    let teams = teams(&arguments, &host)?;
    let source = arguments.model.required()?;
    let folder = destination::take(&arguments, &host.info.cpu_model, &source.name())?;
    let directory = folder.path();
    let info = header.model.clone();
    // Before samples of an earlier run are put aside for those of this one.
    table_plan(&arguments, &info, &mut Vec::new())?;
    let clock = Rc::new(SampleClock::default());
    let mut samples = samples_table(directory, false, &clock)?;
    let (interrupt, progress) = (interrupt::install()?, Terminal::to_stderr());
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
    run.samples = samples.samples();
    run.findings.remarks.extend(recorder.remark());
    run.pins = format!("those of the run of {}, which this replays", header.date);
    run.instruction_sets = header.instruction_sets;
    conclude(&arguments, &host, &source, directory, run)
}

fn warn_of_instruction_sets(header: &Header) {
    if header.instruction_sets != instruction_sets() {
        eprintln!(
            "the journal is of a CPU with other instruction sets ({}): kernels that were tried there may be missing here",
            header.instruction_sets.join(", ")
        );
    }
}

/// The recorded arguments, but for those that the line of `words` decides.
fn merged(path: &Path, recorded: &[String], words: &[String]) -> anyhow::Result<TuneArgs> {
    let (then, now) = (parsed(recorded)?, parsed(words)?);
    let command = Line::command();
    let decided: Vec<&Arg> = command
        .get_arguments()
        // The journal excludes a model, which the recorded arguments name.
        .filter(|arg| arg.get_id().as_str() != "replay" && is_given(&now, arg))
        .collect();
    let is_open = |arg: &Arg| {
        let excluded = decided.iter().any(|given| excludes(&command, given, arg));
        !excluded && !OVER.contains(&arg.get_id().as_str())
    };
    let line: Vec<String> = command
        .get_arguments()
        .filter(|arg| is_open(arg))
        .flat_map(|arg| written(&then, arg))
        .chain(decided.iter().flat_map(|arg| written(&now, arg)))
        .collect();
    let line = Line::from_arg_matches(&parsed(&line)?).map_err(|error| anyhow!("{error}"))?;
    Ok(TuneArgs {
        replay: Some(path.into()),
        ..line.tune
    })
}

fn parsed(words: &[String]) -> anyhow::Result<ArgMatches> {
    let line = std::iter::once("sysinfer-tune").chain(words.iter().map(String::as_str));
    let matches = Line::command().try_get_matches_from(line);
    matches.map_err(|error| anyhow!("{error}"))
}

/// Whether the line names it; defaults do not count.
fn is_given(matches: &ArgMatches, arg: &Arg) -> bool {
    matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
}

/// Whether a line with `given` leaves no room for `arg`, which may be the same.
fn excludes(command: &Command, given: &Arg, arg: &Arg) -> bool {
    let conflict = |one: &Arg, other: &Arg| {
        let conflicts = command.get_arg_conflicts_with(one);
        conflicts.iter().any(|arg| arg.get_id() == other.get_id())
    };
    given.get_id() == arg.get_id() || conflict(given, arg) || conflict(arg, given)
}

/// The words that an argument was given by; none where it was not.
fn written(matches: &ArgMatches, arg: &Arg) -> Vec<String> {
    if !is_given(matches, arg) {
        return Vec::new();
    }
    let occurrences = matches.get_raw_occurrences(arg.get_id().as_str());
    let words = occurrences.into_iter().flatten().map(|values| {
        // Of a list, the commas are gone.
        let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
        let value = values.join(",");
        match arg.get_long() {
            Some(name) if arg.get_action().takes_values() => format!("--{name}={value}"),
            Some(name) => format!("--{name}"),
            None => value,
        }
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use sysinfer_search::Level;

    use super::*;
    use crate::tune::arguments::Format;

    fn merged_lines(recorded: &str, now: &str) -> TuneArgs {
        let words =
            |line: &str| -> Vec<String> { line.split_whitespace().map(String::from).collect() };
        let now = words(&format!("--replay j.jsonl {now}"));
        merged(Path::new("j.jsonl"), &words(recorded), &now).expect("both are command lines")
    }

    #[test]
    fn recorded_arguments_hold_unless_given_now() {
        let recorded = "m.gguf --maps compact,spread --blocks rows=32 --blocks chunk=64 --quick \
                        --prompts 32,64 --keep-file-cache --format=json";
        let kept = merged_lines(recorded, "");
        assert_eq!(kept.model.model.as_deref(), Some(Path::new("m.gguf")));
        assert_eq!(kept.maps.map(|maps| maps.len()), Some(2));
        assert_eq!(kept.blocks.len(), 2);
        assert!(kept.quick && kept.file.keep_file_cache);
        assert_eq!(kept.format, Format::Json);
        assert_eq!(kept.prefill.map(|list| list.values().len()), Some(2));
        let now = merged_lines(recorded, "--maps smt --blocks chunk=128 --format text");
        assert_eq!(now.maps.as_ref().map(Vec::len), Some(1));
        let blocks = now.asked_blocks();
        assert_eq!((blocks.rows, blocks.chunk), (None, Some(vec![128])));
        assert!(now.quick && now.format == Format::Text);
        let synthetic = merged_lines("--synthetic tiny", "--quick").model.synthetic;
        assert_eq!(synthetic.as_deref(), Some("tiny"));
    }

    #[test]
    fn what_is_given_now_excludes_what_was_recorded() {
        let quick = merged_lines("m.gguf --patient", "--quick");
        assert_eq!(quick.level(), Level::Quick);
        let patient = merged_lines("m.gguf --quick --time-limit 60", "--patient");
        assert_eq!(patient.level(), Level::Patient);
        assert_eq!(patient.time_limit, Some(60));
        let moved = merged_lines("m.gguf --resume --report r", "--reports rs");
        assert!(!moved.resume && moved.report.is_none());
        assert_eq!(moved.reports.as_deref(), Some(Path::new("rs")));
        let other = merged_lines("m.gguf --reports rs", "--report r");
        assert!(other.reports.is_none() && other.report.is_some());
    }

    #[test]
    fn how_a_run_began_and_what_it_kept_by_force_is_not_repeated() {
        let merged = merged_lines("m.gguf --wait 5 --force-untrusted", "");
        assert!(merged.wait.is_none() && !merged.force_untrusted);
        assert!(merged_lines("m.gguf", "--force-untrusted").force_untrusted);
        assert!(!merged_lines("m.gguf --no-wait", "").no_wait);
    }

    #[test]
    fn results_go_over_those_of_the_recorded_run_only_where_that_is_said() {
        for (now, expected) in [
            ("", "sysinfer-replay.toml"),
            ("-o sysinfer-profile.toml", "sysinfer-profile.toml"),
            ("--output=there.toml", "there.toml"),
        ] {
            let arguments = merged_lines("m.gguf -o recorded.toml --report r", now);
            assert_eq!(arguments.output(), Path::new(expected), "{now}");
            assert!(arguments.report.is_none());
            assert_eq!(arguments.replay.as_deref(), Some(Path::new("j.jsonl")));
        }
    }
}
