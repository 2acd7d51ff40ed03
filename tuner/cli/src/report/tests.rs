//! A report with something of everything planted in it, for the tests of all formats; and the rows.

use sysinfer_engine::lookup::Rows;
use sysinfer_engine::{PhasePlan, Plan, StepTimes, WorkerSeconds};
use sysinfer_probe::Stage;
use sysinfer_search::confirm::Verdict;
use sysinfer_search::race::{Lane, Outcome};
use sysinfer_search::space::{Candidate, Skipped};
use sysinfer_table::Sampled;
use sysinfer_table::concurrency::Concurrency;
use sysinfer_table::drift::Drift;
use sysinfer_table::sampled::DEFINITION;
use sysinfer_table::split::Under;

use super::distrust::Distrust;
use super::samples::{Disturbed, Rival};
use super::*;
use crate::report::conditions::Conditions;
use crate::report::reference::TABLES;

/// What is in every text that comes from outside: none of it may become markup.
pub(crate) const HOSTILE: &str = "<script>alert(\"1\")</script>&'";

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

/// The same with a sampled length.
pub(crate) fn sampled_data() -> TableData {
    let mut data = data();
    let pass = Point {
        total_tokens: 128,
        tokens: 112,
        seconds: 14.0,
        bytes: 112e9,
    };
    let rate = Estimate {
        median: 8.0,
        low: 7.5,
        high: 8.5,
        count: 36,
    };
    let passes = vec![pass];
    data.sampled.insert(128, Sampled { passes, rate });
    data
}

/// A model of which a decode step reads so many bytes.
pub(crate) fn info(decode_bytes: u64) -> EngineInfo {
    EngineInfo {
        name: format!("planted {HOSTILE}"),
        architecture: "llama".into(),
        quantisation: "Q4_0".into(),
        context_length: 8192,
        vocabulary_size: 1000,
        layers: 2,
        embedding_length: 4096,
        heads: 4,
        kv_heads: 4,
        parameters: 1,
        weight_bytes: decode_bytes,
        decode_bytes,
        kv_bytes_per_position: 1024,
        block_types: Vec::new(),
        fingerprint: "planted".into(),
    }
}

fn host() -> HostInfo {
    HostInfo {
        cpu_model: format!("CPU {HOSTILE}"),
        architecture: "x86_64".into(),
        sve_bits: None,
        topology: "1 package x 1 node x 4 cores x 1 thread".into(),
        packages: 1,
        nodes: 1,
        cores: 4,
        cpus: 4,
        memory_bytes: 1 << 34,
        page_bytes: 4096,
        cpu_quota: None,
        kernel: "6.1".into(),
        huge_pages: "always".into(),
    }
}

/// What a report borrows.
pub(crate) struct Planted {
    host: HostInfo,
    info: EngineInfo,
    pub(crate) log: Log,
    pub(crate) confirmation: Option<Confirmation>,
}

impl Planted {
    pub(crate) fn new() -> Self {
        let mut plan = Plan::with_threads(PhasePlan::unpinned(2));
        plan.prefill.cpus = vec![0, 1];
        let outcomes = vec![
            race(Stage::DecodeTeam, &["1", "2", "4"], |plan, place| {
                plan.decode.threads = 1 << place;
            }),
            race(
                Stage::PrefillRows,
                &["rows 16", "rows 64", "rows 32"],
                |plan, place| {
                    plan.blocking.prefill_rows = [16, 64, 32][place];
                },
            ),
            race(
                Stage::PrefillChunk,
                &["chunk 128", "chunk 512"],
                |plan, place| {
                    plan.blocking.prefill_chunk = [128, 512][place];
                },
            ),
            race(Stage::Prefetch, &["prefetch 0", "prefetch 512"], |_, _| {}),
        ];
        Self {
            host: host(),
            info: info(1_000_000_000),
            log: Log {
                outcomes,
                skipped: vec![Skipped {
                    name: "smt".into(),
                    reason: HOSTILE.into(),
                }],
            },
            confirmation: Some(Confirmation {
                plan,
                gain_decode: Some(proven()),
                gain_prefill: None,
                reasons: vec!["decode: +10.0 % over the default".into()],
                decode: Fresh {
                    margin: Some(proven()),
                    candidate: "tuned",
                    verdict: Verdict::Chosen,
                },
                prefill: Fresh::default(),
            }),
        }
    }

