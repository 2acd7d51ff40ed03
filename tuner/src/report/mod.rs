//! What a run leaves for people: a table on the terminal, and files in the report directory.
//!
//! One format per file: [`table`] (terminal), [`csv`], [`plot`] (SVG), [`markdown`] (the summary).

pub mod csv;
pub mod markdown;
pub mod plot;
pub mod table;

use std::path::{Path, PathBuf};

use anyhow::Context;
use sysinfer_engine::EngineInfo;
use sysinfer_machine::HostInfo;

use crate::conditions::Conditions;
use crate::measure::Point;
use crate::measure::table::TableData;
use crate::reference::Reference;
use crate::search::confirm::Confirmation;
use crate::search::staged::Log;
use crate::stats::{Summary, median};

/// One line of the table: everything known about one length.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Row {
    /// Prompt and output for decode, the prompt for prefill.
    pub total_tokens: usize,
    /// Decode rates, tokens/s.
    pub decode: Option<Summary>,
    /// Median of bytes read while decoding, GB/s.
    pub decode_gb_per_second: Option<f64>,
    /// The same over the read bandwidth.
    pub percent_of_read_bandwidth: Option<f64>,
    /// What the original published, tokens/s.
    pub reference: Option<f64>,
    /// Prefill rates, tokens/s.
    pub prefill: Option<Summary>,
    /// Median time from such a prompt to its first token, milliseconds.
    pub time_to_first_token_ms: Option<f64>,
}

/// All that a report says.
pub struct Report<'a> {
    /// The host that was measured.
    pub host: &'a HostInfo,
    /// The model that was measured.
    pub info: &'a EngineInfo,
    /// Instruction sets that kernels may use.
    pub instruction_sets: Vec<&'static str>,
    /// RFC 3339 time of the start.
    pub date: String,
    /// The command line.
    pub command: String,
    /// Threads and pins that really held.
    pub pins: String,
    /// The table.
    pub rows: Vec<Row>,
    /// Read bandwidth readings of the run, GB/s.
    pub bandwidth: Vec<f64>,
    /// The host, its memory and void samples.
    pub conditions: Conditions,
    /// The search, stage by stage.
    pub log: &'a Log,
    /// The decision; `None` when the run was interrupted before.
    pub confirmation: Option<&'a Confirmation>,
    /// The published table for this shape.
    pub reference: Option<&'static Reference>,
    /// What was cut or thrown away, and other remarks.
    pub remarks: Vec<String>,
    /// Tokens of the prompt of decode runs.
    pub prompt_tokens: usize,
}

impl Report<'_> {
    /// The roof that percentages refer to, GB/s; `None` when it was not measured.
    pub fn roof(&self) -> Option<f64> {
        self.conditions.roof(&self.bandwidth)
    }

    /// Writes `summary.md`, `throughput.csv`, `throughput.svg` and `bandwidth.csv`; returns their paths.
    ///
    /// # Errors
    /// The directory is not writable.
    pub fn write(&self, directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        let mut save = |name: &str, text: String| -> anyhow::Result<()> {
            let path = directory.join(name);
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
            paths.push(path);
            Ok(())
        };
        save("throughput.csv", csv::render(&self.rows)?)?;
        if self.rows.iter().any(|row| row.decode.is_some()) {
            save("throughput.svg", plot::render(self)?)?;
        }
        if !self.conditions.map.rows.is_empty() {
            save("bandwidth.csv", self.conditions.map.csv()?)?;
        }
        save("summary.md", markdown::render(self))?;
        Ok(paths)
    }
}

/// The best of the readings, which is nearest to the hardware; `None` of none.
pub fn roof(bandwidth: &[f64]) -> Option<f64> {
    bandwidth.iter().copied().reduce(f64::max)
}

/// Rows for every length that was measured in either phase, ascending.
pub fn rows(data: &TableData, roof: Option<f64>, reference: Option<&Reference>) -> Vec<Row> {
    let mut lengths: Vec<usize> = data
        .decode
        .keys()
        .chain(data.prefill.keys())
        .copied()
        .collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
        .into_iter()
        .map(|length| row(data, length, roof, reference))
        .collect()
}

fn row(data: &TableData, length: usize, roof: Option<f64>, reference: Option<&Reference>) -> Row {
    let none = Vec::new();
    let of = |point: fn(&Point) -> f64, points: &[Point]| -> Vec<f64> {
        points.iter().map(point).collect()
    };
    let decode = data.decode.get(&length).unwrap_or(&none);
    let prefill = data.prefill.get(&length).unwrap_or(&none);
    let gb = (!decode.is_empty()).then(|| median(&of(Point::gb_per_second, decode)));
    let milliseconds = of(|point| 1000.0 * point.seconds, prefill);
    Row {
        total_tokens: length,
        decode: Summary::of(&of(Point::tokens_per_second, decode)),
        decode_gb_per_second: gb,
        percent_of_read_bandwidth: gb.zip(roof).map(|(gb, roof)| 100.0 * gb / roof),
        reference: reference.and_then(|table| table.at(length)),
        prefill: Summary::of(&of(Point::tokens_per_second, prefill)),
        time_to_first_token_ms: (!prefill.is_empty()).then(|| median(&milliseconds)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::reference::TABLES;

    /// Two runs of two lengths, and a prompt of a third.
    pub(crate) fn data() -> TableData {
        let point = |total_tokens, tokens, seconds| Point {
            total_tokens,
            tokens,
            seconds,
            bytes: 1e9 * tokens as f64,
        };
        let mut data = TableData::default();
        data.decode
            .insert(32, vec![point(32, 16, 1.0), point(32, 16, 2.0)]);
        data.decode
            .insert(64, vec![point(64, 48, 4.0), point(64, 48, 6.0)]);
        data.prefill.insert(128, vec![point(128, 128, 0.5)]);
        data
    }

    #[test]
    fn rows_join_both_phases_and_the_reference() {
        let rows = rows(&data(), Some(20.0), Some(&TABLES[0]));
        assert_eq!(
            rows.iter().map(|row| row.total_tokens).collect::<Vec<_>>(),
            [32, 64, 128]
        );
        let decode = rows[0].decode.expect("decoded");
        assert_eq!(
            (decode.count, decode.median, decode.low, decode.high),
            (2, 12.0, 8.0, 16.0)
        );
        assert_eq!(rows[0].percent_of_read_bandwidth, Some(60.0));
        assert_eq!((rows[0].reference, rows[0].prefill), (Some(28.11), None));
        assert_eq!(
            (rows[2].decode, rows[2].time_to_first_token_ms),
            (None, Some(500.0))
        );
        assert_eq!(rows[2].prefill.expect("prompt").median, 256.0);
    }
}
