//! Tables of rates on the terminal, no wider than 80 columns. All that is known of a length is in the report.

use sysinfer_report::Length;
use sysinfer_report::figures::interval;
use sysinfer_stats::Estimate;
use sysinfer_terminal::{number, render};

/// Said below a table that has a mark.
const MARKED: &str = "* sampled: not decoded all the way";

/// A table of columns, of which those are left out that say nothing.
struct Columns<'a> {
    rows: &'a [Length],
    header: Vec<&'static str>,
    cells: Vec<Vec<String>>,
}

impl<'a> Columns<'a> {
    fn of(rows: &'a [Length]) -> Self {
        let lengths = rows.iter().map(|row| vec![row.total_tokens.to_string()]);
        Self {
            rows,
            header: vec!["length"],
            cells: lengths.collect(),
        }
    }

    /// A column of text, a dash where there is none; none at all where no row has any.
    fn text(mut self, header: &'static str, value: impl Fn(&Length) -> Option<String>) -> Self {
        let values: Vec<Option<String>> = self.rows.iter().map(value).collect();
        if values.iter().any(Option::is_some) {
            self.header.push(header);
            for (cells, value) in self.cells.iter_mut().zip(values) {
                cells.push(value.unwrap_or_else(|| "-".into()));
            }
        }
        self
    }

    /// A column of numbers.
    fn number(self, header: &'static str, value: impl Fn(&Length) -> Option<f64>) -> Self {
        self.text(header, |row| value(row).map(|value| number(Some(value))))
    }

    /// A rate and its interval.
    fn rate(self, header: &'static str, value: impl Fn(&Length) -> Option<Estimate>) -> Self {
        self.number(header, |row| middle(value(row)))
            .text("interval", |row| {
                value(row).map(|rate| interval(Some(rate)))
            })
    }

    fn render(self) -> String {
        render(&self.header, self.cells.into_iter())
    }
}

/// What matters of both phases, a line for each length; beside a reference its ratio, in place of what memory gave.
pub fn summary(rows: &[Length]) -> String {
    let marked = rows.iter().any(Length::is_sampled);
    let columns = Columns::of(rows)
        .text("", |row| marked.then(|| mark(row)))
        .rate("tokens/s", |row| row.decode_tokens_per_second);
    let columns = match rows.iter().any(|row| ratio(row).is_some()) {
        true => columns
            .number("reference", |row| row.reference_tokens_per_second)
            .text("ratio", |row| ratio(row).map(|ratio| format!("{ratio:.2}"))),
        false => columns
            .number("GB/s", |row| middle(row.decode_gb_per_second))
            .text("bandwidth", bandwidth),
    };
    let table = columns
        .number("prefill t/s", |row| middle(row.prefill_tokens_per_second))
        .render();
    match marked {
        true => format!("{table}\n{MARKED}"),
        false => table,
    }
}

/// All of both phases, a table for each that was measured.
pub fn whole(rows: &[Length]) -> String {
    let of = |measured: fn(&Length) -> bool| -> Vec<Length> {
        rows.iter().copied().filter(&measured).collect()
    };
    let decode = of(|row| row.decode_tokens_per_second.is_some());
    let prefill = of(|row| row.prefill_tokens_per_second.is_some());
    let with_method = decode.iter().any(Length::is_sampled);
    let decode = (!decode.is_empty()).then(|| {
        Columns::of(&decode)
            .rate("tokens/s", |row| row.decode_tokens_per_second)
            .text("method", |row| with_method.then(|| row.method().into()))
            .number("GB/s", |row| middle(row.decode_gb_per_second))
            .text("bandwidth", bandwidth)
            .number("reference", |row| row.reference_tokens_per_second)
            .render()
    });
    let prefill = (!prefill.is_empty()).then(|| {
        Columns::of(&prefill)
            .rate("prefill t/s", |row| row.prefill_tokens_per_second)
            .text("time to first token", |row| {
                middle(row.time_to_first_token_ms).map(milliseconds)
            })
            .render()
    });
    let tables: Vec<String> = decode.into_iter().chain(prefill).collect();
    tables.join("\n")
}

fn middle(known: Option<Estimate>) -> Option<f64> {
    known.map(|known| known.median)
}

/// Over the published rate.
fn ratio(row: &Length) -> Option<f64> {
    Some(middle(row.decode_tokens_per_second)? / row.reference_tokens_per_second?)
}

/// The share of the read bandwidth.
fn bandwidth(row: &Length) -> Option<String> {
    middle(row.percent_of_read_bandwidth).map(|percent| format!("{percent:.0} %"))
}

fn mark(row: &Length) -> String {
    let mark = if row.is_sampled() { "*" } else { "" };
    mark.into()
}

fn milliseconds(value: f64) -> String {
    if value >= 10_000.0 {
        format!("{:.1} s", value / 1000.0)
    } else {
        format!("{value:.1} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::report_of_run::reference::TABLES;
    use crate::tune::report_of_run::rows::rows;
    use crate::tune::report_of_run::tests::{data, sampled_data};

    #[test]
    fn columns_that_say_nothing_are_left_out() {
        let beside_a_reference = rows(&data(), Some(20.0), Some(&TABLES[0]));
        let sampled = rows(&sampled_data(), Some(20.0), None);
        insta::assert_snapshot!("summary_beside_a_reference", summary(&beside_a_reference));
        insta::assert_snapshot!("summary_with_a_sampled_length", summary(&sampled));
        insta::assert_snapshot!("whole", whole(&sampled));
    }
}