    pub(crate) fn report(&self) -> Report<'_> {
        Report {
            host: &self.host,
            info: &self.info,
            instruction_sets: vec!["avx2".into()],
            date: "2026-11-22T12:00:00Z".into(),
            command: format!("sysinfer-tune '{HOSTILE}'"),
            pins: "decode: 2 threads".into(),
            rows: rows(&data(), Some(20.0), Some(&TABLES[0])),
            bandwidth: vec![20.0, 19.0, 21.0],
            cores: [50.0, 51.5, 40.25]
                .map(|rate| CoreReading {
                    arithmetic: Some(rate),
                    exchange: Some(rate / 2.0),
                })
                .into(),
            log: &self.log,
            confirmation: self.confirmation.as_ref(),
            reference: Some(&TABLES[0]),
            remarks: vec![format!("lengths 4096 are left out {HOSTILE}")],
            prompt_tokens: 16,
            splits: vec![split(Phase::Decode, 32), split(Phase::Prefill, 64)],
            concurrency: concurrency(),
            samples: samples(),
            default_threads: 4,
            cache_bytes: 0,
            conditions: Conditions::default(),
            distrust: None,
            sections: vec![Section {
                title: format!("Host check {HOSTILE}"),
                lines: vec!["numa_balancing is on".into()],
                header: vec!["node".into(), "GB/s".into()],
                rows: vec![vec!["0".into(), "20.0".into()]],
            }],
        }
    }
}

/// 100 tokens/s of one sequence and 200 of four, and two parts of prompts beside these.
fn concurrency() -> Concurrency {
    let steps = [
        ((1, 0), vec![0.01, 0.0102, 0.0098]),
        ((4, 0), vec![0.02]),
        ((4, 32), vec![0.05, 0.055]),
        ((4, 64), vec![0.12]),
    ];
    let rows = |((decode, prompt), seconds)| (Rows { decode, prompt }, seconds);
    Concurrency {
        context_tokens: 16,
        token_gap_ms: 100,
        steps: steps.map(rows).into(),
    }
}

/// A gain over the default.
fn proven() -> Estimate {
    Estimate {
        median: 1.1,
        low: 1.078,
        high: 1.122,
        count: 6,
    }
}

/// What may be a gain or none.
pub(crate) fn unproven() -> Estimate {
    Estimate {
        low: 0.99,
        high: 1.21,
        ..proven()
    }
}

fn samples() -> Samples {
    let estimate = |median: f64| Estimate {
        median,
        low: 0.98 * median,
        high: 1.02 * median,
        count: 5,
    };
    Samples {
        drift: Drift {
            decode: Some(0.021),
            prefill: None,
        },
        readings: 60,
        voids: vec![Disturbed {
            reason: "other load took 12 to 30 % of the CPUs".into(),
            count: 3,
            stages: vec!["decode-team".into()],
        }],
        kept: Vec::new(),
        rivals: vec![Rival {
            phase: Phase::Decode,
            candidate: "tuned".into(),
            rate: estimate(11.0),
            default: estimate(10.0),
        }],
    }
}

fn split(phase: Phase, total_tokens: usize) -> Split {
    let seconds = |mean: f64| WorkerSeconds { mean, worst: mean };
    let times = StepTimes {
        step_seconds: 0.1,
        products: seconds(0.08),
        attention: seconds(0.005),
        waiting: seconds(0.01),
        rest: seconds(0.005),
    };
    Split {
        under: Under::Chosen,
        phase,
        total_tokens,
        steps: vec![times; 3],
    }
}

/// A race of these candidates, the second of which won.
fn race(stage: Stage, names: &[&str], change: impl Fn(&mut Plan, usize)) -> Outcome {
    let lane = |(place, name): (usize, &&str)| {
        let mut plan = Plan::with_threads(PhasePlan::unpinned(2));
        change(&mut plan, place);
        let best = if place == 1 { 11.0 } else { 9.0 };
        Lane {
            candidate: Candidate {
                name: (*name).into(),
                reason: format!("why not {HOSTILE}"),
                rank: (0, place),
                plan,
            },
            rates: vec![best, best + 0.2, best - 0.1],
            out: (place == 0).then(|| "18 % slower than the best after round 3".into()),
        }
    };
    Outcome {
        stage,
        title: stage.title().into(),
        lanes: names.iter().enumerate().map(lane).collect(),
        winner: 1,
        why: "11.00 tokens/s, 22.2 % over the next".into(),
        discarded_rounds: 1,
        noise: 0.01,
    }
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
    let percent = rows[0].estimates.decode_percent.expect("a roof");
    assert_eq!(
        (percent.low, percent.median, percent.high),
        (40.0, 60.0, 80.0)
    );
    assert_eq!((rows[0].reference, rows[0].prefill), (Some(28.11), None));
    assert_eq!(
        (rows[2].decode, rows[2].time_to_first_token_ms),
        (None, Some(500.0))
    );
    assert_eq!(rows[2].prefill.expect("prompt").median, 256.0);
}

