//! Tables on the terminal.

pub use sysinfer_terminal::{number, render};

use sysinfer_search::race::Outcome;
use sysinfer_stats::{Estimate, Summary};

use super::Row;
use super::figures::interval;

/// The throughput table; the reference column only where a reference exists, the method of decoding
/// only where a row is sampled.
pub fn throughput(rows: &[Row]) -> String {
    let with_reference = rows.iter().any(|row| row.reference.is_some());
    let with_method = rows.iter().any(|row| row.sampled);
    let mut header = vec!["total tokens", "tokens/s", "interval"];
    if with_method {
        header.push("method");
    }
    header.extend(["GB/s", "% of read bandwidth"]);
    if with_reference {
        header.push("reference tokens/s");
    }
    header.extend(["prefill tokens/s", "interval", "time to first token"]);
    let cells = |row: &Row| {
        let mut cells = vec![
            row.total_tokens.to_string(),
            number(row.decode.map(|decode| decode.median)),
            interval(known(row.estimates.decode, row.decode)),
        ];
        if with_method {
            cells.push(method(row).into());
        }
        cells.push(number(row.decode_gb_per_second));
        let percent = row.percent_of_read_bandwidth;
        cells.push(percent.map_or_else(dash, |percent| format!("{percent:.0} %")));
        if with_reference {
            cells.push(number(row.reference));
        }
        cells.push(number(row.prefill.map(|prefill| prefill.median)));
        cells.push(interval(known(row.estimates.prefill, row.prefill)));
        cells.push(row.time_to_first_token_ms.map_or_else(dash, milliseconds));
        cells
    };
    render(&header, rows.iter().map(cells))
}

/// How the decode rate of a row came about, in one word.
pub fn method(row: &Row) -> &'static str {
    match (row.decode, row.sampled) {
        (None, _) => "-",
        (_, true) => "sampled",
        (_, false) => "whole",
    }
}

/// The interval of the samples, or of what a profile kept of them.
fn known(estimate: Option<Estimate>, summary: Option<Summary>) -> Option<Estimate> {
    estimate.or(summary.as_ref().map(Estimate::of_summary))
}

/// Header of [`stage_rows`].
pub const STAGE_HEADER: [&str; 6] = [
    "candidate",
    "tokens/s",
    "interval",
    "runs",
    "ending",
    "why it was tried",
];

/// The candidates of one stage, fastest first.
pub fn stage(outcome: &Outcome) -> String {
    render(&STAGE_HEADER, stage_rows(outcome).into_iter())
}

/// The cells of that table.
pub fn stage_rows(outcome: &Outcome) -> Vec<Vec<String>> {
    let mut order: Vec<usize> = (0..outcome.lanes.len()).collect();
    let rate = |index: usize| sysinfer_stats::median(&outcome.lanes[index].rates);
    order.sort_by(|a, b| rate(*b).total_cmp(&rate(*a)));
    let cells = |index: usize| {
        let lane = &outcome.lanes[index];
        let estimate = Estimate::of(&lane.rates);
        let ending = if index == outcome.winner {
            "chosen"
        } else {
            lane.out.as_deref().unwrap_or("stayed to the end")
        };
        vec![
            lane.candidate.name.clone(),
            number(estimate.map(|estimate| estimate.median)),
            interval(estimate),
            lane.rates.len().to_string(),
            ending.into(),
            lane.candidate.reason.clone(),
        ]
    };
    order.into_iter().map(cells).collect()
}

fn milliseconds(value: f64) -> String {
    if value >= 10_000.0 {
        format!("{:.1} s", value / 1000.0)
    } else {
        format!("{value:.1} ms")
    }
}

fn dash() -> String {
    "-".into()
}

#[cfg(test)]
mod tests {
    use super::super::{rows, tests::data};
    use super::*;
    use crate::report::reference::TABLES;

    #[test]
    fn the_reference_column_is_there_only_with_a_reference() {
        let with = throughput(&rows(&data(), Some(20.0), Some(&TABLES[0])));
        assert!(
            with.contains("reference") && with.contains("28.11"),
            "{with}"
        );
        let without = throughput(&rows(&data(), Some(20.0), None));
        assert!(!without.contains("reference"), "{without}");
        for needed in [
            "12.00",
            "8.000 - 16.00",
            "60 %",
            "256.00",
            "one sample",
            "500.0 ms",
            "-",
        ] {
            assert!(without.contains(needed), "{needed} is not in\n{without}");
        }
    }
}
