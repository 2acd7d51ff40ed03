//! Tables on the terminal.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use sysinfer_report::Length;
use sysinfer_report::figures::{ONE_SAMPLE, interval};
use sysinfer_stats::Estimate;

/// The throughput table; the reference column only where a reference exists, the method of decoding
/// only where a row is sampled.
pub fn throughput(rows: &[Length]) -> String {
    let with_reference = rows
        .iter()
        .any(|row| row.reference_tokens_per_second.is_some());
    let with_method = rows.iter().any(Length::is_sampled);
    let mut header = vec!["total tokens", "tokens/s", "interval"];
    if with_method {
        header.push("method");
    }
    header.extend(["GB/s", "% of read bandwidth"]);
    if with_reference {
        header.push("reference tokens/s");
    }
    header.extend(["prefill tokens/s", "interval", "time to first token"]);
    let middle = |known: Option<Estimate>| known.map(|known| known.median);
    let cells = |row: &Length| {
        let mut cells = vec![
            row.total_tokens.to_string(),
            number(middle(row.decode_tokens_per_second)),
            interval(row.decode_tokens_per_second),
        ];
        if with_method {
            let method = row.method();
            cells.push(if method.is_empty() {
                dash()
            } else {
                method.into()
            });
        }
        cells.push(number(middle(row.decode_gb_per_second)));
        let percent = middle(row.percent_of_read_bandwidth);
        cells.push(percent.map_or_else(dash, |percent| format!("{percent:.0} %")));
        if with_reference {
            cells.push(number(row.reference_tokens_per_second));
        }
        cells.push(number(middle(row.prefill_tokens_per_second)));
        cells.push(interval(row.prefill_tokens_per_second));
        cells.push(middle(row.time_to_first_token_ms).map_or_else(dash, milliseconds));
        cells
    };
    render(&header, rows.iter().map(cells))
}

/// A plain table of strings; columns of numbers stand to the right.
pub fn render(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.collect();
    let numeric = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(column));
        cells.all(|cell| {
            cell == ONE_SAMPLE || cell.starts_with(|c: char| c.is_ascii_digit() || c == '-')
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
    use super::*;
    use crate::tune::report_of_run::reference::TABLES;
    use crate::tune::report_of_run::rows::rows;
    use crate::tune::report_of_run::tests::data;

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