#[test]
fn a_sampled_rate_is_marked_in_every_format() {
    let planted = Planted::new();
    let mut report = planted.report();
    report.rows = rows(&sampled_data(), Some(20.0), Some(&TABLES[0]));
    let row = report.rows[2];
    assert!(row.sampled && !report.rows[0].sampled);
    let gb = row.estimates.decode_gb.expect("sampled");
    assert_eq!((gb.low, gb.median, gb.high), (7.5, 8.0, 8.5));
    let terminal = table::throughput(&report.rows);
    let (summary, page) = (markdown::render(&report), html::render(&report));
    for (name, text) in [("table", &terminal), ("summary", &summary), ("page", &page)] {
        assert!(
            text.contains("method") && text.contains("whole"),
            "{name}: {text}"
        );
        assert!(
            text.contains("sampled") && text.contains("7.500 - 8.500"),
            "{name}: {text}"
        );
    }
    assert!(summary.contains(DEFINITION) && page.contains(DEFINITION));
    assert!(page.contains("tokens/s, sampled, 7.500"));
    assert!(markup::tests::open_elements(&page).is_empty());
    let csv = csv::render(&report.rows, false).expect("renders");
    let last = csv.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("128,8.000,8.000,8.000,1,") && last.ends_with(",sampled,false"),
        "{last}"
    );
    let json = json::render(&report, &["a"], None);
    assert_eq!(json["lengths"][2]["decode_is_sampled"], true);
    assert_eq!(json["lengths"][0]["decode_is_sampled"], false);
    let drawn = svg::all(&report);
    let plot = drawn
        .iter()
        .find(|figure| figure.name == "throughput")
        .expect("drawn");
    assert_eq!(plot.document().matches("paper outline").count(), 1);
    assert!(plot.note.contains("Open dots: sampled") && plot.document().contains(", sampled"));
    // Without such a row, nothing speaks of it.
    for text in [
        markdown::render(&planted.report()),
        html::render(&planted.report()),
    ] {
        assert!(!text.contains(DEFINITION) && !text.contains("Open dots"));
    }
}

#[test]
fn a_share_above_the_median_reading_is_not_called_one_above_all_readings() {
    let planted = Planted::new();
    let said = |gb: f64, cache_bytes| {
        let mut report = planted.report();
        report.cache_bytes = cache_bytes;
        report.rows[0].decode_gb_per_second = Some(gb);
        report.rows[0].percent_of_read_bandwidth = Some(100.0 * gb / 20.0);
        markdown::method(&report)
    };
    let range = "readings went from 19.0 to 21.0 GB/s.";
    let above_median = said(20.5, 0);
    assert!(
        above_median.ends_with(&format!("above 100 % of the median reading: {range}\n")),
        "{above_median}"
    );
    let above_all = said(22.0, 0);
    assert!(
        above_all.ends_with(&format!("than in any reading; {range}\n")),
        "{above_all}"
    );
    for silent in [said(19.5, 0), said(22.0, 1 << 40)] {
        assert!(!silent.contains("above 100 %"), "{silent}");
    }
}

#[test]
fn all_files_are_written_and_the_summary_says_what_the_page_says() {
    let planted = Planted::new();
    let report = planted.report();
    let folder = tempfile::tempdir().expect("a folder");
    let paths = report.write(folder.path()).expect("written");
    let names: Vec<String> = paths
        .iter()
        .filter_map(|path| path.file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    for name in [
        "throughput.csv",
        "throughput.svg",
        "step-time.svg",
        "threads-decode.svg",
        "prefill-blocks.svg",
        "prefetch.svg",
        "bandwidth-share.svg",
        "summary.md",
        "report.html",
    ] {
        assert!(
            names.iter().any(|written| written == name),
            "{name} of {names:?}"
        );
    }
    let summary = markdown::render(&report);
    for said in report.explanation() {
        assert!(summary.contains(&said), "{said}");
    }
    for said in [
        "## Void samples",
        "3 of 60",
        "other load took",
        "Host check",
        "numa_balancing",
    ] {
        assert!(summary.contains(said), "{said} is not in\n{summary}");
    }
}

/// The planted run, had it been disturbed; the plan that it found had gained 10 %.
fn spoilt(planted: &mut Planted) -> Report<'_> {
    let default = Plan::with_threads(PhasePlan::unpinned(4));
    let why = "280 of 281 samples (100 %) were disturbed: 280 busy".to_owned();
    let found = planted.confirmation.take();
    let (distrust, settled) = Distrust::settle(why, found.as_ref(), &default, false);
    planted.confirmation = settled;
    Report {
        distrust: Some(distrust),
        ..planted.report()
    }
}

