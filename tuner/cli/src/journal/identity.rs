//! Whether a journal belongs to this run: samples of another host or model, or taken for another
//! search, would be wrong answers. Each refusal names the difference.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Parser;
use sysinfer_engine::{EngineInfo, Plan};
use sysinfer_profiles::HostFacts;

use super::facts::{ModelShape, TopologyFacts};
use super::format::Header;
use crate::commands::Cli;
use crate::host::Host;
use crate::tune::arguments::TuneArgs;

const REMEDY: &str = "run without --resume to begin anew, or look into it with --replay";
/// Memory that differs by less than this part of it is the same memory.
const MEMORY_TOLERANCE: u64 = 20;

/// Refuses a journal of another version, host or search.
///
/// # Errors
/// Names the first difference.
pub fn check_run(header: &Header, host: &Host, arguments: &TuneArgs) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    if header.version != version {
        bail!(
            "the journal is of version {}, this is {version}; {REMEDY}",
            header.version
        );
    }
    let (mut facts, mut topology) = (
        HostFacts::from(&host.info),
        TopologyFacts::from(&host.topology),
    );
    overlook_memory(header, &mut facts, &mut topology);
    // Older journals do not count these caches.
    if header.topology.l3_count == 0 {
        topology.l3_count = 0;
    }
    let recorded = (&header.host, &header.topology, header.effective_cpus);
    let present = (&facts, &topology, host.effective_cpus);
    if recorded != present {
        let difference = first_difference(&fields(&recorded), &fields(&present));
        bail!("the journal is of another host: {difference}; {REMEDY}");
    }
    let then = tune_arguments(&header.arguments)
        .with_context(|| format!("the arguments in the journal are not understood; {REMEDY}"))?;
    let (then, now) = (decisive(&then), decisive(arguments));
    if then != now {
        let difference = first_difference(&then, &now);
        bail!("the journal is of other arguments: {difference}; {REMEDY}");
    }
    Ok(())
}

/// A kernel has a little more or less memory for others after each boot: not another host.
fn overlook_memory(header: &Header, host: &mut HostFacts, topology: &mut TopologyFacts) {
    let alike = |a: u64, b: u64| a.abs_diff(b) <= a.max(b) / MEMORY_TOLERANCE;
    if alike(host.memory_bytes, header.host.memory_bytes) {
        host.memory_bytes = header.host.memory_bytes;
    }
    for (present, recorded) in topology.nodes.iter_mut().zip(&header.topology.nodes) {
        if present.0 == recorded.0 && alike(present.1, recorded.1) {
            present.1 = recorded.1;
        }
    }
}

/// Refuses a journal of another model, or of one that runs on other kernels by default.
///
/// # Errors
/// Names the first difference.
pub fn check_model(header: &Header, info: &EngineInfo, default: &Plan) -> anyhow::Result<()> {
    let (recorded, present) = (
        (&header.model, &header.default),
        (&ModelShape::from(info), default),
    );
    if recorded != present {
        let difference = first_difference(&fields(&recorded), &fields(&present));
        bail!("the journal is of another model: {difference}; {REMEDY}");
    }
    Ok(())
}

/// The arguments of a run, from its command line without the program's name.
///
/// # Errors
/// This version does not know one of them, or they are of a subcommand.
pub fn tune_arguments(arguments: &[String]) -> anyhow::Result<TuneArgs> {
    let line = std::iter::once("sysinfer-tune").chain(arguments.iter().map(String::as_str));
    let cli = Cli::try_parse_from(line).map_err(|error| {
        // clap adds usage and hints below the first line.
        let text = error.to_string();
        anyhow::anyhow!(
            "{}",
            text.lines()
                .next()
                .unwrap_or("not a command line")
                .to_owned()
        )
    })?;
    if cli.command.is_some() {
        bail!("they are of a subcommand");
    }
    Ok(cli.tune)
}

