//! `show`: everything that a profile says, and where it comes from.

use std::path::PathBuf;

use clap::Args;
use sysinfer_engine::{Blocking, MemoryPlan};
use sysinfer_journal::cpu_list;
use sysinfer_probe::Phase;
use sysinfer_profiles::trust::NOT_TO_BE_TRUSTED;
use sysinfer_profiles::{LengthEvidence, Profile, StepEvidence};
use sysinfer_report::Length;
use sysinfer_stats::Estimate;
use sysinfer_table::between_runs::BetweenRuns;
use sysinfer_table::sampled::DEFINITION;
use sysinfer_terminal::gigabytes;

use crate::{Ending, table};

/// Said of a profile without a table.
const NO_RATES: &str = "no rate was measured under this plan";

const EXAMPLES: &str = "\
Examples:
  sysinfer-tune show sysinfer-profile.toml
The file itself says the same in TOML; what is measured there can be measured again:
  sysinfer-tune verify sysinfer-profile.toml model.gguf";

/// Arguments of `show`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ShowArgs {
    /// The profile
    #[arg(value_name = "PROFILE.toml")]
    pub profile: PathBuf,
}

/// Prints the profile.
///
/// # Errors
/// It cannot be read, or is not a profile.
pub fn run(arguments: &ShowArgs) -> anyhow::Result<Ending> {
    print!("{}", render(&Profile::load(&arguments.profile)?));
    Ok(Ending::Complete)
}

fn render(profile: &Profile) -> String {
    let evidence = &profile.evidence;
    let rows: Vec<Length> = evidence.lengths.iter().map(row).collect();
    let warning = profile.distrust().map(|why| {
        format!(
            "{NOT_TO_BE_TRUSTED}: {why}.\nsysinfer-server runs its default in place of this plan, unless \
             --force-untrusted. Tune again on a quiet host."
        )
    });
    let warning = warning.into_iter();
    let parts = [
        format!(
            "made {} by version {}:\n  {}",
            profile.created.date, profile.created.version, profile.created.command
        ),
        section("host, as the system described it", host(profile)),
        section("model, from its file", model(profile)),
        format!(
            "plan: threads, each team measured for itself\n{}",
            teams(profile)
        ),
        section("plan: kernels, by type of the weights", kernels(profile)),
        section("plan: sizes and memory", sizes(profile)),
        section("serving: many users", serving(profile)),
        format!(
            "evidence, measured under this plan: decoding from a prompt of {} tokens; {}{}{}\n{}{}",
            evidence.prompt_tokens,
            match evidence.read_gb_per_second {
                Some(roof) => format!("{roof:.1} GB/s read bandwidth of the decode team"),
                None => "the read bandwidth could not be measured".into(),
            },
            match evidence.samples {
                0 => String::new(),
                taken => format!(
                    "; {taken} samples in that run, {} of them disturbed",
                    evidence.void_samples
                ),
            },
            match BetweenRuns::from(evidence).words() {
                Some(known) => format!("; standard deviation between runs {known}"),
                None => String::new(),
            },
            match rows.is_empty() {
                true => NO_RATES.into(),
                false => table::whole(&rows),
            },
            match rows.iter().any(Length::is_sampled) {
                true => format!("\n{DEFINITION}"),
                false => String::new(),
            }
        ),
        section("evidence: runs behind the medians, tokens/s", runs(profile)),
        section("evidence: steps of many sequences", steps(profile)),
    ];
    let parts: Vec<String> = warning.chain(parts).collect();
    parts.join("\n\n").trim_end().to_owned() + "\n"
}

/// A title and indented lines of name and value.
fn section(title: &str, values: Vec<(String, String)>) -> String {
    let widest = values
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let lines = values
        .iter()
        .map(|(name, value)| format!("\n  {name:<widest$}  {value}"));
    title.to_owned() + &lines.collect::<String>()
}

