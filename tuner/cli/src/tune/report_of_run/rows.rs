//! The table: everything known about each length, and how its numbers came about.

use sysinfer_probe::Point;
use sysinfer_report::Length;
use sysinfer_stats::{Estimate, Summary, median_of};
use sysinfer_table::{TableData, sampled};

use super::ended::Ended;
use super::explain::fits_caches;
use super::reference::{self, Reference};

/// Median of the readings: what the memory gave while the run took its samples; `None` of none.
pub fn roof(bandwidth: &[f64]) -> Option<f64> {
    median_of(bandwidth.iter().copied())
}

/// Rows for every length that was measured in either phase, ascending.
pub fn rows(data: &TableData, roof: Option<f64>, reference: Option<&Reference>) -> Vec<Length> {
    let mut lengths = data.decode_lengths();
    lengths.extend(data.prefill.keys());
    lengths.sort_unstable();
    lengths.dedup();
    let lengths = lengths.into_iter();
    lengths
        .map(|length| row(data, length, roof, reference))
        .collect()
}

fn row(
    data: &TableData,
    length: usize,
    roof: Option<f64>,
    reference: Option<&Reference>,
) -> Length {
    let of = |points: &[Point], value: fn(&Point) -> f64| -> Vec<f64> {
        points.iter().map(value).collect()
    };
    let decode = data.decode_runs(length);
    let prefill = data.prefill.get(&length).map_or(&[][..], Vec::as_slice);
    let runs = Summary::of(&of(decode, Point::tokens_per_second));
    // What is known of a sampled rate is the spread of its steps; all runs read the same bytes.
    let sampled = data
        .sampled
        .get(&length)
        .filter(|_| data.is_sampled(length));
    let (rate, gb) = match sampled {
        Some(found) => {
            let each = decode
                .first()
                .map_or(0.0, |run| run.bytes / run.tokens as f64);
            (
                Some(found.rate),
                Some(found.rate.map(|rate| rate * each / 1e9)),
            )
        }
        None => (
            Estimate::of(&of(decode, Point::tokens_per_second)),
            Estimate::of(&of(decode, Point::gb_per_second)),
        ),
    };
    let percent = |(gb, roof): (Estimate, f64)| gb.map(|gb| 100.0 * gb / roof);
    Length {
        total_tokens: length,
        decode_tokens_per_second: rate,
        decode_is_sampled: rate.map(|_| sampled.is_some()),
        decode_runs: runs.map(|runs| runs.count),
        decode_range: runs.map(|runs| (runs.low, runs.high)),
        decode_gb_per_second: gb,
        percent_of_read_bandwidth: gb.zip(roof).map(percent),
        reference_tokens_per_second: reference.and_then(|table| table.at(length)),
        prefill_tokens_per_second: Estimate::of(&of(prefill, Point::tokens_per_second)),
        prefill_gb_per_second: Estimate::of(&of(prefill, Point::gb_per_second)),
        time_to_first_token_ms: Estimate::of(&of(prefill, |point| 1000.0 * point.seconds)),
    }
}

/// How the numbers of the table came about, a paragraph each.
pub(super) fn method(ended: &Ended<'_>) -> Vec<String> {
    let mut said = vec![format!(
        "tokens/s: from a prompt of {} tokens, one token at a time until prompt + output reach the length; \
         generated tokens over the time of their steps, median of the runs with its interval (95 % bootstrap from \
         six runs on, the range of fewer). Prefill and time to first token: one prompt of that length. GB/s: weights \
         and cache read while decoding.",
        ended.prompt_tokens
    )];
    if ended.rows.iter().any(Length::is_sampled) {
        said.push(sampled::DEFINITION.into());
    }
    said.push(match ended.reference {
        Some(table) => format!("Reference: {}.", table.words()),
        None => reference::NONE.into(),
    });
    said.extend(above_the_roof(ended));
    said
}

/// A line for shares above 100 %, which say that the roof itself moved; nothing without one, or where weights need
/// not come from memory.
fn above_the_roof(ended: &Ended<'_>) -> Option<String> {
    let share = |row: &Length| Some(row.percent_of_read_bandwidth?.median);
    let is_above = ended
        .rows
        .iter()
        .filter_map(share)
        .any(|share| share > 100.0);
    if fits_caches(ended.info, ended.cache_bytes) || !is_above {
        return None;
    }
    let readings = &ended.bandwidth;
    let slowest = readings.iter().copied().fold(f64::INFINITY, f64::min);
    let fastest = readings.iter().copied().fold(0.0, f64::max);
    let range = format!("readings went from {slowest:.1} to {fastest:.1} GB/s");
    let gb = |row: &Length| Some(row.decode_gb_per_second?.median);
    Some(
        match ended.rows.iter().filter_map(gb).any(|gb| gb > fastest) {
            true => format!(
                "A share above 100 %: this host's memory was faster during that row than in any reading; {range}."
            ),
            false => format!("A share above 100 % of the median reading: {range}."),
        },
    )
}
