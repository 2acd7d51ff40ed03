//! What a run prints when it has ended: results in the form that was asked for, and where they are.

use std::path::PathBuf;

use sysinfer_measure::source::Source;

use super::arguments::{Format, TuneArgs};
use super::shell::quoted;
use crate::report::{Report, json, many, markdown, table};

/// The results in the form that was asked for.
pub(super) fn results(
    arguments: &TuneArgs,
    source: &Source,
    report: &Report<'_>,
    paths: &[PathBuf],
) {
    match arguments.format {
        Format::Json => {
            let profile = report.confirmation.map(|_| arguments.output());
            println!("{:#}", json::render(report, paths, profile));
            if let Some(distrust) = &report.distrust {
                eprintln!("{}", distrust.banner().trim_end());
            }
        }
        Format::Text => {
            print_results(report);
            print_paths(arguments, source, report, paths);
        }
    }
}

/// Where things are, and what comes next.
fn print_paths(arguments: &TuneArgs, source: &Source, report: &Report<'_>, paths: &[PathBuf]) {
    let paths: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    println!("\nreport: {}", paths.join(", "));
    if report.confirmation.is_some() {
        println!("profile: {}", arguments.output().display());
        // No server takes the profile of a host that is only described.
        if arguments.simulate.is_some() {
            return;
        }
        if let Some(distrust) = &report.distrust {
            println!("\n{}", distrust.banner().trim_end());
            return;
        }
        println!(
            "next: sysinfer-server {} -t 0.0 -n 4096 --profile {}",
            quoted(&source.server_argument()),
            quoted(&arguments.output().display().to_string())
        );
    }
}

fn print_results(report: &Report<'_>) {
    match &report.distrust {
        Some(distrust) => println!("{}", distrust.banner().trim_end()),
        None => println!("{}", report.headline()),
    }
    if !report.rows.is_empty() {
        if let Some(distrust) = &report.distrust {
            println!("\n{}", distrust.caption());
        }
        println!("{}", table::throughput(&report.rows));
        print!("{}", markdown::method(report));
    }
    if let Some(roof) = report.roof() {
        println!(
            "Read bandwidth of the decode team: {roof:.1} GB/s, median of {} readings.",
            report.bandwidth.len()
        );
    }
    let lines = many::lines(report);
    if !lines.is_empty() {
        let rows = many::rate_rows(report).into_iter();
        println!("\n{}", table::render(&many::RATE_HEADER, rows));
        lines.iter().for_each(|line| println!("{line}"));
    }
    println!("\nchosen:\n{}", markdown::choice(report).trim_end());
    for remark in &report.remarks {
        println!("note: {remark}");
    }
    let remark = report.conditions.voids.remark(report.conditions.taken);
    if let Some(remark) = remark.filter(|_| report.distrust.is_none()) {
        println!("note: {remark}");
    }
    println!("\nwhy it is this fast:");
    for sentence in report.explanation() {
        println!("- {sentence}");
    }
}