fn named<const N: usize>(values: [(&str, String); N]) -> Vec<(String, String)> {
    values
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn host(profile: &Profile) -> Vec<(String, String)> {
    let host = &profile.host;
    let quota = host
        .cpu_quota
        .map_or_else(|| "none".into(), |cpus| format!("{cpus:.2} CPUs"));
    named([
        (
            "processor",
            format!("{}, {}", host.cpu_model, host.architecture),
        ),
        ("topology", host.topology.clone()),
        (
            "usable",
            format!(
                "CPUs {}, cores {}, nodes {}, packages {}",
                host.cpus, host.cores, host.nodes, host.packages
            ),
        ),
        ("CPU quota", quota),
        ("memory", gigabytes(host.memory_bytes)),
        (
            "pages",
            format!("{} bytes; huge pages: {}", host.page_bytes, host.huge_pages),
        ),
        ("kernel", host.kernel.clone()),
    ])
}

fn model(profile: &Profile) -> Vec<(String, String)> {
    let model = &profile.model;
    named([
        ("name", format!("{} ({})", model.name, model.architecture)),
        ("quantisation", model.quantisation.clone()),
        ("fingerprint", model.fingerprint.clone()),
        ("parameters", model.parameters.to_string()),
        (
            "weights",
            format!(
                "{}, of which a decode step reads {}",
                gigabytes(model.weight_bytes),
                gigabytes(model.decode_bytes)
            ),
        ),
        (
            "cache",
            format!(
                "{} bytes per position, read by every step",
                model.kv_bytes_per_position
            ),
        ),
        ("context", format!("{} tokens", model.context_length)),
    ])
}

fn serving(profile: &Profile) -> Vec<(String, String)> {
    let said = |value: Option<String>| {
        value.unwrap_or_else(|| "the server's default; the profile says nothing of it".into())
    };
    let limits = profile.serving.as_ref();
    named([
        (
            "requests at once",
            said(limits.map(|limits| limits.parallel.to_string())),
        ),
        (
            "token gap",
            said(limits.map(|limits| format!("{} ms", limits.token_gap_ms))),
        ),
    ])
}

fn steps(profile: &Profile) -> Vec<(String, String)> {
    let line = |step: &StepEvidence| {
        let beside = match step.prompt_rows {
            0 => String::new(),
            rows => format!(" and {rows} tokens of a prompt"),
        };
        let sequences = step.sequences;
        let name = format!("{sequences} of {} tokens{beside}", step.context_tokens);
        let rate = step.tokens_per_second();
        let each = rate / sequences as f64;
        let value = format!(
            "{:.3} ms ({:.3} to {:.3}): {rate:.2} tokens/s together, {each:.2} each",
            step.milliseconds, step.low, step.high
        );
        (name, value)
    };
    let mut lines: Vec<_> = profile.evidence.steps.iter().map(line).collect();
    if lines.is_empty() {
        lines.push(("none".into(), "measured".into()));
    }
    lines
}

fn teams(profile: &Profile) -> String {
    let header = ["phase", "threads", "map", "CPUs", "gain over the default"];
    let rows = Phase::ALL.map(|phase| {
        let team = profile.plan.team(phase);
        let gain = match phase {
            Phase::Decode => profile.evidence.decode_gain(),
            Phase::Prefill => profile.evidence.prefill_gain(),
        };
        let cpus = cpu_list(&team.cpus);
        vec![
            phase.name().to_string(),
            team.threads.to_string(),
            team.map.clone(),
            if cpus.is_empty() {
                "not pinned".into()
            } else {
                cpus
            },
            gain.to_string(),
        ]
    });
    sysinfer_terminal::render(&header, rows.into_iter())
}

fn kernels(profile: &Profile) -> Vec<(String, String)> {
    let text = |name: &Option<String>| {
        name.clone()
            .unwrap_or_else(|| "the server's own choice".into())
    };
    let kernels = profile.plan.kernels.iter();
    let mut lines: Vec<(String, String)> = kernels
        .map(|(block_type, choice)| {
            let (decode, prefill) = (text(&choice.decode), text(&choice.prefill));
            (
                block_type.clone(),
                format!("decode {decode}, prefill {prefill}"),
            )
        })
        .collect();
    if lines.is_empty() {
        lines.push(("all".into(), "the server's own choice for its CPU".into()));
    }
    lines
}

/// Each value with the default beside it where it is another.
fn sizes(profile: &Profile) -> Vec<(String, String)> {
    let (sizes, usual) = (&profile.plan.blocking, Blocking::default());
    let (memory, usual_memory) = (&profile.plan.memory, MemoryPlan::default());
    let value = |value: usize, usual: usize, unit: &str| match value == usual {
        true => format!("{value} {unit} (the default)"),
        false => format!("{value} {unit} (tuned; default {usual})"),
    };
    let asked = |value: &str, usual: &str| match value == usual {
        true => format!("{value} (the default)"),
        false => format!("{value} (asked for; default {usual})"),
    };
    let flag = |value: bool, usual: bool| {
        let word = |value| if value { "yes" } else { "no" };
        asked(word(value), word(usual))
    };
    named([
        (
            "prefetch",
            value(sizes.prefetch_bytes, usual.prefetch_bytes, "bytes"),
        ),
        (
            "decode rows",
            value(sizes.decode_rows, usual.decode_rows, "tokens"),
        ),
        (
            "prefill rows",
            value(sizes.prefill_rows, usual.prefill_rows, "tokens"),
        ),
        (
            "prefill chunk",
            value(sizes.prefill_chunk, usual.prefill_chunk, "tokens"),
        ),
        (
            "attention chunk",
            value(sizes.attention_chunk, usual.attention_chunk, "positions"),
        ),
        (
            "huge pages",
            flag(memory.huge_pages, usual_memory.huge_pages),
        ),
        (
            "bind to nodes",
            flag(memory.bind_nodes, usual_memory.bind_nodes),
        ),
        (
            "keep file cache",
            flag(memory.keep_file_cache, usual_memory.keep_file_cache),
        ),
        (
            "weights are",
            asked(memory.weights.name(), usual_memory.weights.name()),
        ),
    ])
}

fn runs(profile: &Profile) -> Vec<(String, String)> {
    let text = |phase: &str, tokens: usize, runs: &[f64], cores: [Option<f64>; 2]| {
        let rates: Vec<String> = runs
            .iter()
            .map(|rate| sysinfer_terminal::number(Some(*rate)))
            .collect();
        let units = cores.into_iter().zip(["GMAC/s", "GB/s core to core"]);
        let known = units.filter_map(|(rate, unit)| {
            rate.map(|rate| (sysinfer_terminal::number(Some(rate)), unit))
        });
        let cores: Vec<String> = known.map(|(rate, unit)| format!("{rate} {unit}")).collect();
        let beside = match cores.is_empty() {
            true => String::new(),
            false => format!("  (cores: {})", cores.join(", ")),
        };
        let name = format!("{phase} {tokens}");
        let line = (name, format!("{}{beside}", rates.join("  ")));
        (!runs.is_empty()).then_some(line)
    };
    let lengths = &profile.evidence.lengths;
    let decode = lengths.iter().filter_map(|length| {
        let (name, rates) = text(
            "decode",
            length.total_tokens,
            &length.decode_runs,
            [
                length.decode_arithmetic_gmac_per_second,
                length.decode_exchange_gb_per_second,
            ],
        )?;
        Some(match length.sampled {
            true => (format!("{name}, sampled"), rates),
            false => (name, rates),
        })
    });
    let prefill = lengths.iter().filter_map(|length| {
        text(
            "prefill",
            length.total_tokens,
            &length.prefill_runs,
            [
                length.prefill_arithmetic_gmac_per_second,
                length.prefill_exchange_gb_per_second,
            ],
        )
    });
    let mut lines: Vec<(String, String)> = decode.chain(prefill).collect();
    if lines.is_empty() {
        let why = match lengths.is_empty() {
            true => NO_RATES,
            false => "the file has medians and extremes only",
        };
        lines.push(("none".into(), why.into()));
    }
    lines
}

/// As the tuner shows it: of runs, the interval is that of the runs; of a sampled length, the profile has the interval
/// of its steps itself.
fn row(length: &LengthEvidence) -> Length {
    let exactly = |median: f64| Estimate {
        median,
        low: median,
        high: median,
        count: 1,
    };
    let of_runs = |median: f64, runs: &[f64], known: Estimate| {
        Estimate::of(runs).map_or(known, |runs| Estimate { median, ..runs })
    };
    let decode = length.decode_tokens_per_second.map(|median| {
        let known = Estimate {
            median,
            low: length.decode_low.unwrap_or(median),
            high: length.decode_high.unwrap_or(median),
            count: length.samples.max(1),
        };
        let runs = if length.sampled {
            Vec::new()
        } else {
            length.decode_rates()
        };
        of_runs(median, &runs, known)
    });
    let prefill = length.prefill_tokens_per_second;
    Length {
        total_tokens: length.total_tokens,
        decode_tokens_per_second: decode,
        decode_is_sampled: decode.map(|_| length.sampled),
        decode_gb_per_second: length.decode_gb_per_second.map(exactly),
        percent_of_read_bandwidth: length.percent_of_read_bandwidth.map(exactly),
        reference_tokens_per_second: length.reference_tokens_per_second,
        prefill_tokens_per_second: prefill
            .map(|median| of_runs(median, &length.prefill_rates(), exactly(median))),
        time_to_first_token_ms: length.time_to_first_token_ms.map(exactly),
        ..Length::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the tuner writes it, with a size and a flag that are not the default.
    const PROFILE: &str = r#"
        schema = 1
        created = { date = "2026-01-02T03:04:05Z", version = "0.1.0", command = "sysinfer-tune m.gguf" }
        host = { cpu_model = "Example", architecture = "aarch64", topology = "2 packages", packages = 2, nodes = 4, cores = 96, cpus = 96, memory_bytes = 512000000000, page_bytes = 65536, cpu_quota = 95.5, kernel = "6.6.0-72", huge_pages = "always" }
        model = { name = "llama3-8b", architecture = "llama", quantisation = "Q4_0", fingerprint = "llama-32", parameters = 8030261248, weight_bytes = 4700000000, decode_bytes = 4400000000, kv_bytes_per_position = 131072, context_length = 8192 }
        [plan]
        decode = { threads = 3, map = "spread", cpus = [0, 24, 48] }
        prefill = { threads = 96, map = "unpinned" }
        kernels = { Q4_0 = { decode = "fast-one" } }
        blocking = { prefill_rows = 32 }
        memory = { bind_nodes = false, weights = "mapped" }
        [evidence]
        read_gb_per_second = 410.0
        gain_decode = 1.31
        gain_prefill = 1.0
        prompt_tokens = 16
        samples = 1094
        void_samples = 40
        decode_between_runs = 0.0125
        prefill_between_runs = 0.031
        lengths = [{ total_tokens = 512, samples = 2, decode_tokens_per_second = 61.25, decode_low = 60.5, decode_high = 62.0, decode_runs = [60.5, 62.0], decode_arithmetic_gmac_per_second = 2611.5, decode_gb_per_second = 271.3, percent_of_read_bandwidth = 66.2, prefill_tokens_per_second = 410.0, time_to_first_token_ms = 78.0, reference_tokens_per_second = 25.93 }, { total_tokens = 4096, sampled = true, samples = 84, decode_tokens_per_second = 40.5, decode_low = 39.25, decode_high = 41.75, decode_runs = [40.5] }]
    "#;

    #[test]
    fn all_of_a_profile_is_shown() {
        let profile = Profile::parse(PROFILE, "test").expect("a profile");
        let text = render(&profile);
        for part in [
            "2026-01-02T03:04:05Z",
            "version 0.1.0",
            "sysinfer-tune m.gguf",
            "Example, aarch64",
            "62.00  (cores: 26",
            "standard deviation between runs decode 1.2 %, prefill 3.1 %",
            "2 packages",
            "CPUs 96, cores 96, nodes 4",
            "95.50 CPUs",
            "512.0 GB",
            "65536 bytes",
            "always",
            "6.6.0-72",
            "llama3-8b (llama)",
            "Q4_0",
            "llama-32",
            "8030261248",
            "4.7 GB",
            "4.4 GB",
            "131072",
            "8192 tokens",
            "spread",
            "0-48:24",
            "unpinned",
            "not pinned",
            "no proven gain (+31.0 %, without an interval)",
            "none: it is the default",
            "decode fast-one",
            "prefill the server's own choice",
            "1536 bytes (the default)",
            "32 tokens (tuned; default 128)",
            "512 tokens (the default)",
            "256 positions (the default)",
            "no (asked for; default yes)",
            "mapped (asked for; default auto)",
            "1094 samples in that run, 40 of them disturbed",
            "prompt of 16 tokens",
            "410.0 GB/s",
            "61.25",
            "271.30",
            "66 %",
            "410.00",
            "78.0 ms",
            "25.93",
            "60.50  62.00",
            "39.25 - 41.75   sampled",
            "decode 4096, sampled",
            DEFINITION,
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn what_is_not_to_be_trusted_is_said_first_and_gains_by_their_intervals() {
        let trusted = Profile::parse(PROFILE, "test").expect("a profile");
        assert!(render(&trusted).starts_with("made "));
        let mut spoilt = trusted;
        spoilt.evidence.trusted = Some(false);
        spoilt.evidence.not_trusted_because = "it rained".into();
        spoilt.evidence.lengths.clear();
        let text = render(&spoilt);
        assert!(
            text.starts_with("NOT TO BE TRUSTED: it rained.\n"),
            "{text}"
        );
        assert_eq!(text.matches(NO_RATES).count(), 2, "{text}");
        spoilt.evidence.gain_decode_low = Some(1.25);
        spoilt.evidence.gain_decode_high = Some(1.36);
        assert!(render(&spoilt).contains("+31.0 % (+25.0 to +36.0)"));
    }

    #[test]
    fn six_runs_have_the_interval_that_the_tuner_showed() {
        let runs = [10.0, 10.1, 9.9, 10.05, 9.95, 10.02, 9.98, 30.0, 1.0];
        let length = LengthEvidence {
            total_tokens: 32,
            samples: runs.len(),
            decode_tokens_per_second: Some(10.0),
            decode_low: Some(1.0),
            decode_high: Some(30.0),
            decode_runs: runs.to_vec(),
            ..LengthEvidence::default()
        };
        let known = row(&length).decode_tokens_per_second;
        assert_eq!(known, Estimate::of(&runs));
        assert!(known.is_some_and(|known| known.low > 9.0 && known.high < 11.0));
        let sampled = LengthEvidence {
            sampled: true,
            ..length
        };
        let row = row(&sampled);
        assert_eq!(row.decode_tokens_per_second.map(|rate| rate.low), Some(1.0));
    }
}
