//! Tables on the terminal.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::Row;
use crate::search::race::Outcome;
use crate::stats::Summary;

/// In place of a spread.
const ONE_RUN: &str = "one run";

/// The throughput table; the reference column only where a reference exists.
pub fn throughput(rows: &[Row]) -> String {
    let with_reference = rows.iter().any(|row| row.reference.is_some());
    let mut header = vec![
        "total tokens",
        "tokens/s",
        "spread",
        "GB/s",
        "% of read bandwidth",
    ];
    if with_reference {
        header.push("reference tokens/s");
    }
    header.extend(["prefill tokens/s", "time to first token"]);
    let cells = |row: &Row| {
        let mut cells = vec![
            row.total_tokens.to_string(),
            number(row.decode.map(|decode| decode.median)),
            spread(row.decode),
            number(row.decode_gb_per_second),
            row.percent_of_read_bandwidth
                .map_or_else(dash, |percent| format!("{percent:.0} %")),
        ];
        if with_reference {
            cells.push(number(row.reference));
        }
        cells.push(number(row.prefill.map(|prefill| prefill.median)));
        cells.push(row.time_to_first_token_ms.map_or_else(dash, milliseconds));
        cells
    };
    render(&header, rows.iter().map(cells))
}

/// The candidates of one stage, fastest first.
pub fn stage(outcome: &Outcome) -> String {
    let mut order: Vec<usize> = (0..outcome.lanes.len()).collect();
    let rate = |index: usize| crate::stats::median(&outcome.lanes[index].rates);
    order.sort_by(|a, b| rate(*b).total_cmp(&rate(*a)));
    let cells = |index: usize| {
        let lane = &outcome.lanes[index];
        let summary = Summary::of(&lane.rates);
        let ending = if index == outcome.winner {
            Some("chosen")
        } else {
            lane.out.as_deref()
        };
        vec![
            lane.candidate.name.clone(),
            number(summary.map(|summary| summary.median)),
            spread(summary),
            lane.rates.len().to_string(),
            ending.unwrap_or_default().into(),
            lane.candidate.reason.clone(),
        ]
    };
    let header = [
        "candidate",
        "tokens/s",
        "spread",
        "runs",
        "ending",
        "why it was tried",
    ];
    render(&header, order.into_iter().map(cells))
}

/// A plain table of strings; columns of numbers stand to the right.
pub fn render(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.collect();
    let numeric = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(column));
        cells.all(|cell| {
            cell == ONE_RUN || cell.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        })
    };
    let right: Vec<bool> = (0..header.len()).map(numeric).collect();
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for (column, _) in table
        .column_iter_mut()
        .zip(right)
        .filter(|(_, right)| *right)
    {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// Two decimals, three digits at least for what is below ten.
pub fn number(value: Option<f64>) -> String {
    value.map_or_else(dash, |value| {
        if value < 10.0 {
            format!("{value:.3}")
        } else {
            format!("{value:.2}")
        }
    })
}

fn spread(summary: Option<Summary>) -> String {
    match summary {
        Some(summary) if summary.count > 1 => format!("{:.1} %", summary.spread_percent()),
        Some(_) => ONE_RUN.into(),
        None => dash(),
    }
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
    use crate::reference::TABLES;

    #[test]
    fn the_reference_column_is_there_only_with_a_reference() {
        let with = throughput(&rows(&data(), Some(20.0), Some(&TABLES[0])));
        assert!(
            with.contains("reference") && with.contains("28.11"),
            "{with}"
        );
        let without = throughput(&rows(&data(), Some(20.0), None));
        assert!(!without.contains("reference"), "{without}");
        for needed in ["12.00", "66.7 %", "60 %", "256.00", "500.0 ms", "-"] {
            assert!(without.contains(needed), "{needed} is not in\n{without}");
        }
    }
}
