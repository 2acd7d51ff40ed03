//! The table of rates on the terminal.

use sysinfer_report::Length;
use sysinfer_report::figures::interval;
use sysinfer_stats::Estimate;
use sysinfer_terminal::{number, render};

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
