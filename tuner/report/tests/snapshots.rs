//! Whole pages, summaries, tables and charts of fixed reports, as they were last looked at.
//!
//! After a change that is meant, look at what the failing tests print and write it down with
//! `INSTA_UPDATE=always cargo test -p sysinfer-report`.

mod values;

use sysinfer_report::{Report, charts, csv, files, json, page, summary};

/// Writes a snapshot without where it was taken.
macro_rules! kept {
    ($name:expr, $text:expr) => {
        insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!($name, $text);
        })
    };
}

fn all() -> [(&'static str, Report); 5] {
    [
        ("usual", values::usual()),
        ("distrusted", values::distrusted()),
        ("interrupted", values::interrupted()),
        ("hostile", values::named(values::HOSTILE)),
        ("bare", values::bare()),
    ]
}

/// A text without what stands between these two, wherever they are.
fn without(text: &str, start: &str, end: &str) -> String {
    let mut parts = text.split(start);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (_, after) = part.split_once(end).expect("what begins also ends");
        format!("{text}{start}...{end}{after}")
    })
}

#[test]
fn pages_are_as_they_were() {
    for (name, report) in all() {
        let page = page(&report).expect("renders");
        // Charts have snapshots of their own, and the style is the same on all pages.
        let page = without(&without(&page, "<svg", "</svg>"), "<style>", "</style>");
        kept!(format!("{name}.html"), page);
    }
}

#[test]
fn summaries_are_as_they_were() {
    for (name, report) in all() {
        kept!(format!("{name}.md"), summary(&report).expect("renders"));
    }
}

#[test]
fn charts_are_as_they_were() {
    for (name, report) in all() {
        for chart in charts::all(&report) {
            // Those of the others differ in titles and names.
            let is_new = match name {
                "usual" => true,
                "hostile" => ["threads-decode", "step-time"].contains(&chart.name),
                _ => chart.name == "throughput",
            };
            if is_new {
                let drawn = chart.document().expect("draws");
                let shapes = drawn
                    .split("</style>")
                    .collect::<Vec<_>>()
                    .join("</style>\n");
                kept!(
                    format!("{name}-{}.svg", chart.name),
                    shapes.replace("/><", "/>\n<")
                );
            }
        }
    }
}

#[test]
fn values_and_tables_are_as_they_were() {
    for (name, report) in [("usual", values::usual()), ("bare", values::bare())] {
        kept!(format!("{name}.json"), json(&report).expect("renders"));
        kept!(
            format!("{name}-throughput.csv"),
            csv::throughput(&report).expect("renders")
        );
    }
    let report = values::usual();
    let measured = report.concurrency.as_ref().expect("there are some");
    kept!(
        "usual-concurrency.csv",
        csv::concurrency(measured, report.trusted).expect("renders")
    );
}

#[test]
fn nothing_that_comes_from_outside_becomes_markup() {
    let (safe, hostile) = (values::named("x"), values::named(values::HOSTILE));
    for ((name, text), (_, usual)) in files(&hostile)
        .expect("renders")
        .iter()
        .zip(files(&safe).expect("renders"))
    {
        let is_code = |line: &str| name.ends_with(".md") && line.starts_with("    ");
        let marked = |line: &&str| line.contains("<script") && !is_code(line);
        assert_eq!(text.lines().find(marked), None, "{name}");
        let control = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(control, None, "{name}");
        if name.ends_with(".html") || name.ends_with(".svg") {
            // As many elements as without.
            assert_eq!(
                text.matches('<').count(),
                usual.matches('<').count(),
                "{name}"
            );
        }
    }
}

#[test]
fn the_page_is_of_one_piece_and_says_the_verdict_and_the_chart_first() {
    let page = page(&values::usual()).expect("renders");
    for needed in ["src=", "href=", "<script", "@import", "url("] {
        assert!(!page.contains(needed), "{needed}");
    }
    let place = |text: &str| {
        page.find(text)
            .unwrap_or_else(|| panic!("{text} is not there"))
    };
    let order = [
        "class=\"verdict\"",
        "<svg",
        "<h2>Throughput",
        "<h2>How to serve",
        "<h2>Why it is",
    ]
    .map(place);
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn who_is_not_to_be_trusted_says_so_before_all_else() {
    let report = values::distrusted();
    let mark = "NOT TO BE TRUSTED";
    let page = page(&report).expect("renders");
    assert!(page.contains("<main>\n<div class=\"alarm\" role=\"alert\"><b>NOT TO BE TRUSTED</b>"));
    assert!(page.contains("<title>NOT TO BE TRUSTED: "));
    assert!(
        summary(&report)
            .expect("renders")
            .starts_with("> # NOT TO BE TRUSTED\n")
    );
    let charts = charts::all(&report);
    assert!(!charts.is_empty() && charts.iter().all(|chart| chart.title.starts_with(mark)));
}

#[test]
fn what_is_no_number_is_not_drawn() {
    let mut report = values::usual();
    let endless = Some(sysinfer_stats::Estimate {
        median: f64::INFINITY,
        low: f64::NAN,
        high: f64::INFINITY,
        count: 1,
    });
    for row in &mut report.lengths {
        row.decode_tokens_per_second = endless;
    }
    for stage in &mut report.stages {
        stage.candidates[0].tokens_per_second = endless;
    }
    let charts = charts::all(&report);
    assert!(charts.iter().all(|chart| chart.name != "throughput"));
    for chart in &charts {
        let drawn = chart.document().expect("draws");
        assert!(
            !drawn.contains("NaN") && !drawn.contains("inf"),
            "{}",
            chart.name
        );
    }
    page(&report).expect("renders");
}
