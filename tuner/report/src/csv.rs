//! Tables for programs. Empty: not measured. `*_low` and `*_high` are the slowest and the fastest run,
//! `*_interval_*` the limits of the median. `decode_method` is `whole`, or `sampled` where a rate was put
//! together from steps at several contexts: its runs are passes then. `trusted` is `false` in every row of a run
//! that is not to be trusted.

use sysinfer_stats::Estimate;

use crate::error::Error;
use crate::value::{Concurrency, Length, Report};

const LENGTHS: [&str; 21] = [
    "total_tokens",
    "decode_tokens_per_second",
    "decode_low",
    "decode_high",
    "runs",
    "decode_gb_per_second",
    "percent_of_read_bandwidth",
    "reference_tokens_per_second",
    "prefill_tokens_per_second",
    "prefill_runs",
    "time_to_first_token_ms",
    "decode_interval_low",
    "decode_interval_high",
    "decode_gb_interval_low",
    "decode_gb_interval_high",
    "prefill_interval_low",
    "prefill_interval_high",
    "time_to_first_token_interval_low_ms",
    "time_to_first_token_interval_high_ms",
    "decode_method",
    "trusted",
];

/// `throughput.csv`: a line for each length.
///
/// # Errors
/// None that a user could cause.
pub fn throughput(report: &Report) -> Result<String, Error> {
    let line = |row: &Length| {
        let count =
            |count: Option<usize>| count.map_or_else(String::new, |count| count.to_string());
        let median = |known: Option<Estimate>| number(known.map(|known| known.median));
        let mut cells = vec![
            row.total_tokens.to_string(),
            median(row.decode_tokens_per_second),
            number(row.decode_range.map(|(low, _)| low)),
            number(row.decode_range.map(|(_, high)| high)),
            count(row.decode_runs),
            median(row.decode_gb_per_second),
            median(row.percent_of_read_bandwidth),
            number(row.reference_tokens_per_second),
            median(row.prefill_tokens_per_second),
            count(row.prefill_tokens_per_second.map(|rate| rate.count)),
            median(row.time_to_first_token_ms),
        ];
        for known in [
            row.decode_tokens_per_second,
            row.decode_gb_per_second,
            row.prefill_tokens_per_second,
            row.time_to_first_token_ms,
        ] {
            cells.push(number(known.map(|known| known.low)));
            cells.push(number(known.map(|known| known.high)));
        }
        cells.extend([row.method().into(), report.trusted.to_string()]);
        cells
    };
    table(&LENGTHS, report.lengths.iter().map(line))
}

const STEPS: [&str; 10] = [
    "sequences",
    "prompt_rows",
    "context_tokens",
    "runs",
    "step_ms",
    "step_low_ms",
    "step_high_ms",
    "tokens_per_second",
    "tokens_per_second_each",
    "trusted",
];

/// `concurrency.csv`: a line for each kind of step.
///
/// # Errors
/// None that a user could cause.
pub fn concurrency(measured: &Concurrency, trusted: bool) -> Result<String, Error> {
    let line = |(sequences, prompt_rows, seconds): (usize, usize, Estimate)| {
        let each = 1.0 / seconds.median;
        let mut cells = vec![
            sequences.to_string(),
            prompt_rows.to_string(),
            measured.context_tokens.to_string(),
            seconds.count.to_string(),
        ];
        let seconds = [seconds.median, seconds.low, seconds.high];
        cells.extend(seconds.map(|seconds| number(Some(1000.0 * seconds))));
        cells.extend([sequences as f64 * each, each].map(|rate| number(Some(rate))));
        cells.push(trusted.to_string());
        cells
    };
    let plain = measured.sequences.iter();
    let plain = plain.map(|step| (step.sequences, 0, step.step_seconds));
    let parts = measured.prompt_parts.iter();
    let parts = parts.map(|step| (step.sequences, step.prompt_rows, step.step_seconds));
    table(&STEPS, plain.chain(parts).map(line))
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:.3}"))
}

fn table(header: &[&str], lines: impl Iterator<Item = Vec<String>>) -> Result<String, Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Table(error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer
        .write_record(header)
        .map_err(|error| failed(&error))?;
    for line in lines {
        writer.write_record(line).map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}
