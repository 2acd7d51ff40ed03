//! `throughput.csv`: the table for programs. Empty: not measured. `*_low` and `*_high` are the slowest
//! and the fastest run, `*_interval_*` the limits of the median. `decode_method` is `whole`, or `sampled`
//! where a rate was put together from steps at several contexts: its runs are passes then. `trusted` is
//! `false` in every row of a run that is not to be trusted.

use anyhow::Context;

use super::Row;
use super::table::method;

const HEADER: [&str; 21] = [
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

/// The rows as CSV with a header.
///
/// # Errors
/// None that a user could cause; the writer's own are passed on.
pub fn render(rows: &[Row], trusted: bool) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.3}"));
    for row in rows {
        let estimates = &row.estimates;
        let mut cells = vec![
            row.total_tokens.to_string(),
            number(row.decode.map(|decode| decode.median)),
            number(row.decode.map(|decode| decode.low)),
            number(row.decode.map(|decode| decode.high)),
            row.decode
                .map_or_else(String::new, |decode| decode.count.to_string()),
            number(row.decode_gb_per_second),
            number(row.percent_of_read_bandwidth),
            number(row.reference),
            number(row.prefill.map(|prefill| prefill.median)),
            row.prefill
                .map_or_else(String::new, |prefill| prefill.count.to_string()),
            number(row.time_to_first_token_ms),
        ];
        for estimate in [
            estimates.decode,
            estimates.decode_gb,
            estimates.prefill,
            estimates.first_token_ms,
        ] {
            cells.push(number(estimate.map(|estimate| estimate.low)));
            cells.push(number(estimate.map(|estimate| estimate.high)));
        }
        cells.push(row.decode.map_or("", |_| method(row)).into());
        cells.push(trusted.to_string());
        writer.write_record(cells)?;
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    String::from_utf8(bytes).context("the table is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::super::{rows, tests::data};

    #[test]
    fn what_was_not_measured_is_empty() {
        let text = super::render(&rows(&data(), None, None), true).expect("renders");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1],
            "32,12.000,8.000,16.000,2,12.000,,,,,,8.000,16.000,8.000,16.000,,,,,whole,true"
        );
        assert_eq!(
            lines[3],
            "128,,,,,,,,256.000,1,500.000,,,,,256.000,256.000,500.000,500.000,,true"
        );
    }
}
