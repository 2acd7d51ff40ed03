//! What `load` prints: tables with their definitions, one JSON object, or a line per request.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use sysinfer_terminal::{number, render};

use super::arrivals::Arrivals;
use super::order::Distribution;
use super::record::Record;
use super::summary::Summary;

/// What the numbers mean; printed with them.
pub const DEFINITIONS: [&str; 9] = [
    "arrival: when a request should have been sent (--rate), or was sent (--concurrency); a connection of its own is part of every request",
    "time to first token: from arrival to the first event with text, reasoning or a piece of a tool call; a chunk with only a role does not count",
    "inter-token latency: between two events with output of one answer, over all answers; an event can hold several tokens",
    "time per output token: of an answer, from first to last output by its tokens after the first; answers of one event have none",
    "end to end: from arrival to [DONE] or the end of the stream",
    "percentiles: nearest rank, so each is a value that was measured; only whole answers count",
    "throughput: whole answers and their tokens by the time from the first arrival to the end of the last request",
    "tokens: the server's count (usage, asked for with stream_options.include_usage), else events with output",
    "goodput: whole answers that keep all targets, by that time, and as a share of all requests, failed ones and arrivals never sent included",
];

/// A run as JSON.
#[derive(Debug, Serialize)]
pub struct Run {
    /// Address of the server.
    pub url: String,
    /// `chat` or `completions`.
    pub endpoint: String,
    /// The model asked for.
    pub model: String,
    /// Arrivals in words.
    pub arrivals: String,
    /// Prompts in words.
    pub prompts: String,
    /// Most tokens of an answer.
    pub output_tokens: u32,
    /// Seed of arrivals and prompts.
    pub seed: u64,
    /// Requests before those that count.
    pub warm_up: u32,
    /// RFC 3339 time of the end.
    pub date: String,
    /// Version of this program.
    pub version: &'static str,
    /// The numbers.
    #[serde(flatten)]
    pub summary: Summary,
    /// Arrivals within the time that were not sent in it.
    pub unsent: u64,
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
    /// Remarks about what the numbers can bear.
    pub remarks: Vec<String>,
    /// What the numbers mean.
    pub definitions: [&'static str; 9],
}

/// Arrivals in words.
pub fn arrivals(arrivals: Arrivals) -> String {
    match arrivals {
        Arrivals::Closed { concurrency } => format!("closed, {concurrency} at a time"),
        Arrivals::Open {
            rate,
            max_in_flight,
        } => {
            format!("open, Poisson, {rate} requests/s, at most {max_in_flight} under way")
        }
    }
}

/// What a reader of the numbers must know.
pub fn remarks(summary: &Summary, unsent: u64, interrupted: bool) -> Vec<String> {
    let mut remarks = Vec::new();
    let counted = summary.counted_by_server;
    remarks.push(match summary.completed {
        0 => "no request was answered, so there is nothing to time".into(),
        all if all == counted => "tokens: counted by the server (usage) in all answers".into(),
        _ if counted == 0 => "tokens: events with output, as the server sent no usage; an event may hold several tokens".into(),
        all => format!("tokens: counted by the server in {counted} of {all} answers, events with output in the others"),
    });
    if let Some(tokens) = summary
        .tokens_per_event
        .filter(|tokens| !(0.95..=1.05).contains(tokens))
    {
        remarks.push(format!("an event holds {tokens:.2} tokens on average: inter-token latency is between events, time per output token between tokens"));
    }
    if summary.lag.late > 0 {
        let cause = match summary.lag.held {
            0 => "this client or its host was busy".to_string(),
            held => format!(
                "{held} waited for a place (--max-in-flight); the rest, if any, for this client"
            ),
        };
        remarks.push(format!(
            "the client fell behind: {} of {} requests were sent more than 10 ms after their arrival ({cause}); their wait is part of every latency",
            summary.lag.late, summary.requests
        ));
    }
    if unsent > 0 {
        remarks.push(format!("{unsent} requests were due within the time and never sent, as --max-in-flight were under way: the server does not keep up with this rate"));
    }
    if summary.gaps_left_out > 0 {
        remarks.push(format!(
            "{} gaps of later answers are left out of inter-token latency, to bound memory",
            summary.gaps_left_out
        ));
    }
    if interrupted {
        remarks.push("interrupted: requests under way were given up and are not counted".into());
    }
    remarks
}

/// The run as tables and lines.
pub fn text(run: &Run) -> String {
    let summary = &run.summary;
    let (url, endpoint, model) = (&run.url, &run.endpoint, &run.model);
    let mut lines = vec![
        format!("{url} {endpoint}, model {model}"),
        format!(
            "{}; {}; answers of {} tokens at most",
            run.arrivals, run.prompts, run.output_tokens
        ),
        latencies(summary),
        throughput(summary),
    ];
    if let Some(good) = &summary.goodput {
        lines.push(format!(
            "goodput      {:.3} requests/s, {} of {} requests ({:.1} %) within {}",
            good.requests_per_second,
            good.requests,
            summary.requests.saturating_add(run.unsent),
            good.percent,
            targets(&good.targets)
        ));
    }
    for (kind, failures) in &summary.failures {
        lines.push(format!(
            "failed       {} x {kind}; the first: {}",
            failures.count, failures.first
        ));
    }
    if let Some(lag) = summary.lag.lag_ms.filter(|lag| lag.max > 0.0) {
        lines.push(format!(
            "client lag   p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            lag.p50, lag.p99, lag.max
        ));
    }
    lines.extend(run.remarks.iter().map(|remark| format!("note: {remark}")));
    lines.push("\nWhat the numbers mean:".into());
    lines.extend(run.definitions.iter().map(|line| format!("  {line}")));
    lines.join("\n")
}

fn latencies(summary: &Summary) -> String {
    let header = ["milliseconds", "mean", "p50", "p95", "p99", "max", "values"];
    let row = |name: &str, found: &Option<Distribution>| {
        let mut cells = vec![name.to_owned()];
        match found {
            Some(found) => {
                let values = [found.mean, found.p50, found.p95, found.p99, found.max];
                cells.extend(values.map(|value| number(Some(value))));
                cells.push(found.count.to_string());
            }
            None => cells.extend((1..header.len()).map(|_| "-".to_owned())),
        }
        cells
    };
    let rows = [
        row("time to first token", &summary.time_to_first_token_ms),
        row("inter-token latency", &summary.inter_token_latency_ms),
        row("time per output token", &summary.time_per_output_token_ms),
        row("end to end", &summary.end_to_end_ms),
    ];
    render(&header, rows.into_iter())
}

fn throughput(summary: &Summary) -> String {
    let mean =
        |value: Option<f64>| value.map_or_else(|| "unknown".into(), |value| format!("{value:.1}"));
    let prompts = summary.prompt_tokens_per_second;
    let prompts = prompts.map_or_else(String::new, |rate| format!(", {rate:.2} prompt tokens/s"));
    format!(
        "throughput   {:.3} requests/s, {:.2} output tokens/s{prompts}\n\
         requests     {} of {} with a whole answer in {:.2} s; tokens on average: prompt {}, answer {}",
        summary.requests_per_second,
        summary.output_tokens_per_second,
        summary.completed,
        summary.requests,
        summary.seconds,
        mean(summary.prompt_tokens_mean),
        mean(summary.output_tokens_mean),
    )
}

fn targets(targets: &super::summary::Targets) -> String {
    let named = [
        ("first token", targets.time_to_first_token_ms),
        ("per output token", targets.time_per_output_token_ms),
        ("end to end", targets.end_to_end_ms),
    ];
    let named = named
        .iter()
        .filter_map(|(name, limit)| Some(format!("{name} {} ms", (*limit)?)));
    named.collect::<Vec<_>>().join(", ")
}

/// The columns of `--csv`. Empty: not known.
#[derive(Serialize)]
struct Line<'a> {
    request: u64,
    scheduled_seconds: f64,
    sent_seconds: f64,
    ended_seconds: f64,
    time_to_first_token_ms: Option<f64>,
    time_per_output_token_ms: Option<f64>,
    end_to_end_ms: Option<f64>,
    prompt_tokens: Option<u64>,
    output_tokens: Option<u64>,
    events: Option<u64>,
    tokens_from: &'a str,
    outcome: &'a str,
    detail: String,
}

