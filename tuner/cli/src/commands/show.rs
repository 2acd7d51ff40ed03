//! `show`: everything that a profile says, and where it comes from.

use std::path::PathBuf;

use clap::Args;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};
use sysinfer_engine::{Blocking, MemoryPlan};
use sysinfer_journal::cpu_list;
use sysinfer_probe::Phase;
use sysinfer_profiles::{LengthEvidence, Profile};
use sysinfer_report::Length;
use sysinfer_stats::Estimate;
use sysinfer_table::between_runs::BetweenRuns;
use sysinfer_table::sampled::DEFINITION;
use sysinfer_terminal::{gigabytes, number};

use crate::{Ending, table};

/// Its name says that nothing is escaped.
const TEMPLATE: &str = "show.txt.jinja";

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
    print!("{}", render(&Profile::load(&arguments.profile)?)?);
    Ok(Ending::Complete)
}

/// All of it as text.
///
/// # Errors
/// None that a user could cause.
fn render(profile: &Profile) -> Result<String, minijinja::Error> {
    let evidence = &profile.evidence;
    let rows: Vec<Length> = evidence.lengths.iter().map(row).collect();
    let mut rates = table::whole(&rows);
    if rows.iter().any(Length::is_sampled) {
        rates += "\n";
        rates += DEFINITION;
    }
    let values = context! {
        distrust => profile.distrust(),
        teams => teams(profile),
        between_runs => BetweenRuns::from(evidence).words(),
        usual => context! {
            blocking => Serde(&Blocking::default()),
            memory => Serde(&MemoryPlan::default()),
        },
        rates,
        ..Value::from(Serde(profile))
    };
    environment()?.get_template(TEMPLATE)?.render(values)
}

/// What a profile does not say is absent from its values, and no error.
fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut templates = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    templates.set_syntax(syntax);
    templates.add_filter("gigabytes", |bytes: u64| gigabytes(bytes));
    templates.add_filter("pad", |value: Value, width: usize| {
        format!("{:<width$}", value.to_string())
    });
    templates.add_filter("rate", |rate: Option<f64>, unit: &str| {
        rate.map(|rate| format!("{} {unit}", number(Some(rate))))
    });
    templates.add_filter("rates", |rates: Vec<f64>| {
        let rates: Vec<String> = rates.into_iter().map(|rate| number(Some(rate))).collect();
        rates.join("  ")
    });
    templates.add_template(TEMPLATE, include_str!("../../templates/show.txt.jinja"))?;
    Ok(templates)
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

    fn rendered(profile: &Profile) -> String {
        render(profile).expect("renders")
    }

    #[test]
    fn all_of_a_profile_is_shown() {
        let profile = Profile::parse(PROFILE, "test").expect("a profile");
        insta::assert_snapshot!(rendered(&profile));
    }

    #[test]
    fn what_is_not_to_be_trusted_is_said_first_and_gains_by_their_intervals() {
        let trusted = Profile::parse(PROFILE, "test").expect("a profile");
        assert!(rendered(&trusted).starts_with("made "));
        let mut spoilt = trusted;
        spoilt.evidence.trusted = Some(false);
        spoilt.evidence.not_trusted_because = "it rained".into();
        spoilt.evidence.lengths.clear();
        let text = rendered(&spoilt);
        assert!(
            text.starts_with("NOT TO BE TRUSTED: it rained.\n"),
            "{text}"
        );
        let no_rates = "no rate was measured under this plan";
        assert_eq!(text.matches(no_rates).count(), 2, "{text}");
        spoilt.evidence.gain_decode_low = Some(1.25);
        spoilt.evidence.gain_decode_high = Some(1.36);
        assert!(rendered(&spoilt).contains("+31.0 % (+25.0 to +36.0)"));
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
