//! What of a command line decides what is measured: a journal that was recorded for another search must not be
//! gone on with.

use clap::Parser;
use serde_json::{Value, json};
use sysinfer_journal::facts::TopologyFacts;
use sysinfer_journal::identity::Subject;
use sysinfer_measure::host::Host;

use super::arguments::{Line, TuneArgs};
use crate::model_arguments::{FileArgs, ModelArgs};

/// Host and search, as a journal has them.
pub(crate) fn subject(host: &Host, arguments: &TuneArgs) -> Subject {
    Subject {
        host: host.info.clone(),
        topology: TopologyFacts::from(&host.topology),
        effective_cpus: host.effective_cpus,
        arguments: decisive(arguments),
        understand: |words| Ok(decisive(&tune_arguments(words)?)),
    }
}

/// The arguments of a run, from its command line without the program's name.
///
/// # Errors
/// This version does not know one of them.
pub(crate) fn tune_arguments(words: &[String]) -> anyhow::Result<TuneArgs> {
    let words = std::iter::once("sysinfer-tune").chain(words.iter().map(String::as_str));
    let line = Line::try_parse_from(words).map_err(|error| {
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
    Ok(line.tune)
}

/// The arguments that decide what is measured, by name: all but where results go and how they come about. A new
/// argument does not compile before it is on one of the two sides.
fn decisive(arguments: &TuneArgs) -> Value {
    let TuneArgs {
        model: ModelArgs { model, synthetic },
        quick,
        patient,
        exhaustive,
        blocks,
        simulate,
        threads,
        maps,
        cpus,
        lengths,
        prompt,
        prefill,
        repeat,
        sequences,
        token_gap,
        time_limit,
        file: FileArgs {
            keep_file_cache,
            weights,
        },
        output: _,
        report: _,
        reports: _,
        format: _,
        wait: _,
        no_wait: _,
        force_untrusted: _,
        dry_run: _,
        topology_xml: _,
        resume: _,
        replay: _,
    } = arguments;
    let policies = maps.as_ref().map(|maps| {
        let names = maps.iter().map(|policy| policy.name());
        names.collect::<Vec<_>>()
    });
    // A journal has its words as text, whatever the name of the file.
    let text = |path: &std::path::PathBuf| path.to_string_lossy().into_owned();
    json!({
        "model": model.as_ref().map(text),
        "synthetic": synthetic,
        "quick": quick,
        "patient": patient,
        "exhaustive": exhaustive,
        "blocks": blocks,
        "simulate": simulate.as_ref().map(text),
        "threads": threads.as_ref().map(|list| list.values()),
        "maps": policies,
        "cpus": cpus.as_ref().map(ToString::to_string),
        "lengths": lengths.values(),
        "prompt": prompt,
        "prefill": prefill.as_ref().map(|list| list.values()),
        "repeat": repeat,
        "sequences": sequences.values(),
        "token_gap": token_gap,
        "time_limit": time_limit,
        "keep_file_cache": keep_file_cache,
        "weights": weights,
    })
}

#[cfg(test)]
mod tests {
    use sysinfer_journal::identity::first_difference;

    use super::*;

    fn difference(then: &str, now: &str) -> Option<String> {
        let parse = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            decisive(&tune_arguments(&words).expect("valid"))
        };
        first_difference(&parse(then), &parse(now))
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
            ("m.gguf", "m.gguf --maps spread", "maps"),
            ("m.gguf", "m.gguf --weights mapped", "weights"),
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