/// A line per request, on disk as soon as it has ended.
pub struct Lines {
    writer: csv::Writer<File>,
}

impl Lines {
    /// Makes the file anew.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file =
            File::create(path).with_context(|| format!("cannot write --csv {}", path.display()))?;
        Ok(Self {
            writer: csv::Writer::from_writer(file),
        })
    }

    /// Appends one request.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add(&mut self, record: &Record) -> anyhow::Result<()> {
        let timing = record.outcome.as_ref().ok();
        let milliseconds = |seconds: f64| (1e6 * seconds).round() / 1e3;
        let line = Line {
            request: record.index,
            scheduled_seconds: record.scheduled,
            sent_seconds: record.sent,
            ended_seconds: record.ended,
            time_to_first_token_ms: timing.map(|timing| milliseconds(timing.first)),
            time_per_output_token_ms: timing
                .and_then(|timing| timing.per_output_token())
                .map(milliseconds),
            end_to_end_ms: timing.map(|timing| milliseconds(timing.end)),
            prompt_tokens: timing.and_then(|timing| timing.prompt_tokens),
            output_tokens: timing.map(|timing| timing.output_tokens),
            events: timing.map(|timing| timing.pieces()),
            tokens_from: match timing {
                Some(timing) if timing.is_counted_by_server => "usage",
                Some(_) => "events",
                None => "",
            },
            outcome: record
                .outcome
                .as_ref()
                .map_or_else(|failure| failure.kind(), |_| "whole"),
            detail: record
                .outcome
                .as_ref()
                .err()
                .map_or_else(String::new, ToString::to_string),
        };
        self.writer.serialize(line)?;
        self.writer.flush().context("cannot write --csv")
    }
}
