//! `show`: a profile as tables.

use sysinfer_profiles::{LengthEvidence, Profile};

use crate::Ending;
use crate::cli::ShowArgs;
use crate::journal::{blocking, cpu_list, kernels};
use crate::report::{Row, table};
use crate::space::Phase;
use crate::stats::Summary;

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
    let teams = [Phase::Decode, Phase::Prefill].map(|phase| {
        let team = phase.team(&profile.plan);
        let gain = match phase {
            Phase::Decode => evidence.gain_decode,
            Phase::Prefill => evidence.gain_prefill,
        };
        vec![
            phase.name().to_string(),
            team.threads.to_string(),
            team.map.clone(),
            cpu_list(&team.cpus),
            kernels(&profile.plan, phase.name()),
            format!("{:+.1} %", 100.0 * (gain - 1.0)),
        ]
    });
    let header = [
        "phase",
        "threads",
        "map",
        "CPUs",
        "kernels",
        "gain over the default",
    ];
    let rows: Vec<Row> = evidence.lengths.iter().map(row).collect();
    [
        format!(
            "host   {} ({})",
            profile.host.cpu_model, profile.host.topology
        ),
        format!(
            "model  {} ({})",
            profile.model.name, profile.model.quantisation
        ),
        format!(
            "made   {} by {}",
            profile.created.date, profile.created.command
        ),
        format!(
            "roof   {:.1} GB/s read bandwidth",
            evidence.read_gb_per_second
        ),
        format!("sizes  {}", blocking(&profile.plan)),
        table::render(&header, teams.into_iter()),
        table::throughput(&rows),
        String::new(),
    ]
    .join("\n")
}

fn row(length: &LengthEvidence) -> Row {
    let decode = length.decode_tokens_per_second.map(|median| Summary {
        count: length.samples.max(1),
        median,
        low: length.decode_low.unwrap_or(median),
        high: length.decode_high.unwrap_or(median),
    });
    let prefill = length.prefill_tokens_per_second.map(|median| Summary {
        count: 1,
        median,
        low: median,
        high: median,
    });
    Row {
        total_tokens: length.total_tokens,
        decode,
        decode_gb_per_second: length.decode_gb_per_second,
        percent_of_read_bandwidth: length.percent_of_read_bandwidth,
        reference: length.reference_tokens_per_second,
        prefill,
        time_to_first_token_ms: length.time_to_first_token_ms,
        ..Row::default()
    }
}