#[test]
fn a_run_that_is_not_to_be_trusted_says_so_first_in_every_format() {
    let mut planted = Planted::new();
    let report = spoilt(&mut planted);
    let mark = "NOT TO BE TRUSTED";
    let summary = markdown::render(&report);
    assert!(summary.starts_with(&format!("> # {mark}\n")), "{summary}");
    let page = html::render(&report);
    assert!(page.contains(&format!("<title>{mark}: ")), "{page}");
    let body = page.split_once("<main>").map_or("", |(_, body)| body);
    let banner = format!("<div class=\"alarm\" role=\"alert\"><b>{mark}</b>");
    assert!(body.starts_with(&banner), "{body}");
    assert!(!page.contains("class=\"cards\""), "nothing was proven");
    let json = json::render(&report, &["a"], None).to_string();
    let first = "{\"trusted\":false,\"not_trusted_because\":\"280 of 281";
    assert!(json.starts_with(first), "{json}");
    for figure in svg::all(&report) {
        assert!(figure.document().contains(mark), "{}", figure.name);
    }
    // The gain that was seen is nowhere, and every text says why.
    for text in [&summary, &page, &json] {
        assert!(text.contains("280 of 281 samples (100 %)"), "{text}");
        for gain in ["+10.0", "+7.8", "1.078"] {
            assert!(!text.contains(gain), "{gain} is in {text}");
        }
    }
    let quiet = Planted::new();
    let quiet = quiet.report();
    for text in [markdown::render(&quiet), html::render(&quiet)] {
        assert!(!text.contains(mark) && text.contains("+10.0 % (+7.8 to +12.2)"));
    }
}

#[test]
fn what_may_be_no_gain_is_called_none_in_every_format() {
    let mut planted = Planted::new();
    let found = planted.confirmation.as_mut().expect("planted");
    found.gain_decode = Some(unproven());
    found.decode.margin = Some(unproven());
    found.reasons.clear();
    let report = planted.report();
    let none = "no proven gain (-1.0 to +21.0 %)";
    let (summary, page) = (markdown::render(&report), html::render(&report));
    for text in [&summary, &page] {
        assert!(text.contains(none) && !text.contains("+10.0"), "{text}");
    }
    assert!(page.contains("<b>no proven gain</b>"), "{page}");
    let json = json::render(&report, &["a"], None);
    assert!(json["headline"].to_string().contains(none), "{json}");
    let decode = &json["chosen"]["decode"];
    assert!(decode["gain"].is_null(), "{decode}");
    assert_eq!(decode["rate_over_default"]["low"], 0.99);
}

#[test]
fn instruction_sets_and_the_length_of_vectors_are_said_everywhere() {
    let mut planted = Planted::new();
    planted.host.sve_bits = Some(256);
    let report = planted.report();
    let page = html::render(&report);
    let summary = markdown::render(&report);
    for text in [&page, &summary] {
        assert!(
            text.contains("avx2") && text.contains("SVE of 256 bits"),
            "{text}"
        );
    }
    let value = json::render(&report, &[""; 0], None);
    assert_eq!(value["host"]["instruction_sets"][0], "avx2");
    assert_eq!(value["host"]["sve_bits"], 256);
    // Elsewhere there is no such thing.
    planted.host.sve_bits = None;
    assert!(!markdown::render(&planted.report()).contains("SVE"));
}

#[test]
fn names_are_no_markup_in_the_summary() {
    let mut planted = Planted::new();
    planted.info.name = "a<b>[c](d)`e`|\\&\nf".into();
    planted.host.cpu_model = "[CPU]".into();
    let summary = markdown::render(&planted.report());
    let name = r"a&lt;b>\[c\](d)\`e\`\|\\&amp; f";
    let heading = format!("# {name} on \\[CPU\\]\n");
    assert!(summary.starts_with(&heading), "{summary}");
    assert!(summary.contains(&format!("- model: {name} (")), "{summary}");
    assert!(summary.contains("- host: \\[CPU\\], "), "{summary}");
}

#[test]
fn plots_are_well_formed_and_have_both_schemes() {
    let planted = Planted::new();
    for figure in svg::all(&planted.report()) {
        let text = figure.document();
        assert!(
            markup::tests::open_elements(&text).is_empty(),
            "{}",
            figure.name
        );
        assert!(
            text.contains("prefers-color-scheme:dark"),
            "{}",
            figure.name
        );
        assert!(
            !text.contains("NaN") && !text.contains("\"inf"),
            "{}",
            figure.name
        );
    }
}