/// The arguments that decide what is measured, by name: all but where results go and how they come
/// about.
fn decisive(arguments: &TuneArgs) -> BTreeMap<String, String> {
    let mut model = arguments.model.clone();
    // A journal has its words as text, whatever the name of the file.
    let lossy = |path: PathBuf| PathBuf::from(path.to_string_lossy().into_owned());
    model.model = model.model.map(lossy);
    let neutral = TuneArgs {
        model,
        output: Default::default(),
        report: None,
        reports: None,
        format: Default::default(),
        wait: None,
        no_wait: false,
        force_untrusted: false,
        resume: false,
        replay: None,
        dry_run: false,
        topology_xml: None,
        ..arguments.clone()
    };
    fields(&neutral)
}

/// The fields of a value by name, at any depth, as its `Debug` has them.
fn fields(value: &impl std::fmt::Debug) -> BTreeMap<String, String> {
    let mut path: Vec<String> = Vec::new();
    let mut found = BTreeMap::<String, String>::new();
    for line in format!("{value:#?}").lines() {
        let depth = line.len() - line.trim_start().len();
        path.truncate(depth / 4);
        let text = line.trim().trim_end_matches(',');
        let (name, value) = text.split_once(": ").unwrap_or(("", text));
        let name = if name.contains('"') { "" } else { name };
        path.resize(depth / 4, String::new());
        path.push(name.to_owned());
        if text.ends_with(['{', '(', '[']) || text.starts_with(['}', ')', ']']) {
            continue;
        }
        let names: Vec<&str> = path
            .iter()
            .map(String::as_str)
            .filter(|name| !name.is_empty())
            .collect();
        let entry = found.entry(names.join(".")).or_default();
        if !entry.is_empty() {
            entry.push(' ');
        }
        entry.push_str(if name.is_empty() { text } else { value });
    }
    found
}

/// `threads: None was recorded, now it is 2`
fn first_difference(then: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> String {
    let absent = String::from("absent");
    let names = then.keys().chain(now.keys());
    let differs = |name: &&String| then.get(*name) != now.get(*name);
    match names.into_iter().find(differs) {
        Some(name) => {
            let then = then.get(name).unwrap_or(&absent);
            let now = now.get(name).unwrap_or(&absent);
            let name = name.trim_start_matches('.');
            format!("{name} was recorded as {then}, now it is {now}")
        }
        None => "the order of its parts".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(then: &str, now: &str) -> Option<String> {
        let parse = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            decisive(&tune_arguments(&words).expect("valid"))
        };
        let (then, now) = (parse(then), parse(now));
        (then != now).then(|| first_difference(&then, &now))
    }

    #[test]
    fn decisive_arguments_are_told_from_where_results_go() {
        let same = [
            ("m.gguf", "m.gguf -o other.toml --report there --resume"),
            ("m.gguf --threads 1,2 --resume", "m.gguf --threads 1-2:1"),
            ("m.gguf --no-wait", "m.gguf --wait 5 --force-untrusted"),
        ];
        for (then, now) in same {
            assert_eq!(difference(then, now), None, "{then} / {now}");
        }
        let different = [
            (
                "m.gguf",
                "m.gguf --quick",
                "quick was recorded as false, now it is true",
            ),
            ("m.gguf", "n.gguf", "m.gguf"),
            ("m.gguf --threads 1", "m.gguf --threads 2", "threads"),
            ("m.gguf", "m.gguf --time-limit 60", "time_limit"),
        ];
        for (then, now, words) in different {
            let found = difference(then, now).expect("they differ");
            assert!(found.contains(words), "{found}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_are_known_again() {
        use std::os::unix::ffi::OsStringExt;
        let mut now = tune_arguments(&["x.gguf".into()]).expect("valid");
        let name = std::ffi::OsString::from_vec(b"\xc4\xa3\xd0.gguf".to_vec());
        let recorded = name.to_string_lossy().into_owned();
        now.model.model = Some(name.into());
        let then = tune_arguments(&[recorded]).expect("valid");
        assert_eq!(decisive(&then), decisive(&now));
    }

    #[test]
    fn arguments_of_no_run_are_refused() {
        for line in ["--no-such-flag", "show p.toml"] {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert!(tune_arguments(&words).is_err(), "{line}");
        }
    }
}
